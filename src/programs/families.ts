// Groups of helper families (helpers/*.ts) that program types admit. Which helper a type may call was asked of Linux 6.18 for
// every pair (test/programs/helpers-of-types.test.ts asks again).

/** bpf_base_func_proto: what every type may call, but for {@link TRACING_ONLY}. Also the families of Windows' global helpers. */
export const BASE = [
  'map',
  'system',
  'time',
  'tail-call',
  'ring-buffer',
  'loop',
  'lock',
  'process',
  'task-cgroup',
  'task-storage',
  'probe-read',
  'string',
  'trace',
  'perf-event',
  'dynptr',
] as const;

/** Helpers of BASE that only tracing types may call. */
export const TRACING_ONLY = ['get_stackid', 'get_stack', 'probe_read', 'probe_read_str'] as const;

/** The one helper of BASE that tracing types and a few others may not call. */
export const NO_COARSE_CLOCK = ['ktime_get_coarse_ns'] as const;

/** bpf_tracing_func_proto. probe_write_user is refused by a locked-down kernel. */
export const TRACING = [...BASE, 'perf-output', 'probe-write'] as const;

/** Global helpers of Windows in families that Linux gives to some types only. */
export const WINDOWS_GLOBAL = ['windows', 'checksum', 'perf-output'] as const;

/** What an skb of a route may be asked; the exceptions are NOT_ON_ROUTES. */
export const ROUTE = [
  ...BASE,
  'perf-output',
  'checksum',
  'skb-load',
  'skb-store',
  'skb-edit',
  'packet-socket',
] as const;

export const NOT_ON_ROUTES = [
  ...TRACING_ONLY,
  'skb_load_bytes_relative',
  'skb_vlan_push',
  'skb_vlan_pop',
  'skb_change_type',
  'skb_set_tstamp',
  'set_hash',
  'get_socket_uid',
  'skb_cgroup_id',
  'skb_ancestor_cgroup_id',
] as const;
