import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { PerfEventArrayMap, RingBufferMap, StackTraceMap, UserRingBufferMap } from '../../src/spec/map.ts';
import { DESCRIPTOR } from '../../src/spec/map-layout.ts';
import { place, type Place, spec, TYPICAL, u32 } from './support.ts';

const ring = (size = 4096): [Place, RingBufferMap] => {
  const p = place();
  return [p, p.make(spec('ringbuf', 0, 0, size)) as RingBufferMap];
};
const recordBytes = (size: number): number => Math.ceil((size + 8) / 8) * 8;
const drained = (map: RingBufferMap): string[] => {
  const out: string[] = [];
  map.consume((record) => out.push(String(record)));
  return out;
};

describe('ringbuf', () => {
  test('against a model: order, room, discards, records that run over the end', () => {
    const step = fc.record({
      what: fc.constantFrom('reserve', 'reserve', 'submit', 'discard', 'output', 'consume', 'take'),
      size: fc.oneof(fc.nat({ max: 100 }), fc.nat({ max: 3000 }), fc.constantFrom(4080, 4088, 4089)),
      which: fc.nat({ max: 9 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 150 }), (list) => {
        const [p, map] = ring();
        type Entry = { size: number; sample: number; state: 'busy' | 'done' | 'dropped'; seed: number };
        /** Records not consumed yet. */
        let model: Entry[] = [];
        const used = (): number => model.reduce((sum, e) => sum + recordBytes(e.size), 0);
        let seed = 0;
        for (const { what, size, which } of list) {
          seed++;
          const busy = model.filter((e) => e.state === 'busy');
          if (what === 'reserve' || what === 'output') {
            const data = new Uint8Array(size).fill(seed);
            const fits = used() + recordBytes(size) <= 4095;
            if (what === 'output') {
              const from = p.put(data);
              expect(map.output(from, size, 0n)).toBe(fits ? 0 : -11);
              p.memory.free(from);
              if (fits) model.push({ size, sample: 0, state: 'done', seed });
              continue;
            }
            const sample = map.reserve(size, 0n);
            expect(sample !== 0).toBe(fits);
            if (sample === 0) continue;
            expect(sample % 8).toBe(0);
            if (size > 0) expect(p.memory.accessible(sample, size, true)).toBe(true);
            expect(p.memory.accessible(sample, size + 1, true)).toBe(false);
            // The second word of a record's header names its ring.
            expect(p.memory.u32[(sample - 4) >>> 2]).toBe(map.handle);
            p.memory.u8.set(data, sample);
            model.push({ size, sample, state: 'busy', seed });
          } else if (what === 'take') {
            // So many complete records, and what was discarded before them.
            let left = which + 1;
            let count = 0;
            for (; count < model.length && left > 0 && model[count].state !== 'busy'; count++)
              if (model[count].state === 'done') left--;
            const taken = model.splice(0, count);
            const expected = taken
              .filter((e) => e.state === 'done')
              .map((e) => String(new Uint8Array(e.size).fill(e.seed)));
            expect(map.takeAll(which + 1).map(String)).toEqual(expected);
          } else if (what === 'consume') {
            const end = model.findIndex((e) => e.state === 'busy');
            const ready = end < 0 ? model : model.slice(0, end);
            model = end < 0 ? [] : model.slice(end);
            const expected = ready
              .filter((e) => e.state === 'done')
              .map((e) => String(new Uint8Array(e.size).fill(e.seed)));
            expect(drained(map)).toEqual(expected);
          } else if (busy.length > 0) {
            const entry = busy[which % busy.length];
            map[what === 'submit' ? 'submit' : 'discard'](entry.sample, 0n);
            entry.state = what === 'submit' ? 'done' : 'dropped';
            expect(p.memory.accessible(entry.sample, 1, true)).toBe(false);
          }
          expect(map.query(0n)).toBe(BigInt(used()));
        }
      }),
    );
  });

  test('record headers are those that libbpf reads', () => {
    const [p, map] = ring();
    const sample = map.reserve(12, 0n);
    const view = new DataView(p.memory.u8.buffer);
    expect(view.getUint32(sample - 8, true)).toBe((12 | 0x8000_0000) >>> 0);
    map.submit(sample, 0n);
    expect(view.getUint32(sample - 8, true)).toBe(12);
    const dropped = map.reserve(3, 0n);
    expect(dropped).toBe(sample + 24);
    map.discard(dropped, 0n);
    expect(view.getUint32(dropped - 8, true)).toBe(3 | 0x4000_0000);
  });

  test('positions, size and refusals', () => {
    const [p, map] = ring();
    expect([0n, 1n, 2n, 3n, 4n].map((f) => map.query(f))).toEqual([0n, 4096n, 0n, 0n, 0n]);
    expect(map.reserve(8, 1n)).toBe(0);
    expect(map.reserve(0x4000_0000, 0n)).toBe(0);
    expect(map.reserve(-1, 0n)).toBe(0);
    expect(map.output(p.put(u32(1)), 4, 4n)).toBe(-22);
    expect(map.output(p.put(u32(1)), 4, 0n)).toBe(0);
    expect([0n, 2n, 3n].map((f) => map.query(f))).toEqual([16n, 0n, 16n]);
    drained(map);
    expect([0n, 2n, 3n].map((f) => map.query(f))).toEqual([0n, 16n, 16n]);
    expect(map.lookup(new Uint8Array())).toBe(-524);
    // What is no open record is left alone.
    map.submit(12_345, 0n);
  });

  test('the consumer is woken when it has caught up, or as the flags say', () => {
    const [p, map] = ring();
    let wakes = 0;
    map.onData = () => wakes++;
    const data = p.put(u32(1));
    map.output(data, 4, 0n);
    expect(wakes).toBe(1);
    map.output(data, 4, 0n);
    expect(wakes).toBe(1);
    map.output(data, 4, 2n);
    expect(wakes).toBe(2);
    drained(map);
    map.output(data, 4, 1n);
    expect(wakes).toBe(2);
    drained(map);
    map.output(data, 4, 0n);
    expect(wakes).toBe(3);
  });

  test('damaged positions and headers are found, and no walk over them goes on for ever', () => {
    const damages: [keyof typeof DESCRIPTOR | 'LENGTH', number][] = [
      ['PRODUCER', 0xffff_fff8],
      ['CONSUMER', 0xffff_fff8],
      ['LENGTH', 0x3fff_ffff],
    ];
    for (const [what, value] of damages) {
      const [p, map] = ring();
      const sample = map.reserve(8, 0n);
      map.submit(sample, 0n);
      const at = what === 'LENGTH' ? sample - 8 : map.handle + DESCRIPTOR[what];
      p.memory.u32[at >>> 2] = value;
      if (what !== 'LENGTH') p.memory.u32[(at + 4) >>> 2] = 0xffff_ffff;
      expect(() => drained(map), what).toThrow(/damaged/);
    }
    const [p, map] = ring();
    p.memory.u32[(map.handle + DESCRIPTOR.PENDING + 4) >>> 2] = 1;
    expect(() => p.memory.accessible(map.reserve(8, 0n), 1, true)).toThrow(/damaged/);
  });

  test('a callback may stop by throwing: what it has seen is consumed', () => {
    const [p, map] = ring();
    for (const n of [1, 2, 3]) map.output(p.put(u32(n)), 4, 0n);
    expect(() =>
      map.consume(() => {
        throw new Error('enough');
      }),
    ).toThrow('enough');
    expect(drained(map)).toEqual([String(u32(2)), String(u32(3))]);
  });
});

test('user_ringbuf: what the application produces, the program drains and cannot change', () => {
  const p = place();
  const map = p.make(TYPICAL.user_ringbuf) as UserRingBufferMap;
  expect(map.produce(new Uint8Array(5000))).toBe(-7);
  let total = 0;
  for (let round = 0; round < 20; round++) {
    let produced = 0;
    while (map.produce(new Uint8Array(700).fill(produced + round)) === 0) produced++;
    expect(map.produce(new Uint8Array(700))).toBe(-28);
    expect(produced).toBe(5);
    const seen: number[] = [];
    const take = (stopAt: number) =>
      map.drain((sample, size) => {
        expect(size).toBe(700);
        expect(p.memory.accessible(sample, size, false)).toBe(true);
        expect(p.memory.accessible(sample, 1, true)).toBe(false);
        expect(map.drain(() => 0)).toBe(-16);
        expect(new Set(p.at(sample, size)).size).toBe(1);
        seen.push(p.memory.u8[sample]);
        return seen.length === stopAt ? 1 : 0;
      });
    expect(take(2)).toBe(2);
    expect(take(0)).toBe(3);
    expect(seen).toEqual([0, 1, 2, 3, 4].map((n) => n + round));
    total += produced;
  }
  expect(total).toBe(100);
});

describe('perf_event_array', () => {
  test('output goes to the CPU that runs, and only where a queue is open', () => {
    const p = place(2);
    const map = p.make(TYPICAL.perf_event_array) as PerfEventArrayMap;
    expect(map.outputTo(0, u32(1))).toBe(-2);
    map.open();
    expect(map.outputTo(0, u32(1))).toBe(0);
    expect(map.outputTo(1, u32(1))).toBe(-95);
    expect(map.outputTo(2, u32(1))).toBe(-7);
    p.cpu = 1;
    expect(map.outputTo(1, u32(2))).toBe(0);
    const seen: string[] = [];
    expect(map.consume((cpu, record) => seen.push(`${cpu}: ${record}`))).toBe(2);
    expect(seen).toEqual([`0: ${u32(1)}`, `1: ${u32(2)}`]);
    expect(map.delete(u32(1))).toBe(0);
    expect(map.delete(u32(1))).toBe(-2);
    expect(map.outputTo(1, u32(2))).toBe(-2);
    expect(map.update(u32(1), u32(33))).toBe(0);
    expect(map.outputTo(1, u32(2))).toBe(0);
  });

  test('a full queue loses, and says how many', () => {
    const map = place(1).make(TYPICAL.perf_event_array) as PerfEventArrayMap;
    map.open(64);
    const results = Array.from({ length: 5 }, () => map.outputTo(0, new Uint8Array(20)));
    expect(results).toEqual([0, 0, -28, -28, -28]);
    const lost: string[] = [];
    map.consume(
      () => {},
      (cpu, count) => lost.push(`${cpu}: ${count}`),
    );
    expect(lost).toEqual(['0: 3']);
    expect(map.outputTo(0, new Uint8Array(20))).toBe(0);
  });
});

test('stack_trace: one id a trace, collisions refused or replaced', () => {
  const map = place().make(spec('stack_trace', 4, 24, 1)) as StackTraceMap;
  const [a, b] = [u32(1, 0, 2, 0), u32(3, 0)];
  const id = map.storeTrace(a, 0);
  expect(id).toBe(0);
  expect(map.storeTrace(a, 0)).toBe(0);
  expect(map.lookup(u32(0))).toEqual(u32(1, 0, 2, 0, 0, 0));
  expect(map.storeTrace(b, 0)).toBe(-17);
  expect(map.storeTrace(b, 1 << 10)).toBe(0);
  expect(map.lookup(u32(0))).toEqual(u32(3, 0, 0, 0, 0, 0));
  expect(map.nextKey(undefined)).toEqual(u32(0));
  expect(map.nextKey(u32(0))).toBe(-2);
  expect(map.lookupAndDelete(u32(0))).toEqual(u32(3, 0, 0, 0, 0, 0));
  expect(map.delete(u32(0))).toBe(-2);
  expect(map.delete(u32(1))).toBe(-7);
});
