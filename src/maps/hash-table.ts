// The hash table under all hash-like types: an array of bucket heads (u32 addresses) at DATA, MASK + 1 of them, and elements
// chained through NEXT. A lookup in generated code: h = hashBytes(key, KEY_SIZE, SEED); e = load32(DATA + 4 * (h & MASK));
// while e: if load32(e + 4) == h and key bytes at e + KEY_OFFSET equal: value = load32(e + 8) + cpu * STRIDE; e = load32(e).
// Elements: slab.ts. The array of heads doubles when there are half as many elements as buckets: so at least four of five are the first
// of their chain. Iteration is in slot order and so is not disturbed by that.
import { fail } from '../base/diagnostic.ts';
import { mapDamaged } from '../base/messages/map.ts';
import type { Address, Memory } from '../spec/memory.ts';
import { DESCRIPTOR } from '../spec/map-layout.ts';
import { Slab, type SlabShape, tryAlloc } from './slab.ts';
import { ROW } from '../spec/map-layout.ts';
import { copyMemory, equalMemory, hashBytes, publish } from './words.ts';

const FIRST_BUCKETS = 16;

export class HashTable {
  readonly slab: Slab;
  readonly #memory: Memory;
  readonly #handle: Address;
  readonly #keySize: number;
  readonly #keyOffset: number;
  readonly #seed: number;
  /** This thread has made it. */
  readonly #owned: boolean;

  /** @param handle the map's descriptor, of which this keeps DATA, MASK, COUNT, SEED, KEY_OFFSET and the slab's fields */
  constructor(memory: Memory, handle: Address, shape: SlabShape, seed: number, attached = false) {
    this.slab = new Slab(memory, handle, shape);
    this.#memory = memory;
    this.#handle = handle;
    this.#keySize = shape.keySize;
    this.#keyOffset = shape.keyOffset;
    this.#seed = seed;
    this.#owned = !attached;
    if (attached) return;
    // Other threads look up while this one inserts: where there are any, the array is of its full size and stays where it is.
    let size = FIRST_BUCKETS;
    while (memory.shared && size < 2 * shape.limit) size *= 2;
    this.#publish(memory.alloc(size * 4), size - 1);
    memory.u32[(handle + DESCRIPTOR.SEED) >>> 2] = seed;
    memory.u32[(handle + DESCRIPTOR.KEY_OFFSET) >>> 2] = shape.keyOffset;
  }

  get count(): number {
    return this.#memory.u32[(this.#handle + DESCRIPTOR.COUNT) >>> 2];
  }

  get #buckets(): Address {
    return this.#memory.u32[(this.#handle + DESCRIPTOR.DATA) >>> 2];
  }

  get #mask(): number {
    return this.#memory.u32[(this.#handle + DESCRIPTOR.MASK) >>> 2];
  }

  /** Index among the words of the head of a hash's chain. */
  #head(hash: number): number {
    return (this.#buckets >>> 2) + (hash & this.#mask);
  }

  hash(key: Address): number {
    return hashBytes(this.#memory, key, this.#keySize, this.#seed);
  }

  /** The element with this key, or 0. */
  find(key: Address, hash: number = this.hash(key)): Address {
    const memory = this.#memory;
    const words = memory.u32;
    let row = words[this.#head(hash)];
    for (let steps = 1; row !== 0; steps++) {
      if (words[(row + ROW.HASH) >>> 2] === hash && equalMemory(memory, row + this.#keyOffset, key, this.#keySize)) {
        return row;
      }
      row = words[(row + ROW.NEXT) >>> 2];
      this.#checkSteps(steps);
    }
    return 0;
  }

  /**
   * A new element with this key, which must not be there; 0 where the slab has no row. Its value's bytes are undefined, and
   * nobody finds it before `link`.
   */
  create(key: Address, hash: number): Address {
    const row = this.slab.take();
    if (row === 0) return 0;
    copyMemory(this.#memory, row + this.#keyOffset, key, this.#keySize);
    this.#memory.u32[(row + ROW.HASH) >>> 2] = hash;
    return row;
  }

  /** Makes the room now that all elements will take, so that inserting them needs no more memory; false where that cannot be. */
  reserve(): boolean {
    if (!this.slab.reserve()) return false;
    const { limit } = this.slab.shape;
    let size = this.#mask + 1;
    while (size < 2 * limit) size *= 2;
    if (size > this.#mask + 1) this.#growBuckets(size);
    return true;
  }

  link(row: Address): void {
    const memory = this.#memory;
    if (2 * this.count > this.#mask && !memory.shared) this.#growBuckets((this.#mask + 1) * 2);
    const words = memory.u32;
    const head = this.#head(words[(row + ROW.HASH) >>> 2]);
    publish(memory, row + ROW.NEXT, words[head]);
    publish(memory, head * 4, row);
    this.#setCount(this.count + 1);
  }

  remove(row: Address): void {
    const words = this.#memory.u32;
    let link = this.#head(words[(row + ROW.HASH) >>> 2]);
    for (let steps = 1; words[link] !== row; steps++) {
      link = (words[link] + ROW.NEXT) >>> 2;
      this.#checkSteps(steps);
    }
    publish(this.#memory, link * 4, words[(row + ROW.NEXT) >>> 2]);
    // Who is at this row now may go on in another chain, once the row is in it: before, this tells them.
    if (this.#memory.shared) Atomics.add(words, (this.#handle + DESCRIPTOR.VERSION) >>> 2, 1);
    this.slab.release(row);
    this.#setCount(this.count - 1);
  }

  /** The element after `row` in iteration order, the first for 0; 0 after the last. */
  next(row: Address): Address {
    return this.slab.from(row === 0 ? 0 : this.slab.slotOf(row) + 1);
  }

  /** Address of the (first copy of the) value of an element. */
  value(row: Address): Address {
    return this.#memory.u32[(row + ROW.VALUE) >>> 2];
  }

  setValue(row: Address, value: Address): void {
    publish(this.#memory, row + ROW.VALUE, value);
  }

  keyOf(row: Address): Address {
    return row + this.#keyOffset;
  }

  /** Its blocks of memory. */
  *blocks(): Iterable<Address> {
    yield this.#buckets;
    yield* this.slab.blocks();
  }

  destroy(): void {
    this.slab.destroy(this.#owned);
    if (this.#owned) this.#memory.free(this.#buckets);
  }

  /** Stops a walk over more elements than there are. */
  #checkSteps(steps: number): void {
    if (steps > this.slab.rows) fail(mapDamaged({ map: this.slab.shape.name }));
  }

  #growBuckets(size: number): void {
    const memory = this.#memory;
    const grown = tryAlloc(memory, size * 4);
    // Without memory for more buckets the chains get longer, nothing else.
    if (grown === 0) return;
    const words = memory.u32;
    const buckets = this.#buckets;
    let steps = 0;
    for (let bucket = 0, count = this.#mask + 1; bucket < count; bucket++) {
      let row = words[(buckets >>> 2) + bucket];
      while (row !== 0) {
        this.#checkSteps(steps++);
        const following = words[(row + ROW.NEXT) >>> 2];
        const head = (grown >>> 2) + (words[(row + ROW.HASH) >>> 2] & (size - 1));
        words[(row + ROW.NEXT) >>> 2] = words[head];
        words[head] = row;
        row = following;
      }
    }
    memory.free(buckets);
    this.#publish(grown, size - 1);
  }

  #publish(buckets: Address, mask: number): void {
    const words = this.#memory.u32;
    words[(this.#handle + DESCRIPTOR.DATA) >>> 2] = buckets;
    words[(this.#handle + DESCRIPTOR.MASK) >>> 2] = mask;
  }

  #setCount(count: number): void {
    this.#memory.u32[(this.#handle + DESCRIPTOR.COUNT) >>> 2] = count;
  }
}
