// What an execution context refuses: objects, handles, pins, links, hooks. Most carry the errno that bpf(2) would give.
import { type Diagnostic, message, type Place } from '../diagnostic.ts';

/** A refused operation, with the errno that libbpf's and bpftool's conventions need. */
export const refused = (
  place: Place,
  operation: string,
  errno: number,
  errnoName: string,
  why?: string,
): Diagnostic => ({
  ...message(
    'session/refused',
    () => `${operation} failed: ${why === undefined ? errnoName : `${why} (${errnoName})`}`,
  )(place),
  errno,
});

export const unsupportedHere = (place: Place, method: string, host: string, errno: number): Diagnostic => ({
  ...message('session/unsupported', () => `${method} is not there on the ${host} host (ENOTSUPP)`)(place),
  errno,
});

const EBADF = 9;

/** A session that has ended has no handles. */
export const sessionClosed = (place: Place, why: string): Diagnostic => ({
  ...message('session/closed', () => `the session is closed: ${why}`)(place),
  errno: EBADF,
});
