// The state of one path through a program, and the states kept where paths meet.
import { Scalar } from './number/scalar.ts';
import type { Trace } from './trace.ts';
import { Bytes, type Pointer, type Slot, type Value } from './value.ts';

/** MAX_CALL_FRAMES (include/linux/bpf_verifier.h). */
export const MAX_FRAMES = 8;
/** MAX_BPF_STACK (include/linux/filter.h): of one frame, and of all frames of a chain of calls. */
export const MAX_STACK = 512;
export const STACK_SLOTS = MAX_STACK / 8;

/** A callback that a helper runs: what happens when it returns. */
export interface CallbackFrame {
  readonly helper: string;
  /** Slot of the helper call. */
  readonly slot: number;
  /** Registers r1 to r5 of the next round. */
  readonly args: readonly Value[];
  /** Largest return value that is allowed. */
  readonly returnsAtMost: number;
  readonly once: boolean;
  /** References held when the helper was called: the callback may add none. */
  readonly held: readonly number[];
}

export class Frame {
  readonly entry: number;
  /** Slot of the call; -1 for the first frame. */
  readonly callSite: number;
  readonly callback: CallbackFrame | undefined;
  readonly registers: Value[];
  /** Slot i holds the bytes from -8(i+1) to -8i from the frame's top. */
  readonly stack: Slot[];
  /** The state that may change this frame; others have to copy it first. */
  owner: State | undefined;

  constructor(entry: number, callSite: number, registers: Value[], stack: Slot[], callback?: CallbackFrame) {
    this.entry = entry;
    this.callSite = callSite;
    this.registers = registers;
    this.stack = stack;
    this.callback = callback;
  }

  copy(): Frame {
    return new Frame(this.entry, this.callSite, this.registers.slice(), this.stack.slice(), this.callback);
  }
}

/** Something that the program must give back. */
export interface Reference {
  readonly id: number;
  readonly what: 'socket' | 'ringRecord' | 'lock' | 'iterator' | 'dynptr' | 'object' | 'rcu' | 'preempt' | 'irq';
  readonly at: number;
  /** lock: the map value's id. */
  readonly owner?: number;
}

/** One decision of the path, the last first. */
export interface Step {
  readonly slot: number;
  readonly taken: boolean;
  readonly before: Step | undefined;
}

/** Bits of stack slots by frame: two words each. */
export type SlotSet = Int32Array;
export const slotSet = (): SlotSet => new Int32Array(2 * MAX_FRAMES);
const wordOf = (frame: number, slot: number): number => 2 * frame + (slot >>> 5);
const has = (set: SlotSet, frame: number, slot: number): boolean =>
  ((set[wordOf(frame, slot)] >>> (slot & 31)) & 1) !== 0;

/** A register (0 to 9) or stack slot (from 10 on) of a kept state that its verdict rests on. */
export interface Check {
  readonly frame: number;
  readonly place: number;
  readonly value: Exclude<Slot, undefined>;
}

/** A state kept at a point where paths meet: what was verified from there on. */
export class Entry {
  readonly slot: number;
  readonly frames: readonly Frame[];
  readonly references: readonly Reference[];
  readonly parent: Entry | undefined;
  /** Stack slots whose content was looked at from here on, before they were stored to. */
  readonly read: SlotSet = slotSet();
  /** Stack slots stored to between the parent and here. */
  readonly written: SlotSet;
  /** Paths from here that are not at their end. At 0 all is known that this state has to answer for. */
  open = 1;
  /** Made for an attempt that was given up: what was found from here on is not part of the verdict. */
  abandoned = false;
  /** Kept states on the path before this one. */
  readonly depth: number;
  /** How often the path has come by here, at the heads of loops. */
  readonly round: number;
  /** The number of the visit at which it was kept. */
  readonly visit: number;
  /** See State. */
  readonly boundedAt: number;
  readonly path: Step | undefined;
  /** Where paths come back to it as the head of a loop: the places that move on (ranking.ts); none where an iteration is bounded. */
  ranking: ReadonlyMap<string, number> | undefined;
  /** What has to be compared once all paths from here are at their end (subsume.ts). */
  checks: readonly Check[] | undefined;
  /** Which rounds of which loops it is in (rounds.ts), where that was asked. */
  rounds: string | undefined;

  constructor(state: State, round: number, visit: number) {
    this.slot = state.slot;
    this.frames = state.frames.slice();
    this.references = state.references;
    this.parent = state.parent;
    this.written = state.written;
    this.depth = state.parent === undefined ? 0 : state.parent.depth + 1;
    this.round = round;
    this.visit = visit;
    this.boundedAt = state.boundedAt;
    this.path = state.path;
  }
}

export class State {
  slot: number;
  frames: Frame[];
  references: readonly Reference[] = [];
  parent: Entry | undefined;
  /** Stack slots stored to since the parent. */
  written: SlotSet = slotSet();
  path: Step | undefined;
  /** Instructions since the parent. */
  steps = 0;
  /** Number of the last visit that a bounded iteration was asked for the next round. */
  boundedAt = 0;
  /** The path instruction by instruction, where someone records it (trace.ts). */
  trace: Trace | undefined;

  constructor(slot: number, frames: Frame[]) {
    this.slot = slot;
    this.frames = frames;
    for (const frame of frames) frame.owner = this;
  }

  get depth(): number {
    return this.frames.length - 1;
  }

  /** The running function's frame, for reading. */
  get frame(): Frame {
    return this.frames[this.frames.length - 1];
  }

  /** A frame that may be changed. */
  own(index: number = this.frames.length - 1): Frame {
    let frame = this.frames[index];
    if (frame.owner !== this) {
      frame = frame.copy();
      frame.owner = this;
      this.frames[index] = frame;
    }
    return frame;
  }

  /** A second path from here. Neither may change what both share. */
  fork(): State {
    const other = new State(this.slot, []);
    for (const frame of this.frames) frame.owner = undefined;
    other.frames = this.frames.slice();
    other.references = this.references;
    other.parent = this.parent;
    other.written = this.written.slice();
    other.path = this.path;
    other.trace = this.trace;
    other.boundedAt = this.boundedAt;
    other.steps = this.steps;
    return other;
  }

  register(index: number): Value {
    return this.frame.registers[index];
  }

  set(index: number, value: Value): void {
    this.own().registers[index] = value;
  }

  /** Puts another value in place of each that `change` gives one for, in all registers and slots. */
  replace(change: (value: Scalar | Pointer) => Value): void {
    for (let f = 0; f < this.frames.length; f++) {
      const frame = this.frames[f];
      const { registers, stack } = frame;
      for (let r = 0; r < registers.length; r++) {
        const value = registers[r];
        if (value === undefined) continue;
        const next = change(value);
        if (next !== value) this.own(f).registers[r] = next;
      }
      for (let i = 0; i < stack.length; i++) {
        const slot = stack[i];
        if (slot === undefined || slot.kind === 'special') continue;
        const next = slot.kind === 'bytes' ? changedHalves(slot, change) : change(slot);
        if (next !== slot) this.own(f).stack[i] = next;
      }
    }
  }

  /** Notes that a slot's content mattered; up to where it was stored. */
  markRead(frame: number, slot: number): void {
    if (has(this.written, frame, slot)) return;
    let entry = this.parent;
    const word = wordOf(frame, slot);
    const bit = 1 << (slot & 31);
    while (entry !== undefined && (entry.read[word] & bit) === 0) {
      entry.read[word] |= bit;
      if ((entry.written[word] & bit) !== 0) return;
      entry = entry.parent;
    }
  }

  markWritten(frame: number, slot: number): void {
    this.written[wordOf(frame, slot)] |= 1 << (slot & 31);
  }
}

function changedHalves(slot: Bytes, change: (value: Scalar | Pointer) => Value): Bytes {
  const { low, high } = slot;
  if (low === undefined && high === undefined) return slot;
  const half = (value: Scalar | undefined): Scalar | undefined => {
    if (value === undefined) return undefined;
    const next = change(value);
    return next?.kind === 'scalar' ? next : undefined;
  };
  const nextLow = half(low);
  const nextHigh = half(high);
  return nextLow === low && nextHigh === high ? slot : new Bytes(slot.initialised, nextLow, nextHigh);
}

/** Whether a slot's content was looked at after an entry. */
export const wasRead = (entry: Entry, frame: number, slot: number): boolean => has(entry.read, frame, slot);

/** Copies a number so that what is asked of the copy is told from what is asked of others like it. */
export const copyScalar = (s: Scalar): Scalar => new Scalar(s, s.id, s.delta, s.at, s);

/** Says that the verdict rests on this number's bounds, and so on those that it was computed from. */
export function markPrecise(value: Scalar | undefined): void {
  if (value === undefined || value.precise) return;
  const work = [value];
  for (let s = work.pop(); s !== undefined; s = work.pop()) {
    if (s.precise) continue;
    s.precise = true;
    if (s.from !== undefined && !s.from.precise) work.push(s.from);
    if (s.also !== undefined && !s.also.precise) work.push(s.also);
  }
}

/** The stack as it stands in the first frame of a program. */
export const emptyFrame = (entry: number, callSite: number, registers: Value[], callback?: CallbackFrame): Frame =>
  new Frame(entry, callSite, registers, [], callback);

export const slotIndex = (offset: number): number => Math.floor((-1 - offset) / 8);
