// Maps as applications use them: bytes or numbers in, bytes out, failures thrown with the errno's name.
import { fail } from '../base/diagnostic.ts';
import { disposed, mapOperation, noMapBtf, notANumber, wrongSize } from '../base/messages/run.ts';
import type { Btf } from '../btf/btf.ts';
import { type BtfInput, type BtfValue, decodeValue, encodeValue } from '../btf/value.ts';
import { ERRNO, errnoName } from '../spec/errno.ts';
import type { BpfMap } from '../spec/map.ts';
import { type MapTypeName, UPDATE_FLAGS } from '../spec/map-types.ts';
import type { MapSpec } from '../spec/object.ts';

/** Bytes, or a number that is written little-endian into as many bytes as the map wants (at most 8). */
export type MapBytes = Uint8Array | number | bigint;

/** Something with an id: a program for a prog_array, a map for a map of maps. */
export interface MapReference {
  readonly id: number;
}

export type UpdateMode = 'any' | 'noexist' | 'exist';

const FLAGS: { readonly [M in UpdateMode]: number } = {
  any: UPDATE_FLAGS.ANY,
  noexist: UPDATE_FLAGS.NOEXIST,
  exist: UPDATE_FLAGS.EXIST,
};

/** Map types whose values are copies for each CPU. */
const PER_CPU: readonly MapTypeName[] = ['percpu_array', 'percpu_hash', 'lru_percpu_hash', 'percpu_cgroup_storage'];

export class LoadedMap {
  readonly name: string;
  readonly type: MapTypeName;
  readonly spec: MapSpec;
  /** The map itself, with the kernel's conventions (negated errno values, addresses). */
  readonly raw: BpfMap;
  readonly perCpu: boolean;
  readonly #btf: Btf | undefined;
  #disposed = false;

  constructor(raw: BpfMap, btf?: Btf) {
    this.raw = raw;
    this.spec = raw.spec;
    this.name = raw.spec.name;
    this.type = raw.type;
    this.perCpu = PER_CPU.includes(raw.type);
    this.#btf = btf;
  }

  get id(): number {
    return this.raw.id;
  }

  /** Bytes of a value on this side: for per-CPU maps those of all CPUs, each rounded up to 8. */
  get valueSize(): number {
    return this.raw.userValueSize;
  }

  /** The value of a key, undefined where the map has none. */
  get(key: MapBytes): Uint8Array | undefined {
    return this.#found('lookup', this.#live().lookup(this.#key(key)));
  }

  /** The value of each CPU of a per-CPU map. */
  getPerCpu(key: MapBytes): Uint8Array[] | undefined {
    const all = this.get(key);
    if (all === undefined) return undefined;
    if (!this.perCpu) return [all];
    const stride = Math.ceil(this.spec.valueSize / 8) * 8;
    const values: Uint8Array[] = [];
    for (let at = 0; at < all.length; at += stride) values.push(all.subarray(at, at + this.spec.valueSize));
    return values;
  }

  /**
   * Sets a value: bytes, a number, for a prog_array a program of the same runtime, for a map of maps a map. For a per-CPU map,
   * bytes of one value (not of all CPUs) become every CPU's.
   */
  set(key: MapBytes, value: MapBytes | MapReference, mode: UpdateMode = 'any'): void {
    this.#check('update', this.#live().update(this.#key(key), this.#value(value), FLAGS[mode]));
  }

  /** Takes a key away; false where it was not there. */
  delete(key: MapBytes): boolean {
    const status = this.#live().delete(this.#key(key));
    if (status === -ERRNO.ENOENT) return false;
    this.#check('delete', status);
    return true;
  }

  has(key: MapBytes): boolean {
    return this.get(key) !== undefined;
  }

  /** Looks a key up and deletes it, as one step (hash tables). */
  take(key: MapBytes): Uint8Array | undefined {
    return this.#found('lookup_and_delete', this.#live().lookupAndDelete(this.#key(key)));
  }

  /** Queues, stacks, bloom filters: adds a value. */
  push(value: MapBytes): void {
    this.#check('push', this.#live().update(NO_KEY, this.#value(value), UPDATE_FLAGS.ANY));
  }

  /** Queues and stacks: removes and gives the next value. */
  pop(): Uint8Array | undefined {
    return this.#found('pop', this.#live().lookupAndDelete(NO_KEY));
  }

  /** Queues and stacks: the next value, left where it is. */
  peek(): Uint8Array | undefined {
    return this.#found('peek', this.#live().lookup(NO_KEY));
  }

  /** All keys, in the map's own order. The one that was given last may be deleted while going on. */
  *keys(): Generator<Uint8Array, void, undefined> {
    const map = this.#live();
    let key = map.nextKey(undefined);
    while (typeof key !== 'number') {
      const next: Uint8Array | number = map.nextKey(key);
      yield key;
      key = next;
    }
    if (key !== -ERRNO.ENOENT) this.#check('get_next_key', key);
  }

  /** All keys with values; keys that are deleted meanwhile are passed over. */
  *entries(): Generator<[key: Uint8Array, value: Uint8Array], void, undefined> {
    for (const key of this.keys()) {
      const value = this.get(key);
      if (value !== undefined) yield [key, value];
    }
  }

  [Symbol.iterator](): Generator<[key: Uint8Array, value: Uint8Array], void, undefined> {
    return this.entries();
  }

  /** No more updates from this side (BPF_MAP_FREEZE). */
  freeze(): void {
    this.#check('freeze', this.#live().freeze());
  }

  /** Whether the object's BTF says what keys and values are. */
  get hasTypes(): boolean {
    return this.#btf !== undefined && (this.spec.valueTypeId ?? 0) > 0;
  }

  /** As `get`, decoded through BTF (btf/value.ts); per-CPU maps give an array with a value for each CPU. */
  getValue(key: BtfInput): BtfValue | undefined {
    this.#types('value');
    return this.#decoded(this.getPerCpu(this.#encodedKey(key)));
  }

  /** As `set`, with key and value encoded through BTF. */
  setValue(key: BtfInput, value: BtfInput, mode: UpdateMode = 'any'): void {
    const { btf, id } = this.#types('value');
    this.set(this.#encodedKey(key), encodeValue(btf, id, value), mode);
  }

  deleteValue(key: BtfInput): boolean {
    return this.delete(this.#encodedKey(key));
  }

  /** As `entries`, decoded through BTF. */
  *values(): Generator<[key: BtfValue, value: BtfValue], void, undefined> {
    for (const key of this.keys()) {
      const value = this.#decoded(this.getPerCpu(key));
      if (value !== undefined) yield [this.#decodedKey(key), value];
    }
  }

  /** Where the object does not say what keys are (data sections, old arrays), a key of 4 bytes is an index. */
  #decodedKey(key: Uint8Array): BtfValue {
    if (!((this.spec.keyTypeId ?? 0) > 0) && key.length === 4) {
      return new DataView(key.buffer, key.byteOffset, 4).getUint32(0, true);
    }
    const { btf, id } = this.#types('key');
    return decodeValue(btf, id, key);
  }

  #decoded(copies: readonly Uint8Array[] | undefined): BtfValue | undefined {
    if (copies === undefined) return undefined;
    const { btf, id } = this.#types('value');
    const values = copies.map((bytes) => decodeValue(btf, id, bytes));
    return this.perCpu ? values : values[0];
  }

  #encodedKey(key: BtfInput): MapBytes {
    if (key instanceof Uint8Array) return key;
    // Data sections and arrays without a key type have the index as key.
    if (!((this.spec.keyTypeId ?? 0) > 0) && (typeof key === 'number' || typeof key === 'bigint')) return key;
    const { btf, id } = this.#types('key');
    return encodeValue(btf, id, key);
  }

  #types(what: 'key' | 'value'): { readonly btf: Btf; readonly id: number } {
    const id = what === 'key' ? this.spec.keyTypeId : this.spec.valueTypeId;
    if (this.#btf === undefined || id === undefined || id === 0) return fail(noMapBtf({ map: this.name }, what));
    return { btf: this.#btf, id };
  }

  #key(key: MapBytes): Uint8Array {
    return toBytes(this.name, 'the key', key, this.spec.keySize);
  }

  #value(value: MapBytes | MapReference): Uint8Array {
    if (typeof value === 'object' && !(value instanceof Uint8Array)) return this.#value(value.id);
    const { valueSize } = this.spec;
    const size = this.valueSize;
    if (size === valueSize || (value instanceof Uint8Array && value.length === size)) {
      return toBytes(this.name, 'the value', value, size);
    }
    const one = toBytes(this.name, 'the value', value, valueSize);
    const all = new Uint8Array(size);
    const stride = Math.ceil(valueSize / 8) * 8;
    for (let at = 0; at < size; at += stride) all.set(one, at);
    return all;
  }

  #found(operation: string, result: Uint8Array | number): Uint8Array | undefined {
    if (typeof result !== 'number') return result;
    if (result === -ERRNO.ENOENT) return undefined;
    return this.#refused(operation, result);
  }

  #check(operation: string, status: number): void {
    if (status < 0) this.#refused(operation, status);
  }

  #refused(operation: string, status: number): never {
    return fail(mapOperation({ map: this.name }, errnoName(status), operation));
  }

  #live(): BpfMap {
    if (this.#disposed) fail(disposed({ map: this.name }, 'a map'));
    return this.raw;
  }

  /** From here on every use raises run/disposed; LoadedObject does this. */
  [Symbol.dispose](): void {
    this.#disposed = true;
  }
}

const NO_KEY = new Uint8Array(0);

function toBytes(map: string, what: string, value: MapBytes, size: number): Uint8Array {
  if (value instanceof Uint8Array) {
    if (value.length !== size) fail(wrongSize({ map }, what, value.length, size));
    return value;
  }
  const bits = size * 8;
  const exact = typeof value === 'bigint' || Number.isSafeInteger(value);
  if (
    size === 0 ||
    size > 8 ||
    !exact ||
    BigInt(value) >= 1n << BigInt(bits) ||
    BigInt(value) < -(1n << BigInt(bits - 1))
  ) {
    fail(notANumber({ map }, what, value, size));
  }
  const bytes = new Uint8Array(size);
  for (let i = 0, rest = BigInt.asUintN(bits, BigInt(value)); i < size; i++, rest >>= 8n)
    bytes[i] = Number(rest & 0xffn);
  return bytes;
}
