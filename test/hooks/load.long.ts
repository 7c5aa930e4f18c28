import { expect, test } from 'vitest';
import { createRuntime } from '../../src/context/create.ts';
import { swapUnderLoad } from './load.ts';

test('0 of 10^6 events are lost over 1,000 updates of a link', async () => {
  const session = createRuntime();
  expect(await swapUnderLoad(session, { events: 1_000_000, swaps: 1_000 })).toEqual({
    lost: 0,
    wrong: 0,
    seen: 1_000_000,
  });
  session.context[Symbol.dispose]();
});
