// A value's bytes as JSON text, like the `formatted` part of `bpftool -j map dump`.
import { type BitRange, bitfieldOf, readBits } from './bits.ts';
import type { Btf } from './btf.ts';
import { type BtfType, INT_BOOL, INT_CHAR, INT_SIGNED, POINTER_BYTES } from './format.ts';
import { isCharacter, printableText, ValueWalk } from './value-walk.ts';

/** `plain`: as bpftool without `-j`, whose text is not quite JSON: pointers and bitfields in hexadecimal without quotes. */
export interface FormatValueOptions {
  readonly plain?: boolean;
}

class ValueFormatter extends ValueWalk {
  readonly #plain: boolean;

  constructor(btf: Btf, bytes: Uint8Array, { plain = false }: FormatValueOptions) {
    super(btf, bytes);
    this.#plain = plain;
  }

  format(id: number, offset: number, depth: number): string {
    this.enter(id, '', depth);
    const type = this.btf.resolved(id);
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
        return this.#pointer(this.#bits(id, { offset: offset * 8, bits: POINTER_BYTES * 8 }));
      case 'float':
        return this.#float(id, type.size, offset);
      case 'array':
        return this.#array(id, type, offset, depth);
      case 'struct':
      case 'union': {
        const parts = type.members.map((member) => {
          const target = this.btf.resolved(member.type);
          const field = bitfieldOf(type, member, target);
          const text =
            field === undefined
              ? this.format(member.type, offset + member.bitOffset / 8, depth + 1)
              : this.#hex(this.#bits(member.type, { offset: offset * 8 + field.offset, bits: field.bits }));
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
        return this.refuse(id, '', `is a ${type.kind}, which has no value`);
    }
  }

  #bits(id: number, range: BitRange): bigint {
    this.needInteger(id, '', range);
    return readBits(this.bytes, range, this.endian);
  }

  #hex(value: bigint): string {
    const digits = `0x${value.toString(16)}`;
    return this.#plain ? digits : `"${digits}"`;
  }

  /** printf's %p knows a word for NULL. */
  #pointer(value: bigint): string {
    if (!this.#plain) return `${value}`;
    return value === 0n ? '(nil)' : this.#hex(value);
  }

  /** 128-bit integers as text in hexadecimal, since readers of JSON would round them. */
  #integer(id: number, type: Extract<BtfType, { kind: 'int' }>, bitOffset: number): string {
    const raw = this.#bits(id, { offset: bitOffset + type.offset, bits: type.bits });
    if ((type.encoding & INT_BOOL) !== 0) return raw === 0n ? 'false' : 'true';
    if (type.encoding === INT_CHAR && type.size === 1) return character(Number(raw), this.#plain);
    if (type.bits > 64) return this.#hex(raw);
    return `${(type.encoding & INT_SIGNED) === 0 ? raw : BigInt.asIntN(type.bits, raw)}`;
  }

  /** JSON has no NaN and no infinity: those are text. */
  #float(id: number, size: number, offset: number): string {
    this.need(id, '', { offset: offset * 8, bits: size * 8 });
    if (size !== 4 && size !== 8) return this.refuse(id, '', `is a float of ${size} bytes, which JavaScript has not`);
    const value = size === 4 ? this.view.getFloat32(offset, this.little) : this.view.getFloat64(offset, this.little);
    return Number.isFinite(value) ? `${value}` : `"${value}"`;
  }

  #array(id: number, type: Extract<BtfType, { kind: 'array' }>, offset: number, depth: number): string {
    const size = this.btf.sizeOf(type.element);
    const length = this.elements(id, type, offset, '');
    if (isCharacter(this.btf.resolved(type.element))) {
      // What follows the NUL does not show, and a full array without one is no text: so bpftool has it.
      const end = this.bytes.subarray(offset, offset + length).indexOf(0);
      const text = end < 0 ? undefined : printableText(this.bytes.subarray(offset, offset + end));
      if (text !== undefined) return JSON.stringify(text);
    }
    return `[${Array.from({ length }, (_, i) => this.format(type.element, offset + i * size, depth + 1)).join(',')}]`;
  }
}

/** A single character as JSON text; what is not printable ASCII as an escape of its code, plainly as the code. */
const character = (code: number, plain: boolean): string => {
  if (code >= 0x20 && code <= 0x7e) return JSON.stringify(String.fromCharCode(code));
  return plain ? `0x${code.toString(16)}` : `"\\u${code.toString(16).padStart(4, '0')}"`;
};

/**
 * The value of type `id` at the start of `bytes` as JSON text: enums by name, printable char arrays as text, bitfields
 * and 128-bit integers as hexadecimal text, other integers and pointers as numbers of full precision, anonymous members
 * under the empty name. Raises btf/value.
 */
export const formatValue = (btf: Btf, id: number, bytes: Uint8Array, options: FormatValueOptions = {}): string =>
  new ValueFormatter(btf, bytes, options).format(id, 0, 0);
