// Names <-> numbers of one dialect: the enums that libbpf's functions take and give.
import { MAP_TYPES, type MapTypeName } from './map-types.ts';
import type { Dialect } from './object.ts';
import { ATTACH_TYPES, type AttachTypeName, PROGRAM_TYPES, type ProgramTypeName } from './program-types.ts';
import { LINK_TYPES } from './session.ts';

type Numbers = { readonly [D in Dialect]?: number };

const nameIn = <Name extends string>(
  table: Readonly<Record<Name, Numbers>>,
  number: number,
  dialect: Dialect,
): Name | undefined => (Object.keys(table) as Name[]).find((name) => table[name][dialect] === number);

export const mapTypeName = (number: number, dialect: Dialect): MapTypeName | undefined =>
  nameIn<MapTypeName>(MAP_TYPES, number, dialect);
export const programTypeName = (number: number, dialect: Dialect): ProgramTypeName | undefined =>
  nameIn<ProgramTypeName>(PROGRAM_TYPES, number, dialect);
export const attachTypeName = (number: number, dialect: Dialect): AttachTypeName | undefined =>
  nameIn<AttachTypeName>(ATTACH_TYPES, number, dialect);

/** 0 (unspec) where the dialect has no such type. */
export const mapTypeNumber = (name: MapTypeName, dialect: Dialect): number =>
  (MAP_TYPES[name] as Numbers)[dialect] ?? 0;
export const programTypeNumber = (name: ProgramTypeName, dialect: Dialect): number =>
  (PROGRAM_TYPES[name] as Numbers)[dialect] ?? 0;
/** 0 where there is none, as libbpf's fields hold it then (in Linux that is also BPF_CGROUP_INET_INGRESS). */
export const attachTypeNumber = (name: AttachTypeName | undefined, dialect: Dialect): number =>
  name === undefined ? 0 : ((ATTACH_TYPES[name] as Numbers)[dialect] ?? 0);

/** The enumerators of one dialect by their C names. */
export interface Enumerators {
  readonly bpf_map_type: Readonly<Record<string, number>>;
  readonly bpf_prog_type: Readonly<Record<string, number>>;
  readonly bpf_attach_type: Readonly<Record<string, number>>;
  readonly bpf_link_type: Readonly<Record<string, number>>;
}

function enumerators(table: Readonly<Record<string, Numbers>>, prefix: string, dialect: Dialect) {
  const rows = Object.entries(table).flatMap(([name, numbers]) => {
    const number = numbers[dialect];
    return number === undefined ? [] : [[`${prefix}${name.toUpperCase()}`, number] as const];
  });
  return Object.fromEntries(rows);
}

/** `BPF_MAP_TYPE_HASH`, `BPF_PROG_TYPE_XDP`, `BPF_CGROUP_INET4_CONNECT`, `BPF_LINK_TYPE_XDP`, ... */
export const enumeratorsOf = (dialect: Dialect): Enumerators => ({
  bpf_map_type: { BPF_MAP_TYPE_UNSPEC: 0, ...enumerators(MAP_TYPES, 'BPF_MAP_TYPE_', dialect) },
  bpf_prog_type: enumerators(PROGRAM_TYPES, 'BPF_PROG_TYPE_', dialect),
  bpf_attach_type: enumerators(ATTACH_TYPES, 'BPF_', dialect),
  bpf_link_type: Object.fromEntries(LINK_TYPES.map((name, i) => [`BPF_LINK_TYPE_${name.toUpperCase()}`, i])),
});
