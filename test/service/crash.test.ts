import { afterAll, beforeAll, expect, it } from 'vitest';
import { builtProject, Campaign } from './crash.ts';

const POINTS = 8;
let built: ReturnType<typeof builtProject>;
beforeAll(() => {
  built = builtProject();
}, 120_000);
afterAll(() => built[Symbol.dispose]());

it('a service that is killed while clients work loses nothing that it acknowledged', { timeout: 120_000 }, async () => {
  // Snapshots come all the time.
  using campaign = new Campaign(built.dist, 1, { compactAt: 32_768, snapshotEvery: 10 });
  for (let i = 0; i < POINTS; i++) await campaign.round();
  const { figures } = campaign;
  expect(figures).toMatchObject({ points: POINTS, lost: 0, torn: 0, wrongPins: 0 });
  expect(figures.acknowledged).toBeGreaterThan(0);
});
