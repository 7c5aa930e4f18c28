// Map lookups as WebAssembly, without a call to the host. The layouts they walk are spec/map-layout.ts's; each has a test that
// the same keys give the same addresses as the map's own code.
import { DESCRIPTOR, HANDLE_ELEMENT, HASH, REFERENCED, ROW } from '../../spec/map-layout.ts';
import { MAP_TYPES, type MapTypeName } from '../../spec/map-types.ts';
import type { Address, Memory } from '../../spec/memory.ts';
import type { Emitter } from './emitter.ts';
import { I32, I64, VOID } from './encoding.ts';
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
  /** Arrays: address of element 0. */
  readonly data: Address;
  readonly seed: number;
  readonly keyOffset: number;
}

const TYPE_BY_NUMBER = new Map(
  Object.entries(MAP_TYPES).map(([name, row]) => [row.linux as number, name as MapTypeName]),
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
    seed: field('SEED'),
    keyOffset: field('KEY_OFFSET'),
  };
}

/** Where the current CPU's number is, for per-CPU maps. */
export interface LookupSite {
  readonly e: Emitter;
  /** Local (i32) with the key's address. */
  readonly key: number;
  /** Address of the word that holds the CPU of the run. */
  readonly cpu: Address;
  temp(type: typeof I32 | typeof I64, number: number): number;
}

/** Leaves the address of the value, or 0, on the stack as an i32. */
export type Lookup = (site: LookupSite, map: MapConstants) => void;

const { NEXT, VALUE } = ROW;

/** Value of the element times STRIDE of the current CPU, to add to a per-CPU value's address. */
function addCpu({ e, cpu }: LookupSite, { stride }: MapConstants): void {
  e.i32(0).memory('i32.load', cpu).i32(stride).op('i32.mul').op('i32.add');
}

const arrayLookup =
  (perCpu: boolean): Lookup =>
  (site, map) => {
    const { e, key } = site;
    const index = site.temp(I32, 1);
    e.get(key).memory('i32.load').tee(index).i32(map.maxEntries).op('i32.lt_u').if(I32);
    e.get(index)
      .i32(map.stride * (perCpu ? map.cpus : 1))
      .op('i32.mul')
      .i32(map.data)
      .op('i32.add');
    if (perCpu) addCpu(site, map);
    e.op('else').i32(0).op('end');
  };

/** Inner map's handle of an array_of_maps. */
const handleLookup: Lookup = (site, map) => {
  const { e, key } = site;
  const index = site.temp(I32, 1);
  e.get(key).memory('i32.load').tee(index).i32(map.maxEntries).op('i32.lt_u').if(I32);
  e.get(index).i32(HANDLE_ELEMENT).op('i32.mul').memory('i32.load', map.data);
  e.op('else').i32(0).op('end');
};

/** Pops h xor word; leaves it mixed. */
function mix(site: LookupSite, h: number): void {
  site.e.i32(HASH.WORD).op('i32.mul').tee(h).get(h).i32(HASH.WORD_SHIFT).op('i32.shr_u').op('i32.xor');
}

/** Leaves the key's hash on the stack (maps/words.ts: hashBytes). */
function hashKey(site: LookupSite, { keySize, seed }: MapConstants): void {
  const { e, key } = site;
  const h = site.temp(I32, 2);
  const whole = keySize & ~3;
  e.i32(seed ^ keySize);
  for (let at = 0; at < whole; at += 4) {
    e.get(key).memory('i32.load', at).op('i32.xor');
    mix(site, h);
  }
  if (whole < keySize) {
    e.get(key).memory('i32.load8_u', whole);
    for (let at = whole + 1; at < keySize; at++) {
      e.get(key)
        .memory('i32.load8_u', at)
        .i32(8 * (at - whole))
        .op('i32.shl')
        .op('i32.or');
    }
    e.op('i32.xor');
    mix(site, h);
  }
  HASH.FINAL.forEach((factor, i) => {
    e.i32(factor).op('i32.mul').tee(h).get(h).i32(HASH.FINAL_SHIFT[i]).op('i32.shr_u').op('i32.xor');
  });
}

/** Leaves on the stack, as an i32 of 0 or not, whether the key of the element in `row` differs. */
function keyDiffers(site: LookupSite, row: number, { keySize, keyOffset }: MapConstants): void {
  const { e, key } = site;
  let first = true;
  const compare = (load: 'i64.load' | 'i32.load' | 'i32.load16_u' | 'i32.load8_u', at: number): void => {
    e.get(row)
      .memory(load, keyOffset + at)
      .get(key)
      .memory(load, at)
      .op(load === 'i64.load' ? 'i64.ne' : 'i32.ne');
    if (!first) e.op('i32.or');
    first = false;
  };
  let at = 0;
  for (; at + 8 <= keySize; at += 8) compare('i64.load', at);
  for (; at + 4 <= keySize; at += 4) compare('i32.load', at);
  for (; at + 2 <= keySize; at += 2) compare('i32.load16_u', at);
  for (; at < keySize; at++) compare('i32.load8_u', at);
}

const hashLookup =
  (perCpu: boolean, lru: boolean, ofMaps: boolean): Lookup =>
  (site, map) => {
    const { e } = site;
    const hash = site.temp(I32, 3);
    const row = site.temp(I32, 4);
    hashKey(site, map);
    e.tee(hash)
      .i32(0)
      .memory('i32.load', map.handle + DESCRIPTOR.MASK)
      .op('i32.and')
      .i32(2)
      .op('i32.shl');
    e.i32(0)
      .memory('i32.load', map.handle + DESCRIPTOR.DATA)
      .op('i32.add')
      .memory('i32.load')
      .set(row);
    // done: the value's address is left; next: the chain goes on.
    e.block(I32).loop(VOID);
    e.i32(0).get(row).op('i32.eqz').brIf(1).op('drop');
    e.block(VOID).get(row).memory('i32.load', ROW.HASH).get(hash).op('i32.ne').brIf(0);
    keyDiffers(site, row, map);
    e.brIf(0);
    if (lru) e.get(row).i32(1).memory('i32.store', REFERENCED);
    e.get(row).memory('i32.load', VALUE);
    if (perCpu) addCpu(site, map);
    if (ofMaps) e.memory('i32.load');
    e.br(2).op('end');
    e.get(row).memory('i32.load', NEXT).set(row).br(0).op('end').op('unreachable').op('end');
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

/** Key sizes up to this are hashed and compared in a row of instructions. */
const MOST_KEY = 64;

export function lookupFor(map: MapConstants): Lookup | undefined {
  return map.keySize <= MOST_KEY ? LOOKUPS[map.type] : undefined;
}

/** A lookup in a map that is known. */
export const mapLookup: Intrinsic = (site) => {
  const map = site.map(1);
  const lookup = map && lookupFor(map);
  if (map === undefined || lookup === undefined) return false;
  const { e, cpu } = site;
  const key = site.temp(I32, 5);
  site.orHost((host) => {
    site.pushAddress(2, map.keySize, 'read', host);
    e.set(key);
    lookup({ e, key, cpu, temp: (type, number) => site.temp(type, number) }, map);
    e.op('i64.extend_i32_u');
    site.setR0();
  });
  return true;
};
