import { ERRNO } from '../spec/errno.ts';
import { helper, type HelperEnv, type HelperFamily } from '../spec/helper.ts';
import type { HandleMap } from '../spec/map.ts';
import type { SocketInfo } from '../spec/network.ts';
import type { AttachTypeName } from '../spec/program-types.ts';
import { handleAtIndex, needMapType } from './map-access.ts';
import { neededSocket, socketAt } from './socket-table.ts';

/** overflowuid: the owner of what has none. */
const NOBODY = 65_534;

/** Ancestor of a socket's cgroup at a level, the cgroup itself at its own; 0 where there is none. */
function ancestor(info: SocketInfo, level: number): bigint {
  const ancestors = info.cgroupAncestors ?? [];
  return level === ancestors.length ? info.cgroupId : (ancestors[level] ?? 0n);
}

/** The full socket of a packet. */
function packetSocket(env: HelperEnv): SocketInfo | undefined {
  const info = env.host.network.currentSocket?.();
  return info?.fullSocket === true ? info : undefined;
}

/** Whether a cgroup (by the handle that a cgroup_array slot holds: the low 32 bits of its id) is one of these. */
function under(
  env: HelperEnv,
  name: string,
  map: HandleMap,
  index: number,
  ids: readonly bigint[],
  argument: number,
): number {
  needMapType(name, map, ['cgroup_array'], argument);
  if (index >= map.spec.maxEntries) return -ERRNO.E2BIG;
  const handle = handleAtIndex(env.memory, map, index);
  if (handle === 0) return -ERRNO.EAGAIN;
  return ids.some((id) => Number(BigInt.asUintN(32, id)) === handle) ? 1 : 0;
}

/** net_ebpf_ext_sock_addr.c: the transport endpoint, which the layers of bind and listen do not have. */
const NO_ENDPOINT: ReadonlySet<AttachTypeName | undefined> = new Set<AttachTypeName>([
  'cgroup_inet4_bind',
  'cgroup_inet6_bind',
  'cgroup_inet4_listen',
  'cgroup_inet6_listen',
]);

const windowsCookie = ({ program, host }: HelperEnv): bigint =>
  NO_ENDPOINT.has(program.attachType) ? 0n : (host.network.currentSocket?.()?.cookie ?? 0n);

export const socketCookieHelpers: HelperFamily = {
  family: 'socket-cookie',
  doc: 'Which socket a program runs for',
  helpers: [
    helper({
      name: 'get_socket_cookie',
      numbers: { linux: 46, windows: 26 },
      args: ['ctx'],
      returns: 'integer',
      doc: 'A number that no other socket has, 0 for a packet without a socket; on Windows 0 also where sockets have none yet (bind, listen).',
      body: (env) => {
        if (env.dialect === 'windows') return windowsCookie(env);
        if (env.packet !== undefined) return env.host.network.currentSocket?.()?.cookie ?? 0n;
        return neededSocket(env, 'get_socket_cookie').cookie;
      },
    }),
  ],
};

export const packetCgroupHelpers: HelperFamily = {
  family: 'packet-cgroup',
  doc: 'Control group of the socket that a packet belongs to',
  helpers: [
    helper({
      name: 'skb_cgroup_id',
      numbers: { linux: 79 },
      args: ['ctx'],
      returns: 'integer',
      doc: 'Id of the control group of the socket of the packet, 0 where there is none.',
      body: (env) => packetSocket(env)?.cgroupId ?? 0n,
    }),
    helper({
      name: 'skb_ancestor_cgroup_id',
      numbers: { linux: 83 },
      args: ['ctx', 's32'],
      returns: 'integer',
      doc: 'Id of an ancestor of that control group by its level (0: the root), 0 where there is none.',
      body: (env, _ctx, level) => {
        const info = packetSocket(env);
        return info === undefined ? 0n : ancestor(info, level);
      },
    }),
  ],
};

export const socketCgroupHelpers: HelperFamily = {
  family: 'socket-cgroup',
  doc: 'Control groups of a socket',
  helpers: [
    helper({
      name: 'sk_cgroup_id',
      numbers: { linux: 128 },
      args: ['socketOrNull'],
      returns: 'integer',
      doc: 'Id of the control group of a socket, 0 for NULL or a socket that is not full.',
      body: (env, socket) => {
        const info = socket === 0 ? undefined : socketAt(env, socket);
        return info?.fullSocket === true ? info.cgroupId : 0n;
      },
    }),
    helper({
      name: 'sk_ancestor_cgroup_id',
      numbers: { linux: 129 },
      args: ['socketOrNull', 's32'],
      returns: 'integer',
      doc: 'Id of an ancestor of that control group by its level (0: the root), 0 where there is none.',
      body: (env, socket, level) => {
        const info = socket === 0 ? undefined : socketAt(env, socket);
        return info?.fullSocket === true ? ancestor(info, level) : 0n;
      },
    }),
  ],
};

export const taskCgroupHelpers: HelperFamily = {
  family: 'task-cgroup',
  doc: 'Control groups of the task',
  helpers: [
    helper({
      name: 'get_cgroup_classid',
      numbers: { linux: 17 },
      args: [],
      returns: 'integer',
      doc: 'Class that the net_cls controller gives the task, 0 where it gives none. A context, which tc passes, is not looked at.',
      body: (env) => env.host.process().netClassId ?? 0,
    }),
    helper({
      name: 'current_task_under_cgroup',
      numbers: { linux: 37 },
      args: ['map', 'u32'],
      returns: 'integer',
      doc:
        'Whether the task is in a control group of a cgroup_array or below it: 0 or 1, -E2BIG: no such slot, -EAGAIN: empty slot. ' +
        'Slots hold the low 32 bits of a group’s id.',
      body: (env, map, index) => {
        const { cgroupAncestors, cgroupId } = env.host.process();
        const ids = [...cgroupAncestors, cgroupId];
        return under(env, 'current_task_under_cgroup', map as HandleMap, index, ids, 1);
      },
    }),
  ],
};

export const namespaceHelpers: HelperFamily = {
  family: 'netns-cookie',
  doc: 'Which network namespace a program runs in',
  helpers: [
    helper({
      name: 'get_netns_cookie',
      numbers: { linux: 122 },
      args: ['ctxOrNull'],
      returns: 'integer',
      doc: 'A number that no other network namespace has; for NULL that of the first namespace.',
      body: (env) => env.host.network.netnsCookie,
    }),
  ],
};

export const underCgroupHelpers: HelperFamily = {
  family: 'under-cgroup',
  doc: 'Membership of a packet in control groups',
  helpers: [
    helper({
      name: 'skb_under_cgroup',
      numbers: { linux: 33 },
      args: ['ctx', 'map', 'u32'],
      returns: 'integer',
      doc:
        'Whether the socket of the packet is in a control group of a cgroup_array or below it: 0 or 1, -ENOENT: no socket, ' +
        '-E2BIG: no such slot, -EAGAIN: empty slot. Slots hold the low 32 bits of a group’s id.',
      body: (env, _ctx, map, index) => {
        const info = packetSocket(env);
        if (info === undefined) return -ERRNO.ENOENT;
        const ids = [...(info.cgroupAncestors ?? []), info.cgroupId];
        return under(env, 'skb_under_cgroup', map as HandleMap, index, ids, 2);
      },
    }),
  ],
};

export const socketOwnerHelpers: HelperFamily = {
  family: 'socket-owner',
  doc: 'Owner of the socket that a packet belongs to',
  helpers: [
    helper({
      name: 'get_socket_uid',
      numbers: { linux: 47 },
      args: ['ctx'],
      returns: 'integer',
      doc: 'User id of the socket of the packet, 65,534 where there is none.',
      body: (env) => packetSocket(env)?.uid ?? NOBODY,
    }),
  ],
};
