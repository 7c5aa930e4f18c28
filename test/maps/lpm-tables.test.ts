// Tries with the tables over them, against a list of prefixes that is searched from end to end.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DESCRIPTOR } from '../../src/spec/map-layout.ts';
import type { BpfMap } from '../../src/spec/map.ts';
import { generator, PrefixList, prefixKey } from '../support/prefixes.ts';
import { place, type Place, spec, u32 } from './support.ts';

const NO_PREALLOC = 1;
const firstTable = (p: Place, map: BpfMap): number => p.memory.u32[(map.handle + DESCRIPTOR.EXTRA) >>> 2];

/** Value that the map gives a program for a key. */
function valueOf(p: Place, map: BpfMap, key: Uint8Array): number | undefined {
  const at = p.put(key);
  const value = map.lookupElem(at);
  p.memory.free(at);
  return value === 0 ? undefined : p.memory.u32[value >>> 2];
}

describe.each([1, 2, 3, 4, 5, 16, 33, 256])('keys of %i bytes', (bytes) => {
  test('the longest match, while prefixes come and go', () => {
    let tables = 0;
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 400 }), (seed, rounds) => {
        const p = place();
        const before = p.memory.used;
        const map = p.make(spec('lpm_trie', 4 + bytes, 4, 1000, NO_PREALLOC));
        const model = new PrefixList(bytes);
        const random = generator(seed);
        for (let i = 0; i < rounds; i++) {
          const prefix = model.random(random);
          // More come than go at first, then more go than come.
          if (random(100) < (i * 2 < rounds ? 80 : 30)) {
            expect(map.update(prefixKey(prefix), u32(i))).toBe(0);
            model.set(prefix, i);
          } else {
            const gone = random(4) > 0 ? model.pick(random) : prefix;
            expect(map.delete(prefixKey(gone))).toBe(model.delete(gone) ? 0 : -2);
          }
          if (firstTable(p, map) !== 0) tables++;
          for (let n = 0; n < 3; n++) {
            const { data } = model.random(random);
            const bits = n > 0 ? bytes * 8 : random(bytes * 8 + 1);
            expect(valueOf(p, map, prefixKey({ bits, data }))).toBe(model.longest({ bits, data }));
          }
        }
        for (const prefix of model.prefixes()) expect(map.delete(prefixKey(prefix))).toBe(0);
        expect(firstTable(p, map)).toBe(0);
        map.destroy();
        expect(p.memory.used).toBe(before);
      }),
      { numRuns: 25 },
    );
    expect(tables).toBeGreaterThan(0);
  });
});

test('many long prefixes that share their beginnings: tables lie below tables', () => {
  const p = place();
  const map = p.make(spec('lpm_trie', 20, 4, 3000, NO_PREALLOC));
  const model = new PrefixList(16);
  const random = generator(7);
  for (let i = 0; i < 3000; i++) {
    const prefix = model.random(random);
    expect(map.update(prefixKey(prefix), u32(i))).toBe(0);
    model.set(prefix, i);
  }
  for (let i = 0; i < 2000; i++) {
    const { data } = model.random(random);
    expect(valueOf(p, map, prefixKey({ bits: 128, data }))).toBe(model.longest({ bits: 128, data }));
  }
  map.destroy();
});

test('a table costs at most 32 bytes for each prefix below its place, and grows with them', () => {
  const p = place();
  const map = p.make(spec('lpm_trie', 8, 4, 100_000, NO_PREALLOC));
  const random = generator(1);
  const data = () => Uint8Array.from({ length: 4 }, () => random(256));
  for (let i = 0; i < 15; i++) map.update(prefixKey({ bits: 32, data: data() }), u32(i));
  expect(firstTable(p, map)).toBe(0);
  for (let i = 0; i < 20_000; i++) map.update(prefixKey({ bits: 32, data: data() }), u32(i));
  expect(firstTable(p, map)).not.toBe(0);
  // Up to 32,768 x 2 rows of 32 bytes and values of 8, the first table, and few small ones.
  expect(p.memory.used).toBeLessThan(65_536 * 40 + 20_000 * 32 + 200_000);
});

test('where there is no memory for tables, lookups walk the trie', () => {
  const p = place(1, 1 << 20);
  const map = p.make(spec('lpm_trie', 8, 4, 10_000, NO_PREALLOC));
  const model = new PrefixList(4);
  const random = generator(3);
  const add = (i: number): number => {
    const prefix = model.random(random);
    const status = map.update(prefixKey(prefix), u32(i));
    if (status === 0) model.set(prefix, i);
    return status;
  };
  for (let i = 0; i < 20; i++) expect(add(i)).toBe(0);
  const at = p.put(new Uint8Array(8));
  while (p.memory.used < 980_000) p.memory.alloc(256);
  let status = 0;
  for (let i = 20; status === 0; i++) status = add(i);
  expect(status).toBe(-12);
  for (const prefix of model.prefixes().slice(0, 30)) {
    expect(map.delete(prefixKey(prefix))).toBe(0);
    model.delete(prefix);
  }
  for (let i = 0; i < 1000; i++) {
    const key = { bits: 32, data: model.random(random).data };
    p.memory.u8.set(prefixKey(key), at);
    const value = map.lookupElem(at);
    expect(value === 0 ? undefined : p.memory.u32[value >>> 2]).toBe(model.longest(key));
  }
});
