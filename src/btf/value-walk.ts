// What every walk over a value's bytes needs: bounds, and an end.
import type { Endian } from '../base/bytes.ts';
import { fail } from '../base/diagnostic.ts';
import { badValue, tooDeep } from '../base/messages/btf.ts';
import type { BitRange } from './bits.ts';
import { type Btf, MAX_DEPTH } from './btf.ts';
import { type BtfArray, type BtfType, INT_CHAR } from './format.ts';

/**
 * Parts that one value may have: so many, and so many more for each byte. Unions inside unions show the same bytes again
 * and again.
 */
const MAX_PARTS = { base: 100_000, each: 4 } as const;
/** Wider integers exist in no C compiler. */
const MAX_INT_BITS = 256;

/** Whether an array of this element type is text. */
export function isCharacter(type: BtfType): boolean {
  return type.kind === 'int' && type.size === 1 && (type.encoding === INT_CHAR || type.name === 'char');
}

/** The text of a char array: printable ASCII, then only zeros; undefined for anything else. */
export function printableText(bytes: Uint8Array): string | undefined {
  let text = '';
  let ended = false;
  for (const b of bytes) {
    if (b === 0) ended = true;
    else if (ended || b < 0x20 || b > 0x7e) return undefined;
    else text += String.fromCharCode(b);
  }
  return text;
}

/** What decoding, encoding and printing share: bounds, depth, and the number of parts. */
export class ValueWalk {
  readonly btf: Btf;
  readonly endian: Endian;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly #limit: number;
  #parts = 0;

  constructor(btf: Btf, bytes: Uint8Array) {
    this.btf = btf;
    this.endian = btf.endian;
    this.bytes = bytes;
    this.#limit = MAX_PARTS.base + MAX_PARTS.each * bytes.length;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get little(): boolean {
    return this.endian === 'little';
  }

  refuse(id: number, path: string, why: string): never {
    return fail(badValue({ ...this.btf.place, typeId: id }, path, why));
  }

  enter(id: number, path: string, depth: number): void {
    if (depth > 2 * MAX_DEPTH) fail(tooDeep({ ...this.btf.place, typeId: id }, 'the type', 2 * MAX_DEPTH));
    if (++this.#parts > this.#limit) this.refuse(id, path, `has more than ${this.#limit} parts`);
  }

  /** Raises unless the range is inside the bytes and one integer. */
  needInteger(id: number, path: string, range: BitRange): void {
    if (range.bits > MAX_INT_BITS) this.refuse(id, path, `is an integer of ${range.bits} bits`);
    this.need(id, path, range);
  }

  need(id: number, path: string, range: BitRange): void {
    if (range.offset < 0 || range.offset + range.bits > this.bytes.length * 8) {
      this.refuse(id, path, `does not fit: only ${this.bytes.length} bytes are given`);
    }
  }

  /** Number of elements, all of them inside the bytes. Those that take no bytes could be any number. */
  elements(id: number, type: BtfArray, offset: number, path: string): number {
    const size = this.btf.sizeOf(type.element);
    if (size === 0 && type.length > this.#limit) this.refuse(id, path, `has more than ${this.#limit} parts`);
    this.need(id, path, { offset: offset * 8, bits: type.length * size * 8 });
    return type.length;
  }
}
