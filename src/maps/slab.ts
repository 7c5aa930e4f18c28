// Storage for elements that come and go: chunks of rows, each chunk as large as all before it, so that a map of which few
// elements are used costs little however many it declares. What there is of them stands in the map's descriptor, for compiled
// code and for other threads. A chunk is two allocations:
//   rows    four u32 fields (CHUNK), then header and key of each element; programs may read the key bytes
//           (bpf_for_each_map_elem gives them)
//   values  the values, `copies` of STRIDE bytes each; programs may read and, unless the map forbids it, write them
// A row of the slab starts with four u32 fields, the rest of the header is the owner's:
//   0   NEXT    next element in the bucket, or next free row; 0 ends the chain
//   4   HASH    the key's full hash
//   8   VALUE   address of the value (of CPU 0's copy)
//   12  STATE   2 * slot number, + 1 while the element is in use
// Rows are never given back before the map is: a program may still hold the address of a deleted element's value. It then
// reads and writes a free value or, after reuse, another element's, as with Linux's preallocated maps.
import { AnyBpfError, fail } from '../base/diagnostic.ts';
import { mapDamaged } from '../base/messages/map.ts';
import { CHUNK, DESCRIPTOR, ROW } from '../spec/map-layout.ts';
import type { Address, Memory, Region } from '../spec/memory.ts';
import { round8 } from './layout.ts';
import { publish } from './words.ts';

const FIRST_CHUNK = 8;

type Field = 'FREE' | 'FRESH' | 'FRESH_ROW' | 'CAPACITY' | 'CHUNKS';

export interface SlabShape {
  /** For messages about regions. */
  readonly name: string;
  readonly keySize: number;
  /** Where the key is in a row: the size of the header. */
  readonly keyOffset: number;
  readonly valueSize: number;
  /** Copies of each value. */
  readonly copies: number;
  /** Most rows in use at a time. */
  readonly limit: number;
  /** Bytes from one copy to the next where each CPU's copies lie together; there is one chunk of `limit` rows then. */
  readonly apart?: number | undefined;
  /** Values more than rows, for owners that replace a value by another instead of overwriting it. */
  readonly spareValues: number;
  /** Whether programs see keys and values, and may write values. */
  readonly access: 'none' | 'read' | 'write';
}

interface Chunk {
  readonly base: Address;
  readonly firstSlot: number;
  readonly count: number;
  readonly rows: Address;
  readonly values: Address;
}

export class Slab {
  readonly shape: SlabShape;
  readonly rowSize: number;
  /** From one value to the next: all copies, where they do not lie apart. */
  readonly valueBytes: number;
  readonly #memory: Memory;
  readonly #handle: Address;
  /** Those that this thread knows of. */
  readonly #chunks: Chunk[] = [];
  readonly #regions: Region[] = [];
  /** Rows in the chunks that this thread knows of. */
  #known = 0;
  readonly #forget: () => void;

  /** @param handle the map's descriptor, of which this keeps FREE, FRESH, FRESH_ROW, CAPACITY and CHUNKS */
  constructor(memory: Memory, handle: Address, shape: SlabShape) {
    this.#memory = memory;
    this.#handle = handle;
    this.shape = shape;
    this.rowSize = round8(shape.keyOffset + shape.keySize);
    this.valueBytes = round8(shape.valueSize) * (shape.apart === undefined ? shape.copies : 1);
    this.#forget = memory.shared ? memory.addSource(() => this.#learn()) : () => undefined;
  }

  #get(field: Field): number {
    return this.#memory.u32[(this.#handle + DESCRIPTOR[field]) >>> 2];
  }

  #set(field: Field, value: number): void {
    this.#memory.u32[(this.#handle + DESCRIPTOR[field]) >>> 2] = value;
  }

  /** Rows that there are, in use or not. */
  get rows(): number {
    this.#learn();
    return this.#known;
  }

  /** A row to use, its STATE in use and its VALUE set, the value's bytes undefined; 0 where memory or `limit` is reached. */
  take(): Address {
    const words = this.#memory.u32;
    const reused = this.#get('FREE');
    if (reused !== 0) {
      this.#set('FREE', words[(reused + ROW.NEXT) >>> 2]);
      words[(reused + ROW.STATE) >>> 2] |= 1;
      return reused;
    }
    const fresh = this.#get('FRESH');
    if (fresh === this.#get('CAPACITY') && !this.#grow()) return 0;
    const row = this.#get('FRESH_ROW');
    this.#memory.u32[(row + ROW.STATE) >>> 2] = fresh * 2 + 1;
    this.#set('FRESH', fresh + 1);
    this.#set('FRESH_ROW', row + this.rowSize);
    return row;
  }

  release(row: Address): void {
    const words = this.#memory.u32;
    words[(row + ROW.STATE) >>> 2] &= ~1;
    words[(row + ROW.NEXT) >>> 2] = this.#get('FREE');
    this.#set('FREE', row);
  }

  /** Makes the rows up to the limit now; false, and as before, where there are rows yet to be used or memory is short. */
  reserve(): boolean {
    this.#learn();
    const capacity = this.#get('CAPACITY');
    const missing = this.shape.limit - capacity;
    return capacity === this.#get('FRESH') && missing > 0 && this.#addChunk(capacity, missing);
  }

  /** Address of spare value `index`: the chunk of the first element has them after its own. */
  spareValue(index: number): Address {
    this.#learn();
    return this.#chunks[0].values + (this.#chunks[0].count + index) * this.valueBytes;
  }

  /** Zeros in all copies of a value. */
  clear(value: Address): void {
    const { apart, copies } = this.shape;
    for (let area = 0; area < (apart === undefined ? 1 : copies); area++) {
      const from = value + area * (apart ?? 0);
      this.#memory.u8.fill(0, from, from + this.valueBytes);
    }
  }

  slotOf(row: Address): number {
    return this.#memory.u32[(row + ROW.STATE) >>> 2] >>> 1;
  }

  /** The first row in use whose slot is at least this; 0 where there is none. Rows keep their slot, so growth loses none. */
  from(first: number): Address {
    this.#learn();
    const words = this.#memory.u32;
    const fresh = this.#get('FRESH');
    let slot = first;
    for (const chunk of this.#chunks) {
      const end = Math.min(chunk.firstSlot + chunk.count, fresh);
      if (slot >= end) continue;
      let at = chunk.rows + (slot - chunk.firstSlot) * this.rowSize;
      for (; slot < end; slot++, at += this.rowSize) {
        const state = words[(at + ROW.STATE) >>> 2];
        if ((state & 1) === 0) continue;
        // Iteration goes on from the slot that a row says it has: never back.
        if (state >>> 1 !== slot) fail(mapDamaged({ map: this.shape.name }));
        return at;
      }
    }
    return 0;
  }

  /** @param owned whether the memory goes, too: another thread may use it */
  destroy(owned = true): void {
    this.#forget();
    for (const region of this.#regions) this.#memory.removeRegion(region);
    if (owned) this.#learn();
    for (const chunk of owned ? this.#chunks : []) {
      this.#memory.free(chunk.values);
      this.#memory.free(chunk.base);
    }
    this.#regions.length = 0;
    this.#chunks.length = 0;
  }

  /** Its blocks of memory. */
  *blocks(): Iterable<Address> {
    for (const { base, values } of this.#chunks) {
      yield base;
      yield values;
    }
  }

  #grow(): boolean {
    this.#learn();
    const capacity = this.#get('CAPACITY');
    const left = this.shape.limit - capacity;
    if (left === 0) return false;
    // Doubling may ask for more than is left of the memory where a smaller chunk would do.
    const wanted = this.shape.apart === undefined ? Math.max(FIRST_CHUNK, capacity) : left;
    for (let count = Math.min(left, wanted); count > 0; count >>>= 1) {
      if (this.#addChunk(capacity, count)) return true;
    }
    return false;
  }

  #addChunk(first: number, count: number): boolean {
    const { shape, rowSize, valueBytes } = this;
    const memory = this.#memory;
    const spare = this.#chunks.length === 0 ? shape.spareValues : 0;
    // The keys' region is a whole number of rows from the first key on: it ends a header after the last row.
    const base = tryAlloc(memory, CHUNK.ROWS + count * rowSize + shape.keyOffset);
    if (base === 0) return false;
    const { apart, copies } = shape;
    const values = tryAlloc(memory, apart === undefined ? (count + spare) * valueBytes : copies * apart);
    if (values === 0) {
      memory.free(base);
      return false;
    }
    const words = memory.u32;
    const rows = base + CHUNK.ROWS;
    for (let i = 0; i < count; i++) words[(rows + i * rowSize + ROW.VALUE) >>> 2] = values + i * valueBytes;
    words[(base + CHUNK.FIRST) >>> 2] = first;
    words[(base + CHUNK.COUNT) >>> 2] = count;
    words[(base + CHUNK.VALUES) >>> 2] = values;
    this.#set('FRESH_ROW', rows);
    const last = this.#chunks.at(-1);
    if (last === undefined) this.#set('CHUNKS', base);
    else words[(last.base + CHUNK.NEXT) >>> 2] = base;
    publish(memory, this.#handle + DESCRIPTOR.CAPACITY, first + count);
    this.#know({ base, firstSlot: first, count, rows, values });
    return true;
  }

  /** Gets to know the chunks that other threads have made. */
  #learn(): void {
    if (!this.#memory.shared) return;
    const words = this.#memory.u32;
    if (this.#known === Atomics.load(words, (this.#handle + DESCRIPTOR.CAPACITY) >>> 2)) return;
    let last = this.#chunks.at(-1);
    for (;;) {
      const base = last === undefined ? this.#get('CHUNKS') : words[(last.base + CHUNK.NEXT) >>> 2];
      if (base === 0) return;
      const [firstSlot, count, values] = [CHUNK.FIRST, CHUNK.COUNT, CHUNK.VALUES].map((at) => words[(base + at) >>> 2]);
      last = { base, firstSlot, count, rows: base + CHUNK.ROWS, values };
      this.#know(last);
    }
  }

  /** Lets programs of this thread access a chunk. */
  #know(chunk: Chunk): void {
    const { shape, rowSize } = this;
    const { name } = shape;
    const spare = this.#chunks.length === 0 ? shape.spareValues : 0;
    this.#chunks.push(chunk);
    this.#known += chunk.count;
    if (shape.access === 'none') return;
    const kind = 'map-value';
    if (shape.keySize > 0) {
      const base = chunk.rows + shape.keyOffset;
      const size = chunk.count * rowSize;
      this.#addRegion({ base, size, kind, name, writable: false, stride: rowSize, slot: shape.keySize });
    }
    if (shape.valueSize > 0) {
      const writable = shape.access === 'write';
      const size = (chunk.count + spare) * this.valueBytes;
      const stride = round8(shape.valueSize);
      const areas = shape.apart === undefined ? 1 : shape.copies;
      for (let area = 0; area < areas; area++) {
        const base = chunk.values + area * (shape.apart ?? 0);
        this.#addRegion({ base, size, kind, name, writable, stride, slot: shape.valueSize });
      }
    }
  }

  #addRegion(region: Region): void {
    this.#regions.push(this.#memory.addRegion(region));
  }
}

/** Memory, or 0 where there is no more: updates answer that with -ENOMEM instead of stopping the program. */
export function tryAlloc(memory: Memory, size: number): Address {
  try {
    return memory.alloc(size);
  } catch (error) {
    if (error instanceof AnyBpfError && error.code === 'run/out-of-memory') return 0;
    throw error;
  }
}
