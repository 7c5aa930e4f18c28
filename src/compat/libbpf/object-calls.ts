// bpf_obj_*, ids, links and BTF by their handles, and the context as a whole.
import { ERRNO } from '../../spec/errno.ts';
import type { AttachTarget, ObjectKind } from '../../spec/session.ts';
import { fillInfo, LARGEST_INFO } from './info.ts';
import { type Library, nothing, type Out, pointer, refuse, status } from './library.ts';
import { attachTypeName } from '../../spec/numbers.ts';
import { writeLog } from './prog-calls.ts';
import { openTarget, targetOf } from './targets.ts';

/** struct bpf_link_create_opts: of its union what has a meaning here. */
export interface LinkCreateOptions {
  readonly flags?: number;
  readonly target_btf_id?: number;
  readonly perf_event?: { readonly bpf_cookie?: bigint };
  readonly kprobe_multi?: {
    readonly flags?: number;
    readonly syms?: readonly string[];
    readonly cookies?: readonly bigint[];
  };
  readonly tracing?: { readonly cookie?: bigint };
}

interface OpenOptions {
  readonly open_flags?: number;
}

/** BPF_F_REPLACE. */
const REPLACE = 1 << 2;

/** What BPF_OBJ_GET_INFO_BY_FD says of a handle that is none. */
const EBADFD = 77;

/** BPF_STATS_RUN_TIME. */
const RUN_TIME = 0;

export function objectCalls(lib: Library) {
  const { session } = lib;

  const nextId = (kind: ObjectKind, start: number, next: Out<number>): Promise<number> =>
    status(lib, async () => {
      next.value = (await session.call('object.nextId', { kind, id: start })).id;
      return 0;
    });
  const byId = (kind: ObjectKind, id: number, opts: OpenOptions | null): Promise<number> =>
    status(lib, async () => {
      if (opts?.open_flags) return refuse(lib, 'EINVAL');
      return (await session.call('object.open', { kind, id })).fd;
    });

  const linkCreate = async (fd: number, target: number, type: number, opts: LinkCreateOptions): Promise<number> => {
    const attachType = attachTypeName(type, lib.dialect);
    if (attachType === undefined) return refuse(lib, 'EINVAL');
    const place = targetOf(lib, attachType, target);
    if (typeof place === 'number') return refuse(lib, -place);
    if (opts.target_btf_id) return refuse(lib, 'EOPNOTSUPP');
    const symbols = opts.kprobe_multi?.syms;
    // One link stands for one place; more symbols than one would be more links.
    if (symbols !== undefined && symbols.length !== 1) return refuse(lib, 'EOPNOTSUPP');
    const cookie = opts.perf_event?.bpf_cookie ?? opts.tracing?.cookie ?? opts.kprobe_multi?.cookies?.[0];
    const made = await session.call('link.create', {
      fd,
      attachType,
      target: symbols === undefined ? place : { ...place, name: symbols[0] },
      flags: opts.flags ?? opts.kprobe_multi?.flags ?? 0,
      ...(cookie === undefined ? {} : { cookie }),
    });
    return made.fd;
  };

  const api = {
    bpf_obj_pin: (fd: number, pathname: string) =>
      status(
        lib,
        async () => {
          await session.call('object.pin', { fd, path: pathname });
          return 0;
        },
        ERRNO.EINVAL,
      ),
    bpf_obj_get: (pathname: string) => api.bpf_obj_get_opts(pathname),
    bpf_obj_get_opts: (pathname: string, opts: { readonly file_flags?: number } | null = null) =>
      status(lib, async () => {
        if (opts?.file_flags) return refuse(lib, 'EOPNOTSUPP');
        return (await session.call('object.get', { path: pathname })).fd;
      }),
    /**
     * Fills `info` with struct bpf_map_info, bpf_prog_info, bpf_link_info or bpf_btf_info of the dialect; `info_len` is the room,
     * then what was filled. Pointers inside are those of `arena`.
     */
    bpf_obj_get_info_by_fd: (bpf_fd: number, info: Uint8Array, info_len: Out<number>) =>
      status(
        lib,
        async () => {
          if (info_len.value > info.length) return refuse(lib, 'EFAULT');
          const room = info.subarray(0, info_len.value);
          // What does not fit is made and cut, as the kernel does; what the struct does not know must be zero.
          const whole = new Uint8Array(Math.max(LARGEST_INFO, room.length));
          whole.set(room);
          const size = await fillInfo(lib, bpf_fd, await session.call('object.info', { fd: bpf_fd }), whole);
          if (room.subarray(size).some((byte) => byte !== 0)) return refuse(lib, 'E2BIG');
          info_len.value = Math.min(size, room.length);
          room.set(whole.subarray(0, info_len.value));
          return 0;
        },
        EBADFD,
      ),
    bpf_prog_get_next_id: (start_id: number, next_id: Out<number>) => nextId('prog', start_id, next_id),
    bpf_map_get_next_id: (start_id: number, next_id: Out<number>) => nextId('map', start_id, next_id),
    bpf_link_get_next_id: (start_id: number, next_id: Out<number>) => nextId('link', start_id, next_id),
    bpf_btf_get_next_id: (start_id: number, next_id: Out<number>) => nextId('btf', start_id, next_id),
    bpf_prog_get_fd_by_id: (id: number) => byId('prog', id, null),
    bpf_map_get_fd_by_id: (id: number) => byId('map', id, null),
    bpf_link_get_fd_by_id: (id: number) => byId('link', id, null),
    bpf_btf_get_fd_by_id: (id: number) => byId('btf', id, null),
    bpf_prog_get_fd_by_id_opts: (id: number, opts: OpenOptions | null = null) => byId('prog', id, opts),
    bpf_map_get_fd_by_id_opts: (id: number, opts: OpenOptions | null = null) => byId('map', id, opts),
    bpf_link_get_fd_by_id_opts: (id: number, opts: OpenOptions | null = null) => byId('link', id, opts),
    bpf_btf_get_fd_by_id_opts: (id: number, opts: OpenOptions | null = null) => byId('btf', id, opts),
    bpf_link_create: (prog_fd: number, target_fd: number, attach_type: number, opts: LinkCreateOptions | null = null) =>
      status(lib, () => linkCreate(prog_fd, target_fd, attach_type, opts ?? {})),
    bpf_link_update: (
      link_fd: number,
      new_prog_fd: number,
      opts: { readonly flags?: number; readonly old_prog_fd?: number } | null = null,
    ) =>
      status(lib, async () => {
        const { flags = 0, old_prog_fd = 0 } = opts ?? {};
        // Without the flag an old program may not be named, with it one must be.
        if (flags & ~REPLACE || (old_prog_fd !== 0) !== ((flags & REPLACE) !== 0)) return refuse(lib, 'EINVAL');
        await session.call('link.update', {
          fd: link_fd,
          progFd: new_prog_fd,
          ...(old_prog_fd === 0 ? {} : { oldProgFd: old_prog_fd }),
        });
        return 0;
      }),
    bpf_link_detach: (link_fd: number) =>
      status(lib, async () => {
        await session.call('link.detach', { fd: link_fd });
        return 0;
      }),
    bpf_btf_load: (
      btf_data: Uint8Array,
      btf_size: number,
      opts: { readonly log_buf?: Uint8Array; readonly log_level?: number; readonly log_size?: number } | null = null,
    ) =>
      status(lib, async () => {
        if (btf_size > btf_data.length) return refuse(lib, 'EFAULT');
        try {
          return (await session.call('btf.load', { btf: btf_data.subarray(0, btf_size) })).fd;
        } catch (error) {
          writeLog(opts?.log_buf, `${error instanceof Error ? error.message : String(error)}\n`);
          throw error;
        }
      }),
    /** Counts run times while the handle is open. */
    bpf_enable_stats: (type: number) =>
      status(lib, async () =>
        type === RUN_TIME ? (await session.call('stats.enable', {})).fd : refuse(lib, 'EINVAL'),
      ),
    bpf_raw_tracepoint_open: (name: string | null, prog_fd: number) =>
      status(lib, async () => {
        const target: AttachTarget = name === null ? {} : { name };
        return (await session.call('link.create', { fd: prog_fd, attachType: 'trace_raw_tp', target })).fd;
      }),
    /** Key size, and bytes of a value of all CPUs, of a map's handle: what arrays for it must have. Null where it is none. */
    map_sizes: (fd: number) =>
      pointer(lib, async () => {
        const info = await session.call('object.info', { fd });
        return info.kind === 'map' ? info : nothing(lib, 'EINVAL');
      }),
    /** close(2) of a handle. */
    close: (fd: number) =>
      status(lib, async () => {
        if (lib.targets.delete(fd)) return 0;
        await session.call('object.close', { fd });
        return 0;
      }),
    /** dup(2) of a handle. */
    dup: (fd: number) => status(lib, async () => (await session.call('object.duplicate', { fd })).fd),
    /** unlink(2) of a pin. */
    unlink: (pathname: string) =>
      status(lib, async () => {
        await session.call('object.unpin', { path: pathname });
        return 0;
      }),
    /** A number for a cgroup, a network namespace or a place in code, where C passes a descriptor of it (open(2), perf_event_open(2)). */
    open_target: (target: AttachTarget): number => openTarget(lib, target),
  };
  return api;
}
