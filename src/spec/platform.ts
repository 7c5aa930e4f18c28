import type { HelperFamily, HelperRow } from './helper.ts';
import type { MapTypeRow } from './map.ts';
import type { MapTypeName } from './map-types.ts';
import type { Dialect } from './object.ts';
import type { ProgramTypeRow } from './program.ts';
import type { ProgramTypeName } from './program-types.ts';

/**
 * Everything that verify, compile and run must know of a system, as one value: which helpers, map types and program types
 * there are and what numbers they have. Only a host puts one together; `with` adds a third party's rows.
 */
export interface Platform {
  readonly dialect: Dialect;
  readonly families: readonly HelperFamily[];
  mapType(type: MapTypeName): MapTypeRow | undefined;
  programType(type: ProgramTypeName): ProgramTypeRow | undefined;
  /** The helper with this number for a program type, or undefined where there is none or the type may not call it. */
  helper(number: number, type: ProgramTypeName): HelperRow | undefined;
  /** The helper with this number for any program type (names in listings). */
  helperName(number: number, type?: ProgramTypeName): string | undefined;
  /** The function that programs call by this name, where a third party brought it. */
  kfunc(name: string): HelperRow | undefined;
  with(extra: {
    readonly families?: readonly HelperFamily[];
    readonly mapTypes?: readonly MapTypeRow[];
    readonly programTypes?: readonly ProgramTypeRow[];
    readonly kfuncs?: readonly HelperRow[];
  }): Platform;
}
