// Every program that this kernel can test-run, over at least 1,000 packets each. Takes about two minutes on two cores.
// ANYBPF_SEED=n repeats a run.
import { describe, expect, it } from 'vitest';
import { pinToCpu } from '../support/bpf.ts';
import { requireCapability } from '../support/capability.ts';
import { comparePrograms, failures, formatTable } from './comparison.ts';
import { enginesUnderTest } from '../support/engines.ts';

const SEED = Number(process.env['ANYBPF_SEED'] ?? Date.now() % 2 ** 32);
const hasCorpus = requireCapability('shared-corpus') === undefined;

describe.skipIf(requireCapability('kernel-bpf') !== undefined)(
  'verdicts, packets and maps of all programs against BPF_PROG_TEST_RUN',
  () => {
    it.each(enginesUnderTest())('give the same by the engine %s', (engine) => {
      expect(pinToCpu(0)).toBe(0);
      const found = comparePrograms({ engine, packets: 1000, seed: SEED });
      console.log(`seed ${SEED}\n${formatTable(found)}`);
      expect(failures(found)).toEqual([]);
      expect(found.missing).toEqual([]);
      const judged = found.rows.filter((row) => row.incomparable === undefined && row.packets >= 1000);
      expect(judged.length).toBeGreaterThanOrEqual(hasCorpus ? 40 : 5);
    });
  },
);
