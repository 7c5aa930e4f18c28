// The verifier beside a page, in a worker: where there are workers of that kind.
import { describe, expect, test } from 'vitest';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import { createVerifierWorker } from '../../src/hosts/browser/verifier.ts';
import type { VerifierLimits } from '../../src/hosts/verifier/client.ts';
import { BAD, GOOD, objectOf, paths } from '../hosts/verifier-objects.ts';

const inBrowser = typeof document === 'object';
const verifierOf = (limits: VerifierLimits = {}) =>
  createVerifierWorker({
    ...limits,
    start: () => new Worker(new URL('../../src/hosts/browser/verify-worker.ts', import.meta.url), { type: 'module' }),
  });

describe.runIf(inBrowser)('in a worker', () => {
  test('answers one request after the other', async () => {
    using verifier = verifierOf();
    const object = objectOf({ good: GOOD, bad: BAD });
    const [all, one] = await Promise.all([verifier.verify({ object }), verifier.verify({ object, programs: ['bad'] })]);
    expect(all.map(({ program, verdict }) => [program, verdict])).toEqual([
      ['good', 'accepted'],
      ['bad', 'refused'],
    ]);
    expect(one).toMatchObject([{ program: 'bad', verdict: 'refused' }]);
  });

  test('an object that cannot be read', async () => {
    using verifier = verifierOf();
    const error = await verifier.verify({ object: new Uint8Array(10) }).catch((reason: unknown) => reason);
    expect((error as AnyBpfError).diagnostic.code).toMatch(/^elf\//);
    expect(await verifier.verify({ object: objectOf({ good: GOOD }) })).toHaveLength(1);
  });

  test('a program that takes too long is given up, and the next one verified', async () => {
    using verifier = verifierOf({ time: 1 });
    const object = objectOf({ hostile: paths(30), good: GOOD });
    const records = await verifier.verify({ object, limits: { visits: 1e12, time: 1e9 } });
    expect(records.map(({ program }) => program)).toEqual(['hostile', 'good']);
    expect(records[0]).toMatchObject({ verdict: 'budget', code: 'verify/budget' });
  });
});

test.skipIf(inBrowser)('objects that both sides of the verifier use', () => {
  expect(objectOf({ good: GOOD }).length).toBeGreaterThan(64);
});
