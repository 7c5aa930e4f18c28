// Why a program is refused, as plain data: one cause, where its value came from, what the path decided, and what helps.
import type { Diagnostic } from '../../base/diagnostic.ts';

/** A line of the C source, where the object has line information. */
export interface SourceLine {
  readonly file: string;
  /** From 1; 0 where only its text is known (logs of kernels before 6.8). */
  readonly line: number;
  /** From 1; 0 where the compiler gave none. */
  readonly column: number;
  readonly text: string;
}

/** Where in the program something is. */
export interface Site {
  /** Slot of the instruction, as the kernel counts. */
  readonly insn: number;
  /** The instruction as text, helpers and maps by name. */
  readonly instruction: string;
  readonly source?: SourceLine;
}

/** What an instruction of the path did to what the refusal is about. */
export type FactKind =
  /** It made the value. */
  | 'origin'
  /** It changed the value, or moved the pointer. */
  | 'change'
  /** A branch that bounds the value. */
  | 'check'
  /** A branch that says whether the pointer is NULL. */
  | 'null-check'
  /** A branch that says how long the packet is at least. */
  | 'length-check'
  /** What was known of the value does not hold any more. */
  | 'lost'
  /** A branch that led here. */
  | 'decision'
  /** The call of the function that the path is in. */
  | 'call'
  /** The loop's first instruction, the jump back to it, or a way out of it. */
  | 'loop';

export interface Fact extends Site {
  readonly kind: FactKind;
  readonly text: string;
  /** When: the number of the instruction on the path. Facts of code that the path does not pass come last. */
  readonly step: number;
}

/** What to change, where the class of refusal has an answer. */
export interface Fix {
  readonly kind: FixKind;
  readonly text: string;
  /** The place that it is about, where it is not that of the cause. */
  readonly at?: Site;
}

export type FixKind =
  | 'null-check'
  | 'bounds-check'
  | 'check-other-pointer'
  | 'check-too-small'
  | 'check-after-use'
  | 'check-every-path'
  | 'reload-packet'
  | 'initialise'
  | 'release'
  | 'bound-loop'
  | 'other-program-type'
  | 'less-stack'
  | 'return-value'
  | 'licence'
  | 'other';

export interface Explanation {
  /** The root cause. */
  readonly cause: Diagnostic & { readonly site: Site | undefined };
  /** Where the value came from that is wrong: its definitions and what was learnt of it, in the order of the path. */
  readonly chain: readonly Fact[];
  /** Decisions of the path that matter, in its order. */
  readonly path: readonly Fact[];
  readonly fix?: Fix;
}
