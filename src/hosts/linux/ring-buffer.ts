// Ring buffers by their mapped pages (kernel/bpf/ringbuf.c): one page each for both positions, then the data twice. And user ring buffers,
// where this side produces.
import { ERRNO } from '../../spec/errno.ts';
import { RING } from '../../spec/map-layout.ts';
import type { Fd } from '../../spec/session.ts';
import { native } from './native.ts';

const PAGE = 4096;
const { BUSY, DISCARD, HEADER } = RING;
const LENGTH = DISCARD - 1;

export interface KernelRecord {
  readonly cpu: number;
  readonly data: Uint8Array;
}

/** Reads of positions and lengths that the other side writes: 64 bits at once, or 32. */
interface Pages {
  readonly consumer: BigUint64Array;
  readonly producer: BigUint64Array;
  readonly data: Uint8Array;
  readonly lengths: Int32Array;
}

function pagesOf(fd: Fd, size: number, consumes: boolean): Pages | number {
  const lib = native();
  // Each side may write its own position only; the data is the producer's.
  const first = lib.map(fd, PAGE, 0, consumes);
  if (typeof first === 'number') return first;
  const rest = lib.map(fd, PAGE + 2 * size, PAGE, !consumes);
  if (typeof rest === 'number') return rest;
  return {
    consumer: new BigUint64Array(first, 0, 1),
    producer: new BigUint64Array(rest, 0, 1),
    data: new Uint8Array(rest, PAGE),
    lengths: new Int32Array(rest, PAGE),
  };
}

const recordSize = (length: number): number => (HEADER + length + 7) & ~7;

export class RingBuffer {
  readonly #pages: Pages;
  readonly #size: number;

  private constructor(pages: Pages, size: number) {
    this.#pages = pages;
    this.#size = size;
  }

  /** @param size the map's max_entries. The negated errno where it cannot be mapped. */
  static open(fd: Fd, size: number): RingBuffer | number {
    const pages = pagesOf(fd, size, true);
    return typeof pages === 'number' ? pages : new RingBuffer(pages, size);
  }

  /** Records that are complete, oldest first; their space is given back. Programs drop what does not fit: of that nothing is known. */
  take(most: number): KernelRecord[] {
    const { consumer, producer, data, lengths } = this.#pages;
    const records: KernelRecord[] = [];
    let at = Atomics.load(consumer, 0);
    while (records.length < most && at < Atomics.load(producer, 0)) {
      const offset = Number(at & BigInt(this.#size - 1));
      const header = Atomics.load(lengths, offset >> 2) >>> 0;
      if ((header & BUSY) !== 0) break;
      const length = header & LENGTH;
      const start = offset + HEADER;
      if ((header & DISCARD) === 0) records.push({ cpu: -1, data: data.slice(start, start + length) });
      at += BigInt(recordSize(length));
      Atomics.store(consumer, 0, at);
    }
    return records;
  }
}

export class UserRingBuffer {
  readonly #pages: Pages;
  readonly #size: number;

  private constructor(pages: Pages, size: number) {
    this.#pages = pages;
    this.#size = size;
  }

  static open(fd: Fd, size: number): UserRingBuffer | number {
    const pages = pagesOf(fd, size, false);
    return typeof pages === 'number' ? pages : new UserRingBuffer(pages, size);
  }

  /** Adds a record. 0, -E2BIG where it is larger than the ring, -ENOSPC where there is no room now. */
  produce(record: Uint8Array): number {
    const { consumer, producer, data, lengths } = this.#pages;
    const size = recordSize(record.length);
    if (size > this.#size) return -ERRNO.E2BIG;
    const at = Atomics.load(producer, 0);
    const used = Number(at - Atomics.load(consumer, 0));
    if (used + size > this.#size) return -ERRNO.ENOSPC;
    const offset = Number(at & BigInt(this.#size - 1));
    data.set(record, offset + HEADER);
    Atomics.store(lengths, (offset >> 2) + 1, 0);
    Atomics.store(lengths, offset >> 2, record.length);
    Atomics.store(producer, 0, at + BigInt(size));
    return 0;
  }
}
