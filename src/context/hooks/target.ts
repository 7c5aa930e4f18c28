// What a program is attached to, in one form: two spellings of one target have the same key.
import type { AttachTarget, Id } from '../../spec/session.ts';
import { refuse } from '../errors.ts';

/** What a target is, per hook. */
export type TargetKind =
  | 'none'
  | 'compartment'
  | 'interface'
  | 'ifindex'
  | 'cgroup'
  | 'netns'
  | 'netfilter'
  | 'map'
  | 'name';

/** Fields that a kind takes; others are refused. */
const FIELDS: { readonly [K in TargetKind]: readonly (keyof AttachTarget)[] } = {
  none: [],
  compartment: ['compartment'],
  interface: ['ifindex'],
  ifindex: ['ifindex'],
  cgroup: ['cgroup'],
  netns: ['netns'],
  netfilter: ['netns', 'name', 'priority'],
  map: ['mapFd'],
  name: ['name', 'pid'],
};

export interface Target {
  readonly kind: TargetKind;
  /** The same for all spellings of a target. */
  readonly key: string;
  /** As link info gives it. */
  readonly plain: AttachTarget;
  /** Stands for every target of its kind: compartment 0, Windows' interface 0. */
  readonly wildcard: boolean;
  /** Key of the target that stands for all, where the kind has one. */
  readonly all?: string;
  /** Of netfilter; else 0. */
  readonly priority: number;
}

const U32 = 0xffff_ffff;

function number(operation: string, name: string, value: number | undefined, least: number, most: number): number {
  const given = value ?? 0;
  if (!Number.isInteger(given) || given < least || given > most)
    refuse(operation, 'EINVAL', `${name} must be ${least} to ${most}, not ${given}`);
  return given;
}

/** `/a/b` of `a/b`, `/a//b/`: names with `/` before each; the root is `/`. */
export function cgroupPath(path: string | undefined, operation: string): string {
  const names = (path ?? '/').split('/').filter((name) => name !== '' && name !== '.');
  if (names.includes('..') || path?.includes('\0') === true)
    refuse(operation, 'EINVAL', `'${path}' is no path of a cgroup`);
  return `/${names.join('/')}`;
}

/** The cgroups above one, the nearest first. */
export function cgroupsAbove(path: string): string[] {
  const above: string[] = [];
  for (let at = path; at !== '/'; ) {
    at = at.slice(0, Math.max(1, at.lastIndexOf('/')));
    above.push(at);
  }
  return above;
}

type Make = (target: AttachTarget, operation: string, mapId?: Id) => Omit<Target, 'kind'>;

const plain = (key: string, fields: AttachTarget): Omit<Target, 'kind'> => ({
  key,
  plain: fields,
  wildcard: false,
  priority: 0,
});

const MAKE: { readonly [K in TargetKind]: Make } = {
  none: () => plain('', {}),
  compartment: ({ compartment }, operation) => {
    const id = number(operation, 'compartment', compartment, 0, U32);
    return { ...plain(`${id}`, { compartment: id }), wildcard: id === 0, all: '0' };
  },
  interface: ({ ifindex }, operation) => {
    const index = number(operation, 'ifindex', ifindex, 0, U32);
    return { ...plain(`${index}`, { ifindex: index }), wildcard: index === 0, all: '0' };
  },
  ifindex: ({ ifindex }, operation) => {
    const index = number(operation, 'ifindex', ifindex, 1, 0x7fff_ffff);
    return plain(`${index}`, { ifindex: index });
  },
  cgroup: ({ cgroup }, operation) => {
    const path = cgroupPath(cgroup, operation);
    return plain(path, { cgroup: path });
  },
  netns: ({ netns }) => plain(netns ?? '', netns === undefined ? {} : { netns }),
  netfilter: ({ netns, name, priority }, operation) => {
    if (name === undefined) refuse(operation, 'EINVAL', 'netfilter needs a hook by name: `ipv4/local_in`');
    const order = number(operation, 'priority', priority, -0x8000_0000, 0x7fff_ffff);
    const fields = { ...(netns === undefined ? {} : { netns }), ...(name === undefined ? {} : { name }) };
    return { ...plain(`${netns ?? ''}\0${name}`, { ...fields, priority: order }), priority: order };
  },
  map: ({ mapFd }, operation, mapId) => {
    if (mapFd === undefined || mapId === undefined) return refuse(operation, 'EBADF', 'the target is a map');
    // A handle means nothing to another session: link info leaves it out.
    return plain(`${mapId}`, {});
  },
  name: ({ name, pid = -1 }) => ({
    ...plain(`${name ?? ''}\0${pid}`, {
      ...(name === undefined ? {} : { name }),
      ...(pid === -1 ? {} : { pid }),
    }),
    wildcard: pid === -1,
    all: `${name ?? ''}\0-1`,
  }),
};

/**
 * A target in its one form.
 *
 * @param mapId the map that `mapFd` names, where it names one
 * @throws AnyBpfError session/refused EINVAL for fields that the hook does not have, and values that they cannot have
 */
export function targetOf(kind: TargetKind, target: AttachTarget, operation: string, mapId?: Id): Target {
  for (const [field, value] of Object.entries(target)) {
    if (value !== undefined && !FIELDS[kind].some((known) => known === field))
      refuse(operation, 'EINVAL', `the hook has no ${field}`);
  }
  return { kind, ...MAKE[kind](target, operation, mapId) };
}
