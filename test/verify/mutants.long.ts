// Every check of every accepted corpus program taken out, one at a time (ANYBPF_CHECKS=n: of each program the first n and no more).
import { expect, it } from 'vitest';
import { MUTANTS_UNLIKE_LINUX } from '../known/corpus-verdicts.ts';
import { kernelCapability } from '../support/bpf.ts';
import { corpusPrograms } from './corpus.ts';
import { survey } from './mutant-run.ts';

const corpus = corpusPrograms();
const programs = 'reason' in corpus ? [] : corpus;
const folders = [...new Set(programs.map(({ folder }) => folder))];
const HOUR = 3_600_000;
const CHECKS = Number(process.env['ANYBPF_CHECKS'] ?? 100_000);
const known = (line: string): boolean => Object.keys(MUTANTS_UNLIKE_LINUX).some((name) => line.startsWith(name));

it.skipIf(folders.length === 0).each(folders)(
  '%s',
  (folder) => {
    const own = programs.filter((p) => p.folder === folder);
    const askLinux = kernelCapability().ok ? 'certain' : 'none';
    const { counts, holes, unlikeLinux } = survey(own, { checks: CHECKS, runs: 12, packets: 16, askLinux });
    console.info(`mutants of ${folder}`, counts);
    expect(holes).toEqual([]);
    expect(unlikeLinux.filter((line) => !known(line))).toEqual([]);
  },
  HOUR,
);
