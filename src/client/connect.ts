// Connects to a running service.
import { connect as open, type Socket } from 'node:net';
import process from 'node:process';
import { AnyBpfError, type Diagnostic } from '../base/diagnostic.ts';
import { cannotConnect, noAnswer, notRunning } from '../base/messages/service.ts';
import { defaultSocket } from '../service/paths.ts';
import type { Role } from '../spec/session.ts';
import { ServiceSession } from './session.ts';

export interface ConnectOptions {
  /** Path of the service's socket, or name of its pipe; `ANYBPF_SOCKET`, or the usual place, where absent. */
  readonly socket?: string;
  /** Less than what the socket gives; a service never gives more than that. */
  readonly role?: Role;
  /** Where the service asks for one. */
  readonly token?: string;
  /** Milliseconds until the handshake must have its answer; 5,000 where absent. */
  readonly timeout?: number;
  /** What the service's log calls this client. */
  readonly client?: string;
}

const TIMEOUT = 5_000;

/** Nobody listens there. */
const NOBODY: ReadonlySet<string> = new Set(['ENOENT', 'ECONNREFUSED']);

/**
 * A session with a running service.
 *
 * @throws AnyBpfError service/not-running, service/connect, service/no-answer; service/version, service/token, service/peer, service/full
 * where the service does not take it
 */
export async function connect(options: ConnectOptions = {}): Promise<ServiceSession> {
  const { socket = defaultSocket(process.env), timeout = TIMEOUT, role, token, client } = options;
  const session = new ServiceSession(await opened(socket));
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    void session.close();
  }, timeout);
  try {
    await session.greet({
      ...(role === undefined ? {} : { role }),
      ...(token === undefined ? {} : { token }),
      ...(client === undefined ? {} : { client }),
    });
    return session;
  } catch (error) {
    await session.close();
    throw late ? new AnyBpfError(noAnswer({}, socket, timeout), { cause: error }) : error;
  } finally {
    clearTimeout(timer);
  }
}

const opened = (path: string): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const socket = open(path);
    socket.once('error', (error: NodeJS.ErrnoException) => {
      const finding: Diagnostic = NOBODY.has(error.code ?? '')
        ? notRunning({}, path)
        : cannotConnect({}, path, error.message);
      reject(new AnyBpfError(finding, { cause: error }));
    });
    socket.once('connect', () => {
      socket.removeAllListeners('error');
      resolve(socket);
    });
  });
