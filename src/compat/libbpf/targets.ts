// What `target_fd`, `attachable_fd` and `ifindex` mean: an AttachTarget.
import { ERRNO } from '../../spec/errno.ts';
import type { Dialect } from '../../spec/object.ts';
import type { AttachTypeName } from '../../spec/program-types.ts';
import type { AttachTarget } from '../../spec/session.ts';
import type { Library } from './library.ts';

/** Attach types whose number is not a descriptor of a place but this. */
const TARGETS: { readonly [A in AttachTypeName]?: 'ifindex' | 'mapFd' } = {
  xdp: 'ifindex',
  tcx_ingress: 'ifindex',
  tcx_egress: 'ifindex',
  netkit_primary: 'ifindex',
  netkit_peer: 'ifindex',
  sk_skb_stream_parser: 'mapFd',
  sk_skb_stream_verdict: 'mapFd',
  sk_skb_verdict: 'mapFd',
  sk_msg_verdict: 'mapFd',
  struct_ops: 'mapFd',
};

/** Numbers of targets begin here, above all handles of sessions. */
const FIRST_TARGET = 0x4000_0000;

/** Gives a place (a cgroup, a network namespace, a tracepoint) a number to pass where C passes a descriptor of it. */
export function openTarget(lib: Library, target: AttachTarget): number {
  const last = [...lib.targets.keys()].at(-1);
  const fd = last === undefined ? FIRST_TARGET : last + 1;
  lib.targets.set(fd, target);
  return fd;
}

/** The reading of Windows: an interface for XDP, a compartment else, 0 for all. */
const windowsTarget = (type: AttachTypeName, number: number): AttachTarget =>
  number <= 0 ? {} : type === 'xdp' ? { ifindex: number } : { compartment: number };

/**
 * The target behind a number: one of openTarget(), an interface or a map where the attach type takes one; 0 and -1 are the hook as a
 * whole (the root cgroup, the own namespace). -EBADF where it is none.
 */
export function targetOf(
  lib: Library,
  type: AttachTypeName,
  number: number,
  dialect: Dialect = lib.dialect,
): AttachTarget | number {
  const opened = lib.targets.get(number);
  if (opened !== undefined) return opened;
  if (dialect === 'windows') return windowsTarget(type, number);
  const kind = TARGETS[type];
  if (kind === 'ifindex') return { ifindex: number };
  if (kind === 'mapFd') return { mapFd: number };
  return number === 0 || number === -1 ? {} : -ERRNO.EBADF;
}
