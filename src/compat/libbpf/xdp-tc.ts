// bpf_xdp_* and bpf_tc_*: attachments to network interfaces that outlive their handle.
import type { AttachTypeName } from '../../spec/program-types.ts';
import { type Library, type Out, refuse, status } from './library.ts';

/** struct bpf_xdp_attach_opts. */
export interface XdpAttachOptions {
  readonly old_prog_fd?: number;
}

/** struct bpf_xdp_query_opts. */
export interface XdpQueryOptions {
  prog_id?: number;
  drv_prog_id?: number;
  hw_prog_id?: number;
  skb_prog_id?: number;
  attach_mode?: number;
}

/** struct bpf_tc_hook. */
export interface TcHook {
  readonly ifindex: number;
  /** enum bpf_tc_attach_point. */
  readonly attach_point: number;
  readonly parent?: number;
}

/** struct bpf_tc_opts. */
export interface TcOptions {
  prog_fd?: number;
  flags?: number;
  prog_id?: number;
  handle?: number;
  priority?: number;
}

/** BPF_TC_INGRESS and BPF_TC_EGRESS; BPF_TC_CUSTOM names qdiscs, of which there are none. */
const TC_POINTS = new Map<number, AttachTypeName>([
  [1, 'tcx_ingress'],
  [2, 'tcx_egress'],
]);
const BPF_TC_F_REPLACE = 1;
/** BPF_F_REPLACE of BPF_PROG_ATTACH. */
const BPF_F_REPLACE = 1 << 2;
/** XDP_ATTACHED_NONE and XDP_ATTACHED_SKB: there are no drivers here. */
const XDP_ATTACHED = { none: 0, skb: 2 } as const;

interface Filter {
  readonly progFd: number;
  readonly progId: number;
  readonly handle: number;
  readonly priority: number;
}

/** What cls_bpf gives where nothing is asked for. */
const FIRST_HANDLE = 1;
const FIRST_PRIORITY = 0xc000;

const tcPoint = (hook: TcHook): { readonly key: string; readonly attachType: AttachTypeName } | undefined => {
  const attachType = TC_POINTS.get(hook.attach_point);
  if (attachType === undefined || hook.ifindex <= 0 || hook.parent) return undefined;
  return { key: `${hook.ifindex} ${attachType}`, attachType };
};

const matching = (list: readonly Filter[], { handle, priority }: TcOptions): Filter | undefined =>
  list.find((f) => f.handle === (handle ?? 0) && f.priority === (priority ?? 0));

export function interfaceCalls(lib: Library) {
  const { session } = lib;
  /** tc filters of this library by interface and direction: the context has programs there, not handles and priorities. */
  const filters = new Map<string, Filter[]>();
  const hooks = new Set<string>();

  const xdpProgram = async (ifindex: number): Promise<number> =>
    (await session.call('prog.query', { attachType: 'xdp', target: { ifindex } })).progs[0]?.id ?? 0;

  const tcAttach = async (hook: TcHook, opts: TcOptions): Promise<number> => {
    const point = tcPoint(hook);
    const { prog_fd = 0, flags = 0 } = opts;
    const replace = (flags & BPF_TC_F_REPLACE) !== 0;
    if (point === undefined || prog_fd <= 0 || opts.prog_id || flags & ~BPF_TC_F_REPLACE) return refuse(lib, 'EINVAL');
    const list = filters.get(point.key) ?? [];
    const old = matching(list, opts);
    if (old !== undefined && !replace) return refuse(lib, 'EEXIST');
    const info = await session.call('object.info', { fd: prog_fd });
    const { fd: progFd } = await session.call('object.duplicate', { fd: prog_fd });
    try {
      await session.call('prog.attach', {
        fd: progFd,
        attachType: point.attachType,
        target: { ifindex: hook.ifindex },
        ...(old === undefined ? {} : { flags: BPF_F_REPLACE, replaceFd: old.progFd }),
      });
    } catch (error) {
      await session.call('object.close', { fd: progFd });
      throw error;
    }
    if (old !== undefined) await session.call('object.close', { fd: old.progFd });
    const kept = list.filter((f) => f !== old);
    const handle = opts.handle || old?.handle || 1 + Math.max(FIRST_HANDLE - 1, ...kept.map((f) => f.handle));
    const priority = opts.priority || old?.priority || Math.min(FIRST_PRIORITY + 1, ...kept.map((f) => f.priority)) - 1;
    const filter: Filter = { progFd, progId: info.id, handle, priority };
    filters.set(point.key, [...kept, filter]);
    Object.assign(opts, { prog_id: filter.progId, handle, priority });
    return 0;
  };

  const tcDetach = async (hook: TcHook, opts: TcOptions): Promise<number> => {
    const point = tcPoint(hook);
    if (point === undefined || opts.prog_fd || opts.prog_id || opts.flags || !opts.handle || !opts.priority)
      return refuse(lib, 'EINVAL');
    const list = filters.get(point.key) ?? [];
    const filter = matching(list, opts);
    if (filter === undefined) return refuse(lib, 'ENOENT');
    await session.call('prog.detach', {
      fd: filter.progFd,
      attachType: point.attachType,
      target: { ifindex: hook.ifindex },
    });
    await session.call('object.close', { fd: filter.progFd });
    filters.set(
      point.key,
      list.filter((f) => f !== filter),
    );
    return 0;
  };

  const api = {
    /** `prog_fd` -1 detaches. */
    bpf_xdp_attach: (ifindex: number, prog_fd: number, flags: number, opts: XdpAttachOptions | null = null) =>
      status(lib, async () => {
        if (prog_fd < 0) return api.bpf_xdp_detach(ifindex, flags, opts);
        await session.call('prog.attach', {
          fd: prog_fd,
          attachType: 'xdp',
          target: { ifindex },
          flags,
          ...(opts?.old_prog_fd ? { replaceFd: opts.old_prog_fd } : {}),
        });
        return 0;
      }),
    bpf_xdp_detach: (ifindex: number, _flags: number, opts: XdpAttachOptions | null = null) =>
      status(lib, async () => {
        await session.call('prog.detach', {
          ...(opts?.old_prog_fd ? { fd: opts.old_prog_fd } : {}),
          attachType: 'xdp',
          target: { ifindex },
        });
        return 0;
      }),
    bpf_xdp_query: (ifindex: number, _flags: number, opts: XdpQueryOptions) =>
      status(lib, async () => {
        const id = await xdpProgram(ifindex);
        const attach_mode = id === 0 ? XDP_ATTACHED.none : XDP_ATTACHED.skb;
        Object.assign(opts, { prog_id: id, drv_prog_id: 0, hw_prog_id: 0, skb_prog_id: id, attach_mode });
        return 0;
      }),
    /** `prog_id` 0: nothing is attached. */
    bpf_xdp_query_id: (ifindex: number, _flags: number, prog_id: Out<number>) =>
      status(lib, async () => {
        prog_id.value = await xdpProgram(ifindex);
        return 0;
      }),
    /** Before 1.0; eBPF for Windows has it. */
    bpf_set_link_xdp_fd: (ifindex: number, fd: number, flags: number) => api.bpf_xdp_attach(ifindex, fd, flags),
    /** There is no qdisc to make: -EEXIST says that it was asked for before, as clsact does. */
    bpf_tc_hook_create: (hook: TcHook): number => {
      if (hook.ifindex <= 0 || (hook.attach_point & 3) === 0) return refuse(lib, 'EINVAL');
      if (hooks.has(`${hook.ifindex}`)) return refuse(lib, 'EEXIST');
      hooks.add(`${hook.ifindex}`);
      return 0;
    },
    /** Takes all filters of the hook away that this library put there. */
    bpf_tc_hook_destroy: (hook: TcHook) =>
      status(lib, async () => {
        if (hook.ifindex <= 0 || (hook.attach_point & 3) === 0) return refuse(lib, 'EINVAL');
        for (const attach_point of TC_POINTS.keys()) {
          if ((hook.attach_point & attach_point) === 0) continue;
          const point = { ifindex: hook.ifindex, attach_point };
          for (const { handle, priority } of filters.get(tcPoint(point)?.key ?? '') ?? [])
            await tcDetach(point, { handle, priority });
        }
        hooks.delete(`${hook.ifindex}`);
        return 0;
      }),
    bpf_tc_attach: (hook: TcHook, opts: TcOptions) => status(lib, () => tcAttach(hook, opts)),
    bpf_tc_detach: (hook: TcHook, opts: TcOptions) => status(lib, () => tcDetach(hook, opts)),
    bpf_tc_query: (hook: TcHook, opts: TcOptions): number => {
      const point = tcPoint(hook);
      if (point === undefined || opts.prog_fd || opts.prog_id || opts.flags) return refuse(lib, 'EINVAL');
      const filter = matching(filters.get(point.key) ?? [], opts);
      if (filter === undefined) return refuse(lib, 'ENOENT');
      opts.prog_id = filter.progId;
      return 0;
    },
  };
  return api;
}
