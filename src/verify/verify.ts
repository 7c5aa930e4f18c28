// The verifier: whether a program may run. A pure function of the program, its object's maps and the platform.
import { AnyBpfError, type Diagnostic } from '../base/diagnostic.ts';
import { uninitialisedStack } from '../base/messages/verify.ts';
import type { ObjectSpec, ProgramSpec } from '../spec/object.ts';
import type { Platform } from '../spec/platform.ts';
import { certify } from './certify.ts';
import type { Certificate } from './check/format.ts';
import { Budget, Engine, type Limits, type Observe } from './engine.ts';
import type { Explanation } from './explain/explanation.ts';
import { prepare } from './program.ts';
import { emptyFrame, State } from './state.ts';
import { pointer, type Value } from './value.ts';
import type { Walk } from './walk.ts';

export type VerdictKind = 'accepted' | 'refused' | 'budget';

export interface Verdict {
  readonly verdict: VerdictKind;
  /** Why not. */
  readonly diagnostic?: Diagnostic;
  /** Instructions visited, one for each path that comes by. */
  readonly visits: number;
  /** States kept. */
  readonly states: number;
  /**
   * Where the program is accepted: slots of the accesses of which nothing is proven. They read the memory of kernel objects, whose
   * addresses and sizes Linux leaves to the hardware to refuse; whoever runs the program checks them.
   */
  readonly checkedAt?: ReadonlySet<number>;
  /** Where it was asked for, and the checker can follow the verdict: what it rests on, for checkCertificate (check/check.ts). */
  readonly certificate?: Certificate;
  /** What is doubtful though it was let pass (Limits.strict), in the order in which it was met. */
  readonly warnings?: readonly Diagnostic[];
  /** Of a refusal, where it was asked for (explain/explain.ts). */
  readonly explanation?: Explanation;
}

/** A verdict, with what led to it. */
export interface Analysis {
  readonly verdict: Verdict;
  /** Undefined where the code could not even be decoded. */
  readonly walk: Walk | undefined;
  /** The state that was stepped last: where the program is refused, the one that may not go on. */
  readonly last: State | undefined;
}

export interface VerifyOptions extends Limits {
  /** The verdict of an accepted program carries a certificate, if the checker can follow it. */
  readonly certificate?: boolean;
}

export const DEFAULT_LIMITS: Limits = { visits: 1_000_000, time: 10_000 };

/**
 * Verifies one program of an object. Never throws for what is in the program.
 *
 * @param observe is shown the state before each instruction that is visited; it may read it, and record it (trace.ts)
 */
export const verify = (
  object: ObjectSpec,
  spec: ProgramSpec,
  platform: Platform,
  limits: VerifyOptions = DEFAULT_LIMITS,
  observe?: Observe,
): Verdict => analyse(object, spec, platform, limits, observe).verdict;

/** eBPF for Windows has no privileges that would let a program read what it never stored. */
function strictness({ dialect }: ProgramSpec, { strict = [] }: Limits): true | readonly string[] {
  return strict === true || dialect !== 'windows' ? strict : [...strict, uninitialisedStack.of.code];
}

/** As {@link verify}, and keeps where the walk ended. */
export function analyse(
  object: ObjectSpec,
  spec: ProgramSpec,
  platform: Platform,
  limits: VerifyOptions,
  observe?: Observe,
): Analysis {
  let engine: Engine | undefined;
  let walk: Walk | undefined;
  try {
    const row = platform.programType(spec.type);
    const { attachType } = spec;
    walk = {
      object,
      spec,
      program: prepare(spec, platform),
      platform,
      row,
      layout: row?.contexts[spec.dialect],
      returns: (row?.returns ?? []).filter(
        (rule) =>
          (rule.dialect ?? spec.dialect) === spec.dialect &&
          (rule.attach === undefined || (attachType !== undefined && rule.attach.includes(attachType))),
      ),
      checkedAt: new Set(),
      compared: undefined,
      sums: undefined,
      visits: 0,
      culprit: undefined,
      calls: new Map(),
      stackOf: new Map(),
      strict: strictness(spec, limits),
      warnings: new Map(),
    };
    engine = new Engine(walk, limits, observe);
    const registers: Value[] = Array.from({ length: 11 }, () => undefined);
    registers[1] = pointer('ctx', -1);
    registers[10] = pointer('stack', -1, { target: 0 });
    engine.run(new State(0, [emptyFrame(0, -1, registers)]));
    const certificate = limits.certificate === true ? certify(walk, engine.verified) : undefined;
    const verdict: Verdict = {
      verdict: 'accepted',
      visits: walk.visits,
      states: engine.keptStates,
      checkedAt: walk.checkedAt,
      ...(walk.warnings.size === 0 ? {} : { warnings: [...walk.warnings.values()] }),
      ...(certificate === undefined ? {} : { certificate }),
    };
    return { verdict, walk, last: engine.current };
  } catch (error) {
    if (!(error instanceof AnyBpfError)) throw error;
    const verdict: Verdict = {
      verdict: error instanceof Budget ? 'budget' : 'refused',
      diagnostic: error.diagnostic,
      visits: walk?.visits ?? 0,
      states: engine?.keptStates ?? 0,
    };
    return { verdict, walk, last: engine?.current };
  }
}
