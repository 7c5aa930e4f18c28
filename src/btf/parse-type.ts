// One type from its bytes. The bytes have been checked by decode.ts: lengths, kinds, string offsets and type ids.
import { BTF_TYPE_BYTES, type BtfKind, type BtfType, KIND_NAMES, KINDS } from './format.ts';

/** What a type's bytes say, before the kind gives them their meaning. */
interface Raw {
  readonly name: string;
  readonly vlen: number;
  readonly kindFlag: boolean;
  /** The third common word: a size or a type id. */
  readonly word: number;
  /** 32-bit word of the fixed part, by byte offset. */
  fixed(at: number): number;
  /** For each of vlen items: f(word reader of the item). */
  items<T>(f: (word: (at: number) => number) => T): T[];
  string(offset: number): string;
}

const enumOf = (kind: 'enum' | 'enum64', raw: Raw, value: (word: (at: number) => number) => bigint): BtfType => ({
  kind,
  name: raw.name,
  size: raw.word,
  signed: raw.kindFlag,
  values: raw.items((word) => {
    const unsigned = value(word);
    const bits = kind === 'enum' ? 32 : 64;
    return { name: raw.string(word(0)), value: raw.kindFlag ? BigInt.asIntN(bits, unsigned) : unsigned };
  }),
});

const compositeOf = (kind: 'struct' | 'union', raw: Raw): BtfType => ({
  kind,
  name: raw.name,
  size: raw.word,
  kindFlag: raw.kindFlag,
  members: raw.items((word) => {
    const offset = word(8);
    return {
      name: raw.string(word(0)),
      type: word(4),
      bitOffset: raw.kindFlag ? offset & 0xffffff : offset,
      bitSize: raw.kindFlag ? offset >>> 24 : 0,
    };
  }),
});

const PARSERS: { readonly [K in BtfKind]: (raw: Raw) => BtfType } = {
  void: () => ({ kind: 'void' }),
  int: (raw) => {
    const word = raw.fixed(0);
    return {
      kind: 'int',
      name: raw.name,
      size: raw.word,
      encoding: (word >>> 24) & 0xf,
      bits: word & 0xff,
      offset: (word >>> 16) & 0xff,
    };
  },
  ptr: (raw) => ({ kind: 'ptr', type: raw.word }),
  array: (raw) => ({ kind: 'array', element: raw.fixed(0), index: raw.fixed(4), length: raw.fixed(8) }),
  struct: (raw) => compositeOf('struct', raw),
  union: (raw) => compositeOf('union', raw),
  enum: (raw) => enumOf('enum', raw, (word) => BigInt(word(4))),
  fwd: (raw) => ({ kind: 'fwd', name: raw.name, union: raw.kindFlag }),
  typedef: (raw) => ({ kind: 'typedef', name: raw.name, type: raw.word }),
  volatile: (raw) => ({ kind: 'volatile', type: raw.word }),
  const: (raw) => ({ kind: 'const', type: raw.word }),
  restrict: (raw) => ({ kind: 'restrict', type: raw.word }),
  func: (raw) => ({ kind: 'func', name: raw.name, type: raw.word, linkage: raw.vlen }),
  func_proto: (raw) => ({
    kind: 'func_proto',
    type: raw.word,
    params: raw.items((word) => ({ name: raw.string(word(0)), type: word(4) })),
  }),
  var: (raw) => ({ kind: 'var', name: raw.name, type: raw.word, linkage: raw.fixed(0) }),
  datasec: (raw) => ({
    kind: 'datasec',
    name: raw.name,
    size: raw.word,
    vars: raw.items((word) => ({ type: word(0), offset: word(4), size: word(8) })),
  }),
  float: (raw) => ({ kind: 'float', name: raw.name, size: raw.word }),
  decl_tag: (raw) => ({
    kind: 'decl_tag',
    name: raw.name,
    type: raw.word,
    component: raw.fixed(0) | 0,
    attribute: raw.kindFlag,
  }),
  type_tag: (raw) => ({ kind: 'type_tag', name: raw.name, type: raw.word, attribute: raw.kindFlag }),
  enum64: (raw) => enumOf('enum64', raw, (word) => (BigInt(word(8)) << 32n) | BigInt(word(4))),
};

/** Decodes the type at `offset` of the type part. */
export function parseType(
  view: DataView,
  offset: number,
  little: boolean,
  strings: { string(offset: number): string },
): BtfType {
  const info = view.getUint32(offset + 4, little);
  const kind = KIND_NAMES[(info >>> 24) & 0x1f];
  const { fixed, item } = KINDS[kind];
  const vlen = info & 0xffff;
  const fixedAt = offset + BTF_TYPE_BYTES;
  return PARSERS[kind]({
    name: strings.string(view.getUint32(offset, little)),
    vlen,
    kindFlag: info >>> 31 === 1,
    word: view.getUint32(offset + 8, little),
    fixed: (at) => view.getUint32(fixedAt + at, little),
    items: (f) =>
      Array.from({ length: vlen }, (_, i) => f((at) => view.getUint32(fixedAt + fixed + i * item + at, little))),
    string: (at) => strings.string(at),
  });
}
