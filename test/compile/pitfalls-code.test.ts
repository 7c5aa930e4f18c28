// Pitfalls 1 to 4, 6, 7 and 11 (pitfalls-list.test.ts): where WebAssembly means something else than BPF, and where code that is
// fast is easily wrong. Every engine, verified code too, against numbers or the reference.
import { describe, expect, test } from 'vitest';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import { compilerBackend } from '../../src/compile/wasm/backend.ts';
import { interpretBackend } from '../../src/compile/interpret/backend.ts';
import { referenceBackend } from '../../src/compile/reference/backend.ts';
import { makeInsn, encodeProgram, type Insn } from '../../src/isa/insn.ts';
import { OP_NAMES, OPS, opRow } from '../../src/isa/opcodes.ts';
import { disassemble } from '../../src/isa/disassembler.ts';
import { LinearMemory } from '../../src/run/memory.ts';
import type { Backend } from '../../src/spec/backend.ts';
import { helper } from '../../src/spec/helper.ts';
import { type Setting, start } from './support.ts';
import { mainCode, trustedBackend } from './wasm-code.ts';

const ENGINES: readonly (readonly [string, Backend])[] = [
  ['reference', referenceBackend],
  ['interpreted', interpretBackend],
  ['checked', compilerBackend],
  ['verified', trustedBackend],
];

/** The result, which all engines agree on. */
function resultOf(text: string, setting: Partial<Setting> = {}): bigint {
  const results = ENGINES.map(([, backend]) => start({ ...setting, backend, programs: [text] }).run());
  for (const [i, [name]] of ENGINES.entries()) expect(results[i], name).toBe(results[0]);
  return results[0];
}

function codeOf(backend: Backend, text: string, setting: Partial<Setting> = {}): string {
  try {
    start({ ...setting, backend, programs: [text] }).run();
  } catch (error) {
    if (error instanceof AnyBpfError) return error.code;
    throw error;
  }
  return 'end';
}

const MIN_64 = -(2n ** 63n);
const MIN_32 = -(2n ** 31n);
const u64 = (value: bigint): bigint => BigInt.asUintN(64, value);
const u32 = (value: bigint): bigint => BigInt.asUintN(32, value);

const branches = (text: string): number => mainCode(`r1 = 9\n ${text}\n exit`).filter((name) => name === 'if').length;

describe('1: division by zero and INT_MIN by -1', () => {
  test.each([
    ['r1 /= r2', 100n, 0n, 0n],
    ['r1 %= r2', 100n, 0n, 100n],
    ['r1 s/= r2', 100n, 0n, 0n],
    ['r1 s%= r2', 100n, 0n, 100n],
    ['w1 /= w2', 0x5_0000_0064n, 0x1_0000_0000n, 0n],
    ['w1 %= w2', 0x5_0000_0064n, 0x1_0000_0000n, 100n],
    ['w1 s/= w2', 0x5_0000_0064n, 0n, 0n],
    ['w1 s%= w2', 0x5_0000_0064n, 0n, 100n],
    ['r1 s/= r2', MIN_64, -1n, u64(MIN_64)],
    ['r1 s%= r2', MIN_64, -1n, 0n],
    ['w1 s/= w2', MIN_32, -1n, u32(MIN_32)],
    ['w1 s%= w2', MIN_32, -1n, 0n],
    ['r1 s/= -1', MIN_64, 0n, u64(MIN_64)],
    ['r1 s%= -1', MIN_64, 0n, 0n],
    ['w1 s/= -1', MIN_32, 0n, u32(MIN_32)],
    ['w1 s%= -1', MIN_32, 0n, 0n],
  ])('%s of %d and %d', (text, first, second, expected) => {
    expect(resultOf(`r1 = ${first} ll\n r2 = ${second} ll\n ${text}\n r0 = r1\n exit`)).toBe(expected);
  });

  test('nothing is asked of a divisor that is a number', () => {
    for (const text of ['r1 /= 3', 'r1 %= 3', 'w1 s/= 3', 'w1 s%= 3']) expect(branches(text)).toBe(0);
    expect(branches('r1 /= r1')).toBe(1);
    expect(branches('r1 s/= r1')).toBe(2);
  });
});

describe('2: shift counts, and shifts by 32 and more of what looks like 32 bits', () => {
  const VALUE = 0x8123_4567_89ab_cdefn;
  const SHIFT: Readonly<Record<string, (value: bigint, by: bigint, width: 32 | 64) => bigint>> = {
    '<<=': (value, by) => value << by,
    '>>=': (value, by, width) => BigInt.asUintN(width, value) >> by,
    's>>=': (value, by, width) => BigInt.asIntN(width, value) >> by,
  };
  const counts = [0, 1, 7, 31, 32, 33, 51, 63, 64, 65, 95, 127, 255, -1];

  test.each(Object.keys(SHIFT).flatMap((op) => [[op, 64] as const, [op, 32] as const]))(
    '%s of %d bits',
    (op, width) => {
      const register = width === 64 ? 'r' : 'w';
      for (const count of counts) {
        const by = BigInt(count) & BigInt(width - 1);
        const expected = BigInt.asUintN(width, SHIFT[op](VALUE, by, width));
        const text = `r1 = ${VALUE} ll\n r2 = ${count}\n ${register}1 ${op} ${register}2\n r0 = r1\n exit`;
        expect(resultOf(text), `by ${count} in a register`).toBe(expected);
        if (count < 0 || count >= width) continue;
        expect(resultOf(`r1 = ${VALUE} ll\n ${register}1 ${op} ${count}\n r0 = r1\n exit`), `by ${count}`).toBe(
          expected,
        );
      }
    },
  );

  test('the upper half moved down, then compared in 32 bits', () => {
    const text = `r1 = ${VALUE} ll\n r1 >>= 40\n r0 = 0\n if w1 == 0x812345 goto +1\n exit\n r1 <<= 36\n r1 >>= 36\n r0 = r1\n exit`;
    expect(resultOf(text)).toBe(0x812345n);
  });
});

describe('3: a result of 32 bits clears the upper half', () => {
  const FORMATS = ['alu_imm', 'alu_reg', 'mov_imm', 'mov_reg', 'movsx', 'neg', 'endian'];
  const ops = OP_NAMES.filter((op) => FORMATS.includes(OPS[op].format) && OPS[op].width <= 32);

  test.each(ops)('%s', (op) => {
    expect(opRow(op).width).toBeLessThanOrEqual(32);
    for (const value of [0xffff_ffff_ffff_ffffn, 0x8000_0001_8000_0001n, 0x1_0000_0000n]) {
      const insns: Insn[] = [
        makeInsn('ld_imm64', { dst: 1, imm64: value }),
        makeInsn('ld_imm64', { dst: 2, imm64: value - 1n }),
        makeInsn(op, { dst: 1, src: 2, imm: -3 }),
        makeInsn('mov64_reg', { dst: 0, src: 1 }),
        makeInsn('rsh64_imm', { dst: 0, imm: 32 }),
        makeInsn('exit'),
      ];
      expect(resultOf(disassemble(encodeProgram(insns)))).toBe(0n);
    }
  });

  test('in each round of a loop', () => {
    const text =
      'r1 = 5\n r0 = 0\n r3 = 0\n again:\n w1 *= -7\n w1 ^= -1\n r0 += r1\n r3 += 1\n if r3 < 20 goto again\n exit';
    let sum = 0n;
    for (let round = 0, value = 5; round < 20; round++) {
      value = ~Math.imul(value, -7);
      sum += BigInt(value >>> 0);
    }
    expect(resultOf(text)).toBe(sum);
  });
});

function region(): { readonly memory: LinearMemory; readonly at: number } {
  const memory = new LinearMemory();
  const at = memory.alloc(64);
  memory.addRegion({ base: at, size: 64, kind: 'packet', name: 'packet', writable: true });
  memory.u8.set(
    Array.from({ length: 64 }, (_, i) => i + 1),
    at,
  );
  return { memory, at };
}

describe('4: offsets below zero, and addresses that wrap at 32 bits', () => {
  test.each([-1, -8, -64, -32_768])('a load at %d', (off) => {
    const { memory, at } = region();
    const text = `r1 = ${at - off} ll\n r0 = *(u8 *)(r1 ${off < 0 ? '-' : '+'} ${Math.abs(off)})\n exit`;
    expect(resultOf(text, { memory })).toBe(1n);
  });

  test('stores and atomic operations', () => {
    const { memory, at } = region();
    const text = `r1 = ${at + 32} ll\n r2 = 5\n *(u64 *)(r1 - 8) = r2\n lock *(u64 *)(r1 - 8) += r2\n *(u8 *)(r1 - 7) = 1\n r0 = *(u64 *)(r1 - 8)\n exit`;
    expect(resultOf(text, { memory })).toBe(0x10an);
  });

  test.each([
    ['below zero', 'r1 = 4\n r0 = *(u64 *)(r1 - 8)\n exit'],
    ['past 2^32', 'r1 = 0xfffffff0 ll\n r0 = *(u64 *)(r1 + 24)\n exit'],
  ])('an address %s is never one at the other end', (_, text) => {
    for (const [name, backend] of ENGINES) {
      expect(codeOf(backend, text), name).toBe(name === 'verified' ? 'run/trap' : 'run/bad-access');
    }
  });

  test('an address of more than 32 bits is refused where code is checked, and stays in the memory where it is not', () => {
    const { memory, at } = region();
    const text = `r1 = ${(1n << 32n) | BigInt(at)} ll\n r0 = *(u8 *)(r1 + 2)\n exit`;
    for (const [name, backend] of ENGINES) {
      expect(codeOf(backend, text, { memory }), name).toBe(name === 'verified' ? 'end' : 'run/bad-access');
    }
  });
});

/** Each stores its number, calls the next, and then adds what it finds to what that gave. */
const nested = (depth: number): string => {
  const body = (n: number): string =>
    `*(u64 *)(r10 - 8) = ${10 ** n}\n ${n < depth ? `call f${n + 1}` : 'r0 = 0'}\n r1 = *(u64 *)(r10 - 8)\n r0 += r1\n exit`;
  return `${body(0)}\n${Array.from({ length: depth }, (_, n) => `f${n + 1}:\n ${body(n + 1)}`).join('\n')}`;
};

describe('6: every function that runs has a stack of its own', () => {
  test.each([1, 2, 7])('%d deep', (depth) => {
    expect(resultOf(nested(depth))).toBe(BigInt('1'.repeat(depth + 1)));
  });

  test('the same function twice, once through a callback', () => {
    const loop = helper({
      name: 'loop',
      numbers: {},
      args: ['u32', 'callback', 'callbackContext'],
      returns: 'integer',
      doc: 'Calls back so often.',
      body: (env, times, callback, context) => {
        for (let i = 0; i < times; i++) env.call(callback, BigInt(i), context);
        return times;
      },
    });
    const text = `*(u64 *)(r10 - 8) = 0
      *(u64 *)(r10 - 16) = 1000
      r1 = 3
      r2 = f ll
      r3 = r10
      r3 += -8
      call 1
      r0 = *(u64 *)(r10 - 8)
      r1 = *(u64 *)(r10 - 16)
      r0 += r1
      exit
    f:
      *(u64 *)(r10 - 8) = 5
      *(u64 *)(r10 - 16) = 7
      r6 = r2
      call g
      r1 = *(u64 *)(r10 - 8)
      r1 += r0
      r0 = *(u64 *)(r6 + 0)
      r0 += r1
      *(u64 *)(r6 + 0) = r0
      r0 = 0
      exit
    g:
      *(u64 *)(r10 - 8) = 100
      r0 = *(u64 *)(r10 - 8)
      exit`;
    expect(resultOf(text, { helpers: { 1: loop } })).toBe(3n * 105n + 1000n);
  });
});

const stores = (text: string): number => mainCode(text).filter((name) => name.startsWith('i64.store')).length;

describe('7: bytes of the stack are in locals only where no pointer reaches them', () => {
  const KEPT = 'r6 = 5\n *(u64 *)(r10 - 8) = r6\n r6 = 0\n';

  test('a local where nothing points to them', () => {
    const text = `${KEPT} r0 = *(u64 *)(r10 - 8)\n exit`;
    expect(stores(text)).toBe(0);
    expect(resultOf(text)).toBe(5n);
  });

  test('memory where a function gets their address', () => {
    const text = `${KEPT} r1 = r10\n r1 += -8\n call f\n r0 = *(u64 *)(r10 - 8)\n exit\n f:\n r2 = *(u64 *)(r1 + 0)\n r2 += 1\n *(u64 *)(r1 + 0) = r2\n r0 = 0\n exit`;
    expect(stores(text)).toBe(1);
    expect(resultOf(text)).toBe(6n);
  });

  test('memory where the address is kept in memory', () => {
    const text = `${KEPT} r1 = r10\n r1 += -8\n *(u64 *)(r10 - 16) = r1\n r1 = 0\n r2 = *(u64 *)(r10 - 16)\n *(u64 *)(r2 + 0) = 6\n r0 = *(u64 *)(r10 - 8)\n exit`;
    expect(stores(text)).toBe(3);
    expect(resultOf(text)).toBe(6n);
  });
});

describe('11: control flow that no nesting of scopes expresses', () => {
  /** A loop that is entered at either of two places. */
  const TWO_ENTRIES = `
      r0 = 0
      r3 = *(u8 *)(r1 + 0)
      if r3 > 4 goto second
    first:
      r0 += 1
      if r0 > 40 goto out
    second:
      r0 += 10
      r3 += 1
      if r3 < 9 goto first
    out:
      exit`;
  const ONE_ENTRY = TWO_ENTRIES.replace('if r3 > 4 goto second', 'r3 += 0');

  test('goes through a table, and gives what the reference gives', () => {
    expect(mainCode(TWO_ENTRIES)).toContain('br_table');
    expect(mainCode(ONE_ENTRY)).not.toContain('br_table');
    for (let value = 0; value < 12; value++) {
      const memory = new LinearMemory();
      const ctx = memory.alloc(8);
      memory.addRegion({ base: ctx, size: 8, kind: 'context', name: 'ctx', writable: false });
      memory.u8[ctx] = value;
      resultOf(TWO_ENTRIES, { memory, ctx });
      resultOf(ONE_ENTRY, { memory, ctx });
    }
  });

  test('and ends by its budget where it does not by itself', () => {
    const text =
      'r0 = 0\n if r1 > 4 goto second\n first:\n r0 += 1\n second:\n r0 += 10\n if r0 != 0 goto first\n exit';
    for (const [name, backend] of ENGINES) expect(codeOf(backend, text), name).toBe('run/budget');
  });
});
