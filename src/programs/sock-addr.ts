// Addresses of bind, connect, sendmsg and the like: cgroup_sock_addr on Linux, sock_addr on Windows.
import type { ContextLayout, ProgramTypeRow } from '../spec/program.ts';
import type { AttachTypeName } from '../spec/program-types.ts';
import { NETWORK, WINDOWS_GLOBAL } from './families.ts';
import { field, socket } from './fields.ts';
import { plainHarness } from './plain-context.ts';

type Attach = readonly AttachTypeName[];

const INET4: Attach = [
  'cgroup_inet4_bind',
  'cgroup_inet4_connect',
  'cgroup_inet4_getpeername',
  'cgroup_inet4_getsockname',
  'cgroup_udp4_sendmsg',
  'cgroup_udp4_recvmsg',
];
const INET6: Attach = [
  'cgroup_inet6_bind',
  'cgroup_inet6_connect',
  'cgroup_inet6_getpeername',
  'cgroup_inet6_getsockname',
  'cgroup_udp6_sendmsg',
  'cgroup_udp6_recvmsg',
];
const UNIX: Attach = [
  'cgroup_unix_connect',
  'cgroup_unix_sendmsg',
  'cgroup_unix_recvmsg',
  'cgroup_unix_getpeername',
  'cgroup_unix_getsockname',
];

/** net/core/filter.c: sock_addr_is_valid_access. Addresses and ports in network byte order. */
const LINUX: ContextLayout = {
  name: 'struct bpf_sock_addr',
  size: 72,
  fields: {
    user_family: field(0, 4),
    user_ip4: field(4, 4, 'read-write', { only: INET4, narrow: true }),
    user_ip6: field(8, 16, 'read-write', { only: INET6, narrow: true, wide: true }),
    user_port: field(24, 4, 'read-write', { narrow: true }),
    family: field(28, 4),
    type: field(32, 4),
    protocol: field(36, 4),
    msg_src_ip4: field(40, 4, 'read-write', { only: ['cgroup_udp4_sendmsg'], narrow: true }),
    msg_src_ip6: field(44, 16, 'read-write', { only: ['cgroup_udp6_sendmsg'], narrow: true, wide: true }),
    sk: socket(64),
  },
};

/** eBPF for Windows, include/ebpf_nethooks.h: bpf_sock_addr_t. `_ip4` and `_ip6` share their place. */
const WINDOWS: ContextLayout = {
  name: 'struct bpf_sock_addr',
  size: 64,
  loose: true,
  fields: {
    family: field(0, 4),
    msg_src_ip4: field(4, 4),
    msg_src_ip6: field(4, 16),
    msg_src_port: field(20, 2),
    user_ip4: field(24, 4, 'read-write'),
    user_ip6: field(24, 16, 'read-write'),
    user_port: field(40, 2, 'read-write'),
    protocol: field(44, 4),
    compartment_id: field(48, 4),
    interface_luid: field(56, 8),
  },
};

/** Hooks that can only change the address, not refuse (kernel/bpf/verifier.c: return range [1, 1]). */
const CANNOT_REFUSE: Attach = [
  'cgroup_udp4_recvmsg',
  'cgroup_udp6_recvmsg',
  'cgroup_unix_recvmsg',
  'cgroup_inet4_getpeername',
  'cgroup_inet6_getpeername',
  'cgroup_unix_getpeername',
  'cgroup_inet4_getsockname',
  'cgroup_inet6_getsockname',
  'cgroup_unix_getsockname',
];
const BIND: Attach = ['cgroup_inet4_bind', 'cgroup_inet6_bind'];
const ALL = [...INET4, ...INET6, ...UNIX];

export const cgroupSockAddr: ProgramTypeRow = {
  type: 'cgroup_sock_addr',
  contexts: { linux: LINUX, windows: WINDOWS },
  attachTypes: [
    ...ALL,
    'cgroup_inet4_recv_accept',
    'cgroup_inet6_recv_accept',
    'cgroup_inet4_connect_authorization',
    'cgroup_inet6_connect_authorization',
    'cgroup_inet4_listen',
    'cgroup_inet6_listen',
  ],
  returns: [
    // Windows takes any other number for a refusal.
    { dialect: 'linux', attach: CANNOT_REFUSE, min: 1n, max: 1n },
    // Bit 1 of bind: no check of CAP_NET_BIND_SERVICE.
    { dialect: 'linux', attach: BIND, min: 0n, max: 3n },
    {
      dialect: 'linux',
      attach: ALL.filter((name) => !CANNOT_REFUSE.includes(name) && !BIND.includes(name)),
      min: 0n,
      max: 1n,
    },
  ],
  verdicts: {
    linux: { DENY: 0n, ALLOW: 1n, DENY_UNPRIVILEGED_PORT: 2n, ALLOW_UNPRIVILEGED_PORT: 3n },
    windows: { REJECT: 0n, PROCEED_SOFT: 1n, PROCEED_HARD: 2n },
  },
  otherVerdict: { windows: 'REJECT' },
  families: [
    ...NETWORK,
    'netns-cookie',
    'socket-cookie',
    'socket-lookup',
    'socket-release',
    'bind',
    'socket-option',
    'cgroup-storage',
    'socket-storage',
  ],
  dialectFamilies: { windows: [...WINDOWS_GLOBAL, 'windows-socket'] },
  harness: plainHarness(),
  doc: 'Addresses that sockets bind to, connect to, send to and receive from; they can be rewritten.',
};
