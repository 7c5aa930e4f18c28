// The listing of `bpftool -j btf dump`: one object a type.
import type { Btf } from '../../btf/btf.ts';
import type { BtfKind, BtfType } from '../../btf/format.ts';
import { FUNC_LINKAGE, INT_ENCODINGS, known, listedName, VAR_LINKAGE } from '../../btf/format-raw.ts';
import type { Json } from './output.ts';

type Members = { readonly [name: string]: Json | undefined };
type Parts = { readonly [K in BtfKind]: (type: Extract<BtfType, { kind: K }>) => Members };

const reference = (type: { readonly type: number }): Members => ({ type_id: type.type });

const composite = (type: Extract<BtfType, { kind: 'struct' | 'union' }>): Members => ({
  size: type.size,
  vlen: type.members.length,
  members: type.members.map((member) => ({
    name: listedName(member.name),
    type_id: member.type,
    bits_offset: member.bitOffset,
    bitfield_size: member.bitSize > 0 ? member.bitSize : undefined,
  })),
});

const enumeration = (type: Extract<BtfType, { kind: 'enum' | 'enum64' }>): Members => ({
  encoding: type.signed ? 'SIGNED' : 'UNSIGNED',
  size: type.size,
  vlen: type.values.length,
  values: type.values.map(({ name, value }) => ({ name: listedName(name), val: value })),
});

const PARTS: Parts = {
  void: () => ({}),
  int: (type) => ({
    size: type.size,
    bits_offset: type.offset,
    nr_bits: type.bits,
    encoding: known(INT_ENCODINGS, type.encoding),
  }),
  ptr: reference,
  array: (type) => ({ type_id: type.element, index_type_id: type.index, nr_elems: type.length }),
  struct: composite,
  union: composite,
  enum: enumeration,
  fwd: (type) => ({ fwd_kind: type.union ? 'union' : 'struct' }),
  typedef: reference,
  volatile: reference,
  const: reference,
  restrict: reference,
  func: (type) => ({ type_id: type.type, linkage: known(FUNC_LINKAGE, type.linkage) }),
  func_proto: (type) => ({
    ret_type_id: type.type,
    vlen: type.params.length,
    params: type.params.map(({ name, type: id }) => ({ name: listedName(name), type_id: id })),
  }),
  var: (type) => ({ type_id: type.type, linkage: known(VAR_LINKAGE, type.linkage) }),
  datasec: (type) => ({
    size: type.size,
    vlen: type.vars.length,
    vars: type.vars.map(({ type: id, offset, size }) => ({ type_id: id, offset, size })),
  }),
  float: (type) => ({ size: type.size }),
  decl_tag: (type) => ({ type_id: type.type, component_idx: type.component }),
  type_tag: reference,
  enum64: enumeration,
};

export function typeJson(btf: Btf, id: number): Json {
  const type = btf.type(id);
  // The mapped type ties each row to its kind; TypeScript cannot follow that through the index.
  const parts = PARTS[type.kind] as (type: BtfType) => Members;
  return { id, kind: type.kind.toUpperCase(), name: listedName(btf.nameOf(id)), ...parts(type) };
}
