import type { ProgramTypeRow } from '../spec/program.ts';
import { BASE } from './families.ts';
import { field, narrow, packet, socket } from './fields.ts';
import { plainHarness } from './plain-context.ts';

/** net/core/filter.c: sk_reuseport_is_valid_access. The kernel has no test-run for it; `data` begins at the UDP or TCP header. */
export const skReuseport: ProgramTypeRow = {
  type: 'sk_reuseport',
  contexts: {
    linux: {
      name: 'struct sk_reuseport_md',
      size: 56,
      fields: {
        data: packet(0, 8, 'packet'),
        data_end: packet(8, 8, 'packetEnd'),
        len: narrow(16, 4),
        eth_protocol: field(20, 4, 'read', { narrow: 'halves' }),
        ip_protocol: narrow(24, 4),
        bind_inany: narrow(28, 4),
        hash: field(32, 4),
        sk: socket(40),
        migrating_sk: socket(48),
      },
    },
  },
  attachTypes: ['sk_reuseport_select', 'sk_reuseport_select_or_migrate'],
  returns: [],
  verdicts: { linux: { SK_DROP: 0n, SK_PASS: 1n } },
  families: [...BASE, 'skb-load', 'skb-load-relative', 'socket-cookie', 'reuseport', 'coarse-time'],
  harness: plainHarness(),
  doc: 'Chooses a socket of a SO_REUSEPORT group.',
};
