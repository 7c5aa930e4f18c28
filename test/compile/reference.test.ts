import { expect, test } from 'vitest';
import { referenceBackend } from '../../src/compile/reference/backend.ts';
import { LinearMemory } from '../../src/run/memory.ts';
import { testCheckedEngine } from './checked-engine.ts';
import { start } from './support.ts';

testCheckedEngine(referenceBackend, { stepped: true });

test('code that is disposed of gives its stack back', () => {
  const memory = new LinearMemory();
  const before = memory.used;
  const { images } = start({ backend: referenceBackend, programs: ['r0 = 0\n exit'], memory });
  expect(memory.used).toBeGreaterThan(before);
  images[0].code?.dispose();
  expect(memory.used).toBe(before);
});
