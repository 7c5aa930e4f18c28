// Links, by BPF_LINK_CREATE: one row a way of saying what a program is attached to.
import { ERRNO } from '../../spec/errno.ts';
import type { ATTACH_TYPES, AttachTypeName } from '../../spec/program-types.ts';
import type { Fd, Params } from '../../spec/session.ts';
import { putAt } from './bpf.ts';
import { checked, refuse } from './errors.ts';
import { programInfo } from './info.ts';
import { ifindexOf, LINK_ATTR, linkCreate, type LinkRequest, relative } from './link-request.ts';
import { createIterator, createTracing, openRawTracepoint } from './link-tracing.ts';
import { netfilterHook } from './netfilter.ts';
import { linkPerfEvent } from './perf-event.ts';
import { inNetns, withCgroup, withNetns } from './places.ts';
import type { LinuxSession } from './session.ts';
import { linkUprobes } from './uprobe.ts';

type AttachTypeOf<D extends 'linux'> = {
  [A in AttachTypeName]: (typeof ATTACH_TYPES)[A] extends { readonly [K in D]: number } ? A : never;
}[AttachTypeName];

type Create = (session: LinuxSession, request: LinkRequest) => Fd;

const xdp: Create = (_, request) => {
  const { operation, target } = request;
  const fd = inNetns(operation, target.netns, () => linkCreate(request, ifindexOf(request)));
  return checked(operation, fd, {}, fd === -ERRNO.EBUSY ? 'the interface has an XDP program' : undefined);
};

const mprog: Create = (session, request) => {
  const { fd, flags } = relative(session, request);
  const create = () =>
    linkCreate({ ...request, flags }, ifindexOf(request), (attr) => attr.setUint32(LINK_ATTR.more, fd, true));
  return checked(request.operation, inNetns(request.operation, request.target.netns, create));
};

const cgroup: Create = (session, request) => {
  const { fd, flags } = relative(session, request);
  return withCgroup(request.operation, request.target, (folder) =>
    checked(
      request.operation,
      linkCreate({ ...request, flags }, folder, (attr) => attr.setUint32(LINK_ATTR.more, fd, true)),
    ),
  );
};

const netns: Create = (_, request) =>
  withNetns(request.operation, request.target.netns, (there) => checked(request.operation, linkCreate(request, there)));

const netfilter: Create = (_, request) => {
  const { operation, target } = request;
  const { family, hook } = netfilterHook(target.name, operation);
  const create = () =>
    linkCreate(request, 0, (attr) => {
      attr.setUint32(LINK_ATTR.more, family, true);
      attr.setUint32(LINK_ATTR.more + 4, hook, true);
      attr.setInt32(LINK_ATTR.more + 8, target.priority ?? 0, true);
    });
  return checked(operation, inNetns(operation, target.netns, create));
};

const map: Create = (session, request) => {
  const { operation, target } = request;
  if (target.mapFd === undefined) return refuse(operation, 'EBADF', 'the target is a map');
  return checked(operation, linkCreate(request, session.check(target.mapFd, 'map', operation)));
};

const perfEvent: Create = (_, request) => linkPerfEvent(request);
const uprobes: Create = (_, request) => linkUprobes(request);

/** BPF_F_KPROBE_MULTI_*: by names of functions. */
const kprobes: Create = (_, { target, flags, operation, cookie, ...rest }) => {
  const name = target.name ?? refuse(operation, 'EINVAL', 'the target is a function: name');
  const names = name.split(',').map((one) => new TextEncoder().encode(`${one}\0`));
  const fd = linkCreate({ ...rest, flags: 0 }, 0, (attr) => {
    attr.setUint32(LINK_ATTR.more, flags, true);
    attr.setUint32(LINK_ATTR.more + 4, names.length, true);
    putPointers(attr, LINK_ATTR.more + 8, names);
    if (cookie !== undefined)
      putAt(attr, LINK_ATTR.more + 24, new Uint8Array(new BigUint64Array(names.length).fill(cookie).buffer));
  });
  return checked(operation, fd, {}, name);
};

/** An array of pointers to texts. */
export function putPointers(attr: DataView, offset: number, texts: readonly Uint8Array[]): void {
  const scratch = new DataView(new ArrayBuffer(8));
  const pointers = BigUint64Array.from(texts, (text) => {
    putAt(scratch, 0, text);
    return scratch.getBigUint64(0, true);
  });
  putAt(attr, offset, new Uint8Array(pointers.buffer));
}

/** Why there is no link of an attach type. */
const no =
  (why: string): Create =>
  (_, { operation }) =>
    refuse(operation, 'EINVAL', why);

const CREATE: { readonly [A in AttachTypeOf<'linux'>]: Create } = {
  cgroup_inet_ingress: cgroup,
  cgroup_inet_egress: cgroup,
  cgroup_inet_sock_create: cgroup,
  cgroup_inet_sock_release: cgroup,
  cgroup_sock_ops: cgroup,
  cgroup_device: cgroup,
  cgroup_inet4_bind: cgroup,
  cgroup_inet6_bind: cgroup,
  cgroup_inet4_connect: cgroup,
  cgroup_inet6_connect: cgroup,
  cgroup_unix_connect: cgroup,
  cgroup_inet4_post_bind: cgroup,
  cgroup_inet6_post_bind: cgroup,
  cgroup_udp4_sendmsg: cgroup,
  cgroup_udp6_sendmsg: cgroup,
  cgroup_unix_sendmsg: cgroup,
  cgroup_udp4_recvmsg: cgroup,
  cgroup_udp6_recvmsg: cgroup,
  cgroup_unix_recvmsg: cgroup,
  cgroup_inet4_getpeername: cgroup,
  cgroup_inet6_getpeername: cgroup,
  cgroup_unix_getpeername: cgroup,
  cgroup_inet4_getsockname: cgroup,
  cgroup_inet6_getsockname: cgroup,
  cgroup_unix_getsockname: cgroup,
  cgroup_sysctl: cgroup,
  cgroup_getsockopt: cgroup,
  cgroup_setsockopt: cgroup,
  lsm_cgroup: cgroup,
  xdp,
  tcx_ingress: mprog,
  tcx_egress: mprog,
  netkit_primary: mprog,
  netkit_peer: mprog,
  sk_lookup: netns,
  flow_dissector: netns,
  netfilter,
  sk_skb_stream_parser: map,
  sk_skb_stream_verdict: map,
  sk_skb_verdict: map,
  sk_msg_verdict: map,
  struct_ops: map,
  perf_event: perfEvent,
  trace_kprobe_multi: kprobes,
  trace_kprobe_session: kprobes,
  trace_uprobe_multi: uprobes,
  trace_uprobe_session: uprobes,
  trace_raw_tp: (_, request) => openRawTracepoint(request),
  trace_fentry: (_, request) => createTracing(request),
  trace_fexit: (_, request) => createTracing(request),
  modify_return: (_, request) => createTracing(request),
  lsm_mac: (_, request) => createTracing(request),
  trace_iter: (session, request) => createIterator(session, request),
  lirc_mode2: no('lirc_mode2 is attached by prog.attach'),
  xdp_devmap: no('the program belongs to elements of devmaps'),
  xdp_cpumap: no('the program belongs to elements of cpumaps'),
  sk_reuseport_select: no('the program is attached to a group of sockets by setsockopt'),
  sk_reuseport_select_or_migrate: no('the program is attached to a group of sockets by setsockopt'),
  trace_fsession: (_, request) => createTracing(request),
  trace_fentry_multi: no('links to several functions are not made here'),
  trace_fexit_multi: no('links to several functions are not made here'),
  trace_fsession_multi: no('links to several functions are not made here'),
};

/** @throws AnyBpfError with the kernel's errno */
export function createLink(session: LinuxSession, params: Params<'link.create'>, operation: string): Fd {
  const { fd, attachType, flags = 0 } = params;
  session.check(fd, 'prog', operation);
  const table: { readonly [A in AttachTypeName]?: Create } = CREATE;
  const create = Object.hasOwn(CREATE, attachType) ? table[attachType] : undefined;
  if (create === undefined) return refuse(operation, 'EINVAL', `Linux has no attach type '${attachType}'`);
  const info = programInfo(fd, { pins: [], linkCount: 0 });
  if (typeof info === 'number') return checked(operation, info) as never;
  return create(session, { ...params, flags, operation, programType: info.type });
}

/** All that links, or refusals with a reason, exist for. */
export const LINK_ATTACH_TYPES = Object.keys(CREATE) as readonly AttachTypeName[];
