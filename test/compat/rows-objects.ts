// bpf_object__*, bpf_program__*, bpf_map__*, bpf_link__*, skeletons.
import type { BpfLink, BpfMap, BpfObject, BpfProgram } from '../../src/compat/libbpf/handles.ts';
import {
  type Bench,
  exampleBytes,
  exampleFile,
  FRAME,
  need,
  out,
  returns,
  row,
  type Rows,
  toU32,
  toU64,
  u32,
} from './bench.ts';

const ENOENT = -2;
const EBADF = -9;
const EBUSY = -16;
const EEXIST = -17;
const EINVAL = -22;
const EOPNOTSUPP = -95;

/** The example's map of blocked ports: hash, 2-byte keys. */
const blocked = (b: Bench, object: BpfObject): BpfMap => b.map(object, 'blocked');

/** A program of one type and attach type, as if an object had it: sampler's, changed before it is loaded. */
async function changed(b: Bench, type: number, attachType: number, target?: string): Promise<BpfProgram> {
  const object = b.open('sampler');
  const program = b.program(object);
  b.l.bpf_program__set_type(program, type);
  b.l.bpf_program__set_expected_attach_type(program, attachType);
  if (target !== undefined) b.l.bpf_program__set_attach_target(program, 0, target);
  // Its code is XDP's: what is attached is a program of that type that does nothing.
  program.fd = await b.l.bpf_prog_load(type, 'nothing', 'GPL', returns(0), 2, { expected_attach_type: attachType });
  if (program.fd < 0) throw new Error(`load: ${program.fd}`);
  return program;
}

const fdOf = (link: BpfLink | null): boolean => (link?.fd ?? -1) > 0;

export const OBJECT_ROWS: Rows = {
  bpf_object__open: row(
    async ({ l }) => [
      l.bpf_object__name(await l.bpf_object__open(exampleFile('sampler'))),
      await l.bpf_object__open('/none'),
      l.errno,
    ],
    ['sampler', null, 2],
  ),
  bpf_object__open_file: row(async ({ l }) => {
    const opts = { object_name: 'mine', pin_root_path: '/sys/fs/bpf/p' };
    return l.bpf_object__name(await l.bpf_object__open_file(exampleFile('sampler'), opts));
  }, 'mine'),
  bpf_object__open_mem: row(
    ({ l }) => {
      const bytes = exampleBytes('sampler');
      return [
        l.bpf_object__open_mem(bytes, bytes.length) !== null,
        l.bpf_object__open_mem(bytes, 0),
        l.errno,
        l.bpf_object__open_mem(bytes.subarray(100), 400),
        l.errno,
      ];
    },
    [true, null, 22, null, 4001],
  ),
  bpf_object__load: row(
    async (b) => {
      const object = b.open('sampler');
      return [await b.l.bpf_object__load(object), await b.l.bpf_object__load(object), await b.l.bpf_object__load(null)];
    },
    [0, EINVAL, EINVAL],
  ),
  bpf_object__load_xattr: row(async (b) => b.w.bpf_object__load_xattr({ obj: b.open('portQuota', b.w) }), 0),
  bpf_prog_load_deprecated: row(
    async ({ w }) => {
      const object = out<BpfObject | null>(null);
      const fd = out(-1);
      return [await w.bpf_prog_load_deprecated(exampleFile('portQuota'), 2, object, fd), fd.value > 0];
    },
    [0, true],
  ),
  bpf_object__close: row(async (b) => {
    await b.l.bpf_object__close(await b.load('sampler'));
    return b.l.bpf_prog_get_next_id(0, out(0));
  }, ENOENT),
  bpf_object__unload: row(
    async (b) => {
      const object = await b.load('sampler');
      return [await b.l.bpf_object__unload(object), b.l.bpf_program__fd(b.program(object))];
    },
    [0, ENOENT],
  ),
  bpf_object__name: row((b) => b.l.bpf_object__name(b.open('sampler')), 'sampler'),
  bpf_object__next: row(
    (b) => {
      const first = b.open('sampler');
      const second = b.open('counters');
      return [
        b.l.bpf_object__next(null) === first,
        b.l.bpf_object__next(first) === second,
        b.l.bpf_object__next(second),
      ];
    },
    [true, true, null],
  ),
  bpf_object__kversion: row((b) => b.l.bpf_object__kversion(b.open('sampler')), 0),
  bpf_object__set_kversion: row(
    async (b) => {
      const object = b.open('sampler');
      const first = b.l.bpf_object__set_kversion(object, 7);
      await b.l.bpf_object__load(object);
      return [first, b.l.bpf_object__kversion(object), b.l.bpf_object__set_kversion(object, 8)];
    },
    [0, 7, EINVAL],
  ),
  bpf_object__btf: row((b) => {
    const btf = b.l.bpf_object__btf(b.open('sampler'));
    return btf !== null && b.l.btf__find_by_name(btf, 'event') > 0;
  }, true),
  bpf_object__btf_fd: row(
    async (b) => [b.l.bpf_object__btf_fd(b.open('sampler')), b.l.bpf_object__btf_fd(await b.load('sampler')) > 0],
    [-1, true],
  ),
  bpf_object__find_program_by_name: row(
    (b) => {
      const object = b.open('sampler');
      return [
        b.l.bpf_object__find_program_by_name(object, 'sample') !== null,
        b.l.bpf_object__find_program_by_name(object, 'x'),
        b.l.errno,
      ];
    },
    [true, null, 2],
  ),
  bpf_object__find_map_by_name: row(
    (b) => {
      const object = b.open('sampler');
      const names = ['events', '.bss', 'sampler.bss', 'none'];
      return names.map((name) => b.l.bpf_map__name(b.l.bpf_object__find_map_by_name(object, name)));
    },
    ['events', 'sampler.bss', 'sampler.bss', null],
  ),
  bpf_object__find_map_fd_by_name: row(
    async (b) => {
      const object = await b.load('sampler');
      return [
        b.l.bpf_object__find_map_fd_by_name(object, 'events') > 0,
        b.l.bpf_object__find_map_fd_by_name(object, 'x'),
      ];
    },
    [true, EINVAL],
  ),
  bpf_object__next_program: row(
    (b) => {
      const object = b.open('sampler');
      const first = need(b.l.bpf_object__next_program(object, null), b.l);
      return [b.l.bpf_program__name(first), b.l.bpf_object__next_program(object, first)];
    },
    ['sample', null],
  ),
  bpf_object__prev_program: row((b) => {
    const object = b.open('sampler');
    return b.l.bpf_object__prev_program(object, null) === b.program(object);
  }, true),
  bpf_object__next_map: row(
    (b) => {
      const object = b.open('dropPort');
      const names: (string | null)[] = [];
      for (let m = b.l.bpf_object__next_map(object, null); m; m = b.l.bpf_object__next_map(object, m))
        names.push(m.name);
      return names;
    },
    ['blocked', 'totals', 'dropPort.rodata'],
  ),
  bpf_object__prev_map: row(
    (b) => {
      const object = b.open('dropPort');
      const other = b.open('counters');
      const last = need(b.l.bpf_object__prev_map(object, null), b.l);
      return [
        last.name,
        b.l.bpf_object__prev_map(object, last)?.name,
        b.l.bpf_object__prev_map(other, last),
        b.l.errno,
      ];
    },
    ['dropPort.rodata', 'totals', null, 22],
  ),
  bpf_program__next: row((b) => b.w.bpf_program__next(null, b.open('sampler'))?.spec.name, 'sample'),
  bpf_program__prev: row((b) => b.w.bpf_program__prev(null, b.open('sampler'))?.spec.name, 'sample'),
  bpf_map__next: row((b) => b.w.bpf_map__next(null, b.open('dropPort'))?.name, 'blocked'),
  bpf_map__prev: row((b) => b.w.bpf_map__prev(null, b.open('dropPort'))?.name, 'dropPort.rodata'),
  bpf_object__pin: row(
    async (b) => {
      const object = await b.load('dropPort');
      const status = await b.l.bpf_object__pin(object, '/sys/fs/bpf/d');
      const { pins } = await b.runtime.call('object.pins', {});
      return [status, pins.map((pin) => pin.path)];
    },
    [0, ['/sys/fs/bpf/d/blocked', '/sys/fs/bpf/d/dropPort_rodata', '/sys/fs/bpf/d/drop_port', '/sys/fs/bpf/d/totals']],
  ),
  bpf_object__pin_maps: row(
    async (b) => [
      await b.l.bpf_object__pin_maps(null, '/sys/fs/bpf/d'),
      await b.l.bpf_object__pin_maps(b.open('dropPort'), '/sys/fs/bpf/d'),
      await b.l.bpf_object__pin_maps(await b.load('dropPort'), null),
      await b.l.bpf_object__pin_maps(await b.load('dropPort'), '/sys/fs/bpf/d'),
    ],
    [ENOENT, ENOENT, 0, 0],
  ),
  bpf_object__unpin_maps: row(
    async (b) => {
      const object = await b.load('dropPort');
      await b.l.bpf_object__pin_maps(object, '/sys/fs/bpf/d');
      return [
        await b.l.bpf_object__unpin_maps(object, '/sys/fs/bpf/d'),
        await b.l.bpf_object__unpin_maps(object, '/sys/fs/bpf/d'),
      ];
    },
    [0, ENOENT],
  ),
  bpf_object__pin_programs: row(
    async (b) => [
      await b.l.bpf_object__pin_programs(b.open('dropPort'), '/sys/fs/bpf/p'),
      await b.l.bpf_object__pin_programs(await b.load('dropPort'), '/sys/fs/bpf/p'),
      await b.l.bpf_obj_get('/sys/fs/bpf/p/drop_port').then((fd) => fd > 0),
    ],
    [ENOENT, 0, true],
  ),
  bpf_object__unpin_programs: row(
    async (b) => {
      const object = await b.load('dropPort');
      await b.l.bpf_object__pin_programs(object, '/sys/fs/bpf/p');
      return [
        await b.l.bpf_object__unpin_programs(object, '/sys/fs/bpf/p'),
        await b.l.bpf_object__unpin_programs(object, '/sys/fs/bpf/p'),
      ];
    },
    [0, ENOENT],
  ),

  // Skeletons.
  bpf_object__open_skeleton: row(
    (b) => {
      const s = skeleton();
      return [
        b.l.bpf_object__open_skeleton(s),
        s.maps[0].map.value?.name,
        s.maps[1].mmaped?.value?.length,
        b.l.bpf_object__open_skeleton({ ...s, progs: [{ name: 'x', prog: out<BpfProgram | null>(null) }] }),
      ];
    },
    [0, 'events', 24, -3],
  ),
  bpf_object__load_skeleton: row(
    async (b) => {
      const s = skeleton();
      b.l.bpf_object__open_skeleton(s);
      return [await b.l.bpf_object__load_skeleton(s), (s.progs[0].prog.value?.fd ?? -1) > 0];
    },
    [0, true],
  ),
  bpf_object__attach_skeleton: row(
    async (b) => {
      const s = skeleton();
      b.l.bpf_object__open_skeleton(s);
      await b.l.bpf_object__load_skeleton(s);
      // XDP does not attach by itself.
      return [await b.l.bpf_object__attach_skeleton(s), s.progs[0].link?.value];
    },
    [0, null],
  ),
  bpf_object__detach_skeleton: row(
    async (b) => {
      const s = skeleton();
      b.l.bpf_object__open_skeleton(s);
      await b.l.bpf_object__load_skeleton(s);
      const { link, prog } = s.progs[0];
      if (link !== undefined && prog.value !== null) link.value = await b.l.bpf_program__attach_xdp(prog.value, 7);
      await b.l.bpf_object__detach_skeleton(s);
      return [link?.value, await b.l.bpf_link_get_next_id(0, out(0))];
    },
    [null, ENOENT],
  ),
  bpf_object__destroy_skeleton: row(
    async (b) => {
      const s = skeleton();
      b.l.bpf_object__open_skeleton(s);
      await b.l.bpf_object__load_skeleton(s);
      await b.l.bpf_object__destroy_skeleton(s);
      return [s.obj.value, await b.l.bpf_map_get_next_id(0, out(0))];
    },
    [null, ENOENT],
  ),
  bpf_object__open_subskeleton: row(
    (b) => {
      const obj = b.open('sampler');
      const map = out<BpfMap | null>(null);
      const addr = out<Uint8Array | null>(null);
      const s = { obj, maps: [{ name: 'sampler.rodata', map }], progs: [], vars: [{ name: 'every', map, addr }] };
      return [b.l.bpf_object__open_subskeleton(s), addr.value === null ? 0 : toU32(addr.value)];
    },
    [0, 10],
  ),
  bpf_object__destroy_subskeleton: row(({ l }) => l.bpf_object__destroy_subskeleton(null), undefined),

  // Programs.
  bpf_program__name: row((b) => b.l.bpf_program__name(b.program(b.open('sampler'))), 'sample'),
  bpf_program__section_name: row((b) => b.l.bpf_program__section_name(b.program(b.open('sampler'))), 'xdp'),
  bpf_program__autoload: row((b) => b.l.bpf_program__autoload(b.program(b.open('sampler'))), true),
  bpf_program__set_autoload: row(
    async (b) => {
      const object = b.open('sampler');
      const program = b.program(object);
      const set = b.l.bpf_program__set_autoload(program, false);
      await b.l.bpf_object__load(object);
      return [set, b.l.bpf_program__fd(program), b.l.bpf_program__set_autoload(program, true)];
    },
    [0, ENOENT, EINVAL],
  ),
  bpf_program__autoattach: row((b) => b.l.bpf_program__autoattach(b.program(b.open('sampler'))), true),
  bpf_program__set_autoattach: row((b) => {
    const program = b.program(b.open('sampler'));
    b.l.bpf_program__set_autoattach(program, false);
    return b.l.bpf_program__autoattach(program);
  }, false),
  bpf_program__insns: row((b) => b.l.bpf_program__insns(b.program(b.open('sampler'))).length % 8, 0),
  bpf_program__set_insns: row((b) => {
    const program = b.program(b.open('sampler'));
    return b.l.bpf_program__set_insns(program, returns(1), 2);
  }, EOPNOTSUPP),
  bpf_program__insn_cnt: row((b) => {
    const program = b.program(b.open('sampler'));
    return b.l.bpf_program__insn_cnt(program) === b.l.bpf_program__insns(program).length / 8;
  }, true),
  bpf_program__fd: row(
    async (b) => [
      b.l.bpf_program__fd(null),
      b.l.bpf_program__fd(b.program(b.open('sampler'))),
      b.l.bpf_program__fd(b.program(await b.load('sampler'))) > 0,
    ],
    [EINVAL, ENOENT, true],
  ),
  bpf_program__pin: row(
    async (b) => {
      const program = b.program(await b.load('sampler'));
      return [
        await b.l.bpf_program__pin(b.program(b.open('sampler')), '/sys/fs/bpf/p'),
        await b.l.bpf_program__pin(program, '/sys/fs/bpf/p'),
        await b.l.bpf_program__pin(program, '/sys/fs/bpf/p'),
      ];
    },
    [EINVAL, 0, EEXIST],
  ),
  bpf_program__unpin: row(
    async (b) => {
      const program = b.program(await b.load('sampler'));
      await b.l.bpf_program__pin(program, '/sys/fs/bpf/p');
      return [
        await b.l.bpf_program__unpin(program, '/sys/fs/bpf/p'),
        await b.l.bpf_program__unpin(program, '/sys/fs/bpf/p'),
      ];
    },
    [0, ENOENT],
  ),
  bpf_program__unload: row(
    async (b) => {
      const program = b.program(await b.load('sampler'));
      await b.l.bpf_program__unload(program);
      return [b.l.bpf_program__fd(program), await b.l.bpf_prog_get_next_id(0, out(0))];
    },
    [ENOENT, ENOENT],
  ),
  bpf_program__type: row(
    (b) => [b.l.bpf_program__type(b.program(b.open('sampler'))), b.w.bpf_program__type(b.program(b.open('sampler')))],
    [6, 1],
  ),
  bpf_program__get_type: row((b) => b.l.bpf_program__get_type(b.program(b.open('sampler'))), 6),
  bpf_program__set_type: row(
    async (b) => {
      const program = b.program(b.open('sampler'));
      const set = b.l.bpf_program__set_type(program, 3);
      const loaded = b.program(await b.load('sampler'));
      return [
        set,
        b.l.bpf_program__type(program),
        b.l.bpf_program__set_type(loaded, 3),
        b.l.bpf_program__set_type(program, 999),
      ];
    },
    [0, 3, EBUSY, EINVAL],
  ),
  bpf_program__expected_attach_type: row(
    (b) => b.l.bpf_program__expected_attach_type(b.program(b.open('sampler'))),
    37,
  ),
  bpf_program__get_expected_attach_type: row(
    (b) => b.w.bpf_program__get_expected_attach_type(b.program(b.open('portQuota'))),
    2,
  ),
  bpf_program__set_expected_attach_type: row(
    async (b) => {
      const program = b.program(b.open('sampler'));
      return [
        b.l.bpf_program__set_expected_attach_type(program, 35),
        b.l.bpf_program__expected_attach_type(program),
        b.l.bpf_program__set_expected_attach_type(b.program(await b.load('sampler')), 35),
      ];
    },
    [0, 35, EBUSY],
  ),
  bpf_program__flags: row((b) => b.l.bpf_program__flags(b.program(b.open('sampler'))), 0),
  bpf_program__set_flags: row(
    async (b) => {
      const program = b.program(b.open('sampler'));
      const set = b.l.bpf_program__set_flags(program, 2);
      return [set, b.l.bpf_program__flags(program), b.l.bpf_program__set_flags(b.program(await b.load('sampler')), 2)];
    },
    [0, 2, EBUSY],
  ),
  bpf_program__log_level: row((b) => b.l.bpf_program__log_level(b.program(b.open('sampler'))), 0),
  bpf_program__set_log_level: row(
    (b) => {
      const program = b.program(b.open('sampler'));
      return [b.l.bpf_program__set_log_level(program, 2), b.l.bpf_program__log_level(program)];
    },
    [0, 2],
  ),
  bpf_program__log_buf: row(
    (b) => {
      const size = out(7);
      return [b.l.bpf_program__log_buf(b.program(b.open('sampler')), size), size.value];
    },
    [null, 0],
  ),
  bpf_program__set_log_buf: row(
    (b) => {
      const program = b.program(b.open('sampler'));
      const size = out(0);
      const set = b.l.bpf_program__set_log_buf(program, new Uint8Array(64), 64);
      b.l.bpf_program__log_buf(program, size);
      return [set, size.value, b.l.bpf_program__set_log_buf(program, null, 5)];
    },
    [0, 64, EINVAL],
  ),
  bpf_program__set_attach_target: row(
    async (b) => [
      b.l.bpf_program__set_attach_target(b.program(b.open('sampler')), 0, 'do_exit'),
      b.l.bpf_program__set_attach_target(b.program(b.open('sampler')), -1, 'do_exit'),
      b.l.bpf_program__set_attach_target(b.program(await b.load('sampler')), 0, 'do_exit'),
    ],
    [0, EINVAL, EINVAL],
  ),
  bpf_program__set_ifindex: row((b) => b.l.bpf_program__set_ifindex(b.program(b.open('sampler')), 0), undefined),

  // Attaching.
  bpf_program__attach: row(
    async (b) => {
      const kprobe = await changed(b, 2, 0, 'do_exit');
      const xdp = b.program(await b.load('sampler'));
      const unloaded = b.program(b.open('portQuota'));
      return [
        fdOf(await b.l.bpf_program__attach(kprobe)),
        await b.l.bpf_program__attach(xdp),
        b.l.errno,
        await b.w.bpf_program__attach(unloaded),
        b.w.errno,
        fdOf(await b.w.bpf_program__attach(b.program(await b.load('portQuota', b.w)))),
      ];
    },
    [true, null, 95, null, 22, true],
  ),
  bpf_program__attach_xdp: row(
    async (b) => {
      const program = b.program(await b.load('sampler'));
      return [
        fdOf(await b.l.bpf_program__attach_xdp(program, 7)),
        await b.l.bpf_program__attach_xdp(program, 7),
        b.l.errno,
      ];
    },
    [true, null, 16],
  ),
  bpf_program__attach_cgroup: row(
    async (b) => {
      const program = await changed(b, 8, 1);
      return [
        fdOf(await b.l.bpf_program__attach_cgroup(program, b.l.open_target({ cgroup: '/web' }))),
        await b.l.bpf_program__attach_cgroup(program, 12345),
        b.l.errno,
      ];
    },
    [true, null, 9],
  ),
  bpf_program__attach_netns: row(
    async (b) => fdOf(await b.l.bpf_program__attach_netns(await changed(b, 30, 36), 0)),
    true,
  ),
  bpf_program__attach_sockmap: row(async (b) => {
    const map = await b.l.bpf_map_create(15, 'sockets', 4, 4, 4);
    return fdOf(await b.l.bpf_program__attach_sockmap(await changed(b, 14, 5), map));
  }, true),
  bpf_program__attach_tcx: row(
    async (b) => {
      const program = await changed(b, 3, 46);
      return [
        fdOf(await b.l.bpf_program__attach_tcx(program, 7)),
        await b.l.bpf_program__attach_tcx(program, 7, { relative_id: 1 }),
        b.l.errno,
      ];
    },
    [true, null, 95],
  ),
  bpf_program__attach_netkit: row(
    async (b) => fdOf(await b.l.bpf_program__attach_netkit(await changed(b, 3, 54), 7)),
    true,
  ),
  bpf_program__attach_netfilter: row(
    async (b) => {
      const program = await changed(b, 32, 45);
      return [
        fdOf(await b.l.bpf_program__attach_netfilter(program, { pf: 2, hooknum: 1, priority: -128 })),
        await b.l.bpf_program__attach_netfilter(program, { pf: 99, hooknum: 1 }),
        b.l.errno,
      ];
    },
    [true, null, 22],
  ),
  bpf_program__attach_kprobe: row(
    async (b) => fdOf(await b.l.bpf_program__attach_kprobe(await changed(b, 2, 0), false, 'do_exit')),
    true,
  ),
  bpf_program__attach_kprobe_opts: row(
    async (b) => {
      const program = await changed(b, 2, 0);
      return [
        fdOf(await b.l.bpf_program__attach_kprobe_opts(program, 'do_exit', { bpf_cookie: 7n })),
        await b.l.bpf_program__attach_kprobe_opts(program, 'do_exit', { offset: 4 }),
      ];
    },
    [true, null],
  ),
  bpf_program__attach_kprobe_multi_opts: row(
    async (b) => {
      const program = await changed(b, 2, 42);
      return [
        fdOf(await b.l.bpf_program__attach_kprobe_multi_opts(program, 'do_exit')),
        await b.l.bpf_program__attach_kprobe_multi_opts(program, 'do_*'),
      ];
    },
    [true, null],
  ),
  bpf_program__attach_ksyscall: row(
    async (b) => fdOf(await b.l.bpf_program__attach_ksyscall(await changed(b, 2, 0), 'openat')),
    true,
  ),
  bpf_program__attach_uprobe: row(
    async (b) => fdOf(await b.l.bpf_program__attach_uprobe(await changed(b, 2, 0), false, -1, '/bin/sh', 0x40)),
    true,
  ),
  bpf_program__attach_uprobe_opts: row(
    async (b) =>
      fdOf(await b.l.bpf_program__attach_uprobe_opts(await changed(b, 2, 0), 9, '/bin/sh', 0, { func_name: 'main' })),
    true,
  ),
  bpf_program__attach_usdt: row(
    async (b) => fdOf(await b.l.bpf_program__attach_usdt(await changed(b, 2, 0), -1, '/bin/sh', 'sh', 'start')),
    true,
  ),
  bpf_program__attach_tracepoint: row(
    async (b) => fdOf(await b.l.bpf_program__attach_tracepoint(await changed(b, 5, 0), 'sched', 'sched_switch')),
    true,
  ),
  bpf_program__attach_tracepoint_opts: row(
    async (b) =>
      fdOf(await b.l.bpf_program__attach_tracepoint_opts(await changed(b, 5, 0), 'a', 'b', { bpf_cookie: 1n })),
    true,
  ),
  bpf_program__attach_raw_tracepoint: row(
    async (b) => fdOf(await b.l.bpf_program__attach_raw_tracepoint(await changed(b, 17, 0), 'sched_switch')),
    true,
  ),
  bpf_program__attach_perf_event: row(
    async (b) => fdOf(await b.l.bpf_program__attach_perf_event(await changed(b, 7, 0), b.l.open_target({ pid: 5 }))),
    true,
  ),
  bpf_program__attach_perf_event_opts: row(
    async (b) => fdOf(await b.l.bpf_program__attach_perf_event_opts(await changed(b, 7, 0), 0, { bpf_cookie: 5n })),
    true,
  ),
  // Programs of type tracing are made from objects, with the function that they trace: none here is loaded.
  bpf_program__attach_trace: row(
    async (b) => [await b.l.bpf_program__attach_trace(b.program(b.open('sampler'))), b.l.errno],
    [null, 22],
  ),
  bpf_program__attach_trace_opts: row(
    async (b) => [await b.l.bpf_program__attach_trace_opts(b.program(b.open('sampler')), { cookie: 1n }), b.l.errno],
    [null, 22],
  ),
  bpf_program__attach_lsm: row(
    async (b) => [await b.l.bpf_program__attach_lsm(b.program(b.open('sampler'))), b.l.errno],
    [null, 22],
  ),
  bpf_program__attach_iter: row(
    async (b) => {
      const program = b.program(await b.load('sampler'));
      const first = await b.l.bpf_program__attach_iter(program);
      const second = await b.l.bpf_program__attach_iter(program, { link_info: {} });
      return [first, second, b.l.errno];
    },
    [null, null, 95],
  ),

  // Links.
  bpf_link__open: row(
    async (b) => {
      await b.l.bpf_obj_pin(await b.link(), '/sys/fs/bpf/l');
      const link = need(await b.l.bpf_link__open('/sys/fs/bpf/l'), b.l);
      return [link.fd > 0, b.l.bpf_link__pin_path(link), await b.l.bpf_link__open('/sys/fs/bpf/none'), b.l.errno];
    },
    [true, '/sys/fs/bpf/l', null, 2],
  ),
  bpf_link__fd: row(async (b) => [b.l.bpf_link__fd(await xdpLink(b)) > 0, b.l.bpf_link__fd(null)], [true, EINVAL]),
  bpf_link__pin_path: row(async (b) => b.l.bpf_link__pin_path(await xdpLink(b)), null),
  bpf_link__pin: row(
    async (b) => {
      const link = await xdpLink(b);
      return [await b.l.bpf_link__pin(link, '/sys/fs/bpf/l'), await b.l.bpf_link__pin(link, '/sys/fs/bpf/m')];
    },
    [0, EBUSY],
  ),
  bpf_link__unpin: row(
    async (b) => {
      const link = await xdpLink(b);
      const before = await b.l.bpf_link__unpin(link);
      await b.l.bpf_link__pin(link, '/sys/fs/bpf/l');
      return [before, await b.l.bpf_link__unpin(link), await b.l.bpf_obj_get('/sys/fs/bpf/l')];
    },
    [EINVAL, 0, ENOENT],
  ),
  bpf_link__update_program: row(
    async (b) => {
      const link = await xdpLink(b);
      return [
        await b.l.bpf_link__update_program(link, b.program(await b.load('sampler'))),
        await b.l.bpf_link__update_program(link, b.program(b.open('sampler'))),
      ];
    },
    [0, EINVAL],
  ),
  bpf_link__disconnect: row(async (b) => {
    const link = await xdpLink(b);
    b.l.bpf_link__disconnect(link);
    await b.l.bpf_link__destroy(link);
    return b.l.bpf_link_get_next_id(0, out(0));
  }, 0),
  bpf_link__detach: row(
    async (b) => {
      const link = await xdpLink(b);
      const id = out(9);
      return [await b.l.bpf_link__detach(link), await b.l.bpf_xdp_query_id(7, 0, id), id.value];
    },
    [0, 0, 0],
  ),
  bpf_link__destroy: row(
    async (b) => {
      const status = await b.l.bpf_link__destroy(await xdpLink(b));
      return [status, await b.l.bpf_link_get_next_id(0, out(0)), await b.l.bpf_link__destroy(null)];
    },
    [0, ENOENT, 0],
  ),

  // Maps.
  bpf_map__fd: row(
    async (b) => [
      b.l.bpf_map__fd(null),
      b.l.bpf_map__fd(blocked(b, b.open('dropPort'))),
      b.l.bpf_map__fd(blocked(b, await b.load('dropPort'))) > 0,
    ],
    [EINVAL, -1, true],
  ),
  bpf_map__name: row((b) => b.l.bpf_map__name(blocked(b, b.open('dropPort'))), 'blocked'),
  bpf_map__type: row((b) => b.l.bpf_map__type(b.map(b.open('sampler'), 'events')), 27),
  bpf_map__set_type: row(
    async (b) => {
      const map = blocked(b, b.open('dropPort'));
      return [
        b.l.bpf_map__set_type(map, 9),
        b.l.bpf_map__type(map),
        b.l.bpf_map__set_type(map, 999),
        b.l.bpf_map__set_type(blocked(b, await b.load('dropPort')), 9),
      ];
    },
    [0, 9, EINVAL, EBUSY],
  ),
  bpf_map__max_entries: row((b) => b.l.bpf_map__max_entries(b.map(b.open('counters'), 'protocols')), 256),
  bpf_map__set_max_entries: row(
    async (b) => {
      const object = b.open('dropPort');
      const map = blocked(b, object);
      const ring = b.map(b.open('sampler'), 'events');
      const set = [b.l.bpf_map__set_max_entries(map, 5), b.l.bpf_map__set_max_entries(ring, 5000)];
      await b.l.bpf_object__load(object);
      const info = await b.runtime.call('object.info', { fd: map.fd });
      return [
        set,
        info.kind === 'map' && info.maxEntries,
        b.l.bpf_map__max_entries(ring),
        b.l.bpf_map__set_max_entries(map, 9),
      ];
    },
    [[0, 0], 5, 8192, EBUSY],
  ),
  bpf_map__map_flags: row((b) => b.l.bpf_map__map_flags(b.map(b.open('sampler'), '.bss')), 1 << 10),
  bpf_map__set_map_flags: row(
    async (b) => {
      const object = b.open('dropPort');
      const map = blocked(b, object);
      // BPF_F_NO_PREALLOC.
      const set = b.l.bpf_map__set_map_flags(map, 1);
      await b.l.bpf_object__load(object);
      const info = await b.runtime.call('object.info', { fd: map.fd });
      return [set, info.kind === 'map' && info.flags, b.l.bpf_map__set_map_flags(map, 0)];
    },
    [0, 1, EBUSY],
  ),
  bpf_map__numa_node: row((b) => b.l.bpf_map__numa_node(blocked(b, b.open('dropPort'))), 0),
  bpf_map__set_numa_node: row(
    (b) => {
      const map = blocked(b, b.open('dropPort'));
      return [b.l.bpf_map__set_numa_node(map, 0), b.l.bpf_map__numa_node(map)];
    },
    [0, 0],
  ),
  bpf_map__key_size: row((b) => b.l.bpf_map__key_size(b.map(b.open('counters'), 'protocols')), 4),
  bpf_map__set_key_size: row(
    async (b) => {
      const map = b.map(b.open('counters'), 'protocols');
      const set = b.l.bpf_map__set_key_size(map, 8);
      const loaded = b.map(await b.load('counters'), 'protocols');
      return [set, b.l.bpf_map__key_size(map), b.l.bpf_map__set_key_size(loaded, 8)];
    },
    [0, 8, EBUSY],
  ),
  bpf_map__value_size: row((b) => b.l.bpf_map__value_size(b.map(b.open('counters'), 'protocols')), 16),
  bpf_map__set_value_size: row(
    (b) => {
      const map = b.map(b.open('counters'), 'protocols');
      return [b.l.bpf_map__set_value_size(map, 32), b.l.bpf_map__value_size(map)];
    },
    [0, 32],
  ),
  bpf_map__map_extra: row((b) => b.l.bpf_map__map_extra(blocked(b, b.open('dropPort'))), 0n),
  bpf_map__set_map_extra: row(
    (b) => {
      const map = blocked(b, b.open('dropPort'));
      return [b.l.bpf_map__set_map_extra(map, 3n), b.l.bpf_map__map_extra(map)];
    },
    [0, 3n],
  ),
  bpf_map__btf_key_type_id: row((b) => b.l.bpf_map__btf_key_type_id(b.map(b.open('counters'), 'protocols')) > 0, true),
  bpf_map__btf_value_type_id: row(
    (b) => b.l.bpf_map__btf_value_type_id(b.map(b.open('counters'), 'protocols')) > 0,
    true,
  ),
  bpf_map__ifindex: row((b) => b.l.bpf_map__ifindex(blocked(b, b.open('dropPort'))), 0),
  bpf_map__set_ifindex: row(
    async (b) => [
      b.l.bpf_map__set_ifindex(blocked(b, b.open('dropPort')), 0),
      b.l.bpf_map__set_ifindex(blocked(b, b.open('dropPort')), 3),
      b.l.bpf_map__set_ifindex(blocked(b, await b.load('dropPort')), 0),
    ],
    [0, EOPNOTSUPP, EBUSY],
  ),
  bpf_map__autocreate: row((b) => b.l.bpf_map__autocreate(blocked(b, b.open('dropPort'))), true),
  bpf_map__set_autocreate: row(
    async (b) => [
      b.l.bpf_map__set_autocreate(blocked(b, b.open('dropPort')), true),
      b.l.bpf_map__set_autocreate(blocked(b, b.open('dropPort')), false),
      b.l.bpf_map__set_autocreate(blocked(b, await b.load('dropPort')), true),
    ],
    [0, EOPNOTSUPP, EBUSY],
  ),
  bpf_map__reuse_fd: row(
    async (b) => {
      const first = await b.load('dropPort');
      const object = b.open('dropPort');
      const { fd } = blocked(b, first);
      const status = await b.l.bpf_map__reuse_fd(blocked(b, object), fd);
      const loaded = await b.l.bpf_object__load(object);
      const ids = await Promise.all(
        [blocked(b, first), blocked(b, object)].map(
          async (m) => (await b.runtime.call('object.info', { fd: m.fd })).id,
        ),
      );
      return [status, loaded, ids[0] === ids[1], await b.l.bpf_map__reuse_fd(blocked(b, b.open('dropPort')), 999)];
    },
    [0, 0, true, EBADF],
  ),
  bpf_map__initial_value: row(
    (b) => {
      const object = b.open('sampler');
      const size = out(0);
      const value = b.l.bpf_map__initial_value(b.map(object, '.rodata'), size);
      return [value === null ? 0 : toU32(value), size.value, b.l.bpf_map__initial_value(b.map(object, 'events'))];
    },
    [10, 4, null],
  ),
  bpf_map__set_initial_value: row(
    async (b) => {
      const object = b.open('sampler');
      const set = b.l.bpf_map__set_initial_value(b.map(object, '.rodata'), u32(1), 4);
      const wrong = b.l.bpf_map__set_initial_value(b.map(object, '.rodata'), new Uint8Array(8), 8);
      const bss = new Uint8Array(24);
      bss[0] = 40;
      const zeros = b.l.bpf_map__set_initial_value(b.map(object, '.bss'), bss, 24);
      await b.l.bpf_object__load(object);
      await b.l.bpf_prog_test_run_opts(b.l.bpf_program__fd(b.program(object)), { data_in: FRAME });
      // One of one packets is sampled now, and they are counted from 40.
      const value = new Uint8Array(24);
      await b.l.bpf_map__lookup_elem(b.map(object, '.bss'), u32(0), 4, value, 24);
      return [set, wrong, zeros, toU64(value), b.l.bpf_map__set_initial_value(b.map(object, '.bss'), bss, 24)];
    },
    [0, EINVAL, 0, 41n, EINVAL],
  ),
  bpf_map__is_internal: row(
    (b) => {
      const object = b.open('sampler');
      return [b.l.bpf_map__is_internal(b.map(object, '.bss')), b.l.bpf_map__is_internal(b.map(object, 'events'))];
    },
    [true, false],
  ),
  bpf_map__set_pin_path: row(
    async (b) => {
      const object = b.open('dropPort');
      const set = b.l.bpf_map__set_pin_path(blocked(b, object), '/sys/fs/bpf/ports');
      await b.l.bpf_object__load(object);
      return [set, b.l.bpf_map__is_pinned(blocked(b, object)), (await b.l.bpf_obj_get('/sys/fs/bpf/ports')) > 0];
    },
    [0, true, true],
  ),
  bpf_map__pin_path: row(
    (b) => {
      const map = blocked(b, b.open('dropPort'));
      const before = b.l.bpf_map__pin_path(map);
      b.l.bpf_map__set_pin_path(map, '/sys/fs/bpf/x');
      return [before, b.l.bpf_map__pin_path(map)];
    },
    [null, '/sys/fs/bpf/x'],
  ),
  bpf_map__get_pin_path: row((b) => b.l.bpf_map__get_pin_path(blocked(b, b.open('dropPort'))), null),
  bpf_map__is_pinned: row(async (b) => b.l.bpf_map__is_pinned(blocked(b, await b.load('dropPort'))), false),
  bpf_map__pin: row(
    async (b) => {
      const map = blocked(b, await b.load('dropPort'));
      return [
        await b.l.bpf_map__pin(null, '/sys/fs/bpf/m'),
        await b.l.bpf_map__pin(map, null),
        await b.l.bpf_map__pin(map, '/sys/fs/bpf/m'),
        await b.l.bpf_map__pin(map, '/sys/fs/bpf/m'),
        await b.l.bpf_map__pin(map, '/sys/fs/bpf/other'),
      ];
    },
    [EINVAL, EINVAL, 0, 0, EINVAL],
  ),
  bpf_map__unpin: row(
    async (b) => {
      const map = blocked(b, await b.load('dropPort'));
      const before = await b.l.bpf_map__unpin(map, null);
      await b.l.bpf_map__pin(map, '/sys/fs/bpf/m');
      return [before, await b.l.bpf_map__unpin(map, null), b.l.bpf_map__is_pinned(map)];
    },
    [EINVAL, 0, false],
  ),
  bpf_map__inner_map: row((b) => [b.l.bpf_map__inner_map(blocked(b, b.open('dropPort'))), b.l.errno], [null, 22]),
  bpf_map__set_inner_map_fd: row((b) => b.l.bpf_map__set_inner_map_fd(blocked(b, b.open('dropPort')), 1), EINVAL),
  bpf_map__lookup_elem: row(
    async (b) => {
      const map = b.map(await b.load('counters'), 'protocols');
      const bytes = 16 * (await b.l.libbpf_num_possible_cpus());
      return [
        await b.l.bpf_map__lookup_elem(map, u32(6), 4, new Uint8Array(bytes), bytes),
        await b.l.bpf_map__lookup_elem(map, u32(6), 8, new Uint8Array(bytes), bytes),
        await b.l.bpf_map__lookup_elem(map, u32(6), 4, new Uint8Array(3), 3),
        await b.l.bpf_map__lookup_elem(b.map(b.open('counters'), 'protocols'), u32(6), 4, new Uint8Array(bytes), bytes),
      ];
    },
    [0, EINVAL, EINVAL, ENOENT],
  ),
  bpf_map__update_elem: row(
    async (b) => {
      const map = b.map(await b.load('sampler'), '.bss');
      const value = new Uint8Array(24).fill(1);
      return [
        await b.l.bpf_map__update_elem(map, u32(0), 4, value, 24, 0),
        await b.l.bpf_map__update_elem(map, u32(1), 4, value, 24, 0),
        await b.l.bpf_map__update_elem(map, u32(0), 4, value, 8, 0),
      ];
    },
    [0, -7, EINVAL],
  ),
  bpf_map__delete_elem: row(
    async (b) => {
      const map = blocked(b, await b.load('dropPort'));
      const size = b.l.bpf_map__key_size(map);
      return [
        await b.l.bpf_map__delete_elem(map, new Uint8Array(size), size),
        await b.l.bpf_map__delete_elem(map, new Uint8Array(1), 1),
      ];
    },
    [ENOENT, EINVAL],
  ),
  bpf_map__lookup_and_delete_elem: row(
    async (b) => {
      const map = blocked(b, await b.load('dropPort'));
      const [key, value] = [b.l.bpf_map__key_size(map), b.l.bpf_map__value_size(map)];
      await b.l.bpf_map__update_elem(map, new Uint8Array(key), key, new Uint8Array(value), value);
      const take = () =>
        b.l.bpf_map__lookup_and_delete_elem(map, new Uint8Array(key), key, new Uint8Array(value), value);
      return [await take(), await take()];
    },
    [0, ENOENT],
  ),
  bpf_map__get_next_key: row(
    async (b) => {
      const map = b.map(await b.load('counters'), 'protocols');
      const key = new Uint8Array(4);
      return [
        await b.l.bpf_map__get_next_key(map, null, key, 4),
        toU32(key),
        await b.l.bpf_map__get_next_key(map, u32(255), key, 4),
        await b.l.bpf_map__get_next_key(map, null, key, 8),
      ];
    },
    [0, 0, ENOENT, EINVAL],
  ),
};

async function xdpLink(b: Bench): Promise<BpfLink> {
  return need(await b.l.bpf_program__attach_xdp(b.program(await b.load('sampler')), 7), b.l);
}

function skeleton() {
  return {
    name: 'sampler',
    data: exampleBytes('sampler'),
    obj: out<BpfObject | null>(null),
    maps: [
      { name: 'events', map: out<BpfMap | null>(null) },
      { name: 'sampler.bss', map: out<BpfMap | null>(null), mmaped: out<Uint8Array | null>(null) },
    ],
    progs: [{ name: 'sample', prog: out<BpfProgram | null>(null), link: out<BpfLink | null>(null) }],
  };
}
