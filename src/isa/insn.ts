import type { Endian } from '../base/bytes.ts';
import { fail, type Place } from '../base/diagnostic.ts';
import {
  badOperand,
  badRegister,
  badSecondSlot,
  codeLength,
  cutWideInstruction,
  reservedField,
  unknownOpcode,
  unknownVariant,
} from '../base/messages/isa.ts';
import { FORMATS, type Field, type Format, isWide, OP_NAMES, OPS, type OpName, opRow, WIDE_OPCODE } from './opcodes.ts';

/** Bytes of one slot. */
export const SLOT_SIZE = 8;
/** r0 to r10; r10 is the frame pointer. */
export const REGISTER_COUNT = 11;

/**
 * One instruction. Fields that its format does not use (see FORMATS) hold the value that the table fixes, else 0.
 * `off` is signed 16 bits, `imm` signed 32.
 */
export interface Insn {
  readonly op: OpName;
  readonly dst: number;
  readonly src: number;
  readonly off: number;
  readonly imm: number;
  /**
   * Only for ops whose format has the field `imm64` (ld_imm64, ld_map_value, ld_var_addr, ld_map_idx_value): both
   * halves, unsigned; then it is what counts, and `imm` repeats its lower half. In ld_map_value and ld_map_idx_value
   * the lower half names the map and the upper is the offset in its value, in ld_var_addr they are the BTF type and
   * the module.
   */
  readonly imm64?: bigint;
}

/** An instruction by its operands; all others get the value that the table fixes, else 0. */
export function makeInsn(op: OpName, operands: Partial<Omit<Insn, 'op'>> = {}): Insn {
  const { fixed, format } = opRow(op);
  const uses64 = (FORMATS[format].fields as readonly Field[]).includes('imm64');
  const imm64 = uses64 ? BigInt.asUintN(64, operands.imm64 ?? BigInt(operands.imm ?? 0)) : undefined;
  return {
    op,
    dst: operands.dst ?? 0,
    src: fixed.src ?? operands.src ?? 0,
    off: fixed.off ?? operands.off ?? 0,
    imm: imm64 === undefined ? (fixed.imm ?? operands.imm ?? 0) : Number(BigInt.asIntN(32, imm64)),
    ...(imm64 === undefined ? {} : { imm64 }),
  };
}

/** Slots that an instruction takes. */
export const slotsOf = (op: OpName): 1 | 2 => (isWide(op) ? 2 : 1);

/** The upper half of a two-part immediate: offset in the map's value (ld_map_value, ld_map_idx_value). */
export const upperImm = (insn: Insn): number => Number(BigInt.asIntN(32, (insn.imm64 ?? 0n) >> 32n));

const CHECKED_FIELDS = ['src', 'off', 'imm'] as const;

/** Fields as bits of a mask. */
const BIT = { dst: 1, src: 2, off: 4, imm: 8 } as const;
type RawField = keyof typeof BIT;

/** What decoding checks of an op, as plain fields: programs are read instruction by instruction. */
interface Candidate {
  readonly op: OpName;
  /** Values that the table fixes, by which the ops of one opcode are told apart. */
  readonly src: number | undefined;
  readonly off: number | undefined;
  readonly imm: number | undefined;
  /** Bits of the fields that are neither an operand nor fixed: these must be zero. */
  readonly reserved: number;
  readonly format: Format;
  readonly wide: boolean;
}

function candidateOf(op: OpName): Candidate {
  const { fixed, format } = opRow(op);
  const fields: readonly Field[] = FORMATS[format].fields;
  const used = (field: RawField): boolean =>
    fields.includes(field) ||
    (field === 'imm' && fields.includes('imm64')) ||
    (field !== 'dst' && fixed[field] !== undefined);
  let reserved = 0;
  for (const field of ['dst', ...CHECKED_FIELDS] as const) if (!used(field)) reserved |= BIT[field];
  return { op, src: fixed.src, off: fixed.off, imm: fixed.imm, reserved, format, wide: isWide(op) };
}

let candidates: readonly (readonly Candidate[])[] | undefined;

/** The ops of each opcode; made at first use, as most of those who import this decode nothing. */
function byOpcode(): readonly (readonly Candidate[])[] {
  if (candidates !== undefined) return candidates;
  const table: Candidate[][] = Array.from({ length: 256 }, () => []);
  for (const name of OP_NAMES) table[OPS[name].opcode].push(candidateOf(name));
  candidates = table;
  return table;
}

type RawFields = Record<RawField, number>;

/** No op of the opcode has these values: names the field that tells them apart. */
function refuseVariant(of: readonly Candidate[], opcode: number, raw: RawFields, place: Place): never {
  if (of.length === 0) fail(unknownOpcode(place, opcode));
  const field = CHECKED_FIELDS.find((f) => of[0][f] !== undefined) ?? 'imm';
  return fail(unknownVariant(place, opcode, field, raw[field]));
}

function decodeSlot(view: DataView, slot: number, slots: number, outer: Place): Insn {
  const at = slot * SLOT_SIZE;
  const opcode = view.getUint8(at);
  const registers = view.getUint8(at + 1);
  let dst = registers & 0xf;
  const src = registers >> 4;
  const off = view.getInt16(at + 2, true);
  let imm = view.getInt32(at + 4, true);
  const rows = byOpcode()[opcode];
  let row: Candidate | undefined;
  for (let i = 0; i < rows.length && row === undefined; i++) {
    const { src: fixedSrc, off: fixedOff, imm: fixedImm } = rows[i];
    if (fixedSrc !== undefined && fixedSrc !== src) continue;
    if (fixedOff !== undefined && fixedOff !== off) continue;
    if (fixedImm === undefined || fixedImm === imm) row = rows[i];
  }
  if (row === undefined) return refuseVariant(rows, opcode, { dst, src, off, imm }, { ...outer, insn: slot });
  const { op, format, reserved } = row;
  // clang before 19 puts the register of callx into imm, later ones and Linux into dst. Both mean the same.
  if (format === 'callx' && dst === 0) {
    dst = imm;
    imm = 0;
  }
  const used =
    (dst === 0 ? 0 : BIT.dst) | (src === 0 ? 0 : BIT.src) | (off === 0 ? 0 : BIT.off) | (imm === 0 ? 0 : BIT.imm);
  if ((used & reserved) !== 0) {
    const raw: RawFields = { dst, src, off, imm };
    const field = (['dst', ...CHECKED_FIELDS] as const).find((f) => (used & reserved & BIT[f]) !== 0) ?? 'imm';
    fail(reservedField({ ...outer, insn: slot }, op, field, raw[field]));
  }
  if (dst < 0 || dst >= REGISTER_COUNT) fail(badRegister({ ...outer, insn: slot }, 'dst', dst));
  if (src >= REGISTER_COUNT && row.src === undefined) fail(badRegister({ ...outer, insn: slot }, 'src', src));
  if (!row.wide) return { op, dst, src, off, imm };

  if (slot + 1 >= slots) fail(cutWideInstruction({ ...outer, insn: slot }));
  if (view.getUint32(at + SLOT_SIZE, true) !== 0) fail(badSecondSlot({ ...outer, insn: slot }));
  const upper = view.getUint32(at + 12, true);
  if (format !== 'ld_pseudo') {
    return { op, dst, src, off, imm, imm64: view.getBigUint64(at + 8, true) | BigInt(imm >>> 0) };
  }
  if (upper !== 0) fail(reservedField({ ...outer, insn: slot }, op, 'second imm', upper));
  return { op, dst, src, off, imm };
}

/**
 * The instructions of a program in little-endian encoding (see {@link toLittleEndian}), indexed by slot: the second
 * slot of a 64-bit immediate load is undefined. Raises isa/* with the slot in the place on an unknown instruction, a
 * register above r10, or a non-zero field that the instruction does not use (RFC 9669 section 3: reserved).
 */
export function decodeProgram(code: Uint8Array, place: Place = {}): (Insn | undefined)[] {
  if (code.length % SLOT_SIZE !== 0) fail(codeLength(place, code.length));
  const view = new DataView(code.buffer, code.byteOffset, code.byteLength);
  const slots = code.length / SLOT_SIZE;
  const insns: (Insn | undefined)[] = [];
  for (let slot = 0; slot < slots; slot++) {
    insns.push(decodeSlot(view, slot, slots, place));
    if (code[slot * SLOT_SIZE] !== WIDE_OPCODE) continue;
    insns.push(undefined);
    slot++;
  }
  return insns;
}

const LIMITS = { dst: [0, REGISTER_COUNT - 1], src: [0, REGISTER_COUNT - 1], off: [-0x8000, 0x7fff] } as const;

/** Raises isa/bad-operand where an operand does not fit its field. */
export function checkOperands(insn: Insn, place: Place = {}): void {
  const { fixed, format } = opRow(insn.op);
  for (const field of FORMATS[format].fields as readonly Field[]) {
    if (field === 'imm' || field === 'imm64') continue;
    const [low, high] = LIMITS[field];
    const value = insn[field];
    if (fixed[field as 'src' | 'off'] === undefined && !(Number.isInteger(value) && value >= low && value <= high)) {
      fail(badOperand(place, insn.op, field, value, `${low} to ${high}`));
    }
  }
  if (!Number.isInteger(insn.imm) || insn.imm !== (insn.imm | 0)) {
    fail(badOperand(place, insn.op, 'imm', insn.imm, '-2^31 to 2^31-1'));
  }
}

/**
 * Little-endian encoding. Takes instructions in order, indexed by slot or not (undefined entries are passed over).
 * Fields that the table fixes are written from the table, unused ones as zero.
 */
export function encodeProgram(insns: readonly (Insn | undefined)[]): Uint8Array<ArrayBuffer> {
  let slots = 0;
  for (const insn of insns) if (insn !== undefined) slots += slotsOf(insn.op);
  const code = new Uint8Array(slots * SLOT_SIZE);
  const view = new DataView(code.buffer);
  let at = 0;
  for (const insn of insns) {
    if (insn === undefined) continue;
    checkOperands(insn, { insn: at / SLOT_SIZE });
    const { opcode, fixed, format } = opRow(insn.op);
    const fields: readonly Field[] = FORMATS[format].fields;
    const value = (field: 'src' | 'off' | 'imm'): number => fixed[field] ?? (fields.includes(field) ? insn[field] : 0);
    view.setUint8(at, opcode);
    view.setUint8(at + 1, (fields.includes('dst') ? insn.dst : 0) | (value('src') << 4));
    view.setInt16(at + 2, value('off'), true);
    if (fields.includes('imm64')) {
      const wide = insn.imm64 ?? BigInt.asUintN(64, BigInt(insn.imm));
      view.setUint32(at + 4, Number(wide & 0xffff_ffffn), true);
      view.setUint32(at + 12, Number(BigInt.asUintN(32, wide >> 32n)), true);
    } else {
      view.setInt32(at + 4, value('imm'), true);
    }
    at += slotsOf(insn.op) * SLOT_SIZE;
  }
  return code;
}

/**
 * The code of an object of the given byte order, in little-endian encoding: big-endian objects have dst in the upper
 * half of the register byte, and off and imm the other way round. The same function turns it back. The bytes given
 * are not changed; raises isa/code-length where they are not whole slots.
 */
export function toLittleEndian(code: Uint8Array, endian: Endian, place: Place = {}): Uint8Array<ArrayBuffer> {
  if (code.length % SLOT_SIZE !== 0) fail(codeLength(place, code.length));
  const out = new Uint8Array(code);
  if (endian === 'little') return out;
  const view = new DataView(out.buffer);
  for (let at = 0; at < out.length; at += SLOT_SIZE) {
    const registers = out[at + 1];
    out[at + 1] = (registers >> 4) | ((registers & 0xf) << 4);
    view.setUint16(at + 2, view.getUint16(at + 2, true));
    view.setUint32(at + 4, view.getUint32(at + 4, true));
  }
  return out;
}

type Registers = (typeof FORMATS)[Format];

const REGISTERS: ReadonlyMap<OpName, Registers> = new Map(OP_NAMES.map((op) => [op, FORMATS[OPS[op].format]]));

/** Registers that an instruction reads, each once. */
export const registersRead = (insn: Insn): readonly number[] =>
  named(insn, (REGISTERS.get(insn.op) as Registers).reads);
/** Registers that an instruction leaves with another value, each once. */
export const registersWritten = (insn: Insn): readonly number[] =>
  named(insn, (REGISTERS.get(insn.op) as Registers).writes);

/** One array for each register: most instructions name one, and walks over programs ask for each. */
const ALONE: readonly (readonly number[])[] = Array.from({ length: 16 }, (_, register) => [register]);

const isNumbers = (registers: readonly ('dst' | 'src' | number)[]): registers is readonly number[] =>
  registers.every((r) => typeof r === 'number');

function named(insn: Insn, registers: readonly ('dst' | 'src' | number)[]): readonly number[] {
  if (registers.length === 1) {
    const [only] = registers;
    return ALONE[typeof only === 'number' ? only : insn[only]];
  }
  if (isNumbers(registers)) return registers;
  return [...new Set(registers.map((r) => (typeof r === 'number' ? r : insn[r])))];
}
