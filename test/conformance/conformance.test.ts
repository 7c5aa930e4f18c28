import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseVector, runVector } from '../../src/cli/conformance.ts';
import { ENGINES } from '../../src/run/engines.ts';
import { corpusFolder, filesBelow } from '../support/shared.ts';

const BACKENDS = Object.values(ENGINES);

function expectAllPass(folder: string): void {
  const files = filesBelow(folder, '.data');
  test('there are vectors', () => expect(files.length).toBeGreaterThan(0));
  describe.each(BACKENDS)('$name', (backend) => {
    test.each(files)('%s', (file) => {
      const full = path.join(folder, file);
      expect(runVector(file, parseVector(readFileSync(full, 'utf8'), file), backend)).toEqual({
        name: file,
        passed: true,
      });
    });
  });
}

describe('vectors of this project', () => expectAllPass(path.join(import.meta.dirname, 'vectors')));

const corpus = corpusFolder('conformance');
if ('reason' in corpus) test.skip(`vectors of bpf_conformance: ${corpus.reason}`, () => {});
else describe('vectors of bpf_conformance', () => expectAllPass(corpus.path));
