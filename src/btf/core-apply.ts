// Writing a CO-RE result into its instruction. Works on the raw fields of a slot (RFC 9669, section 3).
import { fail, type Place } from '../base/diagnostic.ts';
import { cannotRelocate } from '../base/messages/btf.ts';
import type { CoreResult } from './core.ts';

/** The fields of one 64-bit instruction slot; `off` and `imm` are signed. */
export interface InsnSlot {
  readonly opcode: number;
  readonly dst: number;
  readonly src: number;
  readonly off: number;
  readonly imm: number;
}

/** The immediate of a poisoned instruction, a call of a helper that cannot exist: 0xbad2310, "bad relo". */
export const POISON_IMM = 0xbad2310;

const POISON: InsnSlot = { opcode: 0x85, dst: 0, src: 0, off: 0, imm: POISON_IMM };

const LD_IMM64 = 0x18;
/** Low three bits of an opcode. */
const CLASS = { LD: 0, LDX: 1, ST: 2, STX: 3, ALU: 4, ALU64: 7 } as const;
const SOURCE_REGISTER = 0x08;
const MODE_AND_CLASS = 0xe7;
const SIZE = 0x18;
/** Size bits of a load or store by the bytes moved. */
const SIZE_BITS: Readonly<Record<number, number>> = { 4: 0x00, 2: 0x08, 1: 0x10, 8: 0x18 };

/**
 * The instruction with the relocation's result in it. `next` is the slot after it, which belongs to an `lddw`. Raises
 * btf/core-relocation where the instruction is not one that can be relocated or does not hold the expected value.
 */
export function applyCore(
  insn: InsnSlot,
  next: InsnSlot | undefined,
  result: CoreResult,
  place: Place = {},
): { readonly insn: InsnSlot; readonly next?: InsnSlot } {
  const isWide = insn.opcode === LD_IMM64;
  const poisoned = isWide ? { insn: POISON, next: POISON } : { insn: POISON };
  if (result.poison) return poisoned;
  const expect = (found: bigint): void => {
    if (result.validate && BigInt.asUintN(64, found) !== result.original) {
      fail(cannotRelocate(place, `the instruction holds ${found}, expected ${result.original}`));
    }
  };
  const cls = insn.opcode & 7;
  if (cls === CLASS.ALU || cls === CLASS.ALU64) {
    if ((insn.opcode & SOURCE_REGISTER) !== 0) fail(cannotRelocate(place, 'the instruction has no immediate'));
    expect(BigInt(insn.imm));
    return { insn: { ...insn, imm: Number(BigInt.asIntN(32, result.value)) } };
  }
  if (cls === CLASS.LDX || cls === CLASS.ST || cls === CLASS.STX) {
    expect(BigInt(insn.off));
    if (result.value > 0x7fffn) fail(cannotRelocate(place, `the offset ${result.value} does not fit 16 bits`));
    if (result.badSize) return poisoned;
    return { insn: { ...insn, opcode: resized(insn.opcode, result, place), off: Number(result.value) } };
  }
  if (isWide) {
    const plain = insn.src === 0 && insn.off === 0;
    if (next === undefined || !plain || next.opcode !== 0 || next.dst !== 0 || next.src !== 0 || next.off !== 0) {
      return fail(cannotRelocate(place, 'the 64-bit immediate load is not a plain one'));
    }
    expect((BigInt(next.imm) << 32n) | BigInt.asUintN(32, BigInt(insn.imm)));
    return {
      insn: { ...insn, imm: Number(BigInt.asIntN(32, result.value)) },
      next: { ...next, imm: Number(BigInt.asIntN(32, result.value >> 32n)) },
    };
  }
  return fail(cannotRelocate(place, `an instruction with the opcode 0x${insn.opcode.toString(16)} has no such value`));
}

/** The opcode that moves as many bytes as the target's field has. */
function resized(opcode: number, result: CoreResult, place: Place): number {
  if (result.size === result.originalSize) return opcode;
  if (SIZE_BITS[result.originalSize] !== (opcode & SIZE)) {
    fail(cannotRelocate(place, `the instruction does not move the ${result.originalSize} bytes of the field`));
  }
  const bits = SIZE_BITS[result.size];
  if (bits === undefined)
    fail(cannotRelocate(place, `no instruction moves the ${result.size} bytes of the target's field`));
  return (opcode & MODE_AND_CLASS) | bits;
}
