// Programs of the examples and of the corpus that are accepted and can be test-run: each state of their runs is one that was foreseen.
import { expect, test } from 'vitest';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import { memoryHost } from '../../src/hosts/memory/host.ts';
import { builtInPlatform } from '../../src/hosts/platform.ts';
import { loadObject } from '../../src/run/loader.ts';
import { verify } from '../../src/verify/verify.ts';
import { samplePackets } from '../support/packets.ts';
import { Visits } from './containment.ts';
import { corpusPrograms } from './corpus.ts';
import { watch } from './watched.ts';

const MILLISECONDS = 1_000 * Number(process.env['ANYBPF_SECONDS'] ?? 300);
const SEED = Number(process.env['ANYBPF_SEED'] ?? Date.now() % 1_000_000_000);
/** States that are remembered of a program; larger ones are left out. */
const ROOM = 100_000;
/** What stops a run that is no matter of the verifier: input that the type refuses, what no host here has, budgets. */
const NO_FAULT: ReadonlySet<string> = new Set([
  'run/no-test-run',
  'run/test-run-refused',
  'run/budget',
  'run/helper-refused',
  'run/missing-helper',
  'run/missing-kfunc',
  'run/call-depth',
]);

const programs = corpusPrograms();
test.skipIf('reason' in programs)('programs of the corpus run as foreseen', () => {
  if ('reason' in programs) return;
  const platform = builtInPlatform('linux');
  const packets = samplePackets(16, SEED);
  const end = performance.now() + MILLISECONDS;
  const counts = { programs: 0, accepted: 0, large: 0, run: 0, compared: 0, left: 0 };
  const wrong: string[] = [];
  for (const { id, object: spec, program: own } of programs) {
    if (performance.now() > end) {
      counts.left++;
      continue;
    }
    counts.programs++;
    const visits = new Visits(ROOM);
    const verdict = verify(spec, own, platform, { visits: ROOM, time: 5_000 }, visits.see);
    if (verdict.verdict !== 'accepted') continue;
    counts.accepted++;
    if (visits.full) {
      counts.large++;
      continue;
    }
    try {
      // The one program, and the others for tail calls.
      const others = spec.programs.filter((other) => other !== own);
      using object = loadObject(
        { ...spec, programs: [own, ...others] },
        { host: memoryHost({ seed: 1 }), engine: 'reference', verify: 'off', budget: 200_000 },
      );
      const [program] = object.programs;
      if (program.diagnostic !== undefined) continue;
      const containment = watch(object, program, visits, false);
      for (const data of packets) {
        try {
          program.run({ data });
        } catch (error) {
          if (!(error instanceof AnyBpfError)) throw error;
          const { code, place } = error.diagnostic;
          const unproven =
            place.insn !== undefined && verdict.checkedAt?.has(place.insn) === true && place.program === own.name;
          if (!NO_FAULT.has(code) && !unproven && place.program === own.name) wrong.push(`${id}: ${error.message}`);
        }
      }
      if (containment.compared > 0) counts.run++;
      counts.compared += containment.compared;
      if (containment.finding !== undefined)
        wrong.push(`${id}: slot ${containment.finding.slot}: ${containment.finding.why}`);
    } catch (error) {
      if (!(error instanceof AnyBpfError)) throw new Error(id, { cause: error });
    }
  }
  console.log(`seed ${SEED}`, counts);
  expect(wrong).toEqual([]);
  expect(counts.run).toBeGreaterThan(0);
});
