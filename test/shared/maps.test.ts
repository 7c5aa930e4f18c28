// Two threads on the same maps, on every engine: nothing is lost, counted twice or torn.
import { afterAll, describe, expect, test } from 'vitest';
import { toHex } from '../../src/base/bytes.ts';
import { ENGINES } from '../../src/run/engines.ts';
import type { LoadedMap } from '../../src/run/map.ts';
import type { LoadedObject } from '../../src/run/object.ts';
import type { EngineChoice } from '../../src/spec/backend.ts';
import type { RingBufferMap } from '../../src/spec/map.ts';
import type { MapSpec } from '../../src/spec/object.ts';
import { loadText, mapSpec } from '../run/support.ts';
import { runThreads, stopThreads } from './threads.ts';

const COUNTS: { readonly [E in EngineChoice]: number } = {
  auto: 4000,
  reference: 600,
  interpret: 15_000,
  compile: 15_000,
};
/** Few keys, so that threads meet at them. */
const KEYS = 32;
const FACTOR = 0x9e3779b1;
/** How often a run does what would get lost if two threads did it at the same time. */
const ROUNDS = 60;
const engines = Object.entries(COUNTS) as [EngineChoice, number][];

/** r6: the packet, r7: its number, r8: its thread. `key` puts r7 where r2 then points. */
const program = (body: string): string => `
r6 = *(u32 *)(r1 + 0)
r7 = *(u32 *)(r6 + 0)
r8 = *(u32 *)(r6 + 4)
w9 = -1
r0 = 0
if r7 == r9 goto out
${body}
out:
exit`;
const KEY = `*(u32 *)(r10 - 8) = r7
r2 = r10
r2 += -8`;

const LOOKUP_FIRST = `*(u32 *)(r10 - 8) = 0
r1 = map[counters] ll
r2 = r10
r2 += -8
call bpf_map_lookup_elem
if r0 == 0 goto out
`;

const INSERT = (flags: number): string => `${KEY}
*(u32 *)(r10 - 16) = r7
*(u32 *)(r10 - 12) = r7
r1 = map[table] ll
r3 = r10
r3 += -16
r4 = ${flags}
call bpf_map_update_elem`;

function load(body: string, maps: readonly MapSpec[]): LoadedObject {
  const options = { shared: true, memoryLimit: 2 ** 26 };
  const object = loadText('xdp', program(body), { maps, host: { cpus: 3 }, options });
  expect(object.diagnostics).toEqual([]);
  return object;
}

const u32 = (bytes: Uint8Array, at = 0): number => new DataView(bytes.buffer, bytes.byteOffset).getUint32(at, true);
const u64 = (bytes: Uint8Array, at = 0): bigint => new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(at, true);
const sum = (copies: readonly Uint8Array[] | undefined): bigint =>
  (copies ?? []).map((bytes) => u64(bytes)).reduce((a, b) => a + b, 0n);
const NOTHING = new Uint8Array(0);
const range = (length: number): number[] => Array.from({ length }, (_, i) => i);
const sorted = (numbers: Iterable<number>): number[] => [...numbers].sort((a, b) => a - b);

/** What holds of a map whatever was done to it: iteration gives each key once, and a lookup of it the same value. */
function entriesOf(map: LoadedMap): Map<number, Uint8Array> {
  const entries = new Map<number, Uint8Array>();
  const twice: number[] = [];
  const others: number[] = [];
  for (const [key, value] of map.entries()) {
    if (entries.has(u32(key))) twice.push(u32(key));
    entries.set(u32(key), value);
    if (toHex(map.get(key) ?? NOTHING) !== toHex(value)) others.push(u32(key));
  }
  expect({ twice, others }).toEqual({ twice: [], others: [] });
  return entries;
}

afterAll(stopThreads);

test('there is a count for every engine', () => {
  expect(Object.keys(COUNTS).sort()).toEqual([...Object.keys(ENGINES), 'auto'].sort());
});

describe.each(engines)('%s', (engine, count) => {
  test.each([
    { name: 'checked', trusted: false },
    { name: 'trusted', trusted: true },
    { name: 'in batches', trusted: true, batch: true },
  ])('atomic operations on shared counters are exact, $name', async ({ trusted, batch }) => {
    using object = load(
      `${LOOKUP_FIRST}r9 = r0
r8 = ${ROUNDS}
round:
r1 = 1
lock *(u32 *)(r9 + 8) += r1
r1 = 2
lock *(u64 *)(r9 + 16) += r1
r1 = 1
w2 = w7
w2 &= 63
r1 <<= r2
lock *(u64 *)(r9 + 24) |= r1
lock *(u64 *)(r9 + 32) ^= r1
again:
r0 = *(u64 *)(r9 + 40)
r2 = r0
r2 += 3
r0 = cmpxchg_64(r9 + 40, r0, r2)
r2 += -3
if r0 != r2 goto again
r8 += -1
if r8 != 0 goto round
r0 = 1
r0 = atomic_fetch_add((u64 *)(r9 + 0), r0)`,
      [mapSpec('counters', 'array', { valueSize: 48, maxEntries: 1 })],
    );
    const tickets = await runThreads(object, { engine, trusted, count, batch });
    expect(sorted(tickets.flat())).toEqual(range(2 * count));
    const value = object.map('counters').get(0) as Uint8Array;
    expect(u64(value)).toBe(BigInt(2 * count));
    expect(u32(value, 8)).toBe(2 * count * ROUNDS);
    expect(u64(value, 16)).toBe(BigInt(4 * count * ROUNDS));
    expect(u64(value, 24)).toBe(2n ** 64n - 1n);
    // Both threads flip the same bits.
    expect(u64(value, 32)).toBe(0n);
    expect(u64(value, 40)).toBe(BigInt(6 * count * ROUNDS));
  });

  test('a released store is seen with what was stored before it', async () => {
    // Thread 0 writes a number and releases it; thread 1 acquires it and must find the number at least as new.
    using object = load(
      `${LOOKUP_FIRST}r9 = r0
if r8 != 0 goto reader
*(u64 *)(r9 + 8) = r7
store_release((u64 *)(r9 + 0), r7)
r0 = 0
goto out
reader:
r1 = load_acquire((u64 *)(r9 + 0))
r2 = *(u64 *)(r9 + 8)
r0 = 0
if r2 >= r1 goto out
r0 = 1`,
      [mapSpec('counters', 'array', { valueSize: 16, maxEntries: 1 })],
    );
    const results = await runThreads(object, { engine, count, trusted: true });
    expect(results.flat().filter((result) => result !== 0)).toEqual([]);
  });

  test.each(['percpu_array', 'percpu_hash', 'lru_percpu_hash'] as const)(
    '%s: each thread has its own copy',
    async (type) => {
      using object = load(`${LOOKUP_FIRST}r1 = *(u64 *)(r0 + 0)\nr1 += 1\n*(u64 *)(r0 + 0) = r1`, [
        mapSpec('counters', type, { valueSize: 8, maxEntries: 1 }),
      ]);
      const map = object.map('counters');
      if (type !== 'percpu_array') map.set(0, 0);
      await runThreads(object, { engine, count });
      expect(sum(map.getPerCpu(0))).toBe(BigInt(2 * count));
      expect(sorted(map.getPerCpu(0)?.map((bytes) => Number(u64(bytes))) ?? [])).toEqual([0, count, count]);
    },
  );

  test('a spin lock is held by one thread at a time', async () => {
    using object = load(
      `${LOOKUP_FIRST}r9 = r0
r1 = r9
call bpf_spin_lock
r2 = ${ROUNDS}
again:
r1 = *(u64 *)(r9 + 8)
r1 += 1
*(u64 *)(r9 + 8) = r1
r2 += -1
if r2 != 0 goto again
r1 = r9
call bpf_spin_unlock
r0 = 0`,
      [
        mapSpec('counters', 'array', {
          valueSize: 16,
          maxEntries: 1,
          special: [{ kind: 'spin_lock', offset: 0, size: 4 }],
        }),
      ],
    );
    await runThreads(object, { engine, count });
    expect(u64(object.map('counters').get(0) as Uint8Array, 8)).toBe(BigInt(2 * count * ROUNDS));
  });

  test.each(['hash', 'percpu_hash', 'lru_hash', 'lru_percpu_hash'] as const)(
    '%s: of two threads that insert the same keys one is first',
    async (type) => {
      using object = load(INSERT(1), [mapSpec('table', type, { valueSize: 8, maxEntries: count })]);
      const [a, b] = await runThreads(object, { engine, count });
      expect(a.map((result, i) => (result | 0) + (b[i] | 0)).filter((both) => both !== -17)).toEqual([]);
      expect(sorted(entriesOf(object.map('table')).keys())).toEqual(range(count));
    },
  );

  test.each(['hash', 'percpu_hash', 'lru_hash', 'lru_percpu_hash'] as const)(
    '%s: an element is there if and only if it was inserted once more than deleted',
    async (type) => {
      using object = load(
        `w9 = w7
w9 *= ${FACTOR | 0}
w9 += w8
w9 *= ${FACTOR | 0}
w9 >>= 16
r7 = r9
w7 &= ${KEYS - 1}
w9 &= ${KEYS}
if r9 == 0 goto remove
${INSERT(1)}
goto out
remove:
${KEY}
r1 = map[table] ll
call bpf_map_delete_elem`,
        [mapSpec('table', type, { valueSize: 8, maxEntries: KEYS })],
      );
      const results = await runThreads(object, { engine, count });
      const balance = new Array<number>(KEYS).fill(0);
      results.forEach((thread, t) => {
        thread.forEach((result, number) => {
          const bits = Math.imul(Math.imul(number, FACTOR) + t, FACTOR) >>> 16;
          if (result === 0) balance[bits & (KEYS - 1)] += (bits & KEYS) === 0 ? -1 : 1;
        });
      });
      const entries = entriesOf(object.map('table'));
      expect(balance).toEqual(range(KEYS).map((key) => (entries.has(key) ? 1 : 0)));
    },
  );

  test('hash: elements come and go, and what is found is whole', async () => {
    // Key = number mod 61: insert, look up (the value must be the key's, twice), delete.
    using object = load(
      `r7 %= 61
${INSERT(0)}
${KEY}
r1 = map[table] ll
call bpf_map_lookup_elem
if r0 == 0 goto gone
r1 = *(u32 *)(r0 + 0)
r2 = *(u32 *)(r0 + 4)
if r1 == r2 goto whole
r0 = 2
goto out
whole:
if r1 >= 61 goto out
gone:
${KEY}
r1 = map[table] ll
call bpf_map_delete_elem
r0 = 0`,
      [mapSpec('table', 'hash', { valueSize: 8, maxEntries: 61 })],
    );
    const results = await runThreads(object, { engine, count });
    // A value that is read while it is written may be torn, as in the kernel; addresses and tables never are.
    expect(results.flat().filter((result) => result > 2)).toEqual([]);
    const entries = entriesOf(object.map('table'));
    for (const [key, value] of entries) expect([u32(value), u32(value, 4)]).toEqual([key, key]);
    // All places are still there.
    const map = object.map('table');
    for (const key of range(61)) map.set(key, 0);
    expect(entriesOf(map).size).toBe(61);
    expect(() => map.set(61, 0)).toThrow('E2BIG');
  });

  test('lpm_trie: prefixes come and go, and what is there is found', async () => {
    // Each packet's own prefix of 32 bits: inserted, looked up, and deleted where the packet's number is odd.
    using object = load(
      `r9 = r7
r7 <<= 1
r7 += r8
w1 = 32
*(u32 *)(r10 - 24) = r1
*(u32 *)(r10 - 20) = r7
*(u64 *)(r10 - 16) = r7
r1 = map[routes] ll
r2 = r10
r2 += -24
r3 = r10
r3 += -16
r4 = 0
call bpf_map_update_elem
if r0 != 0 goto out
r1 = map[routes] ll
r2 = r10
r2 += -24
call bpf_map_lookup_elem
r1 = r0
r0 = 2
if r1 == 0 goto out
r2 = *(u64 *)(r1 + 0)
if r2 != r7 goto out
r9 &= 1
r0 = 0
if r9 == 0 goto out
r1 = map[routes] ll
r2 = r10
r2 += -24
call bpf_map_delete_elem`,
      [mapSpec('routes', 'lpm_trie', { keySize: 8, valueSize: 8, maxEntries: 2 * count, flags: 1 })],
    );
    const results = await runThreads(object, { engine, count });
    expect(results.flat().filter((result) => result !== 0)).toEqual([]);
    const keys = [...object.map('routes').keys()].map((key) => u32(key, 4));
    expect(sorted(keys)).toEqual(range(2 * count).filter((key) => (key >> 1) % 2 === 0));
  });

  test('lru_hash: both threads evict', async () => {
    using object = load(`if r8 == 0 goto insert\nr7 += 1000000\ninsert:\n${INSERT(0)}`, [
      mapSpec('table', 'lru_hash', { valueSize: 8, maxEntries: 100 }),
    ]);
    const results = await runThreads(object, { engine, count });
    expect(results.flat().filter((result) => result !== 0)).toEqual([]);
    const entries = entriesOf(object.map('table'));
    expect(entries.size).toBe(100);
    for (const [key, value] of entries) expect(u32(value)).toBe(key);
  });

  test('a thread may access what another has inserted into a map that grows', async () => {
    // Keys of both threads in turn; each looks up the key that the other has just inserted, and adds to its value.
    using object = load(
      `r9 = r7
r7 <<= 1
r7 += r8
${INSERT(0)}
r7 = r9
if r7 == 0 goto out
r7 += -1
r7 <<= 1
r1 = 1
r1 -= r8
r7 += r1
${KEY}
r1 = map[table] ll
call bpf_map_lookup_elem
if r0 == 0 goto out
r1 = 1
lock *(u32 *)(r0 + 4) += r1
r0 = 1`,
      [mapSpec('table', 'hash', { valueSize: 8, maxEntries: 2 * count })],
    );
    const found = (await runThreads(object, { engine, count })).flat();
    const entries = entriesOf(object.map('table'));
    expect(sorted(entries.keys())).toEqual(range(2 * count));
    const added = [...entries].reduce((total, [key, value]) => total + u32(value, 4) - key, 0);
    expect(added).toBe(found.filter((result) => result === 1).length);
  });

  test.each(['queue', 'stack'] as const)('%s: each value comes out once', async (type) => {
    using object = load(
      `*(u32 *)(r10 - 8) = r7
*(u32 *)(r10 - 4) = r8
r1 = map[values] ll
r2 = r10
r2 += -8
r3 = 0
call bpf_map_push_elem
if r0 != 0 goto out
w1 = w7
w1 &= 1
if w1 == 0 goto out
r1 = map[values] ll
r2 = r10
r2 += -16
call bpf_map_pop_elem
r0 = *(u32 *)(r10 - 16)
r1 = *(u32 *)(r10 - 12)
r0 <<= 1
r0 += r1
r0 += 1`,
      [mapSpec('values', type, { keySize: 0, valueSize: 8, maxEntries: 2 * count })],
    );
    const out = (await runThreads(object, { engine, count })).flat().filter((result) => result > 0);
    const rest: number[] = [];
    for (let value = object.map('values').take(new Uint8Array(0)); value !== undefined; ) {
      rest.push(u32(value) * 2 + u32(value, 4));
      value = object.map('values').take(new Uint8Array(0));
    }
    expect(sorted([...out.map((result) => result - 1), ...rest])).toEqual(range(2 * count));
  });

  test('ring buffer: each record arrives once, in the order of its thread', async () => {
    using object = load(
      `r1 = map[ring] ll
r2 = 8
r3 = 0
call bpf_ringbuf_reserve
r1 = r0
r0 = 1
if r1 == 0 goto out
*(u32 *)(r1 + 0) = r7
*(u32 *)(r1 + 4) = r8
r2 = 0
call bpf_ringbuf_submit
r0 = 0`,
      [mapSpec('ring', 'ringbuf', { keySize: 0, valueSize: 0, maxEntries: 8192 })],
    );
    const ring = object.map('ring').raw as RingBufferMap;
    const records: [number, number][] = [];
    let done = false;
    const consume = (): void => {
      ring.consume((record) => records.push([u32(record, 4), u32(record)]));
      if (!done) setImmediate(consume);
    };
    consume();
    const results = await runThreads(object, { engine, count });
    done = true;
    ring.consume((record) => records.push([u32(record, 4), u32(record)]));
    for (const thread of [0, 1]) {
      const sent = range(count).filter((i) => results[thread][i] === 0);
      expect(records.filter(([from]) => from === thread).map(([, number]) => number)).toEqual(sent);
    }
    expect(records.length).toBeGreaterThan(400);
  });
});
