// A verdict as the record that `anybpf verify --json` prints: docs/schema/verify.schema.json describes it.
import type { Diagnostic } from '../../base/diagnostic.ts';
import type { ProgramSpec } from '../../spec/object.ts';
import type { Explanation, SourceLine } from '../explain/explanation.ts';
import { sourceAt } from '../explain/site.ts';
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
  /** Instructions visited, one for each path that comes by. */
  readonly visited: number;
  /** States kept. */
  readonly states: number;
  readonly microseconds: number;
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
    warnings,
    visited: verdict.visits,
    states: verdict.states,
    microseconds: Math.round(microseconds),
  };
}

const partsOf = ({ chain, path, fix }: Explanation) => ({ chain, path, ...(fix === undefined ? {} : { fix }) });
