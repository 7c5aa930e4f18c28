import { ERRNO } from '../spec/errno.ts';
import { fail } from '../base/diagnostic.ts';
import { helperRefused } from '../base/messages/helper.ts';
import { helper, type HelperEnv, type HelperFamily, type HelperRow } from '../spec/helper.ts';
import type { BpfMap, StorageMap } from '../spec/map.ts';
import type { MapTypeName } from '../spec/map-types.ts';
import type { Address } from '../spec/memory.ts';
import { needMapType } from './map-access.ts';
import { socketAt } from './socket-table.ts';

const BPF_LOCAL_STORAGE_GET_F_CREATE = 1n;

function storage(name: string, map: BpfMap, types: readonly MapTypeName[]): StorageMap {
  needMapType(name, map, types);
  return map as StorageMap;
}

const get = (map: StorageMap, owner: bigint, initial: Address, flags: bigint): Address =>
  flags > BPF_LOCAL_STORAGE_GET_F_CREATE ? 0 : map.storageOf(owner, flags === BPF_LOCAL_STORAGE_GET_F_CREATE, initial);

/** The owner's number; undefined for what cannot own storage. */
const socketOwner = (env: HelperEnv, socket: Address): bigint | undefined => {
  const info = socket === 0 ? undefined : socketAt(env, socket);
  return info?.fullSocket === true ? BigInt(info.id) : undefined;
};

export const socketStorageHelpers: HelperFamily = {
  family: 'socket-storage',
  doc: 'Values that belong to sockets',
  helpers: [
    helper({
      name: 'sk_storage_get',
      numbers: { linux: 107 },
      args: ['map', 'socketOrNull', 'valueOrNull', 'scalar'],
      returns: 'mapValueOrNull',
      doc: 'The value of a socket in an sk_storage map, made where flags are 1 (zero or a copy of the third argument), or NULL.',
      body: (env, map, socket, initial, flags) => {
        const owner = socketOwner(env, socket);
        return owner === undefined ? 0 : get(storage('sk_storage_get', map, ['sk_storage']), owner, initial, flags);
      },
    }),
    helper({
      name: 'sk_storage_delete',
      numbers: { linux: 108 },
      args: ['map', 'socketOrNull'],
      returns: 'integer',
      doc: 'Deletes the value of a socket. 0, -ENOENT: it has none, -EINVAL: not a full socket.',
      body: (env, map, socket) => {
        const owner = socketOwner(env, socket);
        return owner === undefined
          ? -ERRNO.EINVAL
          : storage('sk_storage_delete', map, ['sk_storage']).removeStorage(owner);
      },
    }),
  ],
};

/** Storage of tasks, inodes and cgroups: owners are kernel objects, and their addresses the owners' numbers. */
const objectStorage = (
  thing: string,
  type: MapTypeName,
  name: string,
  getNumber: number,
  deleteNumber: number,
): HelperRow[] => [
  helper({
    name: `${name}_storage_get`,
    numbers: { linux: getNumber },
    args: ['map', 'btfPointer', 'valueOrNull', 'scalar'],
    returns: 'mapValueOrNull',
    doc: `The value of ${thing} in a ${type} map, made where flags are 1 (zero or a copy of the third argument), or NULL.`,
    body: (_env, map, owner, initial, flags) =>
      owner === 0n ? 0 : get(storage(`${name}_storage_get`, map, [type]), owner, initial, flags),
  }),
  helper({
    name: `${name}_storage_delete`,
    numbers: { linux: deleteNumber },
    args: ['map', 'btfPointer'],
    returns: 'integer',
    doc: `Deletes the value of ${thing}. 0, -ENOENT: it has none, -EINVAL: NULL.`,
    body: (_env, map, owner) =>
      owner === 0n ? -ERRNO.EINVAL : storage(`${name}_storage_delete`, map, [type]).removeStorage(owner),
  }),
];

export const taskStorageHelpers: HelperFamily = {
  family: 'task-storage',
  doc: 'Values that belong to tasks and control groups',
  helpers: [
    ...objectStorage('a task', 'task_storage', 'task', 156, 157),
    ...objectStorage('a control group', 'cgrp_storage', 'cgrp', 210, 211),
    helper({
      name: 'get_current_task_btf',
      numbers: { linux: 158 },
      args: [],
      returns: 'btfPointer',
      gplOnly: true,
      doc: 'The task structure, for task storage. Needs a host that has task structures.',
      body: (env) =>
        env.host.process().taskAddress ??
        fail(helperRefused({}, 'get_current_task_btf', 'this host has no task structures to point to')),
    }),
  ],
};

export const inodeStorageHelpers: HelperFamily = {
  family: 'inode-storage',
  doc: 'Values that belong to inodes',
  helpers: objectStorage('an inode', 'inode_storage', 'inode', 145, 146),
};

export const cgroupStorageHelpers: HelperFamily = {
  family: 'cgroup-storage',
  doc: 'The value that belongs to the control group which a program is attached to',
  helpers: [
    helper({
      name: 'get_local_storage',
      numbers: { linux: 81 },
      args: ['map', 'scalar'],
      returns: 'mapValue',
      doc: 'The value of the program’s control group in a cgroup_storage map (per-CPU: of this CPU). Flags: 0.',
      body: (env, map) => {
        const values = storage('get_local_storage', map, ['cgroup_storage', 'percpu_cgroup_storage']);
        return (
          values.storageOf(env.host.process().cgroupId, true) ||
          fail(helperRefused({ map: map.spec.name }, 'get_local_storage', 'no memory is left for the value'))
        );
      },
    }),
  ],
};
