// A value's bytes as JSON text, like the `formatted` part of `bpftool -j map dump`.
import { fail } from '../base/diagnostic.ts';
import { badValue, tooDeep } from '../base/messages/btf.ts';
import { bitfieldOf, type BitRange, readBits } from './bits.ts';
import { type Btf, MAX_DEPTH } from './btf.ts';
import { type BtfType, INT_BOOL, INT_CHAR, INT_SIGNED, POINTER_BYTES } from './format.ts';
import { isCharacter, printableText } from './value.ts';

/** Parts that one value may have: unions inside unions show the same bytes again and again. */
const MAX_PARTS = 2_000_000;
/** Wider integers exist in no C compiler. */
const MAX_INT_BITS = 256;

class ValueFormatter {
  readonly #btf: Btf;
  readonly #bytes: Uint8Array;
  #parts = 0;

  constructor(btf: Btf, bytes: Uint8Array) {
    this.#btf = btf;
    this.#bytes = bytes;
  }

  format(id: number, offset: number, depth: number): string {
    if (depth > 2 * MAX_DEPTH) fail(tooDeep({ ...this.#btf.place, typeId: id }, 'the type', 2 * MAX_DEPTH));
    if (++this.#parts > MAX_PARTS) this.#refuse(id, `has more than ${MAX_PARTS} parts`);
    const type = this.#btf.resolved(id);
    switch (type.kind) {
      case 'int':
        return this.#integer(id, type, offset * 8);
      case 'enum':
      case 'enum64': {
        const bits = type.size * 8;
        const raw = this.#bits(id, { offset: offset * 8, bits });
        const value = type.signed ? BigInt.asIntN(bits, raw) : raw;
        const name = type.values.find((v) => v.value === value)?.name;
        return name === undefined ? `${value}` : JSON.stringify(name);
      }
      case 'ptr':
        return `${this.#bits(id, { offset: offset * 8, bits: POINTER_BYTES * 8 })}`;
      case 'float':
        return this.#float(id, type.size, offset);
      case 'array':
        return this.#array(id, type, offset, depth);
      case 'struct':
      case 'union': {
        const parts = type.members.map((member) => {
          const target = this.#btf.resolved(member.type);
          const field = bitfieldOf(type, member, target);
          const text =
            field === undefined
              ? this.format(member.type, offset + member.bitOffset / 8, depth + 1)
              : `"0x${this.#bits(member.type, { offset: offset * 8 + field.offset, bits: field.bits }).toString(16)}"`;
          return `${JSON.stringify(member.name)}:${text}`;
        });
        return `{${parts.join(',')}}`;
      }
      case 'var':
        return `{${JSON.stringify(type.name)}:${this.format(type.type, offset, depth + 1)}}`;
      case 'datasec': {
        const vars = type.vars.map((v) => this.format(v.type, offset + v.offset, depth + 1));
        return `{${JSON.stringify(type.name)}:[${vars.join(',')}]}`;
      }
      default:
        return this.#refuse(id, `is a ${type.kind}, which has no value`);
    }
  }

  #refuse(id: number, why: string): never {
    return fail(badValue({ ...this.#btf.place, typeId: id }, '', why));
  }

  #need(id: number, range: BitRange): void {
    if (range.offset + range.bits > this.#bytes.length * 8) {
      this.#refuse(id, `does not fit: only ${this.#bytes.length} bytes are given`);
    }
  }

  #bits(id: number, range: BitRange): bigint {
    if (range.bits > MAX_INT_BITS) this.#refuse(id, `is an integer of ${range.bits} bits`);
    this.#need(id, range);
    return readBits(this.#bytes, range, this.#btf.endian);
  }

  /** 128-bit integers as text in hexadecimal, since readers of JSON would round them. */
  #integer(id: number, type: Extract<BtfType, { kind: 'int' }>, bitOffset: number): string {
    const raw = this.#bits(id, { offset: bitOffset + type.offset, bits: type.bits });
    if ((type.encoding & INT_BOOL) !== 0) return raw === 0n ? 'false' : 'true';
    if (type.encoding === INT_CHAR && raw >= 0x20n && raw <= 0x7en)
      return JSON.stringify(String.fromCharCode(Number(raw)));
    if (type.bits > 64) return `"0x${raw.toString(16)}"`;
    return `${(type.encoding & INT_SIGNED) === 0 ? raw : BigInt.asIntN(type.bits, raw)}`;
  }

  /** JSON has no NaN and no infinity: those are text. */
  #float(id: number, size: number, offset: number): string {
    this.#need(id, { offset: offset * 8, bits: size * 8 });
    const view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.byteLength);
    const little = this.#btf.endian === 'little';
    if (size !== 4 && size !== 8) return this.#refuse(id, `is a float of ${size} bytes, which JavaScript has not`);
    const value = size === 4 ? view.getFloat32(offset, little) : view.getFloat64(offset, little);
    return Number.isFinite(value) ? `${value}` : `"${value}"`;
  }

  #array(id: number, type: Extract<BtfType, { kind: 'array' }>, offset: number, depth: number): string {
    const size = this.#btf.sizeOf(type.element);
    // Elements that take no bytes have no value, however many there are.
    const length = size === 0 ? 0 : type.length;
    this.#need(id, { offset: offset * 8, bits: length * size * 8 });
    if (length > 0 && isCharacter(this.#btf.resolved(type.element))) {
      const text = printableText(this.#bytes.subarray(offset, offset + length));
      if (text !== undefined) return JSON.stringify(text);
    }
    return `[${Array.from({ length }, (_, i) => this.format(type.element, offset + i * size, depth + 1)).join(',')}]`;
  }
}

/**
 * The value of type `id` at the start of `bytes` as JSON text: enums by name, printable char arrays as text, bitfields
 * and 128-bit integers as hexadecimal text, other integers and pointers as numbers of full precision, anonymous members
 * under the empty name. Raises btf/value.
 */
export const formatValue = (btf: Btf, id: number, bytes: Uint8Array): string =>
  new ValueFormatter(btf, bytes).format(id, 0, 0);
