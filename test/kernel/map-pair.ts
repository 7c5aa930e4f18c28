// One map of an object on both sides: the kernel's and ours, filled alike and compared.
import { toHex } from '../../src/base/bytes.ts';
import type { Btf } from '../../src/btf/btf.ts';
import type { LoadedMap } from '../../src/run/map.ts';
import { ERRNO } from '../../src/spec/errno.ts';
import type { PerfEventArrayMap, RingBufferMap } from '../../src/spec/map.ts';
import type { MapTypeName } from '../../src/spec/map-types.ts';
import { mapLookup, mapLookupAndDelete, mapNextKey, mapUpdate, possibleCpus } from '../support/bpf.ts';
import type { KernelMap } from '../support/kernel-object.ts';
import { KernelPerfBuffer, KernelRingBuffer } from '../support/kernel-rings.ts';
import type { Random } from '../support/random.ts';
import { someKey, someValue } from './map-contents.ts';

/** How a map is filled and read, by type; types that hold objects of the host are left empty and not compared. */
const ACCESS: Partial<Record<MapTypeName, 'keyed' | 'indexed' | 'trie' | 'queue' | 'devices' | 'records'>> = {
  hash: 'keyed',
  percpu_hash: 'keyed',
  lru_hash: 'keyed',
  lru_percpu_hash: 'keyed',
  array: 'indexed',
  percpu_array: 'indexed',
  lpm_trie: 'trie',
  queue: 'queue',
  stack: 'queue',
  devmap: 'devices',
  devmap_hash: 'devices',
  ringbuf: 'records',
  perf_event_array: 'records',
};

/** Entries put into a map; also bounded by its size, so that LRU maps need not evict. */
const ENTRIES = 24;
/** Elements of an array that are compared, so that huge arrays do not take minutes: the first ones. */
const COMPARED_BYTES = 1 << 20;
const LOOPBACK = 1;

const u32 = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer);

/** A value, a negated errno, or nothing where the other side has the key alone. */
type Result = Uint8Array | number | undefined;

const NO_KEY = new Uint8Array(0);
/** A walk of a table that changes meanwhile need not end. */
const MAX_KEYS = 1_000_000;

const text = (value: Result): string =>
  value instanceof Uint8Array ? toHex(value) : value === undefined ? 'absent' : `error ${value}`;

export class MapPair {
  readonly kernel: KernelMap;
  readonly ours: LoadedMap;
  readonly #access: (typeof ACCESS)[MapTypeName];
  readonly #size: number;
  readonly #btf: Btf | undefined;
  #ring: KernelRingBuffer | undefined;
  readonly #perf: KernelPerfBuffer[] = [];

  constructor(kernel: KernelMap, ours: LoadedMap, btf: Btf | undefined) {
    this.#btf = btf;
    this.kernel = kernel;
    this.ours = ours;
    this.#access = ACCESS[ours.type];
    this.#size = ours.valueSize;
    if (ours.type === 'ringbuf') this.#ring = new KernelRingBuffer(kernel.fd, ours.spec.maxEntries);
    if (ours.type === 'perf_event_array') {
      for (let cpu = 0; cpu < Math.min(possibleCpus(), ours.spec.maxEntries || Infinity); cpu++) {
        this.#perf.push(new KernelPerfBuffer(kernel.fd, cpu));
      }
      (ours.raw as PerfEventArrayMap).open(1 << 18);
    }
  }

  get name(): string {
    return this.ours.name;
  }

  /** Whether programs hand records to the application through this map. */
  get hasRecords(): boolean {
    return this.#access === 'records';
  }

  /** Puts the same elements into both; throws where one side takes what the other refuses. */
  prefill(random: Random): void {
    const { spec } = this.ours;
    if (spec.kind !== 'map' || spec.slots.length > 0) return;
    const count = Math.min(ENTRIES, Math.max(1, spec.maxEntries >> 2));
    for (let i = 0; i < count; i++) {
      const value = this.#withoutPadding(someValue(spec, this.#size, this.#btf, random));
      if (this.#access === 'keyed' || this.#access === 'trie') this.#put(someKey(spec, this.#btf, random), value);
      else if (this.#access === 'indexed') {
        this.#put(u32(i < 8 ? Math.min(i, spec.maxEntries - 1) : random.below(spec.maxEntries)), value);
      } else if (this.#access === 'queue') this.#put(NO_KEY, value);
      else if (this.#access === 'devices' && i % 2 === 0) {
        value.fill(0);
        value.set(u32(LOOPBACK));
        this.#put(u32(i % spec.maxEntries), value);
      }
    }
  }

  /** The kernel keeps what is written behind a CPU's value, up to a multiple of 8; programs cannot see it. */
  #withoutPadding(value: Uint8Array): Uint8Array {
    const { valueSize } = this.ours.spec;
    const stride = Math.ceil(valueSize / 8) * 8;
    if (this.ours.perCpu) for (let at = 0; at < value.length; at += stride) value.fill(0, at + valueSize, at + stride);
    return value;
  }

  #put(key: Uint8Array, value: Uint8Array): void {
    const ours = this.ours.raw.update(key, value, 0);
    const kernel = mapUpdate(this.kernel.fd, key.length === 0 ? undefined : key, value);
    if (ours !== kernel) {
      throw new Error(`update of map ${this.name}, key ${toHex(key)}: kernel ${kernel}, ours ${ours}`);
    }
  }

  /** Records that arrived since the last call, compared: what differs, or undefined. */
  recordsDiffer(): string | undefined {
    const ours: string[] = [];
    let kernel: Uint8Array[];
    if (this.#ring !== undefined) {
      (this.ours.raw as RingBufferMap).consume((record) => ours.push(toHex(record)));
      kernel = this.#ring.take();
    } else {
      (this.ours.raw as PerfEventArrayMap).consume((_cpu, record) => ours.push(toHex(record)));
      kernel = this.#perf.flatMap((buffer) => buffer.take());
    }
    const theirs = kernel.map(toHex);
    const same =
      ours.length === theirs.length &&
      // The kernel pads perf samples: what we have must be their beginning.
      ours.every((record, i) => (this.#ring === undefined ? theirs[i].startsWith(record) : theirs[i] === record));
    return same
      ? undefined
      : `records of ${this.name}: kernel ${theirs.join(' ') || 'none'}, ours ${ours.join(' ') || 'none'}`;
  }

  /** Whether this is an LRU map that may have evicted elements: Linux does so long before the map is full. */
  evicts(): boolean {
    const { type, raw, spec } = this.ours;
    if (type !== 'lru_hash' && type !== 'lru_percpu_hash') return false;
    let count = 0;
    for (let key = raw.nextKey(undefined); typeof key !== 'number'; key = raw.nextKey(key)) count++;
    return count * 4 > spec.maxEntries;
  }

  /** Compares all elements; gives what differs, at most a few. Queues are emptied by it. */
  differences(): string[] {
    const out: string[] = [];
    this.#each((key, kernel, ours) => {
      if (text(kernel) === text(ours)) return;
      if (out.length < 4) out.push(`map ${this.name}[${toHex(key)}]: kernel ${text(kernel)}, ours ${text(ours)}`);
      // From here on both are alike again: one difference is not to be counted twice.
      if (this.#access === 'queue') return;
      if (kernel instanceof Uint8Array) this.ours.raw.update(key, kernel, 0);
      else this.ours.raw.delete(key);
    });
    return out;
  }

  /** Every key that one side has, with both values. */
  #each(visit: (key: Uint8Array, kernel: Result, ours: Result) => void): void {
    const { spec, raw } = this.ours;
    const { fd } = this.kernel;
    switch (this.#access) {
      case 'indexed': {
        const count = Math.min(spec.maxEntries, Math.max(1, Math.floor(COMPARED_BYTES / this.#size)));
        for (let i = 0; i < count; i++) visit(u32(i), mapLookup(fd, u32(i), this.#size), raw.lookup(u32(i)));
        return;
      }
      case 'keyed':
      case 'trie': {
        const kernel = contents(
          (key) => mapNextKey(fd, key, spec.keySize),
          (key) => mapLookup(fd, key, this.#size),
        );
        const ours = contents(
          (key) => raw.nextKey(key),
          (key) => raw.lookup(key),
        );
        for (const [id, { key }] of [...kernel, ...ours]) visit(key, kernel.get(id)?.value, ours.get(id)?.value);
        return;
      }
      case 'queue':
        for (let i = 0; i <= spec.maxEntries; i++) {
          const kernel = mapLookupAndDelete(fd, undefined, this.#size);
          const ours = raw.lookupAndDelete(NO_KEY);
          visit(NO_KEY, kernel, ours);
          if (kernel === -ERRNO.ENOENT && ours === -ERRNO.ENOENT) return;
        }
        return;
      default:
    }
  }

  close(): void {
    for (const buffer of this.#perf) buffer.close();
  }
}

interface Entry {
  readonly key: Uint8Array;
  readonly value: Result;
}

function contents(
  next: (key: Uint8Array | undefined) => Uint8Array | number,
  lookup: (key: Uint8Array) => Uint8Array | number,
): Map<string, Entry> {
  const out = new Map<string, Entry>();
  for (let key = next(undefined); typeof key !== 'number' && out.size < MAX_KEYS; key = next(key)) {
    out.set(toHex(key), { key, value: lookup(key) });
  }
  return out;
}
