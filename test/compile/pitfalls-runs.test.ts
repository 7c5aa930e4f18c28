// Pitfalls 9, 10 and 12 (pitfalls-list.test.ts): chains of tail calls, loops within one call, and large programs of others.
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { memoryHost } from '../../src/hosts/memory/host.ts';
import { ENGINES } from '../../src/run/engines.ts';
import { loadObject } from '../../src/run/loader.ts';
import type { LoadedObject } from '../../src/run/object.ts';
import { type EngineName, MAX_TAIL_CALLS } from '../../src/spec/backend.ts';
import { loadText, mapSpec, objectSpec } from '../run/support.ts';
import { samplePackets } from '../support/packets.ts';
import { corpusFolder } from '../support/shared.ts';
import { REFERENCE, trace } from './trace.ts';

const ENGINE_NAMES = Object.keys(ENGINES) as EngineName[];
const FRAME = new Uint8Array(64);
const u32 = (object: LoadedObject, map: string, key: number): number => {
  const bytes = object.map(map).get(key) as Uint8Array;
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
};

describe.each(ENGINE_NAMES)('9: tail calls, %s', (engine) => {
  const counter = mapSpec('counter', 'array', { maxEntries: 1, kind: 'bss', section: '.bss', valueSize: 4 });
  const slots = [{ index: 0, kind: 'program', target: 'self' }] as const;
  const programs = mapSpec('programs', 'prog_array', { slots });
  /** Counts itself, goes seven calls deep, which is all that a program may, and calls itself. */
  const text = `r6 = r1
r1 = map[counter][0] ll
r2 = *(u32 *)(r1 + 0)
r2 += 1
*(u32 *)(r1 + 0) = r2
call f1
r1 = r6
r2 = map[programs] ll
r3 = 0
call bpf_tail_call
r0 = 5
exit
${[1, 2, 3, 4, 5, 6].map((n) => `f${n}:\n*(u64 *)(r10 - 512) = ${n}\ncall f${n + 1}\nexit`).join('\n')}
f7:
r0 = 0
exit`;

  const load = (trusted: boolean): LoadedObject =>
    loadObject(objectSpec([{ name: 'self', type: 'xdp', text }], [counter, programs]), {
      host: memoryHost(),
      engine,
      trusted,
    });

  test.each([false, true])('33 in each run, and the stack does not grow by them; trusted: %s', (trusted) => {
    using object = load(trusted);
    expect(object.diagnostics).toEqual([]);
    for (const runs of [1, 2, 3]) {
      expect(object.program().run({ data: FRAME }).retval).toBe(5);
      expect(u32(object, 'counter', 0)).toBe((MAX_TAIL_CALLS + 1) * runs);
    }
  });

  test('a batch counts anew for each packet', () => {
    using object = load(true);
    const packets = Array.from({ length: 10 }, () => FRAME);
    expect([...object.program().runBatch(packets)]).toEqual(packets.map(() => 5));
    expect(u32(object, 'counter', 0)).toBe((MAX_TAIL_CALLS + 1) * packets.length);
  });
});

/** As many turns as the packet's first word says; `size` instructions more, which the batch's loop then calls or holds. */
const loop = (size: number): string => `r2 = *(u32 *)(r1 + 0)
r3 = *(u32 *)(r2 + 0)
r0 = 1
again:
r0 *= 31
r0 += r3
r4 = r0
r4 >>= 7
r0 ^= r4
r3 -= 1
if r3 != 0 goto again
${Array.from({ length: size }, (_, n) => `r0 += ${n}\nr0 ^= r4`).join('\n')}
r0 &= 0xffff
exit`;

function turns(count: number): Uint8Array {
  const data = new Uint8Array(64);
  new DataView(data.buffer).setUint32(0, count, true);
  return data;
}

function measured(body: () => void): number {
  const before = performance.now();
  body();
  return performance.now() - before;
}

describe('10: a loop within one call', () => {
  const SHORT = 0;
  const LONG = 6000;

  test.each(ENGINE_NAMES.flatMap((engine) => [SHORT, LONG].map((size) => [engine, size] as const)))(
    'a batch gives what single runs give, and each packet has the whole budget: %s, %i more instructions',
    (engine, size) => {
      const budget = 2 * size + 7 * 100 + 20;
      using object = loadText('xdp', loop(size), { options: { engine, trusted: true, budget } });
      const program = object.program();
      const packets = Array.from({ length: 64 }, (_, n) => turns(1 + n));
      const single = packets.map((data) => program.run({ data }).retval);
      expect(new Set(single).size).toBeGreaterThan(32);
      expect([...program.runBatch(packets)]).toEqual(single);
      expect(() => program.runBatch([...packets, turns(10_000)])).toThrow(
        expect.objectContaining({ code: 'run/budget' }),
      );
      expect(() => program.run({ data: turns(10_000) })).toThrow(expect.objectContaining({ code: 'run/budget' }));
      // And goes on afterwards.
      expect([...program.runBatch(packets)]).toEqual(single);
    },
  );

  // WebAssembly has no replacement on the stack: a function that is entered once stays in the code of the quick compiler, which
  // takes this loop four times as long. A batch comes often, so its function is entered often; this says that it is enough.
  test.each([SHORT, LONG])('is as fast in a batch as in single runs, %i more instructions', (size) => {
    using object = loadText('xdp', loop(size), { options: { engine: 'compile', trusted: true } });
    const program = object.program();
    const data = turns(2000);
    using batch = program.batch(16);
    for (let index = 0; index < 16; index++) batch.lay(index, { data });
    const least = { batch: Number.POSITIVE_INFINITY, single: Number.POSITIVE_INFINITY };
    for (let round = 0; round < 300; round++) {
      least.batch = Math.min(
        least.batch,
        measured(() => batch.run(16)),
      );
      least.single = Math.min(
        least.single,
        measured(() => program.run({ data, repeat: 16 })),
      );
    }
    expect(least.batch).toBeLessThan(2 * least.single);
  });
});

describe('12: programs of Cilium, with the helpers that they call', () => {
  const corpus = corpusFolder('objects');
  const file = 'path' in corpus ? path.join(corpus.path, 'cilium', 'bpf_lxc.o') : '';
  const there = existsSync(file);
  if (!there) console.log(`programs of Cilium are not run: ${'path' in corpus ? `no ${file}` : corpus.reason}`);

  test.skipIf(!there).each([
    ['interpret', 'off'],
    ['compile', 'prefer'],
  ] as const)('%s, verify: %s: as the reference', (engine, verify) => {
    const bytes = readFileSync(file);
    const packets = samplePackets(4, 3);
    const expected = trace(bytes, REFERENCE, packets);
    expect(trace(bytes, [engine, verify], packets)).toEqual(expected);
    // They get somewhere: verdicts of several kinds, and maps that they wrote.
    const steps = [...expected.values()].flatMap((program) => program.steps);
    expect(new Set(steps).size).toBeGreaterThan(3);
  });
});
