// S7 with Windows' limit and real sockets, and S14 of eBPF for Windows' walk-throughs.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import { builtInPlatform } from '../../src/hosts/platform.ts';
import { linkObject } from '../../src/link/link.ts';
import { verify } from '../../src/verify/verify.ts';
import { requireCapability } from '../support/capability.ts';
import { corpusFolder, filesBelow } from '../support/shared.ts';
import { leakInNode, leakInPython } from './port-leak.ts';

describe('S7: 5,000 ports for a process, and no more', () => {
  const missing = requireCapability('seccomp-notify');
  test('in Node, registered', () => leakInNode(5000), 120_000);
  test.skipIf(missing !== undefined)('in Python, supervised', () => leakInPython(5000), 120_000);
});

describe('S14: an object of many XDP programs, as Cilium’s for Windows', () => {
  // Those for Windows are not at hand: it is the one for Linux that they were made from, where the corpus has it.
  const corpus = corpusFolder('objects');
  const file = 'reason' in corpus ? undefined : manyXdpPrograms(corpus.path);
  if (file === undefined) console.warn('skipped, S14: no object of ten XDP programs beside the checkout');
  test.skipIf(file === undefined)(
    'all sections verify',
    () => {
      const spec = linkObject(readFileSync(file ?? ''), { name: 'xdp' });
      const verdicts = spec.programs.map((p) => [p.name, verify(spec, p, builtInPlatform(spec.dialect)).verdict]);
      expect(verdicts).toEqual(spec.programs.map(({ name }) => [name, 'accepted']));
    },
    60_000,
  );
});

/** The first object of the corpus with ten programs or more, all of them XDP's. */
const manyXdpPrograms = (folder: string): string | undefined =>
  filesBelow(folder, '.o')
    .map((file) => path.join(folder, file))
    .find((file) => {
      try {
        const { programs } = linkObject(readFileSync(file), { name: file });
        return programs.length >= 10 && programs.every(({ type }) => type === 'xdp');
      } catch (error) {
        if (error instanceof AnyBpfError) return false;
        throw error;
      }
    });
