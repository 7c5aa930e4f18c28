import type { ProgramTypeRow } from '../spec/program.ts';
import { BASE } from './families.ts';
import { field, narrow } from './fields.ts';
import { plainHarness } from './plain-context.ts';

/** kernel/bpf/cgroup.c: cgroup_dev_is_valid_access. access_type is (BPF_DEVCG_ACC_* << 16) | BPF_DEVCG_DEV_*. */
export const cgroupDevice: ProgramTypeRow = {
  type: 'cgroup_device',
  contexts: {
    linux: {
      name: 'struct bpf_cgroup_dev_ctx',
      size: 12,
      fields: { access_type: narrow(0, 4), major: field(4, 4), minor: field(8, 4) },
    },
  },
  attachTypes: ['cgroup_device'],
  returns: [{ min: 0n, max: 1n }],
  verdicts: { linux: { DENY: 0n, ALLOW: 1n } },
  families: [...BASE, 'perf-output', 'cgroup-storage'],
  harness: plainHarness(),
  doc: 'Access of a control group’s processes to device files.',
};
