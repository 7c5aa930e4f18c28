// BPF_MAP_TYPE_LPM_TRIE: values by the longest matching prefix (kernel/bpf/lpm_trie.c). A key is a u32 prefix length in bits
// followed by KEY_SIZE - 4 bytes, most significant first. The root is at DATA. Nodes are rows of slab.ts, laid out as
// spec/map-layout.ts says (LPM); intermediate ones have no value, they only branch. A lookup in generated code, which may leave
// out all about tables (lpm-tables.ts):
//   node = the root, or if the key has full length and there is a first table, NEXT of its slot (and BEST is remembered)
//   while node: stop unless the node's prefix is no longer than the key and all of it matches; remember it unless intermediate;
//   stop if the prefix is all of the key; node = its child under the key's bit at the prefix length, or where the key has full
//   length and the node a table, NEXT of the slot (and BEST is remembered, unless 0). Where NEXT is a bucket, the first of its
//   prefixes that matches is the result, and what is remembered if none does.
import { fail } from '../base/diagnostic.ts';
import { mapDamaged } from '../base/messages/map.ts';
import { ERRNO } from '../spec/errno.ts';
import type { MapContext, MapTypeRow, Status } from '../spec/map.ts';
import { MAP_FLAGS, UPDATE_FLAGS } from '../spec/map-types.ts';
import type { Address } from '../spec/memory.ts';
import type { MapSpec } from '../spec/object.ts';
import { ACCESS, checkCommon, EEXIST, EINVAL, ENOENT, ENOSPC, flagsWithin, LARGEST_ELEMENT } from './attributes.ts';
import { BaseMap, existence, flagsNumber } from './base-map.ts';
import { DESCRIPTOR, LPM, LPM_BUCKET, LPM_TABLE, ROW } from '../spec/map-layout.ts';
import { LpmTables } from './lpm-tables.ts';
import { Slab } from './slab.ts';
import { copyMemory } from './words.ts';

const { CHILD, DATA } = LPM;
const KEY = LPM.PREFIX;
const LPM_FLAGS = MAP_FLAGS.NO_PREALLOC | MAP_FLAGS.NUMA_NODE | ACCESS;
const LARGEST_DATA = 256;
/** sizeof(struct lpm_trie_node) in Linux, which bounds the value. */
const LINUX_NODE = 24;

function checkLpm(spec: MapSpec): Status {
  const common = checkCommon(spec);
  if (common !== 0) return common;
  const { keySize, valueSize, maxEntries, flags } = spec;
  if (maxEntries === 0 || (flags & MAP_FLAGS.NO_PREALLOC) === 0 || !flagsWithin(spec, LPM_FLAGS)) return EINVAL;
  if (keySize < 5 || keySize > 4 + LARGEST_DATA) return EINVAL;
  return valueSize < 1 || valueSize > LARGEST_ELEMENT - LARGEST_DATA - LINUX_NODE ? EINVAL : 0;
}

class LpmTrieMap extends BaseMap {
  readonly #slab: Slab;
  readonly #tables: LpmTables;
  readonly #longest: number;
  /** Address of the pointer to the root. */
  readonly #root: Address;

  constructor(spec: MapSpec, context: MapContext) {
    super(spec, context);
    this.#slab = new Slab(context.memory, this.handle, {
      name: spec.name,
      keySize: spec.keySize,
      keyOffset: KEY,
      valueSize: spec.valueSize,
      copies: 1,
      // n prefixes need at most n - 1 intermediate nodes.
      limit: spec.maxEntries * 2,
      spareValues: 1,
      access: this.writableByPrograms ? 'write' : 'read',
    });
    this.onDestroy(() => this.#slab.destroy(!this.attached));
    this.#longest = (spec.keySize - 4) * 8;
    this.#root = this.handle + DESCRIPTOR.DATA;
    const shape = { name: spec.name, longest: this.#longest, most: this.#slab.shape.limit };
    this.#tables = new LpmTables(this.memory, shape, this.#root, this.handle + DESCRIPTOR.EXTRA);
    this.onDestroy(() => this.#tables.destroy());
    this.setField('KEY_OFFSET', KEY);
  }

  protected override *blocks(): Iterable<Address> {
    yield* super.blocks();
    yield* this.#slab.blocks();
    yield* this.#tables.blocks();
  }

  override lookupElem(key: Address): Address {
    const length = this.#lengthAt(key);
    if (length > this.#longest) return 0;
    const full = length === this.#longest;
    let found = 0;
    let known = 0;
    let node = 0;
    let table = full ? this.field('EXTRA') : 0;
    let steps = 0;
    if (table === 0) node = this.#get(this.#root);
    for (;;) {
      if (table !== 0) {
        const slot = this.#tables.slot(table, key + 4, known);
        found = this.#get(slot + LPM_TABLE.BEST) || found;
        node = this.#get(slot + LPM_TABLE.NEXT);
        if ((node & LPM_BUCKET.COUNT) !== 0) {
          const value = this.#tables.inBucket(node, key + 4, known);
          if (value !== 0) return value;
          break;
        }
      }
      if (node === 0) break;
      const prefix = this.#prefix(node);
      if (steps++ > this.#longest) fail(mapDamaged({ map: this.spec.name }));
      if (this.#match(node, key, length, known) < prefix) break;
      if (!this.#intermediate(node)) found = node;
      if (prefix === length) break;
      known = prefix;
      table = full ? this.#get(node + LPM.TABLE) : 0;
      if (table === 0) node = this.#child(node, this.#bit(key + 4, prefix));
    }
    return found === 0 ? 0 : this.#value(found);
  }

  override updateElem(key: Address, value: Address, flags: bigint): Status {
    return this.#put(key, flagsNumber(flags), (to) => this.copyValue(to, value));
  }

  override deleteElem(key: Address): Status {
    const length = this.#lengthAt(key);
    if (length > this.#longest) return EINVAL;
    let slot = this.#root;
    let parentSlot = 0;
    let parent = 0;
    let known = 0;
    let node = this.#get(slot);
    while (node !== 0) {
      const prefix = this.#prefix(node);
      if (this.#match(node, key, length, known) !== prefix || prefix === length) break;
      known = prefix;
      parent = node;
      parentSlot = slot;
      const bit = this.#bit(key + 4, prefix);
      slot = this.#childSlot(node, bit);
      node = this.#child(node, bit);
    }
    const exact = node !== 0 && this.#prefix(node) === length && this.#match(node, key, length, known) === length;
    if (!exact || this.#intermediate(node)) return ENOENT;
    this.#countEntries(-1);
    this.#unlink(node, slot, parent, parentSlot);
    this.#tables.changed(key + 4, length, -1);
    return 0;
  }

  /** Takes the value from a node that hangs at `slot` below `parent`, and the nodes away that are then of no use. */
  #unlink(node: Address, slot: Address, parent: Address, parentSlot: Address): void {
    const left = this.#child(node, 0);
    const right = this.#child(node, 1);
    if (left !== 0 && right !== 0) {
      this.#set(node + LPM.BRANCH, 1);
      return;
    }
    if (left === 0 && right === 0 && parent !== 0 && this.#intermediate(parent)) {
      // The parent branched between this node and another: the other takes its place.
      const other = this.#child(parent, this.#child(parent, 0) === node ? 1 : 0);
      this.#set(parentSlot, other);
      this.#release(parent);
    } else {
      this.#set(slot, left === 0 ? right : left);
    }
    this.#release(node);
  }

  #release(node: Address): void {
    this.#tables.release(node);
    this.#slab.release(node);
  }

  protected read(key: Address): Uint8Array | Status {
    const value = this.lookupElem(key);
    return value === 0 ? ENOENT : this.loadValue(value);
  }

  protected write(key: Address, value: Uint8Array, flags: number): Status {
    return this.#put(key, flags, (to) => this.storeValue(to, value));
  }

  /** More specific prefixes before less specific ones: postorder, left to right. */
  protected override next(key: Address | undefined): Uint8Array | Status {
    const root = this.#get(this.#root);
    if (root === 0) return ENOENT;
    const path = key === undefined ? [] : this.#pathTo(key);
    let node = path.pop();
    if (node === undefined) return this.loadKey(this.#leftmost(root) + KEY);
    for (let parent = path.pop(); parent !== undefined; parent = path.pop()) {
      const right = this.#child(parent, 1);
      if (right !== node && right !== 0) return this.loadKey(this.#leftmost(right) + KEY);
      if (!this.#intermediate(parent)) return this.loadKey(parent + KEY);
      node = parent;
    }
    return ENOENT;
  }

  /** The nodes from the root to the one with exactly this prefix; empty where there is none. */
  #pathTo(key: Address): Address[] {
    const length = this.#lengthAt(key);
    if (length > this.#longest) return [];
    const path: Address[] = [];
    let known = 0;
    let node = this.#get(this.#root);
    while (node !== 0) {
      path.push(node);
      const prefix = this.#prefix(node);
      if (this.#match(node, key, length, known) !== prefix) return [];
      known = prefix;
      if (prefix === length) return this.#intermediate(node) ? [] : path;
      node = this.#child(node, this.#bit(key + 4, prefix));
    }
    return [];
  }

  #leftmost(from: Address): Address {
    let node = from;
    for (;;) {
      const left = this.#child(node, 0);
      const down = left === 0 ? this.#child(node, 1) : left;
      if (down === 0) return node;
      node = down;
    }
  }

  #put(key: Address, flags: number, fill: (to: Address) => void): Status {
    const wish = existence(flags, false);
    const length = this.#lengthAt(key);
    if (wish === undefined || length > this.#longest) return EINVAL;
    let slot = this.#root;
    let node = this.#get(slot);
    let matched = 0;
    while (node !== 0) {
      const prefix = this.#prefix(node);
      matched = this.#match(node, key, length, matched);
      if (matched !== prefix || prefix === length) break;
      const bit = this.#bit(key + 4, prefix);
      slot = this.#childSlot(node, bit);
      node = this.#child(node, bit);
    }
    const same = node !== 0 && this.#prefix(node) === matched;
    if (same && !this.#intermediate(node)) {
      if (wish === UPDATE_FLAGS.NOEXIST) return EEXIST;
      this.#replace(node, key, fill);
      this.#tables.changed(key + 4, length, 0);
      return 0;
    }
    if (wish === UPDATE_FLAGS.EXIST) return ENOENT;
    if (this.field('COUNT') === this.spec.maxEntries) return ENOSPC;
    const status = same ? this.#revive(node, key, fill) : this.#insert(slot, node, key, matched, fill);
    if (status !== 0) return status;
    this.#countEntries(1);
    this.#tables.changed(key + 4, length, 1);
    return 0;
  }

  /** A new value for a prefix; the old one stays as it is for programs that hold its address, until the next replacement. */
  #replace(node: Address, key: Address, fill: (to: Address) => void): void {
    const old = this.#value(node);
    const spare = this.field('SPARE') || this.#slab.spareValue(0);
    fill(spare);
    this.#set(node + ROW.VALUE, spare);
    this.setField('SPARE', old);
    copyMemory(this.memory, node + KEY, key, this.spec.keySize);
  }

  #revive(node: Address, key: Address, fill: (to: Address) => void): Status {
    this.#set(node + LPM.BRANCH, 0);
    copyMemory(this.memory, node + KEY, key, this.spec.keySize);
    fill(this.#value(node));
    return 0;
  }

  /** Puts a new node at `slot`, where `node` (or nothing) hangs now, sharing `matched` bits with the key. */
  #insert(slot: Address, node: Address, key: Address, matched: number, fill: (to: Address) => void): Status {
    const added = this.#newNode(key);
    if (added === 0) return -ERRNO.ENOMEM;
    let top = added;
    if (node !== 0) {
      if (matched === this.#lengthAt(key)) {
        this.#set(this.#childSlot(added, this.#bit(node + DATA, matched)), node);
      } else {
        top = this.#newNode(node + KEY);
        if (top === 0) {
          this.#release(added);
          return -ERRNO.ENOMEM;
        }
        this.#set(top + LPM.BRANCH, 1);
        this.#set(top + KEY, matched);
        const bit = this.#bit(key + 4, matched);
        this.#set(this.#childSlot(top, bit), added);
        this.#set(this.#childSlot(top, 1 - bit), node);
      }
    }
    this.#set(slot, top);
    fill(this.#value(added));
    return 0;
  }

  #newNode(key: Address): Address {
    const node = this.#slab.take();
    if (node === 0) return 0;
    this.#set(node + LPM.TABLE, 0);
    this.#set(node + LPM.BRANCH, 0);
    this.#set(node + CHILD, 0);
    this.#set(node + CHILD + 4, 0);
    copyMemory(this.memory, node + KEY, key, this.spec.keySize);
    return node;
  }

  #countEntries(change: number): void {
    this.setField('COUNT', this.field('COUNT') + change);
  }

  #lengthAt(key: Address): number {
    return this.memory.view.getUint32(key, true);
  }

  /**
   * How many leading bits of a node's prefix and of a key of `length` bits are equal. The first `known` bits are: those of the
   * node above.
   */
  #match(node: Address, key: Address, length: number, known: number): number {
    const bytes = this.memory.u8;
    const limit = Math.min(this.#prefix(node), length);
    let bits = known & ~7;
    for (let i = known >>> 3; bits < limit; i++, bits += 8) {
      const difference = bytes[node + DATA + i] ^ bytes[key + 4 + i];
      if (difference !== 0) return Math.min(limit, bits + Math.clz32(difference) - 24);
    }
    return limit;
  }

  #bit(data: Address, index: number): number {
    return (this.memory.u8[data + (index >>> 3)] >>> (7 - (index & 7))) & 1;
  }

  #prefix(node: Address): number {
    return this.#get(node + KEY);
  }
  #intermediate(node: Address): boolean {
    return this.#get(node + LPM.BRANCH) !== 0;
  }
  #value(node: Address): Address {
    return this.#get(node + ROW.VALUE);
  }
  #childSlot(node: Address, bit: number): Address {
    return node + CHILD + 4 * bit;
  }
  /** Prefixes get longer from node to node: no way down is endless. */
  #child(node: Address, bit: number): Address {
    const child = this.#get(this.#childSlot(node, bit));
    if (child !== 0 && this.#prefix(child) <= this.#prefix(node)) fail(mapDamaged({ map: this.spec.name }));
    return child;
  }
  #get(address: Address): number {
    return this.memory.u32[address >>> 2];
  }
  #set(address: Address, value: number): void {
    this.memory.u32[address >>> 2] = value;
  }
}

export const lpmTrie: MapTypeRow = {
  type: 'lpm_trie',
  check: checkLpm,
  create: (spec, context) => new LpmTrieMap(spec, context),
  shared: true,
  doc: 'complete, with the order of get_next_key that Linux has',
};
