// The long part of containment.test.ts: random programs for as long as it may take (ANYBPF_SECONDS for each of three, 300 where absent),
// of those that are watched until 10,000 were accepted. A report holds the seed and the program, shrunk.
import { describe, expect, test } from 'vitest';
import { campaign } from '../fuzz/verify-run.ts';

const SEED = Number(process.env['ANYBPF_SEED'] ?? Date.now() % 1_000_000_000);
const MILLISECONDS = 1_000 * Number(process.env['ANYBPF_SECONDS'] ?? 300);

/** What a campaign has to come to, so that it says something: a tenth of the programs is accepted. */
const LEAST = { contained: 1_000, verdicts: 1_000, runs: 3_000 };

describe(`random programs, seed ${SEED}`, () => {
  test.each([
    {
      name: 'what is accepted is not aborted',
      seed: SEED,
      inputs: 16,
      contained: false,
      ways: false,
      least: LEAST.runs,
    },
    {
      name: 'each state of a run is one that was foreseen',
      seed: SEED + 1e9,
      inputs: 16,
      contained: true,
      ways: false,
      least: LEAST.contained,
    },
    {
      name: 'which states answer for others changes no verdict, and without answers all numbers are as foreseen',
      seed: SEED + 2e9,
      inputs: 16,
      contained: true,
      ways: true,
      least: LEAST.verdicts,
    },
  ])('$name', ({ least, ...o }) => {
    const { counters, report } = campaign(o.seed, {
      ...o,
      programs: Number.POSITIVE_INFINITY,
      ...(o.contained ? { accepted: 10_000 } : {}),
      milliseconds: MILLISECONDS,
    });
    const { codes, ...counts } = counters;
    console.log(JSON.stringify(counts), Object.fromEntries(codes));
    expect(report).toBeUndefined();
    expect(counters.programs).toBeGreaterThan((least * MILLISECONDS) / 300_000);
    expect(counters.accepted).toBeGreaterThan(counters.programs / 20);
  });
});
