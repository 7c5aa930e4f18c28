import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fromHex, toHex } from '../../src/base/bytes.ts';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import {
  decodeProgram,
  encodeProgram,
  makeInsn,
  registersRead,
  registersWritten,
  toLittleEndian,
  upperImm,
} from '../../src/isa/insn.ts';
import { FORMATS, OP_NAMES, OPS } from '../../src/isa/opcodes.ts';

const bytes = (hex: string): Uint8Array => fromHex(hex) ?? new Uint8Array();

function errorOf(body: () => unknown): AnyBpfError {
  try {
    body();
  } catch (error) {
    if (error instanceof AnyBpfError) return error;
    throw error;
  }
  throw new Error('no error');
}

const EXIT = '9500000000000000';

describe('code that is not of the instruction set is refused', () => {
  test.each([
    ['half an instruction', '950000', 'isa/code-length', undefined],
    ['opcode 0xff', 'ff00000000000000', 'isa/unknown-opcode', 1],
    ['opcode 0', '0000000000000000', 'isa/unknown-opcode', 1],
    ['a 64-bit packet load', '3800000000000000', 'isa/unknown-opcode', 1],
    ['r11 as destination', 'b70b000000000000', 'isa/bad-register', 1],
    ['r12 as source', 'bfc1000000000000', 'isa/bad-register', 1],
    ['src of mov imm', 'b721000005000000', 'isa/reserved-field', 1],
    ['off of add', '0f21010000000000', 'isa/reserved-field', 1],
    ['imm of a register operation', '0f21000001000000', 'isa/reserved-field', 1],
    ['imm of neg', '8701000001000000', 'isa/reserved-field', 1],
    ['src of neg', '8721000000000000', 'isa/reserved-field', 1],
    ['dst of exit', '9501000000000000', 'isa/reserved-field', 1],
    ['imm of exit', '9500000001000000', 'isa/reserved-field', 1],
    ['off of exit', '9500010000000000', 'isa/reserved-field', 1],
    ['dst of goto', '0501050000000000', 'isa/reserved-field', 1],
    ['imm of goto', '0500050001000000', 'isa/reserved-field', 1],
    ['off of gotol', '0600010005000000', 'isa/reserved-field', 1],
    ['imm of a register comparison', '1d21010001000000', 'isa/reserved-field', 1],
    ['src of an immediate comparison', '1521010001000000', 'isa/reserved-field', 1],
    ['off of a helper call', '8500010005000000', 'isa/reserved-field', 1],
    ['imm of a load', '6121040001000000', 'isa/reserved-field', 1],
    ['imm of a register store', '6321040001000000', 'isa/reserved-field', 1],
    ['src of an immediate store', '6221040001000000', 'isa/reserved-field', 1],
    ['dst of a packet load', '3001000000000000', 'isa/reserved-field', 1],
    ['off of lddw', '1801010000000000 0000000000000000', 'isa/reserved-field', 1],
    ['off 2 of div', '3f21020000000000', 'isa/unknown-variant', 1],
    ['off 32 of movsx in 32 bits', 'bc21200000000000', 'isa/unknown-variant', 1],
    ['imm 24 of be', 'dc01000018000000', 'isa/unknown-variant', 1],
    ['imm 0x60 of an atomic', 'db21000060000000', 'isa/unknown-variant', 1],
    ['an atomic on one byte', 'd321000000000000', 'isa/unknown-variant', 1],
    ['src 3 of call', '8530000005000000', 'isa/unknown-variant', 1],
    ['src 7 of lddw', '1871000005000000 0000000000000000', 'isa/unknown-variant', 1],
    ['lddw without its second slot', '1801000005000000', 'isa/cut-wide-instruction', 1],
    ['an opcode in the second slot', '1801000005000000 9500000000000000', 'isa/bad-second-slot', 1],
    ['a register in the second slot', '1801000005000000 0001000000000000', 'isa/bad-second-slot', 1],
    ['an upper half of a map', '1811000005000000 0000000001000000', 'isa/reserved-field', 1],
    ['r0 of callx by clang 14, too large', '8d0000000b000000', 'isa/bad-register', 1],
    ['callx with two registers', '8d01000002000000', 'isa/reserved-field', 1],
  ])('%s', (_, hex, code, insn) => {
    const error = errorOf(() => decodeProgram(bytes(EXIT + hex), { program: 'p' }));
    expect(error.code).toBe(code);
    expect(error.diagnostic.place).toEqual({ program: 'p', ...(insn === undefined ? {} : { insn }) });
  });
});

test('any bytes decode or are refused, and what decodes is encoded the same', () => {
  const slot = fc.tuple(
    fc.constantFrom(...OP_NAMES.map((op) => OPS[op].opcode), 0xff),
    fc.constantFrom(0, 1, 0x10, 0x21, 0x0b),
    fc.constantFrom(0, 1, 8, 16),
    fc.constantFrom(0, 0, 0, 1),
    fc.constantFrom(0, 1, 0x10, 0x20, 0x40, 0xe1, 0xf1),
    fc.constantFrom(0, 0, 1),
  );
  let decoded = 0;
  fc.assert(
    fc.property(fc.array(slot, { minLength: 1, maxLength: 3 }), (slots) => {
      const code = Uint8Array.from(
        slots.flatMap(([op, regs, off, off2, imm, imm2]) => [op, regs, off, off2, imm, imm2, 0, 0]),
      );
      try {
        const insns = decodeProgram(code);
        decoded++;
        // The one form that is read and not written: callx of clang before 19.
        if (!insns.some((insn) => insn?.op === 'callx')) expect(toHex(encodeProgram(insns))).toBe(toHex(code));
      } catch (error) {
        expect(error).toBeInstanceOf(AnyBpfError);
      }
    }),
    { numRuns: 5000 },
  );
  expect(decoded).toBeGreaterThan(100);
});

test('callx of clang before 19 has its register in imm', () => {
  expect(decodeProgram(bytes('8d00000002000000'))).toEqual([makeInsn('callx', { dst: 2 })]);
  expect(decodeProgram(bytes('8d02000000000000'))).toEqual([makeInsn('callx', { dst: 2 })]);
});

const encode = (op: (typeof OP_NAMES)[number], operands: object) => () => encodeProgram([makeInsn(op, operands)]);

test('operands that do not fit are refused when encoding', () => {
  expect(errorOf(encode('mov64_imm', { imm: 2 ** 31 })).code).toBe('isa/bad-operand');
  expect(errorOf(encode('ja', { off: 0x8000 })).code).toBe('isa/bad-operand');
  expect(errorOf(encode('neg64', { dst: 11 })).code).toBe('isa/bad-operand');
  expect(errorOf(encode('neg64', { dst: 1.5 })).code).toBe('isa/bad-operand');
});

test('halves of a two-part immediate', () => {
  const [insn] = decodeProgram(bytes('1821000005000000 00000000fcffffff'));
  expect(insn).toMatchObject({ op: 'ld_map_value', dst: 1, src: 2, imm: 5 });
  expect(insn && upperImm(insn)).toBe(-4);
});

test('big-endian code of half an instruction is refused', () => {
  expect(errorOf(() => toLittleEndian(new Uint8Array(12), 'big')).code).toBe('isa/code-length');
});

const registersOf = (...args: Parameters<typeof makeInsn>) => [
  registersRead(makeInsn(...args)),
  registersWritten(makeInsn(...args)),
];

describe('the table', () => {
  test('no two instructions have the same encoding', () => {
    const keys = OP_NAMES.map((op) => `${OPS[op].opcode} ${JSON.stringify(OPS[op].fixed)}`);
    expect(new Set(keys).size).toBe(keys.length);
  });
  test('siblings of an opcode are told apart by the same field', () => {
    for (const op of OP_NAMES) {
      const siblings = OP_NAMES.filter((other) => OPS[other].opcode === OPS[op].opcode);
      const fields = new Set(siblings.map((other) => Object.keys(OPS[other].fixed).join()));
      expect(fields.size, op).toBe(1);
    }
  });
  test('class and size bits of the opcode agree with format and width', () => {
    // RFC 9669 section 3: three bits of class; loads and stores have two of size
    const CLASS: Record<string, number[]> = {
      alu: [4, 7],
      mov: [4, 7],
      movsx: [4, 7],
      neg: [4, 7],
      endian: [4, 7],
      cast: [7],
      branch: [5, 6],
      goto: [5],
      gotol: [6],
      may: [5],
      call: [5],
      callx: [5],
      exit: [5],
      ld: [0],
      ldx: [1],
      st: [2],
      stx: [3],
      atomic: [3],
      cmpxchg: [3],
      load: [3],
      store: [3],
    };
    const SIZE: Record<number, number> = { 32: 0, 16: 1, 8: 2, 64: 3 };
    for (const op of OP_NAMES) {
      const { opcode, format, width } = OPS[op];
      expect(CLASS[format.split('_')[0]], op).toContain(opcode & 7);
      if ((opcode & 7) <= 3) expect((opcode >> 3) & 3, op).toBe(SIZE[width]);
      else if (format !== 'endian') expect([4, 6].includes(opcode & 7) ? 32 : 64, op).toBe(width);
    }
  });
  test('registers read and written', () => {
    expect(registersOf('add64_reg', { dst: 3, src: 3 })).toEqual([[3], [3]]);
    expect(registersOf('mov64_reg', { dst: 3, src: 4 })).toEqual([[4], [3]]);
    expect(registersOf('stx8', { dst: 3, src: 4 })).toEqual([[3, 4], []]);
    expect(registersOf('atomic64_cmpxchg', { dst: 3, src: 4 })).toEqual([[3, 4, 0], [0]]);
    expect(registersOf('atomic64_xchg', { dst: 3, src: 4 })).toEqual([[3, 4], [4]]);
    expect(registersOf('ld_ind8', { src: 7 })).toEqual([
      [7, 6],
      [0, 1, 2, 3, 4, 5],
    ]);
    expect(registersOf('exit')).toEqual([[0], []]);
  });
  test('every format is used', () => {
    const used = new Set(OP_NAMES.map((op) => OPS[op].format as string));
    expect(Object.keys(FORMATS).filter((format) => !used.has(format))).toEqual([]);
  });
});
