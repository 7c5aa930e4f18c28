// Random programs through every engine and the kernel: at least a million executions, none that differs.
import { describe, expect, it } from 'vitest';
import { requireCapability } from '../support/capability.ts';
import { compareIsa, type Contender, nameOf } from './isa-differential.ts';

const SEED = Number(process.env['ANYBPF_SEED'] ?? Date.now() % 2 ** 32);
const ENGINES: readonly Contender[] = [
  { engine: 'reference' },
  { engine: 'interpret' },
  { engine: 'compile' },
  { engine: 'compile', trusted: true },
];
const CASES = [
  { bodySize: 40, programs: 3000, inputs: 96, kernelInputs: 8 },
  { bodySize: 200, programs: 300, inputs: 32, kernelInputs: 8 },
];

describe.skipIf(requireCapability('kernel-bpf') !== undefined)('random programs against the kernel, long', () => {
  let runs = 0;
  it.each(CASES)('give the same results by every engine: $programs programs of $bodySize instructions', (size) => {
    const found = compareIsa({ engines: ENGINES, seed: SEED, ...size });
    runs += found.runs + found.kernelRuns;
    console.log(
      `seed ${SEED}, ${ENGINES.map(nameOf).join('; ')}: ${found.programs} programs, ${found.instructions} instructions, ` +
        `${found.runs} runs and ${found.kernelRuns} by the kernel, ${found.mismatches.length} mismatches, ` +
        `${found.refused} refused, ${found.tooComplex} too complex for the kernel`,
    );
    expect(found.mismatches).toEqual([]);
    expect(found.refused).toBe(0);
    expect(found.tooComplex).toBeLessThan(size.programs / 100);
    expect(found.programs).toBe(size.programs);
  });

  it('are a million executions and more', () => {
    expect(runs).toBeGreaterThanOrEqual(1_000_000);
  });
});
