// A decoded type graph: types are made from their bytes when they are asked for, so that a kernel's 126,000 cost nothing
// until then.
import { type Endian, text } from '../base/bytes.ts';
import { fail, type Place } from '../base/diagnostic.ts';
import { badString, badTypeId, noSize, tooBig, tooDeep } from '../base/messages/btf.ts';
import { type BtfKind, type BtfType, KIND_NAMES, POINTER_BYTES } from './format.ts';
import { parseType } from './parse-type.ts';

/** Levels of modifiers, typedefs, arrays or nested structs that are followed, as libbpf does. */
export const MAX_DEPTH = 32;

/** No single C object of a BPF program or kernel is larger. Keeps sizes exact in a number. */
const MAX_TYPE_BYTES = 2 ** 32 - 1;

/** Longer strings than this are refused: no name or source line reaches it. */
const MAX_STRING_BYTES = 1 << 16;

/** What {@link decodeBtf} found: checked, not yet decoded. */
export interface BtfParts {
  /** All of it, header and all. */
  readonly bytes: Uint8Array;
  readonly endian: Endian;
  /** The type part. */
  readonly types: DataView;
  /** Byte offset of each own type in `types`; the first has id {@link Btf.firstId}. */
  readonly offsets: Uint32Array;
  readonly strings: Uint8Array;
  /** String offsets below this belong to the base. */
  readonly stringStart: number;
  readonly base?: Btf;
  readonly place: Place;
}

/** The types of an object, a kernel or a module. Ids start at 1; 0 is void. */
export class Btf {
  readonly endian: Endian;
  /** The BTF that a split BTF continues. */
  readonly base: Btf | undefined;
  /** The smallest id that is not the base's: 1 where there is no base. */
  readonly firstId: number;
  /** Number of ids, void and the base's included: valid ids are 0 to count - 1. */
  readonly count: number;
  /** String bytes, the base's included: where the string offsets of a split BTF on this one begin. */
  readonly stringEnd: number;
  readonly place: Place;
  readonly #parts: BtfParts;
  readonly #types: (BtfType | undefined)[];
  readonly #little: boolean;
  #text: string | undefined;
  #byName: Map<string, number[]> | undefined;
  readonly #aligns = new Map<number, number>();

  constructor(parts: BtfParts) {
    this.endian = parts.endian;
    this.base = parts.base;
    this.firstId = parts.base?.count ?? 1;
    this.count = this.firstId + parts.offsets.length;
    this.stringEnd = parts.stringStart + parts.strings.length;
    this.place = parts.place;
    this.#parts = parts;
    this.#types = Array.from({ length: parts.offsets.length });
    this.#little = parts.endian === 'little';
  }

  /** The bytes that it was decoded from. */
  get bytes(): Uint8Array {
    return this.#parts.bytes;
  }

  #offset(id: number): number {
    if (!Number.isInteger(id) || id < this.firstId || id >= this.count) fail(badTypeId(this.place, id, this.count - 1));
    return this.#parts.offsets[id - this.firstId];
  }

  /** The type of this id. Raises btf/type-id where there is none. */
  type(id: number): BtfType {
    if (id === 0) return VOID;
    if (id < this.firstId && this.base !== undefined) return this.base.type(id);
    const known = this.#types[id - this.firstId];
    if (known !== undefined) return known;
    const type = parseType(this.#parts.types, this.#offset(id), this.#little, this);
    this.#types[id - this.firstId] = type;
    return type;
  }

  /** The kind of a type, without decoding it. */
  kindOf(id: number): BtfKind {
    if (id === 0) return 'void';
    if (id < this.firstId && this.base !== undefined) return this.base.kindOf(id);
    return KIND_NAMES[(this.#parts.types.getUint32(this.#offset(id) + 4, this.#little) >>> 24) & 0x1f];
  }

  /** The name of a type, without decoding it; empty where it has none. */
  nameOf(id: number): string {
    if (id === 0) return '';
    if (id < this.firstId && this.base !== undefined) return this.base.nameOf(id);
    return this.string(this.#parts.types.getUint32(this.#offset(id), this.#little));
  }

  /** The string at an offset of the string part. */
  string(offset: number): string {
    const { base, stringStart, strings } = this.#parts;
    if (offset < stringStart && base !== undefined) return base.string(offset);
    const at = offset - stringStart;
    if (at >= strings.length) {
      // A BTF without any string still has the empty name.
      if (offset === 0) return '';
      fail(badString(this.place, offset, `lies outside the ${this.stringEnd} bytes of strings`));
    }
    // Where every byte made one character, offsets into the bytes are offsets into the text, and names are slices.
    this.#text ??= text(strings);
    const whole = this.#text.length === strings.length;
    const end = whole ? this.#text.indexOf('\0', at) : strings.indexOf(0, at);
    if (end < 0 || end - at > MAX_STRING_BYTES)
      fail(badString(this.place, offset, `is longer than ${MAX_STRING_BYTES} bytes`));
    return whole ? this.#text.slice(at, end) : text(strings.subarray(at, end));
  }

  /** All ids of this name in this BTF and its base, smallest first. Without `kind`, of any kind. */
  idsByName(name: string, kind?: BtfKind): number[] {
    if (this.#byName === undefined) {
      this.#byName = new Map();
      for (let id = this.firstId; id < this.count; id++) {
        const own = this.nameOf(id);
        const ids = this.#byName.get(own);
        if (ids === undefined) this.#byName.set(own, [id]);
        else ids.push(id);
      }
    }
    const ids = [...(this.base?.idsByName(name) ?? []), ...(this.#byName.get(name) ?? [])];
    return kind === undefined ? ids : ids.filter((id) => this.kindOf(id) === kind);
  }

  /** The smallest id of this name (and kind). */
  findByName(name: string, kind?: BtfKind): number | undefined {
    return this.idsByName(name, kind)[0];
  }

  /** The id behind const, volatile, restrict, type_tag and typedef. */
  resolve(id: number): number {
    let at = id;
    for (let depth = 0; depth <= MAX_DEPTH; depth++) {
      const type = this.type(at);
      if (!isModifier(type) && type.kind !== 'typedef') return at;
      at = type.type;
    }
    return fail(tooDeep({ ...this.place, typeId: id }, 'the type', MAX_DEPTH));
  }

  /** The type behind const, volatile, restrict, type_tag and typedef. */
  resolved(id: number): BtfType {
    return this.type(this.resolve(id));
  }

  /** Bytes of a value of this type. Raises btf/no-size for void, fwd, functions and tags. */
  sizeOf(id: number): number {
    let at = id;
    let elements = 1;
    for (let depth = 0; depth <= MAX_DEPTH; depth++) {
      const type = this.type(at);
      switch (type.kind) {
        case 'int':
        case 'enum':
        case 'enum64':
        case 'float':
        case 'struct':
        case 'union':
        case 'datasec':
          return this.#checkedSize(id, elements * type.size);
        case 'ptr':
          return this.#checkedSize(id, elements * POINTER_BYTES);
        case 'array':
          elements = this.#checkedSize(id, elements * type.length);
          at = type.element;
          break;
        case 'typedef':
        case 'volatile':
        case 'const':
        case 'restrict':
        case 'type_tag':
        case 'var':
          at = type.type;
          break;
        case 'void':
        case 'fwd':
        case 'func':
        case 'func_proto':
        case 'decl_tag':
          return fail(noSize({ ...this.place, typeId: id }, type.kind));
      }
    }
    return fail(tooDeep({ ...this.place, typeId: id }, 'the type', MAX_DEPTH));
  }

  #checkedSize(id: number, size: number): number {
    if (size > MAX_TYPE_BYTES) fail(tooBig({ ...this.place, typeId: id }, 'the type', size, MAX_TYPE_BYTES));
    return size;
  }

  /** Alignment in bytes that C gives a value of this type; 1 for a struct that its own layout shows to be packed. */
  alignOf(id: number): number {
    return this.#alignOf(id, 0);
  }

  #alignOf(id: number, depth: number): number {
    if (depth > MAX_DEPTH) fail(tooDeep({ ...this.place, typeId: id }, 'the type', MAX_DEPTH));
    const type = this.type(id);
    switch (type.kind) {
      case 'int':
      case 'enum':
      case 'enum64':
      case 'float':
        return Math.max(1, Math.min(POINTER_BYTES, type.size));
      case 'ptr':
        return POINTER_BYTES;
      case 'typedef':
      case 'volatile':
      case 'const':
      case 'restrict':
      case 'type_tag':
      case 'var':
        return this.#alignOf(type.type, depth + 1);
      case 'array':
        return this.#alignOf(type.element, depth + 1);
      case 'struct':
      case 'union': {
        const known = this.#aligns.get(id);
        if (known !== undefined) return known;
        let largest = 1;
        let packed = false;
        for (const m of type.members) {
          const align = this.#alignOf(m.type, depth + 1);
          largest = Math.max(largest, align);
          packed ||= m.bitSize === 0 && m.bitOffset % (8 * align) !== 0;
        }
        const align = packed || type.size % largest !== 0 ? 1 : largest;
        this.#aligns.set(id, align);
        return align;
      }
      case 'void':
      case 'fwd':
      case 'func':
      case 'func_proto':
      case 'datasec':
      case 'decl_tag':
        return fail(noSize({ ...this.place, typeId: id }, type.kind));
    }
  }

  /** This BTF's own types in the order of their ids (without void and without the base's). */
  *types(): Generator<readonly [id: number, type: BtfType]> {
    for (let id = this.firstId; id < this.count; id++) yield [id, this.type(id)];
  }
}

const VOID: BtfType = { kind: 'void' };

/** const, volatile, restrict and type_tag: they change nothing about the value. */
export function isModifier(
  type: BtfType,
): type is Extract<BtfType, { kind: 'const' | 'volatile' | 'restrict' | 'type_tag' }> {
  return type.kind === 'const' || type.kind === 'volatile' || type.kind === 'restrict' || type.kind === 'type_tag';
}
