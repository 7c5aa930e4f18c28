// The walk over a chain of a hash table (maps/hash-table.ts) as WebAssembly, for lookups and updates alike.
import { DESCRIPTOR, HASH, ROW } from '../../spec/map-layout.ts';
import type { Emitter } from './emitter.ts';
import { I32, type ValueType, VOID } from './encoding.ts';
import type { MapConstants } from './map-lookup.ts';

/** Where code that looks for a key is put. */
export interface KeySite {
  readonly e: Emitter;
  /** Local (i32) with the key's address. */
  readonly key: number;
  /** Local (i32) with the value of a key of four bytes, whose address is then not known. */
  readonly word?: number | undefined;
  /** No other thread reaches the memory. */
  readonly exclusive: boolean;
  /** A local for intermediate values, always the same one for a type and number. */
  temp(type: ValueType, number: number): number;
}

/** Key sizes up to this are hashed and compared in a row of instructions. */
export const MOST_KEY = 64;

/** Pops h; leaves it mixed. */
function mix({ e }: KeySite, h: number, factor: number, shift: number): void {
  e.i32(factor).op('i32.mul').tee(h).get(h).i32(shift).op('i32.shr_u').op('i32.xor');
}

/** Leaves the key's hash on the stack (maps/words.ts: hashBytes). */
function hashKey(site: KeySite, { keySize, seed }: MapConstants): void {
  const { e, key } = site;
  const h = site.temp(I32, 2);
  const whole = keySize & ~3;
  e.i32(seed ^ keySize);
  for (let at = 0; at < whole; at += 4) {
    if (site.word === undefined) e.get(key).memory('i32.load', at);
    else e.get(site.word);
    e.op('i32.xor');
    mix(site, h, HASH.WORD, HASH.WORD_SHIFT);
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
    mix(site, h, HASH.WORD, HASH.WORD_SHIFT);
  }
  mix(site, h, HASH.FINAL, HASH.FINAL_SHIFT);
}

/** Leaves on the stack, as an i32 of 0 or not, whether the key of the element in `row` differs. */
function keyDiffers(site: KeySite, row: number, { keySize, keyOffset }: MapConstants): void {
  const { e, key } = site;
  if (site.word !== undefined) {
    e.get(row).memory('i32.load', keyOffset).get(site.word).op('i32.ne');
    return;
  }
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

/** Pops a hash; leaves the address of its bucket's head. Where threads share the memory, the heads stay where they are. */
export function bucket({ e, exclusive }: KeySite, { handle, mask, data }: MapConstants): void {
  if (!exclusive) {
    e.i32(mask).op('i32.and').i32(2).op('i32.shl').i32(data).op('i32.add');
    return;
  }
  e.i32(0)
    .memory('i32.load', handle + DESCRIPTOR.MASK)
    .op('i32.and')
    .i32(2)
    .op('i32.shl');
  e.i32(0)
    .memory('i32.load', handle + DESCRIPTOR.DATA)
    .op('i32.add');
}

/** Pops an address; leaves the word there, which other threads publish (maps/words.ts). */
export const follow = ({ e, exclusive }: KeySite, offset: number): Emitter =>
  exclusive ? e.memory('i32.load', offset) : e.atomic('i32.atomic.load', offset);

/** Goes up with each element that leaves a chain: whoever is at it then may be led into another. */
const loadVersion = ({ e }: KeySite, { handle }: MapConstants): Emitter =>
  e.i32(0).atomic('i32.atomic.load', handle + DESCRIPTOR.VERSION);

export interface Walk {
  /** Local (i32) of the element that is looked at; 0 after the last. */
  readonly row: number;
  /** Local (i32) for the key's hash. */
  readonly hash: number;
  /** Local (i32) for the address of the word that leads to `row`, where it is needed. */
  readonly link?: number;
  /** Emitted where `row` has the key, in the caller's block. Must branch away. */
  hit(): void;
  /**
   * Label for more elements than the map can have: a program without a verdict has bent the chain into a ring. Where other threads
   * change the table, also for an end to which one of them may have led the walk.
   */
  damaged(): number;
}

/** Goes through the chain of the key's bucket, inside a block of the caller's that it leaves at the end of the chain. */
export function walkChain(site: KeySite, map: MapConstants, { row, hash, link, hit, damaged }: Walk): void {
  const { e } = site;
  const left = site.temp(I32, 6);
  const version = site.temp(I32, 7);
  if (!site.exclusive) loadVersion(site, map).set(version);
  hashKey(site, map);
  e.tee(hash);
  bucket(site, map);
  if (link !== undefined) e.tee(link);
  follow(site, 0).set(row);
  const leaveAtEnd = (): Emitter =>
    e
      .get(row)
      .op('i32.eqz')
      .brIf(e.depth - scopes - 2);
  /** Branches to the block that `hit` follows where the row has the key. */
  const leaveIfFound = (): void => {
    e.block(VOID);
    // A key of one word is compared at once; others only where the hash is the same.
    if (map.keySize > 8) e.get(row).memory('i32.load', ROW.HASH).get(hash).op('i32.ne').brIf(0);
    keyDiffers(site, row, map);
    e.op('i32.eqz')
      .brIf(e.depth - scopes - 1)
      .op('end');
  };
  const goOn = (): void => {
    if (link !== undefined) e.get(row).set(link);
    e.get(row);
    follow(site, ROW.NEXT).set(row);
  };
  const scopes = e.depth;
  e.block(VOID).block(VOID);
  // Most keys are the first of their chain: what a loop takes to begin is for the others.
  leaveAtEnd();
  leaveIfFound();
  goOn();
  e.i32(map.maxEntries + 1).set(left);
  e.loop(VOID);
  leaveAtEnd();
  leaveIfFound();
  goOn();
  e.get(left).i32(1).op('i32.sub').tee(left).brIf(0);
  e.br(damaged()).op('end').op('end');
  if (!site.exclusive) {
    loadVersion(site, map).get(version).op('i32.ne').brIf(damaged());
  }
  e.br(1).op('end');
  hit();
}
