// Refusals of a context, and the errno behind findings of other stages.
import { AnyBpfError, fail, type Place } from '../base/diagnostic.ts';
import { refused } from '../base/messages/session.ts';
import { ERRNO, type ErrnoName, errnoName } from '../spec/errno.ts';

/** @throws AnyBpfError session/refused with the errno */
export const refuse = (operation: string, errno: ErrnoName, why?: string, place: Place = {}): never =>
  fail(refused(place, operation, ERRNO[errno], errno, why));

/** Raises a map's negated errno; gives back what is none. */
export function checked(operation: string, status: number, place: Place = {}): number {
  if (status >= 0) return status;
  return fail(refused(place, operation, -status, errnoName(status)));
}

/** The errno that bpf(2) would give for findings that do not bring their own, by their code or its stage. */
const ERRNO_OF: Readonly<Record<string, ErrnoName>> = {
  'run/out-of-memory': 'ENOMEM',
  'run/no-test-run': 'ENOTSUPP',
  'map/too-large': 'E2BIG',
  'map/unsupported': 'ENOTSUPP',
  'session/closed': 'EBADF',
  // What a program may not touch is EACCES; what it may not be is EINVAL (kernel/bpf/verifier.c).
  verify: 'EACCES',
  certificate: 'EACCES',
  'verify/budget': 'E2BIG',
  'verify/call-depth': 'E2BIG',
  'verify/callback': 'EINVAL',
  'verify/division-by-zero': 'EINVAL',
  'verify/helper': 'EINVAL',
  'verify/helper-map': 'EINVAL',
  'verify/kfunc': 'EINVAL',
  'verify/licence': 'EINVAL',
  'verify/lock': 'EINVAL',
  'verify/not-relocated': 'EINVAL',
  'verify/packet-load': 'EINVAL',
  'verify/recursion': 'EINVAL',
  'verify/reference-leak': 'EINVAL',
  'verify/release': 'EINVAL',
  'verify/return-value': 'EINVAL',
  'verify/tail-call': 'EINVAL',
  'verify/unbounded-loop': 'EINVAL',
  'verify/unsupported': 'ENOTSUPP',
};

/** The error with an errno; anything that is no finding stays as it is. */
export function withErrno(error: unknown): unknown {
  if (!(error instanceof AnyBpfError) || error.diagnostic.errno !== undefined) return error;
  const { code } = error;
  const [stage] = code.split('/');
  const errno = ERRNO[ERRNO_OF[code] ?? ERRNO_OF[stage] ?? 'EINVAL'];
  return new AnyBpfError({ ...error.diagnostic, errno }, { cause: error });
}
