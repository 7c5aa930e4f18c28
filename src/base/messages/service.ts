// What the service and its clients refuse beside the operations of the context: connections, frames, roles, starting and stopping.
import { type Diagnostic, message, type Place } from '../diagnostic.ts';

const EACCES = 13;
const EINVAL = 22;
const EPROTO = 71;
const EAGAIN = 11;

const withErrno = (finding: Diagnostic, errno: number): Diagnostic => ({ ...finding, errno });

export const notRunning = message('service/not-running', (socket: string) => `no service answers at ${socket}`, {
  hint: 'start one with `anybpf service start`, name its socket with --socket or ANYBPF_SOCKET, or run beside no service with --host embedded',
});

export const cannotConnect = message(
  'service/connect',
  (socket: string, why: string) => `cannot connect to ${socket}: ${why}`,
);

export const noAnswer = message(
  'service/no-answer',
  (socket: string, milliseconds: number) => `${socket} gave no answer to the handshake within ${milliseconds} ms`,
  { hint: 'what listens there is busy, or is no AnyBPF service' },
);

export const versionMismatch = message(
  'service/version',
  (theirs: string, ours: string) => `the client speaks protocol ${theirs}, the service ${ours}`,
  { hint: 'client and service must be of releases with a protocol version in common' },
);

export const notPermitted = (place: Place, what: string, needs: string, has: string): Diagnostic =>
  withErrno(
    message('service/role', () => `${what} needs the role ${needs}; this connection has ${has}`)(place),
    EACCES,
  );

export const badParams = (place: Place, method: string, why: string): Diagnostic =>
  withErrno(message('service/params', () => `${method}: ${why}`)(place), EINVAL);

export const noSuchMethod = message('service/method', (method: string) => `there is no method ${method}`);

export const badFrame = (place: Place, why: string): Diagnostic =>
  withErrno(message('service/frame', () => `the connection is ended: ${why}`)(place), EPROTO);

export const internalError = message('service/internal', (why: string) => `an error of AnyBPF itself: ${why}`, {
  hint: 'please report it',
});

export const tooManyConnections = (place: Place, what: string, limit: number): Diagnostic =>
  withErrno(message('service/full', () => `${what} has ${limit} connections; no more are taken`)(place), EAGAIN);

export const badToken = (place: Place): Diagnostic =>
  withErrno(message('service/token', () => 'the service asks for a token, and this is none of its own')(place), EACCES);

export const wrongPeer = (place: Place, uid: number): Diagnostic =>
  withErrno(message('service/peer', () => `user ${uid} may not use this socket`)(place), EACCES);

export const noHello = (place: Place, method: string): Diagnostic =>
  withErrno(message('service/hello', () => `${method} came before the handshake`)(place), EPROTO);

export const alreadyRunning = message(
  'service/running',
  (socket: string, pid: string) => `a service is running already at ${socket}${pid}`,
);

export const unsafePlace = message(
  'service/place',
  (path: string, why: string) => `${path} cannot hold the socket: ${why}`,
);

export const cannotStart = message('service/start', (why: string) => `the service did not start: ${why}`);

export const cannotStop = message('service/stop', (why: string) => `the service did not stop: ${why}`);

export const badMetricsAddress = message(
  'service/metrics-address',
  (text: string) => `${text} is no address for metrics: HOST:PORT or unix:PATH`,
);

export const cannotServeMetrics = message(
  'service/metrics',
  (address: string, why: string) => `metrics cannot be served at ${address}: ${why}`,
);

const ENOTSUP = 95;

export const notHere = (place: Place, what: string): Diagnostic =>
  withErrno(message('service/not-here', () => `this service has no ${what}`)(place), ENOTSUP);
