// Verdicts on the kernel's own annotated verifier tests (kernel-suite.ts), and what the accepted ones return.
import { describe, expect, it } from 'vitest';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import { memoryHost } from '../../src/hosts/memory/host.ts';
import { builtInPlatform } from '../../src/hosts/platform.ts';
import { loadObject } from '../../src/run/loader.ts';
import type { EngineChoice } from '../../src/spec/backend.ts';
import type { ProgramTypeName } from '../../src/spec/program-types.ts';
import type { Limits } from '../../src/verify/engine.ts';
import { type Verdict, verify } from '../../src/verify/verify.ts';
import { type Difference, LESS, MORE, OTHER_VALUE } from '../known/verifier-suite.ts';
import { requireCapability } from '../support/capability.ts';
import { kernelSuite, type SuiteTest, suiteTests } from './kernel-suite.ts';

const FILES = 150;
const PROGRAMS = 1700;
/** Parts of the programs that Linux accepts. */
const NETWORK_RATE = 0.9;
const RATE = 0.8;
const NETWORK: readonly ProgramTypeName[] = ['socket_filter', 'xdp', 'sched_cls', 'cgroup_skb', 'cgroup_sock_addr'];
const LIMITS = { visits: 1_000_000, time: 5_000 };
const ENGINES: readonly EngineChoice[] = ['reference', 'compile'];

const missing = requireCapability('linux-suite');
const names = (differences: readonly Difference[]): Set<string> =>
  new Set(differences.flatMap(({ programs }) => programs));

interface Result {
  readonly test: SuiteTest;
  readonly verdict: Verdict;
}

function verdictOn({ object, program }: SuiteTest, limits: Limits = LIMITS): Verdict {
  const { unsupported } = program;
  if (unsupported !== undefined) return { verdict: 'refused', diagnostic: unsupported, visits: 0, states: 0 };
  return verify(object, program, builtInPlatform('linux'), limits);
}

/** Passes of may_goto are 8 million. */
const BUDGET = 50_000_000;

/** The value of a run on 64 zero bytes, or why there is none. */
function returnedBy({ object, program }: SuiteTest, engine: EngineChoice): number | string {
  // With it, the programs of its program arrays.
  const targets = object.maps.flatMap(({ slots }) => slots.map(({ target }) => target));
  const programs = object.programs.map((other) => (other.name === program.name ? program : other));
  const wanted = [program.name, ...targets.filter((name) => programs.some((other) => other.name === name))];
  const loaded = loadObject({ ...object, programs }, { host: memoryHost(), engine, programs: wanted, budget: BUDGET });
  try {
    return loaded.program(program.name).run({ data: new Uint8Array(64) }).retval;
  } catch (error) {
    if (!(error instanceof AnyBpfError)) throw error;
    return error.message;
  } finally {
    loaded[Symbol.dispose]();
  }
}

/** The program that a line of differences begins with. */
const nameOf = (text: string): string => text.slice(0, text.indexOf(':'));

describe.skipIf(missing !== undefined)("the kernel's annotated suite", () => {
  const suite = missing === undefined ? kernelSuite() : { reason: missing };
  const tests = 'folder' in suite ? suiteTests(suite.folder) : [];
  const results: readonly Result[] = tests.map((test) => ({ test, verdict: verdictOn(test) }));
  const accepts = ({ verdict }: Result): boolean => verdict.verdict === 'accepted';
  const more = results.filter((r) => accepts(r) && !r.test.accepted);
  const less = results.filter((r) => !accepts(r) && r.test.accepted);

  it('is there as a whole', () => {
    expect(new Set(tests.map(({ object }) => object.name)).size).toBeGreaterThanOrEqual(FILES);
    expect(tests.length).toBeGreaterThanOrEqual(PROGRAMS);
  });

  it('has no refused program that is accepted here, but for those of other policy', () => {
    expect(more.map(({ test }) => test.name).filter((name) => !names(MORE).has(name))).toEqual([]);
  });

  it('has no such program that strictness would let pass', () => {
    const strict = names(MORE.filter((difference) => difference.strict));
    const passed = more.filter(({ test }) => {
      const verdict = verdictOn(test, { ...LIMITS, strict: true });
      return strict.has(test.name) && verdict.verdict === 'accepted';
    });
    expect(passed.map(({ test }) => test.name)).toEqual([]);
  });

  it('has no accepted program that is refused here, but for those that are known', () => {
    expect(
      less
        .filter(({ test }) => !names(LESS).has(test.name))
        .map(({ test, verdict }) => `${test.name}: ${verdict.diagnostic?.message}`),
    ).toEqual([]);
  });

  it('has no known difference that is gone', () => {
    const now = new Set([...more, ...less].map(({ test }) => test.name));
    expect([...names([...MORE, ...LESS])].filter((name) => !now.has(name))).toEqual([]);
  });

  it('is accepted to the part that was promised', () => {
    const rows = new Map<string, { accepted: number; here: number; refused: number; alsoHere: number }>();
    for (const result of results) {
      const { type } = result.test.program;
      const row = rows.get(type) ?? { accepted: 0, here: 0, refused: 0, alsoHere: 0 };
      if (result.test.accepted) row.accepted++;
      else row.refused++;
      if (result.test.accepted && accepts(result)) row.here++;
      if (!result.test.accepted && !accepts(result)) row.alsoHere++;
      rows.set(type, row);
    }
    console.table(Object.fromEntries(rows));
    for (const type of NETWORK) {
      const { accepted, here } = rows.get(type) ?? { accepted: 0, here: 0 };
      expect(here / accepted, type).toBeGreaterThanOrEqual(NETWORK_RATE);
    }
    const all = results.filter(({ test }) => test.accepted);
    expect(all.filter(accepts).length / all.length).toBeGreaterThanOrEqual(RATE);
  });

  it.each(ENGINES)('returns what the annotations say, by %s', (engine) => {
    const known = names(OTHER_VALUE);
    const runnable = results.filter((r) => {
      const { program, returns } = r.test;
      const row = builtInPlatform('linux').programType(program.type);
      return accepts(r) && r.test.accepted && returns !== undefined && row?.harness !== undefined;
    });
    const other = runnable.flatMap(({ test }) => {
      const value = returnedBy(test, engine);
      return value === test.returns ? [] : [`${test.name}: ${value}, not ${test.returns}`];
    });
    console.log(`${engine}: ${runnable.length - other.length} of ${runnable.length} as annotated`);
    expect(other.filter((text) => !known.has(nameOf(text)))).toEqual([]);
    expect([...known].filter((name) => !other.some((text) => nameOf(text) === name))).toEqual([]);
    expect(runnable.length).toBeGreaterThan(400);
  });
});
