// bpf_map_*: maps by their handles, as bpf.h has them.
import { utf8 } from '../../base/bytes.ts';
import { MAP_FLAGS } from '../../spec/map-types.ts';
import type { Result } from '../../spec/session.ts';
import { copyOut, type Library, type Out, refuse, status } from './library.ts';
import { mapTypeName } from '../../spec/numbers.ts';

/** struct bpf_map_create_opts. */
export interface MapCreateOptions {
  readonly btf_fd?: number;
  readonly btf_key_type_id?: number;
  readonly btf_value_type_id?: number;
  readonly btf_vmlinux_value_type_id?: number;
  readonly inner_map_fd?: number;
  readonly map_flags?: number;
  readonly map_extra?: bigint;
  readonly numa_node?: number;
  readonly map_ifindex?: number;
}

/** struct bpf_map_batch_opts. */
export interface MapBatchOptions {
  readonly elem_flags?: number | bigint;
  readonly flags?: number | bigint;
}

/** BPF_OBJ_NAME_LEN with its NUL, per dialect. */
const NAME_BYTES = { linux: 16, windows: 64 } as const;

const NO_KEY = new Uint8Array(0);

/** Flags of 64 bits as the session takes them; those above 2^32 exist nowhere. */
const flagsOf = (flags: number | bigint | undefined): number => Number(flags ?? 0);

export function mapCalls(lib: Library) {
  const { session } = lib;
  const lookup = (
    method: 'map.lookup' | 'map.lookupAndDelete',
    fd: number,
    key: Uint8Array | null,
    value: Uint8Array,
    flags: number | bigint,
  ): Promise<number> =>
    status(lib, async () => {
      const found = await session.call(method, { fd, key: key ?? NO_KEY, flags: flagsOf(flags) });
      return copyOut(lib, value, found.value);
    });

  /** Both batch lookups: what was found goes into the caller's memory, -ENOENT says that it was the end. */
  const lookupBatch =
    (remove: boolean) =>
    (
      fd: number,
      in_batch: Uint8Array | null,
      out_batch: Uint8Array | null,
      keys: Uint8Array,
      values: Uint8Array,
      count: Out<number>,
      opts: MapBatchOptions | null = null,
    ): Promise<number> =>
      status(lib, async () => {
        if (flagsOf(opts?.flags) !== 0) return refuse(lib, 'EINVAL');
        const asked = count.value;
        if (asked === 0) return 0;
        count.value = 0;
        const found: Result<'map.lookupBatch'> = await session.call('map.lookupBatch', {
          fd,
          ...(in_batch === null ? {} : { cursor: in_batch }),
          count: asked,
          remove,
          flags: flagsOf(opts?.elem_flags),
        });
        const copied = copyOut(lib, keys, found.keys) || copyOut(lib, values, found.values);
        if (copied !== 0) return copied;
        count.value = found.count;
        if (found.cursor === undefined) return refuse(lib, 'ENOENT');
        return out_batch === null ? refuse(lib, 'EFAULT') : copyOut(lib, out_batch, found.cursor);
      });

  const writeBatch = async (
    count: Out<number>,
    opts: MapBatchOptions | null,
    write: (asked: number, flags: number) => Promise<{ readonly count: number; readonly errno?: number }>,
  ): Promise<number> =>
    status(lib, async () => {
      const asked = count.value;
      if (asked === 0) return 0;
      count.value = 0;
      const done = await write(asked, flagsOf(opts?.elem_flags));
      count.value = done.count;
      return done.errno === undefined || done.errno === 0 ? 0 : refuse(lib, Math.abs(done.errno));
    });

  const api = {
    /** Gives a handle or -errno. */
    bpf_map_create: (
      map_type: number,
      map_name: string | null,
      key_size: number,
      value_size: number,
      max_entries: number,
      opts: MapCreateOptions | null = null,
    ): Promise<number> =>
      status(lib, async () => {
        const type = mapTypeName(map_type, lib.dialect);
        const name = map_name ?? '';
        if (type === undefined || utf8(name).length >= NAME_BYTES[lib.dialect]) return refuse(lib, 'EINVAL');
        // Devices that take maps of their own, and kernel structures as values, are the kernel's.
        if (opts?.map_ifindex || opts?.btf_vmlinux_value_type_id) return refuse(lib, 'EOPNOTSUPP');
        const { fd } = await session.call('map.create', {
          name,
          type,
          keySize: key_size,
          valueSize: value_size,
          maxEntries: max_entries,
          dialect: lib.dialect,
          ...(opts?.map_flags === undefined ? {} : { flags: opts.map_flags }),
          ...(opts?.map_extra === undefined ? {} : { extra: opts.map_extra }),
          // In a struct 0 stands for none too; node 0 is meant where the flags say so.
          ...(opts?.numa_node || (opts?.map_flags ?? 0) & MAP_FLAGS.NUMA_NODE
            ? { numaNode: opts?.numa_node ?? 0 }
            : {}),
          // As in C, 0 is what is not given: handles are positive here.
          ...(opts?.inner_map_fd ? { innerFd: opts.inner_map_fd } : {}),
          ...(opts?.btf_fd ? { btfFd: opts.btf_fd } : {}),
          ...(opts?.btf_key_type_id ? { keyTypeId: opts.btf_key_type_id } : {}),
          ...(opts?.btf_value_type_id ? { valueTypeId: opts.btf_value_type_id } : {}),
        });
        return fd;
      }),
    /** `key` is null for types without keys. */
    bpf_map_update_elem: (fd: number, key: Uint8Array | null, value: Uint8Array, flags: number | bigint = 0) =>
      status(lib, async () => {
        await session.call('map.update', { fd, key: key ?? NO_KEY, value, flags: flagsOf(flags) });
        return 0;
      }),
    /** Fills `value`: MapInfo.userValueSize bytes, for per-CPU maps those of all CPUs. */
    bpf_map_lookup_elem: (fd: number, key: Uint8Array | null, value: Uint8Array) =>
      lookup('map.lookup', fd, key, value, 0),
    bpf_map_lookup_elem_flags: (fd: number, key: Uint8Array | null, value: Uint8Array, flags: number | bigint) =>
      lookup('map.lookup', fd, key, value, flags),
    bpf_map_lookup_and_delete_elem: (fd: number, key: Uint8Array | null, value: Uint8Array) =>
      lookup('map.lookupAndDelete', fd, key, value, 0),
    bpf_map_lookup_and_delete_elem_flags: (
      fd: number,
      key: Uint8Array | null,
      value: Uint8Array,
      flags: number | bigint,
    ) => lookup('map.lookupAndDelete', fd, key, value, flags),
    bpf_map_delete_elem: (fd: number, key: Uint8Array) => api.bpf_map_delete_elem_flags(fd, key, 0),
    bpf_map_delete_elem_flags: (fd: number, key: Uint8Array, flags: number | bigint) =>
      status(lib, async () => {
        // BPF_MAP_DELETE_ELEM takes none.
        if (flagsOf(flags) !== 0) return refuse(lib, 'EINVAL');
        await session.call('map.delete', { fd, key });
        return 0;
      }),
    /** `key` null: the first. */
    bpf_map_get_next_key: (fd: number, key: Uint8Array | null, next_key: Uint8Array) =>
      status(lib, async () => {
        const next = await session.call('map.nextKey', { fd, ...(key === null ? {} : { key }) });
        return copyOut(lib, next_key, next.key);
      }),
    bpf_map_freeze: (fd: number) =>
      status(lib, async () => {
        await session.call('map.freeze', { fd });
        return 0;
      }),
    /** `in_batch` null: from the first; `out_batch` takes what the next call goes on with. -ENOENT: that was the end. */
    bpf_map_lookup_batch: lookupBatch(false),
    bpf_map_lookup_and_delete_batch: lookupBatch(true),
    bpf_map_update_batch: (
      fd: number,
      keys: Uint8Array,
      values: Uint8Array,
      count: Out<number>,
      opts: MapBatchOptions | null = null,
    ) =>
      writeBatch(count, opts, (asked, flags) =>
        session.call('map.updateBatch', { fd, keys, values, count: asked, flags }),
      ),
    bpf_map_delete_batch: (fd: number, keys: Uint8Array, count: Out<number>, opts: MapBatchOptions | null = null) =>
      writeBatch(count, opts, (asked) => session.call('map.deleteBatch', { fd, keys, count: asked })),
  };
  return api;
}

/** Possible CPUs, found out once: the context rounds a per-CPU value up to 8 bytes for each. */
export async function possibleCpus(lib: Library): Promise<number> {
  if (lib.cpus !== undefined) return lib.cpus;
  const { session } = lib;
  const { fd } = await session.call('map.create', {
    name: 'cpus',
    type: 'percpu_array',
    keySize: 4,
    valueSize: 8,
    maxEntries: 1,
  });
  try {
    const info = await session.call('object.info', { fd });
    lib.cpus = info.kind === 'map' ? info.userValueSize / 8 : 1;
    return lib.cpus;
  } finally {
    await session.call('object.close', { fd });
  }
}

export const probeCalls = (lib: Library) => ({
  /** In C it reads /sys; here the context is asked, which takes the role `load`. */
  libbpf_num_possible_cpus: () => status(lib, () => possibleCpus(lib)),
  /** 1 there, 0 not there, -EINVAL for a number that is none. */
  libbpf_probe_bpf_map_type: (map_type: number, opts: null = null) =>
    status(lib, async () => {
      const type = mapTypeName(map_type, lib.dialect);
      if (opts !== null || type === undefined) return refuse(lib, opts === null ? 'EOPNOTSUPP' : 'EINVAL');
      return (await lib.session.call('feature.probe', {})).mapTypes[type] ? 1 : 0;
    }),
});
