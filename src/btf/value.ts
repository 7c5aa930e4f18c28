// A value's bytes <-> plain data, through its BTF type.
import { utf8 } from '../base/bytes.ts';
import { fail } from '../base/diagnostic.ts';
import { tooBig } from '../base/messages/btf.ts';
import { type BitRange, bitfieldOf, readBits, writeBits } from './bits.ts';
import type { Btf } from './btf.ts';
import { type BtfComposite, type BtfEnum, type BtfType, INT_BOOL, INT_SIGNED, POINTER_BYTES } from './format.ts';
import { isCharacter, printableText, ValueWalk } from './value-walk.ts';

/**
 * Plain data of a value:
 * - integers and bitfields of up to 32 bits: number; wider ones and pointers: bigint
 * - `_Bool`: boolean; float and double: number
 * - enums: the enumerator's name, or the number where none has it
 * - char arrays that hold printable text and then only zeros: string; other arrays: array
 * - structs: object; members of anonymous structs and unions stand in the object around them, as in C
 * - unions: object with every member, each a view of the same bytes
 * - data sections: object by variable
 */
export type BtfValue = number | bigint | boolean | string | readonly BtfValue[] | { readonly [name: string]: BtfValue };

/** What {@link encodeValue} takes: a {@link BtfValue}, or raw bytes of the right size in any place. */
export type BtfInput =
  | number
  | bigint
  | boolean
  | string
  | Uint8Array
  | readonly BtfInput[]
  | { readonly [name: string]: BtfInput };

/** The largest value that is encoded, in bytes. */
const MAX_VALUE_BYTES = 64 << 20;
/** Numbers of up to 32 bits as number, wider ones as bigint. */
const plain = (value: bigint, bits: number): number | bigint => (bits <= 32 ? Number(value) : value);

const at = (path: string, name: string | number): string =>
  typeof name === 'number' ? `${path}[${name}]` : path === '' ? name : `${path}.${name}`;

class Decoder extends ValueWalk {
  decode(id: number, offset: number, path: string, depth: number): BtfValue {
    this.enter(id, path, depth);
    const type = this.btf.resolved(id);
    switch (type.kind) {
      case 'int':
        return this.integer(id, type, { offset: offset * 8 + type.offset, bits: type.bits }, path);
      case 'enum':
      case 'enum64':
        return this.enumerator(id, type, { offset: offset * 8, bits: type.size * 8 }, path);
      case 'ptr':
        return this.bits(id, { offset: offset * 8, bits: POINTER_BYTES * 8 }, path);
      case 'float':
        this.need(id, path, { offset: offset * 8, bits: type.size * 8 });
        if (type.size === 4) return this.view.getFloat32(offset, this.little);
        if (type.size === 8) return this.view.getFloat64(offset, this.little);
        return this.refuse(id, path, `is a float of ${type.size} bytes, which JavaScript has not`);
      case 'array': {
        const size = this.btf.sizeOf(type.element);
        const length = this.elements(id, type, offset, path);
        if (isCharacter(this.btf.resolved(type.element))) {
          const text = printableText(this.bytes.subarray(offset, offset + length));
          if (text !== undefined) return text;
        }
        return Array.from({ length }, (_, i) => this.decode(type.element, offset + i * size, at(path, i), depth + 1));
      }
      case 'struct':
      case 'union':
        return Object.fromEntries(this.members(type, offset * 8, path, depth));
      case 'var':
        return this.decode(type.type, offset, path, depth + 1);
      case 'datasec':
        return Object.fromEntries(
          type.vars.map((v) => {
            const name = this.btf.nameOf(v.type);
            return [name, this.decode(v.type, offset + v.offset, at(path, name), depth + 1)];
          }),
        );
      case 'void':
      case 'fwd':
      case 'func':
      case 'func_proto':
      case 'decl_tag':
      case 'typedef':
      case 'volatile':
      case 'const':
      case 'restrict':
      case 'type_tag':
        return this.refuse(id, path, `is a ${type.kind}, which has no value`);
    }
  }

  /** Members by name, those of anonymous members among them. */
  members(type: BtfComposite, bitOffset: number, path: string, depth: number): [string, BtfValue][] {
    const out: [string, BtfValue][] = [];
    for (const member of type.members) {
      const here = at(path, member.name === '' ? '(anonymous)' : member.name);
      const target = this.btf.resolved(member.type);
      const field = bitfieldOf(type, member, target);
      if (field !== undefined) {
        // An unnamed bitfield is a hole.
        this.enter(member.type, here, depth);
        if (member.name !== '') out.push([member.name, this.field(member.type, target, bitOffset, field, here)]);
      } else if (member.name === '' && (target.kind === 'struct' || target.kind === 'union')) {
        this.enter(member.type, here, depth);
        for (const entry of this.members(target, bitOffset + member.bitOffset, path, depth + 1)) out.push(entry);
      } else {
        out.push([member.name, this.decode(member.type, (bitOffset + member.bitOffset) / 8, here, depth + 1)]);
      }
    }
    return out;
  }

  field(id: number, type: BtfType, base: number, field: BitRange, path: string): BtfValue {
    const range = { offset: base + field.offset, bits: field.bits };
    if (type.kind === 'int') return this.integer(id, type, range, path);
    if (type.kind === 'enum' || type.kind === 'enum64') return this.enumerator(id, type, range, path);
    return this.refuse(id, path, `is a bitfield of the kind ${type.kind}`);
  }

  bits(id: number, range: BitRange, path: string): bigint {
    this.needInteger(id, path, range);
    return readBits(this.bytes, range, this.endian);
  }

  integer(id: number, type: Extract<BtfType, { kind: 'int' }>, range: BitRange, path: string): BtfValue {
    const value = this.bits(id, range, path);
    if ((type.encoding & INT_BOOL) !== 0 && value <= 1n) return value === 1n;
    return plain((type.encoding & INT_SIGNED) === 0 ? value : BigInt.asIntN(range.bits, value), range.bits);
  }

  enumerator(id: number, type: BtfEnum, range: BitRange, path: string): BtfValue {
    const raw = this.bits(id, range, path);
    const value = type.signed ? BigInt.asIntN(range.bits, raw) : raw;
    return type.values.find((v) => v.value === value)?.name ?? plain(value, range.bits);
  }
}

/**
 * Decodes the value of type `id` at byte `offset` of `bytes`; integers in the BTF's byte order. Raises btf/value where
 * it does not fit or the type has no values.
 */
export function decodeValue(btf: Btf, id: number, bytes: Uint8Array, offset = 0): BtfValue {
  return new Decoder(btf, bytes).decode(id, offset, '', 0);
}

const isObject = (value: BtfInput): value is { readonly [name: string]: BtfInput } =>
  typeof value === 'object' && !Array.isArray(value) && !(value instanceof Uint8Array);

class Encoder extends ValueWalk {
  encode(id: number, offset: number, value: BtfInput, path: string, depth: number): void {
    this.enter(id, path, depth);
    if (value instanceof Uint8Array) return this.raw(id, offset, value, path);
    const type = this.btf.resolved(id);
    switch (type.kind) {
      case 'int':
        return this.integer(id, type, { offset: offset * 8 + type.offset, bits: type.bits }, value, path);
      case 'enum':
      case 'enum64':
        return this.enumerator(id, type, { offset: offset * 8, bits: type.size * 8 }, value, path);
      case 'ptr':
        return this.number(id, { offset: offset * 8, bits: POINTER_BYTES * 8 }, false, value, path);
      case 'float':
        this.need(id, path, { offset: offset * 8, bits: type.size * 8 });
        if (typeof value !== 'number') return this.refuse(id, path, 'must be a number');
        if (type.size === 4) return this.view.setFloat32(offset, value, this.little);
        if (type.size === 8) return this.view.setFloat64(offset, value, this.little);
        return this.refuse(id, path, `is a float of ${type.size} bytes, which JavaScript has not`);
      case 'array':
        return this.array(id, type, offset, value, path, depth);
      case 'struct':
      case 'union':
        if (!isObject(value)) return this.refuse(id, path, `must be an object with the members of the ${type.kind}`);
        for (const [name, part] of Object.entries(value)) {
          if (!this.member(type, offset * 8, name, part, at(path, name), depth)) {
            this.refuse(id, at(path, name), `is no member of '${type.name}'`);
          }
        }
        return;
      case 'var':
        return this.encode(type.type, offset, value, path, depth + 1);
      case 'datasec':
        if (!isObject(value)) return this.refuse(id, path, 'must be an object with the variables of the section');
        for (const [name, part] of Object.entries(value)) {
          const found = type.vars.find((v) => this.btf.nameOf(v.type) === name);
          if (found === undefined) return this.refuse(id, at(path, name), `is no variable of '${type.name}'`);
          this.encode(found.type, offset + found.offset, part, at(path, name), depth + 1);
        }
        return;
      case 'void':
      case 'fwd':
      case 'func':
      case 'func_proto':
      case 'decl_tag':
      case 'typedef':
      case 'volatile':
      case 'const':
      case 'restrict':
      case 'type_tag':
        return this.refuse(id, path, `is a ${type.kind}, which has no value`);
    }
  }

  raw(id: number, offset: number, value: Uint8Array, path: string): void {
    const size = this.btf.sizeOf(id);
    if (value.length !== size) this.refuse(id, path, `is given ${value.length} bytes, its type has ${size}`);
    this.need(id, path, { offset: offset * 8, bits: size * 8 });
    this.bytes.set(value, offset);
  }

  array(
    id: number,
    type: Extract<BtfType, { kind: 'array' }>,
    offset: number,
    value: BtfInput,
    path: string,
    depth: number,
  ): void {
    const length = this.elements(id, type, offset, path);
    const size = this.btf.sizeOf(type.element);
    if (typeof value === 'string' && isCharacter(this.btf.resolved(type.element))) {
      const bytes = utf8(value);
      if (bytes.length > length) this.refuse(id, path, `has ${bytes.length} bytes of text for an array of ${length}`);
      this.bytes.fill(0, offset, offset + length);
      this.bytes.set(bytes, offset);
      return;
    }
    if (!Array.isArray(value)) return this.refuse(id, path, 'must be an array');
    if (value.length > length) this.refuse(id, path, `has ${value.length} elements for an array of ${length}`);
    for (const [i, part] of value.entries()) {
      this.encode(type.element, offset + i * size, part, at(path, i), depth + 1);
    }
  }

  /** Encodes the member of this name, also inside anonymous members. False where there is none. */
  member(type: BtfComposite, base: number, name: string, value: BtfInput, path: string, depth: number): boolean {
    for (const member of type.members) {
      if (member.name !== name && member.name !== '') continue;
      this.enter(member.type, path, depth);
      const target = this.btf.resolved(member.type);
      const field = bitfieldOf(type, member, target);
      if (member.name === name && name !== '') {
        if (field === undefined) this.encode(member.type, (base + member.bitOffset) / 8, value, path, depth + 1);
        else this.field(member.type, target, { offset: base + field.offset, bits: field.bits }, value, path);
        return true;
      }
      if (field !== undefined || (target.kind !== 'struct' && target.kind !== 'union')) continue;
      if (this.member(target, base + member.bitOffset, name, value, path, depth + 1)) return true;
    }
    return false;
  }

  field(id: number, type: BtfType, range: BitRange, value: BtfInput, path: string): void {
    if (type.kind === 'int') return this.integer(id, type, range, value, path);
    if (type.kind === 'enum' || type.kind === 'enum64') return this.enumerator(id, type, range, value, path);
    return this.refuse(id, path, `is a bitfield of the kind ${type.kind}`);
  }

  integer(id: number, type: Extract<BtfType, { kind: 'int' }>, range: BitRange, value: BtfInput, path: string): void {
    const given = typeof value === 'boolean' ? BigInt(value) : value;
    this.number(id, range, (type.encoding & INT_SIGNED) !== 0, given, path);
  }

  enumerator(id: number, type: BtfEnum, range: BitRange, value: BtfInput, path: string): void {
    const named = typeof value === 'string' ? type.values.find((v) => v.name === value)?.value : undefined;
    this.number(id, range, type.signed, named ?? value, path);
  }

  /** A number, or its text in decimal or hexadecimal, that fits the range. */
  number(id: number, range: BitRange, signed: boolean, value: BtfInput, path: string): void {
    let exact: bigint;
    if (typeof value === 'bigint') exact = value;
    else if (typeof value === 'number' && Number.isInteger(value)) exact = BigInt(value);
    else if (typeof value === 'string' && /^(-?\d{1,40}|0x[0-9a-fA-F]{1,32})$/.test(value)) exact = BigInt(value);
    else return this.refuse(id, path, `is ${describe(value)}, not an integer`);
    this.needInteger(id, path, range);
    const bits = BigInt(range.bits);
    const [low, high] = signed ? [-(1n << (bits - 1n)), (1n << (bits - 1n)) - 1n] : [0n, (1n << bits) - 1n];
    if (range.bits === 0 || exact < low || exact > high) {
      this.refuse(id, path, `is ${exact}, outside ${low} to ${high}`);
    }
    writeBits(this.bytes, range, BigInt.asUintN(range.bits, exact), this.endian);
  }
}

const describe = (value: BtfInput): string =>
  typeof value === 'string'
    ? `"${value}"`
    : typeof value === 'number'
      ? String(value)
      : Array.isArray(value)
        ? 'an array'
        : `of type ${typeof value}`;

/**
 * Encodes plain data as the bytes of a value of type `id`, in the BTF's byte order. Members not given are zero; of a
 * union's members the last one given counts. Integers may be numbers, bigints, or text in decimal or 0x hexadecimal.
 * Raises btf/value with the path of what does not fit.
 */
export function encodeValue(btf: Btf, id: number, value: BtfInput): Uint8Array<ArrayBuffer> {
  const size = btf.sizeOf(id);
  if (size > MAX_VALUE_BYTES) fail(tooBig({ ...btf.place, typeId: id }, 'the value', size, MAX_VALUE_BYTES));
  const bytes = new Uint8Array(size);
  new Encoder(btf, bytes).encode(id, 0, value, '', 0);
  return bytes;
}
