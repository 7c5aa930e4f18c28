// The contract of sessions on a context whose programs run on a live interface.
import { describe, onTestFinished } from 'vitest';
import { ExecutionContext } from '../../src/context/context.ts';
import { memoryHost } from '../../src/hosts/memory/host.ts';
import { LiveInterfaces } from '../../src/live/interfaces.ts';
import { sessionContract } from '../session/contract.ts';
import { requireCapability } from '../support/capability.ts';
import { Pair } from '../support/netns.ts';
import { subnetOf } from './wire.ts';

const missing = requireCapability('kernel-bpf') ?? requireCapability('netns');

describe.skipIf(missing !== undefined)('a live interface', () => {
  sessionContract('engine', async () => {
    const pair = new Pair(subnetOf(1));
    onTestFinished(() => pair[Symbol.dispose]());
    const context = new ExecutionContext({ host: memoryHost() });
    onTestFinished(() => context[Symbol.dispose]());
    const live = new LiveInterfaces(context);
    onTestFinished(() => live.closeAll());
    live.open(pair.near.device, { driver: 'af_packet' });
    return { open: async () => context.session({}), ifindex: pair.near.ifindex };
  });
});
