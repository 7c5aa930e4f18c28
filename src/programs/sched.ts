import type { ProgramTypeRow } from '../spec/program.ts';
import { NETWORK, SOCKET_LOOKUP } from './families.ts';
import { SOCKET_FIELDS, skbHarness, skbLayout } from './skb.ts';

/** net/core/filter.c: tc_cls_act_is_valid_access. */
const layout = skbLayout(
  [...SOCKET_FIELDS, 'flow_keys'],
  ['mark', 'tc_index', 'priority', 'cb', 'tc_classid', 'tstamp', 'queue_mapping'],
);

/** include/uapi/linux/pkt_cls.h */
const TC_ACT = {
  TC_ACT_UNSPEC: -1n,
  TC_ACT_OK: 0n,
  TC_ACT_RECLASSIFY: 1n,
  TC_ACT_SHOT: 2n,
  TC_ACT_PIPE: 3n,
  TC_ACT_STOLEN: 4n,
  TC_ACT_QUEUED: 5n,
  TC_ACT_REPEAT: 6n,
  TC_ACT_REDIRECT: 7n,
  TC_ACT_TRAP: 8n,
} as const;

const harness = skbHarness({ layer: 'link', writable: true });

/** tc_cls_act_func_proto (net/core/filter.c). */
const FAMILIES: ProgramTypeRow['families'] = [
  ...NETWORK,
  ...SOCKET_LOOKUP,
  'checksum',
  'packet-checksum',
  'skb-load',
  'skb-load-relative',
  'skb-pull',
  'skb-store',
  'skb-resize',
  'skb-room',
  'skb-protocol',
  'skb-edit',
  'skb-hash',
  'skb-flow',
  'skb-ecn',
  'redirect',
  'redirect-neighbour',
  'clone',
  'tunnel',
  'fib',
  'mtu',
  'socket-assign',
  'socket-cookie',
  'netns-cookie',
  'socket-owner',
  'socket-field',
  'tcp-socket',
  'socket-storage',
  'packet-cgroup',
  'under-cgroup',
];

export const schedCls: ProgramTypeRow = {
  type: 'sched_cls',
  contexts: { linux: layout },
  attachTypes: ['tcx_ingress', 'tcx_egress', 'netkit_primary', 'netkit_peer'],
  returns: [],
  verdicts: { linux: TC_ACT },
  families: FAMILIES,
  harness,
  doc: 'Traffic control classifiers: tc in direct-action mode, tcx and netkit, on ingress and egress.',
};

export const schedAct: ProgramTypeRow = {
  type: 'sched_act',
  contexts: { linux: layout },
  attachTypes: [],
  returns: [],
  verdicts: { linux: TC_ACT },
  families: FAMILIES,
  harness,
  doc: 'Traffic control actions, behind a filter.',
};
