// bpf_program__attach*: each is one link.create; which attach type and which target stand in the name of the function, or in the
// program's section.
import type { Dialect } from '../../spec/object.ts';
import type { AttachTypeName, ProgramTypeName } from '../../spec/program-types.ts';
import type { AttachTarget } from '../../spec/session.ts';
import { BpfLink, type BpfProgram } from './handles.ts';
import { type Library, nothing, pointer, warn } from './library.ts';
import { targetOf } from './targets.ts';

interface Cookie {
  readonly bpf_cookie?: bigint;
}
/** struct bpf_kprobe_opts. */
export interface KprobeOptions extends Cookie {
  readonly offset?: number;
  readonly retprobe?: boolean;
}
/** struct bpf_kprobe_multi_opts. */
export interface KprobeMultiOptions {
  readonly syms?: readonly string[];
  readonly addrs?: readonly bigint[];
  readonly cookies?: readonly bigint[];
  readonly cnt?: number;
  readonly retprobe?: boolean;
}
/** struct bpf_uprobe_opts. */
export interface UprobeOptions extends Cookie {
  readonly ref_ctr_offset?: number;
  readonly retprobe?: boolean;
  readonly func_name?: string;
}
/** struct bpf_netfilter_opts. */
export interface NetfilterOptions {
  readonly pf: number;
  readonly hooknum: number;
  readonly priority?: number;
  readonly flags?: number;
}
/** struct bpf_tcx_opts and bpf_netkit_opts: of the places in a chain, before and after all. */
export interface MprogOptions {
  readonly flags?: number;
  readonly relative_fd?: number;
  readonly relative_id?: number;
  readonly expected_revision?: bigint;
}

/** Attach types of programs whose type has but one, where the object says none. */
const BY_TYPE: { readonly [T in ProgramTypeName]?: AttachTypeName } = {
  kprobe: 'perf_event',
  tracepoint: 'perf_event',
  perf_event: 'perf_event',
  raw_tracepoint: 'trace_raw_tp',
  raw_tracepoint_writable: 'trace_raw_tp',
  xdp: 'xdp',
  netfilter: 'netfilter',
  sk_lookup: 'sk_lookup',
  flow_dissector: 'flow_dissector',
};

/** Program types that libbpf attaches by their section alone. */
const BY_SECTION: ReadonlySet<ProgramTypeName> = new Set([
  'kprobe',
  'tracepoint',
  'raw_tracepoint',
  'raw_tracepoint_writable',
  'tracing',
  'lsm',
]);

/** BPF_F_KPROBE_MULTI_RETURN. */
const RETURN_PROBE = 1;
const isReturnProbe = (prog: BpfProgram): boolean =>
  /^[ku]ret(probe|syscall)/.test(prog.spec.section.replace(/^\?/, ''));

/** enum nfproto and enum nf_inet_hooks, as the context names hooks. */
const FAMILIES = new Map([
  [2, 'ipv4'],
  [10, 'ipv6'],
]);
const HOOKS = ['pre_routing', 'local_in', 'forward', 'local_out', 'post_routing'];

/** Whether an application that attaches without saying where leaves nothing open. */
export function attachesBySection(prog: BpfProgram, dialect: Dialect): boolean {
  if (dialect === 'windows') return true;
  return BY_SECTION.has(prog.type) && prog.attachType !== 'lsm_cgroup' && (prog.attachTarget ?? '') !== '';
}

/** A place in code by name, and its process. */
const named = (name: string | undefined, pid?: number): AttachTarget => ({
  ...(name === undefined ? {} : { name }),
  ...(pid === undefined || pid < 0 ? {} : { pid }),
});

const attachType = (prog: BpfProgram): AttachTypeName | undefined => prog.attachType ?? BY_TYPE[prog.type];

export function attachFunctions(lib: Library) {
  const create = (
    prog: BpfProgram,
    attachType: AttachTypeName | undefined,
    target: AttachTarget | number,
    more: { readonly cookie?: bigint | undefined; readonly flags?: number | undefined } = {},
  ): Promise<BpfLink | null> =>
    pointer(lib, async () => {
      if (prog.fd < 0) {
        warn(lib, `prog '${prog.spec.name}': can't attach before loaded`);
        return nothing(lib, 'EINVAL');
      }
      if (attachType === undefined) return nothing(lib, 'EOPNOTSUPP');
      if (typeof target === 'number') return nothing(lib, -target);
      const { fd } = await lib.session.call('link.create', {
        fd: prog.fd,
        attachType,
        target,
        ...(more.flags ? { flags: more.flags } : {}),
        ...(more.cookie === undefined ? {} : { cookie: more.cookie }),
      });
      return new BpfLink(fd);
    });
  const number = (prog: BpfProgram, fd: number): AttachTarget | number => {
    const type = attachType(prog);
    return type === undefined ? {} : targetOf(lib, type, fd);
  };
  /** Offsets inside functions have no meaning where functions are known by name. */
  const unsupported = async (): Promise<null> => nothing(lib, 'EOPNOTSUPP');
  const mprog = (prog: BpfProgram, ifindex: number, opts: MprogOptions | null) =>
    opts?.relative_fd || opts?.relative_id || opts?.expected_revision
      ? unsupported()
      : create(prog, attachType(prog), { ifindex }, { flags: opts?.flags });

  const api = {
    /** By the program's section, where that says all: else null with EOPNOTSUPP. In the Windows dialect at the whole hook. */
    bpf_program__attach: (prog: BpfProgram): Promise<BpfLink | null> => {
      if (!attachesBySection(prog, lib.dialect)) return unsupported();
      const target = lib.dialect === 'windows' ? {} : named(prog.attachTarget);
      const multi = attachType(prog) === 'trace_kprobe_multi' && isReturnProbe(prog);
      return create(prog, attachType(prog), target, { flags: multi ? RETURN_PROBE : 0 });
    },
    /** `pfd` is a number of open_target(), which stands for perf_event_open(2). */
    bpf_program__attach_perf_event: (prog: BpfProgram, pfd: number) => create(prog, 'perf_event', number(prog, pfd)),
    bpf_program__attach_perf_event_opts: (prog: BpfProgram, pfd: number, opts: Cookie | null = null) =>
      create(prog, 'perf_event', number(prog, pfd), { cookie: opts?.bpf_cookie }),
    bpf_program__attach_kprobe: (prog: BpfProgram, _retprobe: boolean, func_name: string) =>
      create(prog, 'perf_event', named(func_name)),
    bpf_program__attach_kprobe_opts: (prog: BpfProgram, func_name: string, opts: KprobeOptions | null = null) =>
      opts?.offset ? unsupported() : create(prog, 'perf_event', named(func_name), { cookie: opts?.bpf_cookie }),
    /** One symbol, without `*`: a link stands for one place. */
    bpf_program__attach_kprobe_multi_opts: (
      prog: BpfProgram,
      pattern: string | null,
      opts: KprobeMultiOptions | null = null,
    ) => {
      const name = pattern ?? (opts?.syms?.length === 1 ? opts.syms[0] : undefined);
      if (name === undefined || /[*?]/.test(name) || opts?.addrs !== undefined) return unsupported();
      const flags = opts?.retprobe === true ? RETURN_PROBE : 0;
      return create(prog, 'trace_kprobe_multi', named(name), { flags, cookie: opts?.cookies?.[0] });
    },
    bpf_program__attach_ksyscall: (prog: BpfProgram, syscall_name: string, opts: KprobeOptions | null = null) =>
      create(prog, 'perf_event', named(syscall_name), { cookie: opts?.bpf_cookie }),
    bpf_program__attach_uprobe: (
      prog: BpfProgram,
      retprobe: boolean,
      pid: number,
      binary_path: string,
      func_offset: number,
    ) => api.bpf_program__attach_uprobe_opts(prog, pid, binary_path, func_offset, { retprobe }),
    /** By `func_name`; an offset takes the place of a name: `binary:0x1139`. */
    bpf_program__attach_uprobe_opts: (
      prog: BpfProgram,
      pid: number,
      binary_path: string,
      func_offset: number,
      opts: UprobeOptions | null = null,
    ) => {
      if (opts?.ref_ctr_offset || (opts?.func_name !== undefined && func_offset !== 0)) return unsupported();
      const symbol = opts?.func_name ?? `0x${func_offset.toString(16)}`;
      return create(prog, 'perf_event', named(`${binary_path}:${symbol}`, pid), { cookie: opts?.bpf_cookie });
    },
    bpf_program__attach_usdt: (
      prog: BpfProgram,
      pid: number,
      binary_path: string,
      usdt_provider: string,
      usdt_name: string,
      opts: { readonly usdt_cookie?: bigint } | null = null,
    ) =>
      create(prog, 'perf_event', named(`${binary_path}:${usdt_provider}:${usdt_name}`, pid), {
        cookie: opts?.usdt_cookie,
      }),
    bpf_program__attach_tracepoint: (prog: BpfProgram, tp_category: string, tp_name: string) =>
      api.bpf_program__attach_tracepoint_opts(prog, tp_category, tp_name),
    bpf_program__attach_tracepoint_opts: (
      prog: BpfProgram,
      tp_category: string,
      tp_name: string,
      opts: Cookie | null = null,
    ) => create(prog, 'perf_event', named(`${tp_category}/${tp_name}`), { cookie: opts?.bpf_cookie }),
    bpf_program__attach_raw_tracepoint: (prog: BpfProgram, tp_name: string) =>
      create(prog, 'trace_raw_tp', named(tp_name)),
    bpf_program__attach_trace: (prog: BpfProgram) => api.bpf_program__attach_trace_opts(prog),
    bpf_program__attach_trace_opts: (prog: BpfProgram, opts: { readonly cookie?: bigint } | null = null) =>
      create(prog, prog.attachType, named(prog.attachTarget), { cookie: opts?.cookie }),
    bpf_program__attach_lsm: (prog: BpfProgram) => create(prog, prog.attachType, named(prog.attachTarget)),
    /** `cgroup_fd`: open_target({ cgroup }), or 0 for the root. */
    bpf_program__attach_cgroup: (prog: BpfProgram, cgroup_fd: number) =>
      create(prog, attachType(prog), number(prog, cgroup_fd)),
    /** `netns_fd`: open_target({ netns }), or 0 for the context's own. */
    bpf_program__attach_netns: (prog: BpfProgram, netns_fd: number) =>
      create(prog, attachType(prog), number(prog, netns_fd)),
    bpf_program__attach_sockmap: (prog: BpfProgram, map_fd: number) => create(prog, prog.attachType, { mapFd: map_fd }),
    bpf_program__attach_xdp: (prog: BpfProgram, ifindex: number) => create(prog, 'xdp', { ifindex }),
    bpf_program__attach_tcx: (prog: BpfProgram, ifindex: number, opts: MprogOptions | null = null) =>
      mprog(prog, ifindex, opts),
    bpf_program__attach_netkit: (prog: BpfProgram, ifindex: number, opts: MprogOptions | null = null) =>
      mprog(prog, ifindex, opts),
    bpf_program__attach_netfilter: (prog: BpfProgram, opts: NetfilterOptions) => {
      const family = FAMILIES.get(opts.pf);
      const hook = HOOKS[opts.hooknum];
      if (family === undefined || hook === undefined) return pointer(lib, async () => nothing(lib, 'EINVAL'));
      return create(
        prog,
        'netfilter',
        { name: `${family}/${hook}`, priority: opts.priority ?? 0 },
        { flags: opts.flags },
      );
    },
    bpf_program__attach_iter: (prog: BpfProgram, opts: { readonly link_info?: unknown } | null = null) =>
      opts?.link_info === undefined ? create(prog, 'trace_iter', named(prog.attachTarget)) : unsupported(),
  };
  return api;
}
