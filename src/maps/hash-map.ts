// What hash, percpu_hash, lru_hash and lru_percpu_hash share (kernel/bpf/hashtab.c). An update of a present element of a map
// that is not per-CPU puts the new value in a spare place and swaps: a program that holds the address of the old value keeps
// seeing the old bytes until the next such update, as on Linux.
import { ERRNO } from '../spec/errno.ts';
import type { MapContext, Status } from '../spec/map.ts';
import { MAP_FLAGS } from '../spec/map-types.ts';
import type { Address, Memory } from '../spec/memory.ts';
import type { MapSpec } from '../spec/object.ts';
import {
  ACCESS,
  checkCommon,
  checkPerCpuValue,
  E2BIG,
  EINVAL,
  ENOENT,
  ENOTSUPP,
  flagsWithin,
  hasNumaNode,
  LARGEST_ELEMENT,
} from './attributes.ts';
import { BaseMap, checkExistence, existence, flagsNumber } from './base-map.ts';
import { HashTable } from './hash-table.ts';
import { areaStride } from './layout.ts';
import { loadCopies, perCpuSize, storeCopies } from './per-cpu.ts';

const HASH_FLAGS = MAP_FLAGS.NO_PREALLOC | MAP_FLAGS.NO_COMMON_LRU | MAP_FLAGS.NUMA_NODE | ACCESS | MAP_FLAGS.ZERO_SEED;
/** sizeof(struct htab_elem) in Linux, which bounds key and value together. */
const LINUX_ELEMENT = 48;
/** Linux rounds max_entries up to a power of two of 16-byte buckets, whose bytes must be a u32. */
const MOST_BUCKETS = 2 ** 27;
/** Header of an element without LRU links. */
const HEADER = 16;

/** htab_map_alloc_check. */
export function checkHash(spec: MapSpec): Status {
  const common = checkCommon(spec);
  if (common !== 0) return common;
  const perCpu = spec.type === 'percpu_hash' || spec.type === 'lru_percpu_hash';
  const lru = spec.type === 'lru_hash' || spec.type === 'lru_percpu_hash';
  const ownLists = (spec.flags & MAP_FLAGS.NO_COMMON_LRU) !== 0;
  if (!flagsWithin(spec, HASH_FLAGS)) return EINVAL;
  if (!lru && ownLists) return EINVAL;
  if (lru && (spec.flags & MAP_FLAGS.NO_PREALLOC) !== 0) return ENOTSUPP;
  if (hasNumaNode(spec) && (perCpu || ownLists)) return EINVAL;
  if (spec.maxEntries === 0 || spec.keySize === 0 || spec.valueSize === 0) return EINVAL;
  if (spec.keySize + spec.valueSize >= LARGEST_ELEMENT - LINUX_ELEMENT) return E2BIG;
  if (perCpu && checkPerCpuValue(spec) !== 0) return checkPerCpuValue(spec);
  return spec.maxEntries > MOST_BUCKETS ? E2BIG : 0;
}

export interface CopiedElements {
  readonly count: number;
  readonly keys: Uint8Array;
  readonly values: Uint8Array;
  /** To go on after these. */
  readonly position: number;
  readonly more: boolean;
}

/** Bytes up to which a copy word by word takes less than a view of them. */
const WORDS_PAY = 64;

/** Copies pieces of one size out of the memory, each to the place of its number. All that is copied lies at multiples of 8. */
function copier(memory: Memory, to: Uint8Array, size: number): (index: number, from: Address) => void {
  const { u8, u32 } = memory;
  if (size % 4 !== 0 || size > WORDS_PAY) return (index, from) => to.set(u8.subarray(from, from + size), index * size);
  const target = new Uint32Array(to.buffer, to.byteOffset, to.length / 4);
  const words = size / 4;
  return (index, from) => {
    const at = index * words;
    const source = from >>> 2;
    for (let i = 0; i < words; i++) target[at + i] = u32[source + i];
  };
}

export interface HashOptions {
  readonly copies: number;
  readonly keyOffset?: number;
  /** Most elements, where it is not the spec's max_entries. */
  readonly limit?: number;
  /** Values are the map's own business, not the programs'. */
  readonly hidden?: boolean;
}

export abstract class HashLike extends BaseMap {
  protected readonly table: HashTable;
  readonly #stride: number;
  readonly #limit: number;

  constructor(spec: MapSpec, context: MapContext, options: HashOptions) {
    super(spec, context, options.copies);
    this.#limit = options.limit ?? spec.maxEntries;
    this.setField('MAX_ENTRIES', this.#limit);
    this.#stride = areaStride(this.memory, spec.valueSize, options.copies, this.#limit);
    this.setField('STRIDE', this.#stride);
    const shape = {
      name: spec.name,
      keySize: spec.keySize,
      keyOffset: options.keyOffset ?? HEADER,
      valueSize: spec.valueSize,
      copies: options.copies,
      apart: this.memory.shared && options.copies > 1 ? this.#stride : undefined,
      limit: this.#limit,
      spareValues: options.copies === 1 ? 1 : 0,
      access: options.hidden ? 'none' : this.writableByPrograms ? 'write' : 'read',
    } as const;
    const seed = (spec.flags & MAP_FLAGS.ZERO_SEED) !== 0 ? 0 : context.random32() >>> 0;
    const table = this.building(() => new HashTable(context.memory, this.handle, shape, seed, this.attached));
    this.table = table;
    this.onDestroy(() => table.destroy());
  }

  protected override *blocks(): Iterable<Address> {
    yield* super.blocks();
    yield* this.table.blocks();
  }

  override get userValueSize(): number {
    return this.#perCpu ? perCpuSize(this.spec.valueSize, this.copies) : this.spec.valueSize;
  }

  get #perCpu(): boolean {
    return this.type === 'percpu_hash' || this.type === 'lru_percpu_hash';
  }

  // Where an LRU type joins in.
  /** A program looked the element up. */
  protected touched(_row: Address): void {}
  /** Before an insertion: makes room, where the type does. */
  protected makeRoom(): void {}
  protected inserted(_row: Address): void {}
  protected removing(_row: Address): void {}

  preallocate(): void {
    if (this.table.reserve() && !this.#perCpu && this.field('SPARE') === 0)
      this.setField('SPARE', this.table.slab.spareValue(0));
  }

  override lookupElem(key: Address): Address {
    const row = this.table.find(key);
    if (row === 0) return 0;
    this.touched(row);
    const value = this.table.value(row);
    return this.copies === 1 ? value : value + this.context.currentCpu() * this.#stride;
  }

  /** bpf_map_lookup_percpu_elem; only the per-CPU types offer it. */
  protected lookupCopy(key: Address, cpu: number): Address {
    if (cpu >= this.copies) return 0;
    const row = this.table.find(key);
    if (row === 0) return 0;
    this.touched(row);
    return this.table.value(row) + cpu * this.#stride;
  }

  override updateElem(key: Address, value: Address, flags: bigint): Status {
    return this.put(key, flagsNumber(flags), (to) => this.copyValue(to, value), false);
  }

  override deleteElem(key: Address): Status {
    const row = this.table.find(key);
    if (row === 0) return ENOENT;
    this.removeRow(row);
    return 0;
  }

  protected removeRow(row: Address): void {
    this.removing(row);
    this.table.remove(row);
  }

  forEachElem(callback: (key: Address, value: Address) => number): Status {
    const { table } = this;
    const offset = this.copies === 1 ? 0 : this.context.currentCpu() * this.#stride;
    let count = 0;
    for (let row = table.next(0); row !== 0; row = table.next(row)) {
      count++;
      if (callback(table.keyOf(row), table.value(row) + offset) !== 0) break;
    }
    return count;
  }

  protected read(key: Address): Uint8Array | Status {
    const row = this.table.find(key);
    return row === 0 ? ENOENT : this.#load(row);
  }

  protected write(key: Address, value: Uint8Array, flags: number): Status {
    return this.put(key, flags, (to) => this.#store(to, value), true);
  }

  protected override take(key: Address): Uint8Array | Status {
    const row = this.table.find(key);
    if (row === 0) return ENOENT;
    const value = this.#load(row);
    this.removeRow(row);
    return value;
  }

  protected override next(key: Address | undefined): Uint8Array | Status {
    const row = this.table.next(key === undefined ? 0 : this.table.find(key));
    return row === 0 ? ENOENT : this.loadKey(this.table.keyOf(row));
  }

  /** For batches: the key of the first element at or after a position, and the position after it. */
  keyFrom(position: number): { readonly key: Uint8Array; readonly position: number } | undefined {
    const row = this.table.slab.from(position);
    if (row === 0) return undefined;
    return { key: this.loadKey(this.table.keyOf(row)), position: this.table.slab.slotOf(row) + 1 };
  }

  /**
   * For batches of lookups: up to `count` elements at or after a position, keys and values one after another, and the position after
   * them. Undefined where a value is not what lies there: copies for each CPU, fields of the kernel's, handles.
   */
  copyFrom(position: number, count: number): CopiedElements | undefined {
    const { keySize, valueSize, special = [] } = this.spec;
    if ((this.type !== 'hash' && this.type !== 'lru_hash') || special.length > 0) return undefined;
    const { table, memory } = this;
    const most = Math.min(count, table.slab.rows);
    const keys = new Uint8Array(most * keySize);
    const values = new Uint8Array(most * valueSize);
    const copyKey = copier(memory, keys, keySize);
    const copyValue = copier(memory, values, valueSize);
    let next = position;
    let done = 0;
    let row = table.slab.from(next);
    for (; row !== 0 && done < count; row = table.slab.from(next)) {
      copyKey(done, table.keyOf(row));
      copyValue(done, table.value(row));
      done++;
      next = table.slab.slotOf(row) + 1;
    }
    return {
      count: done,
      position: next,
      more: row !== 0,
      keys: keys.subarray(0, done * keySize),
      values: values.subarray(0, done * valueSize),
    };
  }

  #load(row: Address): Uint8Array {
    const value = this.table.value(row);
    return this.#perCpu
      ? loadCopies(this.memory, value, this.spec.valueSize, this.copies, this.#stride)
      : this.loadValue(value);
  }

  #store(to: Address, value: Uint8Array): void {
    if (this.#perCpu) storeCopies(this.memory, to, this.spec.valueSize, value, this.#stride);
    else this.storeValue(to, value);
  }

  /**
   * Sets the value of a key: `fill` writes it to the address that it is given.
   * @param all the value of all CPUs is given, not that of the current one
   */
  protected put(key: Address, flags: number, fill: (to: Address) => void, all: boolean): Status {
    const lock = this.type === 'hash';
    const wish = existence(flags, lock);
    if (wish === undefined) return EINVAL;
    const inPlace = lock && flags !== wish;
    if (inPlace && !this.hasSpinLock) return EINVAL;
    const { table } = this;
    const hash = table.hash(key);
    const present = table.find(key, hash);
    const refused = checkExistence(present !== 0, wish);
    if (refused !== 0) return refused;
    if (present !== 0) {
      this.#replace(present, fill, all, inPlace);
      return 0;
    }
    this.makeRoom();
    if (table.count >= this.#limit) return E2BIG;
    const row = table.create(key, hash);
    if (row === 0) return -ERRNO.ENOMEM;
    if (this.field('SPARE') === 0 && !this.#perCpu) this.setField('SPARE', table.slab.spareValue(0));
    this.inserted(row);
    const value = table.value(row);
    const partly = this.#perCpu || this.spec.special !== undefined;
    if (partly) table.slab.clear(value);
    fill(this.#copy(value, all));
    table.link(row);
    return 0;
  }

  #replace(row: Address, fill: (to: Address) => void, all: boolean, inPlace: boolean): void {
    const { table } = this;
    this.touched(row);
    const old = table.value(row);
    // A program may pass the address of this very value: with one copy it is read before anything is written over it.
    if (this.#perCpu) return fill(this.#copy(old, all));
    if (inPlace) return this.underSpinLock(old, () => fill(old));
    const spare = this.field('SPARE');
    if (this.spec.special !== undefined) this.memory.u8.fill(0, spare, spare + this.#stride);
    fill(spare);
    table.setValue(row, spare);
    this.setField('SPARE', old);
  }

  #copy(value: Address, all: boolean): Address {
    return all || !this.#perCpu ? value : value + this.context.currentCpu() * this.#stride;
  }
}
