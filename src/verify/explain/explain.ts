// Explains a refusal: walks the program again, remembers the path, and looks back from where it was refused.
import type { Diagnostic } from '../../base/diagnostic.ts';
import { OPS } from '../../isa/opcodes.ts';
import type { ObjectSpec, ProgramSpec } from '../../spec/object.ts';
import type { Platform } from '../../spec/platform.ts';
import type { Limits } from '../engine.ts';
import { pathOf, record, type Trace } from '../trace.ts';
import type { Pointer } from '../value.ts';
import { analyse, DEFAULT_LIMITS, type Verdict } from '../verify.ts';
import type { Walk } from '../walk.ts';
import { condition } from './condition.ts';
import type { Explanation, Fact, FactKind } from './explanation.ts';
import { fixOf, type Refusal } from './fix.ts';
import { lateCheck } from './late-check.ts';
import { siteAt } from './site.ts';
import { provenText, Slice, type Place } from './slice.ts';

/**
 * Verifies one program, and explains a refusal. Accepted programs cost no more than `verify` alone; a refused one is walked
 * twice, so that nothing has to be remembered of those that are not.
 */
export function verifyAndExplain(
  object: ObjectSpec,
  spec: ProgramSpec,
  platform: Platform,
  limits: Limits = DEFAULT_LIMITS,
): Verdict {
  const first = analyse(object, spec, platform, limits);
  const { diagnostic } = first.verdict;
  if (diagnostic === undefined) return first.verdict;
  const again = analyse(object, spec, platform, limits, record);
  const same = again.verdict.diagnostic?.code === diagnostic.code;
  const { walk, last } = same ? again : first;
  return { ...first.verdict, explanation: explain(diagnostic, walk, pathOf(last?.trace)) };
}

/** Refusals that are about what the path did or left out, more than about one value. */
const BY_PATH: ReadonlySet<string> = new Set([
  'verify/uninitialised-register',
  'verify/uninitialised-stack',
  'verify/reference-leak',
  'verify/lock',
  'verify/return-value',
  'verify/release',
]);
/** Decisions shown of these. */
const DECISIONS = 3;
/** Facts of a chain: its beginning and its end say most. */
const CHAIN = 8;

export function explain(diagnostic: Diagnostic, walk: Walk | undefined, path: readonly Trace[]): Explanation {
  const slot = diagnostic.place.insn ?? 0;
  if (walk === undefined) return { cause: { ...diagnostic, site: undefined }, chain: [], path: [] };
  const site = siteAt(walk, walk.program.insns, slot);
  const fact = (at: number, kind: FactKind, text: string): Fact => ({
    ...(siteAt(walk, walk.program.insns, at) ?? { insn: at, instruction: '' }),
    kind,
    text,
  });
  const { culprit } = walk;
  const last = path.at(-1);
  const start: Place[] =
    culprit === undefined || last === undefined ? [] : [{ frame: last.frames.length - 1, place: culprit.register }];
  const chain = shortened(new Slice(walk, path, start).run().map(({ slot: at, kind, text }) => fact(at, kind, text)));
  const named = new Set(chain.map((f) => f.insn));
  const otherChecks = packetChecks(walk, path, fact).filter((f) => !named.has(f.insn));
  const late = lateCheck(walk, last, culprit);
  const refusal: Refusal = {
    walk,
    diagnostic,
    slot,
    register: culprit?.register ?? -1,
    value: culprit?.value,
    chain,
    otherChecks,
    late: late === undefined ? undefined : fact(late, 'check', 'the check'),
    references: last?.references ?? [],
  };
  const decided = [
    ...calls(path, fact),
    ...taken(refusal, fact),
    ...(diagnostic.code === 'verify/packet-bounds' ? otherChecks.slice(-2) : []),
    ...(BY_PATH.has(diagnostic.code) ? decisions(walk, path, named, fact).slice(-DECISIONS) : []),
  ];
  const fix = fixOf(refusal);
  return { cause: { ...diagnostic, site }, chain, path: decided, ...(fix === undefined ? {} : { fix }) };
}

type MakeFact = (slot: number, kind: FactKind, text: string) => Fact;

/** One fact for each run of changes on one source line; the first and the last of those that are left. */
function shortened(facts: readonly Fact[]): readonly Fact[] {
  const kept = facts.filter((f, i) => {
    const next = facts[i + 1];
    return !(
      f.kind === 'change' &&
      next?.kind === 'change' &&
      f.source !== undefined &&
      next.source?.line === f.source.line &&
      next.source.file === f.source.file
    );
  });
  return kept.length <= CHAIN ? kept : [kept[0], ...kept.slice(kept.length - CHAIN + 1)];
}

/** The calls that the path is in. */
const calls = (path: readonly Trace[], fact: MakeFact): readonly Fact[] =>
  (path.at(-1)?.frames ?? [])
    .slice(1)
    .map((frame) =>
      fact(
        frame.callback?.slot ?? frame.callSite,
        'call',
        frame.callback === undefined
          ? 'the function is called here'
          : `bpf_${frame.callback.helper} calls the function`,
      ),
    );

/** Where what is not given back was taken. */
function taken({ diagnostic, references }: Refusal, fact: MakeFact): readonly Fact[] {
  if (diagnostic.code !== 'verify/reference-leak') return [];
  return references.slice(0, 1).map(({ what, at }) => fact(at, 'origin', `the ${what} is taken here`));
}

/** Branches of the path that prove something of the packet. */
function packetChecks(walk: Walk, path: readonly Trace[], fact: MakeFact): Fact[] {
  const found = new Map<number, Fact>();
  for (let i = 1; i < path.length; i++) {
    const before = path[i - 1];
    const insn = walk.program.insns[before.slot];
    if (insn === undefined || OPS[insn.op].format !== 'branch_reg') continue;
    const registers = before.frames[before.frames.length - 1].registers;
    for (const r of [insn.dst, insn.src]) {
      const was = registers[r];
      const now = path[i].frames[before.frames.length - 1]?.registers[r];
      if (was?.kind !== 'pointer' || now?.kind !== 'pointer' || now.range <= was.range) continue;
      found.set(
        before.slot,
        fact(before.slot, 'check', `${condition(insn, before.slot, path[i].slot)}: ${proven(now, r)}`),
      );
    }
  }
  return [...found.values()];
}

const proven = (p: Pointer, register: number): string => `${provenText(p)}, for r${register}`;

/** The last decisions of the path, without those that are named already. */
function decisions(walk: Walk, path: readonly Trace[], named: ReadonlySet<number>, fact: MakeFact): Fact[] {
  const found = new Map<number, Fact>();
  for (let i = 1; i < path.length; i++) {
    const { slot } = path[i - 1];
    const insn = walk.program.insns[slot];
    if (insn === undefined || named.has(slot)) continue;
    const { format } = OPS[insn.op];
    if (format !== 'branch_imm' && format !== 'branch_reg') continue;
    found.delete(slot);
    found.set(slot, fact(slot, 'decision', condition(insn, slot, path[i].slot)));
  }
  return [...found.values()];
}
