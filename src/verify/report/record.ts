// A verdict as the record that `anybpf verify --json` prints: docs/schema/verify.schema.json describes it.
import type { Diagnostic } from '../../base/diagnostic.ts';
import type { ProgramSpec } from '../../spec/object.ts';
import type { Explanation, SourceLine } from '../explain/explanation.ts';
import { sourceAt } from '../explain/site.ts';
import type { Lack } from '../targets/predict.ts';
import type { Verdict, VerdictKind } from '../verify.ts';

export interface VerifyRecord {
  /** Name of the object file. */
  readonly object: string;
  readonly section: string;
  readonly program: string;
  readonly type: string;
  readonly verdict: VerdictKind;
  /** Stable code of the refusal, `verify/null`; where the verdict is not `accepted`. */
  readonly code?: string;
  readonly message?: string;
  /** What Linux's verifier says, where the record is made of its log. */
  readonly kernel?: readonly string[];
  /** The instruction that is refused: its slot, and its text where it could be decoded. */
  readonly instruction?: { readonly slot: number; readonly text?: string };
  readonly source?: SourceLine;
  readonly explanation?: Pick<Explanation, 'chain' | 'path' | 'fix'>;
  readonly warnings: readonly Diagnostic[];
  /** An input with which a run is aborted at that very instruction, where somebody asked and one was found. */
  readonly witness?: Witnessed;
  /** What another system lacks that the program needs, where somebody asked. */
  readonly target?: Prediction;
  /** What the verifier of the running kernel says, where somebody asked. */
  readonly against?: OtherOpinion;
  /** Instructions visited, one for each path that comes by. */
  readonly visited: number;
  /** States kept. */
  readonly states: number;
  readonly microseconds: number;
}

export interface Witnessed {
  /** The packet, as hexadecimal digits, where the program type has one. */
  readonly packet?: string;
  /** How the run ended. */
  readonly text: string;
}

/** By tables, and without asking that system. */
export interface Prediction {
  readonly name: string;
  readonly prediction: true;
  readonly lacks: readonly Lack[];
}

export interface OtherOpinion extends Pick<VerifyRecord, 'code' | 'message' | 'kernel' | 'instruction' | 'source'> {
  /** `Linux 6.18.1`. */
  readonly system: string;
  readonly verdict: 'accepted' | 'refused' | 'not asked';
  /** Of a refusal that the log does not tell, and of `not asked`. */
  readonly reason?: string;
}

export function recordOf(
  object: string,
  spec: ProgramSpec,
  verdict: Verdict,
  microseconds: number,
  warnings: readonly Diagnostic[] = [],
): VerifyRecord {
  const { diagnostic, explanation } = verdict;
  const slot = diagnostic?.place.insn;
  const source = slot === undefined ? undefined : sourceAt(spec, slot);
  const text = explanation?.cause.site?.instruction;
  return {
    object,
    section: spec.section,
    program: spec.name,
    type: spec.type,
    verdict: verdict.verdict,
    ...(diagnostic === undefined
      ? {}
      : { code: diagnostic.code, message: explanation?.cause.message ?? diagnostic.message }),
    ...(slot === undefined ? {} : { instruction: { slot, ...(text === undefined ? {} : { text }) } }),
    ...(source === undefined ? {} : { source }),
    ...(explanation === undefined ? {} : { explanation: partsOf(explanation) }),
    warnings: [...warnings, ...(verdict.warnings ?? []).map((warning) => placed(spec, warning))],
    visited: verdict.visits,
    states: verdict.states,
    microseconds: Math.round(microseconds),
  };
}

const partsOf = ({ chain, path, fix }: Explanation) => ({ chain, path, ...(fix === undefined ? {} : { fix }) });

/** A finding with its line of C. */
function placed(spec: ProgramSpec, { place, ...finding }: Diagnostic): Diagnostic {
  const source = place.insn === undefined ? undefined : sourceAt(spec, place.insn);
  return { ...finding, place: source === undefined ? place : { ...place, source } };
}
