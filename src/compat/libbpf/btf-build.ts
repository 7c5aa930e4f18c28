// btf__add_*: types made one after the other. Each gives the new id (or 0 for parts of the last type), or -EINVAL.
import type { BtfComposite, BtfEnum, BtfType } from '../../btf/format.ts';
import { KINDS } from '../../btf/format.ts';
import { mapTypeIds } from '../../btf/references.ts';
import type { BtfHandle } from './btf-handle.ts';
import { type Library, plainStatus, refuse } from './library.ts';

const INT_ENCODINGS = 7;
const FLOAT_BYTES = [2, 4, 8, 12, 16];
const MAX_TYPES = 0x7fff_ffff;
const MAX_BIT_OFFSET = 0xff_ffff;
const MAX_BIT_SIZE = 255;
const MAX_LINKAGE = 2;

/** enum btf_fwd_kind. */
const FWD = { struct: 0, union: 1, enum: 2 } as const;

const isPowerOfTwo = (n: number): boolean => n > 0 && (n & (n - 1)) === 0;
const isId = (id: number): boolean => id >= 0 && id <= MAX_TYPES;

export function btfBuildFunctions(lib: Library) {
  /** Adds a type where all holds that its kind asks for. */
  const add = (btf: BtfHandle, valid: boolean, type: BtfType): number =>
    plainStatus(lib, () => (valid ? btf.add(type) : refuse(lib, 'EINVAL')));
  const reference = (btf: BtfHandle, kind: 'ptr' | 'volatile' | 'const' | 'restrict', type: number): number =>
    add(btf, isId(type), { kind, type });

  /** Changes the last type, where it is one of these kinds. */
  const extend = <K extends BtfType['kind']>(
    btf: BtfHandle,
    kinds: readonly K[],
    change: (last: Extract<BtfType, { kind: K }>) => BtfType | number,
  ): number =>
    plainStatus(lib, () => {
      const { last } = btf;
      if (last === undefined || !(kinds as readonly string[]).includes(last.kind)) return refuse(lib, 'EINVAL');
      // The kind was looked at in the line before; TypeScript cannot follow it through the list.
      const changed = change(last as Extract<BtfType, { kind: K }>);
      if (typeof changed === 'number') return changed;
      btf.replaceLast(changed);
      return 0;
    });

  const composite = (btf: BtfHandle, kind: BtfComposite['kind'], name: string | null, size: number): number =>
    add(btf, true, { kind, name: name ?? '', size, kindFlag: false, members: [] });
  const enumeration = (btf: BtfHandle, kind: BtfEnum['kind'], name: string | null, size: number, signed: boolean) =>
    add(btf, isPowerOfTwo(size) && size <= 8, { kind, name: name ?? '', size, signed, values: [] });

  const api = {
    btf__find_str: (btf: BtfHandle, s: string): number =>
      plainStatus(lib, () => btf.strings.find(s) ?? refuse(lib, 'ENOENT')),
    btf__add_str: (btf: BtfHandle, s: string): number => plainStatus(lib, () => btf.addString(s)),
    /** Ids inside the type are taken as they are. */
    btf__add_type: (btf: BtfHandle, _src_btf: BtfHandle, src_type: BtfType): number =>
      add(btf, src_type.kind !== 'void', src_type),
    /** All types of another BTF behind those of this; gives the first one's id. */
    btf__add_btf: (btf: BtfHandle, src_btf: BtfHandle): number =>
      plainStatus(lib, () => {
        if (src_btf.base !== null) return refuse(lib, 'EOPNOTSUPP');
        const first = btf.count;
        for (const [, type] of src_btf.btf.types()) btf.add(mapTypeIds(type, (id) => (id === 0 ? 0 : id + first - 1)));
        return first;
      }),
    btf__add_int: (btf: BtfHandle, name: string, byte_sz: number, encoding: number): number =>
      add(btf, name !== '' && isPowerOfTwo(byte_sz) && byte_sz <= 16 && (encoding & ~INT_ENCODINGS) === 0, {
        kind: 'int',
        name,
        size: byte_sz,
        encoding,
        bits: byte_sz * 8,
        offset: 0,
      }),
    btf__add_float: (btf: BtfHandle, name: string, byte_sz: number): number =>
      add(btf, name !== '' && FLOAT_BYTES.includes(byte_sz), { kind: 'float', name, size: byte_sz }),
    btf__add_ptr: (btf: BtfHandle, ref_type_id: number): number => reference(btf, 'ptr', ref_type_id),
    btf__add_array: (btf: BtfHandle, index_type_id: number, elem_type_id: number, nr_elems: number): number =>
      add(btf, isId(index_type_id) && isId(elem_type_id), {
        kind: 'array',
        element: elem_type_id,
        index: index_type_id,
        length: nr_elems >>> 0,
      }),
    btf__add_struct: (btf: BtfHandle, name: string | null, sz: number): number => composite(btf, 'struct', name, sz),
    btf__add_union: (btf: BtfHandle, name: string | null, sz: number): number => composite(btf, 'union', name, sz),
    /** `bit_size` 0: no bitfield. */
    btf__add_field: (
      btf: BtfHandle,
      name: string | null,
      field_type_id: number,
      bit_offset: number,
      bit_size: number,
    ): number =>
      extend(btf, ['struct', 'union'], (last) => {
        const isBitfield = bit_size !== 0 || bit_offset % 8 !== 0;
        const invalid =
          !isId(field_type_id) ||
          (last.kind === 'union' && bit_offset !== 0) ||
          (isBitfield && (bit_size === 0 || bit_size > MAX_BIT_SIZE || bit_offset > MAX_BIT_OFFSET));
        if (invalid) return refuse(lib, 'EINVAL');
        const member = { name: name ?? '', type: field_type_id, bitOffset: bit_offset, bitSize: bit_size };
        return { ...last, kindFlag: last.kindFlag || isBitfield, members: [...last.members, member] };
      }),
    btf__add_enum: (btf: BtfHandle, name: string | null, byte_sz: number): number =>
      enumeration(btf, 'enum', name, byte_sz, false),
    btf__add_enum_value: (btf: BtfHandle, name: string, value: number | bigint): number =>
      extend(btf, ['enum', 'enum64'], (last) => {
        const number = BigInt(value);
        if (name === '' || last.kind !== 'enum') return refuse(lib, 'EINVAL');
        if (number < -0x8000_0000n || number > 0xffff_ffffn) return refuse(lib, 'E2BIG');
        const signed = last.signed || number < 0n;
        return { ...last, signed, values: [...last.values, { name, value: number }] };
      }),
    btf__add_enum64: (btf: BtfHandle, name: string | null, byte_sz: number, is_signed: boolean): number =>
      enumeration(btf, 'enum64', name, byte_sz, is_signed),
    btf__add_enum64_value: (btf: BtfHandle, name: string, value: bigint): number =>
      extend(btf, ['enum', 'enum64'], (last) =>
        name === '' || last.kind !== 'enum64'
          ? refuse(lib, 'EINVAL')
          : { ...last, values: [...last.values, { name, value }] },
      ),
    btf__add_fwd: (btf: BtfHandle, name: string, fwd_kind: number): number => {
      if (name !== '' && fwd_kind === FWD.enum) return api.btf__add_enum(btf, name, 4);
      const valid = name !== '' && (fwd_kind === FWD.struct || fwd_kind === FWD.union);
      return add(btf, valid, { kind: 'fwd', name, union: fwd_kind === FWD.union });
    },
    btf__add_typedef: (btf: BtfHandle, name: string, ref_type_id: number): number =>
      add(btf, name !== '' && isId(ref_type_id), { kind: 'typedef', name, type: ref_type_id }),
    btf__add_volatile: (btf: BtfHandle, ref_type_id: number): number => reference(btf, 'volatile', ref_type_id),
    btf__add_const: (btf: BtfHandle, ref_type_id: number): number => reference(btf, 'const', ref_type_id),
    btf__add_restrict: (btf: BtfHandle, ref_type_id: number): number => reference(btf, 'restrict', ref_type_id),
    btf__add_type_tag: (btf: BtfHandle, value: string, ref_type_id: number): number =>
      add(btf, value !== '' && isId(ref_type_id), {
        kind: 'type_tag',
        name: value,
        type: ref_type_id,
        attribute: false,
      }),
    btf__add_func: (btf: BtfHandle, name: string, linkage: number, proto_type_id: number): number =>
      add(btf, name !== '' && linkage >= 0 && linkage <= MAX_LINKAGE && isId(proto_type_id), {
        kind: 'func',
        name,
        type: proto_type_id,
        linkage,
      }),
    btf__add_func_proto: (btf: BtfHandle, ret_type_id: number): number =>
      add(btf, isId(ret_type_id), { kind: 'func_proto', type: ret_type_id, params: [] }),
    btf__add_func_param: (btf: BtfHandle, name: string | null, type_id: number): number =>
      extend(btf, ['func_proto'], (last) =>
        isId(type_id)
          ? { ...last, params: [...last.params, { name: name ?? '', type: type_id }] }
          : refuse(lib, 'EINVAL'),
      ),
    btf__add_var: (btf: BtfHandle, name: string, linkage: number, type_id: number): number =>
      add(btf, name !== '' && linkage >= 0 && linkage <= MAX_LINKAGE && isId(type_id), {
        kind: 'var',
        name,
        type: type_id,
        linkage,
      }),
    btf__add_datasec: (btf: BtfHandle, name: string, byte_sz: number): number =>
      add(btf, name !== '', { kind: 'datasec', name, size: byte_sz, vars: [] }),
    btf__add_datasec_var_info: (btf: BtfHandle, var_type_id: number, offset: number, byte_sz: number): number =>
      extend(btf, ['datasec'], (last) =>
        isId(var_type_id)
          ? { ...last, vars: [...last.vars, { type: var_type_id, offset, size: byte_sz }] }
          : refuse(lib, 'EINVAL'),
      ),
    /** `component_idx` -1: the type itself. */
    btf__add_decl_tag: (btf: BtfHandle, value: string, ref_type_id: number, component_idx: number): number =>
      add(btf, value !== '' && isId(ref_type_id) && component_idx >= -1, {
        kind: 'decl_tag',
        name: value,
        type: ref_type_id,
        component: component_idx,
        attribute: false,
      }),
    /** BTF_KIND_* of a type. */
    btf_kind: (t: BtfType): number => KINDS[t.kind].number,
  };
  return api;
}
