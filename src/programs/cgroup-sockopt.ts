import type { ProgramTypeRow } from '../spec/program.ts';
import { BASE } from './families.ts';
import { field, packet, socket } from './fields.ts';
import { plainHarness } from './plain-context.ts';

/** kernel/bpf/cgroup.c: cg_sockopt_is_valid_access. The option's value is the `data` of a test-run. */
export const cgroupSockopt: ProgramTypeRow = {
  type: 'cgroup_sockopt',
  contexts: {
    linux: {
      name: 'struct bpf_sockopt',
      size: 40,
      fields: {
        sk: socket(0),
        optval: packet(8, 8, 'packet'),
        optval_end: packet(16, 8, 'packetEnd'),
        level: field(24, 4, 'read-write', { storeOnly: ['cgroup_setsockopt'] }),
        optname: field(28, 4, 'read-write', { storeOnly: ['cgroup_setsockopt'] }),
        optlen: field(32, 4, 'read-write'),
        retval: field(36, 4, 'read-write', { only: ['cgroup_getsockopt'] }),
      },
    },
  },
  attachTypes: ['cgroup_getsockopt', 'cgroup_setsockopt'],
  returns: [{ min: 0n, max: 1n }],
  verdicts: { linux: { DENY: 0n, ALLOW: 1n } },
  families: [...BASE, 'perf-output', 'netns-cookie', 'tcp-socket', 'socket-option', 'cgroup-storage', 'socket-storage'],
  harness: plainHarness({ writableData: true }),
  doc: 'getsockopt and setsockopt of a control group’s sockets.',
};
