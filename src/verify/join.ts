// One state for many, at a place that too many paths come by: what a kept state and another have in common.
import { arithmetic64 } from './number/arithmetic.ts';
import * as N from './number/scalar.ts';
import { newId, Scalar } from './number/scalar.ts';
import { type Entry, markPrecise, type State } from './state.ts';
import { sameCalls } from './subsume.ts';
import { Bytes, type Guard, Pointer, type Slot } from './value.ts';
import { Common } from './widen.ts';

/** A register (0 to 9) or stack slot (from 10 on) that gets another value. */
interface Change {
  readonly frame: number;
  readonly place: number;
  readonly value: Slot;
}

/** What stands for both a kept state and another one, as changes to the other. */
export interface Joined {
  readonly changes: readonly Change[];
  /** Values that the kept state rested on and that have nothing in common with the other's. */
  readonly lost: number;
}

/** A number of the kept state, the other's, and what stands for both. */
interface Pair {
  readonly old: Scalar;
  readonly next: Scalar;
  readonly both: Scalar;
}

interface Joining {
  readonly common: Common;
  readonly thresholds: readonly number[];
  /** Varying parts of pointers, by those of both. */
  readonly variables: Map<Scalar | undefined, Map<Scalar | undefined, Scalar>>;
  /** Ids that the ends of loops are told by: what they say may not get lost. */
  readonly pinned: readonly number[];
  /** Numbers that the kept state's verdict rests on. They come before the pointers. */
  readonly pairs: Pair[];
  readonly guarded: boolean;
  readonly at: number;
}

/** Nothing stands for both. */
const NOTHING = Symbol('nothing');

function scalar(j: Joining, old: Scalar, next: Scalar): Scalar | typeof NOTHING {
  const both = unitedScalar(j, old, next);
  if (both !== NOTHING && old.precise) j.pairs.push({ old, next, both });
  return both;
}

function unitedScalar(j: Joining, old: Scalar, next: Scalar): Scalar | typeof NOTHING {
  const same = old.id === next.id && old.delta === next.delta;
  if (!same && (j.pinned.includes(old.id) || j.pinned.includes(next.id))) return NOTHING;
  if (N.includes(next, old)) return next;
  const bounds = N.includes(old, next) ? old : N.widen(old, N.union(old, next), j.thresholds);
  const id = same ? old.id : j.common.of(old.id, next.id, next.delta - old.delta);
  return new Scalar(bounds, id, old.delta, j.at, next);
}

const distance = (p: Pointer): N.Bounds => {
  const offset = N.constant(p.offset);
  return p.variable === undefined ? offset : arithmetic64('add', p.variable, offset);
};

/** A varying part that holds both; the same for pointers that share theirs in both states. */
function variableOf(j: Joining, old: Pointer, next: Pointer): Scalar {
  const near = old.offset === next.offset;
  const from = near ? (old.variable ?? N.constant(0)) : distance(old);
  const to = near ? (next.variable ?? N.constant(0)) : distance(next);
  const known = near ? j.variables.get(old.variable)?.get(next.variable) : undefined;
  if (known !== undefined) return known;
  const bounds = N.includes(from, to) ? from : N.widen(from, N.union(from, to), j.thresholds);
  const variable = new Scalar(bounds, newId(), 0, j.at, next.variable);
  variable.precise = true;
  if (near) {
    const row = j.variables.get(old.variable) ?? new Map<Scalar | undefined, Scalar>();
    j.variables.set(old.variable, row.set(next.variable, variable));
  }
  return variable;
}

/** What a number may be where a pointer, or the 0 in its place, is NULL. Undefined where it never is. */
function nullsOf(value: Pointer | Scalar, flag: Scalar): N.Bounds | undefined {
  if (value.kind === 'scalar') return flag;
  if (!value.nullable) return undefined;
  return value.guards.find(({ id, delta }) => id === flag.id && delta === flag.delta)?.nulls ?? flag;
}

/**
 * The numbers that tell whether one pointer or NULL is NULL, after both states: where a branch sets a pointer, another one asks the
 * same number before it is used.
 */
function guards(j: Joining, old: Pointer | Scalar, next: Pointer | Scalar): Guard[] {
  const found: Guard[] = [];
  for (const pair of j.guarded ? j.pairs : []) {
    const before = nullsOf(old, pair.old);
    const after = nullsOf(next, pair.next);
    const nulls = before === undefined || after === undefined ? (before ?? after) : N.union(before, after);
    if (nulls === undefined || N.includes(nulls, pair.both)) continue;
    if (after === pair.next) markPrecise(pair.next);
    const { r64, r32, bits } = nulls;
    found.push({ id: pair.both.id, delta: pair.both.delta, nulls: { r64, r32, bits } });
  }
  return found;
}

function pointer(j: Joining, old: Pointer, next: Pointer): Pointer | typeof NOTHING {
  if (old === next && next.guards.length === 0) return next;
  const alike =
    old.region === next.region &&
    old.map === next.map &&
    old.size === next.size &&
    old.target === next.target &&
    old.reference === next.reference &&
    old.writable === next.writable;
  if (!alike || (old.nullable !== next.nullable && old.reference !== 0)) return NOTHING;
  if (old.id !== next.id && (j.pinned.includes(old.id) || j.pinned.includes(next.id))) return NOTHING;
  const nullable = old.nullable || next.nullable;
  if (old.offset === next.offset && old.variable === next.variable) {
    const id = old.id === next.id ? old.id : j.common.of(old.id, next.id);
    return next.with({ id, nullable, guards: guards(j, old, next), range: Math.min(old.range, next.range) });
  }
  if (old.region === 'ctx' || old.region === 'map' || old.region === 'function') return NOTHING;
  const variable = variableOf(j, old, next);
  if (old.offset === next.offset) {
    return next.with({ variable, nullable, id: j.common.of(old.id, next.id), range: Math.min(old.range, next.range) });
  }
  const range = Math.max(0, Math.min(old.range - old.offset, next.range - next.offset));
  return next.with({ offset: 0, variable, nullable, id: newId(), range });
}

/** Zero, and a pointer that nothing has to be given back for: the pointer or NULL. */
function orNull(j: Joining, zero: Scalar, p: Pointer, zeroFirst: boolean): Pointer | typeof NOTHING {
  if (!N.isExactly(zero, 0) || p.reference !== 0) return NOTHING;
  markPrecise(zero);
  return p.with({ nullable: true, id: newId(), guards: zeroFirst ? guards(j, zero, p) : guards(j, p, zero) });
}

function half(j: Joining, old: Scalar | undefined, next: Scalar | undefined): Scalar | undefined {
  if (old === undefined || next === undefined) return next;
  const both = scalar(j, old, next);
  return both === NOTHING ? undefined : both;
}

/** Bytes that hold something, as bits from the lowest address. */
const filled = (s: Scalar | Bytes): number => (s.kind === 'bytes' ? s.initialised : 0xff);

function slot(j: Joining, old: Exclude<Slot, undefined>, next: Slot): Slot | typeof NOTHING {
  if (next === undefined) return next;
  if (old.kind === 'special' || next.kind === 'special') {
    return old.kind === 'special' && next.kind === 'special' && old.id === next.id && old.state === next.state
      ? next
      : NOTHING;
  }
  if (old.kind === 'scalar' && next.kind === 'scalar') return scalar(j, old, next);
  if (old.kind === 'pointer' && next.kind === 'pointer') return pointer(j, old, next);
  if (old.kind === 'scalar' && next.kind === 'pointer') return orNull(j, old, next, true);
  if (old.kind === 'pointer' && next.kind === 'scalar') return orNull(j, next, old, false);
  if (old.kind === 'pointer' || next.kind === 'pointer') return NOTHING;
  if (old.kind !== 'bytes' || next.kind !== 'bytes') return new Bytes(filled(old) & filled(next));
  return new Bytes(old.initialised & next.initialised, half(j, old.low, next.low), half(j, old.high, next.high));
}

/**
 * What stands for a kept state, in all that its verdict rests on, and for another. Undefined where nothing does: other calls,
 * other things held.
 *
 * @param thresholds where bounds that moved end (widen.ts)
 * @param pinned see Joining
 * @param guarded whether to find the guards of pointers, which takes longest: not where states are only looked through
 */
export function join(
  entry: Entry,
  state: State,
  thresholds: readonly number[],
  pinned: readonly number[],
  guarded: boolean,
): Joined | undefined {
  const { checks, references } = entry;
  if (checks === undefined || references.length !== state.references.length) return undefined;
  if (!references.every((ref, i) => ref.id === state.references[i].id)) return undefined;
  if (!sameCalls(entry.frames, state.frames)) return undefined;
  const j: Joining = {
    common: new Common(),
    thresholds,
    variables: new Map(),
    pinned,
    pairs: [],
    guarded,
    at: state.slot,
  };
  const changes: Change[] = [];
  let lost = 0;
  for (const { frame, place, value } of checks) {
    const { registers, stack } = state.frames[frame];
    const next = place < 10 ? registers[place] : stack[place - 10];
    const both = slot(j, value, next);
    if (both === NOTHING && (value.kind === 'special' || next?.kind === 'special')) return undefined;
    if (both === NOTHING) lost++;
    if (both !== next) changes.push({ frame, place, value: both === NOTHING ? undefined : both });
  }
  return { changes, lost };
}

/** Makes a state what stands for both. */
export function widenTo(state: State, { changes }: Joined): void {
  for (const { frame, place, value } of changes) {
    const { registers, stack } = state.own(frame);
    if (place >= 10) stack[place - 10] = value;
    else registers[place] = value?.kind === 'scalar' || value?.kind === 'pointer' ? value : undefined;
  }
}
