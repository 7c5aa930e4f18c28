// Which map types a helper works on (check_map_func_compatibility of the kernel's verifier).
import { MAP_FLAGS, type MapTypeName } from '../spec/map-types.ts';
import type { MapSpec, ProgramSpec } from '../spec/object.ts';
import type { ProgramTypeName } from '../spec/program-types.ts';

/** Maps that only the helpers named here may be given. */
const ONLY: { readonly [T in MapTypeName]?: readonly string[] } = {
  prog_array: ['tail_call'],
  perf_event_array: ['perf_event_output', 'perf_event_read', 'perf_event_read_value', 'skb_output', 'xdp_output'],
  ringbuf: ['ringbuf_output', 'ringbuf_reserve', 'ringbuf_query', 'ringbuf_reserve_dynptr'],
  user_ringbuf: ['user_ringbuf_drain'],
  stack_trace: ['get_stackid'],
  cgroup_array: ['skb_under_cgroup', 'current_task_under_cgroup'],
  cgroup_storage: ['get_local_storage'],
  percpu_cgroup_storage: ['get_local_storage'],
  devmap: ['redirect_map', 'map_lookup_elem'],
  devmap_hash: ['redirect_map', 'map_lookup_elem'],
  cpumap: ['redirect_map'],
  xskmap: ['redirect_map', 'map_lookup_elem'],
  array_of_maps: ['map_lookup_elem'],
  hash_of_maps: ['map_lookup_elem'],
  sockmap: [
    'sk_redirect_map',
    'sock_map_update',
    'map_delete_elem',
    'msg_redirect_map',
    'sk_select_reuseport',
    'map_lookup_elem',
    'map_update_elem',
  ],
  sockhash: [
    'sk_redirect_hash',
    'sock_hash_update',
    'map_delete_elem',
    'msg_redirect_hash',
    'sk_select_reuseport',
    'map_lookup_elem',
    'map_update_elem',
  ],
  reuseport_sockarray: ['sk_select_reuseport'],
  queue: ['map_peek_elem', 'map_pop_elem', 'map_push_elem'],
  stack: ['map_peek_elem', 'map_pop_elem', 'map_push_elem'],
  sk_storage: ['sk_storage_get', 'sk_storage_delete', 'kptr_xchg'],
  inode_storage: ['inode_storage_get', 'inode_storage_delete', 'kptr_xchg'],
  task_storage: ['task_storage_get', 'task_storage_delete', 'kptr_xchg'],
  cgrp_storage: ['cgrp_storage_get', 'cgrp_storage_delete', 'kptr_xchg'],
  bloom_filter: ['map_peek_elem', 'map_push_elem'],
};

/** Helpers that take only some map types. */
const TAKES: Readonly<Record<string, readonly MapTypeName[]>> = {
  tail_call: ['prog_array'],
  perf_event_output: ['perf_event_array'],
  perf_event_read: ['perf_event_array'],
  perf_event_read_value: ['perf_event_array'],
  skb_output: ['perf_event_array'],
  xdp_output: ['perf_event_array'],
  ringbuf_output: ['ringbuf'],
  ringbuf_reserve: ['ringbuf'],
  ringbuf_query: ['ringbuf'],
  ringbuf_reserve_dynptr: ['ringbuf'],
  user_ringbuf_drain: ['user_ringbuf'],
  get_stackid: ['stack_trace'],
  current_task_under_cgroup: ['cgroup_array'],
  skb_under_cgroup: ['cgroup_array'],
  redirect_map: ['devmap', 'devmap_hash', 'cpumap', 'xskmap'],
  sk_redirect_map: ['sockmap'],
  msg_redirect_map: ['sockmap'],
  sock_map_update: ['sockmap'],
  sk_redirect_hash: ['sockhash'],
  msg_redirect_hash: ['sockhash'],
  sock_hash_update: ['sockhash'],
  get_local_storage: ['cgroup_storage', 'percpu_cgroup_storage'],
  sk_select_reuseport: ['reuseport_sockarray', 'sockmap', 'sockhash'],
  map_peek_elem: ['queue', 'stack', 'bloom_filter'],
  map_push_elem: ['queue', 'stack', 'bloom_filter'],
  map_pop_elem: ['queue', 'stack'],
  map_lookup_percpu_elem: ['percpu_array', 'percpu_hash', 'lru_percpu_hash'],
  sk_storage_get: ['sk_storage'],
  sk_storage_delete: ['sk_storage'],
  inode_storage_get: ['inode_storage'],
  inode_storage_delete: ['inode_storage'],
  task_storage_get: ['task_storage'],
  task_storage_delete: ['task_storage'],
  cgrp_storage_get: ['cgrp_storage'],
  cgrp_storage_delete: ['cgrp_storage'],
  for_each_map_elem: ['hash', 'percpu_hash', 'lru_hash', 'lru_percpu_hash', 'array', 'percpu_array'],
};

export const worksOn = (helper: string, type: MapTypeName): boolean =>
  (ONLY[type]?.includes(helper) ?? true) && (TAKES[helper]?.includes(type) ?? true);

/** Types whose programs may put sockets into maps by map_update_elem (may_update_sockmap of the kernel). */
const PUTS_SOCKETS: ReadonlySet<ProgramTypeName> = new Set([
  'sched_cls',
  'sched_act',
  'xdp',
  'socket_filter',
  'sk_reuseport',
  'flow_dissector',
  'sk_lookup',
]);

/** Helpers that change elements (record_func_map of the kernel). */
const CHANGES: ReadonlySet<string> = new Set(['map_update_elem', 'map_delete_elem', 'map_push_elem', 'map_pop_elem']);

/** Whether a program of this type may change this map by this helper. */
export function mayChange(helper: string, map: MapSpec, { type: program, attachType }: ProgramSpec): boolean {
  if (CHANGES.has(helper) && (map.flags & MAP_FLAGS.RDONLY_PROG) !== 0) return false;
  const { type } = map;
  if ((type !== 'sockmap' && type !== 'sockhash') || !['map_update_elem', 'map_delete_elem'].includes(helper))
    return true;
  if (PUTS_SOCKETS.has(program) || attachType === 'trace_iter') return true;
  return program === 'sock_ops' && helper === 'map_delete_elem';
}
