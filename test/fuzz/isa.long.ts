import { describe, expect, it } from 'vitest';
import { requireCapability } from '../support/capability.ts';
import { compareIsa } from './isa-differential.ts';
import { enginesUnderTest } from '../support/engines.ts';

const SEED = Number(process.env['ANYBPF_SEED'] ?? Date.now() % 2 ** 32);
const SIZES = [
  { bodySize: 40, programs: 4000, inputs: 8 },
  { bodySize: 200, programs: 500, inputs: 8 },
];
const CASES = enginesUnderTest().flatMap((engine) => SIZES.map((size) => ({ engine, ...size })));

describe.skipIf(requireCapability('kernel-bpf') !== undefined)('random programs against the kernel, long', () => {
  it.each(CASES)('give the same results by $engine: $programs programs of $bodySize instructions', (size) => {
    const found = compareIsa({ seed: SEED, ...size });
    console.log(
      `seed ${SEED}, ${size.engine}: ${found.programs} programs, ${found.instructions} instructions, ${found.runs} runs, ` +
        `${found.mismatches.length} mismatches, ${found.refused} refused, ${found.tooComplex} too complex for the kernel`,
    );
    expect(found.mismatches).toEqual([]);
    expect(found.refused).toBe(0);
    expect(found.tooComplex).toBeLessThan(size.programs / 100);
    expect(found.programs).toBe(size.programs);
  });
});
