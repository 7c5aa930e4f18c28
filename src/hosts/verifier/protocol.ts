// What an application and a verifier that runs beside it say to each other: plain data, and bytes.
import type { Diagnostic } from '../../base/diagnostic.ts';
import type { ProgramTypeName } from '../../spec/program-types.ts';
import type { Limits } from '../../verify/engine.ts';
import type { VerifyRecord } from '../../verify/report/record.ts';

/** Programs of one object file to verify. */
export interface VerifyRequest {
  /** The object file. Reading it is the verifier's work too: nothing of it is looked at here. */
  readonly object: Uint8Array;
  /** Its name, for messages. */
  readonly name?: string;
  /** Programs by function name, or else by section name; all where absent. */
  readonly programs?: readonly string[];
  /** Number of the first of those to begin with. */
  readonly from?: number;
  /** Type of the programs whose sections do not say one. */
  readonly programType?: ProgramTypeName;
  /** Types of the kernel that CO-RE relocations are resolved against: raw BTF, or an ELF file that has it. */
  readonly kernelTypes?: Uint8Array;
  readonly limits?: Limits;
}

/** In this order: the programs, then for each `begin` and `verdict`, then `done`; or at any time `failed` or `bug`. */
export type VerifierMessage =
  | { readonly kind: 'ready' }
  | { readonly kind: 'programs'; readonly programs: readonly ProgramName[] }
  | { readonly kind: 'begin'; readonly program: number }
  | { readonly kind: 'verdict'; readonly program: number; readonly record: VerifyRecord }
  | { readonly kind: 'done' }
  /** The object cannot be verified as a whole. */
  | { readonly kind: 'failed'; readonly diagnostic: Diagnostic }
  /** A fault of the verifier, with its stack. */
  | { readonly kind: 'bug'; readonly stack: string };

export interface ProgramName {
  readonly name: string;
  readonly section: string;
  readonly type: string;
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
const isText = (value: unknown): value is string => typeof value === 'string';
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

const isProgramName = (value: unknown): boolean =>
  isObject(value) && [value.name, value.section, value.type].every(isText);

const isDiagnostic = (value: unknown): boolean =>
  isObject(value) && [value.code, value.message, value.severity].every(isText) && isObject(value.place);

const VERDICTS: ReadonlySet<unknown> = new Set(['accepted', 'refused', 'budget']);

const isRecord = (value: unknown): boolean =>
  isObject(value) &&
  VERDICTS.has(value.verdict) &&
  [value.object, value.program, value.section, value.type].every(isText) &&
  [value.visited, value.states, value.microseconds].every(isCount) &&
  (value.verdict === 'accepted' || (isText(value.code) && isText(value.message))) &&
  Array.isArray(value.warnings) &&
  value.warnings.every(isDiagnostic);

const FORMS: { readonly [K in VerifierMessage['kind']]: (message: Record<string, unknown>) => boolean } = {
  ready: () => true,
  programs: ({ programs }) => Array.isArray(programs) && programs.every(isProgramName),
  begin: ({ program }) => isCount(program),
  verdict: ({ program, record }) => isCount(program) && isRecord(record),
  done: () => true,
  failed: ({ diagnostic }) => isDiagnostic(diagnostic),
  bug: ({ stack }) => isText(stack),
};

/** What came back, if it has the form of a message. The other side reads untrusted files: it is not believed more than they are. */
export function asMessage(value: unknown): VerifierMessage | undefined {
  if (!isObject(value) || !isText(value.kind) || !Object.hasOwn(FORMS, value.kind)) return undefined;
  return FORMS[value.kind as VerifierMessage['kind']](value) ? (value as unknown as VerifierMessage) : undefined;
}
