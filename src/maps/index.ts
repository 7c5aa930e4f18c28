// The map types: one row each. A new type is a file and a line here.
import type { MapTypeRow } from '../spec/map.ts';
import type { MapTypeName } from '../spec/map-types.ts';
import { array } from './array.ts';
import { arrayOfMaps } from './array-of-maps.ts';
import { bloomFilter } from './bloom-filter.ts';
import { cgroupArray } from './cgroup-array.ts';
import { cgroupStorage } from './cgroup-storage.ts';
import { cgrpStorage } from './cgrp-storage.ts';
import { cpumap } from './cpumap.ts';
import { devmap } from './devmap.ts';
import { devmapHash } from './devmap-hash.ts';
import { hash } from './hash.ts';
import { hashOfMaps } from './hash-of-maps.ts';
import { inodeStorage } from './inode-storage.ts';
import { lpmTrie } from './lpm-trie.ts';
import { lruHash } from './lru-hash.ts';
import { lruPercpuHash } from './lru-percpu-hash.ts';
import { percpuArray } from './percpu-array.ts';
import { percpuCgroupStorage } from './percpu-cgroup-storage.ts';
import { percpuHash } from './percpu-hash.ts';
import { perfEventArray } from './perf-event-array.ts';
import { progArray } from './prog-array.ts';
import { queue } from './queue.ts';
import { reuseportSockarray } from './reuseport-sockarray.ts';
import { ringbuf } from './ringbuf.ts';
import { skStorage } from './sk-storage.ts';
import { sockhash } from './sockhash.ts';
import { sockmap } from './sockmap.ts';
import { stack } from './stack.ts';
import { stackTrace } from './stack-trace.ts';
import { taskStorage } from './task-storage.ts';
import { arena, sampleHashMap, structOps } from './unsupported.ts';
import { userRingbuf } from './user-ringbuf.ts';
import { xskmap } from './xskmap.ts';

/** Every map type of Linux and Windows; those that cannot be made have a row that says why. */
export const MAP_TYPE_ROWS: { readonly [Name in MapTypeName]: MapTypeRow } = {
  hash,
  array,
  prog_array: progArray,
  perf_event_array: perfEventArray,
  percpu_hash: percpuHash,
  percpu_array: percpuArray,
  stack_trace: stackTrace,
  cgroup_array: cgroupArray,
  lru_hash: lruHash,
  lru_percpu_hash: lruPercpuHash,
  lpm_trie: lpmTrie,
  array_of_maps: arrayOfMaps,
  hash_of_maps: hashOfMaps,
  devmap,
  sockmap,
  cpumap,
  xskmap,
  sockhash,
  cgroup_storage: cgroupStorage,
  reuseport_sockarray: reuseportSockarray,
  percpu_cgroup_storage: percpuCgroupStorage,
  queue,
  stack,
  sk_storage: skStorage,
  devmap_hash: devmapHash,
  struct_ops: structOps,
  ringbuf,
  inode_storage: inodeStorage,
  task_storage: taskStorage,
  bloom_filter: bloomFilter,
  user_ringbuf: userRingbuf,
  cgrp_storage: cgrpStorage,
  arena,
  sample_hash_map: sampleHashMap,
};
