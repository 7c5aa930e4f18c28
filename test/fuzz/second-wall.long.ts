// The second wall: where the verdict was wrong, WebAssembly still confines. Nothing is checked here (`trusted`) but by it.
import { describe, expect, test } from 'vitest';
import type { EngineName } from '../../src/spec/backend.ts';
import { objectSpec } from '../run/support.ts';
import { hostileBatch, runHostile, Sentinels } from './second-wall.ts';

const SEED = Number(process.env['ANYBPF_SEED'] ?? Date.now() % 2 ** 32);
const PROGRAMS = Number(process.env['ANYBPF_HOSTILE'] ?? 100_000);
const BATCH = 200;
const CHECKED: readonly EngineName[] = ['reference', 'interpret', 'compile'];

function tally(counts: Map<string, number>, code: string): void {
  counts.set(code, (counts.get(code) ?? 0) + 1);
}

describe(`hostile programs, seed ${SEED}`, () => {
  test.each(['compile', 'interpret'] as const)(
    `${PROGRAMS} without checks reach nothing outside of their memory: %s`,
    (engine) => {
      // Said at once: a run that never ends is found by it.
      console.log(`seed ${SEED}`);
      const sentinels = new Sentinels();
      const counts = new Map<string, number>();
      let longest = 0;
      for (let done = 0; done < PROGRAMS; done += BATCH) {
        const seed = (SEED + done) >>> 0;
        sentinels.add(seed);
        const codes = hostileBatch(seed, BATCH, false);
        for (const { code, milliseconds } of runHostile(codes, { engine, trusted: true, budget: 20_000 })) {
          tally(counts, code);
          longest = Math.max(longest, milliseconds);
        }
        expect(sentinels.intact, `sentinels after batch ${seed}`).toBe(true);
      }
      console.log(`seed ${SEED}: longest run ${longest.toFixed(1)} ms`, Object.fromEntries(counts));
      expect(longest).toBeLessThan(1000);
      // It means something only if programs get as far as traps and budgets, and some end.
      for (const code of ['end', 'run/trap', 'run/budget', 'run/call-depth'])
        expect(counts.get(code), code).toBeGreaterThan(0);
    },
  );

  test('with checks every engine stops them for the same reason', () => {
    const counts = new Map<string, number>();
    const differences: string[] = [];
    let borders = 0;
    for (let batch = 0; batch < 10; batch++) {
      const seed = (SEED + 7919 * batch) >>> 0;
      const codes = hostileBatch(seed, BATCH, true);
      const [expected, ...others] = CHECKED.map((engine) =>
        runHostile(codes, { engine, trusted: false, budget: 3000, fresh: true }),
      );
      expected.forEach(({ code }, i) => {
        tally(counts, code);
        const seen = others.map((outcomes) => outcomes[i].code);
        if (seen.every((other) => other === code)) return;
        // Compiled code counts a loop when it goes back, not by the instruction: it stops at another turn of it.
        if ([code, ...seen].includes('run/budget')) borders++;
        else differences.push(`seed ${seed}, program ${i}: ${CHECKED[0]} ${code}, ${CHECKED.slice(1)} ${seen}`);
      });
    }
    console.log(`seed ${SEED}: ${borders} at the border of the budget`, Object.fromEntries(counts));
    expect(differences).toEqual([]);
    expect(borders).toBeLessThan(10 * BATCH * 0.02);
    for (const code of ['end', 'run/bad-access', 'run/budget']) expect(counts.get(code), code).toBeGreaterThan(0);
  });
});

// What bounds a run is kept in WebAssembly globals: this program looks for it in the linear memory and fills all it finds.
test('a program without checks cannot raise its own budget', () => {
  const text = `
    r7 = 0
    outer:
    r6 = 70000
    again:
    r1 = r6
    call refill
    r6 += 4
    if r6 < 80000 goto again
    r7 += 1
    if r7 < 100 goto outer
    exit
    refill:
    *(u32 *)(r1 + 0) = 0x7fffffff
    exit`;
  const [code] = objectSpec([{ text }]).programs.map((program) => program.code);
  expect(runHostile([code], { engine: 'compile', trusted: true, budget: 20_000 })[0].code).toBe('run/budget');
});
