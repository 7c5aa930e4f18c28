// What the kernel tells of objects (BPF_OBJ_GET_INFO_BY_FD), in the session's form. Layouts: struct bpf_*_info in
// include/uapi/linux/bpf.h.
import { readFileSync } from 'node:fs';
import { cString, text, toHex } from '../../base/bytes.ts';
import { ERRNO } from '../../spec/errno.ts';
import { MAP_TYPES, type MapTypeName } from '../../spec/map-types.ts';
import { PROGRAM_TYPES } from '../../spec/program-types.ts';
import type { BtfInfo, Fd, Id, MapInfo, ProgramInfo } from '../../spec/session.ts';
import { bpf, pointer, possibleCpus } from './bpf.ts';
import type { MapShape } from './kernel-map.ts';
import { byLinuxNumber } from './linux-names.ts';
import { type Native, native } from './native.ts';

const SIZE = { map: 104, prog: 232, btf: 32, link: 88 } as const;
type InfoKind = keyof typeof SIZE;

/** The struct, with buffers that `prepare` lays out for what it points to; a negated errno. */
export function rawInfo(fd: Fd, kind: InfoKind, prepare?: (info: DataView) => void): DataView | number {
  let info: Native | undefined;
  const status = bpf('OBJ_GET_INFO_BY_FD', 16, (attr) => {
    info = native().room(SIZE[kind]);
    attr.setUint32(0, fd, true);
    attr.setUint32(4, SIZE[kind], true);
    pointer(attr, 8, info.address);
    prepare?.(info.view);
  });
  if (status < 0 || info === undefined) return status;
  // The arena is laid out anew by the next call.
  return new DataView(info.bytes.slice().buffer);
}

/** A buffer in the arena, and what points to it: its address at one offset, its length at another. */
export function roomFor(info: DataView, address: number, length: number, size: number): Uint8Array {
  const room = native().room(Math.max(size, 1));
  info.setBigUint64(address, BigInt(room.address), true);
  info.setUint32(length, size, true);
  return room.bytes;
}

const nameAt = (info: DataView, at: number): string => cString(new Uint8Array(info.buffer, at, 16));

const MAP_NAMES = byLinuxNumber(MAP_TYPES);
const PROGRAM_NAMES = byLinuxNumber(PROGRAM_TYPES);

/** Types whose lookups give a value for each CPU. */
const PER_CPU: ReadonlySet<MapTypeName> = new Set([
  'percpu_hash',
  'percpu_array',
  'lru_percpu_hash',
  'percpu_cgroup_storage',
]);
/** Types whose applications see four bytes, whatever else an element has. */
const ID_VALUES: ReadonlySet<MapTypeName> = new Set(['prog_array', 'array_of_maps', 'hash_of_maps']);

export const userValueSize = (type: MapTypeName, valueSize: number): number =>
  PER_CPU.has(type) ? ((valueSize + 7) & ~7) * possibleCpus() : ID_VALUES.has(type) ? 4 : valueSize;

/** A member of /proc/self/fdinfo, where the kernel tells what no struct has. */
function fdInfo(fd: Fd, member: string): number {
  const found = new RegExp(`^${member}:\\s*(\\d+)`, 'm').exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'));
  return Number(found?.[1] ?? 0);
}

/** A negated errno for descriptors of other things. */
export function mapShape(fd: Fd): (MapShape & { readonly name: string; readonly id: Id }) | number {
  const info = rawInfo(fd, 'map');
  if (typeof info === 'number') return info;
  const type = MAP_NAMES.get(info.getUint32(0, true));
  // Of a kernel that is newer than our tables.
  if (type === undefined) return -ERRNO.ENOTSUPP;
  const valueSize = info.getUint32(12, true);
  return {
    type,
    id: info.getUint32(4, true),
    name: nameAt(info, 24),
    keySize: info.getUint32(8, true),
    valueSize,
    maxEntries: info.getUint32(16, true),
    flags: info.getUint32(20, true),
    userValueSize: userValueSize(type, valueSize),
  };
}

export function mapInfo(fd: Fd, pins: readonly string[]): MapInfo | number {
  const shape = mapShape(fd);
  const info = rawInfo(fd, 'map');
  if (typeof shape === 'number') return shape;
  if (typeof info === 'number') return info;
  const extra = info.getBigUint64(80, true);
  return {
    kind: 'map',
    ...shape,
    ...(extra === 0n ? {} : { extra }),
    btfId: info.getUint32(64, true),
    keyTypeId: info.getUint32(68, true),
    valueTypeId: info.getUint32(72, true),
    frozen: fdInfo(fd, 'frozen') !== 0,
    innerMapId: 0,
    memory: fdInfo(fd, 'memlock'),
    pins,
  };
}

/** What a session knows of a program that it has loaded, and the kernel does not tell. */
export type Loaded = Partial<Pick<ProgramInfo, 'attachType' | 'source' | 'section' | 'pid' | 'name'>>;

export function programInfo(
  fd: Fd,
  { pins, linkCount, loaded = {} }: { pins: readonly string[]; linkCount: number; loaded?: Loaded | undefined },
): ProgramInfo | number {
  let maps: Uint8Array = new Uint8Array();
  const first = rawInfo(fd, 'prog');
  if (typeof first === 'number') return first;
  const count = first.getUint32(52, true);
  const info = rawInfo(fd, 'prog', (info) => {
    maps = roomFor(info, 56, 52, 4 * count);
    info.setUint32(52, count, true);
  });
  if (typeof info === 'number') return info;
  const view = new DataView(maps.slice(0, 4 * count).buffer);
  const jited = info.getUint32(16, true);
  return {
    kind: 'prog',
    id: info.getUint32(4, true),
    type: PROGRAM_NAMES.get(info.getUint32(0, true)) ?? 'unspec',
    tag: toHex(new Uint8Array(info.buffer, 8, 8)),
    gplCompatible: (info.getUint32(84, true) & 1) !== 0,
    loadedAt: info.getBigUint64(40, true),
    uid: info.getUint32(48, true),
    mapIds: Array.from({ length: count }, (_, i) => view.getUint32(4 * i, true)),
    btfId: info.getUint32(128, true),
    bytesXlated: info.getUint32(20, true),
    bytesJited: jited,
    verifiedInsns: info.getUint32(216, true),
    execution: jited > 0 ? 'jit' : 'interpret',
    engine: 'kernel',
    runTimeNs: info.getBigUint64(192, true),
    runCount: info.getBigUint64(200, true),
    linkCount,
    source: '',
    section: '',
    usable: true,
    ...loaded,
    name: nameAt(info, 64),
    pins,
  };
}

/** The id of an object of any kind but BTF. */
export function idOf(fd: Fd, kind: 'map' | 'prog' | 'link' | 'btf'): Id {
  const info = rawInfo(fd, kind);
  return typeof info === 'number' ? 0 : info.getUint32(kind === 'btf' ? 12 : 4, true);
}

/** Name and bytes of BTF. */
export function btfOf(fd: Fd, wantBytes: boolean) {
  const first = rawInfo(fd, 'btf');
  if (typeof first === 'number') return first;
  const size = first.getUint32(8, true);
  let name: Uint8Array = new Uint8Array();
  let bytes: Uint8Array = new Uint8Array();
  const info = rawInfo(fd, 'btf', (info) => {
    if (wantBytes) bytes = roomFor(info, 0, 8, size);
    name = roomFor(info, 16, 24, 64);
  });
  if (typeof info === 'number') return info;
  return {
    id: info.getUint32(12, true),
    name: text(name.slice(0, name.indexOf(0))),
    size,
    kernel: info.getUint32(28, true) !== 0,
    bytes: bytes.slice(0, size),
  };
}

export function btfInfo(fd: Fd, users: { progs: readonly Id[]; maps: readonly Id[] }): BtfInfo | number {
  const found = btfOf(fd, false);
  if (typeof found === 'number') return found;
  const { id, name, size, kernel } = found;
  return { kind: 'btf', id, name, size, kernel, progIds: users.progs, mapIds: users.maps };
}
