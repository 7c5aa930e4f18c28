// The verifier: whether a program may run. A pure function of the program, its object's maps and the platform.
import { AnyBpfError, type Diagnostic } from '../base/diagnostic.ts';
import type { ObjectSpec, ProgramSpec } from '../spec/object.ts';
import type { Platform } from '../spec/platform.ts';
import { Budget, Engine, type Limits, type Observe } from './engine.ts';
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
}

export const DEFAULT_LIMITS: Limits = { visits: 1_000_000, time: 10_000 };

/**
 * Verifies one program of an object. Never throws for what is in the program.
 *
 * @param observe is shown the state before each instruction that is visited; it may read it, and record it (trace.ts)
 */
export function verify(
  object: ObjectSpec,
  spec: ProgramSpec,
  platform: Platform,
  limits: Limits = DEFAULT_LIMITS,
  observe?: Observe,
): Verdict {
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
        (rule) => rule.attach === undefined || (attachType !== undefined && rule.attach.includes(attachType)),
      ),
      visits: 0,
      culprit: undefined,
      calls: new Map(),
      stackOf: new Map(),
    };
    engine = new Engine(walk, limits, observe);
    const registers: Value[] = Array.from({ length: 11 }, () => undefined);
    registers[1] = pointer('ctx', -1);
    registers[10] = pointer('stack', -1, { target: 0 });
    engine.run(new State(0, [emptyFrame(0, -1, registers)]));
    return { verdict: 'accepted', visits: walk.visits, states: engine.keptStates };
  } catch (error) {
    if (!(error instanceof AnyBpfError)) throw error;
    return {
      verdict: error instanceof Budget ? 'budget' : 'refused',
      diagnostic: error.diagnostic,
      visits: walk?.visits ?? 0,
      states: engine?.keptStates ?? 0,
    };
  }
}
