// The budget: the interpreters count each instruction; compiled code counts where loops go back and functions are entered, and never
// more than was executed. So a run that ends within its budget ends in every engine, and one without an end is stopped by each.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import { compilerBackend } from '../../src/compile/wasm/backend.ts';
import { interpretBackend } from '../../src/compile/interpret/backend.ts';
import { referenceBackend } from '../../src/compile/reference/backend.ts';
import type { Backend } from '../../src/spec/backend.ts';
import { start } from './support.ts';

const EXACT = [referenceBackend, interpretBackend];
const ALL = [...EXACT, compilerBackend];

const LARGE = 1_000_000;

/** r0, or the code of the abort. */
function outcome(
  backend: Backend,
  text: string,
  budget: number,
): { readonly result: bigint | string; readonly left: number } {
  const { run, invocation } = start({ backend, programs: [text], budget });
  try {
    return { result: run(), left: invocation.budget };
  } catch (error) {
    if (!(error instanceof AnyBpfError)) throw error;
    return { result: error.code, left: invocation.budget };
  }
}

/** With as many instructions as a run needs, it ends everywhere; with one less, where each is counted, nowhere. */
function holds(text: string): void {
  const { result, left } = outcome(referenceBackend, text, LARGE);
  expect(typeof result).toBe('bigint');
  const needed = LARGE - left;
  for (const backend of ALL)
    expect([backend.name, outcome(backend, text, needed).result]).toEqual([backend.name, result]);
  for (const backend of EXACT) {
    expect(outcome(backend, text, needed - 1)).toEqual({ result: 'run/budget', left: 0 });
  }
}

const LONG = Array.from({ length: 40 }, () => 'r5 += 1').join('\n');

describe('what ends within its budget ends in every engine', () => {
  test.each([
    ['straight code', `r0 = 1\nr5 = 0\n${LONG}\nexit`],
    ['a loop', 'r0 = 0\nl: r0 += 1\nif r0 < 1000 goto l\nexit'],
    [
      'a loop with a long part that is hardly ever run',
      `r0 = 0\nr5 = 0\nl: r0 += 1\nif r0 != 7 goto n\n${LONG}\nn: if r0 < 1000 goto l\nexit`,
    ],
    ['wide instructions', 'r0 = 0\nl: r1 = 0x1122334455667788 ll\nr2 = 0x11 ll\nr0 += 1\nif r0 < 100 goto l\nexit'],
    [
      'loops in each other',
      `r0 = 0\nr1 = 0\no: r1 += 1\nr2 = 0\ni: r2 += 1\nr0 += r2\nif r2 < 9 goto i\nif r1 == 50 goto e\nif r1 != 3 goto o\nr5 = 0\n${LONG}\ngoto o\ne: exit`,
    ],
    [
      'a function with a short way out',
      `r6 = 0\nl: r1 = r6\ncall f\nr6 += 1\nif r6 < 100 goto l\nr0 = 3\nexit\nf: r0 = 0\nif r1 != 9 goto +41\nr5 = 0\n${LONG}\nexit`,
    ],
    [
      'a graph that no nesting of loops gives',
      `r0 = 0\nr5 = 0\nif r1 == 0 goto b\na: r0 += 1\nb: r0 += 2\nif r0 > 500 goto e\nif r0 != 4 goto a\n${LONG}\ngoto b\ne: exit`,
    ],
  ])('%s', (_what, text) => holds(text));

  test('loops of any shape', () => {
    const jump = fc.record({
      at: fc.integer({ min: 0, max: 5 }),
      below: fc.integer({ min: 1, max: 60 }),
      padding: fc.integer({ min: 0, max: 6 }),
    });
    fc.assert(
      fc.property(fc.array(jump, { minLength: 1, maxLength: 6 }), (jumps) => {
        // Every jump goes back or on to one of the labels while a counter is small: each run ends, after at most 60 jumps.
        const labelled = Array.from({ length: 6 }, (_, i) => {
          const here = jumps.filter((_jump, index) => index === i);
          const lines = here.flatMap(({ at, below, padding }) => [
            ...Array.from({ length: padding }, () => 'r5 += 1'),
            'r0 += 1',
            `if r0 < ${below} goto l${at}`,
          ]);
          return `l${i}: r6 += 1\n${lines.join('\n')}`;
        });
        holds(`r0 = 0\nr5 = 0\nr6 = 0\n${labelled.join('\n')}\nexit`);
      }),
      { numRuns: 150, seed: 5 },
    );
  });
});

test.each([
  ['a loop', 'l: goto l\nexit'],
  ['a loop with a short way', `r0 = 0\nl: if r0 == 0 goto l\n${LONG}\ngoto l\nexit`],
  ['functions in a loop', 'l: call f\ngoto l\nexit\nf: r0 = 0\nexit'],
])('what never ends is stopped by every engine: %s', (_what, text) => {
  for (const backend of ALL)
    expect([backend.name, outcome(backend, text, 10_000).result]).toEqual([backend.name, 'run/budget']);
});

test('a budget that ends in a function is said to end there', () => {
  const before = 'r0 = 0\ncall f\nexit';
  for (const backend of ALL) {
    const { run } = start({ backend, programs: [`${before}\nf: r1 = 1\n${LONG}\nexit`], budget: 20 });
    let place: unknown;
    try {
      run();
    } catch (error) {
      place = (error as AnyBpfError).diagnostic.place.insn;
    }
    // The interpreters stop at the instruction, compiled code before the function, for which the budget is too little.
    expect([backend.name, place]).toEqual([backend.name, EXACT.includes(backend) ? 21 : 3]);
  }
});
