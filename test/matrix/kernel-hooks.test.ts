// What the kernel of this machine lets programs be attached to: each kind is there, or is missing with an errno (the table at the end of
// `npm test` has them). In CI those that .ci/required names must be there.
import { describe, expect, test } from 'vitest';
import { requireCapability } from '../support/capability.ts';
import { KERNEL_HOOKS, type KernelHook } from '../support/kernel-hooks.ts';

const absent = requireCapability('kernel-bpf') ?? requireCapability('netns');

describe.skipIf(absent !== undefined)('hooks of this kernel', () => {
  test.each(Object.keys(KERNEL_HOOKS) as KernelHook[])('%s', (name) => {
    const reason = requireCapability(name);
    if (reason !== undefined)
      expect(reason).toMatch(/^(PROG_LOAD|LINK_CREATE): E[A-Z0-9]+ \(\d+\)$|^the kernel has no /);
  });
});
