// Random programs under the verifier, and those that it accepts under the checked reference interpreter: none aborts, and what a run
// has before each instruction is what the verifier foresaw. The long part: soundness.long.ts.
import { expect, it } from 'vitest';
import { campaign } from '../fuzz/verify-run.ts';

const SEED = Number(process.env.ANYBPF_SEED ?? Date.now() % 1_000_000_000);

it('what is accepted runs as foreseen', () => {
  const { counters, report } = campaign(SEED, {
    programs: 400,
    milliseconds: 3_000,
    inputs: 8,
    contained: true,
    ways: false,
  });
  expect(report, `ANYBPF_SEED=${SEED}`).toBeUndefined();
  expect(counters.accepted).toBeGreaterThan(0);
});

it('whether states answer for others, and how many are kept, changes no verdict', () => {
  const { counters, report } = campaign(SEED + 1_000_000, {
    programs: 400,
    milliseconds: 3_000,
    inputs: 4,
    contained: true,
    ways: true,
  });
  expect(report, `ANYBPF_SEED=${SEED}`).toBeUndefined();
  expect(counters.programs).toBeGreaterThan(0);
});
