// Helper families (helpers/index.ts) that many program types admit alike. A test holds each type's list to what the running
// kernel admits.
import type { HelperFamily } from '../spec/helper.ts';

type Families = readonly HelperFamily['family'][];

/** bpf_base_func_proto (kernel/bpf/helpers.c): what every type may call. */
export const BASE: Families = [
  'map',
  'system',
  'time',
  'tail-call',
  'loop',
  'lock',
  'string',
  'dynptr',
  'ring-buffer',
  'trace',
  'process',
  'probe-read',
  'perf-counter',
  'task-cgroup',
  'task-storage',
];

/** bpf_tracing_func_proto (kernel/trace/bpf_trace.c). */
export const TRACING: Families = [...BASE, 'probe-read-any', 'probe-write', 'perf-output', 'stack'];

/** What the types of net/core/filter.c have beside the base. */
export const NETWORK: Families = [...BASE, 'coarse-time', 'perf-output'];

/** Finding sockets and giving them back. */
export const SOCKET_LOOKUP: Families = ['socket-lookup', 'socket-release'];

/** lwt_out_func_proto, which the other lwt types extend. */
export const LIGHTWEIGHT_TUNNEL: Families = [
  ...NETWORK,
  'checksum',
  'skb-load',
  'skb-pull',
  'skb-flow',
  'under-cgroup',
];

/** lwt_xmit_func_proto. */
export const LIGHTWEIGHT_TUNNEL_TRANSMIT: Families = [
  ...LIGHTWEIGHT_TUNNEL,
  'packet-checksum',
  'skb-store',
  'skb-resize',
  'skb-hash',
  'redirect',
  'clone',
  'tunnel',
];

/** Global helpers of eBPF for Windows, by its numbers: what a Windows program of any type may call beside the base. */
export const WINDOWS_GLOBAL: Families = ['windows', 'checksum', 'perf-output'];
