// BPF_MAP_TYPE_RINGBUF (kernel/bpf/ringbuf.c). The ring has MASK + 1 bytes from DATA on, and as many again behind them: Linux
// maps the ring twice in a row so that a record that begins near the end is still contiguous; here such a record simply runs
// on into the second half, which nothing else uses. A record begins at DATA + (position & MASK), a multiple of 8:
//   0   u32 length of the data, with bit 31 while it is being written (BUSY) and bit 30 if it was discarded
//   4   u32, in Linux the header's page number in the ring, for nobody but the kernel; here the map's handle, for the same
//       purpose: to find the ring of a sample
//   8   the data, padded to 8
// Positions (PRODUCER, CONSUMER, PENDING of the descriptor) only ever grow. All state is in the memory: compiled code reserves
// and submits too (compile/wasm/ring.ts).
import { fail } from '../base/diagnostic.ts';
import { mapDamaged } from '../base/messages/map.ts';
import { ERRNO } from '../spec/errno.ts';
import type { MapContext, MapTypeRow, RingBufferMap, Status } from '../spec/map.ts';
import { DESCRIPTOR } from '../spec/map-layout.ts';
import { MAP_FLAGS } from '../spec/map-types.ts';
import type { Address, Region } from '../spec/memory.ts';
import type { MapSpec } from '../spec/object.ts';
import { EINVAL, ENOTSUPP } from './attributes.ts';
import { BaseMap } from './base-map.ts';
import { copyMemory, publish } from './words.ts';
import { BUSY, checkRing, DISCARD, HEADER, LENGTH, recordSize } from './ring-record.ts';

/** RINGBUF_MAX_RECORD_SZ. */
const LARGEST_RECORD = 0x3fff_ffff;
/** BPF_RB_NO_WAKEUP, BPF_RB_FORCE_WAKEUP. */
const NO_WAKEUP = 1n;
const FORCE_WAKEUP = 2n;
/** bpf_ringbuf_query's BPF_RB_AVAIL_DATA and so on. */
const QUERY = { AVAIL_DATA: 0n, RING_SIZE: 1n, CONS_POS: 2n, PROD_POS: 3n } as const;

/** Bytes that one copy of many records has, about: whoever keeps one of them keeps all. */
const PIECE = 1 << 16;

/** In place of the bytes of a record that a program has discarded. */
const DISCARDED = Symbol('discarded');

type Position = 'PRODUCER' | 'CONSUMER' | 'PENDING';

class RingBuffer extends BaseMap implements RingBufferMap {
  readonly #data: Address;
  readonly #mask: number;
  #onData: (() => void) | undefined;

  constructor(spec: MapSpec, context: MapContext) {
    super(spec, context);
    this.#mask = spec.maxEntries - 1;
    this.#data = this.storage('DATA', spec.maxEntries * 2);
    this.setField('MASK', this.#mask);
    const region = this.memory.addRegion({
      base: this.#data,
      size: spec.maxEntries * 2,
      ...this.#access,
      find: (address) => this.locked(() => this.#openAt(address)),
    });
    this.onDestroy(() => this.memory.removeRegion(region));
  }

  get #access(): Pick<Region, 'kind' | 'name' | 'writable'> {
    return { kind: 'ring-record', name: this.spec.name, writable: true };
  }

  get onData(): (() => void) | undefined {
    return this.#onData;
  }

  set onData(wake: (() => void) | undefined) {
    this.#onData = wake;
    this.setField('LISTENER', wake === undefined ? 0 : 1);
  }

  reserve(size: number, flags: bigint): Address {
    return flags === 0n ? this.#reserve(size) : 0;
  }

  #reserve(size: number): Address {
    return this.locked(() => this.#newRecord(size));
  }

  #newRecord(size: number): Address {
    if (!(size >= 0 && size <= LARGEST_RECORD)) return 0;
    const length = recordSize(size);
    if (length > this.#mask + 1) return 0;
    const producer = this.#position('PRODUCER');
    const end = producer + length;
    if (end - this.#position('CONSUMER') > this.#mask || end - this.#skipDone(producer) > this.#mask) return 0;
    const header = this.#at(producer);
    this.memory.u32[header >>> 2] = (size | BUSY) >>> 0;
    this.memory.u32[(header + 4) >>> 2] = this.handle;
    this.#move('PRODUCER', end);
    return header + HEADER;
  }

  submit(sample: Address, flags: bigint): void {
    this.#commit(sample, flags, 0);
  }

  discard(sample: Address, flags: bigint): void {
    this.#commit(sample, flags, DISCARD);
  }

  #commit(sample: Address, flags: bigint, discard: number): void {
    if (this.locked(() => this.#openAt(sample))?.base !== sample) return;
    const header = (sample - HEADER) >>> 2;
    // Who consumes needs no lock: the record is theirs once it is not busy.
    publish(this.memory, sample - HEADER, ((this.memory.u32[header] & LENGTH) | discard) >>> 0);
    this.memory.regionsChanged();
    // As epoll is woken: always or never where the flags say so, else if the consumer has caught up to this very record.
    const here = this.#at(this.#position('CONSUMER')) === sample - HEADER;
    if ((flags & FORCE_WAKEUP) !== 0n || (here && (flags & NO_WAKEUP) === 0n)) this.#onData?.();
  }

  output(data: Address, size: number, flags: bigint): Status {
    if ((flags & ~(NO_WAKEUP | FORCE_WAKEUP)) !== 0n) return EINVAL;
    const sample = this.#reserve(size);
    if (sample === 0) return -ERRNO.EAGAIN;
    copyMemory(this.memory, sample, data, size);
    this.#commit(sample, flags, 0);
    return 0;
  }

  query(flags: bigint): bigint {
    if (flags === QUERY.AVAIL_DATA) return BigInt(this.#position('PRODUCER') - this.#position('CONSUMER'));
    if (flags === QUERY.RING_SIZE) return BigInt(this.#mask + 1);
    if (flags === QUERY.CONS_POS) return BigInt(this.#position('CONSUMER'));
    if (flags === QUERY.PROD_POS) return BigInt(this.#position('PRODUCER'));
    return 0n;
  }

  consume(callback: (record: Uint8Array) => void): number {
    let count = 0;
    for (;;) {
      const record = this.locked(() => this.#take());
      if (record === undefined) return count;
      if (record === DISCARDED) continue;
      count++;
      callback(record);
    }
  }

  takeAll(most: number): Uint8Array[] {
    return this.locked(() => {
      const records: Uint8Array[] = [];
      const producer = this.#position('PRODUCER');
      let consumer = this.#position('CONSUMER');
      this.#inside(consumer, producer);
      while (records.length < most) {
        const before = consumer;
        consumer = this.#takePiece(records, consumer, producer, most);
        if (consumer === before) break;
      }
      return records;
    });
  }

  /** Takes complete records that lie one behind the other, with one copy of them. Gives the position behind the last. */
  #takePiece(records: Uint8Array[], consumer: number, producer: number, most: number): number {
    const { u8, u32 } = this.memory;
    const first = this.#at(consumer);
    const ring = this.#data + this.#mask + 1;
    /** Begin and end of each record's data, from the piece's beginning. */
    const found: number[] = [];
    let header = first;
    let left = most - records.length;
    while (header < ring && header - first < PIECE && left > 0 && consumer + (header - first) < producer) {
      const word = Atomics.load(u32, header >>> 2);
      if ((word & BUSY) !== 0) break;
      const size = word & LENGTH;
      this.#inside(consumer + (header - first) + recordSize(size), producer);
      if ((word & DISCARD) === 0) {
        found.push(header + HEADER - first, header + HEADER - first + size);
        left--;
      }
      header += recordSize(size);
    }
    const copy = u8.slice(first, header);
    for (let i = 0; i < found.length; i += 2) records.push(copy.subarray(found[i], found[i + 1]));
    this.#move('CONSUMER', consumer + (header - first));
    return consumer + (header - first);
  }

  /** The oldest record, no longer in the ring; undefined where there is none, or it is not complete. */
  #take(): Uint8Array | typeof DISCARDED | undefined {
    const consumer = this.#position('CONSUMER');
    const producer = this.#position('PRODUCER');
    this.#inside(consumer, producer);
    if (consumer === producer) return undefined;
    const header = this.#at(consumer);
    const word = Atomics.load(this.memory.u32, header >>> 2);
    if ((word & BUSY) !== 0) return undefined;
    const size = word & LENGTH;
    this.#inside(consumer + recordSize(size), producer);
    const discarded = (word & DISCARD) !== 0;
    const record = discarded ? DISCARDED : this.memory.u8.slice(header + HEADER, header + HEADER + size);
    this.#move('CONSUMER', consumer + recordSize(size));
    return record;
  }

  view(): Uint8Array {
    return this.memory.u8.subarray(this.#data, this.#data + (this.#mask + 1) * 2);
  }

  protected read(): Status {
    return ENOTSUPP;
  }
  protected write(): Status {
    return ENOTSUPP;
  }
  protected override remove(): Status {
    return ENOTSUPP;
  }
  protected override next(): Status {
    return ENOTSUPP;
  }

  /** The record that a program is writing and that has this address. */
  #openAt(address: Address): Region | undefined {
    const producer = this.#position('PRODUCER');
    for (let at = this.#skipDone(producer); at < producer; ) {
      const header = this.#at(at);
      const word = this.memory.u32[header >>> 2];
      const size = word & LENGTH;
      const base = header + HEADER;
      if ((word & BUSY) !== 0 && (address === base || (address > base && address < base + size))) {
        return { base, size, ...this.#access };
      }
      at += recordSize(size);
    }
    return undefined;
  }

  /** Moves PENDING over records that are submitted or discarded. */
  #skipDone(producer: number): number {
    let pending = this.#position('PENDING');
    this.#inside(pending, producer);
    while (pending < producer) {
      const word = this.memory.u32[this.#at(pending) >>> 2];
      if ((word & BUSY) !== 0) break;
      pending += recordSize(word & LENGTH);
    }
    this.#move('PENDING', pending);
    return pending;
  }

  /** Raises unless a position is where those before the producer can be: a program that was wrongly trusted may damage them. */
  #inside(position: number, producer: number): void {
    const behind = producer - position;
    if (!(behind >= 0 && behind <= this.#mask)) fail(mapDamaged({ map: this.spec.name }));
  }

  #position(name: Position): number {
    const at = (this.handle + DESCRIPTOR[name]) >>> 2;
    return this.memory.u32[at] + this.memory.u32[at + 1] * 2 ** 32;
  }

  #move(name: Position, to: number): void {
    const at = (this.handle + DESCRIPTOR[name]) >>> 2;
    this.memory.u32[at] = to % 2 ** 32;
    this.memory.u32[at + 1] = to / 2 ** 32;
  }

  /** Address of a position's byte. Positions may be above 2^32, where & alone would be wrong. */
  #at(position: number): Address {
    return this.#data + (position % (this.#mask + 1));
  }
}

export const ringbuf: MapTypeRow = {
  type: 'ringbuf',
  check: (spec) => checkRing(spec, MAP_FLAGS.NUMA_NODE),
  create: (spec, context) => new RingBuffer(spec, context),
  shared: true,
  doc: 'output, reserve, submit, discard, query, wake-up flags; records as libbpf reads them',
};
