// Tables that shorten the way through an LPM trie (lpm-trie.ts): where many prefixes lie below a place in the trie, one load
// decides over several bits of the key instead of one node for each. The trie stays the truth, tables are built from it; where
// there is no memory for one, lookups walk the nodes.
//
// A table decides over the WIDTH bits that follow the START bits of its place: START is 0 for the first table (EXTRA of the map's
// descriptor), else the prefix length of the node that has the table in its LPM.TABLE. Its slots, one for each value of
// these bits, most significant first, say for the keys that have them:
//   BEST   the longest prefix of more than START and less than START + WIDTH bits that matches, a node; 0 if none does
//          (the first table counts the prefix of no bits in)
//   NEXT   where the trie goes on: the topmost node with START + WIDTH bits or more, or a bucket with all the prefixes at and
//          below that node, longest first; 0 if there is none
// A bucket (LPM_ENTRY) is for prefixes that are too few for a table: they lie side by side, each with the address of its value, so
// that the first that matches is what the lookup gives. What it has of a prefix are the 32 or 64 bits from the last multiple of
// 32 up to START on, which a lookup has at hand as it took the slot's index from there; the rest, if any, is in the node.
// Where all prefixes share their first bits, as those of IPv6 do, there is no first table but one at the node where they part.
// A shorter key than the longest may match less than BEST: only keys of full length go by tables.
import { fail } from '../base/diagnostic.ts';
import { mapDamaged } from '../base/messages/map.ts';
import { LPM, LPM_BUCKET, LPM_TABLE } from '../spec/map-layout.ts';
import type { Address, Memory } from '../spec/memory.ts';
import { LpmBuckets } from './lpm-buckets.ts';
import { tryAlloc } from './slab.ts';

/** A trie is worth a table from so many prefixes on. */
const FEWEST = 16;
/** More prefixes below one slot than a bucket takes get a table, which they keep while there are more than this. */
const FEW = LPM_BUCKET.MOST / 2;
/** From so many bits on that all prefixes share, a walk to the node where they part is less than a table half as good. */
const FEWEST_SHARED = 4;
/** Most bits that a table decides: 2 MB. Below 26, so that four bytes hold them at whatever bit they begin. */
const WIDEST = 18;

/** One or two slots for each prefix. */
const widthFor = (prefixes: number, bitsLeft: number): number => Math.min(32 - Math.clz32(prefixes), WIDEST, bitsLeft);

/** The part of a table to write: slots from `from` up to `to`. */
interface Part {
  readonly table: Address;
  readonly start: number;
  readonly width: number;
  readonly from: number;
  readonly to: number;
}

interface LpmShape {
  /** Of the map. */
  readonly name: string;
  /** Bits of the longest key. */
  readonly longest: number;
  /** Most nodes. */
  readonly most: number;
}

export class LpmTables {
  readonly #memory: Memory;
  readonly #name: string;
  readonly #longest: number;
  readonly #most: number;
  /** Address of the pointer to the trie's root. */
  readonly #root: Address;
  /** Address of the pointer to the first table. */
  readonly #first: Address;
  readonly #tables = new Set<Address>();
  readonly #buckets: LpmBuckets;

  constructor(memory: Memory, map: LpmShape, root: Address, first: Address) {
    this.#memory = memory;
    this.#name = map.name;
    this.#longest = map.longest;
    this.#buckets = new LpmBuckets(memory, map.longest);
    this.#most = map.most;
    this.#root = root;
    this.#first = first;
  }

  /** Blocks of memory, of tables and buckets. */
  *blocks(): Iterable<Address> {
    yield* this.#tables;
    yield* this.#buckets.blocks;
  }

  destroy(): void {
    for (const table of this.#tables) this.#memory.free(table);
    this.#tables.clear();
    this.#buckets.destroy();
  }

  /** Address of a table's slot for a key; `start` is the table's. */
  slot(table: Address, data: Address, start: number): Address {
    return table + LPM_TABLE.SLOTS + LPM_TABLE.SLOT * this.#bits(data, start, 32 - this.#get(table + LPM_TABLE.SHIFT));
  }

  /** The value of the longest prefix in a bucket, what NEXT of a slot says, that a key of full length has; 0 if none is. */
  inBucket(next: number, data: Address, start: number): Address {
    return this.#buckets.find(next, data, start, (node) => this.#matches(node, data, this.#get(node + LPM.PREFIX)));
  }

  /**
   * The trie has one prefix more or less (`change`), that of the first `length` bits at `data`; or the address of its value is
   * another (0).
   */
  changed(data: Address, length: number, change: 1 | -1 | 0): void {
    // Tables come and go with the prefixes: threads that share the memory walk the nodes, under the map's lock.
    if (this.#memory.shared) return;
    const places: Address[] = [];
    for (let node = this.#get(this.#root); node !== 0; ) {
      const prefix = this.#get(node + LPM.PREFIX);
      if (prefix > length) break;
      if (this.#get(node + LPM.TABLE) !== 0) {
        if (!this.#matches(node, data, prefix)) break;
        places.push(node);
      }
      if (prefix === length) break;
      node = this.#child(node, data, prefix);
    }
    // From the bottom up: tables that a change above makes are filled and counted from what is right below.
    for (const node of places.reverse()) {
      this.#adjust(node + LPM.TABLE, node, this.#get(node + LPM.PREFIX), data, length, change);
    }
    if (this.#get(this.#first) !== 0) this.#adjust(this.#first, 0, 0, data, length, change);
    else if (change !== 0) this.#buildTopmost();
  }

  /** The table that lookups meet first: that of no node, unless all prefixes begin with the same bits, which it would decide over. */
  #buildTopmost(): void {
    let top = this.#get(this.#root);
    while (top !== 0) {
      const [left, right] = [this.#down(top, 0), this.#down(top, 1)];
      if (left !== 0 && right !== 0) break;
      top = left === 0 ? right : left;
    }
    const start = top === 0 ? 0 : this.#get(top + LPM.PREFIX);
    if (start < FEWEST_SHARED) this.#build(this.#first, 0, 0, FEWEST);
    else if (this.#get(top + LPM.TABLE) === 0) this.#build(top + LPM.TABLE, top, start, FEWEST);
  }

  /** The node is about to go. */
  release(node: Address): void {
    this.#drop(node + LPM.TABLE);
  }

  /** Brings the table at `pointer`, that of `node`, up to date with a prefix that came or went. */
  #adjust(pointer: Address, node: Address, start: number, data: Address, length: number, change: 1 | -1 | 0): void {
    const table = this.#get(pointer);
    const count = this.#get(table + LPM_TABLE.COUNT) + change;
    this.#set(table + LPM_TABLE.COUNT, count);
    const width = 32 - this.#get(table + LPM_TABLE.SHIFT);
    if (count <= FEW) {
      this.#drop(pointer);
      return;
    }
    const wanted = widthFor(count, this.#longest - start);
    if ((wanted > width || wanted < width - 1) && this.#replace(pointer, node, start, wanted, count)) return;
    // The node's own prefix is no matter of its table; the first table, which has no node, holds that of no bits too.
    if (node !== 0 && length <= start) return;
    if (length < start + width) {
      this.#sweep(table, node, start, width, data, length);
      return;
    }
    const from = this.#bits(data, start, width);
    this.#fillFrom(node, { table, start, width, from, to: from + 1 });
  }

  /** BEST anew, where a prefix that the table holds came or went. No NEXT changes by that. */
  #sweep(table: Address, node: Address, start: number, width: number, data: Address, length: number): void {
    const best = this.#bestAt(node, start, data, length);
    const words = this.#memory.u32;
    const covered = 2 ** (start + width - length);
    const first = this.#bits(data, start, width) & -covered;
    let at = (table + LPM_TABLE.SLOTS + LPM_TABLE.SLOT * first + LPM_TABLE.BEST) >>> 2;
    for (let slot = 0; slot < covered; slot++, at += LPM_TABLE.SLOT / 4) {
      const old = words[at];
      // The prefix that went is still in the row that had it.
      if (old === 0 || words[(old + LPM.PREFIX) >>> 2] <= length) words[at] = best;
    }
  }

  /** The longest prefix of at most `length` bits at `data` that a table at this place holds, a node, or 0. */
  #bestAt(place: Address, start: number, data: Address, length: number): Address {
    let best = 0;
    let node = place === 0 ? this.#get(this.#root) : this.#child(place, data, start);
    while (node !== 0) {
      const prefix = this.#get(node + LPM.PREFIX);
      if (prefix > length || !this.#matches(node, data, prefix)) break;
      if (this.#get(node + LPM.BRANCH) === 0) best = node;
      if (prefix === length) break;
      node = this.#child(node, data, prefix);
    }
    return best;
  }

  /** A table for a place that has none, if it has so many prefixes. */
  #build(pointer: Address, node: Address, start: number, fewest: number): void {
    const top = node === 0 ? this.#get(this.#root) : node;
    if (start === this.#longest || this.#count(top, fewest) < fewest) return;
    const count = this.#count(top, Infinity);
    this.#replace(pointer, node, start, widthFor(count, this.#longest - start), count);
  }

  /** A new table at `pointer` in the place of what is there; false, and no change, where memory is short. */
  #replace(pointer: Address, node: Address, start: number, width: number, count: number): boolean {
    const table = tryAlloc(this.#memory, LPM_TABLE.SLOTS + LPM_TABLE.SLOT * 2 ** width);
    if (table === 0) return false;
    this.#tables.add(table);
    this.#drop(pointer);
    this.#set(table + LPM_TABLE.SHIFT, 32 - width);
    this.#set(table + LPM_TABLE.COUNT, count);
    this.#set(pointer, table);
    this.#fillFrom(node, { table, start, width, from: 0, to: 2 ** width });
    return true;
  }

  #drop(pointer: Address): void {
    const table = this.#get(pointer);
    if (table === 0) return;
    const slots = 2 ** (32 - this.#get(table + LPM_TABLE.SHIFT));
    if (!this.#tables.delete(table)) this.#damaged();
    const next = (table + LPM_TABLE.SLOTS + LPM_TABLE.NEXT) >>> 2;
    for (let slot = 0; slot < slots; slot++) this.#buckets.remove(this.#memory.u32[next + (LPM_TABLE.SLOT / 4) * slot]);
    this.#set(pointer, 0);
    this.#memory.free(table);
  }

  /**
   * NEXT of a slot of a table at `start` that leads to this node: a bucket with the prefixes there, or the node itself where there are
   * too many or memory is short.
   */
  #bucketOrNode(top: Address, start: number): number {
    const nodes = this.#prefixes(top);
    return (nodes.length > LPM_BUCKET.MOST ? 0 : this.#buckets.add(nodes, start)) || top;
  }

  /** Nodes of the prefixes at and below a node, longest first; all of them, or one more than a bucket takes. */
  #prefixes(top: Address): Address[] {
    const found: Address[] = [];
    const nodes = [top];
    for (let node = nodes.pop(); node !== undefined && found.length <= LPM_BUCKET.MOST; node = nodes.pop()) {
      if (this.#get(node + LPM.BRANCH) === 0) found.push(node);
      const [left, right] = [this.#down(node, 0), this.#down(node, 1)];
      if (left !== 0) nodes.push(left);
      if (right !== 0) nodes.push(right);
    }
    return found.sort((a, b) => this.#get(b + LPM.PREFIX) - this.#get(a + LPM.PREFIX));
  }

  #fillFrom(node: Address, part: Part): void {
    const end = 2 ** part.width;
    if (node === 0) {
      this.#fill(part, this.#get(this.#root), 0, end, 0);
    } else {
      this.#fill(part, this.#down(node, 0), 0, end / 2, 0);
      this.#fill(part, this.#down(node, 1), end / 2, end, 0);
    }
  }

  /** Writes the slots from `low` to `high`, as far as they are in the part: `node` is the topmost node there, if any. */
  #fill(part: Part, node: Address, low: number, high: number, best: Address): void {
    if (low >= part.to || high <= part.from) return;
    if (node === 0) {
      this.#write(part, low, high, best, 0);
      return;
    }
    const prefix = this.#get(node + LPM.PREFIX);
    const covered = 2 ** Math.max(0, part.start + part.width - prefix);
    const first = this.#bits(node + LPM.DATA, part.start, part.width) & -covered;
    this.#write(part, low, first, best, 0);
    this.#write(part, first + covered, high, best, 0);
    if (prefix >= part.start + part.width) {
      if (first < part.from || first >= part.to) return;
      if (this.#get(node + LPM.TABLE) === 0) this.#build(node + LPM.TABLE, node, prefix, LPM_BUCKET.MOST + 1);
      const next = this.#get(node + LPM.TABLE) === 0 ? this.#bucketOrNode(node, part.start) : node;
      this.#write(part, first, first + 1, best, next);
      return;
    }
    // No way leads to this node but through the table.
    this.#drop(node + LPM.TABLE);
    const longer = this.#get(node + LPM.BRANCH) === 0 ? node : best;
    this.#fill(part, this.#down(node, 0), first, first + covered / 2, longer);
    this.#fill(part, this.#down(node, 1), first + covered / 2, first + covered, longer);
  }

  #write({ table, from, to }: Part, low: number, high: number, best: Address, next: Address): void {
    const words = this.#memory.u32;
    const end = Math.min(high, to);
    for (let slot = Math.max(low, from); slot < end; slot++) {
      const at = table + LPM_TABLE.SLOTS + LPM_TABLE.SLOT * slot;
      this.#buckets.remove(words[(at + LPM_TABLE.NEXT) >>> 2]);
      words[(at + LPM_TABLE.BEST) >>> 2] = best;
      words[(at + LPM_TABLE.NEXT) >>> 2] = next;
    }
  }

  /** Prefixes at and below a node; counting may stop at `enough`. Tables know how many are theirs. */
  #count(top: Address, enough: number): number {
    const nodes = top === 0 ? [] : [top];
    let count = 0;
    let visited = 0;
    for (let node = nodes.pop(); node !== undefined && count < enough; node = nodes.pop()) {
      if (++visited > this.#most) this.#damaged();
      const table = this.#get(node + LPM.TABLE);
      if (table !== 0) {
        count += this.#get(table + LPM_TABLE.COUNT);
        continue;
      }
      if (this.#get(node + LPM.BRANCH) === 0) count++;
      for (const child of [this.#down(node, 0), this.#down(node, 1)]) {
        if (child !== 0) nodes.push(child);
      }
    }
    return count;
  }

  /** Whether the first `prefix` bits are the node's. */
  #matches(node: Address, data: Address, prefix: number): boolean {
    const bytes = this.#memory.u8;
    const whole = prefix >>> 3;
    for (let i = 0; i < whole; i++) if (bytes[node + LPM.DATA + i] !== bytes[data + i]) return false;
    const rest = prefix & 7;
    return rest === 0 || (bytes[node + LPM.DATA + whole] ^ bytes[data + whole]) >>> (8 - rest) === 0;
  }

  /** The `width` bits of a key that follow the first `start`. Bytes after the key may be read, to no effect. */
  #bits(data: Address, start: number, width: number): number {
    const word = this.#memory.view.getUint32(data + (start >>> 3));
    return (word << (start & 7)) >>> (32 - width);
  }

  #child(node: Address, data: Address, index: number): Address {
    return this.#down(node, this.#bits(data, index, 1));
  }

  /** A child of a node, or 0. Prefixes get longer from node to node: no way down is endless. */
  #down(node: Address, bit: number): Address {
    const child = this.#get(node + LPM.CHILD + 4 * bit);
    if (child !== 0 && this.#get(child + LPM.PREFIX) <= this.#get(node + LPM.PREFIX)) this.#damaged();
    return child;
  }

  #damaged(): never {
    return fail(mapDamaged({ map: this.#name }));
  }

  #get(address: Address): number {
    return this.#memory.u32[address >>> 2];
  }
  #set(address: Address, value: number): void {
    this.#memory.u32[address >>> 2] = value;
  }
}
