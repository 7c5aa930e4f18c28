// The outside verifier cases: the verdict of each, and how much of what PREVAIL knows after the code is known here.
import { describe, expect, it } from 'vitest';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import { UNLIKE_PREVAIL, UNREACHED } from '../known/verifier-cases.ts';
import { corpusFolder } from '../support/shared.ts';
import { type Case, expectsError, readCases } from './cases.ts';
import { follows, type Result, runCase } from './cases-run.ts';

const folder = corpusFolder('verifier-cases');

/** Shares of the cases and of the facts that may not shrink. */
const EQUAL_VERDICTS = 0.95;
const ENTAILED = 0.93;

/** Code that cannot be assembled is refused. */
const run = (test: Case): Result => {
  try {
    return runCase(test);
  } catch (error) {
    if (!(error instanceof AnyBpfError)) throw error;
    return { refused: `${error.code}: ${error.message}`, after: [] };
  }
};
describe.skipIf('reason' in folder)('verifier cases', () => {
  const cases = 'reason' in folder ? [] : readCases(folder.path);

  const results = cases.map((test) => ({ test, result: run(test) }));

  it('gets the verdicts that the cases expect', () => {
    expect(cases.length).toBeGreaterThan(500);
    const unlike = results.flatMap(({ test, result }) =>
      (result.refused !== undefined) === expectsError(test)
        ? []
        : [[test.id, result.refused ?? `accepted, not: ${test.messages.join('; ')}`] as const],
    );
    expect(unlike.filter(([id]) => UNLIKE_PREVAIL[id] === undefined)).toEqual([]);
    expect(unlike.map(([id]) => id).sort()).toEqual(Object.keys(UNLIKE_PREVAIL).sort());
    expect(1 - unlike.length / cases.length).toBeGreaterThanOrEqual(EQUAL_VERDICTS);
  });

  it('knows what the cases say is known after the code, and nothing that contradicts it', () => {
    const count = { holds: 0, no: 0, never: 0, notInOurWords: 0 };
    const contradicted: string[] = [];
    for (const { test, result } of results) {
      // Numbers lie in memory in the little-endian way here.
      if (expectsError(test) || result.refused !== undefined || test.options.includes('big_endian')) continue;
      for (const line of test.post) {
        const answer = follows(result, line);
        count[answer ?? 'notInOurWords']++;
        if (answer === 'never' && UNREACHED[test.id] === undefined) contradicted.push(`${test.id}: ${line}`);
      }
    }
    console.info('facts after the code of verifier cases', count);
    expect(contradicted).toEqual([]);
    expect(count.holds).toBeGreaterThan(1500);
    expect(count.holds / (count.holds + count.no)).toBeGreaterThanOrEqual(ENTAILED);
  });
});

if ('reason' in folder) it.skip(folder.reason);
