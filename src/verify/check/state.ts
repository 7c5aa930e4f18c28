// What the certificate checker knows at one point of one path: registers, stack, references, and which states answer for it.
import type { MapSpec } from '../../spec/object.ts';
import {
  ANY,
  arithmetic,
  constant,
  type Facts,
  includes,
  intersect,
  isConstant,
  isZero,
  ofWidth,
  truncate,
} from './number.ts';

export type Region =
  | 'ctx' | 'stack' | 'packet' | 'packetMeta' | 'packetEnd' | 'map' | 'mapKey' | 'mapValue' | 'socket' | 'sockCommon'
  | 'tcpSocket' | 'ringRecord' | 'memory' | 'flowKeys' | 'kernel' | 'function'; // biome-ignore format: a list

/** A number. Two with one id differ by the difference of their `delta`, modulo 2^64. */
export class Num {
  readonly kind = 'number' as const;
  readonly facts: Facts;
  readonly id: number;
  readonly delta: number;
  /** It is this number, shifted to the left by so many bits of which none was lost. */
  readonly shifted: { readonly of: Num; readonly by: bigint } | undefined;

  constructor(facts: Facts, id: number, delta = 0, shifted?: Num['shifted']) {
    this.facts = facts;
    this.id = id;
    this.delta = delta;
    this.shifted = shifted;
  }
}

interface PointerFields {
  readonly region: Region;
  /** Distance from the region's start (stack: from the frame's top): a constant, and a number where it varies. */
  readonly offset: number;
  readonly variable: Num | undefined;
  /** Pointers with one id (not 0) are NULL together; packet pointers with one have the same varying part. */
  readonly id: number;
  readonly nullable: boolean;
  /** Packet: bytes from the point without `offset` that lie before the end. */
  readonly range: number;
  readonly size: number;
  readonly writable: boolean;
  readonly map: MapSpec | undefined;
  /** stack: index of the frame. function: slot. */
  readonly target: number;
  /** Id of what must be given back, or 0. */
  readonly reference: number;
}

export class Pointer implements PointerFields {
  readonly kind = 'pointer' as const;
  readonly region: Region;
  readonly offset: number;
  readonly variable: Num | undefined;
  readonly id: number;
  readonly nullable: boolean;
  readonly range: number;
  readonly size: number;
  readonly writable: boolean;
  readonly map: MapSpec | undefined;
  readonly target: number;
  readonly reference: number;

  /** Fields that are not given are those of `from`. */
  constructor(of: Partial<PointerFields>, from: PointerFields) {
    this.region = of.region ?? from.region;
    this.offset = of.offset ?? from.offset;
    this.variable = of.variable ?? from.variable;
    this.id = of.id ?? from.id;
    this.nullable = of.nullable ?? from.nullable;
    this.range = of.range ?? from.range;
    this.size = of.size ?? from.size;
    this.writable = of.writable ?? from.writable;
    this.map = of.map ?? from.map;
    this.target = of.target ?? from.target;
    this.reference = of.reference ?? from.reference;
  }

  with(changes: Partial<PointerFields>): Pointer {
    return new Pointer(changes, this);
  }
}

export type Value = Num | Pointer | undefined;

const NOTHING: PointerFields = {
  region: 'memory', offset: 0, variable: undefined, id: 0, nullable: false, range: 0, size: 0, writable: true,
  map: undefined, target: 0, reference: 0,
}; // biome-ignore format: a row
export const pointer = (region: Region, fields: Partial<PointerFields> = {}): Pointer =>
  new Pointer(fields, { ...NOTHING, region });

let ids = 0;
export const newId = (): number => ++ids;
export const num = (facts: Facts): Num => new Num(facts, newId());

export interface Callback {
  /** Slot of the helper call. */
  readonly slot: number;
  /** r1 to r5 of each round. */
  readonly args: readonly Value[];
  readonly atMost: number;
  readonly once: boolean;
  /** References held by the caller. */
  readonly held: readonly number[];
}

/** 8 or 4 bytes of the stack that were stored as one. */
export interface Cell {
  readonly size: 4 | 8;
  readonly value: Num | Pointer;
}

export class Frame {
  readonly entry: number;
  readonly callSite: number;
  readonly callback: Callback | undefined;
  registers: Value[] = [];
  /** By offset from the frame's top. */
  cells: Map<number, Cell> = new Map();
  /** Bit `offset + 512`: the byte holds something. */
  init = 0n;
  owner: State | undefined;

  constructor(entry: number, callSite: number, callback?: Callback) {
    this.entry = entry;
    this.callSite = callSite;
    this.callback = callback;
  }
}

export interface Reference {
  readonly id: number;
  readonly what: string;
  /** lock: id of the pointer to the value. */
  readonly owner: number;
}

/** The last time that the path came by the head of a loop: the number that must move on, as it was there. */
export interface Round {
  /** Index of the head among the points. */
  readonly head: number;
  /** The number by id and distance; id 0 where none is named. */
  readonly id: number;
  readonly delta: number;
  /** Number of frames of the function that was asked for a round of a bounded iteration since; 0 where none was. */
  readonly asked: number;
}

export class State {
  slot: number;
  frames: Frame[];
  references: readonly Reference[];
  rounds: readonly Round[];

  constructor(slot: number, frames: Frame[], references: readonly Reference[] = [], rounds: readonly Round[] = []) {
    this.slot = slot;
    this.frames = frames;
    this.references = references;
    this.rounds = rounds;
  }

  get frame(): Frame {
    return this.frames[this.frames.length - 1];
  }

  /** A frame that may be changed. */
  own(index: number = this.frames.length - 1): Frame {
    const frame = this.frames[index];
    if (frame.owner === this) return frame;
    const copy = new Frame(frame.entry, frame.callSite, frame.callback);
    copy.registers = frame.registers.slice();
    copy.cells = new Map(frame.cells);
    copy.init = frame.init;
    copy.owner = this;
    this.frames[index] = copy;
    return copy;
  }

  fork(): State {
    for (const frame of this.frames) frame.owner = undefined;
    return new State(this.slot, this.frames.slice(), this.references, this.rounds);
  }

  set(register: number, value: Value): void {
    this.own().registers[register] = value;
  }

  /** Puts other values in place of those that `change` gives others for; none: the register or cell holds nothing known. */
  replace(change: (value: Num | Pointer) => Num | Pointer): void {
    this.frames.forEach((frame, f) => {
      frame.registers.forEach((value, r) => {
        const next = value && change(value);
        if (next !== value) this.own(f).registers[r] = next;
      });
      for (const [offset, cell] of frame.cells) {
        const value = change(cell.value);
        if (value !== cell.value) this.own(f).cells.set(offset, { size: cell.size, value });
      }
    });
  }

  /** Better facts for a number, and for all that are tied to it. */
  narrow(old: Num, facts: Facts): void {
    const next = new Num(facts, old.id, old.delta, old.shifted);
    this.replace((value) => {
      if (value === old) return next;
      if (value.kind !== 'number' || value.id !== old.id) return value;
      const distance = value.delta - old.delta;
      const told = distance === 0 ? facts : arithmetic('add', 64, facts, constant(BigInt(distance)));
      const both = intersect(value.facts, told);
      return both === undefined ? value : new Num(both, value.id, value.delta, value.shifted);
    });
  }
}

/** Which names of a point's state stand for which of another. */
class Names {
  readonly #of = new Map<number, readonly [other: number, distance: number]>();

  same(id: number, other: number, distance: number): boolean {
    // Addresses in maps have names that mean the same everywhere.
    if (id < 0) return id === other;
    const known = this.#of.get(id);
    if (known === undefined) this.#of.set(id, [other, distance]);
    return known === undefined || (known[0] === other && known[1] === distance);
  }

  distanceOf(id: number, other: number): number | undefined {
    const known = this.#of.get(id);
    return known?.[0] === other ? known[1] : undefined;
  }
}

/** A name that is not asked for: id 0. */
const sameNumber = (names: Names, old: Num, next: Num): boolean =>
  includes(old.facts, next.facts) &&
  (old.id === 0 || isConstant(old.facts) || names.same(old.id, next.id, next.delta - old.delta));

/** Stands for the name of a varying part that is not there. */
const NOT_VARYING = -(2 ** 52);
/** Stands for the name of a pointer that is NULL. */
const NULL = NOT_VARYING - 1;

/** The varying part is what is left of the whole distance without the kept state's constant part. */
function sameDistance(names: Names, old: Pointer, next: Pointer): boolean {
  const [kept, other] = [old.variable, next.variable];
  if (kept === undefined) return other === undefined && old.offset === next.offset;
  const rest = constant(BigInt(next.offset - old.offset));
  if (!includes(kept.facts, other === undefined ? rest : arithmetic('add', 64, other.facts, rest))) return false;
  if (kept.id === 0) return true;
  const { id, delta } = other ?? { id: NOT_VARYING, delta: 0 };
  return names.same(kept.id, id, delta + next.offset - kept.delta - old.offset);
}

function samePointer(names: Names, old: Pointer, next: Pointer): boolean {
  return (
    old.region === next.region &&
    (old.nullable || !next.nullable) &&
    old.map === next.map &&
    old.size === next.size &&
    old.target === next.target &&
    old.range - old.offset <= next.range - next.offset &&
    (!old.writable || next.writable) &&
    sameDistance(names, old, next) &&
    (old.reference === 0 ? next.reference === 0 : names.same(old.reference, next.reference, 0)) &&
    (old.id === 0 || names.same(old.id, next.id, next.offset - old.offset))
  );
}

/** Bytes [offset, offset + size) as bits of `Frame.init`. */
export const bytesAt = (offset: number, size: number): bigint => ((1n << BigInt(size)) - 1n) << BigInt(offset + 512);

/** What lies in bytes of the stack that hold something; undefined for part of a pointer. */
export function contentOf(frame: Frame, offset: number, size: number): Num | Pointer | undefined {
  const cell = frame.cells.get(offset);
  if (cell?.size === size) return cell.value;
  const overlapping = [...frame.cells].filter(([at, { size: n }]) => at < offset + size && offset < at + n);
  if (overlapping.some(([, { value }]) => value.kind === 'pointer')) return undefined;
  const around = overlapping.find(([at, { size: n }]) => at <= offset && offset + size <= at + n);
  if (around !== undefined) return num(partOf((around[1].value as Num).facts, offset - around[0], size));
  const [low, high] = [frame.cells.get(offset)?.value, frame.cells.get(offset + 4)?.value];
  if (size === 8 && low?.kind === 'number' && high?.kind === 'number')
    return num(arithmetic('or', 64, low.facts, arithmetic('lsh', 64, high.facts, constant(32n))));
  return num(ofWidth(8 * size));
}

/** Bytes `at` to `at + size` of a number in memory (little-endian). */
export const partOf = (whole: Facts, at: number, size: number): Facts =>
  truncate(at === 0 ? whole : arithmetic('rsh', 64, whole, constant(BigInt(8 * at))), 8 * size);

function sameValue(names: Names, old: Num | Pointer, next: Value): boolean {
  if (next === undefined) return false;
  if (old.kind === 'number') return next.kind === 'number' && sameNumber(names, old, next);
  // A pointer that may be NULL is, with all of its name.
  if (next.kind === 'number')
    return old.nullable && old.reference === 0 && isZero(next.facts) && (old.id === 0 || names.same(old.id, NULL, 0));
  return samePointer(names, old, next);
}

/** One thing that a point says: of a register (0 to 9), or of bytes of the stack (below 0). */
interface Held {
  readonly frame: number;
  readonly at: number;
  readonly size: 4 | 8;
  readonly value: Num | Pointer;
}

/** What tells states apart first: constants, pointers, bounds. */
function heldBy(frames: readonly Frame[]): readonly Held[] {
  const order = ({ value }: Held): number =>
    value.kind === 'pointer' ? 1 : isConstant(value.facts) ? 0 : value.facts === ANY ? 3 : 2;
  const held = frames.flatMap(({ registers, cells }, frame) => [
    ...registers
      .slice(0, 10)
      .flatMap((value, at): Held[] => (value === undefined ? [] : [{ frame, at, size: 8, value }])),
    ...[...cells].map(([at, { size, value }]): Held => ({ frame, at, size, value })),
  ]);
  return held.sort((a, b) => order(a) - order(b));
}

function sameCall(names: Names, old: Frame, next: Frame): boolean {
  const [a, b] = [old.callback, next.callback];
  if (old.entry !== next.entry || old.callSite !== next.callSite) return false;
  if (a === undefined || b === undefined) return a === b;
  return (
    a.slot === b.slot &&
    a.atMost === b.atMost &&
    a.once === b.once &&
    a.held.length === b.held.length &&
    a.held.every((id, i) => names.same(id, b.held[i], 0)) &&
    a.args.every((value, i) => value === undefined || sameValue(names, value, b.args[i]))
  );
}

/** Bytes that hold something do so, and are no pointers where they are not said to be. */
function sameBytes(old: Frame, next: Frame): boolean {
  if ((old.init & ~next.init) !== 0n) return false;
  for (const [offset, { value }] of next.cells) {
    if (value.kind !== 'pointer' || (old.init & bytesAt(offset, 8)) === 0n) continue;
    if (old.cells.get(offset)?.value.kind !== 'pointer') return false;
  }
  return true;
}

/** A state that was written down, where it stands among the others, and what moves on with each round where it heads a loop. */
export class Point {
  readonly index: number;
  readonly state: State;
  /** Whether a path may come back to it from what lies behind it. */
  readonly head: boolean;
  readonly rank: Rank | undefined;
  readonly held: readonly Held[];

  constructor(index: number, state: State, head: boolean, rank: Rank | undefined) {
    this.index = index;
    this.state = state;
    this.head = head;
    this.rank = rank;
    this.held = heldBy(state.frames);
  }
}

/** The place of a number (10 and up: the stack from -512 on) or pointer that goes towards a bound. */
export interface Rank {
  readonly frame: number;
  readonly place: number;
  /** Bytes of the stack. */
  readonly size: 4 | 8;
  readonly direction: 1 | -1;
}

/** Whether every run that the state stands for is one that the point stands for. */
export function answers(point: Point, state: State, points: readonly Point[]): boolean {
  const { frames, references, rounds } = point.state;
  if (frames.length !== state.frames.length || references.length !== state.references.length) return false;
  const names = new Names();
  for (let i = 0; i < references.length; i++) {
    const [a, b] = [references[i], state.references[i]];
    if (a.what !== b.what || !names.same(a.id, b.id, 0)) return false;
    if (a.owner !== 0 && !names.same(a.owner, b.owner, 0)) return false;
  }
  for (let i = 0; i < frames.length; i++) if (!sameCall(names, frames[i], state.frames[i])) return false;
  for (const { frame, at, size, value } of point.held) {
    const other = state.frames[frame];
    if (!sameValue(names, value, at < 0 ? contentOf(other, at, size) : other.registers[at])) return false;
  }
  for (let i = 0; i < frames.length; i++) if (!sameBytes(frames[i], state.frames[i])) return false;
  return rounds.every((round) => {
    const other = state.rounds.find(({ head }) => head === round.head);
    if (other === undefined) return false;
    if (round.asked !== 0 && (other.asked === 0 || other.asked > round.asked)) return false;
    if (round.id === 0) return true;
    if (other.id === 0) return false;
    // What the point says to have moved by this much may have moved further.
    const further = (names.distanceOf(round.id, other.id) ?? Number.NaN) - (other.delta - round.delta);
    return further * (points[round.head]?.rank?.direction ?? Number.NaN) >= 0;
  });
}

/** The value in the place that a rank names. */
export function ranked(state: State, { frame, place, size }: Rank): Value {
  const { [frame]: f } = state.frames;
  if (place < 10) return f?.registers[place];
  return f === undefined || (f.init & bytesAt(place - 522, size)) === 0n ? undefined : contentOf(f, place - 522, size);
}

/** A number or pointer as what may move on in a loop: by name, distance and bounds. */
export function measureOf(
  value: Value,
): { readonly id: number; readonly delta: number; readonly facts: Facts } | undefined {
  if (value === undefined) return undefined;
  if (value.kind === 'number') return { id: value.id, delta: value.delta, facts: value.facts };
  const { variable, offset } = value;
  return (
    variable && {
      id: variable.id,
      delta: variable.delta + offset,
      facts: arithmetic('add', 64, variable.facts, constant(BigInt(offset))),
    }
  );
}
