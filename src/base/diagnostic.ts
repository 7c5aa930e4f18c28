/** How bad a finding is. `error` stops the thing it is about (a file, a program, a packet), `warning` and `note` do not. */
export type Severity = 'error' | 'warning' | 'note';

/** Where a finding is. Every field is optional; a message prints those that are present. */
export interface Place {
  /** File name or other name of the input, as the user gave it. */
  readonly file?: string;
  /** ELF section, BTF section or capture block. */
  readonly section?: string;
  /** Byte offset in the section, or in the file where no section is given. */
  readonly offset?: number;
  readonly program?: string;
  readonly map?: string;
  /** Instruction slot in the program (64-bit slots, as the kernel counts). */
  readonly insn?: number;
  /** BTF type id. */
  readonly typeId?: number;
  /** C source position, from BTF line information. */
  readonly source?: { readonly file: string; readonly line: number; readonly column?: number; readonly text?: string };
  /** Line of a text input (assembler, rule file), from 1. */
  readonly line?: number;
}

/** One finding as plain data: what `--json` prints. `code` is stable across releases. */
export interface Diagnostic {
  readonly code: string;
  readonly severity: Severity;
  readonly message: string;
  readonly place: Place;
  /** What to do about it, where the class of finding has an answer. */
  readonly hint?: string;
  /** Linux' errno (positive), where the operation has one as bpf(2) does. */
  readonly errno?: number;
}

/** The only error that bad input may raise. Carries the finding; `message` is the sentence with its place. */
export class AnyBpfError extends Error {
  override readonly name = 'AnyBpfError';
  readonly diagnostic: Diagnostic;

  constructor(diagnostic: Diagnostic, options?: ErrorOptions) {
    super(formatDiagnostic(diagnostic), options);
    this.diagnostic = diagnostic;
  }

  get code(): string {
    return this.diagnostic.code;
  }
}

/** What is the same in all findings of a message. */
export interface MessageClass {
  readonly code: string;
  readonly severity: Severity;
  readonly hint?: string;
}

/** One message of the catalogue: builds a finding from a place and the message's own values. */
export type Message<Args extends readonly unknown[]> = ((place: Place, ...args: Args) => Diagnostic) & {
  readonly of: MessageClass;
};

/** Declares one message of the catalogue (base/messages/*): stable code, severity, sentence. */
export function message<Args extends readonly unknown[]>(
  code: string,
  sentence: (...args: Args) => string,
  options: { readonly severity?: Severity; readonly hint?: string } = {},
): Message<Args> {
  const { severity = 'error', hint } = options;
  const of: MessageClass = { code, severity, ...(hint === undefined ? {} : { hint }) };
  const build = (place: Place, ...args: Args): Diagnostic => ({
    code,
    severity,
    message: sentence(...args),
    place,
    ...(hint === undefined ? {} : { hint }),
  });
  return Object.assign(build, { of });
}

/** Throws a finding as an {@link AnyBpfError}. */
export function fail(diagnostic: Diagnostic, cause?: unknown): never {
  throw new AnyBpfError(diagnostic, cause === undefined ? undefined : { cause });
}

/** Adds what is known further out (file, program) to the place of a finding; the inner values win. */
export function within<T>(place: Place, body: () => T): T {
  try {
    return body();
  } catch (error) {
    if (!(error instanceof AnyBpfError)) throw error;
    const d = error.diagnostic;
    throw new AnyBpfError({ ...d, place: { ...place, ...d.place } }, { cause: error });
  }
}

function formatPlace(place: Place): string {
  const parts: string[] = [];
  if (place.file !== undefined) parts.push(place.line === undefined ? place.file : `${place.file}:${place.line}`);
  else if (place.line !== undefined) parts.push(`line ${place.line}`);
  if (place.section !== undefined) parts.push(`section ${place.section}`);
  if (place.program !== undefined) parts.push(`program ${place.program}`);
  if (place.map !== undefined) parts.push(`map ${place.map}`);
  if (place.insn !== undefined) parts.push(`instruction ${place.insn}`);
  if (place.typeId !== undefined) parts.push(`type id ${place.typeId}`);
  if (place.offset !== undefined) parts.push(`offset 0x${place.offset.toString(16)}`);
  if (place.source !== undefined) parts.push(`${place.source.file}:${place.source.line}`);
  return parts.join(', ');
}

/** `place: message (hint) [code]`, one line, for a person. */
export function formatDiagnostic(d: Diagnostic): string {
  const where = formatPlace(d.place);
  return `${where === '' ? '' : `${where}: `}${d.message}${d.hint === undefined ? '' : ` (${d.hint})`} [${d.code}]`;
}
