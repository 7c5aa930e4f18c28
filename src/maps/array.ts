import type { MapTypeRow, Status } from '../spec/map.ts';
import { MAP_FLAGS, UPDATE_FLAGS } from '../spec/map-types.ts';
import type { Address } from '../spec/memory.ts';
import { ArrayLike, checkArray, checkArrayUpdate } from './array-map.ts';
import { EINVAL, ENOENT } from './attributes.ts';
import { flagsNumber } from './base-map.ts';

/** BPF_MAP_TYPE_ARRAY: a fixed row of values by u32 index. */
class ArrayMap extends ArrayLike {
  override lookupElem(key: Address): Address {
    const index = this.indexAt(key);
    return index < this.length ? this.data + index * this.element : 0;
  }

  override updateElem(key: Address, value: Address, flags: bigint): Status {
    const index = this.indexAt(key);
    const refused = this.#refuses(index, flagsNumber(flags));
    if (refused === 0) this.#set(index, flagsNumber(flags), (to) => this.copyValue(to, value));
    return refused;
  }

  #set(index: number, flags: number, fill: (to: Address) => void): void {
    const value = this.data + index * this.element;
    if ((flags & UPDATE_FLAGS.LOCK) === 0) fill(value);
    else this.underSpinLock(value, () => fill(value));
  }

  directValue(offset: number): Address | undefined {
    return this.length === 1 && offset < this.spec.valueSize ? this.data + offset : undefined;
  }

  view(): Uint8Array | undefined {
    if ((this.spec.flags & MAP_FLAGS.MMAPABLE) === 0) return undefined;
    return this.memory.u8.subarray(this.data, this.data + this.element * this.length);
  }

  protected read(key: Address): Uint8Array | Status {
    const value = this.lookupElem(key);
    return value === 0 ? ENOENT : this.loadValue(value);
  }

  protected write(key: Address, value: Uint8Array, flags: number): Status {
    const index = this.indexAt(key);
    const refused = this.#refuses(index, flags);
    if (refused === 0) this.#set(index, flags, (to) => this.storeValue(to, value));
    return refused;
  }

  #refuses(index: number, flags: number): Status {
    const refused = checkArrayUpdate(index, this.length, flags, true);
    if (refused !== 0) return refused;
    return (flags & UPDATE_FLAGS.LOCK) !== 0 && !this.hasSpinLock ? EINVAL : 0;
  }
}

export const array: MapTypeRow = {
  type: 'array',
  check: checkArray,
  create: (spec, context) => new ArrayMap(spec, context),
  shared: true,
  doc: 'complete, backed by memory only where touched; mmapable arrays through view()',
};
