// What programs need of what providers can take away.
import { calls } from '../../run/information.ts';
import type { ExternSpec, ProgramSpec } from '../../spec/object.ts';
import type { Platform } from '../../spec/platform.ts';

/** What a program needs of a platform, and does not have. */
export type Missing = readonly string[];

/** What the platform lacks of it, in words. Helpers that it never had, as dead code may call, do not count. */
export function missing(
  spec: ProgramSpec,
  externs: readonly ExternSpec[],
  mapTypes: readonly string[],
  platform: Platform,
  had: ReadonlySet<string>,
): Missing {
  const { helpers, functions } = calls(spec, externs);
  return [
    ...(platform.programType(spec.type) === undefined ? [`program type ${spec.type}`] : []),
    ...helpers
      .filter((n) => had.has(`helper ${n}`) && platform.helper(n, spec.type) === undefined)
      .map((n) => `helper ${n}`),
    ...functions
      .filter((name) => had.has(`function ${name}`) && platform.kfunc(name) === undefined)
      .map((name) => `function ${name}`),
    ...mapTypes.map((type) => `map type ${type}`),
  ];
}

/** The helpers and functions that a platform has of those that a program calls. */
export function found(spec: ProgramSpec, externs: readonly ExternSpec[], platform: Platform): Set<string> {
  const { helpers, functions } = calls(spec, externs);
  return new Set([
    ...helpers.filter((number) => platform.helper(number, spec.type) !== undefined).map((number) => `helper ${number}`),
    ...functions.filter((name) => platform.kfunc(name) !== undefined).map((name) => `function ${name}`),
  ]);
}
