// How loading and running fail.

/** What went wrong, by a stable code; aborts of programs have the codes of `anybpf run`. */
export class AotError extends Error {
  override readonly name = 'AotError';
  readonly code: string;
  readonly program: string | undefined;
  readonly insn: number | undefined;
  readonly source: { readonly file: string; readonly line: number; readonly column: number } | undefined;

  constructor(code: string, message: string, place: Place = {}, options?: ErrorOptions) {
    const where = [
      place.program === undefined ? '' : `program ${place.program}`,
      place.insn === undefined ? '' : `instruction ${place.insn}`,
      place.source === undefined ? '' : `${place.source.file}:${place.source.line}`,
    ].filter((part) => part !== '');
    super(`${where.length === 0 ? '' : `${where.join(', ')}: `}${message} [${code}]`, options);
    this.code = code;
    this.program = place.program;
    this.insn = place.insn;
    this.source = place.source;
  }
}

export interface Place {
  readonly program?: string;
  readonly insn?: number;
  readonly source?: { readonly file: string; readonly line: number; readonly column: number };
}

export const fail = (code: string, message: string, place?: Place, cause?: unknown): never => {
  throw new AotError(code, message, place, cause === undefined ? undefined : { cause });
};
