import { describe, expect, test } from 'vitest';
import { assemble } from '../../src/isa/assembler.ts';
import { disassemble, type DisassembleOptions, formatInsn } from '../../src/isa/disassembler.ts';
import { makeInsn } from '../../src/isa/insn.ts';

const PROGRAM = `
  r1 = map_by_idx(0) ll
  r2 = map_val(map_by_idx(1)) + 8 ll
  r3 = 0 ll
  call 1
  r4 = callback ll
  call helper_function
  if w0 != 0x10 goto +1
  *(u32 *)(r10 - 4) = r1
  exit
callback:
  exit
helper_function:
  lock *(u32 *)(r1 + 8) += w2
  r0 = cmpxchg_64(r1 - 8, r0, r2)
  exit`;

const { code } = assemble(PROGRAM);
const FUNCTIONS = new Map([
  [0, 'main'],
  [13, 'callback'],
  [14, 'helper_function'],
]);

const NAMES: DisassembleOptions = {
  mapName: (insn) => ['packets', '.bss'][insn.imm],
  symbolName: (_insn, _slot, target) => (target === undefined ? undefined : FUNCTIONS.get(target)),
  helperName: (number) => (number === 1 ? 'bpf_map_lookup_elem' : undefined),
  relocation: (slot) => (slot === 4 ? 'map[old]' : undefined),
  label: (slot) => FUNCTIONS.get(slot),
  source: (slot) => (slot === 6 ? 'int *v = lookup(&packets,\n                &key);' : undefined),
};

test('names, labels and source lines', () => {
  expect(disassemble(code, NAMES)).toBe(`main:
r1 = map[packets] ll
r2 = map[.bss][0]+8 ll
r3 = map[old] ll
; int *v = lookup(&packets,
;                 &key);
call 1 ; bpf_map_lookup_elem
r4 = callback ll
call helper_function
if w0 != 16 goto +1
*(u32 *)(r10 - 4) = r1
exit
callback:
exit
helper_function:
lock *(u32 *)(r1 + 8) += w2
r0 = cmpxchg_64(r1 - 8, r0, r2)
exit
`);
});

test('the names read back to the same code', () => {
  const text = disassemble(code, { ...NAMES, columns: true, relocation: () => undefined });
  expect(assemble(text, { maps: ['packets', '.bss'] }).code).toEqual(code);
});

test('columns of llvm-objdump', () => {
  const lines = disassemble(code, { columns: true, hexImmediates: true }).split('\n');
  expect(lines.slice(3, 7)).toEqual([
    '       6:\t85 00 00 00 01 00 00 00\tcall 0x1',
    '       7:\t18 44 00 00 05 00 00 00 00 00 00 00 00 00 00 00\tr4 = code_addr(5) ll',
    '       9:\t85 10 00 00 04 00 00 00\tcall pc+4',
    '      10:\t56 00 01 00 10 00 00 00\tif w0 != 0x10 goto +0x1',
  ]);
});

describe('the kernel writes', () => {
  test.each([
    [
      'bpftool columns',
      disassemble(code, { ...NAMES, style: 'kernel', columns: true }).split('\n')[6],
      '   6: (85) call bpf_map_lookup_elem#1',
    ],
    ['an unknown helper', formatInsn(makeInsn('call_helper', { imm: 7 }), 0, { style: 'kernel' }), 'call unknown#7'],
    [
      'a load',
      formatInsn(makeInsn('ldx32', { dst: 1, src: 2, off: 4 }), 0, { style: 'kernel' }),
      'r1 = *(u32 *)(r2 +4)',
    ],
    [
      'a store',
      formatInsn(makeInsn('stx64', { dst: 10, src: 1, off: -8 }), 0, { style: 'kernel' }),
      '*(u64 *)(r10 -8) = r1',
    ],
    [
      'a jump',
      formatInsn(makeInsn('jne32_imm', { dst: 0, imm: -1, off: 2 }), 0, { style: 'kernel' }),
      'if w0 != 0xffffffff goto pc+2',
    ],
    [
      'an atomic',
      formatInsn(makeInsn('atomic64_fetch_or', { dst: 1, src: 2 }), 0, { style: 'kernel' }),
      'r2 = atomic64_fetch_or((u64 *)(r1 +0), r2)',
    ],
    [
      'an exchange',
      formatInsn(makeInsn('atomic32_cmpxchg', { dst: 1, src: 2 }), 0, { style: 'kernel' }),
      'r0 = atomic_cmpxchg((u32 *)(r1 +0), r0, r2)',
    ],
    [
      'a packet load',
      formatInsn(makeInsn('ld_ind16', { src: 3, imm: 0 }), 0, { style: 'kernel' }),
      'r0 = *(u16 *)skb[r3 + 0]',
    ],
    [
      'a constant',
      formatInsn(makeInsn('ld_imm64', { dst: 1, imm64: 0x1122334455667788n }), 0, { style: 'kernel' }),
      'r1 = 0x1122334455667788',
    ],
  ])('%s', (_, found, expected) => expect(found).toBe(expected));
});
