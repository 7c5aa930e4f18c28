// Refusals as bpftool words them: its own sentence, ended by the C library's text of the errno.
import { AnyBpfError, type Diagnostic, formatDiagnostic } from '../../base/diagnostic.ts';
import { operationFailed } from '../../base/messages/bpftool.ts';
import { ERRNO, type ErrnoName } from '../../spec/errno.ts';
import { strerror } from '../../spec/strerror.ts';

/** A refused command: what bpftool would print, and the status that it would end with. */
export class ToolError extends AnyBpfError {
  /** -1 or a negative errno. */
  readonly status: number;
  /** For standard error, before the sentence: where bpftool's is shorter than what is known, as libbpf's own lines there. */
  readonly notes: string;

  constructor(sentence: string, status = -1, cause?: unknown, notes = '') {
    super(operationFailed({}, sentence), cause === undefined ? undefined : { cause });
    this.status = status;
    this.notes = notes;
  }
}

/** A finding in our own words, for standard error. */
export const noteOf = ({ diagnostic }: AnyBpfError): string => `anybpf: ${formatDiagnostic(diagnostic)}\n`;

/** Why, in the C library's words; in ours where the finding is about no system error. */
export const reasonOf = (finding: Diagnostic): string =>
  finding.errno === undefined ? formatDiagnostic(finding) : strerror(finding.errno);

/** The status of a command that ends with this refusal: its errno, negated; -1 where it has none. Bugs are thrown on. */
export function statusOf(error: unknown): number {
  if (!(error instanceof AnyBpfError)) throw error;
  const { errno } = error.diagnostic;
  return errno === undefined ? -1 : -errno;
}

/**
 * Waits for an operation and says a refusal as bpftool does: `sentence` of the reason. `status` -1 where bpftool gives no errno away.
 */
export async function said<T>(operation: Promise<T>, sentence: (reason: string) => string, status?: -1): Promise<T> {
  try {
    return await operation;
  } catch (error) {
    // That nobody answers is about no operation.
    if (!(error instanceof AnyBpfError) || error.code.startsWith('service/')) throw error;
    throw new ToolError(sentence(reasonOf(error.diagnostic)), status ?? statusOf(error), error);
  }
}

/** As `said`; undefined where the operation ends with this errno. */
export const attempted = <T>(
  operation: Promise<T>,
  errno: ErrnoName,
  sentence: (reason: string) => string,
): Promise<T | undefined> => said(unless(errno, operation), sentence);

/** What an operation gives; undefined where it ends with this errno, as iterations end with ENOENT. */
export async function unless<T>(errno: ErrnoName, operation: Promise<T>): Promise<T | undefined> {
  try {
    return await operation;
  } catch (error) {
    if (error instanceof AnyBpfError && error.diagnostic.errno === ERRNO[errno]) return undefined;
    throw error;
  }
}

/** The number of a failure of the file system: by its name, as Node's own numbers are Windows' elsewhere. */
export function systemErrno({ code = '', errno = -ERRNO.EIO }: NodeJS.ErrnoException): number {
  return Object.hasOwn(ERRNO, code) ? ERRNO[code as ErrnoName] : Math.abs(errno);
}

/** Refuses because of a failure of the file system. */
export const refuseFile = (what: string, error: NodeJS.ErrnoException): never =>
  refuse(`${what}: ${strerror(systemErrno(error))}`);

export const refuse = (sentence: string, status = -1): never => {
  throw new ToolError(sentence, status);
};
