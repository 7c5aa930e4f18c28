// Real programs here and in the kernel; compare.long.ts does the same with every object there is.
import { describe, expect, it } from 'vitest';
import { pinToCpu } from '../support/bpf.ts';
import { requireCapability } from '../support/capability.ts';
import { comparePrograms, failures, formatTable, isRight } from './comparison.ts';

const hasCorpus = requireCapability('shared-corpus') === undefined;

describe.skipIf(requireCapability('kernel-bpf') !== undefined)('programs against BPF_PROG_TEST_RUN', () => {
  it('gives the same verdicts, packets and maps for every program of the smaller objects', { timeout: 120_000 }, () => {
    // Per-CPU maps are compared whole: both sides must run on the same CPU.
    expect(pinToCpu(0)).toBe(0);
    const found = comparePrograms({ packets: 700, seed: 0xbeef, maxBytes: 64 << 10 });
    if (process.env['ANYBPF_TABLE'] !== undefined) console.log(formatTable(found));
    expect(failures(found)).toEqual([]);
    expect(found.missing).toEqual([]);
    expect(found.rows.filter(isRight).length).toBeGreaterThanOrEqual(hasCorpus ? 40 : 5);
  });
});
