// bpf(cmd, attr, size): the shapes of union bpf_attr.
import type { Arena } from '../../src/compat/libbpf/arena.ts';
import { ATTRS, BPF_COMMANDS, type BpfCommand } from '../../src/spec/bpf-attr.ts';
import { LINUX_MAP_INFO } from '../../src/spec/bpf-info.ts';
import { type Fields, type Layout, nameBytes, read, type Struct, write } from '../../src/base/structs.ts';
import { type Bench, FRAME, type Libbpf, returns, row, type Rows, textOf, toU32, u32 } from './bench.ts';

const E2BIG = -7;
const EBADF = -9;
const EFAULT = -14;
const EINVAL = -22;

/** A call with the fields set; what attr holds after it comes back. */
async function call<L extends Layout>(l: Libbpf, command: BpfCommand, form: Struct<L>, fields: Partial<Fields<L>>) {
  const attr = new Uint8Array(form.size);
  write(form, attr, fields);
  const result = await l.bpf(BPF_COMMANDS[command], attr, attr.length);
  return { result, attr: read(form, attr) };
}

const place = (arena: Arena, bytes: Uint8Array): bigint => arena.place(bytes);

async function maps(b: Bench): Promise<unknown> {
  const { l } = b;
  const made = await call(l, 'BPF_MAP_CREATE', ATTRS.MAP_CREATE, {
    map_type: 1,
    key_size: 4,
    value_size: 4,
    max_entries: 8,
    map_name: nameBytes('m', 16),
  });
  const map_fd = made.result;
  const value = u32(11);
  const found = new Uint8Array(4);
  const key = place(l.arena, u32(1));
  const results = [
    map_fd > 0,
    (await call(l, 'BPF_MAP_UPDATE_ELEM', ATTRS.ELEMENT, { map_fd, key, value: place(l.arena, value) })).result,
    (await call(l, 'BPF_MAP_LOOKUP_ELEM', ATTRS.ELEMENT, { map_fd, key, value: place(l.arena, found) })).result,
    toU32(found),
    (await call(l, 'BPF_MAP_GET_NEXT_KEY', ATTRS.ELEMENT, { map_fd, key: 0n, value: place(l.arena, found) })).result,
    toU32(found),
    (await call(l, 'BPF_MAP_LOOKUP_ELEM', ATTRS.ELEMENT, { map_fd, key, value: 5n })).result,
    (await call(l, 'BPF_MAP_LOOKUP_ELEM', ATTRS.ELEMENT, { map_fd, key: 0n, value: place(l.arena, found) })).result,
    (await call(l, 'BPF_MAP_LOOKUP_AND_DELETE_ELEM', ATTRS.ELEMENT, { map_fd, key, value: place(l.arena, found) }))
      .result,
    (await call(l, 'BPF_MAP_DELETE_ELEM', ATTRS.ELEMENT, { map_fd, key })).result,
    (await call(l, 'BPF_MAP_FREEZE', ATTRS.ELEMENT, { map_fd })).result,
    (await call(l, 'BPF_MAP_FREEZE', ATTRS.ELEMENT, { map_fd: 999 })).result,
  ];
  return results;
}

async function batches(b: Bench): Promise<unknown> {
  const { l } = b;
  const map_fd = await b.hash();
  const keys = place(l.arena, Uint8Array.from([...u32(1), ...u32(2)]));
  const values = place(l.arena, Uint8Array.from([...u32(3), ...u32(4)]));
  const update = await call(l, 'BPF_MAP_UPDATE_BATCH', ATTRS.BATCH, { map_fd, keys, values, count: 2 });
  const room = {
    map_fd,
    keys: place(l.arena, new Uint8Array(32)),
    values: place(l.arena, new Uint8Array(32)),
    count: 8,
  };
  const out_batch = place(l.arena, new Uint8Array(4));
  const lookup = await call(l, 'BPF_MAP_LOOKUP_BATCH', ATTRS.BATCH, { ...room, out_batch });
  const remove = await call(l, 'BPF_MAP_DELETE_BATCH', ATTRS.BATCH, { map_fd, keys, count: 1 });
  const take = await call(l, 'BPF_MAP_LOOKUP_AND_DELETE_BATCH', ATTRS.BATCH, { ...room, out_batch });
  return [update, lookup, remove, take].map(({ result, attr }) => [result, attr.count]);
}

async function programs(b: Bench): Promise<unknown> {
  const { l } = b;
  const log = new Uint8Array(1024);
  const shared = { prog_type: 6, insn_cnt: 2, license: l.arena.text('GPL'), prog_name: nameBytes('p', 16) };
  const good = await call(l, 'BPF_PROG_LOAD', ATTRS.PROG_LOAD, { ...shared, insns: place(l.arena, returns(1)) });
  const bad = await call(l, 'BPF_PROG_LOAD', ATTRS.PROG_LOAD, {
    ...shared,
    insn_cnt: 1,
    insns: place(l.arena, returns(1).slice(8)),
    log_level: 1,
    log_size: log.length,
    log_buf: place(l.arena, log),
  });
  const nowhere = await call(l, 'BPF_PROG_LOAD', ATTRS.PROG_LOAD, { ...shared, insns: 3n });
  const noLog = await call(l, 'BPF_PROG_LOAD', ATTRS.PROG_LOAD, {
    ...shared,
    insns: place(l.arena, returns(1)),
    log_level: 1,
  });
  const output = new Uint8Array(64);
  const run = await call(l, 'BPF_PROG_TEST_RUN', ATTRS.TEST_RUN, {
    prog_fd: good.result,
    data_in: place(l.arena, FRAME),
    data_size_in: FRAME.length,
    data_out: place(l.arena, output),
    data_size_out: 64,
    repeat: 1,
  });
  const bind = await call(l, 'BPF_PROG_BIND_MAP', ATTRS.BIND_MAP, { prog_fd: good.result, map_fd: await b.hash() });
  return [
    good.result > 0,
    bad.result < 0,
    textOf(log).length > 5,
    nowhere.result,
    noLog.result,
    run.result,
    run.attr.retval,
    run.attr.data_size_out,
    bind.result,
  ];
}

async function objects(b: Bench): Promise<unknown> {
  const { l } = b;
  const map = await b.hash();
  const pathname = l.arena.text('/sys/fs/bpf/a');
  const info = new Uint8Array(LINUX_MAP_INFO.size);
  const pin = await call(l, 'BPF_OBJ_PIN', ATTRS.OBJECT, { pathname, bpf_fd: map });
  const get = await call(l, 'BPF_OBJ_GET', ATTRS.OBJECT, { pathname });
  const noPath = await call(l, 'BPF_OBJ_GET', ATTRS.OBJECT, { pathname: 1n });
  const got = await call(l, 'BPF_OBJ_GET_INFO_BY_FD', ATTRS.INFO, {
    bpf_fd: get.result,
    info: place(l.arena, info),
    info_len: info.length,
  });
  const next = await call(l, 'BPF_MAP_GET_NEXT_ID', ATTRS.ID, { id: 0 });
  const open = await call(l, 'BPF_MAP_GET_FD_BY_ID', ATTRS.ID, { id: next.attr.next_id });
  return [
    pin.result,
    get.result > 0,
    noPath.result,
    got.result,
    got.attr.info_len,
    read(LINUX_MAP_INFO, info).id === next.attr.next_id,
    next.result,
    open.result > 0,
  ];
}

async function attachments(b: Bench): Promise<unknown> {
  const { l } = b;
  const attach_bpf_fd = await l.bpf_prog_load(8, 'skb', 'GPL', returns(1), 2);
  const target_fd = l.open_target({ cgroup: '/a' });
  const attach = await call(l, 'BPF_PROG_ATTACH', ATTRS.ATTACH, { target_fd, attach_bpf_fd, attach_type: 1 });
  const ids = new Uint8Array(16);
  const query = await call(l, 'BPF_PROG_QUERY', ATTRS.QUERY, {
    target_fd,
    attach_type: 1,
    prog_cnt: 4,
    prog_ids: place(l.arena, ids),
  });
  const detach = await call(l, 'BPF_PROG_DETACH', ATTRS.ATTACH, { target_fd, attach_bpf_fd, attach_type: 1 });
  return [attach.result, query.result, query.attr.prog_cnt, toU32(ids) > 0, detach.result];
}

async function links(b: Bench): Promise<unknown> {
  const { l } = b;
  const prog_fd = await b.xdp();
  const made = await call(l, 'BPF_LINK_CREATE', ATTRS.LINK_CREATE, { prog_fd, target_fd: 7, attach_type: 37 });
  const update = await call(l, 'BPF_LINK_UPDATE', ATTRS.LINK_UPDATE, {
    link_fd: made.result,
    new_prog_fd: await b.xdp(1),
  });
  const next = await call(l, 'BPF_LINK_GET_NEXT_ID', ATTRS.ID, { id: 0 });
  const open = await call(l, 'BPF_LINK_GET_FD_BY_ID', ATTRS.ID, { id: next.attr.next_id });
  const detach = await call(l, 'BPF_LINK_DETACH', ATTRS.LINK_DETACH, { link_fd: made.result });
  return [made.result > 0, update.result, next.result, open.result > 0, detach.result];
}

async function others(b: Bench): Promise<unknown> {
  const { l } = b;
  const btf = l.btf__new_empty();
  l.btf__add_int(btf, 'int', 4, 1);
  const { raw } = btf;
  const loaded = await call(l, 'BPF_BTF_LOAD', ATTRS.BTF_LOAD, { btf: place(l.arena, raw), btf_size: raw.length });
  const next = await call(l, 'BPF_BTF_GET_NEXT_ID', ATTRS.ID, { id: 0 });
  const open = await call(l, 'BPF_BTF_GET_FD_BY_ID', ATTRS.ID, { id: next.attr.next_id });
  const stats = await call(l, 'BPF_ENABLE_STATS', ATTRS.ENABLE_STATS, { type: 0 });
  const prog_fd = await l.bpf_prog_load(17, 'rtp', 'GPL', returns(0), 2);
  const raws = await call(l, 'BPF_RAW_TRACEPOINT_OPEN', ATTRS.RAW_TRACEPOINT, { name: l.arena.text('x'), prog_fd });
  await b.xdp();
  const programs = await call(l, 'BPF_PROG_GET_NEXT_ID', ATTRS.ID, { id: 0 });
  const program = await call(l, 'BPF_PROG_GET_FD_BY_ID', ATTRS.ID, { id: programs.attr.next_id });
  return [loaded, open, stats, raws, program].map(({ result }) => result > 0);
}

/** Lengths: shorter attributes are filled with zeros, longer ones must be zero behind what is known. */
async function lengths({ l }: Bench): Promise<unknown> {
  const create = (size: number, at?: number): Promise<number> => {
    const attr = new Uint8Array(size);
    write(ATTRS.MAP_CREATE, attr, { map_type: 2, key_size: 4, value_size: 4, max_entries: 1 });
    if (at !== undefined) attr[at] = 1;
    return l.bpf(0, attr, size);
  };
  return [
    (await create(16)) > 0,
    await create(12),
    (await create(1000)) > 0,
    await create(1000, 999),
    await create(ATTRS.MAP_CREATE.end + 8, ATTRS.MAP_CREATE.end + 4),
    await create(5000),
    await l.bpf(0, new Uint8Array(8), 16),
    await l.bpf(99, new Uint8Array(8), 8),
    await l.bpf(20, new Uint8Array(8), 8),
    await l.bpf(1, new Uint8Array(32), 32),
  ];
}

export const SYSCALL_ROWS: Rows = {
  bpf: row(
    async (b) => ({
      maps: await maps(b),
      batches: await batches(b),
      programs: await programs(b),
      objects: await objects(new (b.constructor as new () => Bench)()),
      attachments: await attachments(b),
      links: await links(b),
      others: await others(b),
      lengths: await lengths(b),
    }),
    {
      maps: [true, 0, 0, 11, 0, 1, EFAULT, EFAULT, 0, -2, 0, EBADF],
      batches: [
        [0, 2],
        [-2, 2],
        [0, 1],
        [-2, 1],
      ],
      programs: [true, true, true, EFAULT, EINVAL, 0, 1, 64, 0],
      objects: [0, true, EFAULT, 0, 88, true, 0, true],
      attachments: [0, 0, 1, true, 0],
      links: [true, 0, 0, true, 0],
      others: [true, true, true, true, true],
      lengths: [true, EINVAL, true, E2BIG, EINVAL, E2BIG, EFAULT, EINVAL, EINVAL, EBADF],
    },
  ),
  arena: row(
    ({ l: { arena } }) => {
      const bytes = Uint8Array.from([1, 2, 3, 4]);
      const at = arena.place(bytes);
      const other = arena.text('ab');
      return [
        arena.bytes(at + 1n, 3)?.[0],
        arena.bytes(at, 5),
        arena.from(at - 1n),
        arena.string(other),
        arena.string(at),
        arena.bytes(1n << 60n, 1),
        arena.free(at),
        arena.bytes(at, 1),
        arena.free(at),
      ];
    },
    [2, undefined, undefined, 'ab', undefined, undefined, true, undefined, false],
  ),
  errno: row(
    async ({ l }) => {
      await l.bpf_obj_get('/sys/fs/bpf/none');
      const set = l.errno;
      l.errno = 0;
      return [set, l.errno];
    },
    [2, 0],
  ),
};
