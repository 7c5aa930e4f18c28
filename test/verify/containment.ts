// State containment: whether what a run of the checked reference interpreter has before an instruction is among the states that the
// verifier visited there.
import { FRAME_STRIDE } from '../../src/compile/limits.ts';
import type { InterpretedCode, SteppedProgram } from '../../src/compile/reference/interpreter.ts';
import type { PacketArea } from '../../src/spec/helper.ts';
import type { BpfMap } from '../../src/spec/map.ts';
import type { Memory } from '../../src/spec/memory.ts';
import { span } from '../../src/verify/access.ts';
import type { Bounds, Scalar } from '../../src/verify/number/scalar.ts';
import * as R from '../../src/verify/number/range.ts';
import { type Entry, type Frame, type SlotSet, type State, wasRead } from '../../src/verify/state.ts';
import type { Bytes, Pointer, Slot, Value } from '../../src/verify/value.ts';

const u64 = (x: bigint): bigint => BigInt.asUintN(64, x);
const s64 = (x: bigint): bigint => BigInt.asIntN(64, x);

const within = (r: R.Range, w: R.Width, u: number, s: number): boolean =>
  u >= r.umin && (r.umax === w.umax || u <= r.umax) && s >= r.smin && (r.smax === w.smax || s <= r.smax);

/**
 * Whether a number is one of the abstract one's, by its definition. Bounds of 64 bits are below 2^53 or none, so that numbers beyond
 * may be rounded to compare with them.
 */
export function has({ r64, r32, bits }: Bounds, raw: bigint): boolean {
  const low = Number(BigInt.asIntN(32, raw));
  const high = Number(BigInt.asIntN(32, raw >> 32n));
  if ((low & ~bits.maskLow) !== bits.valueLow || (high & ~bits.maskHigh) !== bits.valueHigh) return false;
  const rest = low >>> 0;
  return within(r32, R.W32, rest, low) && within(r64, R.W64, (high >>> 0) * 2 ** 32 + rest, high * 2 ** 32 + rest);
}

/** A state as it was when the verifier came by. */
interface Visit {
  readonly frames: readonly { readonly registers: readonly Value[]; readonly stack: readonly Slot[] }[];
  readonly parent: Entry | undefined;
  readonly written: SlotSet;
}

const abandoned = (entry: Entry | undefined): boolean => {
  for (let e = entry; e !== undefined; e = e.parent) if (e.abandoned) return true;
  return false;
};

const keyOf = (slot: number, calls: readonly number[]): string => `${slot} ${calls.join(' ')}`;

/** The states that a walk came by: `visits.see` is its observer. */
export class Visits {
  readonly #byPlace = new Map<string, Visit[]>();
  readonly #proven = new Map<string, readonly Visit[]>();
  /** States that may be remembered; beyond, nothing can be told. */
  #room: number;

  constructor(room = 200_000) {
    this.#room = room;
  }

  get full(): boolean {
    return this.#room <= 0;
  }

  readonly see = (state: State): void => {
    if (this.#room-- <= 0) return;
    const key = keyOf(
      state.slot,
      state.frames.slice(1).map((f) => f.callSite),
    );
    let list = this.#byPlace.get(key);
    if (list === undefined) {
      list = [];
      this.#byPlace.set(key, list);
    }
    const frames = state.frames.map(({ registers, stack }: Frame) => ({
      registers: registers.slice(),
      stack: stack.slice(),
    }));
    list.push({ frames, parent: state.parent, written: state.written.slice() });
  };

  /** Those that are part of the proof. To be asked when the walk is over. */
  at(slot: number, calls: readonly number[]): readonly Visit[] {
    const key = keyOf(slot, calls);
    let kept = this.#proven.get(key);
    if (kept === undefined) {
      kept = (this.#byPlace.get(key) ?? []).filter((visit) => !abandoned(visit.parent));
      this.#proven.set(key, kept);
    }
    return kept;
  }
}

/** What a run has where it is watched. */
export interface RunContext {
  readonly memory: Memory;
  readonly ctx: number;
  readonly packet: PacketArea | undefined;
  mapAt(handle: number): BpfMap | undefined;
}

/** One frame of a run. */
interface Concrete {
  /** undefined: not known any more. */
  readonly registers: readonly (bigint | undefined)[];
  /** r10. */
  readonly top: number;
}

function framesOf(code: InterpretedCode): Concrete[] {
  const { calls, registers } = code;
  const top = Number(registers[10]);
  return calls.map((_, i): Concrete => {
    const own = top - (calls.length - 1 - i) * FRAME_STRIDE;
    if (i === calls.length - 1) return { registers: Array.from(registers.subarray(0, 10)), top: own };
    const saved: (bigint | undefined)[] = Array.from({ length: 6 }, () => undefined);
    return { registers: [...saved, ...calls[i + 1].saved], top: own };
  });
}

/** Compares one state with the run; `strict`: all numbers count, not only those that a verdict rests on. */
class Comparison {
  readonly #run: RunContext;
  readonly #frames: readonly Concrete[];
  readonly #strict: boolean;
  /** Numbers met, by id: value without delta. */
  readonly #ids = new Map<number, bigint>();
  /** Pointers met, by id: whether NULL, or where the packet's varying part begins. */
  readonly #pointers = new Map<string, bigint>();
  /** Of the first thing that is not as foreseen; made only where it is shown. */
  wrong: () => string = () => '';

  constructor(run: RunContext, frames: readonly Concrete[], strict: boolean) {
    this.#run = run;
    this.#frames = frames;
    this.#strict = strict;
  }

  #no(what: () => string): boolean {
    this.wrong = what;
    return false;
  }

  /** Says where it is. */
  #in(place: string): boolean {
    const { wrong } = this;
    return this.#no(() => `${place}: ${wrong()}`);
  }

  holds(visit: Visit): boolean {
    const { parent, written } = visit;
    for (let f = visit.frames.length - 1; f >= 0; f--) {
      const { registers, stack } = visit.frames[f];
      const concrete = this.#frames[f];
      for (let r = 0; r < 10; r++) {
        const x = concrete.registers[r];
        if (x !== undefined && !this.#value(registers[r], x)) return this.#in(`frame ${f} r${r}`);
      }
      for (let i = 0; i < stack.length; i++) {
        const counts =
          this.#strict ||
          parent === undefined ||
          ((written[2 * f + (i >>> 5)] >>> (i & 31)) & 1) !== 0 ||
          wasRead(parent, f, i);
        if (counts && !this.#slot(stack[i], concrete.top - 8 * (i + 1)))
          return this.#in(`frame ${f} r10-${8 * (i + 1)}`);
      }
    }
    return true;
  }

  #slot(slot: Slot, address: number): boolean {
    if (slot === undefined || slot.kind === 'special') return true;
    const { view } = this.#run.memory;
    if (slot.kind !== 'bytes') return this.#value(slot, view.getBigUint64(address, true));
    const { low, high } = slot as Bytes;
    return (
      (low === undefined || this.#scalar(low, BigInt(view.getUint32(address, true)))) &&
      (high === undefined || this.#scalar(high, BigInt(view.getUint32(address + 4, true))))
    );
  }

  #value(value: Value, x: bigint): boolean {
    if (value === undefined) return true;
    return value.kind === 'scalar' ? this.#scalar(value, x) : this.#pointer(value, x);
  }

  #scalar(s: Scalar, x: bigint): boolean {
    if (!this.#strict && !s.precise) return true;
    if (!has(s, x)) return this.#no(() => `${x} (${s64(x)}) is not in ${JSON.stringify([s.r64, s.r32, s.bits])}`);
    const origin = u64(x - BigInt(s.delta));
    const before = this.#ids.get(s.id);
    this.#ids.set(s.id, origin);
    return (
      before === undefined ||
      before === origin ||
      this.#no(() => `${x} is not tied to others of id ${s.id} by ${s.delta}`)
    );
  }

  #tied(name: string, x: bigint): boolean {
    const before = this.#pointers.get(name);
    this.#pointers.set(name, x);
    return before === undefined || before === x || this.#no(() => `${x} differs from another pointer of ${name}`);
  }

  /** Whether the distance from where a region begins is one that the pointer may have. */
  #distance(p: Pointer, distance: bigint): boolean {
    const varying = distance - BigInt(p.offset);
    const fits = p.variable === undefined ? varying === 0n : has(p.variable, varying);
    return (
      fits || this.#no(() => `${p.region} + ${distance} is not at ${p.offset} + ${JSON.stringify(p.variable?.r64)}`)
    );
  }

  #pointer(p: Pointer, x: bigint): boolean {
    if (p.nullable) {
      if (!this.#tied(`null ${p.id}`, x === 0n ? 1n : 0n)) return false;
      if (x === 0n) return true;
    }
    if (x === 0n && p.variable === undefined) return this.#no(() => `NULL for a ${p.region} that is not`);
    const { memory, ctx, packet } = this.#run;
    switch (p.region) {
      case 'ctx':
        return this.#distance(p, x - BigInt(ctx));
      case 'stack':
        return this.#distance(p, x - BigInt(this.#frames[p.target].top));
      case 'packet':
      case 'packetMeta': {
        if (packet === undefined) return true;
        const [from, to] = p.region === 'packet' ? [packet.data, packet.end] : [packet.meta, packet.data];
        if (!this.#distance(p, x - BigInt(from))) return false;
        const reach = x - BigInt(p.offset) + BigInt(p.range);
        if (p.range > 0 && reach > BigInt(to))
          return this.#no(() => `packet + ${x - BigInt(from)}: range ${p.range} is too long`);
        return p.variable === undefined || this.#tied(`packet ${p.id}`, x - BigInt(p.offset));
      }
      case 'packetEnd':
        return packet === undefined || x === BigInt(packet.end) || this.#no(() => 'not the end of the packet');
      case 'map': {
        const map = this.#run.mapAt(Number(x));
        return map?.spec.valueSize === p.map?.valueSize || this.#no(() => `${x} is not the map ${p.map?.name}`);
      }
      case 'mapValue':
        return this.#element(p, x, 'map-value', p.map?.valueSize ?? 0);
      case 'ringRecord':
        return this.#element(p, x, 'ring-record', p.size);
      case 'memory':
        return (
          p.variable !== undefined ||
          p.size === 0 ||
          memory.accessible(Number(x) - p.offset, p.size, false) ||
          this.#no(() => 'no memory there')
        );
      case 'socket':
      case 'sockCommon':
        return memory.regionAt(Number(x) - p.offset)?.kind === 'socket' || this.#no(() => 'no socket there');
      case 'tcpSocket':
      case 'mapKey':
      case 'flowKeys':
      case 'kernel':
      case 'object':
      case 'function':
        return true;
    }
  }

  /** A pointer near an element of so many bytes. Pointers that lead out of all elements can not be told. */
  #element(p: Pointer, x: bigint, kind: string, size: number): boolean {
    const { memory } = this.#run;
    const [from, to] = span(p, 0);
    // Where the element would begin, if the pointer were at either end of what it may be; else the one that it is in.
    for (const start of [Number(x) - from, Number(x) - to, Number(x)]) {
      const region = Number.isFinite(start) ? memory.regionAt(start) : undefined;
      if (region?.kind !== kind) continue;
      const stride = region.stride ?? region.size;
      const base = region.base + Math.floor((start - region.base) / stride) * stride;
      if ((region.slot ?? region.size) < size) continue;
      if (this.#distance(p, x - BigInt(base))) return true;
    }
    return memory.regionAt(Number(x)) === undefined && from !== to;
  }
}

export interface Finding {
  readonly slot: number;
  readonly why: string;
}

/**
 * Watches runs of a program and notes the first state that the verifier did not foresee.
 *
 * @param strict the walk was without answers, so that all numbers count
 */
export class Containment {
  readonly #visits: Visits;
  readonly #strict: boolean;
  #run: RunContext | undefined;
  finding: Finding | undefined;
  /** Instructions compared. */
  compared = 0;

  constructor(visits: Visits, strict: boolean) {
    this.#visits = visits;
    this.#strict = strict;
  }

  /** @param run asked anew for each instruction */
  watch(code: InterpretedCode, run: RunContext): void {
    const own = code.program;
    code.watch = (slot: number, program: SteppedProgram) => {
      if (program === own && this.finding === undefined) this.#compare(code, run, slot);
    };
  }

  #compare(code: InterpretedCode, run: RunContext, slot: number): void {
    this.#run = run;
    const visits = this.#visits.at(
      slot,
      code.calls.slice(1).map((call) => call.callSite),
    );
    if (this.#visits.full) return;
    const frames = framesOf(code);
    this.compared++;
    let why = 'the verifier never came by';
    for (let i = visits.length - 1; i >= 0; i--) {
      const comparison = new Comparison(this.#run, frames, this.#strict);
      if (comparison.holds(visits[i])) return;
      why = `${visits.length} states, none holds it; the last: ${comparison.wrong()}`;
    }
    this.finding = { slot, why };
  }
}
