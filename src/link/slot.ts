// One instruction slot in place, for patching. Linking must not judge instructions, so it does not decode them.
import type { InsnSlot } from '../btf/core-apply.ts';
import { SLOT_SIZE } from '../isa/insn.ts';
import { type OpName, opRow } from '../isa/opcodes.ts';

/** The value of src that tells an instruction from its siblings of the same opcode. */
export const srcOf = (op: OpName): number => opRow(op).fixed.src ?? 0;

/** A view of one 8-byte slot of little-endian code, which can be moved to others. */
export class Slot {
  readonly #view: DataView;
  #at: number;

  constructor(code: Uint8Array, slot = 0) {
    this.#view = new DataView(code.buffer, code.byteOffset, code.byteLength);
    this.#at = slot * SLOT_SIZE;
  }

  to(slot: number): this {
    this.#at = slot * SLOT_SIZE;
    return this;
  }

  get opcode(): number {
    return this.#view.getUint8(this.#at);
  }
  get dst(): number {
    return this.#view.getUint8(this.#at + 1) & 0xf;
  }
  get src(): number {
    return this.#view.getUint8(this.#at + 1) >> 4;
  }
  set src(value: number) {
    this.#view.setUint8(this.#at + 1, (value << 4) | this.dst);
  }
  get off(): number {
    return this.#view.getInt16(this.#at + 2, true);
  }
  get imm(): number {
    return this.#view.getInt32(this.#at + 4, true);
  }
  set imm(value: number) {
    this.#view.setInt32(this.#at + 4, value, true);
  }
}

/** All fields of a slot. */
export function readSlot(code: Uint8Array, slot: number): InsnSlot {
  const { opcode, dst, src, off, imm } = new Slot(code, slot);
  return { opcode, dst, src, off, imm };
}

/** Overwrites all fields of a slot. */
export function writeSlot(code: Uint8Array, slot: number, { opcode, dst, src, off, imm }: InsnSlot): void {
  const at = slot * SLOT_SIZE;
  const view = new DataView(code.buffer, code.byteOffset + at, SLOT_SIZE);
  view.setUint8(0, opcode);
  view.setUint8(1, (src << 4) | dst);
  view.setInt16(2, off, true);
  view.setInt32(4, imm, true);
}
