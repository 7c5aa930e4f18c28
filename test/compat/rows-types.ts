// btf__*, btf_dump__*, btf_ext__*.
import type { BtfExtHandle, BtfHandle } from '../../src/compat/libbpf/btf-handle.ts';
import { sectionByName } from '../../src/elf/lookup.ts';
import { readElfSections } from '../../src/elf/read.ts';
import { type Bench, exampleBytes, exampleFile, type Libbpf, need, out, row, type Rows } from './bench.ts';

const ENOENT = -2;
const EEXIST = -17;
const EINVAL = -22;

const sampler = async (l: Libbpf): Promise<BtfHandle> => need(await l.btf__parse(exampleFile('sampler')), l);

/** A BTF with `int` (1) and what a body adds, and whether a reader takes it back. */
function made(l: Libbpf, body: (btf: BtfHandle) => unknown): unknown {
  const btf = l.btf__new_empty();
  l.btf__add_int(btf, 'int', 4, 1);
  const result = body(btf);
  const size = out(0);
  const raw = l.btf__raw_data(btf, size);
  return [result, raw !== null && l.btf__new(raw, size.value) !== null];
}

const last = (l: Libbpf, btf: BtfHandle) => l.btf__type_by_id(btf, l.btf__type_cnt(btf) - 1);

function dump(l: Libbpf, btf: BtfHandle, body: (d: ReturnType<Libbpf['btf_dump__new']>) => unknown): unknown {
  let text = '';
  const d = l.btf_dump__new(btf, (_ctx, part) => (text += part), null);
  return [body(d), text];
}

const extBytes = (): Uint8Array =>
  sectionByName(readElfSections(exampleBytes('sampler')), '.BTF.ext')?.data ?? new Uint8Array(0);

/** Puts a split BTF with one pointer into the file `split.btf`; gives its base. */
async function splitFile(b: Bench): Promise<BtfHandle> {
  const base = await sampler(b.l);
  const split = b.l.btf__new_empty_split(base);
  b.l.btf__add_ptr(split, 1);
  b.files.set('split.btf', split.raw);
  return base;
}

async function loadedId({ l, runtime }: Bench): Promise<number> {
  const btf = l.btf__new_empty();
  l.btf__add_int(btf, 'int', 4, 1);
  await l.btf__load_into_kernel(btf);
  return (await runtime.call('object.info', { fd: l.btf__fd(btf) })).id;
}

export const TYPE_ROWS: Rows = {
  btf__free: row(({ l }) => l.btf__free(null), undefined),
  btf__new: row(
    async ({ l }) => {
      const size = out(0);
      const raw = l.btf__raw_data(await sampler(l), size) ?? new Uint8Array(0);
      return [l.btf__new(raw, size.value) !== null, l.btf__new(raw, 10), l.errno];
    },
    [true, null, 22],
  ),
  btf__new_split: row(
    async ({ l }) => {
      const base = await sampler(l);
      const split = l.btf__new_empty_split(base);
      const id = l.btf__add_ptr(split, 1);
      const size = out(0);
      const raw = l.btf__raw_data(split, size) ?? new Uint8Array(0);
      const again = need(l.btf__new_split(raw, size.value, base), l);
      return [id === l.btf__type_cnt(base), l.btf__type_by_id(again, id), l.btf__base_btf(again) === base];
    },
    [true, { kind: 'ptr', type: 1 }, true],
  ),
  btf__new_empty: row(({ l }) => l.btf__type_cnt(l.btf__new_empty()), 1),
  btf__new_empty_split: row(async ({ l }) => {
    const base = await sampler(l);
    return l.btf__type_cnt(l.btf__new_empty_split(base)) === l.btf__type_cnt(base);
  }, true),
  btf__parse: row(
    async ({ l }) => {
      const ext = out<BtfExtHandle | null>(null);
      return [
        (await l.btf__parse(exampleFile('sampler'), ext)) !== null,
        ext.value !== null,
        await l.btf__parse('/none'),
        l.errno,
      ];
    },
    [true, true, null, 2],
  ),
  btf__parse_split: row(
    async (b) => {
      const base = await splitFile(b);
      const split = need(await b.l.btf__parse_split('split.btf', base), b.l);
      return [b.l.btf__base_btf(split) === base, b.l.btf__type_by_id(split, b.l.btf__type_cnt(base))?.kind];
    },
    [true, 'ptr'],
  ),
  btf__parse_elf: row(async ({ l }) => (await l.btf__parse_elf(exampleFile('sampler'))) !== null, true),
  btf__parse_elf_split: row(
    async ({ l }) => [await l.btf__parse_elf_split('/none', l.btf__new_empty()), l.errno],
    [null, 2],
  ),
  btf__parse_raw: row(async ({ l }) => [await l.btf__parse_raw(exampleFile('sampler')), l.errno], [null, 71]),
  btf__parse_raw_split: row(
    async (b) => {
      const base = await splitFile(b);
      return [
        (await b.l.btf__parse_raw_split('split.btf', base)) !== null,
        await b.l.btf__parse_raw_split(exampleFile('sampler'), base),
        b.l.errno,
      ];
    },
    [true, null, 71],
  ),
  // A context of its own has no kernel.
  btf__load_vmlinux_btf: row(async ({ l }) => [await l.btf__load_vmlinux_btf(), l.errno], [null, 2]),
  libbpf_find_kernel_btf: row(async ({ l }) => [await l.libbpf_find_kernel_btf(), l.errno], [null, 2]),
  btf__load_module_btf: row(
    async ({ l }) => [await l.btf__load_module_btf('nf', l.btf__new_empty()), l.errno],
    [null, 2],
  ),
  btf__load_from_kernel_by_id: row(
    async (b) => {
      const btf = need(await b.l.btf__load_from_kernel_by_id(await loadedId(b)), b.l);
      return [b.l.btf__find_by_name(btf, 'int'), await b.l.btf__load_from_kernel_by_id(99), b.l.errno];
    },
    [1, null, 2],
  ),
  btf__load_from_kernel_by_id_split: row(
    async (b) => [await b.l.btf__load_from_kernel_by_id_split(99, b.l.btf__new_empty()), b.l.errno],
    [null, 2],
  ),
  btf__load_into_kernel: row(
    async ({ l }) => {
      const btf = await sampler(l);
      return [await l.btf__load_into_kernel(btf), l.btf__fd(btf) > 0, await l.btf__load_into_kernel(btf)];
    },
    [0, true, EEXIST],
  ),
  btf__find_by_name: row(
    async ({ l }) => {
      const btf = await sampler(l);
      return [
        l.btf__find_by_name(btf, 'event') > 0,
        l.btf__find_by_name(btf, 'none'),
        l.btf__find_by_name(btf, 'void'),
      ];
    },
    [true, ENOENT, 0],
  ),
  btf__find_by_name_kind: row(
    async ({ l }) => {
      const btf = await sampler(l);
      return [4, 5, 0, 99].map((kind) => Math.min(1, l.btf__find_by_name_kind(btf, 'event', kind)));
    },
    [1, ENOENT, 0, ENOENT],
  ),
  btf__type_cnt: row(async ({ l }) => l.btf__type_cnt(await sampler(l)) > 20, true),
  btf__base_btf: row(({ l }) => l.btf__base_btf(l.btf__new_empty()), null),
  btf__type_by_id: row(
    async ({ l }) => {
      const btf = await sampler(l);
      const type = l.btf__type_by_id(btf, l.btf__find_by_name(btf, 'event'));
      return [type?.kind, l.btf__type_by_id(btf, 99999), l.errno, l.btf__type_by_id(btf, 0)?.kind];
    },
    ['struct', null, 22, 'void'],
  ),
  btf__pointer_size: row(({ l }) => l.btf__pointer_size(l.btf__new_empty()), 8),
  btf__set_pointer_size: row(
    ({ l }) => {
      const btf = l.btf__new_empty();
      return [l.btf__set_pointer_size(btf, 4), l.btf__pointer_size(btf), l.btf__set_pointer_size(btf, 3)];
    },
    [0, 4, EINVAL],
  ),
  btf__endianness: row(({ l }) => l.btf__endianness(l.btf__new_empty()), 0),
  btf__set_endianness: row(
    async ({ l }) => {
      const btf = await sampler(l);
      const size = out(0);
      const set = l.btf__set_endianness(btf, 1);
      const raw = l.btf__raw_data(btf, size);
      return [
        set,
        raw?.[0],
        l.btf__endianness(btf),
        l.btf__find_by_name(btf, 'event') > 0,
        l.btf__set_endianness(btf, 2),
      ];
    },
    [0, 0xeb, 1, true, EINVAL],
  ),
  btf__resolve_size: row(
    async ({ l }) => {
      const btf = await sampler(l);
      return [l.btf__resolve_size(btf, l.btf__find_by_name(btf, 'event')), l.btf__resolve_size(btf, 99999)];
    },
    [56, EINVAL],
  ),
  btf__resolve_type: row(
    async ({ l }) => {
      const btf = await sampler(l);
      const type = l.btf__type_by_id(btf, l.btf__resolve_type(btf, l.btf__find_by_name(btf, '__u32')));
      return [type?.kind, l.btf__resolve_type(btf, 99999)];
    },
    ['int', EINVAL],
  ),
  btf__align_of: row(
    async ({ l }) => {
      const btf = await sampler(l);
      return [l.btf__align_of(btf, l.btf__find_by_name(btf, 'event')), l.btf__align_of(btf, 0)];
    },
    [8, 0],
  ),
  btf__fd: row(({ l }) => l.btf__fd(l.btf__new_empty()), -1),
  btf__set_fd: row(({ l }) => {
    const btf = l.btf__new_empty();
    l.btf__set_fd(btf, 9);
    return l.btf__fd(btf);
  }, 9),
  btf__raw_data: row(
    ({ l }) => {
      const size = out(0);
      const raw = l.btf__raw_data(l.btf__new_empty(), size);
      return [raw?.length === size.value, size.value];
    },
    [true, 25],
  ),
  btf__get_raw_data: row(({ l }) => l.btf__get_raw_data(l.btf__new_empty(), out(0))?.length, 25),
  btf__name_by_offset: row(
    ({ l }) => {
      const btf = l.btf__new_empty();
      return [l.btf__name_by_offset(btf, l.btf__add_str(btf, 'word')), l.btf__name_by_offset(btf, 999), l.errno];
    },
    ['word', null, 22],
  ),
  btf__str_by_offset: row(({ l }) => l.btf__str_by_offset(l.btf__new_empty(), 0), ''),
  btf__find_str: row(
    async ({ l }) => {
      const btf = await sampler(l);
      return [l.btf__str_by_offset(btf, l.btf__find_str(btf, 'event')), l.btf__find_str(btf, 'no such word')];
    },
    ['event', ENOENT],
  ),
  btf__add_str: row(
    ({ l }) => {
      const btf = l.btf__new_empty();
      return [
        l.btf__add_str(btf, 'a'),
        l.btf__add_str(btf, 'bc'),
        l.btf__add_str(btf, 'a'),
        l.btf__find_str(btf, 'bc'),
      ];
    },
    [1, 3, 1, 3],
  ),
  btf__add_type: row(({ l }) => made(l, (btf) => l.btf__add_type(btf, btf, { kind: 'ptr', type: 1 })), [2, true]),
  btf__add_btf: row(
    async ({ l }) => {
      const source = await sampler(l);
      return made(l, (btf) => [
        l.btf__add_btf(btf, source),
        l.btf__find_by_name(btf, 'event') === l.btf__find_by_name(source, 'event') + 1,
      ]);
    },
    [[2, true], true],
  ),
  btf__add_int: row(
    ({ l }) => {
      const btf = l.btf__new_empty();
      return [
        l.btf__add_int(btf, 'int', 4, 1),
        l.btf__add_int(btf, '', 4, 1),
        l.btf__add_int(btf, 'x', 3, 1),
        l.btf__add_int(btf, 'x', 4, 8),
        l.btf__type_by_id(btf, 1),
      ];
    },
    [1, EINVAL, EINVAL, EINVAL, { kind: 'int', name: 'int', size: 4, encoding: 1, bits: 32, offset: 0 }],
  ),
  btf__add_float: row(
    ({ l }) => made(l, (btf) => [l.btf__add_float(btf, 'double', 8), l.btf__add_float(btf, 'x', 5)]),
    [[2, EINVAL], true],
  ),
  btf__add_ptr: row(
    ({ l }) => made(l, (btf) => [l.btf__add_ptr(btf, 1), l.btf__add_ptr(btf, -1)]),
    [[2, EINVAL], true],
  ),
  btf__add_array: row(
    ({ l }) => made(l, (btf) => [l.btf__add_array(btf, 1, 1, 7), last(l, btf)]),
    [[2, { kind: 'array', element: 1, index: 1, length: 7 }], true],
  ),
  btf__add_struct: row(({ l }) => made(l, (btf) => l.btf__add_struct(btf, 's', 4)), [2, true]),
  btf__add_union: row(({ l }) => made(l, (btf) => l.btf__add_union(btf, null, 4)), [2, true]),
  btf__add_field: row(
    ({ l }) =>
      made(l, (btf) => {
        const early = l.btf__add_field(btf, 'a', 1, 0, 0);
        l.btf__add_struct(btf, 's', 8);
        return [
          early,
          l.btf__add_field(btf, 'a', 1, 0, 0),
          l.btf__add_field(btf, 'b', 1, 32, 3),
          l.btf__add_field(btf, 'c', 1, 35, 0),
          last(l, btf),
        ];
      }),
    [
      [
        EINVAL,
        0,
        0,
        EINVAL,
        {
          kind: 'struct',
          name: 's',
          size: 8,
          kindFlag: true,
          members: [
            { name: 'a', type: 1, bitOffset: 0, bitSize: 0 },
            { name: 'b', type: 1, bitOffset: 32, bitSize: 3 },
          ],
        },
      ],
      true,
    ],
  ),
  btf__add_enum: row(
    ({ l }) => made(l, (btf) => [l.btf__add_enum(btf, 'e', 4), l.btf__add_enum(btf, 'e', 3)]),
    [[2, EINVAL], true],
  ),
  btf__add_enum_value: row(
    ({ l }) =>
      made(l, (btf) => {
        l.btf__add_enum(btf, 'e', 4);
        return [
          l.btf__add_enum_value(btf, 'A', -1),
          l.btf__add_enum_value(btf, 'B', 0x1_0000_0000),
          l.btf__add_enum_value(btf, '', 1),
          last(l, btf),
        ];
      }),
    [[0, -7, EINVAL, { kind: 'enum', name: 'e', size: 4, signed: true, values: [{ name: 'A', value: -1n }] }], true],
  ),
  btf__add_enum64: row(({ l }) => made(l, (btf) => l.btf__add_enum64(btf, 'e', 8, false)), [2, true]),
  btf__add_enum64_value: row(
    ({ l }) =>
      made(l, (btf) => {
        l.btf__add_enum64(btf, 'e', 8, false);
        return [l.btf__add_enum64_value(btf, 'A', 1n << 40n), l.btf__add_enum_value(btf, 'B', 1)];
      }),
    [[0, EINVAL], true],
  ),
  btf__add_fwd: row(
    ({ l }) => made(l, (btf) => [0, 1, 2, 3].map((kind) => l.btf__add_fwd(btf, 'f', kind))),
    [[2, 3, 4, EINVAL], true],
  ),
  btf__add_typedef: row(
    ({ l }) => made(l, (btf) => [l.btf__add_typedef(btf, 't', 1), l.btf__add_typedef(btf, '', 1)]),
    [[2, EINVAL], true],
  ),
  btf__add_volatile: row(({ l }) => made(l, (btf) => l.btf__add_volatile(btf, 1)), [2, true]),
  btf__add_const: row(({ l }) => made(l, (btf) => l.btf__add_const(btf, 1)), [2, true]),
  btf__add_restrict: row(({ l }) => made(l, (btf) => l.btf__add_restrict(btf, 1)), [2, true]),
  btf__add_type_tag: row(
    ({ l }) => made(l, (btf) => [l.btf__add_type_tag(btf, 'rcu', 1), l.btf__add_type_tag(btf, '', 1)]),
    [[2, EINVAL], true],
  ),
  btf__add_func: row(
    ({ l }) =>
      made(l, (btf) => {
        const proto = l.btf__add_func_proto(btf, 1);
        return [l.btf__add_func(btf, 'f', 1, proto), l.btf__add_func(btf, 'f', 3, proto)];
      }),
    [[3, EINVAL], true],
  ),
  btf__add_func_proto: row(({ l }) => made(l, (btf) => l.btf__add_func_proto(btf, 0)), [2, true]),
  btf__add_func_param: row(
    ({ l }) =>
      made(l, (btf) => {
        l.btf__add_func_proto(btf, 1);
        return [l.btf__add_func_param(btf, 'a', 1), l.btf__add_func_param(btf, null, 0), last(l, btf)];
      }),
    [
      [
        0,
        0,
        {
          kind: 'func_proto',
          type: 1,
          params: [
            { name: 'a', type: 1 },
            { name: '', type: 0 },
          ],
        },
      ],
      true,
    ],
  ),
  btf__add_var: row(
    ({ l }) => made(l, (btf) => [l.btf__add_var(btf, 'v', 1, 1), l.btf__add_var(btf, 'v', 9, 1)]),
    [[2, EINVAL], true],
  ),
  btf__add_datasec: row(({ l }) => made(l, (btf) => l.btf__add_datasec(btf, '.data', 4)), [2, true]),
  btf__add_datasec_var_info: row(
    ({ l }) =>
      made(l, (btf) => {
        const variable = l.btf__add_var(btf, 'v', 1, 1);
        l.btf__add_datasec(btf, '.data', 4);
        return [l.btf__add_datasec_var_info(btf, variable, 0, 4), last(l, btf)];
      }),
    [[0, { kind: 'datasec', name: '.data', size: 4, vars: [{ type: 2, offset: 0, size: 4 }] }], true],
  ),
  btf__add_decl_tag: row(
    ({ l }) =>
      made(l, (btf) => {
        const s = l.btf__add_struct(btf, 's', 0);
        return [l.btf__add_decl_tag(btf, 'tag', s, -1), l.btf__add_decl_tag(btf, 'tag', s, -2)];
      }),
    [[3, EINVAL], true],
  ),
  btf_kind: row(({ l }) => l.btf_kind({ kind: 'ptr', type: 1 }), 2),
  btf_ext__new: row(
    ({ l }) => {
      const bytes = extBytes();
      return [l.btf_ext__new(bytes, bytes.length) !== null, l.btf_ext__new(new Uint8Array(9), 9), l.errno];
    },
    [true, null, 22],
  ),
  btf_ext__free: row(({ l }) => l.btf_ext__free(null), undefined),
  btf_ext__raw_data: row(
    ({ l }) => {
      const size = out(0);
      const ext = need(l.btf_ext__new(extBytes(), extBytes().length), l);
      return [l.btf_ext__raw_data(ext, size).length > 0, size.value === extBytes().length];
    },
    [true, true],
  ),
  btf_ext__get_raw_data: row(({ l }) => {
    const ext = need(l.btf_ext__new(extBytes(), extBytes().length), l);
    return l.btf_ext__get_raw_data(ext, out(0)).length > 0;
  }, true),
  btf_dump__new: row(({ l }) => l.btf_dump__new(l.btf__new_empty(), () => {}, null) !== null, true),
  btf_dump__free: row(({ l }) => l.btf_dump__free(null), undefined),
  btf_dump__dump_type: row(
    ({ l }) => {
      const btf = l.btf__new_empty();
      l.btf__add_int(btf, 'int', 4, 1);
      const s = l.btf__add_struct(btf, 's', 4);
      l.btf__add_field(btf, 'a', 1, 0, 0);
      return dump(l, btf, (d) => [
        l.btf_dump__dump_type(need(d, l), s),
        l.btf_dump__dump_type(need(d, l), s),
        l.btf_dump__dump_type(need(d, l), 99),
      ]);
    },
    [[0, 0, EINVAL], 'struct s {\n\tint a;\n};\n\n'],
  ),
  btf_dump__emit_type_decl: row(
    ({ l }) => {
      const btf = l.btf__new_empty();
      l.btf__add_int(btf, 'int', 4, 1);
      const array = l.btf__add_array(btf, 1, 1, 4);
      return dump(l, btf, (d) =>
        l.btf_dump__emit_type_decl(need(d, l), l.btf__find_by_name(btf, 'int') + array - 1, { field_name: 'x' }),
      );
    },
    [0, 'int x[4]'],
  ),
};
