// One direction of a connection in shared memory: what goes behind the JSON of large frames. The service writes and says in the frame
// where; the client takes it out in the order of the frames and says in the first word how far it is. Positions only grow; a piece does
// not run over the end of the ring.
//   0      u64 position up to which the client has taken everything
//   4096   the ring, of RING_BYTES bytes
import { CodecError } from '../codec.ts';
import type { Mapping } from './memory.ts';

const DATA = 4096;
/** Room for what is under way: a few thousand batches of records, or a large batch of elements. */
export const RING_BYTES = 8 << 20;
export const SHARED_BYTES = DATA + RING_BYTES;
/** Bytes from which on a piece goes through shared memory: for less, the socket is as quick. */
export const SHARED_FROM = 4096;

const round8 = (size: number): number => (size + 7) & ~7;

export class SharedWriter {
  #mapping: Mapping | undefined;
  #taken: BigUint64Array | undefined;
  #ring: Uint8Array | undefined;
  #produced = 0;

  constructor(mapping: Mapping) {
    this.#mapping = mapping;
    this.#taken = new BigUint64Array(mapping.buffer, 0, 1);
    this.#ring = new Uint8Array(mapping.buffer, DATA, RING_BYTES);
  }

  /**
   * Copies the parts, one behind the other, and gives their position; undefined where there is no room: they go by the socket then.
   *
   * @param size of all parts together
   */
  put(parts: readonly Uint8Array[], size: number): number | undefined {
    if (this.#ring === undefined || this.#taken === undefined || size > RING_BYTES) return undefined;
    const left = RING_BYTES - (this.#produced % RING_BYTES);
    const begin = size > left ? this.#produced + left : this.#produced;
    // The other side may have written anything there: what makes no sense is a ring without room.
    const taken = Number(Atomics.load(this.#taken, 0));
    if (!(taken <= this.#produced && begin + size - taken <= RING_BYTES)) return undefined;
    let at = begin % RING_BYTES;
    for (const part of parts) {
      this.#ring.set(part, at);
      at += part.length;
    }
    this.#produced = begin + round8(size);
    return begin;
  }

  /** Gives the memory back. */
  close(): void {
    const mapping = this.#mapping;
    this.#mapping = this.#taken = this.#ring = undefined;
    mapping?.close();
  }
}

export class SharedReader {
  #mapping: Mapping | undefined;
  #taken: BigUint64Array | undefined;
  #ring: Uint8Array | undefined;

  constructor(mapping: Mapping) {
    this.#mapping = mapping;
    this.#taken = new BigUint64Array(mapping.buffer, 0, 1);
    this.#ring = new Uint8Array(mapping.buffer, DATA, RING_BYTES);
  }

  /**
   * Lets `use` look at a piece, and gives its room back then. `use` must keep nothing of it.
   *
   * @throws CodecError for a place that is none
   */
  take<T>(position: number, size: number, use: (piece: Uint8Array) => T): T {
    const at = position % RING_BYTES;
    if (this.#ring === undefined || this.#taken === undefined || at + size > RING_BYTES)
      throw new CodecError(`${size} bytes at ${position} of a memory that is not shared`);
    const result = use(this.#ring.subarray(at, at + size));
    Atomics.store(this.#taken, 0, BigInt(position + round8(size)));
    return result;
  }

  /** Gives the memory back. */
  close(): void {
    const mapping = this.#mapping;
    this.#mapping = this.#taken = this.#ring = undefined;
    mapping?.close();
  }
}
