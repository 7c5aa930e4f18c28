// map.*: elements one by one. Batches: batch-methods.ts. Rings: record-methods.ts.
import { MAP_TYPES } from '../../spec/map-types.ts';
import type { Fd, MapCreate } from '../../spec/session.ts';
import { mapCreate, mapFreeze } from './bpf.ts';
import { checked, refuse } from './errors.ts';
import type { KernelMap } from './kernel-map.ts';
import type { LinuxHandlers } from './methods.ts';
import type { LinuxSession } from './session.ts';
import { linuxMap } from './windows.ts';

type Names =
  | 'map.create'
  | 'map.lookup'
  | 'map.update'
  | 'map.delete'
  | 'map.lookupAndDelete'
  | 'map.nextKey'
  | 'map.freeze';

/** Sets the key of the next call. bpf(2) reads as many bytes as the map's key has: others would be its neighbours in memory. */
function withKey(map: KernelMap, key: Uint8Array, operation: string): void {
  if (key.length !== map.keySize) refuse(operation, 'EINVAL', `a key of ${key.length} bytes, not ${map.keySize}`);
  map.key.set(key);
}

function withValue(map: KernelMap, value: Uint8Array, operation: string): void {
  if (value.length !== map.userValueSize)
    refuse(operation, 'EINVAL', `a value of ${value.length} bytes, not ${map.userValueSize}`);
  map.value.set(value);
}

export const mapMethods: Pick<LinuxHandlers, Names> = {
  'map.create': (session, params) => ({ fd: session.open(create(session, params), 'map') }),
  'map.lookup': (session, { fd, key, flags }) => {
    const operation = 'map.lookup';
    const map = session.map(fd, operation);
    // What a bloom filter is asked for is its value.
    if (map.type === 'bloom_filter') withValue(map, key, operation);
    else withKey(map, key, operation);
    checked(operation, map.lookup(flags));
    return { value: map.value.slice() };
  },
  'map.update': (session, { fd, key, value, flags }) => {
    const operation = 'map.update';
    const map = session.map(fd, operation);
    withKey(map, key, operation);
    withValue(map, value, operation);
    checked(operation, map.update(flags));
    return {};
  },
  'map.delete': (session, { fd, key }) => {
    const map = session.map(fd, 'map.delete');
    withKey(map, key, 'map.delete');
    checked('map.delete', map.delete());
    return {};
  },
  'map.lookupAndDelete': (session, { fd, key, flags }) => {
    const operation = 'map.lookupAndDelete';
    const map = session.map(fd, operation);
    withKey(map, key, operation);
    checked(operation, map.lookupAndDelete(flags));
    return { value: map.value.slice() };
  },
  'map.nextKey': (session, { fd, key }) => {
    const map = session.map(fd, 'map.nextKey');
    if (key !== undefined) withKey(map, key, 'map.nextKey');
    checked('map.nextKey', map.nextKey(key === undefined));
    return { key: map.next.slice() };
  },
  'map.freeze': (session, { fd }) => {
    checked('map.freeze', mapFreeze(session.check(fd, 'map', 'map.freeze')));
    return {};
  },
};

/** A name as bpf_obj_name_cpy takes it, before it is cut. */
export function checkName(operation: string, name: string): void {
  if (!/^[\w.]*$/.test(name)) refuse(operation, 'EINVAL', `'${name}' is no name of letters, digits, _ and .`);
}

function create(session: LinuxSession, params: MapCreate): Fd {
  const operation = 'map.create';
  const { name, type, keySize, valueSize, maxEntries, flags = 0 } = params;
  const place = { map: name };
  checkName(operation, name);
  if (!Object.hasOwn(MAP_TYPES, type)) refuse(operation, 'EINVAL', `there is no map type '${type}'`, place);
  const spec = linuxMap({ name, type, keySize, valueSize, maxEntries, flags }, params.dialect ?? 'linux');
  if (params.innerFd !== undefined) session.check(params.innerFd, 'map', operation);
  if (params.btfFd !== undefined) session.check(params.btfFd, 'btf', operation);
  const fd = mapCreate({
    ...spec,
    ...(params.extra === undefined ? {} : { extra: params.extra }),
    ...(params.numaNode === undefined ? {} : { numaNode: params.numaNode }),
    ...(params.innerFd === undefined ? {} : { innerFd: params.innerFd }),
    ...(params.btfFd === undefined
      ? {}
      : { btfFd: params.btfFd, btfKeyTypeId: params.keyTypeId ?? 0, btfValueTypeId: params.valueTypeId ?? 0 }),
  });
  const attributes = `key size ${keySize}, value size ${valueSize}, max entries ${maxEntries}, flags 0x${spec.flags.toString(16)}`;
  return checked(operation, fd, place, `no ${type} is made with ${attributes}`);
}
