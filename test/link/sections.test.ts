// Section names and program types: the table itself, libbpf's answers for it, and the names of other families.
import { afterAll, describe, expect, it } from 'vitest';
import { LIBBPF_SECTIONS, rulePrefix, sectionRule, tailSlot, WINDOWS_SECTIONS } from '../../src/link/sections.ts';
import type { Dialect } from '../../src/spec/object.ts';
import { ATTACH_TYPES, PROGRAM_TYPES } from '../../src/spec/program-types.ts';
import { LibbpfDump } from './libbpf-dump.ts';

const libbpf = new LibbpfDump();
afterAll(() => libbpf.close());

const describeName = (name: string, dialect: Dialect = 'linux'): string => {
  const match = sectionRule(name, dialect);
  if (match === undefined) return 'none';
  const { type, attachType, sleepable, fragments } = match.rule;
  return [
    type,
    attachType === undefined ? '' : `/${attachType}`,
    sleepable ? ' sleepable' : '',
    fragments ? ' fragments' : '',
    match.target === undefined ? '' : ` ${match.target}`,
  ].join('');
};

describe('section names', () => {
  it("hold libbpf 1.8's 116 rules, each once", () => {
    expect(LIBBPF_SECTIONS.length).toBe(116);
    expect(new Set(LIBBPF_SECTIONS.map((r) => r.pattern)).size).toBe(116);
    const unknown = [...LIBBPF_SECTIONS, ...WINDOWS_SECTIONS].filter(
      (r) => !(r.type in PROGRAM_TYPES) || (r.attachType !== undefined && !(r.attachType in ATTACH_TYPES)),
    );
    expect(unknown).toEqual([]);
  });

  it.skipIf(libbpf.reason !== undefined)(
    'mean what libbpf says, for all names that the installed version knows',
    () => {
      const names = LIBBPF_SECTIONS.flatMap((rule) => {
        const prefix = rulePrefix(rule);
        return rule.pattern.endsWith('+') ? [prefix, `${prefix}/target`] : [prefix];
      });
      const theirs = libbpf.types(names);
      expect(theirs.size).toBeGreaterThan(100);
      for (const [name, numbers] of theirs) {
        const rule = sectionRule(name, 'linux')?.rule;
        const attach = rule?.attachType === undefined ? { linux: 0 } : ATTACH_TYPES[rule.attachType];
        const ours = {
          program: rule && (PROGRAM_TYPES[rule.type] as { linux?: number }).linux,
          attach: (attach as { linux?: number }).linux,
        };
        // Since 1.3 `tc/ingress` and the like name an attach type; before that they were prefixes of `tc`.
        expect(ours, name).toEqual(name.startsWith('tc/') ? { ...numbers, attach: ours.attach } : numbers);
      }
    },
  );

  it.each([
    ['socket', 'socket_filter'],
    ['kprobe', 'kprobe'],
    ['kprobe/do_exit', 'kprobe do_exit'],
    ['uprobe.s//usr/lib/libc.so.6:malloc+0x10', 'kprobe sleepable /usr/lib/libc.so.6:malloc+0x10'],
    ['kprobe.multi/tcp_*', 'kprobe/trace_kprobe_multi tcp_*'],
    ['kprobe.session/x', 'kprobe/trace_kprobe_session x'],
    ['tracepoint/syscalls/sys_enter_openat', 'tracepoint syscalls/sys_enter_openat'],
    ['raw_tracepoint.w/nbd_send_request', 'raw_tracepoint_writable nbd_send_request'],
    ['fentry.s/f', 'tracing/trace_fentry sleepable f'],
    ['tp_btf/task_newtask', 'tracing/trace_raw_tp task_newtask'],
    ['lsm_cgroup/socket_post_create', 'lsm/lsm_cgroup socket_post_create'],
    ['iter/bpf_map', 'tracing/trace_iter bpf_map'],
    ['xdp.frags/devmap', 'xdp/xdp_devmap fragments'],
    ['xdp/cpumap', 'xdp/xdp_cpumap'],
    ['tc/ingress', 'sched_cls/tcx_ingress'],
    ['syscall', 'syscall sleepable'],
    ['struct_ops.s/init', 'struct_ops sleepable init'],
    // libbpf before 1.0: exact names as prefixes, the longest first.
    ['socket1', 'socket_filter'],
    ['socket/3', 'socket_filter'],
    ['xdp_prog', 'xdp/xdp'],
    ['xdp/tail', 'xdp/xdp'],
    ['tc_mark', 'sched_cls'],
    ['tc/entry', 'sched_cls'],
    ['cgroup/skb1', 'cgroup_skb'],
    ['cgroup/sock_release2', 'cgroup_sock/cgroup_inet_sock_release'],
    ['sk_skb/stream_verdict_x', 'sk_skb/sk_skb_stream_verdict'],
    // Other families.
    ['from-container', 'sched_cls'],
    ['to-netdev', 'sched_cls'],
    ['tail-12', 'sched_cls'],
    ['filter', 'socket_filter'],
    ['loadbalancer', 'socket_filter'],
    // `+` needs its separator, and nothing else is known.
    ['kprobex', 'none'],
    ['fentry_x', 'none'],
    ['mine', 'none'],
    ['', 'none'],
  ])('%s', (name, expected) => {
    expect(describeName(name)).toBe(expected);
  });

  it.each([
    ['bind', 'bind/bind'],
    ['xdp', 'xdp/xdp'],
    ['xdp/skb', 'xdp/xdp'],
    ['cgroup/connect4', 'cgroup_sock_addr/cgroup_inet4_connect'],
    ['cgroup/recv_accept6', 'cgroup_sock_addr/cgroup_inet6_recv_accept'],
    ['cgroup/listen4', 'cgroup_sock_addr/cgroup_inet4_listen'],
    ['cgroup/connect_authorization6', 'cgroup_sock_addr/cgroup_inet6_connect_authorization'],
    ['sockops', 'sock_ops/cgroup_sock_ops'],
    ['sample_ext', 'sample/sample'],
    ['tc', 'none'],
    ['kprobe/x', 'none'],
  ])('%s of Windows', (name, expected) => {
    expect(describeName(name, 'windows')).toBe(expected);
  });

  it.each([
    ['2/7', { mapId: 2, slot: 7 }],
    ['1/0x1010', { mapId: 1, slot: 0x1010 }],
    ['2/', undefined],
    ['a/1', undefined],
    ['99999999999/1', undefined],
    ['1/2/3', undefined],
  ])('%s as a tail call slot', (name, expected) => {
    expect(tailSlot(name)).toEqual(expected);
  });
});
