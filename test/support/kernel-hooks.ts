// What programs can be attached to in the running kernel, found out by attaching one of two instructions once.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, rmdirSync } from 'node:fs';
import process from 'node:process';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import { close, progLoad } from '../../src/hosts/linux/bpf.ts';
import { kernelTypes } from '../../src/hosts/linux/kernel-types.ts';
import { cgroupFolder } from '../../src/hosts/linux/places.ts';
import { linuxSession } from '../../src/hosts/linux/session.ts';
import { assemble } from '../../src/isa/assembler.ts';
import { errnoName } from '../../src/spec/errno.ts';
import type { AttachTypeName, ProgramTypeName } from '../../src/spec/program-types.ts';
import type { AttachTarget } from '../../src/spec/session.ts';

interface Places {
  readonly ifindex: number;
  readonly cgroup: string;
}

interface HookRow {
  readonly type: ProgramTypeName;
  readonly attachType: AttachTypeName;
  /** What the program returns: what lets pass. */
  readonly returns?: number;
  readonly target: (places: Places) => AttachTarget;
  /** Kind of device, where it is not veth. */
  readonly kind?: string;
  /** Function of the kernel that it is loaded for; then loading is what is tried. */
  readonly of?: string;
}

const device = ({ ifindex }: Places): AttachTarget => ({ ifindex });
const group = ({ cgroup }: Places): AttachTarget => ({ cgroup });
const named = (name: string) => (): AttachTarget => ({ name });
const netns = (): AttachTarget => ({});

export const KERNEL_HOOKS = {
  'linux-xdp': { type: 'xdp', attachType: 'xdp', returns: 2, target: device },
  'linux-tcx': { type: 'sched_cls', attachType: 'tcx_ingress', target: device },
  'linux-netkit': { type: 'sched_cls', attachType: 'netkit_primary', target: device, kind: 'netkit' },
  'linux-cgroup-bind': { type: 'cgroup_sock_addr', attachType: 'cgroup_inet4_bind', returns: 1, target: group },
  'linux-cgroup-connect': { type: 'cgroup_sock_addr', attachType: 'cgroup_inet4_connect', returns: 1, target: group },
  'linux-cgroup-sendmsg': { type: 'cgroup_sock_addr', attachType: 'cgroup_udp4_sendmsg', returns: 1, target: group },
  'linux-cgroup-sock': { type: 'cgroup_sock', attachType: 'cgroup_inet_sock_create', returns: 1, target: group },
  'linux-cgroup-skb': { type: 'cgroup_skb', attachType: 'cgroup_inet_egress', returns: 1, target: group },
  'linux-cgroup-device': { type: 'cgroup_device', attachType: 'cgroup_device', returns: 1, target: group },
  'linux-cgroup-sysctl': { type: 'cgroup_sysctl', attachType: 'cgroup_sysctl', returns: 1, target: group },
  'linux-cgroup-sockopt': { type: 'cgroup_sockopt', attachType: 'cgroup_setsockopt', returns: 1, target: group },
  'linux-sock-ops': { type: 'sock_ops', attachType: 'cgroup_sock_ops', target: group },
  'linux-netfilter': { type: 'netfilter', attachType: 'netfilter', returns: 1, target: named('ipv4/local_in') },
  'linux-sk-lookup': { type: 'sk_lookup', attachType: 'sk_lookup', returns: 1, target: netns },
  'linux-tracepoint': { type: 'tracepoint', attachType: 'perf_event', target: named('sched/sched_process_exec') },
  'linux-raw-tracepoint': { type: 'raw_tracepoint', attachType: 'trace_raw_tp', target: named('sched_process_exec') },
  'linux-uprobe-multi': { type: 'kprobe', attachType: 'trace_uprobe_multi', target: named('libc.so.6:getppid') },
  'linux-kprobe': { type: 'kprobe', attachType: 'perf_event', target: named('vfs_read') },
  'linux-kprobe-multi': { type: 'kprobe', attachType: 'trace_kprobe_multi', target: named('vfs_read') },
  'linux-fentry': { type: 'tracing', attachType: 'trace_fentry', target: netns, of: 'vfs_read' },
  'linux-lsm': { type: 'lsm', attachType: 'lsm_mac', target: netns, of: 'bpf_lsm_file_open' },
} as const satisfies Readonly<Record<string, HookRow>>;

export type KernelHook = keyof typeof KERNEL_HOOKS;

/** Why a program cannot be attached there, with the errno; undefined where it can. */
export function tryHook(name: KernelHook): string | undefined {
  const row: HookRow = KERNEL_HOOKS[name];
  const { type, attachType, returns = 0 } = row;
  const { code } = assemble(`r0 = ${returns}\nexit`);
  if (row.of !== undefined) {
    const attachBtfId = kernelTypes('capability').findByName(row.of, 'func');
    if (attachBtfId === undefined) return `the kernel has no ${row.of}`;
    const { fd } = progLoad({ type, attachType, code, license: 'GPL', attachBtfId });
    if (fd < 0) return `PROG_LOAD: ${errnoName(fd)} (${-fd})`;
    close(fd);
    return undefined;
  }
  const session = linuxSession();
  const link = `abpfhook${process.pid}`;
  const cgroup = `/${link}`;
  let step = 'places';
  try {
    const { kind = 'veth' } = row;
    const peer = kind === 'veth' ? ['peer', 'name', `${link}p`] : [];
    const added = spawnSync('ip', ['link', 'add', link, 'type', kind, ...peer], { encoding: 'utf8' });
    if (added.status !== 0) return `the kernel has no ${kind}: ${added.stderr.trim()}`;
    const [{ ifindex }] = JSON.parse(execFileSync('ip', ['-j', 'link', 'show', link], { encoding: 'utf8' })) as [
      { ifindex: number },
    ];
    mkdirSync(cgroupFolder('capability', cgroup));
    step = 'PROG_LOAD';
    const { fd } = session.callNow('prog.load', { name: 'try', type, attachType, code, license: 'GPL' });
    step = 'LINK_CREATE';
    const made = session.callNow('link.create', { fd, attachType, target: row.target({ ifindex, cgroup }) });
    session.callNow('object.close', made);
    return undefined;
  } catch (error) {
    if (!(error instanceof AnyBpfError)) return `${step}: ${error instanceof Error ? error.message : String(error)}`;
    const { errno } = error.diagnostic;
    return `${step}: ${errno === undefined ? error.message : `${errnoName(-errno)} (${errno})`}`;
  } finally {
    void session.close();
    spawnSync('ip', ['link', 'del', link]);
    try {
      rmdirSync(cgroupFolder('capability', cgroup));
    } catch {
      // It was not made.
    }
  }
}
