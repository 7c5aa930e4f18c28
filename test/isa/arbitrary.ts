// Random valid instructions, for properties.
import fc from 'fast-check';
import { type Insn, makeInsn, REGISTER_COUNT } from '../../src/isa/insn.ts';
import { FORMATS, type Field, OP_NAMES, OPS, type OpName } from '../../src/isa/opcodes.ts';

const edges = (low: number, high: number): fc.Arbitrary<number> =>
  fc.oneof(fc.integer({ min: low, max: high }), fc.constantFrom(low, -1, 0, 1, high));

const FIELD: Record<Field, fc.Arbitrary<number | bigint>> = {
  dst: fc.integer({ min: 0, max: REGISTER_COUNT - 1 }),
  src: fc.integer({ min: 0, max: REGISTER_COUNT - 1 }),
  off: edges(-0x8000, 0x7fff),
  imm: edges(-0x8000_0000, 0x7fff_ffff),
  imm64: fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn }),
};

/** One instruction of this op with random operands. */
export function arbitraryInsn(op: OpName): fc.Arbitrary<Insn> {
  const fields = FORMATS[OPS[op].format].fields as readonly Field[];
  return fc
    .record(Object.fromEntries(fields.map((field) => [field, FIELD[field]])))
    .map((operands) => makeInsn(op, operands as Partial<Insn>));
}

export const arbitraryProgram: fc.Arbitrary<Insn[]> = fc.array(fc.constantFrom(...OP_NAMES).chain(arbitraryInsn), {
  minLength: 1,
  maxLength: 30,
});
