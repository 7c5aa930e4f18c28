// Real programs here and in the kernel; compare.long.ts does the same with every object there is. ANYBPF_TABLE=1 prints a
// line for each program.
import { describe, expect, it } from 'vitest';
import { pinToCpu } from '../support/bpf.ts';
import { requireCapability } from '../support/capability.ts';
import { comparePrograms, failures, formatTable, isRight, summary } from './comparison.ts';
import { enginesUnderTest } from '../support/engines.ts';

const hasCorpus = requireCapability('shared-corpus') === undefined;

describe.skipIf(requireCapability('kernel-bpf') !== undefined)(
  'verdicts, packets and maps of the smaller objects against BPF_PROG_TEST_RUN',
  () => {
    it.each(enginesUnderTest())('give the same by the engine %s', { timeout: 120_000 }, (engine) => {
      // Per-CPU maps are compared whole: both sides must run on the same CPU.
      expect(pinToCpu(0)).toBe(0);
      const found = comparePrograms({ engine, packets: 700, seed: 0xbeef, maxBytes: 64 << 10 });
      console.log(process.env['ANYBPF_TABLE'] === undefined ? summary(found) : formatTable(found));
      expect(failures(found)).toEqual([]);
      expect(found.missing).toEqual([]);
      expect(found.rows.filter(isRight).length).toBeGreaterThanOrEqual(hasCorpus ? 40 : 5);
    });
  },
);
