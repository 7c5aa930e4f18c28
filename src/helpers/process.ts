import { utf8 } from '../base/bytes.ts';
import { fail } from '../base/diagnostic.ts';
import { helperRefused } from '../base/messages/helper.ts';
import { ERRNO } from '../spec/errno.ts';
import { helper, type HelperFamily } from '../spec/helper.ts';

const NAMESPACE_IDS_SIZE = 8;
/** Windows gives the tgid (process) in the high half as Linux does, and the thread in the low half. */
const pair = (high: number, low: number): bigint => (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);

export const processHelpers: HelperFamily = {
  family: 'process',
  doc: 'The task that the program runs for',
  helpers: [
    helper({
      name: 'get_current_pid_tgid',
      numbers: { linux: 14, windows: 19 },
      args: [],
      returns: 'integer',
      doc: 'Process id (tgid) in the upper 32 bits, thread id in the lower.',
      body: (env) => {
        const { tgid, pid } = env.host.process();
        return pair(tgid, pid);
      },
    }),
    helper({
      name: 'get_current_uid_gid',
      numbers: { linux: 15 },
      args: [],
      returns: 'integer',
      doc: 'Group id in the upper 32 bits, user id in the lower.',
      body: (env) => {
        const { uid, gid } = env.host.process();
        return pair(gid, uid);
      },
    }),
    helper({
      name: 'get_current_comm',
      numbers: { linux: 16 },
      args: ['memOut', 'size'],
      returns: 'integer',
      doc: 'Name of the task, cut to the buffer, ended and filled up with zeros. 0.',
      body: (env, out, size) => {
        const name = utf8(env.host.process().comm).subarray(0, Math.min(size - 1, 15));
        env.memory.u8.fill(0, out, out + size);
        env.memory.u8.set(name, out);
        return 0;
      },
    }),
    helper({
      name: 'get_current_task',
      numbers: { linux: 35 },
      args: [],
      returns: 'integer',
      gplOnly: true,
      doc: 'Address of the task structure, for probe_read. Needs a host that has task structures.',
      body: (env) =>
        env.host.process().taskAddress ??
        fail(helperRefused({}, 'get_current_task', 'this host has no task structures to point to')),
    }),
    helper({
      name: 'get_current_cgroup_id',
      numbers: { linux: 80 },
      args: [],
      returns: 'integer',
      doc: 'Id of the control group of the task.',
      body: (env) => env.host.process().cgroupId,
    }),
    helper({
      name: 'get_current_ancestor_cgroup_id',
      numbers: { linux: 123 },
      args: ['s32'],
      returns: 'integer',
      doc: 'Id of the ancestor of that control group at a level (0: the root; its own level: itself), 0 where there is none.',
      body: (env, level) => {
        const { cgroupAncestors, cgroupId } = env.host.process();
        return level === cgroupAncestors.length ? cgroupId : (cgroupAncestors[level] ?? 0n);
      },
    }),
    helper({
      name: 'get_ns_current_pid_tgid',
      numbers: { linux: 120 },
      args: ['scalar', 'scalar', 'memOut', 'size'],
      returns: 'integer',
      doc:
        'Ids of the task in the pid namespace with this device and inode (struct bpf_pidns_info: pid, tgid). -EINVAL and zeros ' +
        'where it is another namespace or the size is not 8.',
      body: (env, device, inode, out, size) => {
        env.memory.u8.fill(0, out, out + size);
        const namespace = env.host.process().pidNamespace;
        if (size !== NAMESPACE_IDS_SIZE || namespace?.device !== device || namespace.inode !== inode)
          return -ERRNO.EINVAL;
        env.memory.view.setUint32(out, namespace.pid, true);
        env.memory.view.setUint32(out + 4, namespace.tgid, true);
        return 0;
      },
    }),
  ],
};
