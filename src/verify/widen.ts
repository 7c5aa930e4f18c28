// The state at the head of a loop after any number of rounds: bounds that moved are let go, up to the next constant.
import { arithmetic64 } from './number/arithmetic.ts';
import * as N from './number/scalar.ts';
import { newId, Scalar } from './number/scalar.ts';
import { Frame, type Reference, State } from './state.ts';
import { Bytes, type Guard, type Pointer, type Slot, type Value } from './value.ts';

/** Gives pairs of names one common new name. */
export class Common {
  readonly #ids = new Map<string, number>();

  of(old: number, next: number, distance = 0): number {
    const key = `${old},${next},${distance}`;
    let id = this.#ids.get(key);
    if (id === undefined) {
      id = newId();
      this.#ids.set(key, id);
    }
    return id;
  }
}

interface Widening {
  readonly common: Common;
  readonly thresholds: readonly number[];
  readonly compared: ReadonlyMap<number, ReadonlySet<number>> | undefined;
  readonly at: number;
}

/** Notes what each of two numbers is compared with, as if it had not moved since the head of the loop. */
export function noteCompared(compared: Map<number, Set<number>>, a: Scalar, b: Scalar): void {
  const note = (s: Scalar, { r64 }: Scalar): void => {
    if (N.isConstant(s)) return;
    let known = compared.get(s.id);
    if (known === undefined) compared.set(s.id, (known = new Set()));
    for (const bound of [r64.smin, r64.smax]) {
      if (Math.abs(bound) >= N.LIMIT || known.size >= MOST_COMPARED) continue;
      for (const near of [-1, 0, 1]) known.add(bound - s.delta + near);
    }
  };
  note(a, b);
  note(b, a);
}
/** Bounds that are remembered of one number. */
const MOST_COMPARED = 48;

/** Where bounds of a number that moved are let end: by what it was compared with, beyond that by the constants of the program. */
function thresholdsOf({ compared, thresholds }: Widening, { id, delta }: Scalar): readonly number[] {
  const known = compared?.get(id);
  if (known === undefined) return thresholds;
  const own = [...known].map((bound) => bound + delta).sort((x, y) => x - y);
  const [least = 0] = own;
  const most = own.at(-1) ?? 0;
  return [...thresholds.filter((t) => t < least), ...own, ...thresholds.filter((t) => t > most)];
}

function scalar(w: Widening, old: Scalar, next: Scalar): Scalar {
  const bounds = N.includes(old, next) ? old : N.widen(old, N.union(old, next), thresholdsOf(w, old));
  // What the loop leaves alone is the same number still.
  const id =
    old.id === next.id && old.delta === next.delta ? old.id : w.common.of(old.id, next.id, next.delta - old.delta);
  return new Scalar(bounds, id, old.delta, w.at, old, next);
}

const sum = (a: N.Bounds, b: N.Bounds): N.Bounds => arithmetic64('add', a, b);

const asBounds = (p: Pointer): N.Bounds => {
  const offset = N.constant(p.offset);
  return p.variable === undefined ? offset : sum(p.variable, offset);
};

/** What both pointers are guarded by, in the wider form. */
const guardsOfBoth = (old: Pointer, next: Pointer): readonly Guard[] =>
  old.guards.filter(({ id, delta, nulls }) =>
    next.guards.some((guard) => guard.id === id && guard.delta === delta && N.includes(nulls, guard.nulls)),
  );

function pointer(w: Widening, old: Pointer, next: Pointer): Value {
  if (old === next) return old;
  const alike =
    old.region === next.region &&
    old.nullable === next.nullable &&
    old.map === next.map &&
    old.size === next.size &&
    old.target === next.target &&
    old.reference === next.reference &&
    old.writable === next.writable;
  if (!alike) return undefined;
  if (old.offset === next.offset && old.variable === undefined && next.variable === undefined) {
    const id = old.id === next.id ? old.id : w.common.of(old.id, next.id);
    return old.with({ id, range: Math.min(old.range, next.range), guards: guardsOfBoth(old, next) });
  }
  if (old.region === 'ctx' || old.region === 'map' || old.region === 'function') return undefined;
  const before = asBounds(old);
  const after = asBounds(next);
  const bounds = N.includes(before, after) ? before : N.widen(before, N.union(before, after), w.thresholds);
  const range = Math.max(0, Math.min(old.range - old.offset, next.range - next.offset));
  const variable = new Scalar(bounds, newId(), 0, w.at, old.variable, next.variable);
  variable.precise = true;
  return old.with({ offset: 0, variable, range, id: newId(), guards: guardsOfBoth(old, next) });
}

function value(w: Widening, old: Value, next: Value): Value {
  if (old === undefined || next === undefined || old.kind !== next.kind) return undefined;
  return old.kind === 'scalar' ? scalar(w, old, next as Scalar) : pointer(w, old, next as Pointer);
}

/** Bytes that hold something, as bits from the lowest address. */
const initialised = (s: Exclude<Slot, undefined>): number =>
  s.kind === 'bytes' ? s.initialised : s.kind === 'scalar' ? 0xff : 0;

function slot(w: Widening, old: Slot, next: Slot): Slot {
  if (old === undefined || next === undefined) return undefined;
  if (old.kind === 'special' || next.kind === 'special') {
    return old.kind === 'special' && next.kind === 'special' && old.id === next.id && old.state === next.state
      ? old
      : undefined;
  }
  if (old.kind !== 'bytes' && next.kind !== 'bytes') {
    if (old.kind === next.kind) return value(w, old, next);
    return undefined;
  }
  const low =
    old.kind === 'bytes' && next.kind === 'bytes' ? (value(w, old.low, next.low) as Scalar | undefined) : undefined;
  const high =
    old.kind === 'bytes' && next.kind === 'bytes' ? (value(w, old.high, next.high) as Scalar | undefined) : undefined;
  return new Bytes(initialised(old) & initialised(next), low, high);
}

/** Undefined where the two cannot be one state: other calls, or other things held. */
export function widened(
  old: { readonly frames: readonly Frame[]; readonly references: readonly Reference[] },
  next: State,
  thresholds: readonly number[],
  compared?: ReadonlyMap<number, ReadonlySet<number>>,
): State | undefined {
  if (old.references.length !== next.references.length) return undefined;
  if (!old.references.every((ref, i) => ref.id === next.references[i].id)) return undefined;
  const w: Widening = { common: new Common(), thresholds, compared, at: next.slot };
  const frames = next.frames.map((frame, f) => {
    const before = old.frames[f];
    const registers = frame.registers.map((v, r) => value(w, before.registers[r], v));
    const stack = frame.stack.map((s, i) => slot(w, before.stack[i], s));
    return new Frame(frame.entry, frame.callSite, registers, stack, frame.callback);
  });
  const state = new State(next.slot, frames);
  state.references = next.references;
  state.parent = next.parent;
  state.written = next.written.slice();
  state.path = next.path;
  state.trace = next.trace;
  state.boundedAt = next.boundedAt;
  return state;
}
