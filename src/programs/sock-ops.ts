import type { ContextField, ContextLayout, ProgramTypeRow } from '../spec/program.ts';
import { TCP_COUNTERS } from '../spec/sockets.ts';
import { NETWORK, WINDOWS_GLOBAL } from './families.ts';
import { field, packet, series, socket } from './fields.ts';
import { plainHarness } from './plain-context.ts';

/** u32 fields between is_fullsock and sk_txhash, in order. */
const TCP_FIELDS = ['is_fullsock', 'snd_cwnd', 'srtt_us', 'bpf_sock_ops_cb_flags', 'state', ...TCP_COUNTERS];

/** net/core/filter.c: sock_ops_is_valid_access. `args`, `reply` and `replylong` are one union. */
const LINUX: ContextLayout = {
  name: 'struct bpf_sock_ops',
  size: 224,
  fields: {
    op: field(0, 4),
    args: field(4, 16),
    reply: field(4, 4, 'read-write'),
    replylong: field(4, 16),
    family: field(20, 4),
    remote_ip4: field(24, 4),
    local_ip4: field(28, 4),
    remote_ip6: field(32, 16),
    local_ip6: field(48, 16),
    remote_port: field(64, 4),
    local_port: field(68, 4),
    ...series(TCP_FIELDS, 4, 'read', {}, 72),
    sk_txhash: field(164, 4, 'read-write'),
    bytes_received: field(168, 8),
    bytes_acked: field(176, 8),
    sk: socket(184),
    skb_data: packet(192, 8, 'packet'),
    skb_data_end: packet(200, 8, 'packetEnd'),
    skb_len: field(208, 4),
    skb_tcp_flags: field(212, 4, 'read', { narrow: 'start' }),
    skb_hwtstamp: field(216, 8),
  } satisfies Record<string, ContextField>,
};

/** eBPF for Windows, include/ebpf_nethooks.h: bpf_sock_ops_t. `_ip4` and `_ip6` share their place. */
const WINDOWS: ContextLayout = {
  name: 'struct bpf_sock_ops',
  size: 64,
  loose: true,
  fields: {
    op: field(0, 4),
    family: field(4, 4),
    local_ip4: field(8, 4),
    local_ip6: field(8, 16),
    local_port: field(24, 4),
    remote_ip4: field(28, 4),
    remote_ip6: field(28, 16),
    remote_port: field(44, 4),
    protocol: field(48, 1),
    compartment_id: field(52, 4),
    interface_luid: field(56, 8),
  },
};

export const sockOps: ProgramTypeRow = {
  type: 'sock_ops',
  contexts: { linux: LINUX, windows: WINDOWS },
  attachTypes: ['cgroup_sock_ops'],
  // Linux asks for 0 or 1; on Windows any other value than 0 is an error code.
  returns: [{ dialect: 'linux', min: 0n, max: 1n }],
  verdicts: { linux: { FAIL: 0n, OK: 1n }, windows: { OK: 0n } },
  otherVerdict: { windows: 'ERROR' },
  families: [
    ...NETWORK,
    'netns-cookie',
    'tcp-socket',
    'sock-ops',
    'socket-option',
    'sock-map-update',
    'cgroup-storage',
    'socket-storage',
  ],
  // Windows' sockops does not supply the cookie.
  dialectFamilies: { linux: ['socket-cookie'], windows: [...WINDOWS_GLOBAL, 'windows-socket'] },
  harness: plainHarness(),
  doc: 'Events in the life of TCP connections: established, retransmitted, closed.',
};
