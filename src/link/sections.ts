// Which program type a section name asks for. Rows, not code: libbpf's whole table, Windows', and the names that older
// loaders and other families of objects use.
import type { Dialect } from '../spec/object.ts';
import type { AttachTypeName, ProgramTypeName } from '../spec/program-types.ts';

/**
 * One naming rule. The last character of `pattern` says how a section matches:
 * - `+`: the name itself, or the name and `/target` (`kprobe+`: `kprobe`, `kprobe/do_exit`)
 * - `*`: every name that begins so (`from-*`)
 * - else only the name itself
 */
export interface SectionRule {
  readonly pattern: string;
  readonly type: ProgramTypeName;
  readonly attachType?: AttachTypeName;
  /** BPF_F_SLEEPABLE. */
  readonly sleepable?: boolean;
  /** BPF_F_XDP_HAS_FRAGS. */
  readonly fragments?: boolean;
  /** Other types that objects use this name for; link/evidence.ts chooses by the helpers that the object calls. */
  readonly or?: readonly ProgramTypeName[];
}

/** libbpf 1.8's section_defs, in its order (tools/lib/bpf/libbpf.c). Custom handlers are {@link LinkOptions.programType}'s. */
export const LIBBPF_SECTIONS: readonly SectionRule[] = [
  { pattern: 'socket', type: 'socket_filter' },
  { pattern: 'sk_reuseport/migrate', type: 'sk_reuseport', attachType: 'sk_reuseport_select_or_migrate' },
  { pattern: 'sk_reuseport', type: 'sk_reuseport', attachType: 'sk_reuseport_select' },
  { pattern: 'kprobe+', type: 'kprobe' },
  { pattern: 'uprobe+', type: 'kprobe' },
  { pattern: 'uprobe.s+', type: 'kprobe', sleepable: true },
  { pattern: 'kretprobe+', type: 'kprobe' },
  { pattern: 'uretprobe+', type: 'kprobe' },
  { pattern: 'uretprobe.s+', type: 'kprobe', sleepable: true },
  { pattern: 'kprobe.multi+', type: 'kprobe', attachType: 'trace_kprobe_multi' },
  { pattern: 'kretprobe.multi+', type: 'kprobe', attachType: 'trace_kprobe_multi' },
  { pattern: 'kprobe.session+', type: 'kprobe', attachType: 'trace_kprobe_session' },
  { pattern: 'uprobe.multi+', type: 'kprobe', attachType: 'trace_uprobe_multi' },
  { pattern: 'uretprobe.multi+', type: 'kprobe', attachType: 'trace_uprobe_multi' },
  { pattern: 'uprobe.session+', type: 'kprobe', attachType: 'trace_uprobe_session' },
  { pattern: 'uprobe.multi.s+', type: 'kprobe', attachType: 'trace_uprobe_multi', sleepable: true },
  { pattern: 'uretprobe.multi.s+', type: 'kprobe', attachType: 'trace_uprobe_multi', sleepable: true },
  { pattern: 'uprobe.session.s+', type: 'kprobe', attachType: 'trace_uprobe_session', sleepable: true },
  { pattern: 'ksyscall+', type: 'kprobe' },
  { pattern: 'kretsyscall+', type: 'kprobe' },
  { pattern: 'usdt+', type: 'kprobe' },
  { pattern: 'usdt.s+', type: 'kprobe', sleepable: true },
  { pattern: 'tc/ingress', type: 'sched_cls', attachType: 'tcx_ingress' },
  { pattern: 'tc/egress', type: 'sched_cls', attachType: 'tcx_egress' },
  { pattern: 'tcx/ingress', type: 'sched_cls', attachType: 'tcx_ingress' },
  { pattern: 'tcx/egress', type: 'sched_cls', attachType: 'tcx_egress' },
  { pattern: 'tc', type: 'sched_cls' },
  { pattern: 'classifier', type: 'sched_cls' },
  { pattern: 'action', type: 'sched_act' },
  { pattern: 'netkit/primary', type: 'sched_cls', attachType: 'netkit_primary' },
  { pattern: 'netkit/peer', type: 'sched_cls', attachType: 'netkit_peer' },
  { pattern: 'tracepoint+', type: 'tracepoint' },
  { pattern: 'tp+', type: 'tracepoint' },
  { pattern: 'tracepoint.s+', type: 'tracepoint', sleepable: true },
  { pattern: 'tp.s+', type: 'tracepoint', sleepable: true },
  { pattern: 'raw_tracepoint+', type: 'raw_tracepoint' },
  { pattern: 'raw_tp+', type: 'raw_tracepoint' },
  { pattern: 'raw_tracepoint.s+', type: 'raw_tracepoint', sleepable: true },
  { pattern: 'raw_tp.s+', type: 'raw_tracepoint', sleepable: true },
  { pattern: 'raw_tracepoint.w+', type: 'raw_tracepoint_writable' },
  { pattern: 'raw_tp.w+', type: 'raw_tracepoint_writable' },
  { pattern: 'tp_btf+', type: 'tracing', attachType: 'trace_raw_tp' },
  { pattern: 'tp_btf.s+', type: 'tracing', attachType: 'trace_raw_tp', sleepable: true },
  { pattern: 'fentry+', type: 'tracing', attachType: 'trace_fentry' },
  { pattern: 'fmod_ret+', type: 'tracing', attachType: 'modify_return' },
  { pattern: 'fexit+', type: 'tracing', attachType: 'trace_fexit' },
  { pattern: 'fentry.s+', type: 'tracing', attachType: 'trace_fentry', sleepable: true },
  { pattern: 'fmod_ret.s+', type: 'tracing', attachType: 'modify_return', sleepable: true },
  { pattern: 'fexit.s+', type: 'tracing', attachType: 'trace_fexit', sleepable: true },
  { pattern: 'fsession+', type: 'tracing', attachType: 'trace_fsession' },
  { pattern: 'fsession.s+', type: 'tracing', attachType: 'trace_fsession', sleepable: true },
  { pattern: 'fentry.multi+', type: 'tracing', attachType: 'trace_fentry_multi' },
  { pattern: 'fexit.multi+', type: 'tracing', attachType: 'trace_fexit_multi' },
  { pattern: 'fsession.multi+', type: 'tracing', attachType: 'trace_fsession_multi' },
  { pattern: 'fentry.multi.s+', type: 'tracing', attachType: 'trace_fentry_multi', sleepable: true },
  { pattern: 'fexit.multi.s+', type: 'tracing', attachType: 'trace_fexit_multi', sleepable: true },
  { pattern: 'fsession.multi.s+', type: 'tracing', attachType: 'trace_fsession_multi', sleepable: true },
  { pattern: 'freplace+', type: 'ext' },
  { pattern: 'lsm+', type: 'lsm', attachType: 'lsm_mac' },
  { pattern: 'lsm.s+', type: 'lsm', attachType: 'lsm_mac', sleepable: true },
  { pattern: 'lsm_cgroup+', type: 'lsm', attachType: 'lsm_cgroup' },
  { pattern: 'iter+', type: 'tracing', attachType: 'trace_iter' },
  { pattern: 'iter.s+', type: 'tracing', attachType: 'trace_iter', sleepable: true },
  { pattern: 'syscall', type: 'syscall', sleepable: true },
  { pattern: 'xdp.frags/devmap', type: 'xdp', attachType: 'xdp_devmap', fragments: true },
  { pattern: 'xdp/devmap', type: 'xdp', attachType: 'xdp_devmap' },
  { pattern: 'xdp.frags/cpumap', type: 'xdp', attachType: 'xdp_cpumap', fragments: true },
  { pattern: 'xdp/cpumap', type: 'xdp', attachType: 'xdp_cpumap' },
  { pattern: 'xdp.frags', type: 'xdp', attachType: 'xdp', fragments: true },
  { pattern: 'xdp', type: 'xdp', attachType: 'xdp' },
  { pattern: 'perf_event', type: 'perf_event' },
  { pattern: 'lwt_in', type: 'lwt_in' },
  { pattern: 'lwt_out', type: 'lwt_out' },
  { pattern: 'lwt_xmit', type: 'lwt_xmit' },
  { pattern: 'lwt_seg6local', type: 'lwt_seg6local' },
  { pattern: 'sockops', type: 'sock_ops', attachType: 'cgroup_sock_ops' },
  { pattern: 'sk_skb/stream_parser', type: 'sk_skb', attachType: 'sk_skb_stream_parser' },
  { pattern: 'sk_skb/stream_verdict', type: 'sk_skb', attachType: 'sk_skb_stream_verdict' },
  { pattern: 'sk_skb/verdict', type: 'sk_skb', attachType: 'sk_skb_verdict' },
  { pattern: 'sk_skb', type: 'sk_skb' },
  { pattern: 'sk_msg', type: 'sk_msg', attachType: 'sk_msg_verdict' },
  { pattern: 'lirc_mode2', type: 'lirc_mode2', attachType: 'lirc_mode2' },
  { pattern: 'flow_dissector', type: 'flow_dissector', attachType: 'flow_dissector' },
  { pattern: 'cgroup_skb/ingress', type: 'cgroup_skb', attachType: 'cgroup_inet_ingress' },
  { pattern: 'cgroup_skb/egress', type: 'cgroup_skb', attachType: 'cgroup_inet_egress' },
  { pattern: 'cgroup/skb', type: 'cgroup_skb' },
  { pattern: 'cgroup/sock_create', type: 'cgroup_sock', attachType: 'cgroup_inet_sock_create' },
  { pattern: 'cgroup/sock_release', type: 'cgroup_sock', attachType: 'cgroup_inet_sock_release' },
  { pattern: 'cgroup/sock', type: 'cgroup_sock', attachType: 'cgroup_inet_sock_create' },
  { pattern: 'cgroup/post_bind4', type: 'cgroup_sock', attachType: 'cgroup_inet4_post_bind' },
  { pattern: 'cgroup/post_bind6', type: 'cgroup_sock', attachType: 'cgroup_inet6_post_bind' },
  { pattern: 'cgroup/bind4', type: 'cgroup_sock_addr', attachType: 'cgroup_inet4_bind' },
  { pattern: 'cgroup/bind6', type: 'cgroup_sock_addr', attachType: 'cgroup_inet6_bind' },
  { pattern: 'cgroup/connect4', type: 'cgroup_sock_addr', attachType: 'cgroup_inet4_connect' },
  { pattern: 'cgroup/connect6', type: 'cgroup_sock_addr', attachType: 'cgroup_inet6_connect' },
  { pattern: 'cgroup/connect_unix', type: 'cgroup_sock_addr', attachType: 'cgroup_unix_connect' },
  { pattern: 'cgroup/sendmsg4', type: 'cgroup_sock_addr', attachType: 'cgroup_udp4_sendmsg' },
  { pattern: 'cgroup/sendmsg6', type: 'cgroup_sock_addr', attachType: 'cgroup_udp6_sendmsg' },
  { pattern: 'cgroup/sendmsg_unix', type: 'cgroup_sock_addr', attachType: 'cgroup_unix_sendmsg' },
  { pattern: 'cgroup/recvmsg4', type: 'cgroup_sock_addr', attachType: 'cgroup_udp4_recvmsg' },
  { pattern: 'cgroup/recvmsg6', type: 'cgroup_sock_addr', attachType: 'cgroup_udp6_recvmsg' },
  { pattern: 'cgroup/recvmsg_unix', type: 'cgroup_sock_addr', attachType: 'cgroup_unix_recvmsg' },
  { pattern: 'cgroup/getpeername4', type: 'cgroup_sock_addr', attachType: 'cgroup_inet4_getpeername' },
  { pattern: 'cgroup/getpeername6', type: 'cgroup_sock_addr', attachType: 'cgroup_inet6_getpeername' },
  { pattern: 'cgroup/getpeername_unix', type: 'cgroup_sock_addr', attachType: 'cgroup_unix_getpeername' },
  { pattern: 'cgroup/getsockname4', type: 'cgroup_sock_addr', attachType: 'cgroup_inet4_getsockname' },
  { pattern: 'cgroup/getsockname6', type: 'cgroup_sock_addr', attachType: 'cgroup_inet6_getsockname' },
  { pattern: 'cgroup/getsockname_unix', type: 'cgroup_sock_addr', attachType: 'cgroup_unix_getsockname' },
  { pattern: 'cgroup/sysctl', type: 'cgroup_sysctl', attachType: 'cgroup_sysctl' },
  { pattern: 'cgroup/getsockopt', type: 'cgroup_sockopt', attachType: 'cgroup_getsockopt' },
  { pattern: 'cgroup/setsockopt', type: 'cgroup_sockopt', attachType: 'cgroup_setsockopt' },
  { pattern: 'cgroup/dev', type: 'cgroup_device', attachType: 'cgroup_device' },
  { pattern: 'struct_ops+', type: 'struct_ops' },
  { pattern: 'struct_ops.s+', type: 'struct_ops', sleepable: true },
  { pattern: 'sk_lookup', type: 'sk_lookup', attachType: 'sk_lookup' },
  { pattern: 'netfilter', type: 'netfilter', attachType: 'netfilter' },
];

/** eBPF for Windows 1.6: netebpfext, ntosebpfext, sample extension and xdp-for-windows. There all names are prefixes. */
export const WINDOWS_SECTIONS: readonly SectionRule[] = [
  { pattern: 'xdp*', type: 'xdp', attachType: 'xdp' },
  { pattern: 'bind*', type: 'bind', attachType: 'bind' },
  { pattern: 'cgroup/connect4*', type: 'cgroup_sock_addr', attachType: 'cgroup_inet4_connect' },
  { pattern: 'cgroup/connect6*', type: 'cgroup_sock_addr', attachType: 'cgroup_inet6_connect' },
  { pattern: 'cgroup/recv_accept4*', type: 'cgroup_sock_addr', attachType: 'cgroup_inet4_recv_accept' },
  { pattern: 'cgroup/recv_accept6*', type: 'cgroup_sock_addr', attachType: 'cgroup_inet6_recv_accept' },
  {
    pattern: 'cgroup/connect_authorization4*',
    type: 'cgroup_sock_addr',
    attachType: 'cgroup_inet4_connect_authorization',
  },
  {
    pattern: 'cgroup/connect_authorization6*',
    type: 'cgroup_sock_addr',
    attachType: 'cgroup_inet6_connect_authorization',
  },
  { pattern: 'cgroup/bind4*', type: 'cgroup_sock_addr', attachType: 'cgroup_inet4_bind' },
  { pattern: 'cgroup/bind6*', type: 'cgroup_sock_addr', attachType: 'cgroup_inet6_bind' },
  { pattern: 'cgroup/listen4*', type: 'cgroup_sock_addr', attachType: 'cgroup_inet4_listen' },
  { pattern: 'cgroup/listen6*', type: 'cgroup_sock_addr', attachType: 'cgroup_inet6_listen' },
  { pattern: 'sockops*', type: 'sock_ops', attachType: 'cgroup_sock_ops' },
  { pattern: 'netevent*', type: 'netevent', attachType: 'netevent' },
  { pattern: 'process*', type: 'process', attachType: 'process' },
  { pattern: 'sample_ext*', type: 'sample', attachType: 'sample' },
];

/**
 * Names of other loaders and older families. libbpf before 1.0 took its exact names as prefixes (`xdp_prog`, `socket2`,
 * `cgroup/sock1`): that is the rule `sloppy` in {@link sectionRule}, no row.
 */
export const OTHER_SECTIONS: readonly SectionRule[] = [
  // Cilium's hooks: the same names in its tc and in its XDP objects.
  { pattern: 'from-*', type: 'sched_cls', or: ['xdp'] },
  { pattern: 'to-*', type: 'sched_cls', or: ['xdp'] },
  // Hooks and tail calls of switches (Open vSwitch).
  { pattern: 'ingress*', type: 'sched_cls' },
  { pattern: 'egress*', type: 'sched_cls' },
  { pattern: 'downcall', type: 'sched_cls' },
  { pattern: 'tail-*', type: 'sched_cls', or: ['xdp'] },
  { pattern: 'af_xdp*', type: 'xdp' },
  // Filters of packet sockets (Suricata), and of tc where they call what only tc has.
  { pattern: 'filter*', type: 'socket_filter', or: ['sched_cls'] },
  { pattern: 'loadbalancer*', type: 'socket_filter' },
];

const hasTail = (rule: SectionRule): boolean => rule.pattern.endsWith('+') || rule.pattern.endsWith('*');

/** The pattern without its match character. */
export const rulePrefix = (rule: SectionRule): string => (hasTail(rule) ? rule.pattern.slice(0, -1) : rule.pattern);

function matches(rule: SectionRule, name: string): boolean {
  const prefix = rulePrefix(rule);
  if (!name.startsWith(prefix)) return false;
  if (name.length === prefix.length || rule.pattern.endsWith('*')) return true;
  return rule.pattern.endsWith('+') && name[prefix.length] === '/';
}

/** What a section name says about its programs. */
export interface SectionMatch {
  readonly rule: SectionRule;
  /** What follows the `/` of a `+` rule. */
  readonly target?: string;
}

const longest = (rules: readonly SectionRule[]): SectionRule | undefined =>
  rules.reduce<SectionRule | undefined>(
    (best, rule) => (best === undefined || rulePrefix(rule).length > rulePrefix(best).length ? rule : best),
    undefined,
  );

/**
 * The rule for a section name without its leading `?`. First the dialect's own table; then (Linux) that table's exact
 * names as prefixes, longest first, as libbpf before 1.0 did; then the other families' names.
 */
export function sectionRule(name: string, dialect: Dialect): SectionMatch | undefined {
  const own = dialect === 'windows' ? WINDOWS_SECTIONS : LIBBPF_SECTIONS;
  const exact = own.find((rule) => matches(rule, name));
  if (exact !== undefined) {
    const target = name.slice(rulePrefix(exact).length + 1);
    return exact.pattern.endsWith('+') && target !== '' ? { rule: exact, target } : { rule: exact };
  }
  if (dialect === 'windows') return undefined;
  const sloppy = longest(own.filter((rule) => !hasTail(rule) && name.startsWith(rule.pattern)));
  const rule = sloppy ?? OTHER_SECTIONS.find((other) => matches(other, name));
  return rule === undefined ? undefined : { rule };
}

/**
 * iproute2 and old Cilium: a section named `MAP/SLOT` holds the program of that slot in the program array whose map
 * definition carries the id MAP. Both may be hexadecimal.
 */
export function tailSlot(name: string): { readonly mapId: number; readonly slot: number } | undefined {
  const found = /^(0x[0-9a-f]{1,8}|\d{1,9})\/(0x[0-9a-f]{1,8}|\d{1,9})$/i.exec(name);
  return found === null ? undefined : { mapId: Number(found[1]), slot: Number(found[2]) };
}
