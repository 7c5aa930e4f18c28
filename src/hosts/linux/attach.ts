// prog.attach and prog.detach: what holds without a handle, until it is taken away.
import { ATTACH_TYPES, type AttachTypeName } from '../../spec/program-types.ts';
import type { AttachTarget, Params } from '../../spec/session.ts';
import { bpf, linuxNumber } from './bpf.ts';
import { checked, refuse } from './errors.ts';
import { ifindexOf, relative } from './link-request.ts';
import { getXdp, setXdp } from './netlink.ts';
import { inNetns, withCgroup, withNetns } from './places.ts';
import type { LinuxSession } from './session.ts';

/** Offsets in union bpf_attr of BPF_PROG_ATTACH and BPF_PROG_DETACH. */
const ATTR = { target: 0, program: 4, attachType: 8, flags: 12, replace: 16, relative: 20, size: 32 } as const;

/** What a target is, by attach type. */
export type Place = 'cgroup' | 'netns' | 'ifindex' | 'map' | 'xdp' | 'none';

export function placeOf(attachType: AttachTypeName): Place {
  if (attachType.startsWith('cgroup_') || attachType === 'lsm_cgroup') return 'cgroup';
  if (attachType === 'xdp') return 'xdp';
  if (attachType === 'sk_lookup' || attachType === 'flow_dissector') return 'netns';
  if (/^(tcx|netkit)_/.test(attachType)) return 'ifindex';
  return attachType.startsWith('sk_skb_') || attachType === 'sk_msg_verdict' ? 'map' : 'none';
}

interface At {
  readonly attachType: AttachTypeName;
  readonly target: AttachTarget;
}

/** Calls with the number that bpf(2) takes for a target: a descriptor of it, or an interface's index. */
export function withTarget(
  session: LinuxSession,
  { attachType, target }: At,
  operation: string,
  body: (target: number) => number,
): number {
  switch (placeOf(attachType)) {
    case 'cgroup':
      return withCgroup(operation, target, body);
    case 'netns':
      return withNetns(operation, target.netns, body);
    case 'ifindex':
      return inNetns(operation, target.netns, () => body(ifindexOf({ target, operation })));
    case 'map':
      return body(session.check(target.mapFd ?? -1, 'map', operation));
    case 'xdp':
    case 'none':
      return refuse(operation, 'EINVAL', `programs are attached to ${attachType} by links only`);
  }
}

const number = (attachType: AttachTypeName): number => linuxNumber(ATTACH_TYPES[attachType]);

export function checkAttachType(attachType: AttachTypeName, operation: string): void {
  if (!Object.hasOwn(ATTACH_TYPES, attachType) || number(attachType) === 0xffff)
    refuse(operation, 'EINVAL', `Linux has no attach type '${attachType}'`);
}

export function attach(session: LinuxSession, params: Params<'prog.attach'>): void {
  const operation = 'prog.attach';
  const { fd, attachType, target, replaceFd, flags = 0 } = params;
  checkAttachType(attachType, operation);
  session.check(fd, 'prog', operation);
  if (replaceFd !== undefined) session.check(replaceFd, 'prog', operation);
  if (placeOf(attachType) === 'xdp') {
    const ifindex = ifindexOf({ target, operation });
    checked(
      operation,
      inNetns(operation, target.netns, () => setXdp(operation, ifindex, fd, flags, replaceFd)),
    );
    return;
  }
  const other = relative(session, { relativeFd: params.relativeFd, flags, operation });
  const status = withTarget(session, params, operation, (place) =>
    bpf('PROG_ATTACH', ATTR.size, (attr) => {
      attr.setUint32(ATTR.target, place, true);
      attr.setUint32(ATTR.program, fd, true);
      attr.setUint32(ATTR.attachType, number(attachType), true);
      attr.setUint32(ATTR.flags, other.flags, true);
      attr.setUint32(ATTR.replace, replaceFd ?? 0, true);
      attr.setUint32(ATTR.relative, other.fd, true);
    }),
  );
  checked(operation, status);
}

export function detach(session: LinuxSession, params: Params<'prog.detach'>): void {
  const operation = 'prog.detach';
  const { fd, attachType, target } = params;
  checkAttachType(attachType, operation);
  if (fd !== undefined) session.check(fd, 'prog', operation);
  if (placeOf(attachType) === 'xdp') {
    const ifindex = ifindexOf({ target, operation });
    inNetns(operation, target.netns, () => takeXdp(operation, ifindex, fd));
    return;
  }
  const status = withTarget(session, params, operation, (place) =>
    bpf('PROG_DETACH', ATTR.size, (attr) => {
      attr.setUint32(ATTR.target, place, true);
      attr.setUint32(ATTR.program, fd ?? 0, true);
      attr.setUint32(ATTR.attachType, number(attachType), true);
    }),
  );
  checked(operation, status);
}

/** XDP_FLAGS_REPLACE. */
const REPLACE = 16;

/** In the mode that it is in; ENOENT where there is none, which netlink would take for done. */
function takeXdp(operation: string, ifindex: number, fd: number | undefined): void {
  const found = getXdp(operation, ifindex);
  if (typeof found === 'number') checked(operation, found);
  else if (found.length === 0) refuse(operation, 'ENOENT', 'no XDP program is attached to the interface');
  else {
    for (const { mode } of found) {
      const flags = mode | (fd === undefined ? 0 : REPLACE);
      checked(operation, setXdp(operation, ifindex, -1, flags, fd));
    }
  }
}
