// map.*: elements one by one. Batches: batch-methods.ts. Rings: record-methods.ts.
import { errnoName } from '../spec/errno.ts';
import type { MapSpec } from '../spec/object.ts';
import type { Handlers, MapCreate } from '../spec/session.ts';
import { MAP_TYPES } from '../spec/map-types.ts';
import { specialOf } from '../link/special-fields.ts';
import { createMap } from '../maps/create.ts';
import type { ContextBtf } from './btf-object.ts';
import { checked, refuse } from './errors.ts';
import { ContextMap, type FindHandle } from './map-object.ts';
import { checkName } from './names.ts';
import type { ContextSession } from './session.ts';

type Names =
  | 'map.create'
  | 'map.lookup'
  | 'map.update'
  | 'map.delete'
  | 'map.lookupAndDelete'
  | 'map.nextKey'
  | 'map.freeze';

export const mapOf = (session: ContextSession, fd: number, operation: string): ContextMap =>
  session.handleOf<ContextMap>('map', fd, operation);

export const findIn =
  (session: ContextSession): FindHandle =>
  (fd) =>
    session.handles.get(fd);

const bytesOf = (operation: string, map: ContextMap, result: Uint8Array | number): Uint8Array =>
  typeof result === 'number' ? (checked(operation, result, { map: map.name }) as never) : result;

export const mapMethods: Pick<Handlers<ContextSession>, Names> = {
  'map.create': (session, params) => ({ fd: session.open(create(session, params)) }),
  'map.lookup': (session, { fd, key, flags }) => {
    const map = mapOf(session, fd, 'map.lookup');
    return { value: bytesOf('map.lookup', map, map.lookup(key, flags)) };
  },
  'map.update': (session, { fd, key, value, flags }) => {
    const map = mapOf(session, fd, 'map.update');
    checked('map.update', map.update(key, value, flags, findIn(session)), { map: map.name });
    return {};
  },
  'map.delete': (session, { fd, key }) => {
    const map = mapOf(session, fd, 'map.delete');
    checked('map.delete', map.delete(key), { map: map.name });
    return {};
  },
  'map.lookupAndDelete': (session, { fd, key, flags }) => {
    const map = mapOf(session, fd, 'map.lookupAndDelete');
    return { value: bytesOf('map.lookupAndDelete', map, map.lookupAndDelete(key, flags)) };
  },
  'map.nextKey': (session, { fd, key }) => {
    const map = mapOf(session, fd, 'map.nextKey');
    return { key: bytesOf('map.nextKey', map, map.raw.nextKey(key)) };
  },
  'map.freeze': (session, { fd }) => {
    const map = mapOf(session, fd, 'map.freeze');
    checked('map.freeze', map.freeze(), { map: map.name });
    return {};
  },
};

function create(session: ContextSession, params: MapCreate): ContextMap {
  const operation = 'map.create';
  const { context } = session;
  const { name, type, keySize, valueSize, maxEntries, flags = 0, dialect = 'linux' } = params;
  const place = { map: name };
  session.checkRoom(1);
  checkName(operation, name, place);
  const row =
    (Object.hasOwn(MAP_TYPES, type) ? context.platform(dialect)?.mapType(type) : undefined) ??
    refuse(operation, 'EINVAL', `${dialect} has no map type '${type}'`, place);
  // Windows' maps have no flags, and nothing to choose a node for.
  if (dialect === 'windows' && (flags !== 0 || params.numaNode !== undefined))
    refuse(operation, 'EINVAL', `maps of Windows have no flags, not 0x${flags.toString(16)}, and no NUMA node`, place);
  const inner = params.innerFd === undefined ? undefined : mapOf(session, params.innerFd, operation);
  const btf = params.btfFd === undefined ? undefined : session.handleOf<ContextBtf>('btf', params.btfFd, operation);
  const spec: MapSpec = {
    name,
    type,
    keySize,
    valueSize,
    maxEntries,
    flags,
    ...(params.extra === undefined ? {} : { extra: params.extra }),
    ...(params.numaNode === undefined ? {} : { numaNode: params.numaNode }),
    ...(inner === undefined ? {} : { inner: inner.raw.spec }),
    ...btfParts(operation, params, btf),
    pinning: 0,
    kind: 'map',
    slots: [],
    frozen: false,
    tags: [],
  };
  const status = row.unsupported === undefined ? row.check(spec) : 0;
  if (status !== 0) {
    const attributes = `key size ${keySize}, value size ${valueSize}, max entries ${maxEntries}, flags 0x${flags.toString(16)}`;
    refuse(operation, errnoName(status) as 'EINVAL', `no ${type} is made with ${attributes}`, place);
  }
  const { runtime } = context;
  const raw = createMap(row, spec, runtime.mapContext);
  runtime.addMap(raw);
  return context.maps.add(new ContextMap(raw.id, context, { raw, runtime, dialect, btf, innerMapId: inner?.id ?? 0 }));
}

/** What map_check_btf asks: types of the sizes of key and value. Fields of the value that are the kernel's come from there. */
function btfParts(operation: string, params: MapCreate, btf: ContextBtf | undefined): Partial<MapSpec> {
  const { name, keySize, valueSize, keyTypeId = 0, valueTypeId = 0 } = params;
  if (btf === undefined) {
    if (keyTypeId !== 0 || valueTypeId !== 0) refuse(operation, 'EINVAL', 'type ids need BTF', { map: name });
    return {};
  }
  const { types } = btf;
  const check = (what: string, id: number, size: number): void => {
    if (id === 0) return;
    const known = Number.isInteger(id) && id > 0 && id < types.count;
    if (!known || types.sizeOf(id) !== size) {
      refuse(operation, 'EINVAL', `type ${id} is none of the ${what}'s ${size} bytes`, { map: name });
    }
  };
  check('key', keyTypeId, keySize);
  check('value', valueTypeId, valueSize);
  return { keyTypeId, valueTypeId, ...specialOf(types, valueTypeId) };
}
