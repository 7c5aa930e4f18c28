// Certificates of the corpus: how many there are, how large they are and what checking them takes; and altered programs and certificates
// by the thousand.
import { describe, expect, it } from 'vitest';
import { builtInPlatform } from '../../src/hosts/platform.ts';
import { checkCertificate } from '../../src/verify/check/check.ts';
import { DEFAULT_LIMITS, verify } from '../../src/verify/verify.ts';
import { Random } from '../support/random.ts';
import { certificateMutant, certified, checkAsOwn, programMutants, randomProgram, refusal } from './certificates.ts';
import { type CorpusProgram, corpusPrograms } from './corpus.ts';

const platform = builtInPlatform('linux');
const corpus = corpusPrograms();
/** Slots of programs of which each instruction is altered. */
const SMALL = 40;
const RANDOM_PROGRAMS = 600;

interface Altered {
  programs: number;
  mutants: number;
  accepted: number;
  lies: number;
}

/** Each altered program under the certificate of the original, and under altered ones; what is accepted though it is refused. */
function alter(
  { object, program, id }: Pick<CorpusProgram, 'object' | 'program' | 'id'>,
  random: Random,
  sum: Altered,
) {
  const wrong: string[] = [];
  const { certificate } = certified(object, program, platform);
  if (certificate === undefined) return wrong;
  const choose = (count: number): number => random.below(count);
  sum.programs++;
  for (const mutant of programMutants(program, choose)) {
    sum.mutants++;
    const taken = checkAsOwn(object, mutant, platform, certificate).verdict === 'accepted';
    if (taken) sum.accepted++;
    const lied = random.chance(0.03);
    const code = taken || lied ? refusal(object, mutant, platform) : undefined;
    if (taken && code !== undefined) wrong.push(`${id}: ${code}`);
    if (code === undefined || code === 'verify/budget') continue;
    for (let i = 0; i < 3; i++) {
      sum.lies++;
      const lie = certificateMutant(certificateMutant(certificate, choose), choose);
      if (checkAsOwn(object, mutant, platform, lie).verdict === 'accepted') wrong.push(`${id}: ${code}, by a lie`);
    }
  }
  return wrong;
}

describe.skipIf('reason' in corpus)('certificates of the corpus', () => {
  const programs = 'reason' in corpus ? [] : corpus;

  it('are there for all that is accepted but a few, and check', () => {
    const without: string[] = [];
    const rows: { visits: number; bytes: number; verify: number; check: number }[] = [];
    for (const { object, program, id } of programs) {
      const start = performance.now();
      if (verify(object, program, platform).verdict !== 'accepted') continue;
      const verified = performance.now() - start;
      const { certificate } = verify(object, program, platform, { ...DEFAULT_LIMITS, certificate: true });
      if (certificate === undefined) {
        without.push(id);
        continue;
      }
      const text = JSON.stringify(certificate);
      const before = performance.now();
      const { verdict, visits } = checkCertificate(object, program, platform, JSON.parse(text));
      rows.push({ visits, bytes: text.length, verify: verified, check: performance.now() - before });
      expect([id, verdict]).toEqual([id, 'accepted']);
    }
    const total = (of: keyof (typeof rows)[0]): number => rows.reduce((sum, row) => sum + row[of], 0);
    const sorted = (of: keyof (typeof rows)[0]): number[] => rows.map((row) => row[of]).sort((a, b) => a - b);
    const half = rows.length >> 1;
    console.log(
      `${rows.length} certificates, ${without.length} accepted programs without; ` +
        `bytes: ${total('bytes')} in all, median ${sorted('bytes')[half]}, largest ${sorted('bytes').at(-1)}; ` +
        `verify ${total('verify').toFixed(0)} ms, check ${total('check').toFixed(0)} ms in all, ` +
        `check median ${sorted('check')[half].toFixed(2)} ms, slowest ${sorted('check').at(-1)?.toFixed(0)} ms`,
    );
    if (without.length > 0) console.log(`without certificate: ${without.join(', ')}`);
    expect(without.length / (rows.length + without.length)).toBeLessThan(0.05);
  }, 300_000);

  it('do not pass for altered programs', () => {
    const random = new Random(1);
    const sum: Altered = { programs: 0, mutants: 0, accepted: 0, lies: 0 };
    const wrong = programs
      .filter(({ program }) => program.code.length <= 8 * SMALL)
      .flatMap((one) => alter(one, random, sum));
    console.log(sum);
    expect(wrong).toEqual([]);
    expect(sum.mutants).toBeGreaterThan(5_000);
  }, 300_000);
});

describe('certificates of random programs', () => {
  it('do not pass for altered programs', () => {
    const random = new Random(2);
    const sum: Altered = { programs: 0, mutants: 0, accepted: 0, lies: 0 };
    const wrong: string[] = [];
    let without = 0;
    for (let seed = 0; seed < RANDOM_PROGRAMS; seed++) {
      const made = randomProgram(seed);
      if (made === undefined) continue;
      const { verdict, certificate } = certified(made.object, made.program, platform);
      if (verdict === 'accepted' && certificate === undefined) without++;
      if (certificate !== undefined && sum.programs < 40)
        wrong.push(...alter({ ...made, id: `seed ${seed}` }, random, sum));
    }
    console.log({ ...sum, without });
    expect(wrong).toEqual([]);
  }, 300_000);
});
