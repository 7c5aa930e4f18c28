// Additions to and subtractions from pointers.
import { maybeNull, pointerArithmetic } from '../base/messages/verify.ts';
import { arithmetic64, type BinaryOperation } from './number/arithmetic.ts';
import { constant, describeBounds, isConstant, LIMIT, newId, type Scalar, valueOf } from './number/scalar.ts';
import { markPrecise, type State } from './state.ts';
import { describePointer, MOVABLE, type Pointer, type Value } from './value.ts';
import { anyNumber, loaded, noteSum, number, placeAt, refuse, type Walk } from './walk.ts';

/** Largest distance that a pointer may be moved by (BPF_MAX_VAR_OFF). */
const MAX_DISTANCE = 2 ** 29;
const ZERO_BOUNDS = constant(0);

/** `a OP b` where at least one is a pointer. `register`: the destination. */
export function pointerOperation(
  walk: Walk,
  state: State,
  operation: BinaryOperation,
  width: 32 | 64,
  a: Value,
  b: Value,
  register: number,
): Value {
  const place = placeAt(walk, state.slot);
  const no = (why: string): never =>
    refuse(walk, pointerArithmetic(place, register, `${operation}${width}`, why), register, a);
  if (a === undefined || b === undefined) throw new Error('operands are initialised');
  if (width === 32) {
    // Half of a distance is a number; nothing else of 32 bits makes sense.
    return operation === 'sub' ? loaded(state, 4) : no('arithmetic of 32 bits on a pointer');
  }
  if (operation === 'sub' && a.kind === 'pointer' && b.kind === 'pointer') return difference(state, a, b);
  if (operation !== 'add' && operation !== 'sub')
    return no(`only additions and subtractions work on ${describePointer(a.kind === 'pointer' ? a : (b as Pointer))}`);
  if (a.kind === 'pointer' && b.kind === 'scalar') return moved(walk, state, a, b, operation, register, no);
  if (a.kind === 'scalar' && b.kind === 'pointer' && operation === 'add')
    return moved(walk, state, b, a, 'add', register, no);
  return no(operation === 'sub' ? 'a pointer is subtracted from a number' : 'two pointers are added');
}

/** The distance of two pointers is a number; of two into the same packet, one that is not used as a bound. */
const difference = (state: State, _a: Pointer, _b: Pointer): Value => anyNumber(state);

function moved(
  walk: Walk,
  state: State,
  p: Pointer,
  by: Scalar,
  operation: 'add' | 'sub',
  register: number,
  no: (why: string) => never,
): Pointer {
  if (p.nullable) {
    refuse(walk, maybeNull(placeAt(walk, state.slot), register, describePointer(p)), register, p);
  }
  if (!MOVABLE.has(p.region)) return no(`${describePointer(p)} cannot be moved`);
  markPrecise(by);
  if (isConstant(by)) {
    const distance = operation === 'add' ? valueOf(by) : -valueOf(by);
    const offset = p.offset + distance;
    if (Math.abs(distance) >= MAX_DISTANCE || Math.abs(offset) >= MAX_DISTANCE)
      return no(`the distance ${distance} is out of all bounds`);
    return p.with({ offset }, state.slot);
  }
  if (p.region === 'ctx') return no(`${describePointer(p)} may only be moved by constants`);
  const { smin, smax } = by.r64;
  if (smin <= -LIMIT || smax >= LIMIT || smin < -MAX_DISTANCE || smax > MAX_DISTANCE) {
    return no(`the distance may be ${describeBounds(by)}`);
  }
  const before = p.variable;
  let variable: Scalar;
  if (before === undefined)
    variable = operation === 'add' ? by : number(state, arithmetic64('sub', number(state, ZERO_BOUNDS), by), by);
  else {
    variable = number(state, arithmetic64(operation, before, by), before, by);
    if (operation === 'add') noteSum(walk, variable, before, by);
  }
  const v = variable.r64;
  if (v.smin < -MAX_DISTANCE || v.smax > MAX_DISTANCE) return no(`the distance may be ${describeBounds(variable)}`);
  markPrecise(variable);
  if (p.region !== 'packet' && p.region !== 'packetMeta') return p.with({ variable }, state.slot);
  return p.with({ variable, id: newId(), range: 0 }, state.slot);
}
