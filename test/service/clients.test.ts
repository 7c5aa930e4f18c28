// The short part of clients.long.ts.
import { expect, test } from 'vitest';
import { killClients } from './doomed.ts';

test('clients that are killed leave nothing but what they have pinned', async () => {
  const { killed, greeted, pins } = await killClients({
    points: 12,
    until: performance.now() + 60_000,
    seed: Date.now(),
  });
  expect(killed).toBe(12);
  expect(greeted).toBeGreaterThan(6);
  expect(pins).toBeGreaterThan(0);
});
