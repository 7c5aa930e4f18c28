import type { ProgramTypeRow } from '../spec/program.ts';
import { NETWORK } from './families.ts';
import { field, packet, socket } from './fields.ts';
import { plainHarness } from './plain-context.ts';

/** net/core/filter.c: sk_msg_is_valid_access. */
const LAYOUT = {
  name: 'struct sk_msg_md',
  size: 80,
  fields: {
    data: packet(0, 8, 'packet'),
    data_end: packet(8, 8, 'packetEnd'),
    family: field(16, 4),
    remote_ip4: field(20, 4),
    local_ip4: field(24, 4),
    remote_ip6: field(28, 16),
    local_ip6: field(44, 16),
    remote_port: field(60, 4),
    local_port: field(64, 4),
    size: field(68, 4),
    sk: socket(72),
  },
} as const;

export const skMsg: ProgramTypeRow = {
  type: 'sk_msg',
  contexts: {
    linux: LAYOUT,
  },
  attachTypes: ['sk_msg_verdict'],
  returns: [],
  verdicts: { linux: { SK_DROP: 0n, SK_PASS: 1n } },
  families: [...NETWORK, 'netns-cookie', 'sk-msg', 'socket-storage'],
  harness: plainHarness({
    writableData: true,
    prepare: (image, { data }) =>
      new DataView(image.buffer).setUint32(LAYOUT.fields.size.offset, data?.length ?? 0, true),
  }),
  doc: 'Messages that applications send on sockets of a sockmap.',
};
