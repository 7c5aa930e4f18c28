import type { ProgramTypeRow } from '../spec/program.ts';
import { NETWORK } from './families.ts';
import { field, narrow } from './fields.ts';
import { plainHarness } from './plain-context.ts';

/** kernel/bpf/cgroup.c: sysctl_is_valid_access. */
export const cgroupSysctl: ProgramTypeRow = {
  type: 'cgroup_sysctl',
  contexts: {
    linux: {
      name: 'struct bpf_sysctl',
      size: 8,
      fields: { write: narrow(0, 4), file_pos: field(4, 4, 'read-write', { narrow: true }) },
    },
  },
  attachTypes: ['cgroup_sysctl'],
  returns: [{ min: 0n, max: 1n }],
  verdicts: { linux: { DENY: 0n, ALLOW: 1n } },
  families: [...NETWORK, 'cgroup-storage'],
  harness: plainHarness(),
  doc: 'Reads and writes of /proc/sys by a control group’s processes.',
};
