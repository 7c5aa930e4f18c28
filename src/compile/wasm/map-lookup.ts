// Map lookups as WebAssembly, without a call to the host. The layouts they walk are spec/map-layout.ts's; each has a test that
// the same keys give the same addresses as the map's own code.
import { DESCRIPTOR, HANDLE_ELEMENT, LRU, ROW } from '../../spec/map-layout.ts';
import { MAP_TYPES, type MapTypeName } from '../../spec/map-types.ts';
import type { Address, Memory } from '../../spec/memory.ts';
import type { Emitter } from './emitter.ts';
import type { CallSite } from './call-site.ts';
import { I32, VOID } from './encoding.ts';
import { follow, type KeySite, MOST_KEY, walkChain } from './hash-walk.ts';
import type { Intrinsic } from './intrinsics.ts';
import { lpmLookup } from './lpm-lookup.ts';

/** What does not change in a map's descriptor while the map lives. */
export interface MapConstants {
  readonly handle: Address;
  readonly type: MapTypeName;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly cpus: number;
  readonly stride: number;
  /** Arrays: address of element 0. Hash tables: of the bucket heads, where threads share the memory; else they move. */
  readonly data: Address;
  /** Hash tables: number of buckets - 1, likewise. */
  readonly mask: number;
  readonly seed: number;
  readonly keyOffset: number;
  /** LRU maps: address of the list heads. */
  readonly extra: number;
  /** MAP_FLAGS. */
  readonly flags: number;
  /** Fields of a value that are the kernel's. */
  readonly special: number;
}

const TYPE_BY_NUMBER = new Map(
  Object.entries(MAP_TYPES).flatMap(([name, row]) =>
    'linux' in row ? [[row.linux as number, name as MapTypeName]] : [],
  ),
);

/** Reads a map's descriptor; undefined where there is none at that address. */
export function mapConstants(memory: Memory, handle: Address): MapConstants | undefined {
  const field = (name: keyof typeof DESCRIPTOR): number => memory.u32[(handle + DESCRIPTOR[name]) >>> 2];
  const type = TYPE_BY_NUMBER.get(field('TYPE'));
  if (type === undefined) return undefined;
  return {
    handle,
    type,
    keySize: field('KEY_SIZE'),
    valueSize: field('VALUE_SIZE'),
    maxEntries: field('MAX_ENTRIES'),
    cpus: field('CPUS'),
    stride: field('STRIDE'),
    data: field('DATA'),
    mask: field('MASK'),
    seed: field('SEED'),
    keyOffset: field('KEY_OFFSET'),
    extra: field('EXTRA'),
    flags: field('FLAGS'),
    special: field('SPECIAL'),
  };
}

/** Where the number of the CPU is, whose copies of values are meant: in a word of the memory, or in a local (i32). */
export type CpuSource = Address | { readonly local: number };

export interface LookupSite extends KeySite {
  readonly cpu: CpuSource;
  /** Local (i32) to set, in place of a result of 0 (CallSite.found). */
  readonly found?: number | undefined;
  /** Label that leaves the lookup to the host: it will say what is wrong with a map that a walk finds no end in. */
  host(): number;
}

/** Leaves the address of the value, or 0, on the stack as an i32. */
export type Lookup = (site: LookupSite, map: MapConstants) => void;

/** Adds STRIDE times the CPU to the address of a per-CPU value. */
export function addCpu({ e, cpu }: Pick<LookupSite, 'e' | 'cpu'>, { stride }: MapConstants): void {
  if (typeof cpu === 'number') e.i32(0).memory('i32.load', cpu);
  else e.get(cpu.local);
  e.i32(stride).op('i32.mul').op('i32.add');
}

/** Leaves the index that the key of an array is. */
function pushIndex({ e, key, word }: LookupSite): Emitter {
  return word === undefined ? e.get(key).memory('i32.load') : e.get(word);
}

const arrayLookup =
  (perCpu: boolean): Lookup =>
  (site, map) => {
    const { e, found } = site;
    const index = site.temp(I32, 1);
    pushIndex(site).tee(index).i32(map.maxEntries).op('i32.lt_u');
    if (found === undefined) e.if(I32);
    else e.set(found);
    e.get(index)
      .i32(map.stride * (perCpu ? map.cpus : 1))
      .op('i32.mul')
      .i32(map.data)
      .op('i32.add');
    if (perCpu) addCpu(site, map);
    if (found === undefined) e.op('else').i32(0).op('end');
  };

/** Inner map's handle of an array_of_maps. */
const handleLookup: Lookup = (site, map) => {
  const { e } = site;
  const index = site.temp(I32, 1);
  pushIndex(site).tee(index).i32(map.maxEntries).op('i32.lt_u').if(I32);
  e.get(index).i32(HANDLE_ELEMENT).op('i32.mul').memory('i32.load', map.data);
  e.op('else').i32(0).op('end');
};

const hashLookup =
  (perCpu: boolean, lru: boolean, ofMaps: boolean): Lookup =>
  (site, map) => {
    const { e } = site;
    const row = site.temp(I32, 4);
    e.block(I32).block(VOID);
    walkChain(site, map, {
      row,
      hash: site.temp(I32, 3),
      damaged: site.host,
      hit: () => {
        // Another thread may have led the walk to rows that are not in use: an element that was deleted must not be found.
        if (!site.exclusive)
          e.get(row).memory('i32.load', ROW.STATE).i32(1).op('i32.and').op('i32.eqz').brIf(site.host());
        if (lru) e.get(row).i32(1).memory('i32.store', LRU.REFERENCED);
        e.get(row);
        follow(site, ROW.VALUE);
        if (perCpu) addCpu(site, map);
        if (ofMaps) e.memory('i32.load');
        e.br(1);
      },
    });
    e.op('end').i32(0).op('end');
  };

/** The map types whose lookups are compiled. All others go to the host. */
const LOOKUPS: { readonly [T in MapTypeName]?: Lookup } = {
  array: arrayLookup(false),
  percpu_array: arrayLookup(true),
  array_of_maps: handleLookup,
  hash: hashLookup(false, false, false),
  hash_of_maps: hashLookup(false, false, true),
  percpu_hash: hashLookup(true, false, false),
  lru_hash: hashLookup(false, true, false),
  lru_percpu_hash: hashLookup(true, true, false),
  lpm_trie: lpmLookup,
};

export function lookupFor(map: MapConstants): Lookup | undefined {
  return map.keySize <= MOST_KEY ? LOOKUPS[map.type] : undefined;
}

/** Whether a lookup can do with the value of a key of four bytes, without its address. */
export const takesWord = (map: MapConstants): boolean =>
  map.keySize === 4 && map.type !== 'lpm_trie' && lookupFor(map) !== undefined;

/** Leaves the lookup's result in r0; the key is in r2. */
function lookUp(site: CallSite, map: MapConstants, lookup: Lookup, cpu: CpuSource, host: () => number): void {
  const { e, exclusive } = site;
  const key = site.temp(I32, 5);
  const word = site.pushWord?.() ? key : undefined;
  if (word === undefined) site.pushAddress(2, map.keySize, 'read', host);
  e.set(key);
  const found = map.type === 'array' ? site.found?.() : undefined;
  lookup({ e, key, word, found, cpu, exclusive, temp: (type, number) => site.temp(type, number), host }, map);
  e.op('i64.extend_i32_u');
  site.setR0();
}

/** A lookup in a map that is known. */
export const mapLookup: Intrinsic = (site) => {
  const map = site.map(1);
  const lookup = map && lookupFor(map);
  if (map === undefined || lookup === undefined) return false;
  // A trie may be rebuilt on the way: its lookups take the lock, which the host does.
  if (map.type === 'lpm_trie' && !site.exclusive) return false;
  // Without checks or other threads, only a walk without an end is handed over.
  const raises = !site.checked && site.exclusive;
  site.orHost((host) => lookUp(site, map, lookup, site.cpu, host), raises);
  return true;
};

const PER_CPU: readonly MapTypeName[] = ['percpu_array', 'percpu_hash', 'lru_percpu_hash'];

/** bpf_map_lookup_percpu_elem(map, key, cpu) */
export const mapLookupPerCpu: Intrinsic = (site) => {
  const map = site.map(1);
  const lookup = map && lookupFor(map);
  if (map === undefined || lookup === undefined || !PER_CPU.includes(map.type)) return false;
  const { e } = site;
  const cpu = site.temp(I32, 13);
  site.orHost((host) => {
    // What there is no CPU for is left to the host, which checks the key first.
    e.get(site.register(3)).op('i32.wrap_i64').tee(cpu).i32(map.cpus).op('i32.ge_u').brIf(host());
    lookUp(site, map, lookup, { local: cpu }, host);
  });
  return true;
};
