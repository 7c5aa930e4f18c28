// Map types, their numbers per dialect, creation flags and update flags.
// Linux: include/uapi/linux/bpf.h (enum bpf_map_type). Windows: eBPF for Windows include/ebpf_structs.h (enum bpf_map_type).

/** One row a map type: its number in each dialect, or nothing where the dialect has no such type. */
export const MAP_TYPES = {
  hash: { linux: 1, windows: 1 },
  array: { linux: 2, windows: 2 },
  prog_array: { linux: 3, windows: 3 },
  perf_event_array: { linux: 4, windows: 14 },
  percpu_hash: { linux: 5, windows: 4 },
  percpu_array: { linux: 6, windows: 5 },
  stack_trace: { linux: 7 },
  cgroup_array: { linux: 8 },
  lru_hash: { linux: 9, windows: 8 },
  lru_percpu_hash: { linux: 10, windows: 11 },
  lpm_trie: { linux: 11, windows: 9 },
  array_of_maps: { linux: 12, windows: 7 },
  hash_of_maps: { linux: 13, windows: 6 },
  devmap: { linux: 14 },
  sockmap: { linux: 15 },
  cpumap: { linux: 16 },
  xskmap: { linux: 17, windows: 16 },
  sockhash: { linux: 18 },
  cgroup_storage: { linux: 19 },
  reuseport_sockarray: { linux: 20 },
  percpu_cgroup_storage: { linux: 21 },
  queue: { linux: 22, windows: 10 },
  stack: { linux: 23, windows: 12 },
  sk_storage: { linux: 24 },
  devmap_hash: { linux: 25 },
  struct_ops: { linux: 26 },
  ringbuf: { linux: 27, windows: 13 },
  inode_storage: { linux: 28 },
  task_storage: { linux: 29 },
  bloom_filter: { linux: 30 },
  user_ringbuf: { linux: 31 },
  cgrp_storage: { linux: 32 },
  arena: { linux: 33 },
  sample_hash_map: { windows: 15 },
} as const satisfies Record<string, { readonly linux?: number; readonly windows?: number }>;

/** A map type by bpftool's name (`hash`, `lru_hash`, `lpm_trie`, ...). */
export type MapTypeName = keyof typeof MAP_TYPES;

/** BPF_MAP_CREATE flags (uapi linux/bpf.h). */
export const MAP_FLAGS = {
  NO_PREALLOC: 1 << 0,
  NO_COMMON_LRU: 1 << 1,
  NUMA_NODE: 1 << 2,
  RDONLY: 1 << 3,
  WRONLY: 1 << 4,
  STACK_BUILD_ID: 1 << 5,
  ZERO_SEED: 1 << 6,
  RDONLY_PROG: 1 << 7,
  WRONLY_PROG: 1 << 8,
  CLONE: 1 << 9,
  MMAPABLE: 1 << 10,
  PRESERVE_ELEMS: 1 << 11,
  INNER_MAP: 1 << 12,
  LINK: 1 << 13,
  PATH_FD: 1 << 14,
  VTYPE_BTF_OBJ_FD: 1 << 15,
  TOKEN_FD: 1 << 16,
  SEGV_ON_FAULT: 1 << 17,
  NO_USER_CONV: 1 << 18,
} as const;

/** Whether programs may store to values that they look up. Devices are the application's to name (kernel/bpf/devmap.c: dev_map_init_map). */
export const writableByPrograms = ({ type, flags }: { readonly type: MapTypeName; readonly flags: number }): boolean =>
  (flags & MAP_FLAGS.RDONLY_PROG) === 0 && type !== 'devmap' && type !== 'devmap_hash';

/** BPF_MAP_UPDATE_ELEM flags. */
export const UPDATE_FLAGS = { ANY: 0, NOEXIST: 1, EXIST: 2, LOCK: 4 } as const;
