// One instruction slot in place, for patching. Linking must not judge instructions, so it does not decode them.
import { SLOT_SIZE } from '../isa/insn.ts';
import { type OpName, opRow } from '../isa/opcodes.ts';

/** The value of src that tells an instruction from its siblings of the same opcode. */
export const srcOf = (op: OpName): number => opRow(op).fixed.src ?? 0;

/** A view of one 8-byte slot of little-endian code. */
export class Slot {
  readonly #view: DataView;

  constructor(code: Uint8Array, slot: number) {
    this.#view = new DataView(code.buffer, code.byteOffset + slot * SLOT_SIZE, SLOT_SIZE);
  }

  get opcode(): number {
    return this.#view.getUint8(0);
  }
  set opcode(value: number) {
    this.#view.setUint8(0, value);
  }
  get dst(): number {
    return this.#view.getUint8(1) & 0xf;
  }
  get src(): number {
    return this.#view.getUint8(1) >> 4;
  }
  set src(value: number) {
    this.#view.setUint8(1, (value << 4) | this.dst);
  }
  get off(): number {
    return this.#view.getInt16(2, true);
  }
  get imm(): number {
    return this.#view.getInt32(4, true);
  }
  set imm(value: number) {
    this.#view.setInt32(4, value, true);
  }
}
