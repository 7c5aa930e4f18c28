// The hooks: one row an attach type, for each dialect. Which program types fit is their own rows' matter (programs/); what is here is
// how programs are attached and what their verdicts mean together.
import { PROGRAM_TYPE_ROWS } from '../../programs/index.ts';
import type { Dialect } from '../../spec/object.ts';
import type { ATTACH_TYPES, AttachTypeName, ProgramTypeName } from '../../spec/program-types.ts';
import type { LinkTypeName } from '../../spec/session.ts';
import { CHAINS, type ChainRule } from './chains.ts';
import { type Limit, type LimitName, LIMITS } from './limits.ts';
import type { TargetKind } from './target.ts';

/** A hook, built in or a provider's. */
export interface HookRow {
  readonly attachType: AttachTypeName;
  readonly dialect: Dialect;
  readonly types: readonly ProgramTypeName[];
  /** The kind of its links. */
  readonly link: LinkTypeName;
  readonly target: TargetKind;
  readonly limit: Limit;
  readonly chain: ChainRule;
  /** What happens with nothing attached. */
  readonly verdict: number;
  /** Programs are attached only here that were loaded for this attach type (bpf_prog_attach_check_attach_type). */
  readonly expected?: boolean;
  /** Programs may be ordered among one another (BPF_F_BEFORE, BPF_F_AFTER). */
  readonly ordered?: boolean;
  /** Programs attached above in the hierarchy run too (cgroups). */
  readonly inherited?: boolean;
  /** Rewrites of these context fields end the chain (sock_addr) ... */
  readonly rewrites?: readonly string[];
  /** ... or are not heeded: the fields are after the chain what they were before. */
  readonly keeps?: readonly string[];
  /** `built-in`, or the provider's name. */
  readonly provider: string;
}

type Row = Pick<
  HookRow,
  'link' | 'target' | 'verdict' | 'ordered' | 'inherited' | 'expected' | 'rewrites' | 'keeps'
> & {
  readonly limit: LimitName;
  readonly chain: keyof typeof CHAINS;
  /** Program types whose rows do not list the attach type. */
  readonly also?: readonly ProgramTypeName[];
};

/** Why programs of an attach type are not attached to a hook. */
interface NoHook {
  readonly no: string;
}

type AttachTypeOf<D extends Dialect> = {
  [A in AttachTypeName]: (typeof ATTACH_TYPES)[A] extends { readonly [K in D]: number } ? A : never;
}[AttachTypeName];

const CGROUP: Row = { link: 'cgroup', target: 'cgroup', limit: 'cgroup', chain: 'cgroup', verdict: 1, inherited: true };
/** Types with several attach types of different contexts. */
const CGROUP_EXPECTED: Row = { ...CGROUP, expected: true };
const TCX: Row = { link: 'tcx', target: 'ifindex', limit: 'mprog', chain: 'tcx', verdict: 0xffff_ffff, ordered: true };
const NETKIT: Row = { link: 'netkit', target: 'ifindex', limit: 'mprog', chain: 'netkit', verdict: 0, ordered: true };
const TRACING: Row = { link: 'tracing', target: 'name', limit: 'many', chain: 'notify', verdict: 0 };
const PROBES: Row = { link: 'kprobe_multi', target: 'name', limit: 'many', chain: 'all', verdict: 1 };
const SOCKMAP: Row = { link: 'sockmap', target: 'map', limit: 'sockmap', chain: 'single', verdict: 1 };
const LATER: NoHook = { no: 'is newer than the kernel whose behaviour is followed' };

const LINUX: { readonly [A in AttachTypeOf<'linux'>]: Row | NoHook } = {
  cgroup_inet_ingress: CGROUP,
  cgroup_inet_egress: CGROUP,
  cgroup_inet_sock_create: CGROUP_EXPECTED,
  cgroup_inet_sock_release: CGROUP_EXPECTED,
  cgroup_sock_ops: CGROUP,
  cgroup_device: CGROUP,
  cgroup_inet4_bind: CGROUP_EXPECTED,
  cgroup_inet6_bind: CGROUP_EXPECTED,
  cgroup_inet4_connect: CGROUP_EXPECTED,
  cgroup_inet6_connect: CGROUP_EXPECTED,
  cgroup_unix_connect: CGROUP_EXPECTED,
  cgroup_inet4_post_bind: CGROUP_EXPECTED,
  cgroup_inet6_post_bind: CGROUP_EXPECTED,
  cgroup_udp4_sendmsg: CGROUP_EXPECTED,
  cgroup_udp6_sendmsg: CGROUP_EXPECTED,
  cgroup_unix_sendmsg: CGROUP_EXPECTED,
  cgroup_udp4_recvmsg: CGROUP_EXPECTED,
  cgroup_udp6_recvmsg: CGROUP_EXPECTED,
  cgroup_unix_recvmsg: CGROUP_EXPECTED,
  cgroup_inet4_getpeername: CGROUP_EXPECTED,
  cgroup_inet6_getpeername: CGROUP_EXPECTED,
  cgroup_unix_getpeername: CGROUP_EXPECTED,
  cgroup_inet4_getsockname: CGROUP_EXPECTED,
  cgroup_inet6_getsockname: CGROUP_EXPECTED,
  cgroup_unix_getsockname: CGROUP_EXPECTED,
  cgroup_sysctl: CGROUP,
  cgroup_getsockopt: CGROUP_EXPECTED,
  cgroup_setsockopt: CGROUP_EXPECTED,
  lsm_cgroup: { ...CGROUP, chain: 'untilNonZero', verdict: 0 },
  xdp: { link: 'xdp', target: 'ifindex', limit: 'xdp', chain: 'single', verdict: 2 },
  tcx_ingress: TCX,
  tcx_egress: TCX,
  netkit_primary: NETKIT,
  netkit_peer: NETKIT,
  sk_lookup: { link: 'netns', target: 'netns', limit: 'netns', chain: 'skLookup', verdict: 1, expected: true },
  flow_dissector: { link: 'netns', target: 'netns', limit: 'netnsSingle', chain: 'single', verdict: 0 },
  netfilter: { link: 'netfilter', target: 'netfilter', limit: 'netfilter', chain: 'netfilter', verdict: 1 },
  sk_skb_stream_parser: SOCKMAP,
  sk_skb_stream_verdict: SOCKMAP,
  sk_skb_verdict: SOCKMAP,
  sk_msg_verdict: SOCKMAP,
  lirc_mode2: { link: 'unspec', target: 'name', limit: 'device', chain: 'notify', verdict: 0 },
  perf_event: { ...PROBES, link: 'perf_event', also: ['kprobe', 'tracepoint'] },
  trace_kprobe_multi: PROBES,
  trace_kprobe_session: PROBES,
  trace_uprobe_multi: { ...PROBES, link: 'uprobe_multi' },
  trace_uprobe_session: { ...PROBES, link: 'uprobe_multi' },
  trace_raw_tp: { ...TRACING, link: 'raw_tracepoint' },
  trace_fentry: TRACING,
  trace_fexit: TRACING,
  modify_return: { ...TRACING, chain: 'untilNonZero' },
  lsm_mac: { ...TRACING, chain: 'untilNonZero' },
  trace_iter: { no: 'is run by reading an iterator, not by events' },
  xdp_devmap: { no: 'belongs to elements of devmaps' },
  xdp_cpumap: { no: 'belongs to elements of cpumaps' },
  sk_reuseport_select: { no: 'is attached to a group of sockets by setsockopt' },
  sk_reuseport_select_or_migrate: { no: 'is attached to a group of sockets by setsockopt' },
  struct_ops: { no: 'is attached by updating a struct_ops map' },
  trace_fsession: LATER,
  trace_fentry_multi: LATER,
  trace_fexit_multi: LATER,
  trace_fsession_multi: LATER,
};

const ADDRESS = ['user_ip6', 'user_port'];
/** What connect may rewrite. */
const CONNECT: Row = {
  link: 'plain',
  target: 'compartment',
  limit: 'multi',
  chain: 'sockAddr',
  verdict: 1,
  rewrites: ADDRESS,
};
const BIND: Row = { ...CONNECT, rewrites: [], keeps: ADDRESS };
const SINGLE: Row = { ...BIND, limit: 'parameter' };

/** Windows: netebpfext, and xdp-for-windows' hook. What extensions bring has no row here (context/providers). */
const WINDOWS: { readonly [A in AttachTypeOf<'windows'>]?: Row } = {
  xdp: { link: 'plain', target: 'interface', limit: 'parameter', chain: 'single', verdict: 1 },
  bind: { link: 'plain', target: 'none', limit: 'machine', chain: 'bind', verdict: 0 },
  cgroup_inet4_connect: CONNECT,
  cgroup_inet6_connect: CONNECT,
  // The whole connect family (_net_ebpf_ext_is_cgroup_connect_attach_type), of which only these two heed rewrites.
  cgroup_inet4_connect_authorization: BIND,
  cgroup_inet6_connect_authorization: BIND,
  cgroup_inet4_bind: BIND,
  cgroup_inet6_bind: BIND,
  cgroup_inet4_listen: SINGLE,
  cgroup_inet6_listen: SINGLE,
  cgroup_inet4_recv_accept: SINGLE,
  cgroup_inet6_recv_accept: SINGLE,
  cgroup_sock_ops: { link: 'plain', target: 'compartment', limit: 'parameter', chain: 'single', verdict: 0 },
};

const isHook = (row: Row | NoHook | undefined): row is Row => row !== undefined && 'link' in row;

function rowsOf(dialect: Dialect, table: { readonly [A in AttachTypeName]?: Row | NoHook }): HookRow[] {
  return (Object.keys(table) as AttachTypeName[]).flatMap((attachType) => {
    const row = table[attachType];
    if (!isHook(row)) return [];
    const { limit, chain, also = [], ...rest } = row;
    const fitting = PROGRAM_TYPE_ROWS.filter(
      ({ contexts, attachTypes }) => contexts[dialect] !== undefined && attachTypes.includes(attachType),
    );
    const types = [...fitting.map(({ type }) => type), ...also];
    return [{ ...rest, attachType, dialect, types, limit: LIMITS[limit], chain: CHAINS[chain], provider: 'built-in' }];
  });
}

/** Every hook that is built in. */
export const HOOK_ROWS: readonly HookRow[] = [...rowsOf('linux', LINUX), ...rowsOf('windows', WINDOWS)];

/** Why an attach type of Linux has no hook; undefined where it has one, or where the number means nothing there. */
export function noHook(attachType: AttachTypeName): string | undefined {
  const table: { readonly [A in AttachTypeName]?: Row | NoHook } = LINUX;
  const row = table[attachType];
  return row !== undefined && 'no' in row ? row.no : undefined;
}
