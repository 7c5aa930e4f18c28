// Maps as programs use them, against models in plain JavaScript.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { BpfMap } from '../../src/spec/map.ts';
import { place, type Place, spec, u32, u32At } from './support.ts';

type Step =
  | {
      readonly op: 'update';
      readonly key: number;
      readonly value: number;
      readonly flags: number;
      readonly cpu: number;
    }
  | { readonly op: 'lookup' | 'delete' | 'see'; readonly key: number };

const steps = (keys: number): fc.Arbitrary<Step[]> =>
  fc.array(
    fc.oneof(
      {
        weight: 3,
        arbitrary: fc.record({
          op: fc.constant('update' as const),
          key: fc.nat({ max: keys }),
          value: fc.nat(),
          flags: fc.constantFrom(0, 0, 0, 1, 2, 3),
          cpu: fc.nat({ max: 1 }),
        }),
      },
      fc.record({
        op: fc.constantFrom('lookup' as const, 'lookup' as const, 'delete' as const, 'see' as const),
        key: fc.nat({ max: keys }),
      }),
    ),
    { maxLength: 300 },
  );

/** Status of an update against a plain Map, which it changes. */
function modelUpdate(model: Map<number, number>, limit: number, key: number, value: number, flags: number): number {
  if (flags > 2) return -22;
  if (flags === 1 && model.has(key)) return -17;
  if (flags === 2 && !model.has(key)) return -2;
  if (!model.has(key) && model.size === limit) return -7;
  model.set(key, value);
  return 0;
}

const valueAt = (p: Place, address: number): number | undefined =>
  address === 0 ? undefined : p.memory.u32[address >>> 2];

function contents(map: BpfMap): Map<number, number> {
  const out = new Map<number, number>();
  for (let key = map.nextKey(undefined); typeof key !== 'number'; key = map.nextKey(key)) {
    expect(out.has(u32At(key))).toBe(false);
    out.set(u32At(key), u32At(map.lookup(key) as Uint8Array));
  }
  return out;
}

const sorted = (m: Map<number, number>): [number, number][] => [...m].sort(([a], [b]) => a - b);

test('hash', () => {
  fc.assert(
    fc.property(steps(60), fc.integer({ min: 1, max: 50 }), (list, limit) => {
      const p = place();
      const map = p.make(spec('hash', 4, 4, limit));
      const model = new Map<number, number>();
      const at = p.put(u32(0));
      const from = p.put(u32(0));
      for (const step of list) {
        p.memory.u32[at >>> 2] = step.key;
        if (step.op === 'update') {
          p.memory.u32[from >>> 2] = step.value;
          expect(map.updateElem(at, from, BigInt(step.flags))).toBe(
            modelUpdate(model, limit, step.key, step.value, step.flags),
          );
        } else if (step.op === 'delete') {
          expect(map.deleteElem(at)).toBe(model.delete(step.key) ? 0 : -2);
        } else {
          expect(valueAt(p, map.lookupElem(at))).toBe(model.get(step.key));
        }
      }
      expect(sorted(contents(map))).toEqual(sorted(model));
    }),
  );
});

test('array', () => {
  fc.assert(
    fc.property(steps(20), fc.integer({ min: 1, max: 15 }), (list, length) => {
      const p = place();
      const map = p.make(spec('array', 4, 4, length));
      const model = Array.from({ length }, () => 0);
      for (const step of list) {
        const at = p.put(u32(step.key));
        if (step.op === 'update') {
          const expected = step.flags > 2 ? -22 : step.key >= length ? -7 : step.flags === 1 ? -17 : 0;
          expect(map.updateElem(at, p.put(u32(step.value)), BigInt(step.flags))).toBe(expected);
          if (expected === 0) model[step.key] = step.value;
        } else if (step.op === 'delete') expect(map.deleteElem(at)).toBe(-22);
        else expect(valueAt(p, map.lookupElem(at))).toBe(model[step.key]);
        p.memory.free(at);
      }
      expect([...contents(map).values()]).toEqual(model);
    }),
  );
});

/** Newest first; the oldest goes, unless it was looked up since: then it goes to the front instead, once. */
class LruModel {
  readonly #limit: number;
  readonly entries: { key: number; value: number; referenced: boolean }[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }
  find(key: number): { key: number; value: number; referenced: boolean } | undefined {
    return this.entries.find((e) => e.key === key);
  }
  insert(key: number, value: number): number | undefined {
    let evicted: number | undefined;
    while (this.entries.length >= this.#limit) {
      const oldest = this.entries.pop();
      if (oldest === undefined) break;
      if (oldest.referenced) this.entries.unshift({ ...oldest, referenced: false });
      else evicted = oldest.key;
    }
    this.entries.unshift({ key, value, referenced: false });
    return evicted;
  }
  delete(key: number): boolean {
    const at = this.entries.findIndex((e) => e.key === key);
    if (at >= 0) this.entries.splice(at, 1);
    return at >= 0;
  }
}

describe.each([
  { flags: 0, name: 'one list' },
  { flags: 2, name: 'a list for each CPU' },
])('lru_hash, $name', ({ flags }) => {
  test('evicts as the model', () => {
    fc.assert(
      fc.property(steps(30), fc.integer({ min: 1, max: 12 }), (list, limit) => {
        const p = place(2);
        const map = p.make(spec('lru_hash', 4, 4, limit, flags));
        const models = flags === 0 ? [new LruModel(limit)] : [0, 1].map(() => new LruModel(Math.ceil(limit / 2)));
        const find = (key: number) => models.map((m) => m.find(key)).find((e) => e !== undefined);
        for (const step of list) {
          const at = p.put(u32(step.key));
          const entry = find(step.key);
          if (step.op === 'update') {
            p.cpu = step.cpu;
            const status = map.updateElem(at, p.put(u32(step.value)), BigInt(step.flags));
            if (step.flags === 3) expect(status).toBe(-22);
            else if (step.flags === 1 && entry !== undefined) expect(status).toBe(-17);
            else if (step.flags === 2 && entry === undefined) expect(status).toBe(-2);
            else {
              expect(status).toBe(0);
              if (entry === undefined) models[flags === 0 ? 0 : step.cpu].insert(step.key, step.value);
              else Object.assign(entry, { value: step.value, referenced: true });
            }
          } else if (step.op === 'delete') {
            expect(map.deleteElem(at)).toBe(models.some((m) => m.delete(step.key)) ? 0 : -2);
          } else if (step.op === 'see') {
            // The application looks: that does not count.
            const seen = map.lookup(u32(step.key));
            expect(typeof seen === 'number' ? undefined : u32At(seen)).toBe(entry?.value);
          } else {
            expect(valueAt(p, map.lookupElem(at))).toBe(entry?.value);
            if (entry !== undefined) entry.referenced = true;
          }
        }
        const all = models.flatMap((m) => m.entries).map((e) => [e.key, e.value] as [number, number]);
        expect(sorted(contents(map))).toEqual(sorted(new Map(all)));
      }),
    );
  });
});

test('lru_hash: what programs look up stays, what applications look up does not', () => {
  const p = place();
  const map = p.make(spec('lru_hash', 4, 4, 3));
  for (const n of [1, 2, 3]) map.update(u32(n), u32(n));
  map.lookupElem(p.put(u32(1)));
  map.lookup(u32(2));
  map.update(u32(4), u32(4));
  expect([...contents(map).keys()].sort()).toEqual([1, 3, 4]);
});

interface Prefix {
  readonly length: number;
  readonly data: number;
}
const prefixKey = ({ length, data }: Prefix): Uint8Array => Uint8Array.from([...u32(length), data >> 8, data & 0xff]);
const covers = (a: Prefix, b: Prefix): boolean =>
  a.length <= b.length && a.data >> (16 - a.length) === b.data >> (16 - a.length);

test('lpm_trie against brute force', () => {
  const prefix = fc.record({
    length: fc.oneof(fc.nat({ max: 17 }), fc.nat({ max: 4 })),
    data: fc.nat({ max: 0xffff }),
  });
  const step = fc.record({
    what: fc.constantFrom('put', 'put', 'remove', 'find'),
    prefix,
    flags: fc.constantFrom(0, 0, 1, 2),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), fc.integer({ min: 1, max: 30 }), (list, limit) => {
      const p = place();
      const map = p.make(spec('lpm_trie', 6, 4, limit, 1));
      let entries: (Prefix & { value: number })[] = [];
      list.forEach(({ what, prefix: asked, flags }, value) => {
        const key = p.put(prefixKey(asked));
        const present = entries.find((e) => e.length === asked.length && covers(e, asked));
        if (what === 'find') {
          const best = entries.filter((e) => covers(e, asked)).sort((a, b) => b.length - a.length)[0];
          expect(valueAt(p, map.lookupElem(key))).toBe(asked.length > 16 ? undefined : best?.value);
          return;
        }
        if (what === 'remove') {
          expect(map.deleteElem(key)).toBe(asked.length > 16 ? -22 : present === undefined ? -2 : 0);
          entries = entries.filter((e) => e !== present);
          return;
        }
        const expected =
          asked.length > 16
            ? -22
            : flags === 1 && present !== undefined
              ? -17
              : flags === 2 && present === undefined
                ? -2
                : present === undefined && entries.length === limit
                  ? -28
                  : 0;
        expect(map.updateElem(key, p.put(u32(value)), BigInt(flags))).toBe(expected);
        if (expected === 0) entries = [...entries.filter((e) => e !== present), { ...asked, value }];
      });
      const walked: Prefix[] = [];
      for (let key = map.nextKey(undefined); typeof key !== 'number'; key = map.nextKey(key)) {
        walked.push({ length: u32At(key), data: (key[4] << 8) | key[5] });
      }
      expect(walked.length).toBe(entries.length);
      // More specific before less specific.
      walked.forEach((a, i) => {
        for (const b of walked.slice(i + 1)) expect(covers(a, b)).toBe(false);
      });
    }),
  );
});

test.each(['queue', 'stack'] as const)('%s', (type) => {
  const step = fc.record({
    what: fc.constantFrom('push', 'push', 'pop', 'peek'),
    value: fc.nat(),
    flags: fc.constantFrom(0, 0, 1, 2, 3),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), fc.integer({ min: 1, max: 9 }), (list, limit) => {
      const p = place();
      const map = p.make(spec(type, 0, 4, limit));
      const model: number[] = [];
      const at = p.put(u32(0));
      for (const { what, value, flags } of list) {
        if (what === 'push') {
          p.memory.u32[at >>> 2] = value;
          const bad = flags === 1 || flags > 2;
          const full = model.length === limit;
          expect(map.pushElem?.(at, BigInt(flags))).toBe(bad ? -22 : full && flags !== 2 ? -7 : 0);
          if (bad || (full && flags !== 2)) continue;
          if (full) model.shift();
          model.push(value);
        } else {
          p.memory.u32[at >>> 2] = 1;
          const expected = type === 'queue' ? model[0] : model[model.length - 1];
          expect(what === 'pop' ? map.popElem?.(at) : map.peekElem?.(at)).toBe(expected === undefined ? -2 : 0);
          expect(p.memory.u32[at >>> 2]).toBe(expected ?? 0);
          if (what === 'pop') void (type === 'queue' ? model.shift() : model.pop());
        }
      }
    }),
  );
});

test('bloom_filter never forgets', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(), { maxLength: 100 }), fc.nat({ max: 15 }), (added, extra) => {
      const p = place();
      const map = p.make(spec('bloom_filter', 0, 4, 50, 0, { extra }));
      for (const value of added) expect(map.pushElem?.(p.put(u32(value)), 0n)).toBe(0);
      for (const value of added) expect(map.peekElem?.(p.put(u32(value)))).toBe(0);
    }),
    { numRuns: 40 },
  );
});

const filled = (type: 'hash' | 'array' | 'percpu_array' | 'lru_hash', count: number): [Place, BpfMap] => {
  const p = place();
  const map = p.make(spec(type, 4, 8, Math.max(count, 1)));
  for (let i = 0; i < count; i++) {
    p.cpu = 1;
    map.updateElem(p.put(u32(i)), p.put(u32(i * 10, 0)), 0n);
  }
  return [p, map];
};

describe('bpf_for_each_map_elem', () => {
  test.each(['hash', 'array', 'percpu_array', 'lru_hash'] as const)(
    '%s: every element once, key readable, value writable',
    (type) => {
      const [p, map] = filled(type, 50);
      const seen: number[] = [];
      const count = map.forEachElem?.((key, value) => {
        expect(p.memory.accessible(key, 4, false)).toBe(true);
        expect(p.memory.accessible(key, 1, true)).toBe(false);
        expect(p.memory.accessible(value, 8, true)).toBe(true);
        expect(p.memory.u32[value >>> 2]).toBe(p.memory.u32[key >>> 2] * 10);
        seen.push(p.memory.u32[key >>> 2]);
        return 0;
      });
      expect(count).toBe(50);
      expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, i) => i));
    },
  );

  test('1 stops it, and the element counts', () => {
    const [, map] = filled('array', 9);
    let calls = 0;
    expect(map.forEachElem?.(() => (++calls === 3 ? 1 : 0))).toBe(3);
    expect(calls).toBe(3);
  });

  test('the callback may delete the element it has', () => {
    const [, map] = filled('hash', 200);
    expect(map.forEachElem?.((key) => map.deleteElem(key))).toBe(200);
    expect(map.nextKey(undefined)).toBe(-2);
  });

  test('walks of one array inside each other keep their keys apart', () => {
    const [p, map] = filled('array', 3);
    const pairs: string[] = [];
    map.forEachElem?.((outer) => {
      map.forEachElem?.((inner) => {
        pairs.push(`${p.memory.u32[outer >>> 2]}${p.memory.u32[inner >>> 2]}`);
        return 0;
      });
      return 0;
    });
    expect(pairs).toEqual(['00', '01', '02', '10', '11', '12', '20', '21', '22']);
  });
});
