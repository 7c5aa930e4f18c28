// One AF_XDP socket: its frames and its four rings, in memory that it shares with the kernel (Documentation/networking/af_xdp.rst,
// include/uapi/linux/if_xdp.h). Producer and consumer indexes run on over 32 bits; only their lower bits name a place.
import { fail } from '../base/diagnostic.ts';
import { cannotOpen } from '../base/messages/live.ts';
import { ERRNO } from '../spec/errno.ts';
import { strerror } from '../spec/strerror.ts';
import { completeChecksum, type Partial, partialChecksum } from './checksum.ts';
import { ETH_HLEN, type Frames, MOST, type Outgoing } from './driver.ts';
import { type LibC, libc, type Mapping } from './libc.ts';
import { i32, SOCK_FLAGS, SOCK_RAW } from './sender.ts';
import type { Where } from './stubs.ts';

const AF_XDP = 44;
const SOL_XDP = 283;
const OPTIONS = {
  MMAP_OFFSETS: 1,
  RX_RING: 2,
  TX_RING: 3,
  UMEM_REG: 4,
  UMEM_FILL_RING: 5,
  UMEM_COMPLETION_RING: 6,
  STATISTICS: 7,
  OPTIONS: 8,
} as const;
const XDP_OPTIONS_ZEROCOPY = 1;
const XDP_COPY = 2;
const XDP_USE_NEED_WAKEUP = 8;
const XDP_RING_NEED_WAKEUP = 1;
const PAGE_OFFSETS = { rx: 0, tx: 0x8000_0000, fill: 0x1_0000_0000, completion: 0x1_8000_0000 } as const;
type RingName = keyof typeof PAGE_OFFSETS;
/** struct xdp_mmap_offsets: rx, tx, fr, cr, each producer, consumer, desc, flags. */
const OFFSETS_AT: { readonly [R in RingName]: number } = { rx: 0, tx: 32, fill: 64, completion: 96 };
const DESCRIPTOR = 16;
const ADDRESS = 8;

const RING = 4096;
/** Half of them receive, half are there to send. */
const CHUNKS = 2 * RING;
const SMALL_CHUNK = 2048;
const LARGE_CHUNK = 4096;
/** XDP_PACKET_HEADROOM: what the kernel leaves free of each chunk. */
const HEADROOM = 256;

/** Largest interface MTU that a frame of one chunk takes. */
export const MOST_MTU = LARGE_CHUNK - HEADROOM - ETH_HLEN - 8;

const MOST_WAITS = 200;
const WAIT_MICROSECONDS = 1000;

/** A ring of u32 words: descriptors of 4, addresses of 2. */
class Ring {
  readonly mapping: Mapping;
  readonly words: Uint32Array;
  readonly desc: number;
  readonly #producer: number;
  readonly #consumer: number;
  readonly #flags: number;

  constructor(mapping: Mapping, offsets: DataView, name: RingName) {
    const at = (field: number): number => Number(offsets.getBigUint64(OFFSETS_AT[name] + field * 8, true)) >>> 2;
    this.mapping = mapping;
    this.words = mapping.u32;
    this.#producer = at(0);
    this.#consumer = at(1);
    this.desc = at(2);
    this.#flags = at(3);
  }

  get producer(): number {
    return Atomics.load(this.words, this.#producer);
  }
  set producer(value: number) {
    Atomics.store(this.words, this.#producer, value);
  }
  get consumer(): number {
    return Atomics.load(this.words, this.#consumer);
  }
  set consumer(value: number) {
    Atomics.store(this.words, this.#consumer, value);
  }
  get needsWakeup(): boolean {
    return (Atomics.load(this.words, this.#flags) & XDP_RING_NEED_WAKEUP) !== 0;
  }
}

export class XskSocket {
  readonly fd: number;
  readonly queue: number;
  readonly zeroCopy: boolean;
  /** Frames that could not be sent. */
  unsent = 0;
  readonly #c: LibC;
  readonly #chunk: number;
  readonly #umem: Mapping;
  readonly #rings: { readonly [R in RingName]: Ring };
  /** Chunks that are there to send. */
  readonly #free = new Uint32Array(CHUNKS);
  #freeCount = 0;
  /** Chunks of the last receive. */
  readonly #taken = new Uint32Array(MOST);
  #takenCount = 0;
  #sendProducer = 0;
  #pending = 0;
  readonly #partial: Partial = { start: 0, offset: 0 };

  /** @throws AnyBpfError live/open */
  constructor(where: Where, queue: number, mtu: number, copy: boolean) {
    const c = libc();
    this.#c = c;
    this.queue = queue;
    this.#chunk = mtu + ETH_HLEN + 8 + HEADROOM <= SMALL_CHUNK ? SMALL_CHUNK : LARGE_CHUNK;
    const step = (what: string, result: number): number =>
      result < 0 ? fail(cannotOpen({}, where.driver, where.device, what, -result, strerror(-result))) : result;
    this.fd = step('socket(AF_XDP)', c.socket(AF_XDP, SOCK_RAW | SOCK_FLAGS, 0));
    this.#umem = c.mapOwn(CHUNKS * this.#chunk);
    const mapped: Mapping[] = [this.#umem];
    try {
      const option = (name: keyof typeof OPTIONS, value: Uint8Array) =>
        step(`XDP_${name}`, c.setOption(this.fd, SOL_XDP, OPTIONS[name], value));
      const umem = new DataView(new ArrayBuffer(32));
      umem.setBigUint64(0, BigInt(this.#umem.address), true);
      umem.setBigUint64(8, BigInt(CHUNKS * this.#chunk), true);
      umem.setUint32(16, this.#chunk, true);
      option('UMEM_REG', new Uint8Array(umem.buffer));
      for (const name of ['UMEM_FILL_RING', 'UMEM_COMPLETION_RING', 'RX_RING', 'TX_RING'] as const)
        option(name, i32(RING));
      const offsets = new Uint8Array(128);
      step('XDP_MMAP_OFFSETS', c.getOption(this.fd, SOL_XDP, OPTIONS.MMAP_OFFSETS, offsets));
      const view = new DataView(offsets.buffer);
      const ring = (name: RingName, entry: number): Ring => {
        const desc = Number(view.getBigUint64(OFFSETS_AT[name] + 16, true));
        const mapping = c.map(this.fd, desc + RING * entry, PAGE_OFFSETS[name]);
        if (typeof mapping === 'number')
          return fail(
            cannotOpen({}, where.driver, where.device, `mmap of the ${name} ring`, -mapping, strerror(-mapping)),
          );
        mapped.push(mapping);
        return new Ring(mapping, view, name);
      };
      this.#rings = {
        rx: ring('rx', DESCRIPTOR),
        tx: ring('tx', DESCRIPTOR),
        fill: ring('fill', ADDRESS),
        completion: ring('completion', ADDRESS),
      };
      this.#fillAll();
      const address = new DataView(new ArrayBuffer(16));
      address.setUint16(0, AF_XDP, true);
      address.setUint16(2, XDP_USE_NEED_WAKEUP | (copy ? XDP_COPY : 0), true);
      address.setUint32(4, where.ifindex, true);
      address.setUint32(8, queue, true);
      step(`bind to queue ${queue}`, this.#bind(new Uint8Array(address.buffer)));
      const flags = new Uint8Array(4);
      c.getOption(this.fd, SOL_XDP, OPTIONS.OPTIONS, flags);
      this.zeroCopy = (flags[0] & XDP_OPTIONS_ZEROCOPY) !== 0;
    } catch (error) {
      c.close(this.fd);
      for (const mapping of mapped) mapping.unmap();
      throw error;
    }
  }

  /** A socket that was closed leaves its queue a little later (the kernel defers it): waits for that. */
  #bind(address: Uint8Array): number {
    for (let waited = 0; ; waited++) {
      const result = this.#c.bind(this.fd, address);
      if (result !== -ERRNO.EBUSY || waited === MOST_WAITS) return result;
      this.#c.nap(WAIT_MICROSECONDS);
    }
  }

  #fillAll(): void {
    const { fill } = this.#rings;
    for (let i = 0; i < RING; i++) {
      fill.words[fill.desc + i * 2] = i * this.#chunk;
      this.#free[this.#freeCount++] = (RING + i) * this.#chunk;
    }
    fill.producer = RING;
  }

  /** Up to MOST frames; chunks are the caller's until `release`. */
  receive(frames: Frames): number {
    const { rx } = this.#rings;
    const from = rx.consumer;
    const count = Math.min((rx.producer - from) >>> 0, MOST);
    frames.count = 0;
    if (count === 0) return 0;
    frames.memory = this.#umem.bytes;
    frames.queue = this.queue;
    let kept = 0;
    for (let i = 0; i < count; i++) {
      const at = rx.desc + ((from + i) & (RING - 1)) * 4;
      const address = rx.words[at];
      const length = rx.words[at + 2];
      this.#taken[i] = address - (address % this.#chunk);
      if (length < ETH_HLEN) continue;
      frames.at[kept] = address;
      frames.length[kept] = length;
      frames.offload[kept] = -1;
      kept++;
    }
    rx.consumer = from + count;
    this.#takenCount = count;
    frames.count = kept;
    if (kept === 0) this.release();
    return kept;
  }

  release(): void {
    const { fill } = this.#rings;
    const count = this.#takenCount;
    if (count === 0) return;
    const from = fill.producer;
    for (let i = 0; i < count; i++) fill.words[fill.desc + ((from + i) & (RING - 1)) * 2] = this.#taken[i];
    fill.producer = from + count;
    this.#takenCount = 0;
    if (fill.needsWakeup) this.#c.wakeReceive(this.fd);
  }

  /** Gathers a frame; its bytes are copied. */
  put({ bytes, from, length }: Outgoing): void {
    if (this.#freeCount === 0) this.#reap();
    if (this.#freeCount === 0) this.flush();
    if (this.#freeCount === 0 || length > this.#chunk) {
      this.unsent++;
      return;
    }
    const chunk = this.#free[--this.#freeCount];
    const to = this.#umem.bytes;
    to.set(bytes.subarray(from, from + length), chunk);
    if (partialChecksum(to, chunk, length, this.#partial)) completeChecksum(to, chunk, length, this.#partial);
    const { tx } = this.#rings;
    const at = tx.desc + (this.#sendProducer & (RING - 1)) * 4;
    tx.words[at] = chunk;
    tx.words[at + 2] = length;
    tx.words[at + 3] = 0;
    this.#sendProducer = (this.#sendProducer + 1) >>> 0;
    this.#pending++;
  }

  /** Takes back the chunks that were sent. */
  #reap(): void {
    const { completion } = this.#rings;
    const from = completion.consumer;
    const count = (completion.producer - from) >>> 0;
    for (let i = 0; i < count; i++)
      this.#free[this.#freeCount++] = completion.words[completion.desc + ((from + i) & (RING - 1)) * 2];
    if (count > 0) completion.consumer = from + count;
  }

  flush(): void {
    if (this.#pending === 0) return;
    const { tx } = this.#rings;
    tx.producer = this.#sendProducer;
    // In copy mode a call sends so many frames (TX_BATCH_SIZE) and leaves the others to the next.
    for (let left = this.#left(); left > 0 && tx.needsWakeup; ) {
      this.#c.kick(this.fd);
      this.#reap();
      const now = this.#left();
      if (now === left) break;
      left = now;
    }
    this.#pending = this.#left();
    this.#reap();
  }

  /** Frames that the kernel has still to send. */
  #left(): number {
    return (this.#sendProducer - this.#rings.tx.consumer) >>> 0;
  }

  /** Frames that were lost for want of room. */
  get lost(): number {
    const found = new Uint8Array(48);
    if (this.#c.getOption(this.fd, SOL_XDP, OPTIONS.STATISTICS, found) < 0) return 0;
    const view = new DataView(found.buffer);
    // rx_dropped, rx_ring_full, rx_fill_ring_empty_descs: each packet is counted in one of them.
    return Number(view.getBigUint64(0, true) + view.getBigUint64(24, true));
  }

  close(): void {
    this.#c.close(this.fd);
    for (const { mapping } of Object.values(this.#rings)) mapping.unmap();
    this.#umem.unmap();
  }
}
