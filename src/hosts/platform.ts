// Puts a platform together from the lists of helpers, map types and program types, by dialect.
import { HELPER_FAMILIES } from '../helpers/index.ts';
import { MAP_TYPE_ROWS } from '../maps/index.ts';
import { PROGRAM_TYPE_ROWS } from '../programs/index.ts';
import type { HelperFamily, HelperRow } from '../spec/helper.ts';
import type { MapTypeRow } from '../spec/map.ts';
import { MAP_TYPES, type MapTypeName } from '../spec/map-types.ts';
import type { Dialect } from '../spec/object.ts';
import type { Platform } from '../spec/platform.ts';
import type { ProgramTypeRow } from '../spec/program.ts';
import type { ProgramTypeName } from '../spec/program-types.ts';

/** What `Platform.with` takes. */
type Extra = Parameters<Platform['with']>[0];

interface Parts {
  readonly families: readonly HelperFamily[];
  /** Families that `with` brought: every program type may call them. */
  readonly added: readonly HelperFamily[];
  readonly mapTypes: ReadonlyMap<MapTypeName, MapTypeRow>;
  readonly programTypes: ReadonlyMap<ProgramTypeName, ProgramTypeRow>;
  readonly kfuncs: ReadonlyMap<string, HelperRow>;
}

class AssembledPlatform implements Platform {
  readonly dialect: Dialect;
  readonly families: readonly HelperFamily[];
  readonly #parts: Parts;
  /** Helpers by number, for each program type that was asked for. */
  readonly #helpers = new Map<ProgramTypeName, ReadonlyMap<number, HelperRow>>();
  readonly #names: ReadonlyMap<number, string>;

  constructor(dialect: Dialect, parts: Parts) {
    this.dialect = dialect;
    this.families = [...parts.families, ...parts.added];
    this.#parts = parts;
    const names = new Map<number, string>();
    for (const row of this.families.flatMap(({ helpers }) => helpers)) {
      const number = row.numbers[dialect];
      if (number !== undefined) names.set(number, row.name);
    }
    this.#names = names;
  }

  mapType(type: MapTypeName): MapTypeRow | undefined {
    return this.dialect in MAP_TYPES[type] ? this.#parts.mapTypes.get(type) : undefined;
  }

  programType(type: ProgramTypeName): ProgramTypeRow | undefined {
    const row = this.#parts.programTypes.get(type);
    return row?.contexts[this.dialect] === undefined ? undefined : row;
  }

  helper(number: number, type: ProgramTypeName): HelperRow | undefined {
    let table = this.#helpers.get(type);
    if (table === undefined) {
      table = this.#tableOf(type);
      this.#helpers.set(type, table);
    }
    return table.get(number);
  }

  /** Common numbers first, so that a type's own numbers replace them. */
  #tableOf(type: ProgramTypeName): Map<number, HelperRow> {
    const row = this.programType(type);
    const table = new Map<number, HelperRow>();
    if (row === undefined) return table;
    const names = [...row.families, ...(row.dialectFamilies?.[this.dialect] ?? [])];
    const admitted = this.#parts.families.filter(({ family }) => names.includes(family));
    const rows = [...admitted, ...this.#parts.added]
      .flatMap(({ helpers }) => helpers)
      .filter(({ name }) => row.withoutHelpers?.includes(name) !== true);
    for (const helper of rows) {
      const number = helper.numbers[this.dialect];
      if (number !== undefined) table.set(number, helper);
    }
    for (const helper of rows) {
      const number = this.dialect === 'windows' ? helper.programNumbers?.[type] : undefined;
      if (number !== undefined) table.set(number, helper);
    }
    return table;
  }

  helperName(number: number, type?: ProgramTypeName): string | undefined {
    return (type === undefined ? undefined : this.helper(number, type)?.name) ?? this.#names.get(number);
  }

  kfunc(name: string): HelperRow | undefined {
    return this.#parts.kfuncs.get(name);
  }

  with({ families = [], mapTypes = [], programTypes = [], kfuncs = [] }: Extra): Platform {
    return new AssembledPlatform(this.dialect, {
      families: this.#parts.families,
      added: [...this.#parts.added, ...families],
      mapTypes: new Map([...this.#parts.mapTypes, ...mapTypes.map((row) => [row.type, row] as const)]),
      programTypes: new Map([...this.#parts.programTypes, ...programTypes.map((row) => [row.type, row] as const)]),
      kfuncs: new Map([...this.#parts.kfuncs, ...kfuncs.map((row) => [row.name, row] as const)]),
    });
  }
}

/**
 * The platform of a dialect with everything that is built in. `with` gives a new one: its families may be called by every
 * program type, its map and program types take the place of ours of the same name.
 */
export const makePlatform = (dialect: Dialect): Platform =>
  new AssembledPlatform(dialect, {
    families: HELPER_FAMILIES,
    added: [],
    mapTypes: new Map(Object.values(MAP_TYPE_ROWS).map((row) => [row.type, row])),
    programTypes: new Map(PROGRAM_TYPE_ROWS.map((row) => [row.type, row])),
    kfuncs: new Map(),
  });

const MADE: { readonly [D in Dialect]: Platform } = {
  linux: makePlatform('linux'),
  windows: makePlatform('windows'),
};

/** The built-in platform of a dialect; every host begins with it. */
export const builtInPlatform = (dialect: Dialect): Platform => MADE[dialect];
