import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { equalBytes } from '../../src/base/bytes.ts';
import { assemble } from '../../src/isa/assembler.ts';
import { disassemble, type DisassembleOptions } from '../../src/isa/disassembler.ts';
import { decodeProgram, encodeProgram, toLittleEndian } from '../../src/isa/insn.ts';
import { OP_NAMES } from '../../src/isa/opcodes.ts';
import { arbitraryInsn, arbitraryProgram } from './arbitrary.ts';

describe('every instruction', () => {
  test.each(OP_NAMES)('%s decodes to what was encoded', (op) => {
    fc.assert(
      fc.property(arbitraryInsn(op), (insn) => {
        expect(decodeProgram(encodeProgram([insn]))[0]).toEqual(insn);
      }),
      { numRuns: 50 },
    );
  });
});

const STYLES: Record<string, DisassembleOptions> = {
  llvm: {},
  'llvm with hexadecimal numbers': { hexImmediates: true },
  'llvm with columns': { columns: true },
  // Without the opcode column, this style cannot tell a 64-bit immediate load from a move.
  'kernel with columns': { style: 'kernel', columns: true },
};

describe('assembler reads what the disassembler prints', () => {
  test.each(Object.keys(STYLES))('%s', (style) => {
    fc.assert(
      fc.property(arbitraryProgram, (insns) => {
        const code = encodeProgram(insns);
        const text = disassemble(code, STYLES[style]);
        expect(disassemble(assemble(text).code, STYLES[style])).toBe(text);
        expect(equalBytes(assemble(text).code, code), text).toBe(true);
      }),
      { numRuns: 300 },
    );
  });
});

test('code in big-endian encoding turns into little-endian and back', () => {
  // ld_imm64 r1, 0x1122334455667788; r3 = *(u32 *)(r2 + 0x102); jeq r1, -2, +3 as a big-endian file has them
  const big = Uint8Array.from([
    0x18, 0x10, 0, 0, 0x55, 0x66, 0x77, 0x88, 0, 0, 0, 0, 0x11, 0x22, 0x33, 0x44, 0x61, 0x32, 1, 2, 0, 0, 0, 0, 0x15,
    0x10, 0, 3, 0xff, 0xff, 0xff, 0xfe,
  ]);
  const little = toLittleEndian(big, 'big');
  expect(decodeProgram(little)).toMatchObject([
    { op: 'ld_imm64', dst: 1, imm64: 0x1122334455667788n },
    undefined,
    { op: 'ldx32', dst: 3, src: 2, off: 0x102 },
    { op: 'jeq64_imm', dst: 1, imm: -2, off: 3 },
  ]);
  expect(toLittleEndian(little, 'big')).toEqual(big);
  expect(toLittleEndian(little, 'little')).toEqual(little);
});
