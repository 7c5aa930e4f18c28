// The application's end of maps, over the functions that the module has for them: nothing here knows how a map is searched.
import { ERRNO, errnoName } from '../../spec/errno.ts';
import { CHUNK, DESCRIPTOR, RING, ROW } from '../../spec/map-layout.ts';
import { fail } from './errors.ts';
import { aligned, type ModuleMemory } from './memory.ts';
import type { MapRecord } from './record.ts';

/** Bytes, or a number that is written little-endian into as many bytes as the map wants. */
export type MapBytes = Uint8Array | number | bigint;

/** BPF_ANY, BPF_NOEXIST, BPF_EXIST. */
export type UpdateMode = 'any' | 'noexist' | 'exist';
const MODES: { readonly [M in UpdateMode]: number } = { any: 0, noexist: 1, exist: 2 };

type Operation = (key: number, value?: number, flags?: number) => number;

export interface MapView {
  readonly name: string;
  readonly type: string;
  readonly keySize: number;
  /** Bytes of a value; for per-CPU maps of the values of all CPUs, each rounded up to 8. */
  readonly valueSize: number;
  readonly maxEntries: number;
  /** The value of a key, undefined where the map has none. */
  lookup(key: MapBytes): Uint8Array | undefined;
  update(key: MapBytes, value: MapBytes, mode?: UpdateMode): void;
  /** False where the key was not there. */
  delete(key: MapBytes): boolean;
  entries(): Generator<[key: Uint8Array, value: Uint8Array], void, undefined>;
  /** Ring buffers: hands over all complete records, in order; their number. */
  consume(record: (bytes: Uint8Array) => void): number;
}

export class ModuleMap implements MapView {
  readonly name: string;
  readonly type: string;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly #record: MapRecord;
  readonly #memory: ModuleMemory;
  readonly #operation: (name: string) => Operation | undefined;
  #key = 0;
  #value = 0;

  constructor(record: MapRecord, memory: ModuleMemory, operation: (name: string) => Operation | undefined) {
    this.#record = record;
    this.#memory = memory;
    this.#operation = operation;
    this.name = record.name;
    this.type = record.type;
    this.keySize = record.keySize;
    this.valueSize = this.#perCpu ? record.copies * record.stride : record.valueSize;
    this.maxEntries = record.maxEntries;
  }

  lookup(key: MapBytes): Uint8Array | undefined {
    const address = this.#find(key);
    return address === 0 ? undefined : this.#load(address);
  }

  update(key: MapBytes, value: MapBytes, mode: UpdateMode = 'any'): void {
    const bytes = this.#valueBytes(value);
    if (this.#record.frozen) this.#refuse('update', -ERRNO.EPERM);
    if (!this.#isArray) {
      this.#check('update', this.#need('update')(this.#putKey(key), this.#putValue(bytes), MODES[mode]));
      // The module's update is a program's: of one CPU's value.
      if (!this.#perCpu) return;
    }
    const address = this.#find(key);
    if (address === 0) this.#refuse('update', -ERRNO.E2BIG);
    if (this.#isArray && mode === 'noexist') this.#refuse('update', -ERRNO.EEXIST);
    this.#memory.u8.set(bytes, address);
  }

  delete(key: MapBytes): boolean {
    if (this.#record.frozen) this.#refuse('delete', -ERRNO.EPERM);
    if (this.#isArray) this.#refuse('delete', -ERRNO.EINVAL);
    const status = this.#need('delete')(this.#putKey(key));
    if (status === -ERRNO.ENOENT) return false;
    this.#check('delete', status);
    return true;
  }

  /** Bytes of the value that programs see. */
  get programValueSize(): number {
    return this.#record.valueSize;
  }

  /** A program's operation on addresses, as the helper answers it; undefined where the module does not have it. */
  call(operation: 'lookup' | 'update' | 'delete', key: number, value = 0, flags = 0): number | undefined {
    if (!this.#isArray || operation === 'lookup') {
      if (flags > MODES.exist) return undefined;
      const result = this.#operation(operation)?.(key, value, flags);
      if (operation === 'lookup') return result === undefined ? undefined : result >>> 0;
      return result !== undefined && result <= 0 ? result : undefined;
    }
    if (operation === 'delete' || flags > MODES.exist) return -ERRNO.EINVAL;
    const to = (this.#operation('lookup') as Operation)(key) >>> 0;
    if (to === 0) return -ERRNO.E2BIG;
    if (flags === MODES.noexist) return -ERRNO.EEXIST;
    this.#memory.u8.copyWithin(to, value, value + this.#record.valueSize);
    return 0;
  }

  *entries(): Generator<[key: Uint8Array, value: Uint8Array], void, undefined> {
    for (const key of this.#isArray ? this.#indices() : this.#keys()) {
      const value = this.lookup(key);
      if (value !== undefined) yield [key, value];
    }
  }

  consume(record: (bytes: Uint8Array) => void): number {
    const { handle, type } = this.#record;
    if (type !== 'ringbuf') fail('run/no-records', `map ${this.name}: a ${type} map has no records`);
    let count = 0;
    for (;;) {
      const { view, u8 } = this.#memory;
      const position = view.getBigUint64(handle + DESCRIPTOR.CONSUMER, true);
      if (position === view.getBigUint64(handle + DESCRIPTOR.PRODUCER, true)) return count;
      const at = Number(position & BigInt(view.getUint32(handle + DESCRIPTOR.MASK, true)));
      const header = view.getUint32(handle + DESCRIPTOR.DATA, true) + at;
      const word = view.getUint32(header + RING.LENGTH, true);
      if ((word & RING.BUSY) !== 0) return count;
      const size = word & RING.LARGEST;
      const bytes = u8.slice(header + RING.DATA, header + RING.DATA + size);
      const next = position + BigInt(aligned(RING.HEADER + size));
      view.setBigUint64(handle + DESCRIPTOR.CONSUMER, next, true);
      // Programs leave it to their host to move on what nobody writes any more.
      const pending = view.getBigUint64(handle + DESCRIPTOR.PENDING, true);
      if (pending < next) view.setBigUint64(handle + DESCRIPTOR.PENDING, next, true);
      if ((word & RING.DISCARD) !== 0) continue;
      count++;
      record(bytes);
    }
  }

  get #isArray(): boolean {
    return this.type === 'array' || this.type === 'percpu_array';
  }

  get #perCpu(): boolean {
    return this.#record.type.includes('percpu');
  }

  /** The operation, for maps that the module has it for. */
  #need(name: string): Operation {
    const found = this.#operation(name);
    if (found !== undefined) return found;
    const what = `map ${this.name} of type ${this.type} has no ${name} in the module: give AnyBPF's helpers to load`;
    return fail('aot/map-operation', what);
  }

  #find(key: MapBytes): number {
    return this.#need('lookup')(this.#putKey(key)) >>> 0;
  }

  #load(address: number): Uint8Array {
    return this.#memory.u8.slice(address, address + this.valueSize);
  }

  *#indices(): Generator<Uint8Array, void, undefined> {
    for (let i = 0; i < this.maxEntries; i++) yield toBytes('the key', i, 4);
  }

  /** Keys of a hash table, in the order of its elements' slots. */
  *#keys(): Generator<Uint8Array, void, undefined> {
    this.#need('update');
    const { handle, rowSize, keyOffset, keySize } = this.#record;
    const word = (at: number): number => this.#memory.view.getUint32(at, true);
    for (let chunk = word(handle + DESCRIPTOR.CHUNKS); chunk !== 0; chunk = word(chunk + CHUNK.NEXT)) {
      const count = Math.min(word(chunk + CHUNK.COUNT), word(handle + DESCRIPTOR.FRESH) - word(chunk + CHUNK.FIRST));
      for (let i = 0; i < count; i++) {
        const row = chunk + CHUNK.ROWS + i * rowSize;
        const key = row + keyOffset;
        if ((word(row + ROW.STATE) & 1) !== 0) yield this.#memory.u8.slice(key, key + keySize);
      }
    }
  }

  #putKey(key: MapBytes): number {
    const bytes = toBytes(`map ${this.name}: the key`, key, this.keySize);
    if (this.#key === 0) this.#key = this.#memory.alloc(this.keySize);
    this.#memory.u8.set(bytes, this.#key);
    return this.#key;
  }

  #putValue(bytes: Uint8Array): number {
    const { valueSize } = this.#record;
    if (this.#value === 0) this.#value = this.#memory.alloc(valueSize);
    this.#memory.u8.set(bytes.subarray(0, valueSize), this.#value);
    return this.#value;
  }

  /** Bytes of one value become every CPU's. */
  #valueBytes(value: MapBytes): Uint8Array {
    const { valueSize, stride, copies } = this.#record;
    if (!this.#perCpu || (value instanceof Uint8Array && value.length === this.valueSize)) {
      return toBytes(`map ${this.name}: the value`, value, this.valueSize);
    }
    const one = toBytes(`map ${this.name}: the value`, value, valueSize);
    const all = new Uint8Array(this.valueSize);
    for (let copy = 0; copy < copies; copy++) all.set(one, copy * stride);
    return all;
  }

  #check(operation: string, status: number): void {
    if (status < 0) this.#refuse(operation, status);
    if (status > 0) fail('aot/beyond', `map ${this.name}: ${operation} needs more memory than the module brought`);
  }

  #refuse(operation: string, status: number): never {
    return fail('run/map-operation', `map ${this.name}: ${operation} failed: ${errnoName(status)}`);
  }
}

function toBytes(what: string, value: MapBytes, size: number): Uint8Array {
  if (value instanceof Uint8Array) {
    if (value.length !== size) fail('run/wrong-size', `${what} has ${value.length} bytes, expected ${size}`);
    return value;
  }
  const bits = size * 8;
  const exact = typeof value === 'bigint' || Number.isSafeInteger(value);
  if (size > 8 || !exact || BigInt(value) >= 1n << BigInt(bits) || BigInt(value) < -(1n << BigInt(bits - 1))) {
    fail('run/not-a-number', `${what} has ${size} bytes, which cannot hold ${value}`);
  }
  const bytes = new Uint8Array(size);
  for (let i = 0, rest = BigInt.asUintN(bits, BigInt(value)); i < size; i++, rest >>= 8n)
    bytes[i] = Number(rest & 0xffn);
  return bytes;
}
