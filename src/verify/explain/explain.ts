// Explains a refusal: walks the program again, remembers the path, and looks back from where it was refused.
import type { Diagnostic } from '../../base/diagnostic.ts';
import { type Insn, registersRead } from '../../isa/insn.ts';
import { OPS } from '../../isa/opcodes.ts';
import type { ObjectSpec, ProgramSpec } from '../../spec/object.ts';
import type { Platform } from '../../spec/platform.ts';
import type { Limits, Observe } from '../engine.ts';
import { pathOf, recorder, type Trace } from '../trace.ts';
import { analyse, DEFAULT_LIMITS, type Verdict } from '../verify.ts';
import type { Culprit, Walk } from '../walk.ts';
import type { Explanation, Fact } from './explanation.ts';
import { fixOf } from './fix.ts';
import { lateCheck, otherPathCheck } from './late-check.ts';
import { loopAt } from './loop.ts';
import { missingBytes, packetChecks, type PathContext, pathFacts } from './path-facts.ts';
import { siteAt } from './site.ts';
import { type Place, Slice } from './slice.ts';

/**
 * Verifies one program, and explains a refusal. Accepted programs cost no more than `verify` alone; a refused one is walked
 * twice, so that nothing has to be remembered of those that are not.
 */
export function verifyAndExplain(
  object: ObjectSpec,
  spec: ProgramSpec,
  platform: Platform,
  limits: Limits = DEFAULT_LIMITS,
  observe?: Observe,
): Verdict {
  const start = performance.now();
  const first = analyse(object, spec, platform, limits, observe);
  const { verdict, diagnostic } = first.verdict;
  if (diagnostic === undefined) return first.verdict;
  // What was given up has no one path that is to blame.
  const path = verdict === 'budget' ? undefined : pathAgain(object, spec, platform, limits, start, first.verdict);
  return { ...first.verdict, explanation: explain(diagnostic, path?.walk ?? first.walk, path?.steps ?? []) };
}

/** The path to the same refusal; undefined where the time is over before it is found again. */
function pathAgain(
  object: ObjectSpec,
  spec: ProgramSpec,
  platform: Platform,
  limits: Limits,
  start: number,
  { diagnostic, visits }: Verdict,
): { readonly walk: Walk | undefined; readonly steps: readonly Trace[] } | undefined {
  const time = Math.max(LEAST_TIME, limits.time - (performance.now() - start));
  const { verdict, walk, last } = analyse(object, spec, platform, { ...limits, time }, recorder(visits));
  const found = verdict.diagnostic;
  if (found?.code !== diagnostic?.code || found?.place.insn !== diagnostic?.place.insn) return undefined;
  return { walk, steps: pathOf(last?.trace) };
}

/** Milliseconds that the second walk has in any case. */
const LEAST_TIME = 500;
/** Facts of a chain: its beginning and its end say most. */
const CHAIN = 8;

/** What is wrong, where its value came from, what the path decided, and what helps. `path`: as trace.ts recorded it. */
export function explain(diagnostic: Diagnostic, walk: Walk | undefined, path: readonly Trace[]): Explanation {
  const slot = diagnostic.place.insn ?? 0;
  if (walk === undefined) return { cause: { ...diagnostic, site: undefined }, chain: [], path: [] };
  const { culprit } = walk;
  const last = path.at(-1);
  const first = last === undefined ? 0 : last.count - path.length;
  const fact: PathContext['fact'] = (at, kind, text, step = path.length) => ({
    ...(siteAt(walk, walk.program.insns, at) ?? { insn: at, instruction: '' }),
    kind,
    text,
    step: first + step,
  });
  const found = new Slice(walk, path, startOf(diagnostic.code, slot, walk, last)).run();
  const chain = shortened(found.map(({ slot: at, kind, text, at: step }) => fact(at, kind, text, step)));
  const named = new Set(chain.map((f) => f.insn));
  const late = lateCheck(walk, last, culprit);
  const elsewhere = otherPathCheck(walk, path, culprit);
  const context: PathContext = { walk, slot, path, culprit, named, decisive: elsewhere?.branch, fact };
  const fix = fixOf({
    walk,
    diagnostic,
    slot,
    register: culprit?.register ?? -1,
    value: culprit?.value,
    chain,
    otherChecks: packetChecks(context),
    late: late === undefined ? undefined : fact(late, 'check', 'the check'),
    elsewhere: elsewhere === undefined ? undefined : fact(elsewhere.comparison, 'check', 'the check'),
    references: last?.references ?? [],
    missing: missingBytes(path, culprit),
  });
  return {
    cause: {
      ...diagnostic,
      message: causeOf(diagnostic, chain, culprit),
      site: siteAt(walk, walk.program.insns, slot),
    },
    chain,
    path: pathFacts(diagnostic.code, context),
    ...(fix === undefined ? {} : { fix }),
  };
}

/** The cause in a sentence; where a value was lost on the way, that is what is wrong with it. */
function causeOf({ message }: Diagnostic, chain: readonly Fact[], culprit: Culprit | undefined): string {
  const lost = chain.at(-1);
  if (lost?.kind !== 'lost' || culprit?.value?.kind === 'pointer') return message;
  const at = lost.source === undefined ? `at instruction ${lost.insn}` : `in line ${lost.source.line}`;
  return `${message}; it lost its value ${at}`;
}

/** The places whose history is told: the register that the refusal is about, and what decides with it. */
function startOf(code: string, slot: number, walk: Walk, last: Trace | undefined): Place[] {
  if (last === undefined) return [];
  const frame = last.frames.length - 1;
  const places = (registers: readonly number[]): Place[] => registers.map((place) => ({ frame, place }));
  // A loop is left by what its branches compare.
  if (code === 'verify/unbounded-loop') {
    const exits = loopAt(walk, slot)?.exits ?? [];
    return places([...new Set(exits.flatMap((exit) => registersRead(walk.program.insns[exit.slot] as Insn)))]);
  }
  const { culprit } = walk;
  // Of bytes that are missing, the stores tell more than how their address was made.
  if (culprit === undefined || culprit.bytes !== undefined) return [];
  return places([...new Set([culprit.register, ...distanceOperand(walk, slot), ...sizeArgument(walk, slot, culprit)])]);
}

/** The register whose number a pointer is moved by. */
function distanceOperand(walk: Walk, slot: number): number[] {
  const insn = walk.program.insns[slot];
  return insn !== undefined && OPS[insn.op].format === 'alu_reg' ? [insn.src] : [];
}

/** The register with the size that goes with a pointer argument of a helper. */
function sizeArgument(walk: Walk, slot: number, { register, value }: Culprit): number[] {
  const insn = walk.program.insns[slot];
  if (insn?.op !== 'call_helper' || value?.kind !== 'pointer') return [];
  const next = walk.platform.helper(insn.imm, walk.spec.type)?.args.at(register);
  return next === 'size' || next === 'sizeOrZero' ? [register + 1] : [];
}

/** One fact for each run of changes on one source line; the first and the last of those that are left. */
function shortened(facts: readonly Fact[]): readonly Fact[] {
  const kept = facts.filter((f, i) => {
    const next = facts.at(i + 1);
    const line = f.source?.line;
    return !(f.kind === 'change' && next?.kind === 'change' && line !== undefined && next.source?.line === line);
  });
  return kept.length <= CHAIN ? kept : [kept[0], ...kept.slice(kept.length - CHAIN + 1)];
}
