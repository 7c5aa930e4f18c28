// Rotations: compilers of C write them as two shifts of one value and an `or`, as BPF has no instruction for them. Native CPUs
// have, WebAssembly has, and V8 before 13.6 does not see them in 64-bit shifts by itself.
import type { FlowGraph } from '../flow/graph.ts';
import { type Insn, REGISTER_COUNT, registersWritten } from '../isa/insn.ts';
import { opRow } from '../isa/opcodes.ts';

/** An instruction whose result is a value rotated left. */
export interface Rotate {
  /** 32: the lower half of the value rotated, zero-extended. */
  readonly width: 32 | 64;
  /** Bits, 1 to width - 1. */
  readonly by: number;
  /** Number of the place where the value was kept. */
  readonly place: number;
}

export interface Rotates {
  /** By slot of the instruction that puts the halves together. */
  readonly rotates: ReadonlyMap<number, Rotate>;
  /** By slot: the place that keeps the value which dst has before the instruction there, a shift. */
  readonly kept: ReadonlyMap<number, number>;
}

/** A register that holds a shifted value. */
interface Half {
  readonly left: boolean;
  readonly width: 32 | 64;
  readonly by: number;
  /** Identity of the value that was shifted: of its lower half, where the width is 32. */
  readonly of: number;
  readonly slot: number;
}

/** Shifts by a constant, and whether to the left. */
const SHIFTS: ReadonlyMap<string, boolean> = new Map([
  ['lsh32_imm', true],
  ['lsh64_imm', true],
  ['rsh32_imm', false],
  ['rsh64_imm', false],
]);

/** The bits of the halves do not meet: all three put them together. */
const JOINS: ReadonlySet<string> = new Set([
  'or64_reg',
  'xor64_reg',
  'add64_reg',
  'or32_reg',
  'xor32_reg',
  'add32_reg',
]);

/** What the registers hold at one point of a block: which values are the same, and which are shifted ones. */
class Values {
  /** Identities of the values and of their lower halves. */
  readonly whole = new Int32Array(REGISTER_COUNT);
  readonly low = new Int32Array(REGISTER_COUNT);
  readonly halves: (Half | undefined)[] = new Array<Half | undefined>(REGISTER_COUNT);
  #last = 0;

  /** All registers hold something of which nothing is known. */
  forget(): void {
    for (let register = 0; register < REGISTER_COUNT; register++) this.fresh(register);
  }

  fresh(register: number): void {
    this.whole[register] = ++this.#last;
    this.low[register] = this.#last;
    this.halves[register] = undefined;
  }

  copy(to: number, from: number, width: 32 | 64): void {
    const half = this.halves[from];
    if (width === 64) this.whole[to] = this.whole[from];
    else this.whole[to] = ++this.#last;
    this.low[to] = this.low[from];
    // A shifted lower half is zero-extended: the copy of its lower half is all of it.
    this.halves[to] = width === 64 || half?.width === 32 ? half : undefined;
  }

  shift(insn: Insn, slot: number, left: boolean): void {
    const width = opRow(insn.op).width as 32 | 64;
    const by = insn.imm & (width - 1);
    const of = (width === 64 ? this.whole : this.low)[insn.dst];
    this.fresh(insn.dst);
    if (by > 0) this.halves[insn.dst] = { left, width, by, of, slot };
  }

  /** The two halves that an instruction puts together, the left one first. */
  joined({ op, dst, src }: Insn): readonly [Half, Half] | undefined {
    const a = this.halves[dst];
    const b = this.halves[src];
    if (a === undefined || b === undefined || a.left === b.left) return undefined;
    if (a.width !== b.width || a.of !== b.of || a.by + b.by !== a.width) return undefined;
    if (a.width === 64 && opRow(op).width === 32) return undefined;
    return a.left ? [a, b] : [b, a];
  }
}

/** Whether there are shifts both ways and what puts two values together: in most blocks there is not. */
function mayRotate(insns: readonly (Insn | undefined)[], start: number, end: number): boolean {
  let left = false;
  let right = false;
  for (let slot = start; slot < end; slot++) {
    const insn = insns[slot];
    if (insn === undefined) continue;
    const shift = SHIFTS.get(insn.op);
    if (shift === true) left = true;
    else if (shift === false) right = true;
    else if (left && right && JOINS.has(insn.op)) return true;
  }
  return false;
}

/** A place that is not read any more from that slot on. */
function placeFrom(places: readonly { readonly read: number }[], slot: number): number {
  const free = places.findIndex(({ read }) => read < slot);
  return free < 0 ? places.length : free;
}

/** Rotations whose two shifts are in the block of the instruction that joins them. */
export function findRotates(insns: readonly (Insn | undefined)[], { blocks }: FlowGraph): Rotates {
  const rotates = new Map<number, Rotate>();
  const kept = new Map<number, number>();
  const values = new Values();
  for (const { start, end } of blocks) {
    if (!mayRotate(insns, start, end)) continue;
    values.forget();
    /** For each place: the slot whose value it keeps, and the slot at which it was last read. */
    const places: { keeps: number; read: number }[] = [];
    for (let slot = start; slot < end; slot++) {
      const insn = insns[slot];
      if (insn === undefined) continue;
      const { op, dst, src } = insn;
      const left = SHIFTS.get(op);
      if (op === 'mov64_reg') values.copy(dst, src, 64);
      else if (op === 'mov32_reg') values.copy(dst, src, 32);
      else if (left !== undefined) values.shift(insn, slot, left);
      else {
        const halves = JOINS.has(op) ? values.joined(insn) : undefined;
        if (halves !== undefined) {
          const [{ width, by }] = halves;
          const from = Math.max(halves[0].slot, halves[1].slot);
          const earlier = kept.get(from);
          const place = earlier ?? placeFrom(places, from);
          // A value that two instructions join may have had to leave its place in between.
          if (earlier === undefined || places[earlier].keeps === from) {
            places[place] = { keeps: from, read: slot };
            kept.set(from, place);
            rotates.set(slot, { width, by, place });
          }
        }
        for (const register of registersWritten(insn)) values.fresh(register);
      }
    }
  }
  return { rotates, kept };
}
