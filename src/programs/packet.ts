// The packet of a run: a buffer with head and tail room in linear memory, its regions, and the context's pointers to it.
import type { PacketArea } from '../spec/helper.ts';
import type { Address, Memory, Region } from '../spec/memory.ts';
import type { ContextField, ContextLayout } from '../spec/program.ts';

/** Our own regions, which get a new base while they are not in the table. */
type MovingRegion = { -readonly [K in keyof Region]: Region[K] };

/** A field of the context that follows an address of the packet. */
interface Pointer {
  readonly field: ContextField;
  readonly of: 'data' | 'end' | 'meta';
}

export interface PacketOptions {
  /** Room before the packet; for a packet of fixed size also the most that the packet may grow to the front. */
  readonly headRoom: number;
  /** Programs may store to it directly. */
  readonly writable: boolean;
  /** skb: `reserve` may move the packet to a larger buffer. */
  readonly growable: boolean;
}

const FIRST_CAPACITY = 4096;

const NO_BYTES = new Uint8Array(0);
/** Up to so many bytes a loop is quicker than to make a view of them. */
const SHORT = 96;

/** Rounds up, so that packets of like sizes share one buffer. */
const capacityFor = (size: number): number => Math.max(FIRST_CAPACITY, Math.ceil(size / 1024) * 1024);

export class PacketBuffer implements PacketArea {
  head: Address;
  limit: Address;
  data: Address;
  end: Address;
  meta: Address;
  link: Address;
  network: Address;

  readonly #memory: Memory;
  readonly #ctx: Address;
  readonly #options: PacketOptions;
  readonly #pointers: readonly Pointer[];
  readonly #length: ContextField | undefined;
  #capacity = FIRST_CAPACITY;
  /** What a packet has covered since the buffer was last cleared: nothing else in it can have been written. */
  #dirtyFrom: Address;
  #dirtyTo: Address;
  /** What `layPart` last copied from. */
  #source: Uint8Array = NO_BYTES;
  #sourceView: DataView = new DataView(NO_BYTES.buffer);
  readonly #metadata: MovingRegion;
  readonly #packet: MovingRegion;

  constructor(memory: Memory, layout: ContextLayout, ctx: Address, options: PacketOptions) {
    this.#memory = memory;
    this.#ctx = ctx;
    this.#options = options;
    const fields = Object.values(layout.fields);
    this.#pointers = fields.flatMap((field): Pointer[] => {
      if (field.kind === 'packet') return [{ field, of: 'data' }];
      if (field.kind === 'packetEnd') return [{ field, of: 'end' }];
      return field.kind === 'packetMeta' ? [{ field, of: 'meta' }] : [];
    });
    this.#length = Object.hasOwn(layout.fields, 'len') ? layout.fields.len : undefined;
    this.head = memory.alloc(this.#capacity);
    this.#dirtyFrom = this.#dirtyTo = this.head;
    this.limit = this.head + this.#capacity;
    this.data = this.end = this.meta = this.link = this.network = this.head;
    const region = { base: this.head, size: 0, writable: options.writable };
    // In this order: where the metadata is empty, the packet is found at the address that both begin with.
    this.#metadata = { ...region, kind: 'metadata', name: 'packet metadata', writable: true };
    this.#packet = { ...region, kind: 'packet', name: 'packet' };
    memory.addRegion(this.#metadata);
    memory.addRegion(this.#packet);
  }

  /**
   * Lays a packet: metadata in front of it, zeros around it. The buffer ends `tailRoom` bytes after it.
   * `link` and `network` are set to its first byte; skb harnesses set them anew.
   */
  lay(bytes: Uint8Array, tailRoom: number, metaLength = 0): void {
    const { headRoom } = this.#options;
    const size = headRoom + bytes.length - metaLength + tailRoom;
    if (size > this.#capacity) this.#replace(capacityFor(size));
    const { u8 } = this.#memory;
    this.limit = this.head + size;
    u8.fill(0, this.#dirtyFrom, this.#dirtyTo);
    this.#dirtyFrom = this.#dirtyTo = this.head;
    const data = this.head + headRoom;
    u8.set(bytes, data - metaLength);
    this.link = this.network = data;
    this.move(data, data + bytes.length - metaLength, data - metaLength);
  }

  /** As `lay` without metadata, of a part of `source`, and without more work than that takes: live interfaces do it for each packet. */
  layPart(source: Uint8Array, from: number, length: number, tailRoom: number): void {
    const { headRoom } = this.#options;
    const size = headRoom + length + tailRoom;
    if (size > this.#capacity) this.#replace(capacityFor(size));
    const { u8 } = this.#memory;
    const data = this.head + headRoom;
    const end = data + length;
    this.limit = this.head + size;
    // All but what the packet covers becomes zero.
    if (this.#dirtyFrom < data) u8.fill(0, this.#dirtyFrom, Math.min(data, this.#dirtyTo));
    if (this.#dirtyTo > end) u8.fill(0, Math.max(end, this.#dirtyFrom), this.#dirtyTo);
    this.#copy(source, from, length, data);
    this.#dirtyFrom = this.link = this.network = data;
    this.#dirtyTo = end;
    // What the context says of the last packet may be true of this one.
    if (this.data === data && this.end === end && this.meta === data) return;
    this.data = this.meta = data;
    this.end = end;
    this.#memory.moveRegion(this.#metadata, data, 0);
    this.#memory.moveRegion(this.#packet, data, length);
    this.#publish();
  }

  /** Copies into our memory; short packets without a view for each, which costs more than their bytes do. */
  #copy(source: Uint8Array, from: number, length: number, to: Address): void {
    const { u8 } = this.#memory;
    if (length > SHORT) {
      u8.set(source.subarray(from, from + length), to);
      return;
    }
    if (this.#source !== source) {
      this.#source = source;
      this.#sourceView = new DataView(source.buffer, source.byteOffset, source.length);
    }
    const { view } = this.#memory;
    let done = 0;
    for (; done + 4 <= length; done += 4) view.setUint32(to + done, this.#sourceView.getUint32(from + done));
    for (; done < length; done++) u8[to + done] = source[from + done];
  }

  move(data: Address, end: Address, meta: Address): void {
    if (!(this.head <= meta && meta <= data && data <= end && end <= this.limit)) {
      throw new Error('a packet cannot leave its buffer');
    }
    this.data = data;
    this.end = end;
    this.meta = meta;
    if (this.#dirtyFrom === this.#dirtyTo) {
      this.#dirtyFrom = meta;
      this.#dirtyTo = end;
    } else {
      this.#dirtyFrom = Math.min(this.#dirtyFrom, meta);
      this.#dirtyTo = Math.max(this.#dirtyTo, end);
    }
    this.#memory.moveRegion(this.#metadata, meta, data - meta);
    this.#memory.moveRegion(this.#packet, data, end - data);
    this.#publish();
  }

  /** Writes the context's pointers and length. */
  #publish(): void {
    const { view } = this.#memory;
    for (const { field, of } of this.#pointers) {
      const at = this.#ctx + field.offset;
      if (field.size === 8) view.setBigUint64(at, BigInt(this[of]), true);
      else view.setUint32(at, this[of], true);
    }
    if (this.#length !== undefined) view.setUint32(this.#ctx + this.#length.offset, this.end - this.data, true);
  }

  reserve(headRoom: number, tailRoom: number): boolean {
    const missingHead = Math.max(0, headRoom - (this.data - this.head));
    const missingTail = Math.max(0, tailRoom - (this.limit - this.end));
    if (missingHead === 0 && missingTail === 0) return true;
    if (!this.#options.growable) return false;
    const old = this.#memory.u8.slice(this.head, this.limit);
    const before = { data: this.data, end: this.end, meta: this.meta, link: this.link, network: this.network };
    const oldHead = this.head;
    const dirty = [this.#dirtyFrom, this.#dirtyTo] as const;
    const size = old.length + missingHead + missingTail;
    if (size > this.#capacity) this.#replace(capacityFor(size));
    this.#memory.u8.fill(0, this.head, this.head + size);
    this.#memory.u8.set(old, this.head + missingHead);
    this.limit = this.head + size;
    const by = this.head + missingHead - oldHead;
    this.#dirtyFrom = dirty[0] + by;
    this.#dirtyTo = dirty[1] + by;
    this.link = before.link + by;
    this.network = before.network + by;
    this.move(before.data + by, before.end + by, before.meta + by);
    return true;
  }

  /** Another block; the regions are empty afterwards. */
  #replace(capacity: number): void {
    const memory = this.#memory;
    memory.removeRegion(this.#packet);
    memory.removeRegion(this.#metadata);
    memory.free(this.head);
    this.#capacity = capacity;
    this.head = memory.alloc(capacity);
    this.#dirtyFrom = this.#dirtyTo = this.data = this.end = this.head;
    for (const region of [this.#metadata, this.#packet]) {
      region.base = this.head;
      region.size = 0;
      memory.addRegion(region);
    }
  }

  /** A copy of the packet from `from` (metadata included where that is `meta`) to its end. */
  bytes(from: Address = this.data): Uint8Array<ArrayBuffer> {
    return this.#memory.u8.slice(from, this.end);
  }

  dispose(): void {
    this.#memory.removeRegion(this.#packet);
    this.#memory.removeRegion(this.#metadata);
    this.#memory.free(this.head);
  }
}
