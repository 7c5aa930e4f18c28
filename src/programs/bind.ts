import type { ProgramTypeRow } from '../spec/program.ts';
import { BASE, WINDOWS_GLOBAL } from './families.ts';
import { field, packet } from './fields.ts';
import { plainHarness } from './plain-context.ts';

/**
 * eBPF for Windows, include/ebpf_nethooks.h: bind_md_t. The application's id (its path) is the `data` of a test-run.
 * `operation`: 0 bind, 1 post-bind, 2 unbind.
 */
export const bind: ProgramTypeRow = {
  type: 'bind',
  contexts: {
    windows: {
      name: 'struct _bind_md',
      size: 56,
      loose: true,
      fields: {
        app_id_start: packet(0, 8, 'packet'),
        app_id_end: packet(8, 8, 'packetEnd'),
        process_id: field(16, 8),
        socket_address: field(24, 16, 'read-write'),
        socket_address_length: field(40, 1, 'read-write'),
        operation: field(44, 4),
        protocol: field(48, 1),
      },
    },
  },
  attachTypes: ['bind'],
  returns: [],
  verdicts: { windows: { BIND_PERMIT_SOFT: 0n, BIND_DENY: 1n, BIND_REDIRECT: 2n, BIND_PERMIT_HARD: 3n } },
  families: [...BASE, ...WINDOWS_GLOBAL],
  harness: plainHarness(),
  doc: 'Windows: sockets that are bound to and released from a local address.',
};
