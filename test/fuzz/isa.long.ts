import { describe, expect, it } from 'vitest';
import { requireCapability } from '../support/capability.ts';
import { compareIsa } from './isa-differential.ts';

const SEED = Number(process.env['ANYBPF_SEED'] ?? Date.now() % 2 ** 32);

describe.skipIf(requireCapability('kernel-bpf') !== undefined)('reference interpreter against the kernel, long', () => {
  it.each([
    { bodySize: 40, programs: 4000, inputs: 8 },
    { bodySize: 200, programs: 500, inputs: 8 },
  ])('gives the same results on $programs random programs of $bodySize instructions', (size) => {
    const found = compareIsa({ seed: SEED, ...size });
    console.log(
      `seed ${SEED}: ${found.programs} programs, ${found.instructions} instructions, ${found.runs} runs, ` +
        `${found.mismatches.length} mismatches, ${found.refused} refused, ${found.tooComplex} too complex for the kernel`,
    );
    expect(found.mismatches).toEqual([]);
    expect(found.refused).toBe(0);
    expect(found.tooComplex).toBeLessThan(size.programs / 100);
    expect(found.programs).toBe(size.programs);
  });
});
