// bpf_prog_*: programs by their handles.
import { utf8 } from '../../base/bytes.ts';
import { AnyBpfError } from '../../base/diagnostic.ts';
import type { Result } from '../../spec/session.ts';
import { type Library, type Out, refuse, status } from './library.ts';
import { attachTypeName, programTypeName } from '../../spec/numbers.ts';
import { targetOf } from './targets.ts';

/** struct bpf_prog_load_opts. */
export interface ProgLoadOptions {
  readonly attempts?: number;
  readonly expected_attach_type?: number;
  readonly prog_btf_fd?: number;
  readonly prog_flags?: number;
  readonly prog_ifindex?: number;
  readonly kern_version?: number;
  readonly attach_btf_id?: number;
  readonly attach_prog_fd?: number;
  readonly attach_btf_obj_fd?: number;
  /** Handles that BPF_PSEUDO_MAP_IDX and BPF_PSEUDO_MAP_IDX_VALUE index. */
  readonly fd_array?: readonly number[];
  readonly func_info?: Uint8Array;
  readonly func_info_cnt?: number;
  readonly func_info_rec_size?: number;
  readonly line_info?: Uint8Array;
  readonly line_info_cnt?: number;
  readonly line_info_rec_size?: number;
  readonly log_level?: number;
  readonly log_size?: number;
  /** Takes the verifier's explanation, with a NUL after it. */
  readonly log_buf?: Uint8Array;
}

/** struct bpf_test_run_opts. Sizes are those of the arrays where they are not given. */
export interface TestRunOptions {
  data_in?: Uint8Array | null;
  data_out?: Uint8Array | null;
  data_size_in?: number;
  data_size_out?: number;
  ctx_in?: Uint8Array | null;
  ctx_out?: Uint8Array | null;
  ctx_size_in?: number;
  ctx_size_out?: number;
  retval?: number;
  repeat?: number;
  duration?: number;
  flags?: number;
  cpu?: number;
  batch_size?: number;
}

/** struct bpf_prog_query_opts. */
export interface ProgQueryOptions {
  query_flags?: number;
  attach_flags?: number;
  prog_ids?: Uint32Array | null;
  prog_cnt?: number;
  prog_attach_flags?: Uint32Array | null;
}

/** What a debug log says, as text with a NUL, as much as there is room for. */
export function writeLog(buffer: Uint8Array | null | undefined, log: string): void {
  if (buffer === null || buffer === undefined || buffer.length === 0) return;
  const bytes = utf8(log).subarray(0, buffer.length - 1);
  buffer.set(bytes);
  buffer[bytes.length] = 0;
}

/** BPF_LD | BPF_IMM | BPF_DW, and its sources: 1 map_by_fd, 2 its value, 5 map_by_idx, 6 its value (RFC 9669, 5.4). */
const LD_IMM64 = 0x18;
const INDEXED = new Map([
  [5, 1],
  [6, 2],
]);

/** The code with handles in place of indices; undefined where an index leads nowhere. */
function withHandles(code: Uint8Array, handles: readonly number[]): Uint8Array | undefined {
  const result = code.slice();
  const view = new DataView(result.buffer);
  for (let at = 0; at + 16 <= result.length; at += 8) {
    if (result[at] !== LD_IMM64) continue;
    const source = INDEXED.get(result[at + 1] >> 4);
    if (source !== undefined) {
      const handle = handles[view.getUint32(at + 4, true)];
      if (handle === undefined) return undefined;
      result[at + 1] = (result[at + 1] & 0x0f) | (source << 4);
      view.setUint32(at + 4, handle, true);
    }
    at += 8;
  }
  return result;
}

const FUNC_INFO_BYTES = 8;
const LINE_INFO_BYTES = 16;

/** Records of .BTF.ext as prog.load takes them; null where they have another size. */
function records(
  bytes: Uint8Array | undefined,
  count: number,
  recordSize: number,
  size: number,
): Uint8Array | null | undefined {
  if (bytes === undefined || count === 0) return undefined;
  return recordSize === size && bytes.length >= count * size ? bytes.subarray(0, count * size) : null;
}

/** Copies an output of a test run and says its size; -ENOSPC where it does not fit, after as much as does. */
function runOutput(
  lib: Library,
  bytes: Uint8Array | undefined,
  target: Uint8Array | null | undefined,
  room: number,
): number {
  if (bytes === undefined || target === null || target === undefined) return 0;
  target.set(bytes.subarray(0, Math.min(room, target.length)));
  return bytes.length > Math.min(room, target.length) ? refuse(lib, 'ENOSPC') : 0;
}

const input = (bytes: Uint8Array | null | undefined, size: number | undefined): Uint8Array | undefined =>
  bytes === null || bytes === undefined ? undefined : bytes.subarray(0, size ?? bytes.length);

/** BPF_F_TEST_RUN_ON_CPU 1 << 0. */
const RUN_ON_CPU = 1;

export function progCalls(lib: Library) {
  const { session } = lib;

  const load = async (
    type: number,
    name: string,
    license: string,
    code: Uint8Array,
    opts: ProgLoadOptions,
  ): Promise<number> => {
    const typeName = programTypeName(type, lib.dialect);
    const attachType = opts.expected_attach_type ? attachTypeName(opts.expected_attach_type, lib.dialect) : undefined;
    if (typeName === undefined || (opts.expected_attach_type && attachType === undefined)) return refuse(lib, 'EINVAL');
    // Other programs, kernel functions and devices to attach to have no number here: object.load finds them by name.
    if (opts.attach_btf_id || opts.attach_prog_fd || opts.attach_btf_obj_fd || opts.prog_ifindex)
      return refuse(lib, 'EOPNOTSUPP');
    if (opts.log_buf === undefined && opts.log_level) return refuse(lib, 'EINVAL');
    const functions = records(opts.func_info, opts.func_info_cnt ?? 0, opts.func_info_rec_size ?? 0, FUNC_INFO_BYTES);
    const lines = records(opts.line_info, opts.line_info_cnt ?? 0, opts.line_info_rec_size ?? 0, LINE_INFO_BYTES);
    const resolved = opts.fd_array === undefined ? code : withHandles(code, opts.fd_array);
    if (functions === null || lines === null || resolved === undefined) return refuse(lib, 'EINVAL');
    try {
      const { fd } = await session.call('prog.load', {
        name,
        type: typeName,
        ...(attachType === undefined ? {} : { attachType }),
        code: resolved,
        license,
        dialect: lib.dialect,
        ...(opts.prog_flags ? { flags: opts.prog_flags } : {}),
        ...(opts.prog_btf_fd ? { btfFd: opts.prog_btf_fd } : {}),
        ...(functions === undefined ? {} : { functions }),
        ...(lines === undefined ? {} : { lines }),
      });
      writeLog(opts.log_buf, '');
      return fd;
    } catch (error) {
      if (error instanceof AnyBpfError) writeLog(opts.log_buf, `${error.message}\n`);
      throw error;
    }
  };

  const query = async (target: number, type: number, opts: ProgQueryOptions): Promise<number> => {
    const attachType = attachTypeName(type, lib.dialect);
    if (attachType === undefined) return refuse(lib, 'EINVAL');
    const place = targetOf(lib, attachType, target);
    if (typeof place === 'number') return refuse(lib, -place);
    const { progs } = await session.call('prog.query', { attachType, target: place });
    const room = opts.prog_ids === null || opts.prog_ids === undefined ? 0 : (opts.prog_cnt ?? opts.prog_ids.length);
    progs.slice(0, room).forEach(({ id, flags }, i) => {
      opts.prog_ids?.fill(id, i, i + 1);
      opts.prog_attach_flags?.fill(flags, i, i + 1);
    });
    opts.attach_flags = progs[0]?.flags ?? 0;
    opts.prog_cnt = progs.length;
    return opts.prog_ids && progs.length > room ? refuse(lib, 'ENOSPC') : 0;
  };

  const api = {
    /** `insns` are instructions of 8 bytes, little-endian, with handles in the immediates of map_by_fd. A handle or -errno. */
    bpf_prog_load: (
      prog_type: number,
      prog_name: string | null,
      license: string,
      insns: Uint8Array,
      insn_cnt: number,
      opts: ProgLoadOptions | null = null,
    ) =>
      status(lib, async () => {
        if (insn_cnt === 0) return refuse(lib, 'E2BIG');
        if (insns.length < insn_cnt * 8) return refuse(lib, 'EFAULT');
        return load(prog_type, prog_name ?? '', license, insns.subarray(0, insn_cnt * 8), opts ?? {});
      }),
    bpf_prog_attach: (prog_fd: number, attachable_fd: number, type: number, flags = 0) =>
      api.bpf_prog_attach_opts(prog_fd, attachable_fd, type, { flags }),
    bpf_prog_attach_opts: (
      prog_fd: number,
      attachable_fd: number,
      type: number,
      opts: { readonly flags?: number; readonly replace_prog_fd?: number } | null = null,
    ) =>
      status(lib, async () => {
        const attachType = attachTypeName(type, lib.dialect);
        // Linux attaches XDP by links and by netlink, which bpf_xdp_attach() is.
        const netlinkOnly = attachType === 'xdp' && lib.dialect === 'linux';
        if (attachType === undefined || netlinkOnly) return refuse(lib, 'EINVAL');
        const target = targetOf(lib, attachType, attachable_fd);
        if (typeof target === 'number') return refuse(lib, -target);
        await session.call('prog.attach', {
          fd: prog_fd,
          attachType,
          target,
          flags: opts?.flags ?? 0,
          ...(opts?.replace_prog_fd ? { replaceFd: opts.replace_prog_fd } : {}),
        });
        return 0;
      }),
    bpf_prog_detach: (attachable_fd: number, type: number) => api.bpf_prog_detach2(0, attachable_fd, type),
    bpf_prog_detach2: (prog_fd: number, attachable_fd: number, type: number) =>
      status(lib, async () => {
        const attachType = attachTypeName(type, lib.dialect);
        if (attachType === undefined) return refuse(lib, 'EINVAL');
        const target = targetOf(lib, attachType, attachable_fd);
        if (typeof target === 'number') return refuse(lib, -target);
        await session.call('prog.detach', { ...(prog_fd > 0 ? { fd: prog_fd } : {}), attachType, target });
        return 0;
      }),
    bpf_prog_query: async (
      target_fd: number,
      type: number,
      query_flags: number,
      attach_flags: Out<number> | null,
      prog_ids: Uint32Array | null,
      prog_cnt: Out<number>,
    ): Promise<number> => {
      const opts: ProgQueryOptions = { query_flags, prog_ids, prog_cnt: prog_cnt.value };
      const result = await api.bpf_prog_query_opts(target_fd, type, opts);
      if (attach_flags !== null) attach_flags.value = opts.attach_flags ?? 0;
      prog_cnt.value = opts.prog_cnt ?? 0;
      return result;
    },
    bpf_prog_query_opts: (target_fd: number, type: number, opts: ProgQueryOptions) =>
      status(lib, () => query(target_fd, type, opts)),
    bpf_prog_bind_map: (prog_fd: number, map_fd: number, opts: { readonly flags?: number } | null = null) =>
      status(lib, async () => {
        if (opts?.flags) return refuse(lib, 'EINVAL');
        await session.call('prog.bindMap', { fd: prog_fd, mapFd: map_fd });
        return 0;
      }),
    /** Outputs go into `opts`: retval, duration (nanoseconds of one run), sizes. */
    bpf_prog_test_run_opts: (prog_fd: number, opts: TestRunOptions) =>
      status(lib, async () => {
        // Running on a chosen CPU, and frames that go out on real devices, are the kernel's.
        if ((opts.flags ?? 0) & ~RUN_ON_CPU || opts.batch_size) return refuse(lib, 'EOPNOTSUPP');
        const data = input(opts.data_in, opts.data_size_in);
        const ctx = input(opts.ctx_in, opts.ctx_size_in);
        const run: Result<'prog.testRun'> = await session.call('prog.testRun', {
          fd: prog_fd,
          ...(data === undefined ? {} : { data }),
          ...(ctx === undefined ? {} : { ctx }),
          ...(opts.repeat ? { repeat: opts.repeat } : {}),
        });
        const dataRoom = opts.data_size_out ?? opts.data_out?.length ?? 0;
        const ctxRoom = opts.ctx_size_out ?? opts.ctx_out?.length ?? 0;
        opts.retval = run.retval;
        opts.duration = run.duration;
        if (run.data !== undefined) opts.data_size_out = run.data.length;
        if (run.ctx !== undefined) opts.ctx_size_out = run.ctx.length;
        return runOutput(lib, run.data, opts.data_out, dataRoom) || runOutput(lib, run.ctx, opts.ctx_out, ctxRoom);
      }),
    /** 1 there, 0 not there, -EINVAL for a number that is none. */
    libbpf_probe_bpf_prog_type: (prog_type: number, opts: null = null) =>
      status(lib, async () => {
        const type = programTypeName(prog_type, lib.dialect);
        if (opts !== null || type === undefined) return refuse(lib, opts === null ? 'EOPNOTSUPP' : 'EINVAL');
        return (await session.call('feature.probe', {})).programTypes[type] ? 1 : 0;
      }),
  };
  return api;
}
