// What a system would lack that a program needs, by tables and without running anything there: a prediction. It does not know what
// that system's own verifier thinks of the program, nor which of its program types may call a helper; kernel functions (kfuncs) are
// not in the tables, as no header names them.
import { decodeProgram, type Insn } from '../../isa/insn.ts';
import { ATTACH_TYPES, PROGRAM_TYPES } from '../../spec/program-types.ts';
import { MAP_TYPES } from '../../spec/map-types.ts';
import type { Dialect, MapSpec, ObjectSpec, ProgramSpec } from '../../spec/object.ts';
import type { Platform } from '../../spec/platform.ts';
import { linuxHasOp } from './instructions.ts';
import { LINUX_ATTACH_TYPES, LINUX_HELPERS, LINUX_MAP_TYPES, LINUX_PROGRAM_TYPES, type LinuxRow } from './linux.ts';
import { OLDEST_LINUX, versionOrder } from './version.ts';

/** `linux-6.1`, ...: a version of Linux from {@link OLDEST_LINUX} on. `windows`: eBPF for Windows. `anybpf`: this. */
export type Target =
  | { readonly system: 'linux'; readonly name: string; readonly version: string }
  | { readonly system: 'windows' | 'anybpf'; readonly name: string };

export type LackKind = 'program type' | 'attach type' | 'helper' | 'map type' | 'instruction' | 'kernel function';

/** Something that the target does not have. */
export interface Lack {
  readonly kind: LackKind;
  /** `bpf_loop`, `arena`, ... */
  readonly name: string;
  /** First version of Linux that has it, where one does and the target is an older one. */
  readonly since?: string;
  /** First instruction that needs it. */
  readonly insn?: number;
  /** The map that needs it. */
  readonly map?: string;
}

/** Undefined for text that names no target. */
export function parseTarget(text: string): Target | undefined {
  if (text === 'windows' || text === 'anybpf') return { system: text, name: text };
  const version = /^linux-(\d+\.\d+)$/.exec(text)?.[1];
  if (version === undefined || versionOrder(version) < versionOrder(OLDEST_LINUX)) return undefined;
  return { system: 'linux', name: text, version };
}

/** What a system has: undefined where it does, else what is missing. */
interface Holdings {
  programType(spec: ProgramSpec): Missing;
  attachType(spec: ProgramSpec): Missing;
  helper(number: number, spec: ProgramSpec): Missing;
  mapType(map: MapSpec): Missing;
  op(insn: Insn): Missing;
  kfunc(): boolean;
}
type Missing = Pick<Lack, 'name' | 'since'> | undefined;

/** @param platforms of the dialects */
export function lacksOf(
  target: Target,
  object: ObjectSpec,
  spec: ProgramSpec,
  platforms: (dialect: Dialect) => Platform,
): readonly Lack[] {
  const system =
    target.system === 'linux'
      ? linux(target.version, platforms(spec.dialect))
      : target.system === 'windows'
        ? windows(platforms(spec.dialect))
        : anybpf(platforms(spec.dialect));
  const lacks = new Map<string, Lack>();
  const add = (kind: LackKind, missing: Missing, where: Pick<Lack, 'insn' | 'map'> = {}): void => {
    const key = `${kind} ${missing?.name}`;
    if (missing !== undefined && !lacks.has(key)) lacks.set(key, { kind, ...missing, ...where });
  };
  add('program type', system.programType(spec));
  add('attach type', system.attachType(spec));
  decodeProgram(spec.code, { program: spec.name }).forEach((insn, slot) => {
    if (insn === undefined) return;
    const at = { insn: slot };
    add('instruction', system.op(insn), at);
    if (insn.op === 'call_helper') add('helper', system.helper(insn.imm, spec), at);
    if (insn.op === 'call_kfunc' && !system.kfunc()) {
      add('kernel function', { name: object.externs[insn.imm]?.name ?? `${insn.imm}` }, at);
    }
    if (insn.op === 'ld_map_idx' || insn.op === 'ld_map_idx_value') {
      const map = object.maps[Number(BigInt.asUintN(32, insn.imm64 ?? BigInt(insn.imm)))];
      for (let m: MapSpec | undefined = map; m !== undefined; m = m.inner)
        add('map type', system.mapType(m), { ...at, map: m.name });
    }
  });
  return [...lacks.values()];
}

const HAS: Missing = undefined;

/** The name of a helper, from our rows, or else Linux' table. */
const helperName = (number: number, { dialect, type }: ProgramSpec, platform: Platform): string => {
  const known = platform.helperName(number, type) ?? (dialect === 'linux' ? LINUX_HELPERS[number]?.name : undefined);
  return known === undefined ? `helper ${number}` : known.startsWith('bpf_') ? known : `bpf_${known}`;
};

function linux(version: string, platform: Platform): Holdings {
  const target = versionOrder(version);
  const after = (since: string | undefined, name: string): Missing => {
    if (since === undefined) return { name };
    return versionOrder(since) <= target ? HAS : { name, since };
  };
  const numbered = (
    table: readonly LinuxRow[],
    row: { readonly linux?: number; readonly windows?: number },
    name: string,
  ): Missing => after(row.linux === undefined ? undefined : table[row.linux]?.since, name);
  return {
    programType: ({ type }) => numbered(LINUX_PROGRAM_TYPES, PROGRAM_TYPES[type], type),
    attachType: ({ attachType: type }) =>
      type === undefined ? HAS : numbered(LINUX_ATTACH_TYPES, ATTACH_TYPES[type], type),
    // A program of another dialect has other numbers: the same helper is found by its name.
    helper: (number, spec) => {
      const name = helperName(number, spec, platform);
      const row =
        spec.dialect === 'linux' ? LINUX_HELPERS[number] : LINUX_HELPERS.find((r) => `bpf_${r.name}` === name);
      return after(row?.since, name);
    },
    mapType: ({ type }) => numbered(LINUX_MAP_TYPES, MAP_TYPES[type], type),
    op: ({ op }) => after(linuxHasOp(op), op),
    kfunc: () => true,
  };
}

const onWindows = (row: { readonly linux?: number; readonly windows?: number }, name: string): Missing =>
  row.windows === undefined ? { name } : HAS;

/** As the tables of spec have it from eBPF for Windows' headers, and rows of helpers from its documentation. */
function windows(platform: Platform): Holdings {
  return {
    programType: ({ type }) => onWindows(PROGRAM_TYPES[type], type),
    attachType: ({ attachType: type }) => (type === undefined ? HAS : onWindows(ATTACH_TYPES[type], type)),
    helper: (number, spec) => {
      const row = platform.helper(number, spec.type);
      const has = row?.numbers.windows !== undefined || row?.programNumbers !== undefined;
      return has ? HAS : { name: helperName(number, spec, platform) };
    },
    mapType: ({ type }) => onWindows(MAP_TYPES[type], type),
    op: () => HAS,
    kfunc: () => false,
  };
}

function anybpf(platform: Platform): Holdings {
  return {
    programType: ({ type, dialect }) =>
      platform.programType(type)?.contexts[dialect] === undefined ? { name: type } : HAS,
    attachType: () => HAS,
    helper: (number, spec) =>
      platform.helper(number, spec.type) === undefined ? { name: helperName(number, spec, platform) } : HAS,
    mapType: ({ type }) => {
      const row = platform.mapType(type);
      return row === undefined || row.unsupported !== undefined ? { name: type } : HAS;
    },
    op: ({ op }) => (OPS_NOT_HERE.has(op) ? { name: op } : HAS),
    kfunc: () => false,
  };
}

/** Arenas are not supported. */
const OPS_NOT_HERE: ReadonlySet<Insn['op']> = new Set(['addr_space_cast']);
