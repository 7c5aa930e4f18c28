// Types -> bytes, and two BTFs into one.
import { ByteWriter, type Endian, utf8 } from '../base/bytes.ts';
import { fail, type Place } from '../base/diagnostic.ts';
import { cannotEncode } from '../base/messages/btf.ts';
import type { Btf } from './btf.ts';
import { decodeBtf } from './decode.ts';
import {
  BTF_HEADER_BYTES,
  BTF_MAGIC,
  BTF_MAX_VLEN,
  BTF_VERSION,
  type BtfComposite,
  type BtfEnum,
  type BtfKind,
  type BtfType,
  KINDS,
} from './format.ts';
import { mapTypeIds } from './references.ts';

/** A string part under construction: each distinct string once. */
export class StringTable {
  readonly #offsets = new Map<string, number>();
  readonly #out = new ByteWriter();
  readonly #start: number;

  /** `start` is the base's {@link Btf.stringEnd} for a split BTF, which has no empty string of its own. */
  constructor(start = 0) {
    this.#start = start;
    this.#offsets.set('', 0);
    if (start === 0) this.#out.u8(0);
  }

  /** The offset of the string, added where it is new. */
  add(value: string): number {
    const known = this.#offsets.get(value);
    if (known !== undefined) return known;
    if (value.includes('\0')) fail(cannotEncode({}, 'a name contains a NUL'));
    const offset = this.#start + this.#out.length;
    this.#out.bytes(utf8(value)).u8(0);
    this.#offsets.set(value, offset);
    return offset;
  }

  /** The offset of a string that is there. */
  find(value: string): number | undefined {
    return this.#offsets.get(value);
  }

  finish(): Uint8Array<ArrayBuffer> {
    return this.#out.finish();
  }
}

export interface EncodeBtfOptions {
  readonly endian?: Endian;
  /** For a split BTF: the ids of `types` continue the base's. */
  readonly base?: Btf;
  /** A table that already holds strings (those of .BTF.ext). */
  readonly strings?: StringTable;
}

/** What goes into the bytes of a type beside its name. */
interface Body {
  readonly vlen?: number;
  readonly kindFlag?: boolean;
  /** Size or type id. */
  readonly word?: number;
  /** The words after the common part. */
  readonly words?: readonly number[];
}

type Encoders = { readonly [K in BtfKind]: (type: Extract<BtfType, { kind: K }>, name: (s: string) => number) => Body };

const reference = (type: { readonly type: number }): Body => ({ word: type.type });

const composite = (type: BtfComposite, name: (s: string) => number): Body => ({
  vlen: type.members.length,
  kindFlag: type.kindFlag,
  word: type.size,
  words: type.members.flatMap((m) => [
    name(m.name),
    m.type,
    type.kindFlag ? ((m.bitSize << 24) | m.bitOffset) >>> 0 : m.bitOffset,
  ]),
});

const enumeration = (type: BtfEnum, name: (s: string) => number): Body => ({
  vlen: type.values.length,
  kindFlag: type.signed,
  word: type.size,
  words: type.values.flatMap((v) => {
    const low = Number(BigInt.asUintN(32, v.value));
    return type.kind === 'enum' ? [name(v.name), low] : [name(v.name), low, Number(BigInt.asUintN(32, v.value >> 32n))];
  }),
});

const ENCODERS: Encoders = {
  void: () => ({}),
  int: (t) => ({ word: t.size, words: [((t.encoding << 24) | (t.offset << 16) | t.bits) >>> 0] }),
  ptr: reference,
  array: (t) => ({ words: [t.element, t.index, t.length] }),
  struct: composite,
  union: composite,
  enum: enumeration,
  fwd: (t) => ({ kindFlag: t.union }),
  typedef: reference,
  volatile: reference,
  const: reference,
  restrict: reference,
  func: (t) => ({ word: t.type, vlen: t.linkage }),
  func_proto: (t, name) => ({
    vlen: t.params.length,
    word: t.type,
    words: t.params.flatMap((p) => [name(p.name), p.type]),
  }),
  var: (t) => ({ word: t.type, words: [t.linkage] }),
  datasec: (t) => ({ vlen: t.vars.length, word: t.size, words: t.vars.flatMap((v) => [v.type, v.offset, v.size]) }),
  float: (t) => ({ word: t.size }),
  decl_tag: (t) => ({ word: t.type, kindFlag: t.attribute, words: [t.component >>> 0] }),
  type_tag: (t) => ({ word: t.type, kindFlag: t.attribute }),
  enum64: enumeration,
};

/** Writes types as raw BTF; `types[0]` gets the first id (1, or the base's count). Raises btf/encode. */
export function encodeBtf(types: readonly BtfType[], options: EncodeBtfOptions = {}): Uint8Array<ArrayBuffer> {
  const { endian = 'little', base } = options;
  const strings = options.strings ?? new StringTable(base?.stringEnd ?? 0);
  const out = new ByteWriter(endian);
  const firstId = base?.count ?? 1;
  types.forEach((type, i) => encodeType(type, out, strings, { typeId: firstId + i }));
  const typeBytes = out.finish();
  const stringBytes = strings.finish();
  return new ByteWriter(endian)
    .u16(BTF_MAGIC)
    .u8(BTF_VERSION)
    .u8(0)
    .u32(BTF_HEADER_BYTES)
    .u32(0)
    .u32(typeBytes.length)
    .u32(typeBytes.length)
    .u32(stringBytes.length)
    .bytes(typeBytes)
    .bytes(stringBytes)
    .finish();
}

function encodeType(type: BtfType, out: ByteWriter, strings: StringTable, place: Place): void {
  if (type.kind === 'void') fail(cannotEncode(place, 'void is not a type of its own, it has the id 0'));
  // The mapped type ties each encoder to its kind; TypeScript cannot follow that through the index.
  const encoder = ENCODERS[type.kind] as (type: BtfType, name: (s: string) => number) => Body;
  const { vlen = 0, kindFlag = false, word = 0, words = [] } = encoder(type, (s) => strings.add(s));
  if (vlen > BTF_MAX_VLEN) fail(cannotEncode(place, `${vlen} items, above the limit of ${BTF_MAX_VLEN}`));
  if ((type.kind === 'struct' || type.kind === 'union') && type.kindFlag) {
    const wide = type.members.find((m) => m.bitOffset > 0xffffff || m.bitSize > 0xff);
    if (wide !== undefined)
      fail(cannotEncode(place, `member '${wide.name}' is too far in for a struct with bitfields`));
  }
  out.u32('name' in type ? strings.add(type.name) : 0);
  out.u32(((kindFlag ? 1 << 31 : 0) | (KINDS[type.kind].number << 24) | vlen) >>> 0);
  out.u32(word);
  for (const w of words) out.u32(w);
}

/**
 * Puts the types of `b` after those of `a`: ids of `a` stay, id n of `b` becomes a.count - 1 + n. Nothing is
 * deduplicated. Neither may be split.
 */
export function mergeBtf(a: Btf, b: Btf): Btf {
  if (a.base !== undefined || b.base !== undefined) fail(cannotEncode({ ...a.place }, 'a split BTF cannot be merged'));
  const shift = a.count - 1;
  const types = [...a.types()].map(([, type]) => type);
  for (const [, type] of b.types()) types.push(mapTypeIds(type, (id) => (id === 0 ? 0 : id + shift)));
  return decodeBtf(encodeBtf(types, { endian: a.endian }), { place: a.place });
}
