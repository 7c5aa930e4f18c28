// bpf_map__*: an object's maps before and after they are created.
import { loaderDefaults } from '../../maps/loader-defaults.ts';
import { isMapInMap } from '../../link/map-type.ts';
import type { BpfMap, MapAttributes } from './handles.ts';
import { copyOut, type Library, nothing, type Out, refuse, status } from './library.ts';
import { mapTypeName, mapTypeNumber } from '../../spec/numbers.ts';
import { pinMap, unpinMap } from './pinning.ts';

/** Bytes that calls by map must have for a value: of per-CPU maps those of all CPUs (libbpf's validate_map_op). */
const valueSizeOf = (map: BpfMap): number => (map.userValueSize > 0 ? map.userValueSize : map.attributes.valueSize);

/** Bytes as long as the caller says; EFAULT where they are not there. */
const sized = (bytes: Uint8Array, size: number): Uint8Array | undefined =>
  bytes.length < size ? undefined : bytes.subarray(0, size);

export function mapFunctions(lib: Library) {
  const { session } = lib;

  const set = <A extends keyof MapAttributes>(map: BpfMap, attribute: A, value: MapAttributes[A]): number => {
    if (map.created) return refuse(lib, 'EBUSY');
    map.attributes[attribute] = value;
    map.changed[attribute] = value;
    return 0;
  };

  /** 0 where a map's operation may be asked with these sizes (value: undefined where it has none). */
  const validate = (map: BpfMap, keySize: number, valueSize?: number): number => {
    if (map.fd < 0) return refuse(lib, 'ENOENT');
    if (keySize !== map.attributes.keySize) return refuse(lib, 'EINVAL');
    return valueSize === undefined || valueSize === valueSizeOf(map) ? 0 : refuse(lib, 'EINVAL');
  };

  const reuse = async (map: BpfMap, fd: number): Promise<number> => {
    const info = await session.call('object.info', { fd });
    if (info.kind !== 'map') return refuse(lib, 'EINVAL');
    const duplicate = await session.call('object.duplicate', { fd });
    if (map.fd >= 0) await session.call('object.close', { fd: map.fd });
    map.fd = duplicate.fd;
    map.reused = duplicate.fd;
    map.userValueSize = info.userValueSize;
    Object.assign(map.attributes, {
      type: info.type,
      keySize: info.keySize,
      valueSize: info.valueSize,
      maxEntries: info.maxEntries,
      flags: info.flags,
      extra: info.extra ?? 0n,
    });
    return 0;
  };

  const looked =
    (method: 'map.lookup' | 'map.lookupAndDelete') =>
    (
      map: BpfMap,
      key: Uint8Array,
      key_sz: number,
      value: Uint8Array,
      value_sz: number,
      flags: number | bigint = 0,
    ): Promise<number> =>
      status(lib, async () => {
        const invalid = validate(map, key_sz, value_sz);
        const keyBytes = sized(key, key_sz);
        if (invalid !== 0 || keyBytes === undefined) return invalid || refuse(lib, 'EFAULT');
        const found = await session.call(method, { fd: map.fd, key: keyBytes, flags: Number(flags) });
        return copyOut(lib, value, found.value);
      });

  const api = {
    bpf_map__fd: (map: BpfMap | null): number => map?.fd ?? refuse(lib, 'EINVAL'),
    bpf_map__name: (map: BpfMap | null): string | null => map?.name ?? null,
    bpf_map__type: (map: BpfMap): number => mapTypeNumber(map.attributes.type, lib.dialect),
    bpf_map__set_type: (map: BpfMap, type: number): number => {
      const name = mapTypeName(type, lib.dialect);
      return name === undefined ? refuse(lib, 'EINVAL') : set(map, 'type', name);
    },
    bpf_map__max_entries: (map: BpfMap): number => map.attributes.maxEntries,
    /** Ring buffers get the next size that the kernel takes. */
    bpf_map__set_max_entries: (map: BpfMap, max_entries: number): number => {
      const { type } = map.attributes;
      const isRing = type === 'ringbuf' || type === 'user_ringbuf';
      const asked = { ...map.spec, type, maxEntries: max_entries >>> 0 };
      return set(map, 'maxEntries', isRing ? loaderDefaults(asked, 1).maxEntries : max_entries >>> 0);
    },
    bpf_map__map_flags: (map: BpfMap): number => map.attributes.flags,
    bpf_map__set_map_flags: (map: BpfMap, flags: number): number => set(map, 'flags', flags >>> 0),
    bpf_map__numa_node: (map: BpfMap): number => map.attributes.numaNode,
    bpf_map__set_numa_node: (map: BpfMap, numa_node: number): number => set(map, 'numaNode', numa_node >>> 0),
    bpf_map__key_size: (map: BpfMap): number => map.attributes.keySize,
    bpf_map__set_key_size: (map: BpfMap, size: number): number => set(map, 'keySize', size >>> 0),
    bpf_map__value_size: (map: BpfMap): number => map.attributes.valueSize,
    bpf_map__set_value_size: (map: BpfMap, size: number): number => set(map, 'valueSize', size >>> 0),
    bpf_map__map_extra: (map: BpfMap): bigint => map.attributes.extra,
    bpf_map__set_map_extra: (map: BpfMap, map_extra: bigint): number => set(map, 'extra', map_extra),
    bpf_map__btf_key_type_id: (map: BpfMap | null): number => map?.spec.keyTypeId ?? 0,
    bpf_map__btf_value_type_id: (map: BpfMap | null): number => map?.spec.valueTypeId ?? 0,
    bpf_map__ifindex: (_map: BpfMap): number => 0,
    bpf_map__set_ifindex: (map: BpfMap, ifindex: number): number => {
      if (map.created) return refuse(lib, 'EBUSY');
      return ifindex === 0 ? 0 : refuse(lib, 'EOPNOTSUPP');
    },
    bpf_map__autocreate: (map: BpfMap): boolean => map.autocreate,
    /** Setting it to false: EOPNOTSUPP, as the context creates all maps of an object. */
    bpf_map__set_autocreate: (map: BpfMap, autocreate: boolean): number => {
      if (map.object?.loaded === true) return refuse(lib, 'EBUSY');
      if (!autocreate) return refuse(lib, 'EOPNOTSUPP');
      map.autocreate = autocreate;
      return 0;
    },
    bpf_map__reuse_fd: (map: BpfMap, fd: number): Promise<number> => status(lib, () => reuse(map, fd)),
    /** A copy of what the map begins with; after loading it stays that, where C has the live memory: read the map then. */
    bpf_map__initial_value: (map: BpfMap, psize: Out<number> | null = null): Uint8Array | null => {
      if (map.initial === undefined) return null;
      if (psize !== null) psize.value = map.initial.length;
      return map.initial;
    },
    bpf_map__set_initial_value: (map: BpfMap, data: Uint8Array, size: number): number => {
      const given = sized(data, size);
      const refused = map.initial === undefined || map.spec.kind === 'kconfig' || size !== map.attributes.valueSize;
      if (refused || map.fd >= 0 || given === undefined) return refuse(lib, 'EINVAL');
      map.initial?.set(given);
      map.initialChanged = true;
      return 0;
    },
    bpf_map__is_internal: (map: BpfMap): boolean => map.spec.kind !== 'map',
    bpf_map__set_pin_path: (map: BpfMap, path: string | null): number => {
      map.pinPath = path;
      map.pinPathChanged = true;
      return 0;
    },
    bpf_map__pin_path: (map: BpfMap): string | null => map.pinPath,
    bpf_map__get_pin_path: (map: BpfMap): string | null => map.pinPath,
    bpf_map__is_pinned: (map: BpfMap): boolean => map.pinned,
    bpf_map__pin: (map: BpfMap | null, path: string | null): Promise<number> => pinMap(lib, map, path),
    bpf_map__unpin: (map: BpfMap | null, path: string | null): Promise<number> => unpinMap(lib, map, path),
    bpf_map__inner_map: (map: BpfMap): BpfMap | null =>
      isMapInMap(map.attributes.type) ? (map.inner ?? null) : nothing(lib, 'EINVAL'),
    /** Templates come from the object's BTF; another one by its handle is not supported. */
    bpf_map__set_inner_map_fd: (map: BpfMap, _fd: number): number =>
      refuse(lib, isMapInMap(map.attributes.type) && map.innerFd === -1 ? 'EOPNOTSUPP' : 'EINVAL'),
    bpf_map__lookup_elem: looked('map.lookup'),
    bpf_map__update_elem: (
      map: BpfMap,
      key: Uint8Array,
      key_sz: number,
      value: Uint8Array,
      value_sz: number,
      flags: number | bigint = 0,
    ): Promise<number> =>
      status(lib, async () => {
        const invalid = validate(map, key_sz, value_sz);
        const keyBytes = sized(key, key_sz);
        const valueBytes = sized(value, value_sz);
        if (invalid !== 0 || keyBytes === undefined || valueBytes === undefined)
          return invalid || refuse(lib, 'EFAULT');
        await session.call('map.update', { fd: map.fd, key: keyBytes, value: valueBytes, flags: Number(flags) });
        return 0;
      }),
    bpf_map__delete_elem: (map: BpfMap, key: Uint8Array, key_sz: number, flags: number | bigint = 0): Promise<number> =>
      status(lib, async () => {
        const invalid = validate(map, key_sz);
        const keyBytes = sized(key, key_sz);
        if (invalid !== 0 || keyBytes === undefined) return invalid || refuse(lib, 'EFAULT');
        if (Number(flags) !== 0) return refuse(lib, 'EINVAL');
        await session.call('map.delete', { fd: map.fd, key: keyBytes });
        return 0;
      }),
    bpf_map__lookup_and_delete_elem: looked('map.lookupAndDelete'),
    bpf_map__get_next_key: (
      map: BpfMap,
      cur_key: Uint8Array | null,
      next_key: Uint8Array,
      key_sz: number,
    ): Promise<number> =>
      status(lib, async () => {
        const invalid = validate(map, key_sz);
        if (invalid !== 0) return invalid;
        const next = await session.call('map.nextKey', { fd: map.fd, ...(cur_key === null ? {} : { key: cur_key }) });
        return copyOut(lib, next_key, next.key);
      }),
  };
  return api;
}
