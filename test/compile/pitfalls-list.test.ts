// What is easily wrong when eBPF becomes WebAssembly, and the tests that hold it: each row's tests must be there.
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { PROJECT_ROOT } from '../support/shared.ts';

interface Pitfall {
  readonly number: number;
  readonly what: string;
  /** File below test/, and how the title of a test or group in it begins. */
  readonly tests: readonly (readonly [file: string, title: string])[];
}

const CODE = 'compile/pitfalls-code.test.ts';
const ISOLATION = 'compile/pitfalls-isolation.test.ts';
const RUNS = 'compile/pitfalls-runs.test.ts';

const PITFALLS: readonly Pitfall[] = [
  {
    number: 1,
    what: 'division by zero and of the least number by -1 trap in WebAssembly, and give a number in eBPF',
    tests: [
      [CODE, '1: '],
      ['core/isa.test.ts', 'INT_MIN / -1'],
    ],
  },
  { number: 2, what: 'shifts are masked; a narrowed one must not be by 32 or more', tests: [[CODE, '2: ']] },
  { number: 3, what: 'every 32-bit result has its upper half zero', tests: [[CODE, '3: ']] },
  {
    number: 4,
    what: 'offsets of WebAssembly are unsigned, addresses of 32 bits wrap',
    tests: [
      [CODE, '4: '],
      ['compile/checked-engine.ts', 'a run is aborted'],
    ],
  },
  {
    number: 5,
    what: 'all maps are in one memory: a wrong verdict spoils neighbours, but only those',
    tests: [
      [ISOLATION, '5: '],
      ['fuzz/second-wall.long.ts', '${PROGRAMS} without checks reach nothing outside of their memory'],
    ],
  },
  {
    number: 6,
    what: 'stacks at fixed addresses: calls within calls, nested runs and threads need their own',
    tests: [
      [CODE, '6: '],
      ['compile/checked-engine.ts', 'keep r6 to r9 and r10 of the caller, and have stacks of their own'],
    ],
  },
  { number: 7, what: 'bytes of the stack may be locals only while no pointer reaches them', tests: [[CODE, '7: ']] },
  {
    number: 8,
    what: 'plain operations for atomic ones only in memory that no other thread reaches',
    tests: [
      [ISOLATION, '8: '],
      ['shared/maps.test.ts', 'atomic operations on shared counters are exact, $name'],
    ],
  },
  {
    number: 9,
    what: 'tail calls: 33 at most, and no frame of the host for each',
    tests: [
      [RUNS, '9: tail calls, %s'],
      ['run/program.test.ts', '33 go through, the 34th does not'],
    ],
  },
  {
    number: 10,
    what: 'loops: only fuel ends them, and a loop within one call must not stay in the quick compiler’s code',
    tests: [
      [RUNS, '10: '],
      ['compile/checked-engine.ts', 'after exactly the budget'],
    ],
  },
  {
    number: 11,
    what: 'irreducible control flow needs a dispatch loop',
    tests: [
      [CODE, '11: '],
      ['flow/structure.test.ts', 'structured code runs the same blocks as the graph'],
    ],
  },
  {
    number: 12,
    what: 'that large programs compile says nothing about what they do',
    tests: [
      [RUNS, '12: '],
      ['compile/engines.long.ts', '%s/%s'],
    ],
  },
];

test('the pitfalls are numbered from 1 to 12', () => {
  expect(PITFALLS.map(({ number }) => number)).toEqual(Array.from({ length: 12 }, (_, index) => index + 1));
});

describe.each(PITFALLS)('$number: $what', ({ tests }) => {
  test.each(tests)('%s: %s', (file, title) => {
    const full = path.join(PROJECT_ROOT, 'test', file);
    expect(existsSync(full), file).toBe(true);
    const titles = [...readFileSync(full, 'utf8').matchAll(/['"`]([^'"`\n]*)/g)].map(([, text]) => text);
    expect(titles.some((text) => text.startsWith(title))).toBe(true);
  });
});
