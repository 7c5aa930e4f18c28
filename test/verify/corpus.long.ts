// All programs of the corpus objects beside the running kernel.
import { expect, it } from 'vitest';
import { builtInPlatform } from '../../src/hosts/platform.ts';
import { verify } from '../../src/verify/verify.ts';
import { kernelCapability } from '../support/bpf.ts';
import { corpusPrograms } from './corpus.ts';
import { compareWithKernel } from './corpus-kernel.ts';

const corpus = corpusPrograms();

it.skipIf('reason' in corpus || !kernelCapability().ok)('of what Linux accepts, 98 % and more are accepted', () => {
  const programs = 'reason' in corpus ? [] : corpus;
  const platform = builtInPlatform('linux');
  const { agreement, unlike } = compareWithKernel(programs, (p) => verify(p.object, p.program, platform));
  console.info('corpus objects beside Linux', agreement);
  expect(unlike).toEqual([]);
  expect(agreement.acceptedByLinux).toBeGreaterThan(400);
  expect(agreement.acceptedByBoth / agreement.acceptedByLinux).toBeGreaterThanOrEqual(0.98);
});
