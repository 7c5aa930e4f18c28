// What is declared but not used costs next to nothing.
import { expect, test } from 'vitest';
import { place, spec, u32 } from './support.ts';

const MB = 1 << 20;

test('an array of 33,554,944 elements of which ten are used costs less than 10 MB', () => {
  const p = place();
  const before = process.memoryUsage().rss;
  const map = p.make(spec('array', 4, 4, 33_554_944));
  for (let i = 0; i < 10; i++) expect(map.update(u32(i * 3_355_494), u32(i + 1))).toBe(0);
  for (let i = 0; i < 10; i++) expect(map.lookup(u32(i * 3_355_494))).toEqual(u32(i + 1));
  expect(map.lookup(u32(33_554_943))).toEqual(u32(0));
  expect(map.lookup(u32(33_554_944))).toBe(-2);
  expect(process.memoryUsage().rss - before).toBeLessThan(10 * MB);
  expect(p.memory.used).toBeGreaterThan(256 * MB);
});

test('106 LRU maps of 524,288 entries fit, and grow with what is in them', () => {
  const p = place();
  const maps = Array.from({ length: 106 }, () => p.make(spec('lru_hash', 40, 56, 524_288)));
  for (const map of maps) {
    const key = new Uint8Array(40);
    map.update(key, new Uint8Array(56));
  }
  expect(p.memory.used).toBeLessThan(1 * MB);
  const key = new Uint8Array(40);
  for (let i = 0; i < 10_000; i++) {
    key.set(u32(i));
    expect(maps[0].update(key, new Uint8Array(56))).toBe(0);
  }
  expect(p.memory.used).toBeLessThan(5 * MB);
});

test('updates answer -ENOMEM where the memory is full, and the map goes on with what it has', () => {
  const p = place(2, 4 * MB);
  const map = p.make(spec('hash', 4, 1000, 1 << 20));
  let status = 0;
  let count = 0;
  for (; status === 0; count++) status = map.update(u32(count), new Uint8Array(1000).fill(count));
  expect(status).toBe(-12);
  expect(count).toBeGreaterThan(3000);
  expect(map.lookup(u32(0))).toEqual(new Uint8Array(1000));
  expect(map.delete(u32(0))).toBe(0);
  expect(map.update(u32(0), new Uint8Array(1000))).toBe(0);
  expect(map.update(u32(1_000_000), new Uint8Array(1000))).toBe(-12);
});
