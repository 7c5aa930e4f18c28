// Maps of an object: taken from a handle or a pin, or created; their contents. What bpf_object__create_maps of libbpf does.
import { type Diagnostic, fail } from '../../base/diagnostic.ts';
import { noTarget } from '../../base/messages/linux-host.ts';
import { loaderDefaults } from '../../maps/loader-defaults.ts';
import { kconfigData } from '../../run/extern-values.ts';
import { MAP_FLAGS, type MapTypeName } from '../../spec/map-types.ts';
import type { MapSpec, ObjectSpec } from '../../spec/object.ts';
import type { Fd, ObjectLoad } from '../../spec/session.ts';
import { close, mapCreate, mapFreeze, mapUpdate, possibleCpus } from './bpf.ts';
import { checked, refuse } from './errors.ts';
import { mapInfo } from './info.ts';
import { kernelConfig } from './kernel-types.ts';
import { native } from './native.ts';
import { PIN_ROOT } from './pins.ts';
import type { LinuxSession } from './session.ts';

const OPERATION = 'object.load';
/** LIBBPF_PIN_BY_NAME. */
const PIN_BY_NAME = 1;

export interface MadeMap {
  /** With the attributes that it has. */
  readonly spec: MapSpec;
  readonly fd: Fd;
  /** False where it was there before: then its contents are its own. */
  readonly created: boolean;
}

/** What was done so far, to be undone if the rest is refused. */
export interface Undo {
  fd(fd: Fd): Fd;
  pin(path: string): void;
}

/** Map types for which libbpf passes no BTF ids: the kernel refuses them (map_create in tools/lib/bpf/libbpf.c). */
const WITHOUT_BTF: ReadonlySet<MapTypeName> = new Set<MapTypeName>([
  ...(['perf_event_array', 'cgroup_array', 'stack_trace', 'array_of_maps', 'hash_of_maps', 'devmap'] as const),
  ...(['devmap_hash', 'cpumap', 'xskmap', 'sockmap', 'sockhash', 'queue', 'stack', 'arena'] as const),
]);

const u32 = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer);

/** Creates or finds the maps of an object, in its order; without contents. */
export function makeMaps(
  session: LinuxSession,
  object: ObjectSpec,
  load: ObjectLoad,
  btfFd: Fd,
  undo: Undo,
): MadeMap[] {
  return object.maps.map((declared): MadeMap => {
    const spec = loaderDefaults(declared, possibleCpus());
    const place = { map: spec.name };
    if (spec.unsupported !== undefined) return fail(spec.unsupported);
    const { maps = {}, pinRoot = PIN_ROOT } = load;
    const { reuseFd, pinPath } = Object.hasOwn(maps, spec.name) ? maps[spec.name] : {};
    if (reuseFd !== undefined) {
      session.check(reuseFd, 'map', OPERATION);
      const fd = undo.fd(checked(OPERATION, native().duplicate(reuseFd), place));
      return { spec: standingIn(spec, fd), fd, created: false };
    }
    const pin = pinPath ?? (spec.pinning === PIN_BY_NAME ? `${pinRoot}/${spec.name}` : '');
    const there = pin === '' ? undefined : session.pins.find(pin, OPERATION);
    if (there !== undefined) {
      undo.fd(there.fd);
      if (there.kind !== 'map') refuse(OPERATION, 'EINVAL', `a ${there.kind} is pinned at ${pin}`, place);
      return { spec: standingIn(spec, there.fd), fd: there.fd, created: false };
    }
    const fd = undo.fd(createMap(spec, btfFd));
    if (pin !== '') {
      session.pins.pin(fd, pin, OPERATION);
      undo.pin(pin);
    }
    return { spec, fd, created: true };
  });
}

function createMap(spec: MapSpec, btfFd: Fd): Fd {
  const inner = spec.inner === undefined ? 0 : createMap(spec.inner, btfFd);
  const attributes = {
    type: spec.type,
    name: spec.name,
    keySize: spec.keySize,
    valueSize: spec.valueSize,
    maxEntries: spec.maxEntries,
    flags: spec.flags,
    innerFd: inner,
    ...(spec.numaNode === undefined ? {} : { numaNode: spec.numaNode }),
    ...(spec.extra === undefined ? {} : { extra: spec.extra }),
  };
  let fd = -1;
  if (btfFd > 0 && spec.valueTypeId !== undefined && !WITHOUT_BTF.has(spec.type)) {
    fd = mapCreate({ ...attributes, btfFd, btfKeyTypeId: spec.keyTypeId ?? 0, btfValueTypeId: spec.valueTypeId });
  }
  // As libbpf: types that the kernel will not take are no reason to have no map.
  if (fd < 0) fd = mapCreate(attributes);
  if (inner > 0) close(inner);
  const { type, keySize, valueSize, maxEntries, flags } = attributes;
  const why = `no ${type} is made with key size ${keySize}, value size ${valueSize}, max entries ${maxEntries}, flags 0x${flags.toString(16)}`;
  return checked(OPERATION, fd, { map: spec.name }, why);
}

/** What libbpf asks of a map that stands in for a declared one (map_is_reuse_compat). */
function standingIn(spec: MapSpec, fd: Fd): MapSpec {
  const info = mapInfo(fd, []);
  if (typeof info === 'number') return checked(OPERATION, info, { map: spec.name }) as never;
  // The kernel adds this flag to devmaps.
  const own = spec.type === 'devmap' || spec.type === 'devmap_hash' ? MAP_FLAGS.RDONLY_PROG : 0;
  const wanted = [spec.type, spec.keySize, spec.valueSize, spec.maxEntries, spec.flags & ~own, BigInt(spec.extra ?? 0)];
  const { type, keySize, valueSize, maxEntries, flags, extra = 0n } = info;
  const found = [type, keySize, valueSize, maxEntries, flags & ~own, extra];
  if (wanted.join() !== found.join()) {
    const why = `type, key size, value size, max entries, flags and extra are ${found.join(', ')}, not ${wanted.join(', ')}`;
    refuse(OPERATION, 'EINVAL', why, { map: spec.name });
  }
  return spec;
}

/** Initial values of data sections, and elements that are maps. Maps that were there before keep what they have. */
export function fillMaps(object: ObjectSpec, maps: readonly MadeMap[]): void {
  const byName = new Map(maps.map(({ spec, fd }) => [spec.name, fd]));
  for (const { spec, fd, created } of maps) {
    if (!created) continue;
    const place = { map: spec.name };
    const data = spec.kind === 'kconfig' ? kconfigOf(spec, object) : spec.data;
    if (data !== undefined) checked(OPERATION, mapUpdate(fd, u32(0), data), place);
    if (spec.frozen || spec.kind === 'kconfig') checked(OPERATION, mapFreeze(fd), place);
    for (const { index, kind, target } of spec.slots) {
      const held = kind === 'map' ? byName.get(target) : undefined;
      if (held !== undefined) checked(OPERATION, mapUpdate(fd, u32(index), u32(held)), place);
    }
  }
}

function kconfigOf(spec: MapSpec, { externs }: ObjectSpec): Uint8Array {
  const { data, missing } = kconfigData(spec, externs, { kconfig: kernelConfig() });
  const [first] = missing;
  if (first !== undefined) fail(missingOption(first.name));
  return data;
}

const missingOption = (option: string): Diagnostic => noTarget({}, `the kernel's configuration has no ${option}`);

/** Elements of program arrays that the object names. */
export function fillProgramArrays(maps: readonly MadeMap[], programs: ReadonlyMap<string, Fd>): void {
  for (const { spec, fd, created } of maps) {
    if (!created) continue;
    for (const { index, kind, target } of spec.slots) {
      const held = kind === 'program' ? programs.get(target) : undefined;
      if (held !== undefined) checked(OPERATION, mapUpdate(fd, u32(index), u32(held)), { map: spec.name });
    }
  }
}
