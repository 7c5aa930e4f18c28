// What targets name: control groups and network namespaces.
import { closeSync, openSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import type { AttachTarget } from '../../spec/session.ts';
import { refuse, refuseFile } from './errors.ts';
import { checked } from './errors.ts';
import { mounts } from './mounts.ts';
import { native } from './native.ts';

const CLONE_NEWNET = 0x4000_0000;
/** Of the calling thread: a process' own is the main thread's. */
const OWN_NETNS = '/proc/thread-self/ns/net';
/** Where iproute2 keeps them by name. */
const NAMED = '/run/netns';
/** Where systems mount the hierarchies of version 1, and the unified one among them. */
const CGROUPS = '/sys/fs/cgroup';

/** Calls with a descriptor of a file or folder. */
function withFile<T>(operation: string, file: string, body: (fd: number) => T): T {
  let fd: number;
  try {
    fd = openSync(file, 'r');
  } catch (error) {
    return refuseFile(operation, error);
  }
  try {
    return body(fd);
  } finally {
    closeSync(fd);
  }
}

export const withNetns = <T>(operation: string, netns: string | undefined, body: (fd: number) => T): T =>
  withFile(operation, netns ?? OWN_NETNS, body);

/** Calls in a network namespace, and comes back. What is called must wait for nothing: other work would go there too. */
export function inNetns<T>(operation: string, netns: string | undefined, body: () => T): T {
  if (netns === undefined) return body();
  return withFile(operation, OWN_NETNS, (own) =>
    withFile(operation, netns, (there) => {
      checked(operation, native().setns(there, CLONE_NEWNET), {}, netns);
      try {
        return body();
      } finally {
        checked(operation, native().setns(own, CLONE_NEWNET), {}, OWN_NETNS);
      }
    }),
  );
}

/** The path of a namespace by its inode; undefined where none of the known ones is it. */
export function netnsByInode(inode: number): string | undefined {
  const named = (() => {
    try {
      return readdirSync(NAMED).map((name) => `${NAMED}/${name}`);
    } catch {
      return [];
    }
  })();
  return named.find((file) => inodeOf(file) === inode);
}

export const ownNetnsInode = (): number | undefined => inodeOf(OWN_NETNS);

function inodeOf(file: string): number | undefined {
  try {
    return statSync(file).ino;
  } catch {
    return undefined;
  }
}

/** Where the unified hierarchy is mounted. */
export const cgroupRoot = (operation: string): string =>
  mounts('cgroup2')[0]?.path ?? refuse(operation, 'ENOENT', 'no file system cgroup2 is mounted');

/** The folder of a target's control group: `/a/b` below the unified hierarchy, wherever that is mounted; also its whole path. */
export function cgroupFolder(operation: string, cgroup: string | undefined): string {
  const root = cgroupRoot(operation);
  const wanted = path.posix.normalize(`/${cgroup ?? '/'}`);
  // Who takes /sys/fs/cgroup for the hierarchy says `/unified/a` where that is mounted there.
  const whole = [wanted, `${CGROUPS}${wanted}`].find((one) => one === root || one.startsWith(`${root}/`));
  return whole ?? path.posix.join(root, wanted);
}

export const withCgroup = <T>(operation: string, target: AttachTarget, body: (fd: number) => T): T =>
  withFile(operation, cgroupFolder(operation, target.cgroup), body);

/** The path below the root of a control group by its id, which is its folder's inode. */
export function cgroupById(id: bigint): string | undefined {
  const [mount] = mounts('cgroup2');
  if (mount === undefined) return undefined;
  const waiting = [mount.path];
  for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
    if (BigInt(inodeOf(folder) ?? 0) === id) return `/${path.posix.relative(mount.path, folder)}`;
    waiting.push(...foldersIn(folder));
  }
  return undefined;
}

function foldersIn(folder: string): string[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => path.posix.join(folder, name));
  } catch {
    // It went away meanwhile.
    return [];
  }
}
