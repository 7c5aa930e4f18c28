import type { ProgramTypeRow } from '../spec/program.ts';
import { NETWORK } from './families.ts';
import { skbHarness, skbLayout } from './skb.ts';

/** net/core/filter.c: cg_skb_is_valid_access. */
export const cgroupSkb: ProgramTypeRow = {
  type: 'cgroup_skb',
  contexts: {
    linux: skbLayout(
      ['tc_classid', 'data_meta', 'flow_keys', 'wire_len', 'tstamp_type'],
      ['mark', 'priority', 'cb', 'tstamp'],
    ),
  },
  attachTypes: ['cgroup_inet_ingress', 'cgroup_inet_egress'],
  returns: [
    // Bit 1 is congestion notification (BPF_PROG_CGROUP_INET_EGRESS_RUN_ARRAY).
    { attach: ['cgroup_inet_egress'], min: 0n, max: 3n },
    { attach: ['cgroup_inet_ingress'], min: 0n, max: 1n },
  ],
  verdicts: { linux: { DROP: 0n, ALLOW: 1n, DROP_CONGESTED: 2n, ALLOW_CONGESTED: 3n } },
  families: [
    ...NETWORK,
    'skb-load',
    'skb-load-relative',
    'skb-ecn',
    'netns-cookie',
    'packet-cgroup',
    'socket-cgroup',
    'socket-cookie',
    'socket-owner',
    'socket-field',
    'socket-lookup',
    'socket-release',
    'tcp-socket',
    'cgroup-storage',
    'socket-storage',
  ],
  harness: skbHarness({ layer: 'network', writable: false }),
  doc: 'IP packets that a control group’s sockets send or receive.',
};
