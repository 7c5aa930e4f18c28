import { fail, type Place } from './diagnostic.ts';
import { truncated } from './messages/input.ts';

/** Byte order of a file, a packet field or an object. */
export type Endian = 'little' | 'big';

const decoder = new TextDecoder('utf-8');
const encoder = new TextEncoder();

export const utf8 = (text: string): Uint8Array<ArrayBuffer> => encoder.encode(text);
export const text = (bytes: Uint8Array): string => decoder.decode(bytes);

/** The bytes up to (not with) the first NUL, or all of them. */
export function cString(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return text(end < 0 ? bytes : bytes.subarray(0, end));
}

/** Hex digits, no separator. */
export function toHex(bytes: Uint8Array): string {
  let out = '';
  for (const b of bytes) out += (b < 16 ? '0' : '') + b.toString(16);
  return out;
}

/** Reads pairs of hex digits; white space between pairs is passed over. Returns undefined where the text is not hex. */
export function fromHex(hexText: string): Uint8Array<ArrayBuffer> | undefined {
  const digits = hexText.replace(/\s+/g, '');
  if (digits.length % 2 !== 0 || /[^0-9a-fA-F]/.test(digits)) return undefined;
  const out = new Uint8Array(digits.length / 2);
  for (let i = 0; i < out.length; i++) out[i] = Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16);
  return out;
}

export function concatBytes(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  let length = 0;
  for (const part of parts) length += part.length;
  const out = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** `value` rounded up to a multiple of `alignment` (a power of two). */
export const alignUp = (value: number, alignment: number): number => (value + alignment - 1) & -alignment;

/**
 * Bounds-checked reads from untrusted bytes. A read past the end raises {@link AnyBpfError} (input/truncated) with the
 * place given here and the offset, never a RangeError.
 */
export class ByteReader {
  readonly bytes: Uint8Array;
  readonly endian: Endian;
  readonly place: Place;
  #view: DataView;
  #little: boolean;

  constructor(bytes: Uint8Array, endian: Endian = 'little', place: Place = {}) {
    this.bytes = bytes;
    this.endian = endian;
    this.place = place;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#little = endian === 'little';
  }

  get length(): number {
    return this.bytes.length;
  }

  /** Raises unless `size` bytes at `offset` are inside. `what` names the thing being read. */
  need(offset: number, size: number, what: string): void {
    if (!(offset >= 0 && size >= 0 && offset + size <= this.bytes.length)) {
      fail(truncated({ ...this.place, offset }, what, size, this.bytes.length));
    }
  }

  u8(offset: number, what = 'byte'): number {
    this.need(offset, 1, what);
    return this.bytes[offset];
  }

  u16(offset: number, what = '16-bit field'): number {
    this.need(offset, 2, what);
    return this.#view.getUint16(offset, this.#little);
  }

  u32(offset: number, what = '32-bit field'): number {
    this.need(offset, 4, what);
    return this.#view.getUint32(offset, this.#little);
  }

  s32(offset: number, what = '32-bit field'): number {
    this.need(offset, 4, what);
    return this.#view.getInt32(offset, this.#little);
  }

  u64(offset: number, what = '64-bit field'): bigint {
    this.need(offset, 8, what);
    return this.#view.getBigUint64(offset, this.#little);
  }

  /** A 64-bit field as a number: exact where it is a safe integer, and no safe integer where it is not exact. */
  number64(offset: number, what = '64-bit field'): number {
    this.need(offset, 8, what);
    const high = this.#view.getUint32(this.#little ? offset + 4 : offset, this.#little);
    return high * 2 ** 32 + this.#view.getUint32(this.#little ? offset : offset + 4, this.#little);
  }

  /** A 64-bit field that must be usable as an offset or size: raises where it is above 2^53. */
  size64(offset: number, what = '64-bit size'): number {
    const value = this.number64(offset, what);
    if (!Number.isSafeInteger(value)) fail(truncated({ ...this.place, offset }, what, 8, this.bytes.length));
    return value;
  }

  slice(offset: number, size: number, what = 'bytes'): Uint8Array {
    this.need(offset, size, what);
    return this.bytes.subarray(offset, offset + size);
  }

  /** NUL-terminated string; raises where no NUL follows before the end. */
  cString(offset: number, what = 'string'): string {
    this.need(offset, 1, what);
    const end = this.bytes.indexOf(0, offset);
    if (end < 0)
      fail(truncated({ ...this.place, offset }, `${what} (no NUL)`, this.bytes.length - offset + 1, this.bytes.length));
    return text(this.bytes.subarray(offset, end));
  }
}

/** Append-only writer with either byte order; grows as needed. */
export class ByteWriter {
  readonly endian: Endian;
  #little: boolean;
  #bytes = new Uint8Array(256);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  constructor(endian: Endian = 'little') {
    this.endian = endian;
    this.#little = endian === 'little';
  }

  get length(): number {
    return this.#length;
  }

  /** Makes room and returns where it begins. May replace the view: call it before `this.#view` is looked at. */
  #reserve(size: number): number {
    const at = this.#length;
    if (at + size > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#bytes.length * 2, at + size));
      grown.set(this.#bytes);
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    this.#length = at + size;
    return at;
  }

  u8(value: number): this {
    const at = this.#reserve(1);
    this.#view.setUint8(at, value);
    return this;
  }
  u16(value: number): this {
    const at = this.#reserve(2);
    this.#view.setUint16(at, value, this.#little);
    return this;
  }
  u32(value: number): this {
    const at = this.#reserve(4);
    this.#view.setUint32(at, value, this.#little);
    return this;
  }
  u64(value: bigint): this {
    const at = this.#reserve(8);
    this.#view.setBigUint64(at, value, this.#little);
    return this;
  }
  bytes(value: Uint8Array): this {
    const at = this.#reserve(value.length);
    this.#bytes.set(value, at);
    return this;
  }
  /** Zero bytes up to a multiple of `alignment`. */
  align(alignment: number): this {
    this.#reserve(alignUp(this.#length, alignment) - this.#length);
    return this;
  }
  /** Overwrites a 32-bit field written earlier (lengths, offsets known only at the end). */
  patchU32(offset: number, value: number): this {
    this.#view.setUint32(offset, value, this.#little);
    return this;
  }

  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#length);
  }
}
