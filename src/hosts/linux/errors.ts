// What the kernel refuses, as errors with its errno.
import { AnyBpfError, fail, type Place } from '../../base/diagnostic.ts';
import { refused, unsupportedHere } from '../../base/messages/session.ts';
import { ERRNO, type ErrnoName, errnoName } from '../../spec/errno.ts';

/** @throws AnyBpfError session/refused with the errno */
export const refuse = (operation: string, errno: ErrnoName, why?: string, place: Place = {}): never =>
  fail(refused(place, operation, ERRNO[errno], errno, why));

/** Raises a negated errno of the kernel; gives back what is none. */
export function checked(operation: string, status: number, place: Place = {}, why?: string): number {
  if (status >= 0) return status;
  return fail(refused(place, operation, -status, errnoName(status), why));
}

/** What a kernel has no call for. */
export const notHere = (operation: string): never => fail(unsupportedHere({}, operation, 'linux', ERRNO.ENOTSUPP));

/** Errors of Node's file system as refusals. */
export function refuseFile(operation: string, error: unknown, place: Place = {}): never {
  const { code = 'EIO', errno = -ERRNO.EIO, path = '' } = error as NodeJS.ErrnoException;
  return fail(refused(place, operation, Math.abs(errno), code, path), error);
}

/** The error with an errno: what has none is about a file, or a program, that is not as it should be. */
export function withErrno(error: unknown): unknown {
  if (!(error instanceof AnyBpfError) || error.diagnostic.errno !== undefined) return error;
  return new AnyBpfError({ ...error.diagnostic, errno: ERRNO.EINVAL }, { cause: error });
}
