// The listing of `bpftool btf dump`, one type a line.
import type { Btf } from './btf.ts';
import { type BtfType, type BtfKind, INT_BOOL, INT_CHAR, INT_SIGNED } from './format.ts';

export const INT_ENCODINGS: Readonly<Record<number, string>> = {
  0: '(none)',
  [INT_SIGNED]: 'SIGNED',
  [INT_CHAR]: 'CHAR',
  [INT_BOOL]: 'BOOL',
};
export const FUNC_LINKAGE: readonly string[] = ['static', 'global', 'extern'];
export const VAR_LINKAGE: readonly string[] = ['static', 'global', 'extern'];

/** A name as it is listed. */
export const listedName = (name: string): string => (name === '' ? '(anon)' : name);
const lines = (first: string, rest: readonly string[]): string => [first, ...rest.map((l) => `\t${l}`)].join('\n');
/** What a number stands for in one of these tables. */
export const known = (table: readonly string[] | Readonly<Record<number, string>>, index: number): string =>
  table[index] ?? '(unknown)';

type Formatters = { readonly [K in BtfKind]: (type: Extract<BtfType, { kind: K }>, btf: Btf) => string };

const reference = (type: { readonly type: number }): string => ` type_id=${type.type}`;

const composite = (type: Extract<BtfType, { kind: 'struct' | 'union' }>): string =>
  lines(
    ` size=${type.size} vlen=${type.members.length}`,
    type.members.map(
      (m) =>
        `'${listedName(m.name)}' type_id=${m.type} bits_offset=${m.bitOffset}` +
        (m.bitSize > 0 ? ` bitfield_size=${m.bitSize}` : ''),
    ),
  );

const enumeration = (type: Extract<BtfType, { kind: 'enum' | 'enum64' }>): string =>
  lines(
    ` encoding=${type.signed ? 'SIGNED' : 'UNSIGNED'} size=${type.size} vlen=${type.values.length}`,
    type.values.map(
      (v) => `'${listedName(v.name)}' val=${v.value}${type.kind === 'enum64' ? (type.signed ? 'LL' : 'ULL') : ''}`,
    ),
  );

const FORMATTERS: Formatters = {
  void: () => '',
  int: (t) => ` size=${t.size} bits_offset=${t.offset} nr_bits=${t.bits} encoding=${known(INT_ENCODINGS, t.encoding)}`,
  ptr: reference,
  array: (t) => ` type_id=${t.element} index_type_id=${t.index} nr_elems=${t.length}`,
  struct: composite,
  union: composite,
  enum: enumeration,
  fwd: (t) => ` fwd_kind=${t.union ? 'union' : 'struct'}`,
  typedef: reference,
  volatile: reference,
  const: reference,
  restrict: reference,
  func: (t) => ` type_id=${t.type} linkage=${known(FUNC_LINKAGE, t.linkage)}`,
  func_proto: (t) =>
    lines(
      ` ret_type_id=${t.type} vlen=${t.params.length}`,
      t.params.map((p) => `'${listedName(p.name)}' type_id=${p.type}`),
    ),
  var: (t) => ` type_id=${t.type}, linkage=${known(VAR_LINKAGE, t.linkage)}`,
  datasec: (t, btf) =>
    lines(
      ` size=${t.size} vlen=${t.vars.length}`,
      t.vars.map((v) => {
        const kind = btf.kindOf(v.type);
        const named =
          kind === 'var' || kind === 'func' ? ` (${kind.toUpperCase()} '${listedName(btf.nameOf(v.type))}')` : '';
        return `type_id=${v.type} offset=${v.offset} size=${v.size}${named}`;
      }),
    ),
  float: (t) => ` size=${t.size}`,
  decl_tag: (t) => ` type_id=${t.type} component_idx=${t.component}`,
  type_tag: reference,
  enum64: enumeration,
};

/** One type as `bpftool btf dump` prints it; members and values on lines of their own, with a tab before them. */
export function formatRawType(btf: Btf, id: number): string {
  const type = btf.type(id);
  // The mapped type ties each formatter to its kind; TypeScript cannot follow that through the index.
  const formatter = FORMATTERS[type.kind] as (type: BtfType, btf: Btf) => string;
  return `[${id}] ${type.kind.toUpperCase()} '${listedName(btf.nameOf(id))}'${formatter(type, btf)}`;
}

/** The text of `bpftool btf dump file X`: all of this BTF's own types, each line ended. */
export function formatRaw(btf: Btf): string {
  let out = '';
  for (let id = btf.firstId; id < btf.count; id++) out += `${formatRawType(btf, id)}\n`;
  return out;
}
