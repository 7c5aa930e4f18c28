// Decodes a program into records, once: what handlers.ts reads while it runs.
import type { Insn } from '../../isa/insn.ts';
import { baseOf, OPS } from '../../isa/opcodes.ts';
import { identityOf, type Invocation, type ProgramImage, type Proof } from '../../spec/backend.ts';
import type { Address, Memory } from '../../spec/memory.ts';
import { jumpTarget } from '../../flow/graph.ts';
import type { LoadedProgram } from '../load.ts';
import { frameUse } from '../frame-use.ts';
import { STACK_SIZE } from '../limits.ts';
import { handlerNumber, type InsnHandler, sequenceNumber } from './handler-names.ts';
import { RECORD, RECORD_SIZE, STATE } from './layout.ts';

/** A program as records: the call that starts it, where that call returns to, its instructions, and the end that it may not reach. */
export class Records {
  readonly program: LoadedProgram;
  readonly identity: Invocation['program'];
  readonly base: Address;
  readonly end: Address;
  readonly #memory: Memory;
  /** By slot; 0 for the second slot of a wide instruction. */
  readonly #bySlot: Uint32Array;
  /** Accesses are checked, but for those of the frame. */
  readonly checked: boolean;
  /** Slots of accesses and calls that are checked all the same. */
  readonly #checkedAt: ReadonlySet<number>;
  readonly recordsOf: (image: ProgramImage) => Records;
  /** Bytes below r10 that are to be zero when a function begins. */
  readonly frameUse: number;
  /** Calls of other functions than the first by the host, by slot. */
  readonly #entries = new Map<number, Address>();

  /**
   * @param nothing the window that allows nothing
   * @param proof of the accesses, where there is one
   * @param recordsOf gives those of a tail call's target
   */
  constructor(
    program: LoadedProgram,
    memory: Memory,
    state: Address,
    nothing: Address,
    proof: Proof | undefined,
    recordsOf: Records['recordsOf'],
  ) {
    const { insns } = program;
    const count = insns.reduce((sum, insn) => sum + (insn === undefined ? 0 : 1), 0);
    this.program = program;
    this.identity = identityOf(program.image);
    this.#memory = memory;
    const checked = proof === undefined;
    const checkedAt = proof?.checkedAt ?? new Set();
    this.checked = checked;
    this.#checkedAt = checkedAt;
    this.recordsOf = recordsOf;
    this.frameUse = checked || proof.readsUnwritten || goesOn(program) ? frameToClear(program) : 0;
    this.#bySlot = new Uint32Array(insns.length);
    this.base = memory.alloc((count + 3) * RECORD_SIZE);
    this.end = this.base + (count + 3) * RECORD_SIZE;
    let at = this.base + 2 * RECORD_SIZE;
    insns.forEach((insn, slot) => {
      if (insn === undefined) return;
      this.#bySlot[slot] = at;
      at += RECORD_SIZE;
    });
    this.#writeEntry(this.base, 0);
    const { view } = memory;
    const handlers = insns.flatMap((insn, slot): InsnHandler[] =>
      insn === undefined ? [] : [handlerOf(insn, checked || checkedAt.has(slot))],
    );
    let index = 0;
    insns.forEach((insn, slot) => {
      if (insn === undefined) return;
      this.#write(view, state, nothing, insn, slot);
      view.setUint32(this.#bySlot[slot] + RECORD.HANDLER, sequenceNumber(handlers, index++), true);
    });
    view.setUint32(at + RECORD.HANDLER, handlerNumber('fell_off'), true);
    view.setUint32(
      at + RECORD.SLOT,
      insns.findLastIndex((insn) => insn !== undefined),
      true,
    );
  }

  dispose(): void {
    this.#memory.free(this.base);
    for (const entry of this.#entries.values()) this.#memory.free(entry);
  }

  /** The first instruction. */
  get start(): Address {
    return this.#bySlot[0];
  }

  /** The record with which the host calls the function at a slot. */
  entry(slot: number): Address {
    if (slot === 0) return this.base;
    let entry = this.#entries.get(slot);
    if (entry === undefined) {
      entry = this.#memory.alloc(2 * RECORD_SIZE);
      this.#entries.set(slot, entry);
      this.#writeEntry(entry, slot);
    }
    return entry;
  }

  /** Slot of the instruction at a record; undefined for a record that is none. */
  slotAt(record: Address): number | undefined {
    if (record < this.start || record >= this.end) return undefined;
    return this.#memory.view.getUint32(record + RECORD.SLOT, true);
  }

  /** Whether the call at a record is checked although the program is not. */
  asksAt(record: Address): boolean {
    return this.#checkedAt.size > 0 && this.#checkedAt.has(this.slotAt(record) ?? -1);
  }

  /** Whether this is the handle of a map that the program names itself. */
  ownMap(handle: bigint): boolean {
    const { insns, constants } = this.program;
    return insns.some((insn) => insn?.op === 'ld_map_idx' && constants.get(insn) === handle);
  }

  #writeEntry(at: Address, slot: number): void {
    const { view } = this.#memory;
    view.setUint32(at + RECORD.HANDLER, handlerNumber('enter'), true);
    view.setUint32(at + RECORD.TARGET, this.#bySlot[slot], true);
    view.setUint32(at + RECORD.FRAME_USE, this.frameUse, true);
    view.setUint32(at + RECORD_SIZE + RECORD.HANDLER, handlerNumber('done'), true);
  }

  #write(view: DataView, state: Address, nothing: Address, insn: Insn, slot: number): void {
    const at = this.#bySlot[slot];
    const { op, dst, src, off, imm } = insn;
    if (op !== 'call_helper') {
      view.setUint32(at + RECORD.DST, state + STATE.REGISTERS + 8 * dst, true);
      view.setUint32(at + RECORD.SRC, state + STATE.REGISTERS + 8 * src, true);
    }
    view.setUint32(at + RECORD.WINDOW, nothing, true);
    view.setUint32(at + RECORD.SLOT, slot, true);
    const target = op === 'call_local' ? slot + 1 + imm : jumpTarget(insn, slot);
    view.setInt32(at + RECORD.OFF, target === undefined ? off : this.#bySlot[target], true);
    if (op === 'call_local') view.setUint32(at + RECORD.FRAME_USE, this.frameUse, true);
    else view.setBigInt64(at + RECORD.IMM, BigInt.asIntN(64, this.#immediate(insn)), true);
  }

  #immediate(insn: Insn): bigint {
    return this.program.constants.get(insn) ?? insn.imm64 ?? BigInt(insn.imm);
  }
}

/** Whether another program may go on in the frame of this one. */
const goesOn = ({ insns, image }: LoadedProgram): boolean =>
  insns.some(
    (insn) =>
      insn?.op === 'callx' || (insn?.op === 'call_helper' && image.helper(insn.imm)?.returns === 'integerOrNoReturn'),
  );

/** All of it where another program goes on, which may look further down. */
const frameToClear = (program: LoadedProgram): number => (goesOn(program) ? STACK_SIZE : frameUse(program.insns));

const handlerOf = (insn: Insn, checked: boolean): InsnHandler =>
  baseOf(insn.op) !== undefined && (!checked || staysInFrame(insn)) ? `${insn.op}@free` : insn.op;

/** An access through r10 that lies in the frame: the frame is the function's own, so that nothing has to be asked. */
function staysInFrame(insn: Insn): boolean {
  const base = baseOf(insn.op);
  if (base === undefined || insn[base] !== 10) return false;
  const { format, width } = OPS[insn.op];
  const size = width / 8;
  const aligned = format.startsWith('ld') || format === 'st' || format === 'stx' || insn.off % size === 0;
  return insn.off >= -STACK_SIZE && insn.off + size <= 0 && aligned;
}
