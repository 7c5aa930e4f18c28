import type { ProgramTypeRow } from '../spec/program.ts';
import { BASE, TRACING_ONLY } from './families.ts';
import { SOCKET_FIELDS, skbHarness, skbLayout } from './skb.ts';
import { NETWORK } from './families.ts';

/** net/core/filter.c: sk_filter_is_valid_access. */
export const socketFilter: ProgramTypeRow = {
  type: 'socket_filter',
  contexts: {
    linux: skbLayout(
      [
        ...SOCKET_FIELDS,
        'tc_classid',
        'data',
        'data_end',
        'data_meta',
        'flow_keys',
        'tstamp',
        'tstamp_type',
        'wire_len',
        'hwtstamp',
      ],
      ['cb'],
    ),
  },
  attachTypes: [],
  returns: [],
  verdicts: { linux: { DROP: 0n } },
  otherVerdict: 'KEEP',
  families: [...BASE, 'perf-output', 'skb-load', 'packet-socket', 'socket-cookie'],
  withoutHelpers: [...TRACING_ONLY, 'skb_cgroup_id', 'skb_ancestor_cgroup_id', 'skb_under_cgroup'],
  harness: skbHarness({ layer: 'network', writable: false }),
  doc: 'What a socket receives; the return value is how many bytes of the packet to keep, 0 for none of it.',
};
