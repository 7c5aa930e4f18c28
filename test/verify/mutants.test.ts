// Accepted programs without one of their checks: refused, or safe without it. The bounded part; mutants.long.ts takes out every check.
import { describe, expect, it } from 'vitest';
import { MUTANTS_UNLIKE_LINUX } from '../known/corpus-verdicts.ts';
import { kernelCapability } from '../support/bpf.ts';
import { type CorpusProgram, corpusPrograms } from './corpus.ts';
import { survey } from './mutant-run.ts';

const corpus = corpusPrograms();

/** Folders of programs with thousands of instructions: a few of them here. */
const LARGE: ReadonlySet<string> = new Set(['cilium', 'cilium-core', 'falco']);
const ONE_IN = 40;

describe.skipIf('reason' in corpus)('programs without one of their checks', () => {
  const programs: readonly CorpusProgram[] = 'reason' in corpus ? [] : corpus;
  const small = programs.filter((p) => !LARGE.has(p.folder));
  const large = programs.filter((p) => LARGE.has(p.folder)).filter((_p, i) => i % ONE_IN === 0);

  it('small ones, all of their checks: refused, or safe in runs and in the eyes of Linux', () => {
    const askLinux = kernelCapability().ok ? 'all' : 'none';
    const { counts, holes, unlikeLinux } = survey(small, { checks: 1000, runs: 1000, packets: 16, askLinux });
    expect(holes).toEqual([]);
    expect(unlikeLinux.filter((line) => MUTANTS_UNLIKE_LINUX[line.split(':')[0]] === undefined)).toEqual([]);
    // Most checks are needed; the rest is doubled, or what it guards is not used.
    const { packet, null: nulls } = counts;
    expect(packet.refused).toBeGreaterThan(10 * packet.accepted);
    expect(nulls.refused).toBeGreaterThan(8 * nulls.accepted);
  });

  it('some checks of some large ones', () => {
    const { counts, holes } = survey(large, { checks: 4, runs: 1, packets: 8, askLinux: 'none' });
    expect(holes).toEqual([]);
    expect(counts.packet.refused + counts.null.refused).toBeGreaterThan(10);
  });
});

if ('reason' in corpus) it.skip(corpus.reason);
