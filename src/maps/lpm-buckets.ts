// Buckets of prefixes below the tables of an LPM trie (lpm-tables.ts, LPM_ENTRY). Many are small, so they lie close together in chunks
// of memory. Compiled lookups read AT_ONCE entries of a bucket however many it has: a chunk has room for that behind its last one.
import { LPM, LPM_BUCKET, LPM_ENTRY, lpmEntrySize, ROW } from '../spec/map-layout.ts';
import type { Address, Memory } from '../spec/memory.ts';
import { tryAlloc } from './slab.ts';

/** Places begin at multiples of this. */
const UNIT = 8;
/** Units of the first chunk; each further one has twice as many as the one before, up to the most. */
const FIRST_CHUNK = 64;
const LARGEST_CHUNK = 8192;

export class LpmBuckets {
  readonly #memory: Memory;
  /** Bits of an entry's DATA. */
  readonly #bits: number;
  readonly #entry: number;
  readonly #chunks: Address[] = [];
  /** Places that are not in use, by their units. */
  readonly #free: Address[][];
  /** What was never used of the last chunk, and how many units that is. */
  #fresh: Address = 0;
  #left = 0;
  #chunk = FIRST_CHUNK;

  /** @param longest bits of the longest key */
  constructor(memory: Memory, longest: number) {
    this.#memory = memory;
    this.#bits = longest > 32 ? 64 : 32;
    this.#entry = lpmEntrySize(longest);
    this.#free = Array.from({ length: this.#units(LPM_BUCKET.MOST) + 1 }, () => []);
  }

  /** Of a bucket of so many entries. */
  #units(count: number): number {
    return Math.ceil((count * this.#entry) / UNIT);
  }

  /** Their blocks of memory. */
  get blocks(): Iterable<Address> {
    return this.#chunks;
  }

  destroy(): void {
    for (const chunk of this.#chunks) this.#memory.free(chunk);
    this.#chunks.length = 0;
    for (const list of this.#free) list.length = 0;
    this.#left = 0;
    this.#chunk = FIRST_CHUNK;
  }

  /**
   * A bucket, as NEXT of a slot says it, or 0 where memory is short.
   * @param nodes of the prefixes, longest first, at most LPM_BUCKET.MOST
   * @param start bit from which on the table decides
   */
  add(nodes: readonly Address[], start: number): number {
    const bucket = this.#take(nodes.length);
    if (bucket === 0) return 0;
    const bits = this.#bits;
    const words = this.#memory.u32;
    const { view } = this.#memory;
    const base = start & ~31;
    let at = bucket;
    for (const node of nodes) {
      const length = words[(node + LPM.PREFIX) >>> 2] - base;
      const more = length > bits;
      words[(at + LPM_ENTRY.SHIFT) >>> 2] = more ? 0 : bits - length;
      words[(at + LPM_ENTRY.REF) >>> 2] = more ? node + LPM_ENTRY.MORE : words[(node + ROW.VALUE) >>> 2];
      // Little-endian: the word with the later bits comes first.
      const data = node + LPM.DATA + base / 8;
      const first = (at + LPM_ENTRY.DATA + bits / 8 - 4) >>> 2;
      words[first] = view.getUint32(data);
      if (bits === 64) words[first - 1] = view.getUint32(data + 4);
      at += this.#entry;
    }
    return bucket + nodes.length;
  }

  /** Takes away the bucket that NEXT of a slot means, if it does. */
  remove(next: number): void {
    const count = next & LPM_BUCKET.COUNT;
    if (count !== 0) this.#free[this.#units(count)].push(next - count);
  }

  /**
   * The value of the longest prefix in a bucket, what NEXT of a slot says, that a key of full length has; 0 if none is.
   * @param matches whether the key has all of a node's prefix
   */
  find(next: number, data: Address, start: number, matches: (node: Address) => boolean): Address {
    const words = this.#memory.u32;
    const { view } = this.#memory;
    const base = data + (start >>> 5) * 4;
    const high = view.getUint32(base);
    const low = view.getUint32(base + 4);
    const count = next & LPM_BUCKET.COUNT;
    const end = next - count + count * this.#entry;
    for (let entry = next - count; entry < end; entry += this.#entry) {
      const shift = words[(entry + LPM_ENTRY.SHIFT) >>> 2];
      const at = (entry + LPM_ENTRY.DATA) >>> 2;
      let differs: number;
      if (this.#bits === 32) differs = (words[at] ^ high) >>> shift;
      else if (shift >= 32) differs = (words[at + 1] ^ high) >>> (shift - 32);
      else differs = (words[at + 1] ^ high) | ((words[at] ^ low) >>> shift);
      if (differs !== 0) continue;
      const ref = words[(entry + LPM_ENTRY.REF) >>> 2];
      if ((ref & LPM_ENTRY.MORE) === 0) return ref;
      if (matches(ref - LPM_ENTRY.MORE)) return words[(ref - LPM_ENTRY.MORE + ROW.VALUE) >>> 2];
    }
    return 0;
  }

  #take(count: number): Address {
    const units = this.#units(count);
    for (let size = units; size < this.#free.length; size++) {
      const place = this.#free[size].pop();
      if (place === undefined) continue;
      if (size > units) this.#free[size - units].push(place + units * UNIT);
      return place;
    }
    if (this.#left < units && !this.#grow()) return 0;
    const place = this.#fresh;
    this.#fresh += units * UNIT;
    this.#left -= units;
    return place;
  }

  #grow(): boolean {
    const chunk = tryAlloc(this.#memory, this.#chunk * UNIT + LPM_BUCKET.AT_ONCE * this.#entry);
    if (chunk === 0) return false;
    if (this.#left > 0) this.#free[this.#left].push(this.#fresh);
    this.#chunks.push(chunk);
    this.#fresh = chunk;
    this.#left = this.#chunk;
    this.#chunk = Math.min(2 * this.#chunk, LARGEST_CHUNK);
    return true;
  }
}
