// BTF as plain data. Source: Documentation/bpf/btf.rst and include/uapi/linux/btf.h of Linux.

/** What stands behind the 12 common bytes of a type of each kind: the table that decoding and encoding share. */
interface KindRow {
  /** The number in the file. */
  readonly number: number;
  /** What the third common word holds. */
  readonly word: 'size' | 'type' | 'none';
  /** Bytes after the common part, whatever vlen says. */
  readonly fixed: number;
  /** Offsets of type ids in the fixed part. */
  readonly fixedTypes: readonly number[];
  /** Bytes for each of vlen items. */
  readonly item: number;
  /** Offset of the type id in an item; -1 where it has none. */
  readonly itemType: number;
  /** Whether an item begins with a name. */
  readonly itemNamed: boolean;
}

const row = (number: number, word: KindRow['word'], rest: Partial<KindRow> = {}): KindRow => ({
  number,
  word,
  fixed: 0,
  fixedTypes: [],
  item: 0,
  itemType: -1,
  itemNamed: false,
  ...rest,
});

/** All kinds of BTF, by the name used here. */
export const KINDS = {
  void: row(0, 'none'),
  int: row(1, 'size', { fixed: 4 }),
  ptr: row(2, 'type'),
  array: row(3, 'none', { fixed: 12, fixedTypes: [0, 4] }),
  struct: row(4, 'size', { item: 12, itemType: 4, itemNamed: true }),
  union: row(5, 'size', { item: 12, itemType: 4, itemNamed: true }),
  enum: row(6, 'size', { item: 8, itemNamed: true }),
  fwd: row(7, 'none'),
  typedef: row(8, 'type'),
  volatile: row(9, 'type'),
  const: row(10, 'type'),
  restrict: row(11, 'type'),
  func: row(12, 'type'),
  func_proto: row(13, 'type', { item: 8, itemType: 4, itemNamed: true }),
  var: row(14, 'type', { fixed: 4 }),
  datasec: row(15, 'size', { item: 12, itemType: 0 }),
  float: row(16, 'size'),
  decl_tag: row(17, 'type', { fixed: 4 }),
  type_tag: row(18, 'type'),
  enum64: row(19, 'size', { item: 12, itemNamed: true }),
} as const satisfies Record<string, KindRow>;

export type BtfKind = keyof typeof KINDS;

/** Kind names by their number in the file. */
export const KIND_NAMES = Object.keys(KINDS) as readonly BtfKind[];

export interface BtfVoid {
  readonly kind: 'void';
}

export interface BtfInt {
  readonly kind: 'int';
  readonly name: string;
  /** Bytes of the storage unit. */
  readonly size: number;
  /** A union of BTF_INT_SIGNED 1, BTF_INT_CHAR 2, BTF_INT_BOOL 4. */
  readonly encoding: number;
  /** Bits used, and the first of them: other than 8 * size and 0 only in BTF of before kind_flag. */
  readonly bits: number;
  readonly offset: number;
}

export const INT_SIGNED = 1;
export const INT_CHAR = 2;
export const INT_BOOL = 4;

/** Kinds that only refer to another type. */
export interface BtfReference {
  readonly kind: 'ptr' | 'volatile' | 'const' | 'restrict';
  readonly type: number;
}

export interface BtfTypedef {
  readonly kind: 'typedef';
  readonly name: string;
  readonly type: number;
}

export interface BtfTypeTag {
  readonly kind: 'type_tag';
  readonly name: string;
  readonly type: number;
  /** kind_flag: the name is a whole `__attribute__`, not the value of btf_type_tag. */
  readonly attribute: boolean;
}

export interface BtfArray {
  readonly kind: 'array';
  readonly element: number;
  readonly index: number;
  /** Number of elements. */
  readonly length: number;
}

export interface BtfMember {
  /** Empty for an anonymous struct or union. */
  readonly name: string;
  readonly type: number;
  /** From the start of the struct. */
  readonly bitOffset: number;
  /** Width of a bitfield; 0 for an ordinary member, and always in structs without kind_flag. */
  readonly bitSize: number;
}

export interface BtfComposite {
  readonly kind: 'struct' | 'union';
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** kind_flag: members say their bitfield width themselves. */
  readonly kindFlag: boolean;
  readonly members: readonly BtfMember[];
}

export interface BtfEnum {
  readonly kind: 'enum' | 'enum64';
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  readonly signed: boolean;
  /** Values read with the enum's sign. */
  readonly values: readonly { readonly name: string; readonly value: bigint }[];
}

export interface BtfFwd {
  readonly kind: 'fwd';
  readonly name: string;
  /** Of a union, else of a struct. */
  readonly union: boolean;
}

export interface BtfFunc {
  readonly kind: 'func';
  readonly name: string;
  /** The func_proto. */
  readonly type: number;
  /** BTF_FUNC_STATIC 0, GLOBAL 1, EXTERN 2. */
  readonly linkage: number;
}

export interface BtfFuncProto {
  readonly kind: 'func_proto';
  /** Return type. */
  readonly type: number;
  /** A last parameter without name and with type 0 stands for `...`. */
  readonly params: readonly { readonly name: string; readonly type: number }[];
}

export interface BtfVar {
  readonly kind: 'var';
  readonly name: string;
  readonly type: number;
  /** BTF_VAR_STATIC 0, GLOBAL_ALLOCATED 1, GLOBAL_EXTERN 2. */
  readonly linkage: number;
}

export interface BtfDatasec {
  readonly kind: 'datasec';
  readonly name: string;
  /** Bytes; compilers leave 0, the section's own size counts. */
  readonly size: number;
  readonly vars: readonly { readonly type: number; readonly offset: number; readonly size: number }[];
}

export interface BtfFloat {
  readonly kind: 'float';
  readonly name: string;
  /** Bytes. */
  readonly size: number;
}

export interface BtfDeclTag {
  readonly kind: 'decl_tag';
  readonly name: string;
  /** What is tagged: struct, union, func, var or typedef. */
  readonly type: number;
  /** Member or parameter tagged; -1 for the whole. */
  readonly component: number;
  /** kind_flag: the name is a whole `__attribute__`. */
  readonly attribute: boolean;
}

/** One type; its id is its position. */
export type BtfType =
  | BtfVoid
  | BtfInt
  | BtfReference
  | BtfTypedef
  | BtfTypeTag
  | BtfArray
  | BtfComposite
  | BtfEnum
  | BtfFwd
  | BtfFunc
  | BtfFuncProto
  | BtfVar
  | BtfDatasec
  | BtfFloat
  | BtfDeclTag;

export const BTF_MAGIC = 0xeb9f;
export const BTF_VERSION = 1;
export const BTF_HEADER_BYTES = 24;
/** Bytes that every type begins with: name, info, size or type. */
export const BTF_TYPE_BYTES = 12;
/** The largest vlen. */
export const BTF_MAX_VLEN = 0xffff;

/** Bytes of a pointer. BPF and every kernel that runs eBPF programs of this format here have 64-bit pointers. */
export const POINTER_BYTES = 8;
