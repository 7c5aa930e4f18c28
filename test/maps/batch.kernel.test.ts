// Batches: the kernel's and ours give the same status, count and elements.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { deleteBatch, lookupAndDeleteBatch, lookupBatch, updateBatch } from '../../src/maps/batch.ts';
import type { MapTypeName } from '../../src/spec/map-types.ts';
import { close, mapCreate, mapDeleteBatch, mapLookupBatch, mapUpdateBatch, possibleCpus } from '../support/bpf.ts';
import { requireCapability } from '../support/capability.ts';
import { place, spec, TYPICAL, u32 } from './support.ts';

const OFFERING: readonly MapTypeName[] = [
  'hash',
  'percpu_hash',
  'lru_hash',
  'lru_percpu_hash',
  'array',
  'percpu_array',
  'lpm_trie',
];
/** The kernel's LRU evicts before it is full, and arrays are small enough to run past their end. */
const specOf = (type: MapTypeName) => (type.startsWith('lru') ? spec(type, 4, 8, 4096) : TYPICAL[type]);

const parts = (bytes: Uint8Array, size: number): string[] =>
  Array.from({ length: size === 0 ? 0 : bytes.length / size }, (_, i) =>
    String(bytes.subarray(i * size, (i + 1) * size)),
  );

describe.skipIf(requireCapability('kernel-bpf') !== undefined)('batches, against the kernel', () => {
  const cpus = possibleCpus();

  test.each(OFFERING)('%s', (type) => {
    const s = specOf(type);
    const hashed = type.includes('hash');
    const keyOf = (n: number): Uint8Array => (type === 'lpm_trie' ? u32(16 + (n % 16), n) : u32(n));
    const command = fc.record({
      what: fc.constantFrom('update', 'update', 'delete', 'lookup', 'lookup', 'take'),
      keys: fc.array(fc.nat({ max: 9 }), { maxLength: 6 }),
      flags: fc.oneof({ weight: 9, arbitrary: fc.constant(0) }, fc.constantFrom(1, 2, 4, 9)),
      seed: fc.nat({ max: 255 }),
    });
    fc.assert(
      fc.property(
        fc.array(command, { minLength: 3, maxLength: 15 }),
        fc.constantFrom(0, 0, 0, 8, 16),
        (commands, access) => {
          const limited = { ...s, flags: s.flags | access };
          const fd = mapCreate(limited);
          const map = place(cpus).make(limited);
          const { keySize } = s;
          const valueSize = map.userValueSize;
          for (const [step, { what, keys, flags, seed }] of commands.entries()) {
            const bytes = new Uint8Array(keySize * keys.length);
            keys.forEach((n, i) => bytes.set(keyOf(n), i * keySize));
            const values = new Uint8Array(valueSize * keys.length).fill(seed);
            const note = `step ${step}: ${what}`;
            if (what === 'update' || what === 'delete') {
              const ours =
                what === 'update'
                  ? updateBatch(map, bytes, values, keys.length, flags)
                  : deleteBatch(map, bytes, keys.length, flags);
              const theirs =
                what === 'update'
                  ? mapUpdateBatch(fd, bytes, values, keys.length, flags)
                  : mapDeleteBatch(fd, bytes, keys.length, flags);
              expect([ours.status, ours.count], note).toEqual([theirs.status, theirs.count]);
            } else {
              const remove = what === 'take';
              // Hash tables: all at once, because the kernel stops at buckets.
              const count = hashed ? 100 : keys.length;
              const ours = (remove ? lookupAndDeleteBatch : lookupBatch)(map, count, undefined, flags);
              const theirs = mapLookupBatch(fd, { keySize, valueSize, count, flags, remove });
              expect([ours.status, ours.count], note).toEqual([theirs.status, theirs.count]);
              if (theirs.status !== 0 && theirs.status !== -2) continue;
              const pairs = (r: { keys: Uint8Array; values: Uint8Array }) => {
                const v = parts(r.values, valueSize);
                const all = parts(r.keys, keySize).map((k, i) => `${k}=${v[i]}`);
                return hashed ? all.sort() : all;
              };
              expect(pairs(ours), note).toEqual(pairs(theirs));
              if (!hashed && ours.count > 0) expect(ours.token, note).toEqual(theirs.cursor);
            }
          }
          close(fd);
        },
      ),
      { numRuns: 60 },
    );
  });

  test.each((Object.keys(TYPICAL) as MapTypeName[]).filter((type) => !/storage$|_of_maps$/.test(type)))(
    'what is offered: %s',
    (type) => {
      const s = TYPICAL[type];
      const fd = mapCreate(s);
      const map = place(cpus).make(s);
      const { keySize } = s;
      const valueSize = map.userValueSize;
      const key = new Uint8Array(keySize);
      const value = new Uint8Array(valueSize);
      expect(lookupBatch(map, 0).status).toBe(mapLookupBatch(fd, { keySize, valueSize, count: 0 }).status);
      expect(lookupAndDeleteBatch(map, 0).status).toBe(
        mapLookupBatch(fd, { keySize, valueSize, count: 0, remove: true }).status,
      );
      expect(updateBatch(map, key, value, 0).status).toBe(mapUpdateBatch(fd, key, value, 0).status);
      expect(deleteBatch(map, key, 0).status).toBe(mapDeleteBatch(fd, key, 0).status);
      close(fd);
    },
  );
});

test('a token goes on where the batch before ended, though elements come and go', () => {
  const map = place().make(spec('hash', 4, 4, 1000));
  for (let i = 0; i < 500; i++) map.update(u32(i), u32(i));
  const seen = new Set<string>();
  let token: Uint8Array | undefined;
  for (let round = 0; ; round++) {
    const batch = lookupBatch(map, 37, token);
    for (const key of parts(batch.keys, 4)) {
      expect(seen.has(key)).toBe(false);
      seen.add(key);
    }
    if (batch.status !== 0) {
      expect(batch.status).toBe(-2);
      break;
    }
    token = batch.token;
    // The last key read goes, and new ones make the table grow.
    map.delete(batch.keys.slice(-4));
    for (let i = 0; i < 20; i++) map.update(u32(10_000 + round * 20 + i), u32(0));
  }
  expect(seen.size).toBeGreaterThanOrEqual(500);
});

test('a token of another size, and too few bytes, are refused', () => {
  const map = place().make(TYPICAL.hash);
  expect(lookupBatch(map, 3, new Uint8Array(3)).status).toBe(-22);
  expect(updateBatch(map, new Uint8Array(4), new Uint8Array(8), 2).status).toBe(-14);
});
