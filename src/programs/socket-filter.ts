import type { ProgramTypeRow } from '../spec/program.ts';
import { NETWORK } from './families.ts';
import { SOCKET_FIELDS, skbHarness, skbLayout } from './skb.ts';

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
  otherVerdict: { linux: 'KEEP' },
  families: [...NETWORK, 'skb-load', 'skb-load-relative', 'netns-cookie', 'socket-cookie', 'socket-owner'],
  harness: skbHarness({ layer: 'network', writable: false }),
  doc: 'What a socket receives; the return value is how many bytes of the packet to keep, 0 for none of it.',
};
