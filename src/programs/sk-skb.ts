import type { ProgramTypeRow } from '../spec/program.ts';
import { NETWORK } from './families.ts';
import { skbHarness, skbLayout } from './skb.ts';

/**
 * net/core/filter.c: sk_skb_is_valid_access. The kernel has no stream to test-run it on; bpf_prog_test_run_skb gives it the
 * packet at the network header.
 */
export const skSkb: ProgramTypeRow = {
  type: 'sk_skb',
  contexts: {
    linux: skbLayout(
      ['mark', 'tc_classid', 'data_meta', 'flow_keys', 'tstamp', 'tstamp_type', 'wire_len', 'hwtstamp'],
      ['tc_index', 'priority'],
    ),
  },
  attachTypes: ['sk_skb_stream_parser', 'sk_skb_stream_verdict', 'sk_skb_verdict'],
  returns: [],
  verdicts: { linux: { SK_DROP: 0n, SK_PASS: 1n } },
  families: [
    ...NETWORK,
    'skb-load',
    'skb-pull',
    'skb-store',
    'skb-resize',
    'skb-room',
    'socket-cookie',
    'socket-owner',
    'socket-lookup',
    'socket-release',
    'sk-skb',
  ],
  harness: skbHarness({ layer: 'network', writable: true }),
  doc: 'Data that arrives on sockets of a sockmap: where a message ends, and which socket gets it.',
};
