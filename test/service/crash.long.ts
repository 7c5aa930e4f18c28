// kill -9 of the service at 1,000 random points (ANYBPF_CHECKS), for as long as it may take (ANYBPF_SECONDS, 600 where absent).
import { expect, it } from 'vitest';
import { Campaign } from './crash.ts';

const POINTS = Number(process.env['ANYBPF_CHECKS'] ?? 1000);
const MILLISECONDS = 1000 * Number(process.env['ANYBPF_SECONDS'] ?? 600);
const SEED = Number(process.env['ANYBPF_SEED'] ?? 20260101);

it(`a service that is killed at ${POINTS} points loses nothing that it acknowledged`, async () => {
  using campaign = new Campaign(SEED, { compactAt: 65_536, snapshotEvery: 20 });
  const end = performance.now() + MILLISECONDS;
  const { figures } = campaign;
  while (figures.points < POINTS && performance.now() < end) await campaign.round();
  const { points, starting, slowest, processor } = figures;
  console.log(
    `${points} points, seed ${SEED}: ${JSON.stringify(figures)}; ${Math.round(starting / points)} ms from start to answer, most ${Math.round(slowest)}`,
  );
  expect(figures).toMatchObject({ lost: 0, torn: 0, wrongPins: 0 });
  // Of processor time: what else the machine does in that second is not the service's matter.
  expect(processor).toBeLessThan(1000);
});
