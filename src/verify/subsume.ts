// Whether a state that was verified before answers for another one.
import { arithmetic64 } from './number/arithmetic.ts';
import * as N from './number/scalar.ts';
import type { Scalar } from './number/scalar.ts';
import type { Check, Entry, Frame, Reference, State } from './state.ts';
import { wasRead } from './state.ts';
import type { Bytes, Guard, Pointer, Slot, Value } from './value.ts';

/** What the kept state has; both sides of a comparison need no more. */
export interface Kept {
  readonly frames: readonly Frame[];
  readonly references: readonly Reference[];
}

/**
 * How much of the kept state counts: `verdict`: only what its verdict rests on (numbers marked precise); `all`: everything,
 * as where its own verdict is still open.
 */
export type Mode = 'verdict' | 'all';

const NONE: readonly number[] = [];

/** Names of numbers and pointers in the kept state, with those that stand for them in the other. One comparison at a time. */
class Names {
  readonly #ids: number[] = [];
  readonly #others: number[] = [];
  readonly #distances: number[] = [];
  #count = 0;
  #pinned = 0;
  /** Guards of the kept state's pointers, with what stands for these: compared when all names are known. */
  readonly guarded: { readonly guard: Guard; readonly next: Pointer | Scalar }[] = [];

  /** @param pinned ids that mean the same in both: the ends of loops are told by them */
  from(pinned: readonly number[] = NONE): this {
    this.#count = 0;
    this.guarded.length = 0;
    for (const id of pinned) this.same(id, id, 0);
    this.#pinned = this.#count;
    return this;
  }

  isPinned(id: number): boolean {
    for (let i = 0; i < this.#pinned; i++) if (this.#ids[i] === id) return true;
    return false;
  }

  /** What stands for a name of the kept state; undefined where nothing that was compared has it. */
  of(id: number): { readonly other: number; readonly distance: number } | undefined {
    for (let i = 0; i < this.#count; i++) {
      if (this.#ids[i] === id) return { other: this.#others[i], distance: this.#distances[i] };
    }
    return undefined;
  }

  /** Leaves the guards of a pointer of the kept state for the end of the comparison. */
  keepGuards({ guards }: Pointer, next: Pointer | Scalar): void {
    for (const guard of guards) this.guarded.push({ guard, next });
  }

  /** Whether equal things of the kept state are equal in the other. */
  same(id: number, other: number, distance: number): boolean {
    for (let i = 0; i < this.#count; i++) {
      if (this.#ids[i] === id) return this.#others[i] === other && this.#distances[i] === distance;
    }
    const at = this.#count++;
    this.#ids[at] = id;
    this.#others[at] = other;
    this.#distances[at] = distance;
    return true;
  }
}

const NAMES = new Names();

function scalars(old: Scalar, next: Scalar, mode: Mode, names: Names): boolean {
  if (mode === 'verdict' && !old.precise) return true;
  if (old === next) return names.same(old.id, next.id, 0);
  if (!N.includes(old, next)) return false;
  // A constant says all about itself.
  return (N.isConstant(old) && !names.isPinned(old.id)) || names.same(old.id, next.id, next.delta - old.delta);
}

/** Whether a number of a state, and all that it differs from by a constant, is one of these where it stands. */
function isWithin(state: Kept, id: number, delta: number, bounds: N.Bounds): boolean {
  const within = (s: Slot): boolean => {
    if (s?.kind === 'bytes') return within(s.low) || within(s.high);
    return s?.kind === 'scalar' && s.id === id && s.delta === delta && N.includes(bounds, s);
  };
  return state.frames.some(({ registers, stack }) => registers.some(within) || stack.some(within));
}

/**
 * Whether all guards of the kept state hold in the other. A guard whose number nothing was compared by is none that the verdict rests
 * on: to make use of it is to ask for its number.
 */
function guardsHold({ frames }: Kept, state: Kept, names: Names): boolean {
  return names.guarded.every(({ guard: { id, delta, nulls }, next }) => {
    const name = names.of(id);
    // What a callback gets in its next round is in no register.
    if (name === undefined) return frames.every(({ callback }) => callback === undefined);
    const at = delta + name.distance;
    const same = (guard: Guard): boolean =>
      guard.id === name.other && guard.delta === at && N.includes(nulls, guard.nulls);
    return (next.kind === 'pointer' && next.guards.some(same)) || isWithin(state, name.other, at, nulls);
  });
}

/** Offset and varying part as one. */
const distance = (p: Pointer): N.Bounds => {
  const offset = N.constant(p.offset);
  return p.variable === undefined ? offset : arithmetic64('add', p.variable, offset);
};

function pointers(old: Pointer, next: Pointer, mode: Mode, names: Names): boolean {
  if (
    old.region !== next.region ||
    (next.nullable && !old.nullable) ||
    old.map !== next.map ||
    old.size !== next.size ||
    old.target !== next.target ||
    old.range - old.offset > next.range - next.offset ||
    (old.writable && !next.writable) ||
    (old.reference === 0) !== (next.reference === 0)
  ) {
    return false;
  }
  if (next.nullable) names.keepGuards(old, next);
  const { variable } = old;
  if (variable !== undefined && (mode === 'all' || old.offset !== next.offset)) {
    if (!N.includes(distance(old), distance(next))) return false;
    return old.reference === 0 && names.same(old.id, next.id, next.offset - old.offset);
  }
  if (old.offset !== next.offset) return false;
  if (
    variable === undefined
      ? next.variable !== undefined
      : next.variable === undefined || !N.includes(variable, next.variable)
  )
    return false;
  if (old.reference !== 0 && !names.same(old.reference, next.reference, 0)) return false;
  // Pointers of one id share their NULL, their packet offset or their lock. Pointer ids and number ids come from one counter.
  return old.id === 0 ? next.id === 0 || !old.nullable : names.same(old.id, next.id, 0);
}

/** The id of all that is NULL. */
const NULL = -1;

/** Whether a number is one of the values of a pointer that may be NULL. */
function isNull(old: Pointer, next: Scalar, names: Names): boolean {
  names.keepGuards(old, next);
  return old.nullable && old.reference === 0 && N.isExactly(next, 0) && names.same(old.id, NULL, 0);
}

export function values(old: Value, next: Value, mode: Mode, names: Names): boolean {
  if (old === undefined) return true;
  if (next === undefined) return false;
  if (old.kind !== next.kind) return old.kind === 'pointer' && next.kind === 'scalar' && isNull(old, next, names);
  if (old.kind === 'scalar') return scalars(old, next as Scalar, mode, names);
  if (old !== next) return pointers(old, next as Pointer, mode, names);
  // The same pointer still has its names: that others have other ones matters.
  names.keepGuards(old, old);
  return (
    (old.reference === 0 || names.same(old.reference, old.reference, 0)) &&
    (old.id === 0 || names.same(old.id, old.id, 0))
  );
}

const half = (old: Scalar | undefined, next: Scalar | undefined, mode: Mode, names: Names): boolean =>
  old === undefined || (mode === 'verdict' && !old.precise) || (next !== undefined && scalars(old, next, mode, names));

function slots(old: Slot, next: Slot, mode: Mode, names: Names): boolean {
  if (old === undefined) return true;
  if (next === undefined) return false;
  if (old.kind === 'special' || next.kind === 'special') {
    return (
      old.kind === 'special' &&
      next.kind === 'special' &&
      old.name === next.name &&
      old.type === next.type &&
      old.part === next.part &&
      old.state === next.state &&
      names.same(old.id, next.id, 0)
    );
  }
  if (old.kind === 'bytes') return bytes(old, next, mode, names);
  if (next.kind !== 'bytes') return values(old, next, mode, names);
  // A whole number was kept: single bytes are one too, of which nothing is known, also not that it equals another.
  if (old.kind !== 'scalar' || next.initialised !== 0xff) return false;
  return (mode === 'verdict' && !old.precise) || (N.isAny(old) && names.same(old.id, N.newId(), 0));
}

function bytes(old: Bytes, next: Scalar | Pointer | Bytes, mode: Mode, names: Names): boolean {
  if (next.kind === 'pointer') return false;
  if (next.kind === 'bytes') {
    return (
      (old.initialised & ~next.initialised) === 0 &&
      half(old.low, next.low, mode, names) &&
      half(old.high, next.high, mode, names)
    );
  }
  const matters = (s: Scalar | undefined): boolean => s !== undefined && (mode === 'all' || s.precise);
  return !matters(old.low) && !matters(old.high);
}

function frames(old: Frame, next: Frame, mode: Mode, names: Names): boolean {
  if (old.entry !== next.entry || old.callSite !== next.callSite || old.callback?.slot !== next.callback?.slot)
    return false;
  for (let r = 0; r < 10; r++) if (!values(old.registers[r], next.registers[r], mode, names)) return false;
  for (let i = 0; i < old.stack.length; i++) if (!slots(old.stack[i], next.stack[i], mode, names)) return false;
  return true;
}

function references(old: readonly Reference[], next: readonly Reference[], names: Names): boolean {
  if (old.length !== next.length) return false;
  return old.every((ref, i) => {
    const other = next[i];
    return (
      ref.what === other.what &&
      names.same(ref.id, other.id, 0) &&
      (ref.owner === undefined || names.same(ref.owner, other.owner ?? 0, 0))
    );
  });
}

/**
 * Whether the callbacks that two states are in get the same in their next rounds, and may hold the same. No register says so: what
 * a round got is forgotten in it.
 */
function callbacks(old: Kept, next: Kept, names: Names): boolean {
  return old.frames.every(({ callback }, f) => {
    const other = next.frames[f].callback;
    if (callback === undefined || other === undefined) return callback === other;
    return (
      (callback === other || callback.args.every((value, i) => values(value, other.args[i], 'all', names))) &&
      old.references.every((ref, i) => callback.held.includes(ref.id) === other.held.includes(next.references[i].id))
    );
  });
}

/** Whether two states are in the same calls, so that they can be compared at all. */
export function sameCalls(a: readonly Frame[], b: readonly Frame[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = a.length - 1; i >= 0; i--)
    if (a[i].callSite !== b[i].callSite || a[i].entry !== b[i].entry) return false;
  return true;
}

/** Whether every run that the state stands for is one that the kept state stands for. */
export function subsumes(kept: Kept, state: State, mode: Mode): boolean {
  const { length } = kept.frames;
  if (length !== state.frames.length) return false;
  const names = NAMES.from();
  if (!references(kept.references, state.references, names) || !callbacks(kept, state, names)) return false;
  for (let i = length - 1; i >= 0; i--) if (!frames(kept.frames[i], state.frames[i], mode, names)) return false;
  return names.guarded.length === 0 || guardsHold(kept, state, names);
}

const matters = (s: Scalar | undefined): boolean => s?.precise === true;

/** How likely a comparison is to fail, and how cheap it is: what is first is compared first. */
const rankOf = ({ value }: Check): number =>
  value.kind === 'scalar'
    ? value.precise
      ? 0
      : 3
    : value.kind === 'pointer'
      ? 1
      : value.kind === 'special'
        ? 1
        : matters(value.low) || matters(value.high)
          ? 0
          : 2;

/** What a state whose paths are all at their end has to be compared in. Cuts what no one can ask any more. */
export function checksOf(entry: Entry): readonly Check[] {
  const checks: Check[] = [];
  entry.frames.forEach(({ registers, stack }, frame) => {
    for (let place = 0; place < 10; place++) {
      const value = registers[place];
      if (value !== undefined) checks.push({ frame, place, value });
    }
    for (let i = 0; i < stack.length; i++) {
      const value = stack[i];
      if (value !== undefined && (value.kind === 'special' || wasRead(entry, frame, i)))
        checks.push({ frame, place: 10 + i, value });
    }
  });
  for (const { value } of checks) {
    if (value.kind === 'scalar') cut(value);
    else if (value.kind === 'bytes') {
      cut(value.low);
      cut(value.high);
    }
  }
  return checks.sort((a, b) => rankOf(a) - rankOf(b));
}

function cut(s: Scalar | undefined): void {
  if (s === undefined) return;
  s.from = undefined;
  s.also = undefined;
}

/**
 * `subsumes` with mode `verdict`, for an entry whose checks are made.
 *
 * @param pinned ids of what goes towards a bound in the loops that are tried: a way back was found from the entry, and the
 *   other state has to have come as near to the bound
 */
export function answersFor(entry: Entry, state: State, pinned: readonly number[]): boolean {
  const { checks } = entry;
  if (checks === undefined || entry.frames.length !== state.frames.length) return false;
  if (entry.references.length !== state.references.length || !sameCalls(entry.frames, state.frames)) return false;
  const names = NAMES.from(pinned);
  if (!references(entry.references, state.references, names) || !callbacks(entry, state, names)) return false;
  for (let i = 0; i < checks.length; i++) {
    const { frame, place, value } = checks[i];
    const { registers, stack } = state.frames[frame];
    if (
      place < 10
        ? !values(value as Value, registers[place], 'verdict', names)
        : !slots(value, stack[place - 10], 'verdict', names)
    )
      return false;
  }
  return names.guarded.length === 0 || guardsHold(entry, state, names);
}
