import { describe, expect, it } from 'vitest';
import { compareIsa } from '../fuzz/isa-differential.ts';
import { requireCapability } from '../support/capability.ts';
import { enginesUnderTest } from '../support/engines.ts';

describe.skipIf(requireCapability('kernel-bpf') !== undefined)('random programs against the kernel', () => {
  it.each(enginesUnderTest())('give the same results by the engine %s', (engine) => {
    const found = compareIsa({ engines: [{ engine }], seed: 0x5eed, programs: 400, bodySize: 40, inputs: 4 });
    expect(found.mismatches).toEqual([]);
    expect(found.refused).toBe(0);
    expect(found.programs).toBe(400);
  });
});
