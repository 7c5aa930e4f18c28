// Comparisons of a register with dense constants become a jump table: what it decides, the comparisons do.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compilerBackend } from '../../src/compile/wasm/backend.ts';
import { interpretBackend } from '../../src/compile/interpret/backend.ts';
import { referenceBackend } from '../../src/compile/reference/backend.ts';
import type { Backend } from '../../src/spec/backend.ts';
import { start } from './support.ts';
import { mainCode, trustedBackend } from './wasm-code.ts';

const ENGINES = [interpretBackend, compilerBackend, trustedBackend];

/** Around every constant of the programs, and around the ends of what 32 and 64 bits hold. */
const VALUES = [
  ...Array.from({ length: 90 }, (_, i) => BigInt(i - 40)),
  ...[31n, 32n, 63n].flatMap((bits) => [-1n, 0n, 1n, 3n].map((by) => (1n << bits) + by)),
  0xffff_fff0n,
  0x1_0000_0007n,
  0xffff_ffff_0000_0005n,
];

/** r0 for each value of r1. */
function results(backend: Backend, body: string): bigint[] {
  const { images, invocation } = start({ backend, programs: [`r2 <<= 32\nr1 |= r2\nr2 = 0\nr0 = 0\n${body}`] });
  const { code } = images[0];
  if (code === undefined) throw new Error('the program has no code');
  return VALUES.map((value) => {
    invocation.budget = 10_000;
    return code.run(invocation, BigInt.asUintN(32, value), BigInt.asUintN(32, value >> 32n));
  });
}

const returns = (names: readonly string[]): string =>
  names.map((name, i) => `${name}: r0 += ${i + 3}\nexit`).join('\n');
const cases = (constants: readonly number[], register = 'r1', first = 0): string =>
  constants.map((constant, i) => `if ${register} == ${constant} goto c${first + i}`).join('\n');
const many = (count: number, from = 0): number[] => Array.from({ length: count }, (_, i) => from + i);
const labels = (count: number): string[] => many(count).map((i) => `c${i}`);

const COUNT = 14;
const NAMES = labels(COUNT);
const END = `r0 = 99\nexit\n${returns(NAMES)}`;

/** A balanced tree as compilers make them: `least` to `most` go to c0, c1 and so on, all else to `none`. */
function tree(register: string, least: number, most: number, signed: boolean, first = 0): string {
  const s = signed ? 's' : '';
  if (most - least < 2) {
    return `${cases(many(most - least + 1, least), register, first)}\ngoto none`;
  }
  const middle = least + ((most - least) >> 1);
  const upper = `u${first}_${middle + 1000}`;
  return `if ${register} ${s}> ${middle} goto ${upper}
    ${tree(register, least, middle, signed, first)}
    ${upper}: ${tree(register, middle + 1, most, signed, first + middle + 1 - least)}`;
}

const WITH_TABLE: Readonly<Record<string, string>> = {
  'a chain': `${cases(many(COUNT))}\n${END}`,
  'a chain of 32 bits': `${cases(many(COUNT), 'w1')}\n${END}`,
  'a chain from below zero': `${cases(many(COUNT, -4))}\n${END}`,
  'a chain from below zero, 32 bits': `${cases(many(COUNT, -4), 'w1')}\n${END}`,
  'constants with gaps': `${cases(many(COUNT).map((i) => 2 * i + (i >> 2)))}\n${END}`,
  'cases that share code': `${many(COUNT)
    .map((i) => `if r1 == ${i} goto c${i % 3}`)
    .join('\n')}\n${END}`,
  'a tree of signed comparisons': `${tree('r1', 0, COUNT - 1, true)}\nnone: ${END}`,
  'a tree of signed comparisons from below zero': `${tree('r1', -7, COUNT - 8, true)}\nnone: ${END}`,
  'a tree of signed comparisons, 32 bits': `${tree('w1', 0, COUNT - 1, true)}\nnone: ${END}`,
  'a tree of unsigned comparisons': `${tree('r1', 3, COUNT + 2, false)}\nnone: ${END}`,
  'a tree of unsigned comparisons, 32 bits': `${tree('w1', 0, COUNT - 1, false)}\nnone: ${END}`,
  'comparisons the other way': `
    if r1 >= 7 goto upper
    if r1 < 1 goto c0
    if r1 <= 1 goto c1
    if r1 != 2 goto on
    goto c2
    on: ${cases(many(4, 3), 'r1', 3)}
    goto none
    upper: ${cases(many(7, 7), 'r1', 7)}
    none: ${END}`,
  'another default below than above': `
    if r1 s< -2 goto low
    if r1 s<= -1 goto c0
    ${cases(many(COUNT - 1), 'r1', 1)}
    r0 = 98
    exit
    low: r0 = 97
    exit
    ${returns(NAMES)}`,
  'another default below than above, 32 bits': `
    if w1 s< 5 goto low
    ${cases(many(COUNT, 5), 'w1')}
    r0 = 98
    exit
    low: r0 = 97
    exit
    ${returns(NAMES)}`,
  'code before the first comparison, and a register that stays': `
    r2 = r1
    r2 += 7
    ${cases(many(COUNT, 3), 'r2')}
    r0 = r2
    exit
    ${NAMES.map((name) => `${name}: r0 = r1\nr0 += r2\nexit`).join('\n')}`,
  'in a loop': `
    r3 = 0
    again: r0 += 1
    r3 += 1
    ${cases(many(COUNT))}
    goto next
    ${NAMES.map((name, i) => `${name}: r0 += ${i + 2}\n${i === 3 ? 'goto out' : 'goto next'}`).join('\n')}
    next: if r3 != 5 goto again
    out: exit`,
  'cases that go on with the loop': `
    r3 = 0
    again: r3 += 1
    r0 += r3
    if r3 == 40 goto out
    r1 &= 15
    r1 += 1
    ${cases(many(COUNT))}
    goto again
    ${NAMES.map((name, i) => `${name}: r0 += ${i * i}\ngoto again`).join('\n')}
    out: exit`,
  'into the middle of a chain': `
    if r1 == 40 goto c3
    ${cases(many(COUNT).filter((i) => i !== 3))}
    ${END}`,
};

const WITHOUT: Readonly<Record<string, string>> = {
  'a short chain': `${cases(many(8))}\n${END}`,
  'far constants': `${cases(many(COUNT).map((i) => i * i * 50))}\n${END}`,
  'two registers': `r2 = r1\n${many(COUNT)
    .map((i) => `if r${1 + (i % 2)} == ${i} goto c${i}`)
    .join('\n')}\n${END}`,
  'two widths': `${many(COUNT)
    .map((i) => `if ${'rw'[i % 2]}1 == ${i} goto c${i}`)
    .join('\n')}\n${END}`,
};

describe.each([
  ...Object.entries(WITH_TABLE).map(([name, text]) => [name, text, true] as const),
  ...Object.entries(WITHOUT).map(([name, text]) => [name, text, false] as const),
])('%s', (_, text, tabled) => {
  test('decides as every engine does', () => {
    const expected = results(referenceBackend, text);
    for (const backend of ENGINES)
      expect([backend.name, ...results(backend, text)]).toEqual([backend.name, ...expected]);
  });

  test(tabled ? 'by a table' : 'by comparisons', () => {
    expect(mainCode(`r0 = 0\n${text}`).includes('br_table')).toBe(tabled);
  });
});

test('a switch in a graph that no nesting of loops gives', () => {
  const text = `
    r2 = 0
    if r1 s> 20 goto second
    first: r2 += 1
    ${cases(many(COUNT))}
    second: r2 += 2
    if r2 s< 30 goto first
    r0 = r2
    exit
    ${NAMES.map((name, i) => `${name}: r0 += ${i + 1}\nif r2 s> 25 goto second\nr2 += 1\ngoto first`).join('\n')}`;
  const expected = results(referenceBackend, text);
  for (const backend of ENGINES) expect(results(backend, text)).toEqual(expected);
});

test('comparisons of any kind', () => {
  const operators = ['==', '!=', '>', '>=', '<', '<=', 's>', 's>=', 's<', 's<='];
  const step = fc.record({
    // Mostly what a switch is made of.
    operator: fc.constantFrom(...operators, ...many(40).map(() => '==')),
    constant: fc.integer({ min: -12, max: 16 }),
    to: fc.integer({ min: 1, max: 60 }),
    kind: fc.integer({ min: 0, max: 90 }),
  });
  let tables = 0;
  fc.assert(
    fc.property(fc.array(step, { minLength: 16, maxLength: 60 }), fc.boolean(), (steps, short) => {
      const register = short ? 'w1' : 'r1';
      const target = (i: number, to: number): string => (to < 4 && i + to < steps.length ? `s${i + to}` : `c${to % 8}`);
      const lines = steps.map(({ operator, constant, to, kind }, i) => {
        const jump = `if ${register} ${operator} ${constant} goto ${target(i, to)}`;
        return `s${i}: ${kind === 0 ? `r0 += ${i}\n` : ''}${kind === 1 ? `goto ${target(i, to)}` : jump}`;
      });
      const text = `${lines.join('\n')}\nr0 += 99\nexit\n${returns(labels(8))}`;
      const expected = results(referenceBackend, text);
      for (const backend of [compilerBackend, trustedBackend]) expect(results(backend, text)).toEqual(expected);
      if (mainCode(`r0 = 0\n${text}`).includes('br_table')) tables++;
    }),
    { numRuns: 120, seed: 7 },
  );
  expect(tables).toBeGreaterThan(10);
});
