// Every outside fixture of a loader gives the expected spec or the expected error, and both byte orders agree.
// The expectations are written from the fixtures' C sources (cilium/ebpf testdata/*.c) and their documented loader rules.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { AnyBpfError, type Diagnostic } from '../../src/base/diagnostic.ts';
import { linkObject } from '../../src/link/link.ts';
import type { ObjectSpec } from '../../src/spec/object.ts';
import { corpusFolder, filesBelow } from '../support/shared.ts';
import { type Described, describeSpec } from './describe-spec.ts';

interface Expected extends Partial<Described> {
  readonly license?: string;
}

const LOADER_PROGRAMS = [
  'xdp_prog @xdp xdp/xdp 53 slots static_fn+32 global_fn+35 global_fn2+47 global_fn3+50',
  'no_relocation @socket socket_filter 2 slots',
  'asm_relocation @socket/2 socket_filter 3 slots ! link/undefined-symbol',
  'data_sections @socket/3 socket_filter 30 slots',
  'anon_const @socket/4 socket_filter 17 slots',
];

const LOADER: Expected = {
  license: 'MIT',
  programs: LOADER_PROGRAMS,
  maps: [
    'bpf_decl_map array 4/8 x1',
    'hash_map hash 4/8 x1 NO_PREALLOC',
    'hash_map2 hash 4/8 x2',
    'btf_pin hash 4/8 x1 pin 1',
    'btf_outer_map array_of_maps 4/4 x1 of (btf_outer_map.inner hash 4/4 x1)',
    'btf_outer_map_anon array_of_maps 4/4 x1 of (btf_outer_map_anon.inner hash 4/4 x1)',
    'perf_event_array perf_event_array 0/16 x4096',
    'btf_typedef_map array 4/8 x1',
    'btf_decl_map array 4/8 x1 tags a,b',
    'loader_c.bss array 4/4 x1 MMAPABLE bss:.bss',
    'loader_c.data array 4/4 x1 MMAPABLE data:.data = 01000000',
    'loader_c.rodata array 4/24 x1 RDONLY_PROG|MMAPABLE rodata:.rodata frozen = 0200000001000000fffffffffefffffffdfffffffcffffff',
    '.rodata.test array 4/4 x1 RDONLY_PROG|MMAPABLE rodata:.rodata.test frozen = 02000000',
    '.data.test array 4/4 x1 MMAPABLE data:.data.test',
    '.rodata.cst32 array 4/32 x1 RDONLY_PROG rodata:.rodata.cst32 frozen = 0000000000000000010000000000000002000000000000000300000000000000',
  ],
};

/** What is not given must be empty. Data are in little-endian order. */
const EXPECTED: Readonly<Record<string, Expected | { readonly error: string }>> = {
  arena: { maps: ['arena arena 0/0 x100 MMAPABLE extra 17592186044416'], diagnostics: ['link/no-program'] },
  btf_map_init: {
    programs: ['tail_1 @socket/tail socket_filter 2 slots', 'tail_main @socket/main socket_filter 6 slots'],
    maps: [
      'prog_array_init prog_array 4/4 x2 [1]=program:tail_1',
      'inner_map array 4/4 x1',
      'outer_map_init array_of_maps 4/4 x2 [1]=map:inner_map of (outer_map_init.inner array 4/4 x1)',
    ],
  },
  constants: {
    license: 'MIT',
    programs: ['freeze_rodata @sk_lookup/ sk_lookup/sk_lookup 4 slots'],
    maps: ['constant.rodata array 4/4 x1 RDONLY_PROG|MMAPABLE rodata:.rodata frozen = ffffffff'],
  },
  errors: {
    programs: [
      'poisoned_single @socket socket_filter 8 slots core 2',
      'poisoned_double @socket socket_filter 7 slots core 2',
      'poisoned_kfunc @socket socket_filter 2 slots',
    ],
    externs: ['invalid_kfunc kfunc weak'],
  },
  fentry_fexit: {
    license: 'Dual MIT/GPL',
    programs: [
      'trace_on_entry @fentry/target tracing/trace_fentry target target 2 slots',
      'trace_on_exit @fexit/target tracing/trace_fexit target target 2 slots',
      'target @tc sched_cls 2 slots',
    ],
  },
  fwd_decl: { programs: ['call_fwd @socket socket_filter 2 slots ! link/undefined-symbol'] },
  'invalid-kfunc': {
    license: 'Dual MIT/GPL',
    programs: ['call_kfunc @tc sched_cls 3 slots'],
    externs: ['bpf_kfunc_call_test_mem_len_pass1 kfunc'],
  },
  invalid_map: { error: 'link/map-tail' },
  iproute2_map_compat: { maps: ['hash_map hash 4/8 x2 pin 2'], diagnostics: ['link/no-program'] },
  kfunc: {
    license: 'Dual MIT/GPL',
    programs: [
      'call_kfunc @tc sched_cls 11 slots',
      'benchmark @fentry/bpf_fentry_test2 tracing/trace_fentry target bpf_fentry_test2 3 slots',
      'weak_kfunc_missing @tp_btf/task_newtask tracing/trace_raw_tp target task_newtask 7 slots',
      'call_weak_kfunc @tp_btf/task_newtask tracing/trace_raw_tp target task_newtask 11 slots',
    ],
    externs: [
      'bpf_skb_ct_lookup kfunc',
      'bpf_ct_release kfunc',
      'bpf_fentry_test1 kfunc',
      'invalid_kfunc kfunc weak',
      'bpf_cpumask_create kfunc weak',
      'bpf_cpumask_release kfunc weak',
    ],
  },
  ksym: {
    license: 'Dual MIT/GPL',
    programs: [
      'ksym_test @socket socket_filter 12 slots',
      'missing_ksym_test @socket socket_filter 3 slots',
      'missing_weak_ksym_test @socket socket_filter 6 slots',
      'typed_ksym_test @socket socket_filter 12 slots',
      'typed_ksym_mod_var_test @socket socket_filter 7 slots',
      'missing_typed_ksym_test @socket socket_filter 3 slots',
      'missing_weak_typed_ksym_test @socket socket_filter 6 slots',
    ],
    maps: ['ksym.bss array 4/40 x1 MMAPABLE bss:.bss'],
    externs: [
      'bpf_trace_run1 ksym weak typeless',
      'bpf_init ksym typeless',
      'missing_ksym ksym typeless',
      'missing_weak_ksym ksym weak typeless',
      'softnet_data ksym weak',
      'bpf_prog_active ksym weak',
      'bpf_testmod_ksym_percpu ksym weak',
      'missing_typed_ksym ksym',
      'missing_weak_typed_ksym ksym weak',
    ],
  },
  // The two halves each miss what the other defines; linked by bpftool they are whole.
  linked: {
    programs: [
      'entry_l2 @socket socket_filter 4 slots l2+2',
      'entry_l1_s @socket socket_filter 2 slots',
      'entry_ww @socket socket_filter 4 slots ww+2',
      'entry_l1 @socket socket_filter 4 slots l1+2',
      'entry_l1_w @socket socket_filter 2 slots',
    ],
    maps: [
      'map_legacy_l1_s hash 4/4 x1 NO_PREALLOC',
      'map_legacy_l2_s hash 4/4 x1 NO_PREALLOC',
      'map_l1_w hash 4/4 x1',
      'map_l1_s hash 4/4 x1',
      'map_ww hash 4/4 x1',
      'map_l1 hash 4/4 x1',
      'map_l2 hash 4/4 x1',
    ],
  },
  linked1: {
    programs: [
      'entry_l2 @socket socket_filter 2 slots ! link/undefined-symbol',
      'entry_l1_w @socket socket_filter 4 slots l1_w+2',
      'entry_l1_s @socket socket_filter 2 slots',
      'entry_ww @socket socket_filter 4 slots ww+2',
    ],
    maps: [
      'map_legacy_l1_s hash 4/4 x1 NO_PREALLOC',
      'map_legacy_l2_s hash 4/4 x20 NO_PREALLOC',
      'map_l1_w hash 4/4 x1',
      'map_l1_s hash 4/4 x1',
      'map_ww hash 4/4 x1',
      'map_l1 hash 4/4 x1',
    ],
  },
  linked2: {
    programs: [
      'entry_l1 @socket socket_filter 2 slots ! link/undefined-symbol',
      'entry_l1_w @socket socket_filter 2 slots',
      'entry_l1_s @socket socket_filter 4 slots l1_s+2',
      'entry_ww @socket socket_filter 4 slots ww+2',
    ],
    maps: [
      'map_legacy_l1_s hash 4/4 x17 NO_PREALLOC',
      'map_legacy_l2_s hash 4/4 x1 NO_PREALLOC',
      'map_l1_w hash 4/4 x1',
      'map_l1_s hash 4/4 x1',
      'map_ww hash 4/4 x1',
      'map_l2 hash 4/4 x1',
    ],
  },
  'loader-clang-14': LOADER,
  'loader-clang-22': LOADER,
  loader_nobtf: {
    license: 'MIT',
    programs: LOADER_PROGRAMS,
    maps: [
      'hash_map hash 4/8 x1 NO_PREALLOC',
      'hash_map2 hash 4/8 x2',
      'perf_event_array perf_event_array 0/0 x4096',
      'loader_n.bss array 4/4 x1 bss:.bss',
      'loader_n.data array 4/4 x1 data:.data = 01000000',
      'loader_n.rodata array 4/24 x1 RDONLY_PROG rodata:.rodata frozen = 0200000001000000fffffffffefffffffdfffffffcffffff',
      '.rodata.test array 4/4 x1 RDONLY_PROG rodata:.rodata.test frozen = 02000000',
      '.data.test array 4/4 x1 data:.data.test',
      '.rodata.cst32 array 4/32 x1 RDONLY_PROG rodata:.rodata.cst32 frozen = 0000000000000000010000000000000002000000000000000300000000000000',
    ],
  },
  manyprogs: {
    license: 'Dual MIT/GPL',
    programs: Array.from(
      { length: 30 },
      (_, i) => `kprobe_execve${i} @kprobe/sys_execvea${i} kprobe target sys_execvea${i} 42 slots core 3`,
    ),
    maps: ['kprobe_map hash 4/8 x128'],
  },
  map_spin_lock: { maps: ['spin_lock_map hash 4/8 x2'], diagnostics: ['link/no-program'] },
  minimal: {
    license: 'MIT',
    programs: ['filter @socket socket_filter 8 slots'],
    maps: [
      'map1 hash 4/16 x1',
      'minimal.rodata array 4/56 x1 RDONLY_PROG|MMAPABLE rodata:.rodata frozen = 0100000000000000000000000000000000000000000000000000000000000000',
      'minimal.bss array 4/24 x1 MMAPABLE bss:.bss',
    ],
  },
  relocs: {
    programs: [
      'type_ids @socket/type_ids socket_filter 102 slots core 28',
      'types @socket/types socket_filter 92 slots core 18',
      'enums @socket/enums socket_filter 40 slots core 7',
      'fields @socket/fields socket_filter 125 slots core 48',
      'err_ambiguous @socket/err_ambiguous socket_filter 3 slots core 1',
      'err_ambiguous_flavour @socket/err_ambiguous_flavour socket_filter 3 slots core 1',
    ],
  },
  relocs_read: { programs: ['reads @socket socket_filter 220 slots read_subprog+4 core 47'] },
  relocs_read_tgt: {
    maps: ['relocs_r.bss array 4/16 x1 MMAPABLE bss:.bss'],
    diagnostics: ['link/no-program'],
  },
  subprog_reloc: {
    license: 'MIT',
    programs: ['fp_relocation @xdp xdp/xdp 44 slots sub_prog+30'],
    maps: ['hash_map hash 4/8 x1'],
  },
  variables: {
    programs: [
      'set_vars @socket socket_filter 10 slots',
      'get_bss @socket socket_filter 4 slots',
      'get_data @socket socket_filter 4 slots',
      'get_rodata @socket socket_filter 4 slots',
      'check_struct @socket socket_filter 10 slots',
      'check_struct_pad @socket socket_filter 20 slots',
      'check_array @socket socket_filter 7 slots',
      'add_atomic @socket socket_filter 6 slots',
    ],
    maps: [
      'variable.bss array 4/8 x1 MMAPABLE bss:.bss',
      '.data.weak array 4/4 x1 MMAPABLE data:.data.weak',
      'variable.data array 4/4 x1 MMAPABLE data:.data',
      'variable.rodata array 4/4 x1 RDONLY_PROG|MMAPABLE rodata:.rodata frozen',
      '.data.struct array 4/48 x1 MMAPABLE data:.data.struct',
      '.data.array array 4/8192 x1 MMAPABLE data:.data.array',
      '.data.atomic array 4/4 x1 MMAPABLE data:.data.atomic',
    ],
  },
};

/** Their C code writes structs with bitfields: shifts and stored constants are another code in the other byte order. */
const ORDER_IN_CODE = ['relocs_read'];

const folder = corpusFolder('elf-fixtures');
if ('reason' in folder) console.warn(`skipped: ${folder.reason}`);
const FILES = 'reason' in folder ? [] : filesBelow(folder.path, '.elf');
const read = (file: string): Uint8Array => readFileSync(path.join('path' in folder ? folder.path : '', file));
const stemOf = (file: string): string => file.replace(/-e[lb]\.elf$/, '');
const codeOf = (body: () => unknown): string => {
  try {
    body();
  } catch (error) {
    if (error instanceof AnyBpfError) return error.code;
    throw error;
  }
  return 'no error';
};

describe.skipIf(FILES.length === 0)('fixtures', () => {
  it.each(FILES)('%s', (file) => {
    const stem = stemOf(file);
    const expected = EXPECTED[stem];
    expect(expected, `no expectation for ${stem}`).toBeDefined();
    const link = (): ObjectSpec => linkObject(read(file), { name: `${stem}.o` });
    if ('error' in expected) {
      expect(codeOf(link)).toBe(expected.error);
      return;
    }
    const spec = link();
    const little = file.endsWith('-el.elf');
    expect(spec.endian).toBe(little ? 'little' : 'big');
    const { license = '', ...rest } = expected;
    expect(spec.license).toBe(license);
    const described = describeSpec(spec, little);
    const wanted = { programs: [], maps: [], externs: [], diagnostics: [], ...rest };
    // Initial data are in the file's byte order, so a big-endian file has other bytes.
    const maps = little ? wanted.maps : wanted.maps.map((line) => line.replace(/ = [0-9a-f]+$/, ''));
    expect(described).toEqual({ ...wanted, maps });
  });

  it('has no expectation without a file', () => {
    expect(Object.keys(EXPECTED).sort()).toEqual([...new Set(FILES.map(stemOf))].sort());
  });

  const pairs = FILES.filter((f) => f.endsWith('-el.elf') && FILES.includes(f.replace('-el.', '-eb.')));
  it.each(pairs)('%s is the same spec in both byte orders', (file) => {
    const [little, big] = [file, file.replace('-el.', '-eb.')].map((f): ObjectSpec | Diagnostic => {
      try {
        return linkObject(read(f), { name: 'same.o' });
      } catch (error) {
        if (error instanceof AnyBpfError) return error.diagnostic;
        throw error;
      }
    });
    if ('code' in little || 'code' in big) {
      expect(big).toEqual(little);
      return;
    }
    const bitfields = ORDER_IN_CODE.includes(stemOf(file));
    const comparable = (spec: ObjectSpec): unknown => ({
      ...spec,
      endian: undefined,
      programs: spec.programs.map((p) => ({ ...p, code: bitfields ? p.code.filter((_, i) => i % 8 < 2) : p.code })),
      btf: spec.btf === undefined ? undefined : [...spec.btf.types()],
      maps: spec.maps.map((m) => ({ ...m, data: m.data?.length })),
    });
    expect(comparable(big)).toEqual(comparable(little));
  });
});
