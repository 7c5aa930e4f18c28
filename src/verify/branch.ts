// Conditional jumps: which ways are possible, and what each says about the operands and all that is tied to them.
import { arithmetic64 } from './number/arithmetic.ts';
import { branch, type Comparison } from './number/compare.ts';
import { type Bounds, betweenSigned, constant, intersect, isExactly, Scalar } from './number/scalar.ts';
import { MAX_PACKET } from './program.ts';
import { span } from './access.ts';
import { markPrecise, type State } from './state.ts';
import type { Guard, Pointer, Value } from './value.ts';
import { constantNumber } from './walk.ts';

/** What a way of a branch changes in the state; undefined where no run takes it. */
type Way = ((state: State) => void) | undefined;

const nothing = (): void => undefined;

/** Whether it is 0, on which the ways of the branch then rest. */
function isNull(number: Scalar): boolean {
  if (!isExactly(number, 0)) return false;
  markPrecise(number);
  return true;
}

/** Both ways of `a COMPARISON b`. */
export function ways(
  comparison: Comparison,
  width: 32 | 64,
  a: Value,
  b: Value,
  slot: number,
): { readonly taken: Way; readonly otherwise: Way } {
  if (a?.kind === 'scalar' && b?.kind === 'scalar') return scalars(comparison, width, a, b, slot);
  if (width === 64) {
    if (a?.kind === 'pointer' && b?.kind === 'pointer') return pointers(comparison, a, b);
    if (a?.kind === 'pointer' && b?.kind === 'scalar' && isNull(b)) return withNull(comparison, a);
    if (b?.kind === 'pointer' && a?.kind === 'scalar' && (comparison === 'jeq' || comparison === 'jne') && isNull(a))
      return withNull(comparison, b);
  }
  return { taken: nothing, otherwise: nothing };
}

function scalars(
  comparison: Comparison,
  width: 32 | 64,
  a: Scalar,
  b: Scalar,
  slot: number,
): { readonly taken: Way; readonly otherwise: Way } {
  const { taken, otherwise } = branch(comparison, a, b, width);
  if (taken === undefined || otherwise === undefined) {
    markPrecise(a);
    markPrecise(b);
  }
  const way = (refined: readonly [Bounds, Bounds] | undefined): Way => {
    if (refined === undefined) return undefined;
    const [x, y] = refined;
    if (x === (a as Bounds) && y === (b as Bounds)) return nothing;
    return (state) => {
      if (x !== (a as Bounds)) narrow(state, a, x, b, slot);
      if (y !== (b as Bounds) && b !== a) narrow(state, b, y, a, slot);
    };
  };
  return { taken: way(taken), otherwise: way(otherwise) };
}

/** Puts better bounds in place of a number, and of all numbers that differ from it by a constant. */
function narrow(state: State, old: Scalar, bounds: Bounds, other: Scalar, slot: number): void {
  const next = new Scalar(bounds, old.id, old.delta, slot, old, other);
  const told = (delta: number): Bounds =>
    delta === old.delta ? bounds : arithmetic64('add', bounds, constant(delta - old.delta));
  const valid: Pointer[] = [];
  state.replace((value) => {
    if (value === old) return next;
    if (value.kind === 'pointer') {
      const isTold = ({ id, delta, nulls }: Guard): boolean =>
        id === old.id && intersect(told(delta), nulls) === undefined;
      if (value.guards.length > 0 && value.guards.some(isTold)) valid.push(value);
      return value;
    }
    if (value.id !== old.id) return value;
    const both = intersect(value, told(value.delta));
    return both === undefined ? value : new Scalar(both, value.id, value.delta, slot, value, next);
  });
  if (valid.length === 0) return;
  markPrecise(next);
  for (const p of valid) becomesValid(state, p);
}

/** Nothing lies at addresses below this. */
const NULL_PAGE = 2 ** 16;

/** A pointer compared with NULL. */
function withNull(comparison: Comparison, p: Pointer): { readonly taken: Way; readonly otherwise: Way } {
  // Nothing is below 0, so that these two are known.
  if (comparison === 'jlt') return { taken: undefined, otherwise: nothing };
  if (comparison === 'jge') return { taken: nothing, otherwise: undefined };
  const equal = comparison === 'jeq' || comparison === 'jle';
  if (!equal && comparison !== 'jne' && comparison !== 'jgt') return { taken: nothing, otherwise: nothing };
  // Whoever is moved far enough back may come to address 0.
  const isNull: Way = p.nullable ? (state) => becomesNull(state, p) : span(p, 0)[0] > -NULL_PAGE ? undefined : nothing;
  const isNot: Way = (state) => becomesValid(state, p);
  return equal ? { taken: isNull, otherwise: isNot } : { taken: isNot, otherwise: isNull };
}

function becomesNull(state: State, p: Pointer): void {
  const zero = constantNumber(state, 0);
  // Others come from what was taken, and are NULL without it being so.
  if (p.reference === p.id) state.references = state.references.filter((ref) => ref.id !== p.reference);
  state.replace((value) => (value.kind === 'pointer' && value.nullable && value.id === p.id ? zero : value));
}

/** Whether anyone still asks which pointers came from the same call. */
const keepsId = (p: Pointer): boolean =>
  p.region === 'packet' || p.region === 'packetMeta' || (p.map?.special ?? []).length > 0;

function becomesValid(state: State, p: Pointer): void {
  if (!p.nullable) return;
  state.replace((value) =>
    value.kind === 'pointer' && value.nullable && value.id === p.id
      ? value.with({ nullable: false, id: keepsId(value) ? value.id : 0 })
      : value,
  );
}

/** What a comparison says of `end - p`, where it holds and where not: the least number of bytes. */
const DISTANCES: { readonly [C in Comparison]?: { readonly taken?: 0 | 1; readonly otherwise?: 0 | 1 } } = {
  // p > end
  jgt: { otherwise: 0 },
  jge: { otherwise: 1 },
  jlt: { taken: 1 },
  jle: { taken: 0 },
};
const MIRRORED: { readonly [C in Comparison]?: Comparison } = { jgt: 'jlt', jge: 'jle', jlt: 'jgt', jle: 'jge' };

/** Whether `end` is where the region of `p` ends: data_end, or data for the metadata before it. */
const isEnd = (p: Pointer, end: Pointer): boolean =>
  p.region === 'packet'
    ? end.region === 'packetEnd'
    : p.region === 'packetMeta' && end.region === 'packet' && end.variable === undefined && end.offset === 0;

function pointers(comparison: Comparison, a: Pointer, b: Pointer): { readonly taken: Way; readonly otherwise: Way } {
  const both = { taken: nothing, otherwise: nothing };
  if (comparison === 'jeq' || comparison === 'jne') {
    // Equal to a pointer that is not NULL.
    const valid: Way = (state) => {
      if (!a.nullable) becomesValid(state, b);
      if (!b.nullable) becomesValid(state, a);
    };
    return comparison === 'jeq' ? { taken: valid, otherwise: nothing } : { taken: nothing, otherwise: valid };
  }
  const direct = isEnd(a, b);
  const name = direct ? comparison : isEnd(b, a) ? MIRRORED[comparison] : undefined;
  if (name === undefined) return both;
  const p = direct ? a : b;
  const distance = DISTANCES[name];
  const way = (more: 0 | 1 | undefined): Way =>
    more === undefined ? nothing : (state) => longer(state, p, p.offset + more);
  return { taken: way(distance?.taken), otherwise: way(distance?.otherwise) };
}

/** The packet is known to reach so far behind where the pointers of this id begin. */
function longer(state: State, p: Pointer, range: number): void {
  if (range <= 0) return;
  const { variable } = p;
  // No packet is longer than this, so that the varying part has a bound too; nothing says how far back it may lead.
  const bounds = variable && intersect(variable, betweenSigned(-(2 ** 63), MAX_PACKET - range));
  const nearer = bounds && new Scalar(bounds, variable.id, variable.delta, state.slot, variable);
  if (nearer !== undefined) nearer.precise = true;
  state.replace((value) =>
    value.kind === 'pointer' && value.region === p.region && value.id === p.id && value.range < range
      ? value.with({ range, ...(nearer !== undefined && value.variable === variable ? { variable: nearer } : {}) })
      : value,
  );
}
