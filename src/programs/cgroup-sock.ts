import type { ProgramTypeRow } from '../spec/program.ts';
import type { AttachTypeName } from '../spec/program-types.ts';
import { BPF_SOCK } from '../spec/sockets.ts';
import { NETWORK } from './families.ts';
import { plainHarness } from './plain-context.ts';

const LIFE: readonly AttachTypeName[] = ['cgroup_inet_sock_create', 'cgroup_inet_sock_release'];
const BIND4: readonly AttachTypeName[] = ['cgroup_inet4_post_bind'];
const BIND6: readonly AttachTypeName[] = ['cgroup_inet6_post_bind'];
const { fields } = BPF_SOCK;

/** net/core/filter.c: sock_filter_is_valid_access, __sock_filter_check_attach_type. */
export const cgroupSock: ProgramTypeRow = {
  type: 'cgroup_sock',
  contexts: {
    linux: {
      ...BPF_SOCK,
      fields: {
        ...fields,
        bound_dev_if: { ...fields.bound_dev_if, access: 'read-write', only: LIFE },
        mark: { ...fields.mark, access: 'read-write', only: LIFE },
        priority: { ...fields.priority, access: 'read-write', only: LIFE },
        src_ip4: { ...fields.src_ip4, only: BIND4 },
        src_ip6: { ...fields.src_ip6, only: BIND6 },
        src_port: { ...fields.src_port, only: [...BIND4, ...BIND6] },
      },
    },
  },
  attachTypes: [...LIFE, ...BIND4, ...BIND6],
  returns: [{ min: 0n, max: 1n }],
  verdicts: { linux: { DENY: 0n, ALLOW: 1n } },
  families: [...NETWORK, 'netns-cookie', 'socket-cookie', 'cgroup-storage', 'socket-storage'],
  withoutHelpers: ['sk_storage_delete'],
  harness: plainHarness(),
  doc: 'Sockets of a control group when they are created, bound and released.',
};
