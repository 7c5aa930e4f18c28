// libbpf_*: names, errors, lines; and Windows' own names by object, file and type.
import { read } from '../../src/base/structs.ts';
import { LINUX_PROG_INFO, WINDOWS_MAP_INFO } from '../../src/spec/bpf-info.ts';
import type { BpfLink } from '../../src/compat/libbpf/handles.ts';
import type { PinnedMapInfo } from '../../src/compat/libbpf/windows.ts';
import type { ProgramInformation } from '../../src/compat/libbpf/windows-files.ts';
import { type Bench, exampleBytes, exampleFile, need, out, row, type Rows, textOf, u32 } from './bench.ts';

const XDP = 'f1832a85-85d5-45b0-98a0-7069d63013b0';
const BIND = '608c517c-6c52-4a26-b677-bb1c34425adf';
const BIND_ATTACH = 'b9707e04-8127-4c72-833e-05b1fb439496';
const NONE = '00000000-0000-0000-0000-000000000000';
const R = {
  OK: 0,
  INVALID_FD: 4,
  INVALID_ARGUMENT: 6,
  NOT_FOUND: 7,
  NO_MEMORY: 12,
  KEY_NOT_FOUND: 19,
  NO_MORE_KEYS: 25,
};

async function linfo(b: Bench) {
  const fd = b.l.bpf_program__fd(b.program(await b.load('sampler')));
  const info = new Uint8Array(LINUX_PROG_INFO.size);
  await b.l.bpf_obj_get_info_by_fd(fd, info, out(info.length));
  return b.l.bpf_prog_linfo__new(info);
}

const bindProgram = async (b: Bench): Promise<number> => b.l.bpf_program__fd(b.program(await b.load('portQuota', b.w)));
const text = () => out<string | null>(null);

export const NAME_ROWS: Rows = {
  libbpf_major_version: row(({ l }) => l.libbpf_major_version(), 1),
  libbpf_minor_version: row(({ l }) => l.libbpf_minor_version(), 1),
  libbpf_version_string: row(({ l }) => l.libbpf_version_string(), 'v1.1'),
  libbpf_strerror: row(
    ({ l }) => {
      const buffer = new Uint8Array(64);
      const say = (error: number): [number, string] => [l.libbpf_strerror(error, buffer, 64), textOf(buffer)];
      return [
        say(-2),
        say(4001),
        say(4099),
        l.libbpf_strerror(2, buffer, 0),
        l.libbpf_strerror(2, buffer, 5),
        textOf(buffer),
      ];
    },
    [
      [0, 'No such file or directory'],
      [0, 'BPF object format invalid'],
      [-2, 'Unknown libbpf error 4099'],
      -22,
      -34,
      'No s',
    ],
  ),
  libbpf_get_error: row(
    ({ l }) => {
      l.btf__new(new Uint8Array(3), 3);
      return [l.libbpf_get_error(null), l.libbpf_get_error({})];
    },
    [-22, 0],
  ),
  libbpf_set_print: row(
    async ({ l }) => {
      const lines: [number, string][] = [];
      const before = l.libbpf_set_print((level, line) => void lines.push([level, line]));
      await l.bpf_obj_get('/sys/fs/bpf/none');
      return [before, lines.length, lines[0][0], lines[0][1].startsWith('libbpf: ')];
    },
    [null, 1, 2, true],
  ),
  libbpf_set_strict_mode: row(({ l }) => l.libbpf_set_strict_mode(0xffffffff), 0),
  libbpf_set_memlock_rlim: row(({ l }) => l.libbpf_set_memlock_rlim(0), 0),
  libbpf_bpf_attach_type_str: row(
    ({ l, w }) => [
      l.libbpf_bpf_attach_type_str(37),
      w.libbpf_bpf_attach_type_str(2),
      l.libbpf_bpf_attach_type_str(999),
    ],
    ['xdp', 'bind', null],
  ),
  libbpf_bpf_link_type_str: row(
    ({ l }) => [l.libbpf_bpf_link_type_str(6), l.libbpf_bpf_link_type_str(99)],
    ['xdp', null],
  ),
  libbpf_bpf_map_type_str: row(
    ({ l, w }) => [
      l.libbpf_bpf_map_type_str(1),
      w.libbpf_bpf_map_type_str(13),
      l.libbpf_bpf_map_type_str(0),
      l.libbpf_bpf_map_type_str(99),
    ],
    ['hash', 'ringbuf', 'unspec', null],
  ),
  libbpf_bpf_prog_type_str: row(
    ({ l, w }) => [l.libbpf_bpf_prog_type_str(6), w.libbpf_bpf_prog_type_str(2), l.libbpf_bpf_prog_type_str(0)],
    ['xdp', 'bind', 'unspec'],
  ),
  libbpf_prog_type_by_name: row(
    ({ l, w }) => {
      const type = out(0);
      const attach = out(0);
      const ask = (lib: typeof l, name: string): number[] => [
        lib.libbpf_prog_type_by_name(name, type, attach),
        type.value,
        attach.value,
      ];
      return [
        ask(l, 'xdp'),
        ask(l, 'cgroup/connect4'),
        ask(w, 'bind'),
        l.libbpf_prog_type_by_name('nothing', type, attach),
        l.libbpf_prog_type_by_name(null, type, attach),
      ];
    },
    [[0, 6, 37], [0, 18, 10], [0, 2, 2], -3, -22],
  ),
  libbpf_attach_type_by_name: row(
    ({ l }) => {
      const type = out(0);
      return [
        l.libbpf_attach_type_by_name('cgroup_skb/egress', type),
        type.value,
        l.libbpf_attach_type_by_name('kprobe', type),
      ];
    },
    [0, 1, -22],
  ),
  enums: row(
    ({ l, w }) => [
      l.enums.bpf_map_type['BPF_MAP_TYPE_RINGBUF'],
      w.enums.bpf_map_type['BPF_MAP_TYPE_RINGBUF'],
      l.enums.bpf_attach_type['BPF_CGROUP_INET4_CONNECT'],
      l.enums.bpf_prog_type['BPF_PROG_TYPE_XDP'],
      l.enums.bpf_link_type['BPF_LINK_TYPE_XDP'],
    ],
    [27, 13, 10, 6, 6],
  ),
  bpf_prog_linfo__new: row(
    async (b) => [(await linfo(b)) !== null, await b.l.bpf_prog_linfo__new(new Uint8Array(232)), b.l.errno],
    [true, null, 2],
  ),
  bpf_prog_linfo__free: row(({ l }) => l.bpf_prog_linfo__free(null), undefined),
  bpf_prog_linfo__lfind: row(
    async (b) => {
      const lines = need(await linfo(b), b.l);
      const first = need(b.l.bpf_prog_linfo__lfind(lines, 0, 0), b.l);
      return [first.insn_off, first.file_name.endsWith('sampler.bpf.c'), first.line_num > 0];
    },
    [0, true, true],
  ),

  // eBPF for Windows.
  ebpf_api_close_handle: row(
    async (b) => [await b.w.ebpf_api_close_handle(await b.hash()), await b.w.ebpf_api_close_handle(999)],
    [R.OK, R.INVALID_FD],
  ),
  ebpf_close_fd: row(
    async (b) => [await b.w.ebpf_close_fd(await b.hash()), await b.w.ebpf_close_fd(999)],
    [R.OK, R.INVALID_FD],
  ),
  ebpf_duplicate_fd: row(
    async (b) => {
      const dup = out(0);
      const fd = await b.hash(1);
      return [
        await b.w.ebpf_duplicate_fd(fd, dup),
        await b.l.bpf_map_lookup_elem(dup.value, u32(1), new Uint8Array(4)),
        await b.w.ebpf_duplicate_fd(999, dup),
      ];
    },
    [R.OK, 0, R.INVALID_FD],
  ),
  ebpf_link_close: row(async (b) => {
    await b.w.ebpf_link_close(await b.w.bpf_program__attach(b.program(await b.load('portQuota', b.w))));
    return b.l.bpf_link_get_next_id(0, out(0));
  }, -2),
  ebpf_object_get: row(
    async (b) => {
      await b.w.bpf_obj_pin(await b.hash(), 'BPF:\\a');
      return [(await b.w.ebpf_object_get('/sys/fs/bpf/a')) > 0, await b.w.ebpf_object_get('BPF:\\b')];
    },
    [true, -2],
  ),
  ebpf_object_unpin: row(
    async (b) => {
      await b.w.bpf_obj_pin(await b.hash(), 'BPF:\\a');
      return [await b.w.ebpf_object_unpin('BPF:\\a'), await b.w.ebpf_object_unpin('BPF:\\a')];
    },
    [R.OK, R.NOT_FOUND],
  ),
  ebpf_object_get_info_by_fd: row(
    async (b) => {
      const type = out(0);
      const info = new Uint8Array(96);
      return [
        await b.w.ebpf_object_get_info_by_fd(await b.hash(), info, out(96), type),
        type.value,
        read(WINDOWS_MAP_INFO, info).max_entries,
      ];
    },
    [R.OK, 1, 16],
  ),
  ebpf_object_get_execution_type: row((b) => b.w.ebpf_object_get_execution_type(b.open('portQuota', b.w)), 0),
  ebpf_object_set_execution_type: row(
    async (b) => {
      const object = b.open('portQuota', b.w);
      const set = b.w.ebpf_object_set_execution_type(object, 2);
      await b.w.bpf_object__load(object);
      const execution = out(-1);
      await b.w.ebpf_program_query_info(b.w.bpf_program__fd(b.program(object)), execution, out(''), out(''));
      return [
        set,
        execution.value,
        b.w.ebpf_object_set_execution_type(object, 1),
        b.w.ebpf_object_set_execution_type(b.open('portQuota'), 9),
      ];
    },
    [R.OK, 2, R.INVALID_ARGUMENT, R.INVALID_ARGUMENT],
  ),
  // An object file is no module; modules are test/aot's matter.
  ebpf_object_load_native_by_fds: row(
    async ({ w }) => {
      const counts = [out(4), out(4)];
      const missing = await w.ebpf_object_load_native_by_fds(
        '/none',
        counts[0],
        new Int32Array(4),
        counts[1],
        new Int32Array(4),
      );
      const object = await w.ebpf_object_load_native_by_fds(
        exampleFile('portQuota'),
        counts[0],
        new Int32Array(4),
        counts[1],
        new Int32Array(4),
      );
      return [missing, object !== R.OK];
    },
    [R.NOT_FOUND, true],
  ),
  ebpf_canonicalize_pin_path: row(
    ({ w }) => {
      const path = out('');
      const results = ['/sys/fs/bpf/a/./b', 'BPF:\\a\\b', '/ebpf/global/a/c/../b', 'a/b'].map((p) => [
        w.ebpf_canonicalize_pin_path(path, 256, p),
        path.value,
      ]);
      return [
        new Set(results.map((r) => r.join())).size,
        results[0],
        w.ebpf_canonicalize_pin_path(path, 256, '/..'),
        w.ebpf_canonicalize_pin_path(path, 3, 'a'),
      ];
    },
    [1, [R.OK, 'BPF:\\a\\b'], R.INVALID_ARGUMENT, 24],
  ),
  ebpf_get_next_pinned_object_path: row(
    async (b) => {
      await b.w.bpf_obj_pin(await b.hash(), '/sys/fs/bpf/b');
      await b.w.bpf_obj_pin(await b.xdp(), '/sys/fs/bpf/a');
      const path = out('');
      const type = out(0);
      const seen: unknown[] = [];
      while ((await b.w.ebpf_get_next_pinned_object_path(path.value, path, 256, type)) === R.OK) {
        seen.push([path.value, type.value]);
        type.value = 0;
      }
      type.value = 1;
      return [
        seen,
        await b.w.ebpf_get_next_pinned_object_path('', path, 256, type),
        path.value,
        await b.w.ebpf_get_next_pinned_object_path('BPF:\\b', path, 256, type),
      ];
    },
    [
      [
        ['BPF:\\a', 3],
        ['BPF:\\b', 1],
      ],
      R.OK,
      'BPF:\\b',
      R.NO_MORE_KEYS,
    ],
  ),
  ebpf_api_get_pinned_map_info: row(
    async (b) => {
      await b.w.bpf_obj_pin(await b.hash(), '/sys/fs/bpf/b');
      const count = out(0);
      const infos = out<readonly PinnedMapInfo[] | null>(null);
      return [
        await b.w.ebpf_api_get_pinned_map_info(count, infos),
        count.value,
        infos.value?.[0].definition.max_entries,
      ];
    },
    [R.OK, 1, 16],
  ),
  ebpf_api_map_info_free: row(({ w }) => w.ebpf_api_map_info_free(0, null), undefined),
  ebpf_program_attach: row(
    async (b) => {
      const link = out<BpfLink | null>(null);
      const program = b.program(await b.load('portQuota', b.w));
      return [await b.w.ebpf_program_attach(program, null, null, 0, link), (link.value?.fd ?? 0) > 0];
    },
    [R.OK, true],
  ),
  ebpf_program_attach_by_fd: row(
    async (b) => {
      const link = out<BpfLink | null>(null);
      const fd = await bindProgram(b);
      return [
        await b.w.ebpf_program_attach_by_fd(fd, BIND_ATTACH, null, 0, link),
        await b.w.ebpf_program_attach_by_fd(fd, 'no guid', null, 0, link),
        await b.w.ebpf_program_attach_by_fd(999, null, null, 0, link),
      ];
    },
    [R.OK, R.INVALID_ARGUMENT, R.INVALID_FD],
  ),
  ebpf_program_attach_by_fds: row(
    async (b) => {
      const link = out(0);
      const fd = await b.w.bpf_prog_load(
        1,
        'x',
        'MIT',
        Uint8Array.from([0xb7, 0, 0, 0, 1, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0]),
        2,
      );
      const attached = await b.w.ebpf_program_attach_by_fds(
        fd,
        '85e0d8ef-579e-4931-b072-8ee226bb2e9d',
        u32(7),
        4,
        link,
      );
      const info = await b.runtime.call('object.info', { fd: link.value });
      return [
        attached,
        info.kind === 'link' && info.target,
        await b.w.ebpf_program_attach_by_fds(fd, '85e0d8ef-579e-4931-b072-8ee226bb2e9d', u32(7), 3, link),
      ];
    },
    [R.OK, { ifindex: 7 }, R.INVALID_ARGUMENT],
  ),
  ebpf_program_query_info: row(
    async (b) => {
      const section = out('');
      const file = out('');
      const fd = await bindProgram(b);
      return [
        await b.w.ebpf_program_query_info(fd, out(0), file, section),
        section.value,
        file.value,
        await b.w.ebpf_program_query_info(await b.hash(), out(0), file, section),
      ];
    },
    [R.OK, 'bind', 'portQuota', R.INVALID_ARGUMENT],
  ),
  ebpf_program_synchronize: row(({ w }) => w.ebpf_program_synchronize(), R.OK),
  ebpf_get_program_type_name: row(
    ({ w }) => [w.ebpf_get_program_type_name(XDP), w.ebpf_get_program_type_name('x')],
    ['xdp', null],
  ),
  ebpf_get_attach_type_name: row(
    ({ w }) => [w.ebpf_get_attach_type_name(BIND_ATTACH), w.ebpf_get_attach_type_name('x')],
    ['bind', null],
  ),
  ebpf_get_program_type_by_name: row(
    ({ w }) => {
      const type = out('');
      const attach = out('');
      return [
        w.ebpf_get_program_type_by_name('bind', type, attach),
        type.value,
        attach.value,
        w.ebpf_get_program_type_by_name('none', type, attach),
      ];
    },
    [R.OK, BIND, BIND_ATTACH, R.KEY_NOT_FOUND],
  ),
  ebpf_get_ebpf_program_type: row(
    ({ w }) => [w.ebpf_get_ebpf_program_type(2), w.ebpf_get_ebpf_program_type(77)],
    [BIND, null],
  ),
  ebpf_get_ebpf_attach_type: row(
    ({ w }) => {
      const type = out('');
      return [w.ebpf_get_ebpf_attach_type(2, type), type.value, w.ebpf_get_ebpf_attach_type(77, type), type.value];
    },
    [R.OK, BIND_ATTACH, R.INVALID_ARGUMENT, NONE],
  ),
  ebpf_get_bpf_program_type: row(
    ({ w }) => [w.ebpf_get_bpf_program_type(BIND), w.ebpf_get_bpf_program_type('x')],
    [2, 0],
  ),
  ebpf_get_bpf_attach_type: row(
    ({ w }) => [w.ebpf_get_bpf_attach_type(BIND_ATTACH), w.ebpf_get_bpf_attach_type('x')],
    [2, 0],
  ),
  ebpf_api_elf_disassemble_program: row(
    async ({ w }) => {
      const listing = text();
      const error = text();
      const ok = await w.ebpf_api_elf_disassemble_program(exampleFile('portQuota'), 'bind', null, listing, error);
      const none = await w.ebpf_api_elf_disassemble_program('/none', null, null, listing, error);
      return [ok, none, error.value];
    },
    [0, 1, 'error: No such file or directory opening /none'],
  ),
  ebpf_api_elf_verify_program_from_file: row(
    async ({ w }) => {
      const report = text();
      const error = text();
      const stats = { total_unreachable: 9, total_warnings: 9, max_loop_count: 9 };
      const verify = (section: string | null, type: string | null) =>
        w.ebpf_api_elf_verify_program_from_file(exampleFile('portQuota'), section, null, type, 0, report, error, stats);
      const good = await verify(null, null);
      const none = await verify('xdp', null);
      const message = error.value;
      return [good, none, message, await verify('bind', XDP), report.value !== null, stats.total_unreachable];
    },
    [0, 1, 'error: Section not found', 1, true, 0],
  ),
  ebpf_api_elf_verify_program_from_memory: row(({ w }) => {
    const bytes = exampleBytes('portQuota');
    return w.ebpf_api_elf_verify_program_from_memory(bytes, bytes.length, 'bind', null, null, 0, text(), text());
  }, 0),
  ebpf_api_get_data_section: row(
    async ({ w }) => {
      const size = out(0);
      const ask = (section: string, data: Uint8Array | null) =>
        w.ebpf_api_get_data_section(exampleFile('sampler'), section, data, size);
      const first = await ask('license', null);
      const license = new Uint8Array(size.value);
      return [
        first,
        await ask('license', license),
        textOf(license),
        await ask('hash', null),
        await w.ebpf_api_get_data_section('/none', 'x', null, size),
      ];
    },
    [R.OK, R.OK, 'Dual MIT/GPL', R.NOT_FOUND, 5],
  ),
  ebpf_enumerate_programs: row(
    async ({ w }) => {
      const infos = out<readonly ProgramInformation[] | null>(null);
      const error = text();
      const ok = await w.ebpf_enumerate_programs(exampleFile('portQuota'), true, infos, error);
      const found = infos.value?.[0];
      return [
        ok,
        found?.section_name,
        found?.program_type,
        found?.expected_attach_type,
        await w.ebpf_enumerate_programs('/none', false, infos, error),
        infos.value,
      ];
    },
    [R.OK, 'bind', BIND, BIND_ATTACH, 9, null],
  ),
  ebpf_free_programs: row(({ w }) => w.ebpf_free_programs(null), undefined),
  ebpf_free_string: row(({ w }) => w.ebpf_free_string(null), undefined),
};
