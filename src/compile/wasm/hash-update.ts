// Updates and deletions in hash tables as WebAssembly functions: what maps/hash-map.ts and lru-map.ts do, on the same state, so
// that host and program may take turns. What is rare is left to the host before anything has changed: growth, the first element.
import { ERRNO } from '../../spec/errno.ts';
import { DESCRIPTOR, type DescriptorField, LRU, ROW } from '../../spec/map-layout.ts';
import { UPDATE_FLAGS } from '../../spec/map-types.ts';
import type { Address } from '../../spec/memory.ts';
import { clearBytes, copyBytes } from './bytes.ts';
import { Emitter } from './emitter.ts';
import { I32, type ValueType, VOID } from './encoding.ts';
import { bucket, walkChain } from './hash-walk.ts';
import { addCpu, type MapConstants } from './map-lookup.ts';
import type { Signature } from './module.ts';

/** What the functions give where the host has to do it; else a status (spec/map.ts). */
export const LEFT_TO_HOST = 1;

/** Key, value, flags (BPF_ANY, BPF_NOEXIST or BPF_EXIST). */
export const HASH_UPDATE: Signature = { params: [I32, I32, I32], results: [I32] };
/** Key. */
export const HASH_DELETE: Signature = { params: [I32], results: [I32] };

/** From one element to the next (maps/slab.ts). */
const rowSize = ({ keyOffset, keySize }: MapConstants): number => Math.ceil((keyOffset + keySize) / 8) * 8;

/** Where the functions run. */
export interface HashPlace {
  /** Address of the word that holds the CPU of the run. */
  readonly cpu: Address;
  /** No other thread reaches the memory. Where one does, the functions run under the map's lock, which lookups do not take. */
  readonly exclusive: boolean;
}

class HashFunction {
  readonly e: Emitter;
  readonly key = 0;
  readonly exclusive: boolean;
  readonly cpu: Address;
  readonly #map: MapConstants;
  readonly #perCpu: boolean;
  readonly #lru: boolean;
  readonly #hash: number;
  readonly #row: number;
  /** Address of the word that leads to the row. */
  readonly #link: number;
  readonly #temps = new Map<string, number>();

  constructor(map: MapConstants, { cpu, exclusive }: HashPlace, { params }: Signature) {
    this.e = new Emitter(params.length);
    this.cpu = cpu;
    this.exclusive = exclusive;
    this.#map = map;
    this.#perCpu = map.type === 'percpu_hash' || map.type === 'lru_percpu_hash';
    this.#lru = map.type === 'lru_hash' || map.type === 'lru_percpu_hash';
    [this.#hash, this.#row, this.#link] = [this.e.local(I32), this.e.local(I32), this.e.local(I32)];
  }

  temp(type: ValueType, number: number): number {
    const name = `${type}:${number}`;
    const local = this.#temps.get(name) ?? this.e.local(type);
    this.#temps.set(name, local);
    return local;
  }

  update(): Emitter {
    const { e } = this;
    const [value, flags] = [1, 2];
    this.#find(false);
    e.get(this.#row).if(VOID);
    e.get(flags).i32(UPDATE_FLAGS.NOEXIST).op('i32.eq');
    this.#returnIf(-ERRNO.EEXIST);
    this.#replace(value);
    e.i32(0).op('return').op('end');
    e.get(flags).i32(UPDATE_FLAGS.EXIST).op('i32.eq');
    this.#returnIf(-ERRNO.ENOENT);
    if (!this.#perCpu) {
      this.#field('SPARE').op('i32.eqz');
      this.#returnIf(LEFT_TO_HOST);
    }
    if (this.#lru) this.#evictOr(() => this.#needRoom());
    else {
      this.#field('COUNT').i32(this.#map.maxEntries).op('i32.ge_u');
      this.#returnIf(-ERRNO.E2BIG);
      this.#needRoom();
    }
    this.#take();
    const to = this.#valueOf();
    if (this.#perCpu) {
      if (this.exclusive) clearBytes(e, to, this.#map.stride * this.#map.cpus);
      else this.#clearAreas(to);
      this.#addCpu(to);
    }
    copyBytes(e, to, value, this.#map.valueSize);
    this.#insert();
    return e.i32(0).op('end');
  }

  delete(): Emitter {
    const { e } = this;
    this.#find(true);
    e.get(this.#row).op('i32.eqz');
    this.#returnIf(-ERRNO.ENOENT);
    this.#remove();
    return e.i32(0).op('end');
  }

  /** Sets the row to the element with the key, or 0; and the link to it. */
  #find(withLink: boolean): void {
    const { e } = this;
    e.block(VOID).block(VOID);
    const { depth } = e;
    walkChain(this, this.#map, {
      row: this.#row,
      hash: this.#hash,
      ...(withLink ? { link: this.#link } : {}),
      hit: () => e.br(e.depth - depth + 1),
      damaged: () => e.depth - depth,
    });
    // The end of the chain comes here, and so does a chain that has none.
    e.op('end').get(this.#row);
    this.#returnIf(LEFT_TO_HOST);
    e.op('end');
  }

  /** The new value goes to the spare place, which the old one's becomes; a CPU's own is overwritten. */
  #replace(value: number): void {
    const { e } = this;
    const row = this.#row;
    if (this.#lru) e.get(row).i32(1).memory('i32.store', LRU.REFERENCED);
    if (this.#perCpu) {
      const to = this.#valueOf();
      this.#addCpu(to);
      copyBytes(e, to, value, this.#map.valueSize);
      return;
    }
    const spare = this.temp(I32, 7);
    this.#field('SPARE').set(spare);
    copyBytes(e, spare, value, this.#map.valueSize);
    this.#setField('SPARE', () => e.get(row).memory('i32.load', ROW.VALUE));
    e.get(row).get(spare);
    this.#publish(ROW.VALUE);
  }

  /** Returns where an insertion needs more buckets or rows than there are. */
  #needRoom(): void {
    this.#field('COUNT').i32(1).op('i32.shl');
    this.#field('MASK').op('i32.gt_u');
    this.#field('FREE').op('i32.eqz');
    this.#field('FRESH');
    this.#field('CAPACITY').op('i32.eq').op('i32.and').op('i32.or');
    this.#returnIf(LEFT_TO_HOST);
  }

  /** Sets the row to one that is not in use, and puts the key there. */
  #take(): void {
    const { e } = this;
    const row = this.#row;
    this.#field('FREE').tee(row).if(VOID);
    this.#setField('FREE', () => e.get(row).memory('i32.load', ROW.NEXT));
    e.get(row).get(row).memory('i32.load', ROW.STATE).i32(1).op('i32.or').memory('i32.store', ROW.STATE);
    e.op('else');
    this.#field('FRESH_ROW').set(row);
    this.#setField('FRESH_ROW', () => e.get(row).i32(rowSize(this.#map)).op('i32.add'));
    e.get(row);
    this.#field('FRESH').i32(1).op('i32.shl').i32(1).op('i32.or').memory('i32.store', ROW.STATE);
    this.#setField('FRESH', () => this.#field('FRESH').i32(1).op('i32.add'));
    e.op('end');
    copyBytes(e, row, this.key, this.#map.keySize, this.#map.keyOffset);
    e.get(row).get(this.#hash).memory('i32.store', ROW.HASH);
  }

  /** Puts the row first in its chain and, in an LRU map, first in the list. */
  #insert(): void {
    const { e } = this;
    const row = this.#row;
    const head = this.#link;
    e.get(this.#hash);
    bucket(this, this.#map);
    e.set(head);
    e.get(row).get(head).memory('i32.load');
    this.#publish(ROW.NEXT);
    e.get(head).get(row);
    this.#publish(0);
    this.#count(1);
    if (!this.#lru) return;
    this.#pushFront(row);
    e.get(row).i32(0).memory('i32.store', LRU.REFERENCED);
    e.get(row).i32(this.#map.extra).memory('i32.store', LRU.LIST);
    e.i32(0).i32(0).memory('i32.load', this.#listCount).i32(1).op('i32.add').memory('i32.store', this.#listCount);
  }

  /** Takes the row out of its chain and list, and gives it back. */
  #remove(): void {
    const { e } = this;
    const row = this.#row;
    if (this.#lru) {
      const list = this.temp(I32, 7);
      this.#takeOut(row);
      e.get(row).memory('i32.load', LRU.LIST).tee(list);
      e.get(list).memory('i32.load', LRU.REFERENCED).i32(1).op('i32.sub').memory('i32.store', LRU.REFERENCED);
    }
    e.get(this.#link).get(row).memory('i32.load', ROW.NEXT);
    this.#publish(0);
    if (!this.exclusive) {
      // Who is at the row now may be led into another chain: this tells them.
      const version = this.#map.handle + DESCRIPTOR.VERSION;
      e.i32(0).i32(1).atomic('i32.atomic.rmw.add', version).op('drop');
    }
    e.get(row).get(row).memory('i32.load', ROW.STATE).i32(~1).op('i32.and').memory('i32.store', ROW.STATE);
    e.get(row);
    this.#field('FREE').memory('i32.store', ROW.NEXT);
    this.#setField('FREE', () => e.get(row));
    this.#count(-1);
  }

  /** Removes an element where the list is full (maps/lru-list.ts: victim); else does `otherwise`. */
  #evictOr(otherwise: () => void): void {
    const { e } = this;
    const { maxEntries, extra } = this.#map;
    const row = this.#row;
    const left = this.temp(I32, 6);
    e.i32(0).memory('i32.load', this.#listCount).i32(maxEntries).op('i32.ge_u').if(VOID);
    // One less, and one more: are there buckets enough?
    this.#field('COUNT').i32(1).op('i32.sub').i32(1).op('i32.shl');
    this.#field('MASK').op('i32.gt_u');
    this.#returnIf(LEFT_TO_HOST);
    e.i32(maxEntries + 1).set(left);
    e.block(VOID).loop(VOID);
    e.i32(0)
      .memory('i32.load', extra + LRU.PREV)
      .tee(row);
    e.memory('i32.load', LRU.REFERENCED).op('i32.eqz').brIf(1);
    e.get(row).i32(0).memory('i32.store', LRU.REFERENCED);
    this.#takeOut(row);
    this.#pushFront(row);
    e.get(left).i32(1).op('i32.sub').tee(left).brIf(0);
    e.i32(LEFT_TO_HOST).op('return').op('end').op('end');
    this.#findLink();
    this.#remove();
    e.op('else');
    otherwise();
    e.op('end');
  }

  /** Sets the link to that which leads to the row; leaves to the host a chain that does not have it. */
  #findLink(): void {
    const { e } = this;
    const link = this.#link;
    const next = this.temp(I32, 7);
    const left = this.temp(I32, 6);
    e.get(this.#row).memory('i32.load', ROW.HASH);
    bucket(this, this.#map);
    e.set(link);
    e.i32(this.#map.maxEntries + 1).set(left);
    e.block(VOID).loop(VOID);
    e.get(link).memory('i32.load').tee(next).get(this.#row).op('i32.eq').brIf(1);
    e.get(next).set(link);
    e.get(next).op('i32.eqz');
    this.#returnIf(LEFT_TO_HOST);
    e.get(left).i32(1).op('i32.sub').tee(left).brIf(0);
    e.i32(LEFT_TO_HOST).op('return').op('end').op('end');
  }

  /** Address of the number of elements in the list. */
  get #listCount(): Address {
    return this.#map.extra + LRU.REFERENCED;
  }

  #pushFront(row: number): void {
    const { e } = this;
    const { extra } = this.#map;
    const newest = this.temp(I32, 8);
    e.i32(0)
      .memory('i32.load', extra + LRU.NEXT)
      .set(newest);
    e.get(row).i32(extra).memory('i32.store', LRU.PREV);
    e.get(row).get(newest).memory('i32.store', LRU.NEXT);
    e.get(newest).get(row).memory('i32.store', LRU.PREV);
    e.i32(0)
      .get(row)
      .memory('i32.store', extra + LRU.NEXT);
  }

  #takeOut(row: number): void {
    const { e } = this;
    const [before, after] = [this.temp(I32, 8), this.temp(I32, 9)];
    e.get(row).memory('i32.load', LRU.PREV).set(before);
    e.get(row).memory('i32.load', LRU.NEXT).set(after);
    e.get(before).get(after).memory('i32.store', LRU.NEXT);
    e.get(after).get(before).memory('i32.store', LRU.PREV);
  }

  /** Local with the address of the row's value. */
  #valueOf(): number {
    const to = this.temp(I32, 7);
    this.e.get(this.#row).memory('i32.load', ROW.VALUE).set(to);
    return to;
  }

  /** Zeros in all copies of a value where each CPU's lie together (maps/layout.ts: areaStride). */
  #clearAreas(value: number): void {
    const { e } = this;
    const { cpus, stride, valueSize } = this.#map;
    const [at, left] = [this.temp(I32, 8), this.temp(I32, 6)];
    e.get(value).set(at).i32(cpus).set(left).loop(VOID);
    clearBytes(e, at, Math.ceil(valueSize / 8) * 8);
    e.get(at).i32(stride).op('i32.add').set(at);
    e.get(left).i32(1).op('i32.sub').tee(left).brIf(0).op('end');
  }

  #addCpu(to: number): void {
    this.e.get(to);
    addCpu(this, this.#map);
    this.e.set(to);
  }

  #count(by: 1 | -1): void {
    this.#setField('COUNT', () => this.#field('COUNT').i32(by).op('i32.add'));
  }

  /** Leaves a field of the descriptor. */
  #field(name: DescriptorField): Emitter {
    return this.e.i32(0).memory('i32.load', this.#map.handle + DESCRIPTOR[name]);
  }

  #setField(name: DescriptorField, push: () => unknown): void {
    this.e.i32(0);
    push();
    this.e.memory('i32.store', this.#map.handle + DESCRIPTOR[name]);
  }

  /** Pops an address and a word that lookups of other threads follow: they see what was stored before it, too. */
  #publish(offset: number): void {
    if (this.exclusive) this.e.memory('i32.store', offset);
    else this.e.atomic('i32.atomic.store', offset);
  }

  /** Pops a condition under which this is the result. */
  #returnIf(result: number): void {
    this.e.if(VOID).i32(result).op('return').op('end');
  }
}

export const hashUpdate = (map: MapConstants, place: HashPlace): Emitter =>
  new HashFunction(map, place, HASH_UPDATE).update();

export const hashDelete = (map: MapConstants, place: HashPlace): Emitter =>
  new HashFunction(map, place, HASH_DELETE).delete();
