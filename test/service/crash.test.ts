import { expect, it } from 'vitest';
import { Campaign } from './crash.ts';

const POINTS = 8;

it('a service that is killed while clients work loses nothing that it acknowledged', { timeout: 120_000 }, async () => {
  // Snapshots come all the time.
  using campaign = new Campaign(1, { compactAt: 32_768, snapshotEvery: 10 });
  for (let i = 0; i < POINTS; i++) await campaign.round();
  const { figures } = campaign;
  expect(figures).toMatchObject({ points: POINTS, lost: 0, torn: 0, wrongPins: 0 });
  expect(figures.acknowledged).toBeGreaterThan(0);
});
