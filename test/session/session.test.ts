import { onTestFinished } from 'vitest';
import { ExecutionContext } from '../../src/context/context.ts';
import { memoryHost } from '../../src/hosts/memory/host.ts';
import { served } from '../service/support.ts';
import { sessionContract } from './contract.ts';

sessionContract('embedded', async () => {
  const context = new ExecutionContext({ host: memoryHost() });
  onTestFinished(() => context[Symbol.dispose]());
  return { open: async () => context.session() };
});

sessionContract('service', async () => {
  const { connect } = await served();
  return { open: () => connect() };
});
