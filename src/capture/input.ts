// Bytes that arrive in chunks, as a parser wants them: so many at a time, with nothing kept that was taken.
import { concatBytes, type Endian } from '../base/bytes.ts';
import { fail, type Place } from '../base/diagnostic.ts';
import { captureTruncated } from '../base/messages/capture.ts';

/**
 * What a parser yields: a value, or MORE where it can only go on when further bytes were pushed. One parser so serves a
 * whole buffer and a stream alike.
 */
export const MORE = Symbol('more');
export type Parser<T> = Generator<T | typeof MORE, void, void>;
/** A part of a parser that gives back a value and yields nothing but MORE. */
export type Part<T> = Generator<typeof MORE, T, void>;

/** Keeps what was pushed and not yet taken: never more than one request and one chunk. */
export class ChunkQueue {
  #bytes: Uint8Array = new Uint8Array(0);
  #view = new DataView(this.#bytes.buffer);
  #at = 0;
  /** What was pushed and is not among `#bytes`. */
  #next: Uint8Array | undefined;
  #taken = 0;
  #ended = false;
  readonly #file: Place;

  constructor(file: Place) {
    this.#file = file;
  }

  /** Offset in the file of the next byte. */
  get offset(): number {
    return this.#taken;
  }

  /** The file's place, with the offset of the next byte. */
  place(section?: string, offset = this.#taken): Place {
    return { ...this.#file, ...(section === undefined ? {} : { section }), offset };
  }

  push(chunk: Uint8Array): void {
    this.#next = chunk;
    if (this.#available === 0) this.#join(0);
  }

  /** Goes on with the bytes of the next chunk: all of them, or where some are left over only those that make `size` of them. */
  #join(size: number): void {
    const next = this.#next as Uint8Array;
    const rest = this.#bytes.subarray(this.#at);
    const wanted = rest.length === 0 ? next.length : Math.min(size - rest.length, next.length);
    // A new buffer where something is left over: packets that were handed out still look at the old one.
    this.#bytes = rest.length === 0 ? next : concatBytes([rest, next.subarray(0, wanted)]);
    this.#view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.length);
    this.#at = 0;
    this.#next = wanted === next.length ? undefined : next.subarray(wanted);
  }

  end(): void {
    this.#ended = true;
  }

  get #available(): number {
    return this.#bytes.length - this.#at;
  }

  /** Whether so many bytes are here. Parsers of many small records ask this first: a generator a record takes longer than the record. */
  holds(size: number): boolean {
    return this.#bytes.length - this.#at >= size;
  }

  /** The word `offset` bytes on, which must be here. */
  u32(offset: number, endian: Endian): number {
    return this.#view.getUint32(this.#at + offset, endian === 'little');
  }

  /** Takes bytes that are here. */
  takeHeld(size: number): Uint8Array {
    const bytes = this.#bytes.subarray(this.#at, this.#at + size);
    this.passHeld(size);
    return bytes;
  }

  /** Passes over bytes that are here. */
  passHeld(size: number): void {
    this.#at += size;
    this.#taken += size;
  }

  /** Waits for `size` bytes. Raises capture/truncated where the file ends before; `what` names them. */
  *need(size: number, what: string, section?: string): Part<void> {
    if (!(yield* this.#wait(size))) fail(captureTruncated(this.place(section), what, size, this.#available));
  }

  /** Waits for `size` bytes; false where the file ends before. */
  *#wait(size: number): Part<boolean> {
    while (this.#available < size) {
      if (this.#next !== undefined) this.#join(size);
      else if (this.#ended) return false;
      else yield MORE;
    }
    return true;
  }

  /** True where not a single byte follows. */
  *atEnd(): Part<boolean> {
    return !(yield* this.#wait(1));
  }

  /** The next `size` bytes. Raises capture/truncated where the file ends before; `what` names them. */
  *take(size: number, what: string, section?: string): Part<Uint8Array> {
    if (!this.holds(size)) yield* this.need(size, what, section);
    return this.takeHeld(size);
  }

  /** Passes over `size` bytes without keeping them. */
  *skip(size: number, what: string, section?: string): Part<void> {
    const start = this.#taken;
    let left = size;
    while (left > 0) {
      if (!(yield* this.#wait(1))) fail(captureTruncated(this.place(section, start), what, size, size - left));
      const step = Math.min(left, this.#available);
      this.passHeld(step);
      left -= step;
    }
  }
}
