import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { toHex } from '../../src/base/bytes.ts';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import { type AssembleOptions, assemble } from '../../src/isa/assembler.ts';

const hex = (text: string, options?: AssembleOptions): string => toHex(assemble(text, options).code);

function errorOf(text: string, options?: AssembleOptions): AnyBpfError {
  try {
    assemble(text, options);
  } catch (error) {
    if (error instanceof AnyBpfError) return error;
    throw error;
  }
  throw new Error(`assembled: ${text}`);
}

describe('one encoding, in the words of llvm, the kernel, PREVAIL and bpf_conformance', () => {
  // Encodings as llvm-mc and clang give them, those after LLVM 14 as RFC 9669 does.
  test.each<[string, string[]]>([
    ['bf21000000000000', ['r1 = r2', 'mov %r1, %r2', 'mov\t%r1,%r2']],
    ['bc21000000000000', ['w1 = w2', 'w1 = r2', 'mov32 %r1, %r2']],
    ['b7010000fbffffff', ['r1 = -5', 'r1=-5', 'r1 = 0xfffffffb', 'mov %r1, -5', '3: (b7) r1 = -5']],
    ['b4010000ffffffff', ['w1 = -1', 'mov32 %r1, 0xffffffff']],
    [
      '18010000887766550000000044332211',
      ['r1 = 0x1122334455667788 ll', 'lddw %r1, 0x1122334455667788', '0: (18) r1 = 0x1122334455667788'],
    ],
    ['18010000ffffffff00000000ffffffff', ['r1 = -1 ll', 'r1 = 18446744073709551615ll', 'lddw %r1, 0xffffffffffffffff']],
    ['c401000003000000', ['w1 s>>= 3', 'arsh32 %r1, 3']],
    ['cf21000000000000', ['r1 s>>= r2', 'arsh %r1, %r2']],
    ['3f21010000000000', ['r1 s/= r2', 'sdiv %r1, %r2']],
    ['94010100fdffffff', ['w1 s%= -3', 'smod32 %r1, -3']],
    ['8701000000000000', ['r1 = -r1', 'neg %r1']],
    ['8401000000000000', ['w1 = -w1', 'neg32 %r1']],
    ['dc01000010000000', ['r1 = be16 r1', 'be16 %r1']],
    ['d401000040000000', ['r1 = le64 r1', 'le64 %r1']],
    ['d701000020000000', ['r1 = bswap32 r1', 'r1 = swap32 r1', 'bswap32 %r1', 'swap32 %r1']],
    ['bf21080000000000', ['r1 = (s8)r2', 'r1 = (s8) r2', 'r1 s8= r2', 'movsx864 %r1, %r2']],
    ['bc21100000000000', ['w1 = (s16)w2', 'w1 s16= w2', 'movsx1632 %r1, %r2']],
    ['bf21200000000000', ['r1 = (s32)r2', 'movsx3264 %r1, %r2']],
    ['bf21010001000000', ['r1 = addr_space_cast(r2, 0, 1)', 'r1 = addr_space_cast(r2, 0x0, 0x1)']],
    [
      '7121040000000000',
      ['r1 = *(u8 *)(r2 + 4)', 'w1 = *(u8 *)(r2 + 0x4)', 'r1 = *(u8 *)(r2 +4)', 'ldxb %r1, [%r2+4]'],
    ],
    [
      '6121fcff00000000',
      ['r1 = *(u32 *)(r2 - 4)', '  18:\t61 21 fc ff 00 00 00 00\tr1 = *(u32 *)(r2 - 4)', 'ldxw %r1, [%r2-4]'],
    ],
    ['7921000000000000', ['r1 = *(u64 *)(r2 + 0)', 'ldxdw %r1, [%r2]']],
    ['9121000000000000', ['r1 = *(s8 *)(r2 + 0)', 'ldxsb %r1, [%r2+0]']],
    ['6332fcff00000000', ['*(u32 *)(r2 - 4) = r3', '*(u32 *)(r2 -4) = w3', 'stxw [%r2-4], %r3']],
    ['7a0af8ff07000000', ['*(u64 *)(r10 - 8) = 7', 'stdw [%r10-8], 7']],
    [
      '1501030005000000',
      ['if r1 == 5 goto +3', 'if r1 == 0x5 goto pc+3', 'if r1 == 5 goto +3 <foo+0xd0>', 'jeq %r1, 5, +3'],
    ],
    ['6d21fdff00000000', ['if r1 s> r2 goto -3', 'jsgt %r1, %r2, -3']],
    ['16010300fbffffff', ['if w1 == -5 goto +3', 'if w1 == 0xfffffffb goto pc+3', 'jeq32 %r1, -5, 3']],
    ['4501010040000000', ['if r1 & 64 goto +1', 'if r1 &== 64 goto +1', 'jset %r1, 64, +1']],
    ['0500050000000000', ['goto +5', 'goto pc+5', 'ja +5']],
    ['0600000005000000', ['gotol +5', 'gotol pc+5', 'ja32 +5']],
    ['e500050000000000', ['may_goto +5', 'may_goto pc+5']],
    ['8500000005000000', ['call 5', 'call unknown#5', 'call bpf_ktime_get_ns#5']],
    ['85100000e2ffffff', ['call pc-30', 'call local -30']],
    ['852001004d000000', ['call kfunc(77, 1)']],
    ['8d02000000000000', ['callx r2', 'call r2', 'call %r2']],
    ['9500000000000000', ['exit', '<main>: exit', 'main: exit', 'exit ; done', 'exit # done', 'exit // done']],
    ['300000000c000000', ['r0 = *(u8 *)skb[12]', 'r0 = *(u8 *)skb[0xc]', 'ldabsb 12']],
    ['4830000000000000', ['r0 = *(u16 *)skb[r3]', 'r0 = *(u16 *)skb[r3 + 0]', 'ldindh %r3, 0']],
    ['40300000f8ffffff', ['r0 = *(u32 *)skb[r3 - 8]', 'r0 = *(u32 *)skb[r3 + -8]', 'ldindw %r3, -8']],
    ['db21080000000000', ['lock *(u64 *)(r1 + 8) += r2', 'lock add [%r1+8], %r2']],
    ['c3210800a0000000', ['lock *(u32 *)(r1 + 8) ^= w2', 'lock *(u32 *)(r1 +8) ^= r2', 'lock xor32 [%r1+8], %r2']],
    [
      'db41000001000000',
      [
        'r4 = atomic_fetch_add((u64 *)(r1 + 0), r4)',
        'r4 = atomic64_fetch_add((u64 *)(r1 +0), r4)',
        'lock *(u64 *)(r1 + 0) += r4 fetch',
        'lock fetch add [%r1], %r4',
      ],
    ],
    [
      'c342fcff51000000',
      [
        'w4 = atomic_fetch_and((u32 *)(r2 - 4), w4)',
        'r4 = atomic_fetch_and((u32 *)(r2 -4), r4)',
        'lock fetch and32 [%r2-4], %r4',
      ],
    ],
    [
      'db410000e1000000',
      [
        'r4 = xchg_64(r1 + 0, r4)',
        'r4 = atomic64_xchg((u64 *)(r1 +0), r4)',
        'lock *(u64 *)(r1 + 0) x= r4',
        'lock xchg [%r1], %r4',
      ],
    ],
    [
      'c3410000e1000000',
      ['w4 = xchg32_32(r1 + 0, w4)', 'r4 = atomic_xchg((u32 *)(r1 +0), r4)', 'lock xchg32 [%r1], %r4'],
    ],
    [
      'db510000f1000000',
      [
        'r0 = cmpxchg_64(r1 + 0, r0, r5)',
        'r0 = atomic64_cmpxchg((u64 *)(r1 +0), r0, r5)',
        'lock *(u64 *)(r1 + 0) cx= r5',
        'lock cmpxchg [%r1], %r5',
      ],
    ],
    [
      'c3120400f1000000',
      ['w0 = cmpxchg32_32(r2 + 4, w0, w1)', 'w0 = cmpxchg_32(r2 + 4, w0, w1)', 'lock cmpxchg32 [%r2+4], %r1'],
    ],
    ['db21080000010000', ['r1 = load_acquire((u64 *)(r2 + 8))']],
    ['d321080010010000', ['store_release((u8 *)(r1 + 8), r2)', 'store_release((u8 *)(r1 + 8), w2)']],
    ['18110000050000000000000000000000', ['r1 = map_by_fd(5) ll', 'r1 = map_by_fd(5)']],
    ['18210000050000000000000008000000', ['r1 = map_val(map_by_fd(5)) + 8 ll', 'r1 = map_val(5) + 8']],
    ['18310000070000000000000000000000', ['r1 = var_addr(7) ll']],
    ['18410000fdffffff0000000000000000', ['r1 = code_addr(-3) ll']],
    ['18510000000000000000000000000000', ['r1 = map_by_idx(0)', 'r1 = map[any] ll', 'r1 = map[.rodata.str1.1]']],
    ['186100000000000000000000fcffffff', ['r1 = map_val(map_by_idx(0)) - 4 ll', 'r1 = map[any][0]-4 ll']],
  ])('%s', (encoded, texts) => {
    for (const text of texts) expect(hex(text), text).toBe(encoded);
  });
});

test('any text is assembled or refused', () => {
  const words = [
    'r1',
    'w2',
    'r0',
    '=',
    '+=',
    's>=',
    '(',
    ')',
    '*',
    '[',
    ']',
    'u32',
    's8',
    'if',
    'goto',
    'call',
    'lock',
    'll',
    'map',
    'map_val',
    'skb',
    'exit',
    'be16',
    'constructor',
    '__proto__',
    'toString',
    'add',
    'ldxw',
    'cmpxchg',
    'fetch',
    '%r3',
    '5',
    '-1',
    '0xffffffffffffffffff',
    ',',
    ':',
    '<',
    '>',
    '#',
    ';',
    'x=',
    'atomic_fetch_add',
    'xchg_64',
    'load_acquire',
    'store_release',
    'addr_space_cast',
    'kfunc',
    'pc',
    '+',
    '-',
    '\n',
    '\t',
    '&',
    '(18)',
    '1:',
    'local',
    '@',
    'é',
  ];
  const text = fc.array(fc.constantFrom(...words), { maxLength: 12 }).map((parts) => parts.join(' '));
  fc.assert(
    fc.property(fc.oneof(text, fc.string()), (input) => {
      try {
        assemble(input);
      } catch (error) {
        expect(error).toBeInstanceOf(AnyBpfError);
      }
    }),
    { numRuns: 10_000 },
  );
});

test('a number of a million digits takes no time', () => {
  expect(errorOf(`r1 = ${'9'.repeat(1_000_000)} ll`).code).toBe('isa/syntax');
});

describe('labels', () => {
  test('jumps, calls and function addresses reach them', () => {
    const text = 'start:\n r1 = f ll\n if r1 == 0 goto end\n goto start\n gotol start\n call f\n end:\n exit\n f: exit';
    const { code, labels, lines } = assemble(text);
    expect([...labels]).toEqual([
      ['start', 0],
      ['end', 6],
      ['f', 7],
    ]);
    expect(toHex(code.subarray(0, 8))).toBe('1841000006000000');
    expect(toHex(code.subarray(16))).toBe(
      [
        '1501030000000000',
        '0500fcff00000000',
        '06000000fbffffff',
        '8510000001000000',
        '9500000000000000',
        '9500000000000000',
      ].join(''),
    );
    expect(lines).toEqual([2, 2, 3, 4, 5, 6, 8, 9]);
  });
  test('several stand before one instruction, and one on the last line', () => {
    const { labels } = assemble('a: b: <c>: exit\nd:');
    expect([...labels]).toEqual([
      ['a', 0],
      ['b', 0],
      ['c', 0],
      ['d', 1],
    ]);
  });
  test('llvm-objdump marks functions with them', () => {
    expect(hex('0000000000000000 <main>:\n  0:\t85 10 00 00 ff ff ff ff\tcall main')).toBe('85100000ffffffff');
  });
  test('exit is any exit, where it is not defined', () => {
    expect(hex('jeq %r1, 0, exit\nmov %r0, 1\nexit')).toContain('15010100');
    expect(hex('exit\nja exit')).toContain('0500feff');
    expect(errorOf('ja exit').code).toBe('isa/undefined-label');
  });
});

test('maps are counted in the order of use, or as given', () => {
  const text = 'r1 = map[b] ll\n r2 = map[a] ll\n r3 = map[b][0]+4 ll';
  expect(assemble(text).maps).toEqual(['b', 'a']);
  expect(hex(text)).toContain('18630000000000000000000004000000');
  expect(assemble(text, { maps: ['a', 'b'] }).maps).toEqual(['a', 'b']);
  expect(hex(text, { maps: ['a', 'b'] })).toContain('18630000010000000000000004000000');
});

test('helpers are called by name', () => {
  expect(hex('call bpf_get', { helper: (name) => (name === 'bpf_get' ? 9 : undefined) })).toBe('8500000009000000');
});

describe('refused, with the line', () => {
  const REFUSED: [string, string][] = [
    ['r11 = 5', 'isa/bad-register'],
    ['mov %r12, 5', 'isa/bad-register'],
    ['r1 = 5 6', 'isa/syntax'],
    ['exit 1', 'isa/syntax'],
    ['exit %r1', 'isa/syntax'],
    ['neg %r1, 5', 'isa/syntax'],
    ['neg %r1, %r2', 'isa/syntax'],
    ['be16 %r1, %r2', 'isa/syntax'],
    ['ja +1, %r1', 'isa/syntax'],
    ['call 5, 6', 'isa/syntax'],
    ['ldxb %r1, [%r2+4], 5', 'isa/syntax'],
    ['stb [%r1], %r2', 'isa/syntax'],
    ['stxb [%r1], 5', 'isa/syntax'],
    ['lddw %r1, %r2', 'isa/syntax'],
    ['lock add [%r1], 5', 'isa/syntax'],
    ['lock sub [%r1], %r2', 'isa/unknown-mnemonic'],
    ['lock fetch mov [%r1], %r2', 'isa/unknown-mnemonic'],
    ['movsx832 %r1, 5', 'isa/syntax'],
    ['movsx3232 %r1, %r2', 'isa/syntax'],
    ['frob %r1', 'isa/syntax'],
    ['r1 =', 'isa/syntax'],
    ['r1', 'isa/syntax'],
    ['@', 'isa/syntax'],
    ['r1 = *(u24 *)(r2 + 0)', 'isa/syntax'],
    ['r1 = *(u8 *)(w2 + 0)', 'isa/syntax'],
    ['r1 ^^= 3', 'isa/syntax'],
    ['r1 == 3', 'isa/no-such-form'],
    ['r1 = 0x100000000', 'isa/no-such-form'],
    ['r1 += 0x100000000', 'isa/bad-operand'],
    ['mov %r1, -2147483649', 'isa/bad-operand'],
    ['r1 = 0x10000000000000000 ll', 'isa/bad-operand'],
    ['w1 = 5 ll', 'isa/no-such-form'],
    ['r1 = *(u8 *)(r2 + 32768)', 'isa/bad-operand'],
    ['ldxb %r1, [%r2-32769]', 'isa/bad-operand'],
    ['goto +32768', 'isa/bad-operand'],
    ['gotol +2147483648x', 'isa/syntax'],
    ['r1 = w2', 'isa/no-such-form'],
    ['if r1 == w2 goto +1', 'isa/no-such-form'],
    ['if r1 = 2 goto +1', 'isa/no-such-form'],
    ['if r1 == 2', 'isa/syntax'],
    ['w1 = *(u64 *)(r2 + 0)', 'isa/no-such-form'],
    ['w1 = *(s8 *)(r2 + 0)', 'isa/no-such-form'],
    ['r1 = *(s64 *)(r2 + 0)', 'isa/no-such-form'],
    ['*(s8 *)(r2 + 0) = 1', 'isa/no-such-form'],
    ['*(u64 *)(r2 + 0) = w1', 'isa/no-such-form'],
    ['r1 = -r2', 'isa/no-such-form'],
    ['r1 = be16 r2', 'isa/no-such-form'],
    ['r1 = be24 r1', 'isa/syntax'],
    ['w1 = (s32)w2', 'isa/no-such-form'],
    ['r1 = *(u8 *)skb[0]', 'isa/no-such-form'],
    ['r0 = *(u64 *)skb[0]', 'isa/no-such-form'],
    ['lock *(u16 *)(r1 + 0) += r2', 'isa/no-such-form'],
    ['lock *(u64 *)(r1 + 0) -= r2', 'isa/no-such-form'],
    ['lock *(u64 *)(r1 + 0) += w2', 'isa/no-such-form'],
    ['r3 = atomic_fetch_add((u64 *)(r1 + 0), r2)', 'isa/no-such-form'],
    ['r1 = cmpxchg_64(r2 + 0, r1, r3)', 'isa/no-such-form'],
    ['r1 = load_acquire((s8 *)(r2 + 0))', 'isa/no-such-form'],
    ['goto nowhere', 'isa/undefined-label'],
    ['call nobody', 'isa/undefined-label'],
    ['r1 = nothing(5) ll', 'isa/unknown-function'],
    ['r1 = map_val(var_addr(5)) ll', 'isa/unknown-function'],
    ['again: exit\nagain: exit', 'isa/duplicate-label'],
    [`goto far\n${'exit\n'.repeat(32768)} far: exit`, 'isa/jump-too-far'],
  ];
  test.each(REFUSED.map(([text, code]) => ({ first: text.split('\n')[0], text, code })))('$first', ({ text, code }) => {
    const error = errorOf(`exit\n${text}`, { file: 'x.s' });
    expect(error.code).toBe(code);
    expect(error.diagnostic.place.file).toBe('x.s');
    expect(error.diagnostic.place.line).toBe(code === 'isa/duplicate-label' ? 3 : 2);
  });
  test('a map that is not given', () => {
    expect(errorOf('r1 = map[c] ll', { maps: ['a'] }).code).toBe('isa/unknown-map');
  });
});
