import { expect, test } from 'vitest';
import { Pair } from '../support/netns.ts';
import { requireCapability } from '../support/capability.ts';
test.skipIf(requireCapability('netns') !== undefined)('the ends of a pair reach one another', () => {
  using pair = new Pair(1);
  expect(pair.far.namespace?.run('ping', '-c', '1', '-W', '2', pair.near.address).output).toContain('1 received');
  expect(pair.near.ifindex).toBeGreaterThan(1);
});
