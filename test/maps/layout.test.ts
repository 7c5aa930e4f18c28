// The layouts as src/maps documents them, walked with nothing but loads: what generated code will do instead of a call.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DESCRIPTOR } from '../../src/spec/map-layout.ts';
import { hashBytes } from '../../src/maps/words.ts';
import type { BpfMap } from '../../src/spec/map.ts';
import type { Address } from '../../src/spec/memory.ts';
import { place, type Place, spec, u32 } from './support.ts';

function walkHash(p: Place, map: BpfMap, key: Address): Address {
  const load = (address: Address): number => p.memory.u32[address >>> 2];
  const d = (name: keyof typeof DESCRIPTOR): number => load(map.handle + DESCRIPTOR[name]);
  const h = hashBytes(p.memory, key, d('KEY_SIZE'), d('SEED'));
  let e = load(d('DATA') + 4 * ((h & d('MASK')) >>> 0));
  while (e !== 0) {
    const same = p.at(e + d('KEY_OFFSET'), d('KEY_SIZE')).every((byte, i) => byte === p.memory.u8[key + i]);
    if (load(e + 4) === h && same) return load(e + 8) + (d('CPUS') > 1 ? p.cpu * d('STRIDE') : 0);
    e = load(e);
  }
  return 0;
}

function walkArray(p: Place, map: BpfMap, key: Address): Address {
  const d = (name: keyof typeof DESCRIPTOR): number => p.memory.u32[(map.handle + DESCRIPTOR[name]) >>> 2];
  const index = p.memory.u32[key >>> 2];
  if (index >= d('MAX_ENTRIES')) return 0;
  return d('DATA') + index * d('CPUS') * d('STRIDE') + (d('CPUS') > 1 ? p.cpu * d('STRIDE') : 0);
}

const prefixBytes = ({ length, data }: { length: number; data: number }): Uint8Array =>
  Uint8Array.from([...u32(length), data >> 8, data & 0xff]);

function walkTrie(p: Place, map: BpfMap, key: Address): Address {
  const load = (address: Address): number => p.memory.u32[address >>> 2];
  const bit = (data: Address, i: number): number => (p.memory.u8[data + (i >> 3)] >> (7 - (i & 7))) & 1;
  const length = load(key);
  let found = 0;
  let node = load(map.handle + DESCRIPTOR.DATA);
  while (node !== 0) {
    const prefix = load(node + 24);
    if (prefix > length) break;
    let equal = true;
    for (let i = 0; i < prefix; i++) equal &&= bit(node + 28, i) === bit(key + 4, i);
    if (!equal) break;
    if (load(node + 4) === 0) found = load(node + 8);
    if (prefix === length) break;
    node = load(node + 16 + 4 * bit(key + 4, prefix));
  }
  return found;
}

const hashSpecs = [
  spec('hash', 4, 8, 300),
  spec('hash', 7, 3, 300),
  spec('percpu_hash', 12, 6, 300),
  spec('lru_hash', 4, 8, 100),
  spec('lru_percpu_hash', 16, 4, 100),
];

describe.each(hashSpecs)('$type with keys of $keySize bytes', (s) => {
  test('lookups by loads alone agree', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat({ max: 400 }), { minLength: 1, maxLength: 400 }),
        fc.constantFrom(0, 1),
        (numbers, cpu) => {
          const p = place(2);
          p.cpu = cpu;
          const map = p.make(s);
          const at = p.put(new Uint8Array(s.keySize));
          const value = p.put(new Uint8Array(s.valueSize).fill(1));
          for (const n of numbers) {
            p.memory.u8.fill(n & 0xff, at, at + s.keySize);
            p.memory.view.setUint16(at, n, true);
            if (n % 5 === 0) map.deleteElem(at);
            else map.updateElem(at, value, 0n);
          }
          for (let n = 0; n <= 400; n++) {
            p.memory.u8.fill(n & 0xff, at, at + s.keySize);
            p.memory.view.setUint16(at, n, true);
            expect(walkHash(p, map, at)).toBe(map.lookupElem(at));
          }
        },
      ),
      { numRuns: 8 },
    );
  });
});

test.each([spec('array', 4, 12, 9), spec('percpu_array', 4, 12, 9)])(
  '$type: elements are where the layout says',
  (s) => {
    const p = place(3);
    p.cpu = 2;
    const map = p.make(s);
    for (let index = 0; index < 12; index++) {
      const key = p.put(u32(index));
      expect(walkArray(p, map, key)).toBe(map.lookupElem(key));
    }
  },
);

test('lpm_trie: lookups by loads alone agree', () => {
  const prefix = fc.record({ length: fc.nat({ max: 16 }), data: fc.nat({ max: 0xffff }) });
  fc.assert(
    fc.property(
      fc.array(prefix, { maxLength: 40 }),
      fc.array(prefix, { minLength: 5, maxLength: 30 }),
      (puts, asks) => {
        const p = place();
        const map = p.make(spec('lpm_trie', 6, 4, 64, 1));
        for (const one of puts) map.update(prefixBytes(one), u32(one.length));
        for (const one of asks) {
          const key = p.put(prefixBytes(one));
          expect(walkTrie(p, map, key)).toBe(map.lookupElem(key));
        }
      },
    ),
  );
});

test('the hash depends on the bytes alone, not on where they are', () => {
  const p = place();
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 41 }), fc.nat(), (bytes, seed) => {
      const block = p.put(new Uint8Array(64));
      const hashes = [0, 1, 2, 3].map((offset) => {
        p.memory.u8.fill(0xee, block, block + 64);
        p.memory.u8.set(bytes, block + offset);
        return hashBytes(p.memory, block + offset, bytes.length, seed);
      });
      expect(new Set(hashes).size).toBe(1);
      p.memory.free(block);
    }),
  );
});

test('the hash spreads: 65,536 counting keys fill 4,096 buckets evenly', () => {
  const p = place();
  const key = p.put(new Uint8Array(8));
  const buckets = new Uint32Array(4096);
  for (let i = 0; i < 65_536; i++) {
    p.memory.u32[key >>> 2] = i;
    buckets[hashBytes(p.memory, key, 8, 12_345) & 4095]++;
  }
  // 16 on average; a Poisson bucket above 40 or below 2 has a chance under 1 in 10^6.
  expect(Math.max(...buckets)).toBeLessThan(40);
  expect(Math.min(...buckets)).toBeGreaterThan(1);
});
