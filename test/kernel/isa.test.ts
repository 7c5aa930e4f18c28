import { describe, expect, it } from 'vitest';
import { compareIsa } from '../fuzz/isa-differential.ts';
import { requireCapability } from '../support/capability.ts';

describe.skipIf(requireCapability('kernel-bpf') !== undefined)('reference interpreter against the kernel', () => {
  it('gives the same results on random programs', () => {
    const found = compareIsa({ seed: 0x5eed, programs: 400, bodySize: 40, inputs: 4 });
    expect(found.mismatches).toEqual([]);
    expect(found.refused).toBe(0);
    expect(found.programs).toBe(400);
  });
});
