import { describe, onTestFinished } from 'vitest';
import { sessionContract } from '../session/contract.ts';
import { requireCapability } from '../support/capability.ts';
import { Pair } from '../support/netns.ts';
import { ownBpffs, ownSession } from './support.ts';

const missing = requireCapability('kernel-bpf') ?? requireCapability('netns');

describe.skipIf(missing !== undefined)('the kernel', () => {
  sessionContract('linux', async () => {
    const bpffs = ownBpffs();
    const pair = new Pair(61);
    onTestFinished(() => pair[Symbol.dispose]());
    return { open: async () => ownSession({ bpffs }), ifindex: pair.near.ifindex, shared: true };
  });
});
