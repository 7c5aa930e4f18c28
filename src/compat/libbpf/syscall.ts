// bpf(cmd, attr, size): the system call over the functions by handle. One row a command: the struct in attr, which fields the command
// knows of it, and what it does.
import type { ErrnoName } from '../../spec/errno.ts';
import type { Libbpf } from './types.ts';
import { ATTR_BYTES, ATTRS, BPF_COMMANDS, type BpfCommand } from '../../spec/bpf-attr.ts';
import { type Library, out, refuse } from './library.ts';
import {
  type FieldKind,
  type Fields,
  type Layout,
  nameIn,
  read,
  type Struct,
  words,
  write,
} from '../../base/structs.ts';

/** Raised inside a command to end it with an errno. */
class Fault extends Error {
  readonly errno: ErrnoName | number;
  constructor(errno: ErrnoName | number) {
    super(`${errno}`);
    this.errno = errno;
  }
}

/** A command, whatever its struct is. */
interface Command {
  /** Bytes of attr that it knows: what lies behind must be zero (CHECK_ATTR). */
  readonly end: number;
  run(api: Libbpf, given: Uint8Array, memory: Memory): Promise<number> | number;
}

/** What a command needs beside its fields. */
interface Memory {
  /** Bytes behind a pointer; null for 0. */
  at(pointer: bigint, size: number): Uint8Array | null;
  needed(pointer: bigint, size: number): Uint8Array;
  text(pointer: bigint): string;
  info(fd: number): Promise<{ readonly keySize: number; readonly userValueSize: number }>;
}

interface Call<L extends Layout> extends Memory {
  /** Writes outputs into attr. */
  set(values: Partial<Fields<L>>): void;
}

const bytesOf = (kind: FieldKind): number => (typeof kind === 'number' ? kind : kind === 'u64' ? 8 : 4);

/** A command over a struct, of which it knows all up to a field. */
const row = <L extends Layout>(
  form: Struct<L>,
  last: keyof L & string,
  run: (api: Libbpf, fields: Fields<L>, call: Call<L>) => Promise<number> | number,
): Command => ({
  end: form.offsets[last] + bytesOf(form.layout[last]),
  run: (api, given, memory) => run(api, read(form, given), { ...memory, set: (values) => write(form, given, values) }),
});

type Element = (typeof ATTRS)['ELEMENT'] extends Struct<infer L> ? L : never;
type Batch = (typeof ATTRS)['BATCH'] extends Struct<infer L> ? L : never;

const next = (name: 'prog' | 'map' | 'link' | 'btf') =>
  row(ATTRS.ID, 'next_id', async (api, { id }, { set }) => {
    const found = out(0);
    const result = await api[`bpf_${name}_get_next_id`](id, found);
    if (result === 0) set({ next_id: found.value });
    return result;
  });
const byId = (name: 'prog' | 'map' | 'link' | 'btf') =>
  row(ATTRS.ID, 'open_flags', (api, { id, open_flags }) => api[`bpf_${name}_get_fd_by_id_opts`](id, { open_flags }));

async function element(
  { map_fd, key, value }: Fields<Element>,
  { needed, info }: Call<Element>,
): Promise<{ readonly key: Uint8Array | null; readonly value: Uint8Array }> {
  const { keySize, userValueSize } = await info(map_fd);
  // Types without keys take none (__bpf_copy_key).
  if (keySize === 0 && key !== 0n) throw new Fault('EINVAL');
  return { key: keySize === 0 ? null : needed(key, keySize), value: needed(value, userValueSize) };
}

const lookupBatch = (name: 'bpf_map_lookup_batch' | 'bpf_map_lookup_and_delete_batch') =>
  row(ATTRS.BATCH, 'flags', async (api, fields, { at, needed, info, set }) => {
    const { keySize, userValueSize } = await info(fields.map_fd);
    const count = out(fields.count);
    const cursor = Math.max(4, keySize);
    const result = await api[name](
      fields.map_fd,
      at(fields.in_batch, cursor),
      at(fields.out_batch, cursor),
      needed(fields.keys, fields.count * keySize),
      needed(fields.values, fields.count * userValueSize),
      count,
      fields,
    );
    set({ count: count.value });
    return result;
  });

async function batchArrays(
  { map_fd, keys, values, count }: Fields<Batch>,
  { needed, info }: Call<Batch>,
  value: boolean,
) {
  const { keySize, userValueSize } = await info(map_fd);
  return {
    keys: needed(keys, count * keySize),
    values: value ? needed(values, count * userValueSize) : new Uint8Array(0),
  };
}

const COMMANDS: { readonly [C in BpfCommand]: Command } = {
  BPF_MAP_CREATE: row(ATTRS.MAP_CREATE, 'map_extra', (api, fields) => {
    const name = nameIn(fields.map_name);
    if (name === undefined) throw new Fault('EINVAL');
    return api.bpf_map_create(fields.map_type, name, fields.key_size, fields.value_size, fields.max_entries, fields);
  }),
  BPF_MAP_LOOKUP_ELEM: row(ATTRS.ELEMENT, 'flags', async (api, fields, call) => {
    const { key, value } = await element(fields, call);
    return api.bpf_map_lookup_elem_flags(fields.map_fd, key, value, fields.flags);
  }),
  BPF_MAP_UPDATE_ELEM: row(ATTRS.ELEMENT, 'flags', async (api, fields, call) => {
    const { key, value } = await element(fields, call);
    return api.bpf_map_update_elem(fields.map_fd, key, value, fields.flags);
  }),
  BPF_MAP_DELETE_ELEM: row(ATTRS.ELEMENT, 'key', async (api, { map_fd, key }, { needed, info }) =>
    api.bpf_map_delete_elem(map_fd, needed(key, (await info(map_fd)).keySize)),
  ),
  BPF_MAP_GET_NEXT_KEY: row(ATTRS.ELEMENT, 'value', async (api, { map_fd, key, value }, { at, needed, info }) => {
    const { keySize } = await info(map_fd);
    return api.bpf_map_get_next_key(map_fd, at(key, keySize), needed(value, keySize));
  }),
  BPF_PROG_LOAD: row(ATTRS.PROG_LOAD, 'log_true_size', (api, fields, { at, needed, text }) => {
    const name = nameIn(fields.prog_name);
    const { func_info_cnt, func_info_rec_size, line_info_cnt, line_info_rec_size, log_level, log_size } = fields;
    if (name === undefined || fields.core_relo_cnt !== 0) throw new Fault('EINVAL');
    if ((log_level === 0) !== (fields.log_buf === 0n)) throw new Fault('EINVAL');
    const functions = at(fields.func_info, func_info_cnt * func_info_rec_size);
    const lines = at(fields.line_info, line_info_cnt * line_info_rec_size);
    const log = at(fields.log_buf, log_size);
    if (fields.fd_array !== 0n) throw new Fault('EINVAL');
    const code = needed(fields.insns, fields.insn_cnt * 8);
    return api.bpf_prog_load(fields.prog_type, name, text(fields.license), code, fields.insn_cnt, {
      expected_attach_type: fields.expected_attach_type,
      prog_btf_fd: fields.prog_btf_fd,
      prog_flags: fields.prog_flags,
      prog_ifindex: fields.prog_ifindex,
      attach_btf_id: fields.attach_btf_id,
      attach_prog_fd: fields.attach_prog_fd,
      func_info_cnt,
      func_info_rec_size,
      line_info_cnt,
      line_info_rec_size,
      log_level,
      ...(functions === null ? {} : { func_info: functions }),
      ...(lines === null ? {} : { line_info: lines }),
      ...(log === null ? {} : { log_buf: log }),
    });
  }),
  BPF_OBJ_PIN: row(ATTRS.OBJECT, 'path_fd', (api, { pathname, bpf_fd, file_flags, path_fd }, { text }) => {
    // The handle is looked at before the path.
    if (bpf_fd === 0 || file_flags !== 0 || path_fd !== 0) throw new Fault('EINVAL');
    return api.bpf_obj_pin(bpf_fd, text(pathname));
  }),
  BPF_OBJ_GET: row(ATTRS.OBJECT, 'path_fd', (api, { pathname, bpf_fd, file_flags, path_fd }, { text }) => {
    if (bpf_fd !== 0 || path_fd !== 0) throw new Fault('EINVAL');
    return api.bpf_obj_get_opts(text(pathname), { file_flags });
  }),
  BPF_PROG_ATTACH: row(ATTRS.ATTACH, 'replace_bpf_fd', (api, fields) =>
    api.bpf_prog_attach_opts(fields.attach_bpf_fd, fields.target_fd, fields.attach_type, {
      flags: fields.attach_flags,
      replace_prog_fd: fields.replace_bpf_fd,
    }),
  ),
  BPF_PROG_DETACH: row(ATTRS.ATTACH, 'attach_type', (api, { attach_bpf_fd, target_fd, attach_type }) =>
    api.bpf_prog_detach2(attach_bpf_fd, target_fd, attach_type),
  ),
  BPF_PROG_TEST_RUN: row(ATTRS.TEST_RUN, 'batch_size', async (api, fields, { at, set }) => {
    const { data_size_in, data_size_out, ctx_size_in, ctx_size_out, repeat, flags, cpu, batch_size } = fields;
    const opts = {
      data_in: at(fields.data_in, data_size_in),
      data_out: at(fields.data_out, data_size_out),
      ctx_in: at(fields.ctx_in, ctx_size_in),
      ctx_out: at(fields.ctx_out, ctx_size_out),
      data_size_out,
      ctx_size_out,
      repeat,
      flags,
      cpu,
      batch_size,
      retval: 0,
      duration: 0,
    };
    const result = await api.bpf_prog_test_run_opts(fields.prog_fd, opts);
    set({
      retval: opts.retval,
      duration: opts.duration,
      data_size_out: opts.data_size_out,
      ctx_size_out: opts.ctx_size_out,
    });
    return result;
  }),
  BPF_PROG_GET_NEXT_ID: next('prog'),
  BPF_MAP_GET_NEXT_ID: next('map'),
  BPF_LINK_GET_NEXT_ID: next('link'),
  BPF_BTF_GET_NEXT_ID: next('btf'),
  BPF_PROG_GET_FD_BY_ID: byId('prog'),
  BPF_MAP_GET_FD_BY_ID: byId('map'),
  BPF_LINK_GET_FD_BY_ID: byId('link'),
  BPF_BTF_GET_FD_BY_ID: byId('btf'),
  BPF_OBJ_GET_INFO_BY_FD: row(ATTRS.INFO, 'info', async (api, { bpf_fd, info_len, info }, { needed, set }) => {
    const length = out(info_len);
    const result = await api.bpf_obj_get_info_by_fd(bpf_fd, needed(info, info_len), length);
    if (result === 0) set({ info_len: length.value });
    return result;
  }),
  BPF_PROG_QUERY: row(ATTRS.QUERY, 'prog_attach_flags', async (api, fields, { at, set }) => {
    const ids = at(fields.prog_ids, fields.prog_cnt * 4);
    const flags = at(fields.prog_attach_flags, fields.prog_cnt * 4);
    const opts = {
      query_flags: fields.query_flags,
      attach_flags: 0,
      prog_ids: ids === null ? null : new Uint32Array(fields.prog_cnt),
      prog_attach_flags: flags === null ? null : new Uint32Array(fields.prog_cnt),
      prog_cnt: fields.prog_cnt,
    };
    const result = await api.bpf_prog_query_opts(fields.target_fd, fields.attach_type, opts);
    if (opts.prog_ids !== null) ids?.set(words([...opts.prog_ids]));
    if (opts.prog_attach_flags !== null) flags?.set(words([...opts.prog_attach_flags]));
    set({ prog_cnt: opts.prog_cnt, attach_flags: opts.attach_flags });
    return result;
  }),
  BPF_RAW_TRACEPOINT_OPEN: row(ATTRS.RAW_TRACEPOINT, 'prog_fd', (api, { name, prog_fd }, { text }) =>
    api.bpf_raw_tracepoint_open(name === 0n ? null : text(name), prog_fd),
  ),
  BPF_BTF_LOAD: row(ATTRS.BTF_LOAD, 'btf_log_true_size', (api, fields, { at, needed }) => {
    const log = at(fields.btf_log_buf, fields.btf_log_size);
    return api.bpf_btf_load(
      needed(fields.btf, fields.btf_size),
      fields.btf_size,
      log === null ? null : { log_buf: log },
    );
  }),
  BPF_MAP_LOOKUP_AND_DELETE_ELEM: row(ATTRS.ELEMENT, 'flags', async (api, fields, call) => {
    const { key, value } = await element(fields, call);
    return api.bpf_map_lookup_and_delete_elem_flags(fields.map_fd, key, value, fields.flags);
  }),
  BPF_MAP_FREEZE: row(ATTRS.ELEMENT, 'map_fd', (api, { map_fd }) => api.bpf_map_freeze(map_fd)),
  BPF_MAP_LOOKUP_BATCH: lookupBatch('bpf_map_lookup_batch'),
  BPF_MAP_LOOKUP_AND_DELETE_BATCH: lookupBatch('bpf_map_lookup_and_delete_batch'),
  BPF_MAP_UPDATE_BATCH: row(ATTRS.BATCH, 'flags', async (api, fields, call) => {
    const { keys, values } = await batchArrays(fields, call, true);
    const count = out(fields.count);
    const result = await api.bpf_map_update_batch(fields.map_fd, keys, values, count, fields);
    call.set({ count: count.value });
    return result;
  }),
  BPF_MAP_DELETE_BATCH: row(ATTRS.BATCH, 'flags', async (api, fields, call) => {
    const { keys } = await batchArrays(fields, call, false);
    const count = out(fields.count);
    const result = await api.bpf_map_delete_batch(fields.map_fd, keys, count, fields);
    call.set({ count: count.value });
    return result;
  }),
  BPF_LINK_CREATE: row(ATTRS.LINK_CREATE, 'rest', (api, fields) => {
    const { prog_fd, target_fd, attach_type, flags, bpf_cookie, tracing_cookie, rest } = fields;
    if (rest.some((byte) => byte !== 0)) throw new Fault('EINVAL');
    const cookie = bpf_cookie || tracing_cookie;
    return api.bpf_link_create(prog_fd, target_fd, attach_type, {
      flags,
      ...(cookie === 0n ? {} : { perf_event: { bpf_cookie: cookie } }),
    });
  }),
  BPF_LINK_UPDATE: row(ATTRS.LINK_UPDATE, 'old_prog_fd', (api, { link_fd, new_prog_fd, flags, old_prog_fd }) =>
    api.bpf_link_update(link_fd, new_prog_fd, { flags, old_prog_fd }),
  ),
  BPF_ENABLE_STATS: row(ATTRS.ENABLE_STATS, 'type', (api, { type }) => api.bpf_enable_stats(type)),
  BPF_LINK_DETACH: row(ATTRS.LINK_DETACH, 'link_fd', (api, { link_fd }) => api.bpf_link_detach(link_fd)),
  BPF_PROG_BIND_MAP: row(ATTRS.BIND_MAP, 'flags', (api, { prog_fd, map_fd, flags }) =>
    api.bpf_prog_bind_map(prog_fd, map_fd, { flags }),
  ),
};

const BY_NUMBER = new Map<number, Command>(
  (Object.keys(BPF_COMMANDS) as BpfCommand[]).map((name) => [BPF_COMMANDS[name], COMMANDS[name]]),
);

/** Longer attributes are refused before they are looked at (bpf_check_uarg_tail_zero). */
const MAX_BYTES = 4096;

const nonZero = (bytes: Uint8Array): boolean => bytes.some((byte) => byte !== 0);

/**
 * @param attr union bpf_attr; shorter ones are taken as if zeros followed. Pointers in it are the arena's.
 * @returns what the system call returns, -errno on failure: E2BIG for a tail beyond the union that is not zero, EINVAL for unknown
 * commands and for bytes that the command does not know, EFAULT for pointers to nowhere
 */
export async function bpf(lib: Library, api: Libbpf, cmd: number, attr: Uint8Array, size: number): Promise<number> {
  const command = BY_NUMBER.get(cmd);
  if (size > MAX_BYTES) return refuse(lib, 'E2BIG');
  if (size > attr.length) return refuse(lib, 'EFAULT');
  const given = attr.subarray(0, size);
  if (nonZero(given.subarray(ATTR_BYTES))) return refuse(lib, 'E2BIG');
  if (command === undefined) return refuse(lib, 'EINVAL');
  if (nonZero(given.subarray(command.end))) return refuse(lib, 'EINVAL');
  const at = (pointer: bigint, bytes: number): Uint8Array | null => {
    if (pointer === 0n) return null;
    const found = lib.arena.bytes(pointer, bytes);
    if (found === undefined) throw new Fault('EFAULT');
    return found;
  };
  try {
    return await command.run(api, given, {
      at,
      needed: (pointer, bytes) => {
        const found = at(pointer, bytes);
        if (found === null && bytes > 0) throw new Fault('EFAULT');
        return found ?? new Uint8Array(0);
      },
      text: (pointer) => {
        const found = lib.arena.string(pointer);
        if (found === undefined) throw new Fault('EFAULT');
        return found;
      },
      info: async (fd) => {
        const info = await api.map_sizes(fd);
        if (info === null) throw new Fault(lib.errno);
        return info;
      },
    });
  } catch (error) {
    if (error instanceof Fault) return refuse(lib, error.errno);
    throw error;
  }
}
