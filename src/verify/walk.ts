// What all steps of a walk share: the program, the platform, and where the walk is.
import { type Diagnostic, fail, type Place } from '../base/diagnostic.ts';
import type { ObjectSpec, ProgramSpec } from '../spec/object.ts';
import type { Platform } from '../spec/platform.ts';
import type { ContextLayout, ProgramTypeRow, ReturnRule } from '../spec/program.ts';
import { ANY, type Bounds, constant, LIMIT, newId, Scalar, zeroExtended } from './number/scalar.ts';
import type { PreparedProgram } from './program.ts';
import type { State } from './state.ts';
import type { Value } from './value.ts';

export interface Walk {
  readonly object: ObjectSpec;
  readonly spec: ProgramSpec;
  readonly program: PreparedProgram;
  readonly platform: Platform;
  readonly row: ProgramTypeRow | undefined;
  readonly layout: ContextLayout | undefined;
  /** Rules that hold for the return value. */
  readonly returns: readonly ReturnRule[];
  /** Which functions call which: caller and callee by first slot. */
  readonly calls: Map<string, readonly [number, number]>;
  /** Bytes of its stack that each function uses, by first slot. */
  readonly stackOf: Map<number, number>;
  /** Slots of accesses of which nothing is proven: where the memory of kernel objects is read. */
  readonly checkedAt: Set<number>;
  /** Limits.strict. */
  readonly strict: true | readonly string[];
  /** What was let pass, by code and instruction. */
  readonly warnings: Map<string, Diagnostic>;
  /** While a loop is on trial: what numbers were compared with, by id: where their bounds are likely to end. */
  compared: Map<number, Set<number>> | undefined;
  /** While a loop is on trial whose steps come from data: numbers that are the sum of two others, neither of which wraps. */
  sums: Set<Scalar> | undefined;
  /** Instructions visited. */
  visits: number;
  /** The register and value that the refusal is about. */
  culprit: Culprit | undefined;
}

export interface Culprit {
  readonly register: number;
  readonly value: Value;
  /** Bytes of the region that were asked for: where they begin, and how many. */
  readonly bytes?: readonly [from: number, size: number];
}

export const placeAt = (walk: Walk, slot: number): Place => ({ program: walk.spec.name, insn: slot });

/** Whether there are bounds within what JavaScript numbers hold. */
const exact = ({ r64 }: Scalar): boolean => r64.smin > -LIMIT && r64.smax < LIMIT;

/** Notes that a number is the sum of two others, where that is asked and holds of them as integers. */
export function noteSum(walk: Walk, sum: Scalar, a: Scalar, b: Scalar): void {
  if (walk.sums === undefined || sum.from !== a || sum.also !== b) return;
  if (exact(a) && exact(b) && exact(sum)) walk.sums.add(sum);
}

/** Refuses the program because of the value in a register. */
export function refuse(
  walk: Walk,
  diagnostic: Diagnostic,
  register = -1,
  value?: Value,
  bytes?: Culprit['bytes'],
): never {
  walk.culprit = register < 0 ? undefined : { register, value, ...(bytes === undefined ? {} : { bytes }) };
  return fail(diagnostic);
}

/** Lets pass, with a warning, what Linux lets programs with privileges do, unless it is refused by wish. */
export function warn(
  walk: Walk,
  diagnostic: Diagnostic,
  register: number,
  value: Value,
  bytes?: Culprit['bytes'],
): void {
  const { code } = diagnostic;
  const { strict } = walk;
  if (strict === true || strict.includes(code)) refuse(walk, diagnostic, register, value, bytes);
  const key = `${code} ${diagnostic.place.insn}`;
  if (!walk.warnings.has(key)) walk.warnings.set(key, { ...diagnostic, severity: 'warning' });
}

/** A number made by the instruction at the state's slot. */
export const number = (state: State, bounds: Bounds, from?: Scalar, also?: Scalar): Scalar =>
  new Scalar(bounds, newId(), 0, state.slot, from, also);
export const anyNumber = (state: State): Scalar => number(state, ANY);
export const constantNumber = (state: State, x: number): Scalar => number(state, constant(x));
/** A number of so many bytes. */
export const loaded = (state: State, bytes: number): Scalar => number(state, zeroExtended(bytes * 8));

export const signedText = (x: number): string => (x < 0 ? `${x}` : `+${x}`);
