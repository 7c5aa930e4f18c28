// Functions by handle: bpf_map_*, bpf_prog_*, bpf_obj_*, ids, links, interfaces.
import { read } from '../../src/base/structs.ts';
import { LINUX_MAP_INFO, WINDOWS_MAP_INFO } from '../../src/spec/bpf-info.ts';
import { FRAME, out, returns, row, type Rows, textOf, toU32, u32 } from './bench.ts';

const ENOENT = -2;
const EBADF = -9;
const EBADFD = -77;
const EFAULT = -14;
const EEXIST = -17;
const EINVAL = -22;
const ENOSPC = -28;

/** Keys and values of a batch, with room for `n`. */
const arrays = (n: number) => ({ keys: new Uint8Array(4 * n), values: new Uint8Array(4 * n), count: out(n) });
const numbers = (bytes: Uint8Array, count: number): number[] =>
  [...new Uint32Array(bytes.slice(0, count * 4).buffer)].sort((a, b) => a - b);
const two = { keys: Uint8Array.from([...u32(1), ...u32(2)]), values: Uint8Array.from([...u32(5), ...u32(6)]) };

export const CALL_ROWS: Rows = {
  // Maps.
  bpf_map_create: row(
    async ({ l }) => [
      (await l.bpf_map_create(1, 'm', 4, 8, 10)) > 0,
      await l.bpf_map_create(99, 'm', 4, 8, 10),
      await l.bpf_map_create(1, 'sixteen_letters_', 4, 8, 10),
      await l.bpf_map_create(1, 'm', 0, 8, 10),
    ],
    [true, EINVAL, EINVAL, EINVAL],
  ),
  bpf_create_map: row(async ({ w }) => (await w.bpf_create_map(2, 4, 8, 10, 0)) > 0, true),
  bpf_create_map_in_map: row(
    async ({ w }) => (await w.bpf_create_map_in_map(7, 'outer', 4, await w.bpf_create_map(1, 4, 4, 1, 0), 2, 0)) > 0,
    true,
  ),
  bpf_create_map_xattr: row(
    async ({ w }) =>
      (await w.bpf_create_map_xattr({ name: 'x', map_type: 1, key_size: 4, value_size: 4, max_entries: 3 })) > 0,
    true,
  ),
  bpf_map_lookup_elem: row(
    async (b) => {
      const fd = await b.hash(2);
      const value = new Uint8Array(4);
      return [
        await b.l.bpf_map_lookup_elem(fd, u32(2), value),
        toU32(value),
        await b.l.bpf_map_lookup_elem(fd, u32(9), value),
        await b.l.bpf_map_lookup_elem(fd, u32(2), new Uint8Array(2)),
        await b.l.bpf_map_lookup_elem(999, u32(2), value),
      ];
    },
    [0, 20, ENOENT, EFAULT, EBADF],
  ),
  bpf_map_lookup_elem_flags: row(
    async (b) => {
      const fd = await b.hash(1);
      const value = new Uint8Array(4);
      // BPF_F_LOCK where the value has no lock.
      return [
        await b.l.bpf_map_lookup_elem_flags(fd, u32(1), value, 0),
        toU32(value),
        await b.l.bpf_map_lookup_elem_flags(fd, u32(1), value, 4),
      ];
    },
    [0, 10, EINVAL],
  ),
  bpf_map_update_elem: row(
    async (b) => {
      const fd = await b.hash(1);
      return [
        await b.l.bpf_map_update_elem(fd, u32(1), u32(1), 1),
        await b.l.bpf_map_update_elem(fd, u32(2), u32(1), 2),
        await b.l.bpf_map_update_elem(fd, u32(2), u32(1), 0n),
        await b.l.bpf_map_update_elem(fd, u32(3), u32(1), 77),
      ];
    },
    [EEXIST, ENOENT, 0, EINVAL],
  ),
  bpf_map_delete_elem: row(
    async (b) => {
      const fd = await b.hash(1);
      return [await b.l.bpf_map_delete_elem(fd, u32(1)), await b.l.bpf_map_delete_elem(fd, u32(1))];
    },
    [0, ENOENT],
  ),
  bpf_map_delete_elem_flags: row(
    async (b) => {
      const fd = await b.hash(1);
      return [await b.l.bpf_map_delete_elem_flags(fd, u32(1), 4), await b.l.bpf_map_delete_elem_flags(fd, u32(1), 0)];
    },
    [EINVAL, 0],
  ),
  bpf_map_lookup_and_delete_elem: row(
    async (b) => {
      const fd = await b.hash(1);
      const value = new Uint8Array(4);
      return [
        await b.l.bpf_map_lookup_and_delete_elem(fd, u32(1), value),
        toU32(value),
        await b.l.bpf_map_lookup_and_delete_elem(fd, u32(1), value),
      ];
    },
    [0, 10, ENOENT],
  ),
  bpf_map_lookup_and_delete_elem_flags: row(
    async (b) => {
      const queue = await b.l.bpf_map_create(22, 'queue', 0, 4, 4);
      await b.l.bpf_map_update_elem(queue, null, u32(7), 0);
      const value = new Uint8Array(4);
      return [await b.l.bpf_map_lookup_and_delete_elem_flags(queue, null, value, 0), toU32(value)];
    },
    [0, 7],
  ),
  bpf_map_get_next_key: row(
    async (b) => {
      const fd = await b.hash(1);
      const key = new Uint8Array(4);
      return [await b.l.bpf_map_get_next_key(fd, null, key), toU32(key), await b.l.bpf_map_get_next_key(fd, key, key)];
    },
    [0, 1, ENOENT],
  ),
  bpf_map_freeze: row(
    async (b) => {
      const fd = await b.hash(1);
      return [
        await b.l.bpf_map_freeze(fd),
        await b.l.bpf_map_update_elem(fd, u32(1), u32(1), 0),
        await b.l.bpf_map_freeze(fd),
      ];
    },
    [0, -1, -1],
  ),
  bpf_map_lookup_batch: row(
    async (b) => {
      const fd = await b.hash(5);
      const { keys, values, count } = arrays(16);
      const result = await b.l.bpf_map_lookup_batch(fd, null, new Uint8Array(4), keys, values, count);
      return [result, count.value, numbers(keys, 5), numbers(values, 5)];
    },
    [ENOENT, 5, [1, 2, 3, 4, 5], [10, 20, 30, 40, 50]],
  ),
  bpf_map_lookup_and_delete_batch: row(
    async (b) => {
      const fd = await b.hash(3);
      const { keys, values, count } = arrays(16);
      const result = await b.l.bpf_map_lookup_and_delete_batch(fd, null, new Uint8Array(4), keys, values, count);
      return [result, count.value, await b.l.bpf_map_get_next_key(fd, null, keys)];
    },
    [ENOENT, 3, ENOENT],
  ),
  bpf_map_update_batch: row(
    async (b) => {
      const fd = await b.hash();
      const count = out(2);
      const value = new Uint8Array(4);
      const result = await b.l.bpf_map_update_batch(fd, two.keys, two.values, count);
      await b.l.bpf_map_lookup_elem(fd, u32(2), value);
      // BPF_NOEXIST: batches take BPF_F_LOCK only.
      const again = await b.l.bpf_map_update_batch(fd, two.keys, two.values, count, { elem_flags: 1 });
      return [result, toU32(value), again, count.value];
    },
    [0, 6, EINVAL, 0],
  ),
  bpf_map_delete_batch: row(
    async (b) => {
      const fd = await b.hash(1);
      const count = out(2);
      return [await b.l.bpf_map_delete_batch(fd, two.keys, count), count.value];
    },
    [ENOENT, 1],
  ),
  map_sizes: row(async (b) => {
    const fd = await b.l.bpf_map_create(6, 'cpus', 4, 5, 1);
    const sizes = await b.l.map_sizes(fd);
    return sizes?.userValueSize === 8 * (await b.l.libbpf_num_possible_cpus());
  }, true),

  // Programs.
  bpf_prog_load: row(
    async ({ l }) => {
      const log = new Uint8Array(4096);
      const refused = await l.bpf_prog_load(6, 'p', 'GPL', returns(0).subarray(8), 1, { log_level: 1, log_buf: log });
      return [
        (await l.bpf_prog_load(6, 'p', 'GPL', returns(0), 2)) > 0,
        refused < 0,
        textOf(log).length > 10,
        await l.bpf_prog_load(99, 'p', 'GPL', returns(0), 2),
        await l.bpf_prog_load(6, 'p', 'GPL', returns(0), 3),
        await l.bpf_prog_load(6, 'p', 'GPL', returns(0), 2, { log_level: 1 }),
      ];
    },
    [true, true, true, EINVAL, EFAULT, EINVAL],
  ),
  bpf_load_program: row(async ({ w }) => (await w.bpf_load_program(1, returns(1), 2, 'MIT', 0)) > 0, true),
  bpf_load_program_xattr: row(
    async ({ w }) =>
      (await w.bpf_load_program_xattr({ prog_type: 2, name: 'b', insns: returns(0), insns_cnt: 2, license: 'MIT' })) >
      0,
    true,
  ),
  bpf_prog_attach: row(
    async (b) => {
      const fd = await b.l.bpf_prog_load(8, 'skb', 'GPL', returns(1), 2);
      return [
        await b.l.bpf_prog_attach(fd, 0, 0, 0),
        await b.l.bpf_prog_attach(fd, 0, 999, 0),
        await b.l.bpf_prog_attach(fd, 12345, 0, 0),
      ];
    },
    [0, EINVAL, EBADF],
  ),
  bpf_prog_attach_opts: row(async (b) => {
    const fd = await b.l.bpf_prog_load(8, 'skb', 'GPL', returns(1), 2);
    // BPF_F_ALLOW_MULTI in a cgroup of its own.
    return b.l.bpf_prog_attach_opts(fd, b.l.open_target({ cgroup: '/a' }), 0, { flags: 2 });
  }, 0),
  bpf_prog_detach: row(
    async (b) => {
      const fd = await b.l.bpf_prog_load(8, 'skb', 'GPL', returns(1), 2);
      await b.l.bpf_prog_attach(fd, 0, 0, 0);
      return [await b.l.bpf_prog_detach(0, 0), await b.l.bpf_prog_detach(0, 0)];
    },
    [0, ENOENT],
  ),
  bpf_prog_detach2: row(async (b) => {
    const fd = await b.l.bpf_prog_load(8, 'skb', 'GPL', returns(1), 2);
    await b.l.bpf_prog_attach(fd, 0, 0, 0);
    return b.l.bpf_prog_detach2(fd, 0, 0);
  }, 0),
  bpf_prog_query: row(
    async (b) => {
      const fd = await b.l.bpf_prog_load(8, 'skb', 'GPL', returns(1), 2);
      await b.l.bpf_prog_attach(fd, 0, 0, 0);
      const ids = new Uint32Array(4);
      const count = out(4);
      const result = await b.l.bpf_prog_query(0, 0, 0, null, ids, count);
      const info = await b.runtime.call('object.info', { fd });
      return [result, count.value, ids[0] === info.id];
    },
    [0, 1, true],
  ),
  bpf_prog_query_opts: row(
    async (b) => {
      const fd = await b.l.bpf_prog_load(8, 'skb', 'GPL', returns(1), 2);
      await b.l.bpf_prog_attach(fd, 0, 0, 0);
      const opts = { prog_ids: new Uint32Array(0), prog_cnt: 0 };
      return [await b.l.bpf_prog_query_opts(0, 0, opts), opts.prog_cnt, await b.l.bpf_prog_query_opts(0, 999, opts)];
    },
    [ENOSPC, 1, EINVAL],
  ),
  bpf_prog_bind_map: row(
    async (b) => {
      const fd = await b.xdp();
      return [await b.l.bpf_prog_bind_map(fd, await b.hash()), await b.l.bpf_prog_bind_map(fd, 1, { flags: 1 })];
    },
    [0, EINVAL],
  ),
  bpf_prog_test_run_opts: row(
    async (b) => {
      const opts = { data_in: FRAME, data_out: new Uint8Array(64), repeat: 3, retval: -1, data_size_out: 64 };
      const fd = await b.xdp(1);
      const small = { data_in: FRAME, data_out: new Uint8Array(8) };
      return [
        await b.l.bpf_prog_test_run_opts(fd, opts),
        opts.retval,
        opts.data_size_out,
        await b.l.bpf_prog_test_run_opts(fd, small),
        await b.l.bpf_prog_test_run_opts(fd, { data_in: FRAME, flags: 2 }),
      ];
    },
    [0, 1, 64, ENOSPC, -95],
  ),
  libbpf_probe_bpf_prog_type: row(
    async ({ l, w }) => [
      await l.libbpf_probe_bpf_prog_type(6),
      await w.libbpf_probe_bpf_prog_type(2),
      await l.libbpf_probe_bpf_prog_type(500),
    ],
    [1, 1, -95],
  ),
  libbpf_probe_bpf_map_type: row(
    async ({ l }) => [
      await l.libbpf_probe_bpf_map_type(1),
      await l.libbpf_probe_bpf_map_type(26),
      await l.libbpf_probe_bpf_map_type(500),
    ],
    [1, 0, -95],
  ),
  libbpf_probe_bpf_helper: row(
    async ({ l }) => [
      await l.libbpf_probe_bpf_helper(6, 1),
      await l.libbpf_probe_bpf_helper(6, 44),
      await l.libbpf_probe_bpf_helper(1, 44),
      await l.libbpf_probe_bpf_helper(500, 1),
    ],
    [1, 1, 0, EINVAL],
  ),
  libbpf_num_possible_cpus: row(async ({ l }) => (await l.libbpf_num_possible_cpus()) >= 1, true),

  // Objects by path and id.
  bpf_obj_pin: row(
    async (b) => {
      const fd = await b.hash();
      return [
        await b.l.bpf_obj_pin(fd, '/sys/fs/bpf/a'),
        await b.l.bpf_obj_pin(fd, '/sys/fs/bpf/a'),
        await b.l.bpf_obj_pin(999, '/sys/fs/bpf/b'),
      ];
    },
    // What BPF_OBJ_PIN says of a handle that is none.
    [0, EEXIST, EINVAL],
  ),
  bpf_obj_get: row(
    async (b) => {
      await b.l.bpf_obj_pin(await b.hash(1), '/sys/fs/bpf/a');
      const fd = await b.l.bpf_obj_get('BPF:\\a');
      return [await b.l.bpf_map_lookup_elem(fd, u32(1), new Uint8Array(4)), await b.l.bpf_obj_get('/sys/fs/bpf/no')];
    },
    [0, ENOENT],
  ),
  bpf_obj_get_opts: row(
    async (b) => {
      await b.l.bpf_obj_pin(await b.hash(1), '/sys/fs/bpf/a');
      return [
        (await b.l.bpf_obj_get_opts('/sys/fs/bpf/a', null)) > 0,
        await b.l.bpf_obj_get_opts('/sys/fs/bpf/a', { file_flags: 8 }),
      ];
    },
    [true, -95],
  ),
  bpf_obj_get_info_by_fd: row(
    async (b) => {
      const fd = await b.hash();
      const linux = new Uint8Array(LINUX_MAP_INFO.size);
      const windows = new Uint8Array(WINDOWS_MAP_INFO.size);
      const length = out(linux.length);
      const results = [
        await b.l.bpf_obj_get_info_by_fd(fd, linux, length),
        await b.w.bpf_obj_get_info_by_fd(fd, windows, out(windows.length)),
        await b.l.bpf_obj_get_info_by_fd(999, linux, length),
        await b.l.bpf_obj_get_info_by_fd(fd, new Uint8Array(300).fill(1), out(300)),
      ];
      const info = read(LINUX_MAP_INFO, linux);
      const other = read(WINDOWS_MAP_INFO, windows);
      return [
        ...results,
        length.value,
        info.key_size,
        info.max_entries,
        textOf(info.name),
        textOf(other.name),
        other.id === info.id,
      ];
    },
    [0, 0, EBADFD, -7, 88, 4, 16, 'numbers', 'numbers', true],
  ),
  bpf_map_get_next_id: row(
    async (b) => {
      const id = out(0);
      const none = await b.l.bpf_map_get_next_id(0, id);
      await b.hash();
      const first = await b.l.bpf_map_get_next_id(0, id);
      return [none, first, id.value > 0, await b.l.bpf_map_get_next_id(id.value, id)];
    },
    [ENOENT, 0, true, ENOENT],
  ),
  bpf_prog_get_next_id: row(async (b) => {
    await b.xdp();
    return b.l.bpf_prog_get_next_id(0, out(0));
  }, 0),
  bpf_link_get_next_id: row(async (b) => {
    await b.link();
    return b.l.bpf_link_get_next_id(0, out(0));
  }, 0),
  bpf_btf_get_next_id: row(async (b) => {
    await b.load('counters');
    return b.l.bpf_btf_get_next_id(0, out(0));
  }, 0),
  bpf_map_get_fd_by_id: row(
    async (b) => {
      const fd = await b.hash(1);
      const { id } = await b.runtime.call('object.info', { fd });
      const other = await b.l.bpf_map_get_fd_by_id(id);
      return [
        other !== fd,
        await b.l.bpf_map_lookup_elem(other, u32(1), new Uint8Array(4)),
        await b.l.bpf_map_get_fd_by_id(777),
      ];
    },
    [true, 0, ENOENT],
  ),
  bpf_prog_get_fd_by_id: row(async ({ l }) => l.bpf_prog_get_fd_by_id(777), ENOENT),
  bpf_link_get_fd_by_id: row(async ({ l }) => l.bpf_link_get_fd_by_id(777), ENOENT),
  bpf_btf_get_fd_by_id: row(async ({ l }) => l.bpf_btf_get_fd_by_id(777), ENOENT),
  bpf_map_get_fd_by_id_opts: row(async ({ l }) => l.bpf_map_get_fd_by_id_opts(1, { open_flags: 8 }), EINVAL),
  bpf_prog_get_fd_by_id_opts: row(async (b) => {
    const { id } = await b.runtime.call('object.info', { fd: await b.xdp() });
    return (await b.l.bpf_prog_get_fd_by_id_opts(id)) > 0;
  }, true),
  bpf_link_get_fd_by_id_opts: row(async (b) => {
    const { id } = await b.runtime.call('object.info', { fd: await b.link() });
    return (await b.l.bpf_link_get_fd_by_id_opts(id)) > 0;
  }, true),
  bpf_btf_get_fd_by_id_opts: row(async ({ l }) => l.bpf_btf_get_fd_by_id_opts(777), ENOENT),

  // Links.
  bpf_link_create: row(
    async (b) => {
      const fd = await b.xdp();
      return [
        (await b.l.bpf_link_create(fd, 7, 37)) > 0,
        await b.l.bpf_link_create(fd, 7, 37),
        await b.l.bpf_link_create(fd, 7, 999),
        await b.l.bpf_link_create(fd, 7, 37, { target_btf_id: 5 }),
      ];
    },
    [true, -16, EINVAL, -95],
  ),
  bpf_link_update: row(
    async (b) => {
      const link = await b.link();
      const next = await b.xdp(1);
      return [
        await b.l.bpf_link_update(link, next),
        await b.l.bpf_link_update(link, next, { old_prog_fd: next }),
        await b.l.bpf_link_update(link, next, { flags: 4 }),
        await b.l.bpf_link_update(link, next, { flags: 4, old_prog_fd: next }),
      ];
    },
    [0, EINVAL, EINVAL, 0],
  ),
  bpf_link_detach: row(
    async (b) => {
      const link = await b.link();
      return [await b.l.bpf_link_detach(link), await b.l.bpf_link_detach(999)];
    },
    [0, EBADF],
  ),
  bpf_btf_load: row(
    async (b) => {
      const btf = b.l.btf__new_empty();
      b.l.btf__add_int(btf, 'int', 4, 1);
      const size = out(0);
      const raw = b.l.btf__raw_data(btf, size) ?? new Uint8Array(0);
      return [(await b.l.bpf_btf_load(raw, size.value)) > 0, (await b.l.bpf_btf_load(raw.subarray(0, 5), 5)) < 0];
    },
    [true, true],
  ),
  bpf_enable_stats: row(
    async ({ l }) => [(await l.bpf_enable_stats(0)) > 0, await l.bpf_enable_stats(7)],
    [true, EINVAL],
  ),
  bpf_raw_tracepoint_open: row(async ({ l }) => {
    const fd = await l.bpf_prog_load(17, 'rtp', 'GPL', returns(0), 2);
    return (await l.bpf_raw_tracepoint_open('sched_switch', fd)) > 0;
  }, true),
  close: row(
    async (b) => {
      const fd = await b.hash();
      return [await b.l.close(fd), await b.l.close(fd), await b.l.close(b.l.open_target({ cgroup: '/' }))];
    },
    [0, EBADF, 0],
  ),
  dup: row(
    async (b) => {
      const fd = await b.hash(1);
      const other = await b.l.dup(fd);
      await b.l.close(fd);
      return [await b.l.bpf_map_lookup_elem(other, u32(1), new Uint8Array(4)), await b.l.dup(999)];
    },
    [0, EBADF],
  ),
  unlink: row(
    async (b) => {
      await b.l.bpf_obj_pin(await b.hash(), '/sys/fs/bpf/a');
      return [await b.l.unlink('/sys/fs/bpf/a'), await b.l.unlink('/sys/fs/bpf/a')];
    },
    [0, ENOENT],
  ),
  open_target: row(({ l }) => l.open_target({ cgroup: '/a' }) !== l.open_target({ cgroup: '/b' }), true),

  // Interfaces.
  bpf_xdp_attach: row(
    async (b) => {
      const fd = await b.xdp();
      // XDP_FLAGS_UPDATE_IF_NOEXIST the second time.
      return [
        await b.l.bpf_xdp_attach(7, fd, 0),
        await b.l.bpf_xdp_attach(7, fd, 1),
        await b.l.bpf_xdp_attach(7, -1, 0),
      ];
    },
    [0, -16, 0],
  ),
  bpf_set_link_xdp_fd: row(async (b) => b.l.bpf_set_link_xdp_fd(7, await b.xdp(), 0), 0),
  bpf_xdp_detach: row(async (b) => {
    await b.l.bpf_xdp_attach(7, await b.xdp(), 0);
    return b.l.bpf_xdp_detach(7, 0);
  }, 0),
  bpf_xdp_query: row(
    async (b) => {
      const opts = { prog_id: 0, attach_mode: 0 };
      await b.l.bpf_xdp_query(7, 0, opts);
      const before = { ...opts };
      await b.l.bpf_xdp_attach(7, await b.xdp(), 0);
      return [before.prog_id, await b.l.bpf_xdp_query(7, 0, opts), opts.prog_id > 0, opts.attach_mode];
    },
    [0, 0, true, 2],
  ),
  bpf_xdp_query_id: row(
    async (b) => {
      const id = out(9);
      return [await b.l.bpf_xdp_query_id(7, 0, id), id.value];
    },
    [0, 0],
  ),
  bpf_tc_hook_create: row(
    ({ l }) => [
      l.bpf_tc_hook_create({ ifindex: 7, attach_point: 1 }),
      l.bpf_tc_hook_create({ ifindex: 7, attach_point: 2 }),
      l.bpf_tc_hook_create({ ifindex: 0, attach_point: 1 }),
    ],
    [0, EEXIST, EINVAL],
  ),
  bpf_tc_attach: row(
    async (b) => {
      const object = await b.load('counters');
      const hook = { ifindex: 7, attach_point: 1 };
      const opts = { prog_fd: b.l.bpf_program__fd(b.program(object)), handle: 1, priority: 1, prog_id: 0 };
      const first = await b.l.bpf_tc_attach(hook, opts);
      const again = await b.l.bpf_tc_attach(hook, { ...opts, prog_id: 0 });
      const other = b.l.bpf_program__fd(b.program(await b.load('counters')));
      const replace = { ...opts, prog_fd: other, prog_id: 0, flags: 1 };
      return [first, opts.prog_id > 0, again, await b.l.bpf_tc_attach(hook, replace)];
    },
    [0, true, EEXIST, 0],
  ),
  bpf_tc_detach: row(
    async (b) => {
      const object = await b.load('counters');
      const hook = { ifindex: 7, attach_point: 2 };
      await b.l.bpf_tc_attach(hook, { prog_fd: b.l.bpf_program__fd(b.program(object)), handle: 1, priority: 1 });
      return [
        await b.l.bpf_tc_detach(hook, { handle: 1, priority: 1 }),
        await b.l.bpf_tc_detach(hook, { handle: 1, priority: 1 }),
        await b.l.bpf_tc_detach(hook, { handle: 1 }),
      ];
    },
    [0, ENOENT, EINVAL],
  ),
  bpf_tc_query: row(
    async (b) => {
      const object = await b.load('counters');
      const hook = { ifindex: 7, attach_point: 2 };
      const given = { prog_fd: b.l.bpf_program__fd(b.program(object)), handle: 0, priority: 0 };
      await b.l.bpf_tc_attach(hook, given);
      const asked = { handle: given.handle, priority: given.priority, prog_id: 0 };
      return [given.handle, given.priority, b.l.bpf_tc_query(hook, asked), asked.prog_id > 0];
    },
    [1, 0xc000, 0, true],
  ),
  bpf_tc_hook_destroy: row(
    async (b) => {
      const object = await b.load('counters');
      const hook = { ifindex: 7, attach_point: 1 };
      await b.l.bpf_tc_attach(hook, { prog_fd: b.l.bpf_program__fd(b.program(object)), handle: 1, priority: 1 });
      return [await b.l.bpf_tc_hook_destroy(hook), b.l.bpf_tc_query(hook, { handle: 1, priority: 1 })];
    },
    [0, ENOENT],
  ),
};
