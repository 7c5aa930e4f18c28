import type { ProgramTypeRow } from '../spec/program.ts';
import { onlyFields, refuse } from './context-input.ts';
import { NETWORK } from './families.ts';
import { narrow, socket } from './fields.ts';
import { plainHarness } from './plain-context.ts';
import { AF_INET, AF_INET6 } from './socket.ts';

/** net/core/filter.c: sk_lookup_is_valid_access. */
const LAYOUT = {
  name: 'struct bpf_sk_lookup',
  size: 72,
  fields: {
    /** In a test-run's answer: not zero where the program selected a socket. */
    sk: socket(0),
    family: narrow(8, 4),
    protocol: narrow(12, 4),
    remote_ip4: narrow(16, 4),
    remote_ip6: narrow(20, 16),
    /** Network byte order in the first two bytes, then two of zero. */
    remote_port: narrow(36, 4),
    local_ip4: narrow(40, 4),
    local_ip6: narrow(44, 16),
    /** Host byte order. */
    local_port: narrow(60, 4),
    ingress_ifindex: narrow(64, 4),
  },
} as const;

/** bpf_prog_test_run_sk_lookup. */
function prepare(image: Uint8Array<ArrayBuffer>): void {
  const { name, fields } = LAYOUT;
  const view = new DataView(image.buffer);
  // Padding behind remote_port, which the kernel does not look at and the program sees as zero.
  image.fill(0, fields.remote_port.offset + 2, fields.local_ip4.offset);
  const allowed = Object.keys(fields).filter((key) => key !== 'sk' && key !== 'ingress_ifindex');
  onlyFields(image, name, fields, allowed);
  if (view.getUint32(fields.local_port.offset, true) > 0xffff) refuse('ERANGE', 'local_port is above 65535');
  const family = view.getUint16(fields.family.offset, true);
  if (family !== AF_INET && family !== AF_INET6)
    refuse('EAFNOSUPPORT', `family ${family} is neither ${AF_INET} nor ${AF_INET6}`);
}

export const skLookup: ProgramTypeRow = {
  type: 'sk_lookup',
  contexts: { linux: LAYOUT },
  attachTypes: ['sk_lookup'],
  returns: [{ min: 0n, max: 1n }],
  verdicts: { linux: { SK_DROP: 0n, SK_PASS: 1n } },
  families: [...NETWORK, 'socket-assign', 'socket-release'],
  harness: plainHarness({ prepare, selectsSocket: true }),
  doc: 'Chooses the listening socket of an incoming connection or datagram.',
};
