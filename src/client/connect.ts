// Connects to a running service.
import { connect as open, type Socket } from 'node:net';
import process from 'node:process';
import { setTimeout as pause } from 'node:timers/promises';
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
  /** Shares memory with the service at once (ServiceSession.share); false: never. Where absent, when it first subscribes to records. */
  readonly shared?: boolean;
}

const TIMEOUT = 5_000;

/** More wait to be taken than the system lets wait: it is tried again. */
const CROWDED = 'EAGAIN';
const AGAIN = 10;

/** Nobody listens there. */
const NOBODY: ReadonlySet<string> = new Set(['ENOENT', 'ECONNREFUSED']);

/**
 * A session with a running service.
 *
 * @throws AnyBpfError service/not-running, service/connect, service/no-answer; service/version, service/token, service/peer, service/full
 * where the service does not take it
 */
export async function connect(options: ConnectOptions = {}): Promise<ServiceSession> {
  const { socket = defaultSocket(process.env), timeout = TIMEOUT, role, token, client, shared } = options;
  const session = new ServiceSession(await opened(socket, performance.now() + timeout));
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
    if (shared === true) await session.share();
    if (shared === false) session.doNotShare();
    return session;
  } catch (error) {
    await session.close();
    throw late ? new AnyBpfError(noAnswer({}, socket, timeout), { cause: error }) : error;
  } finally {
    clearTimeout(timer);
  }
}

/** @param until performance.now at which it is given up */
async function opened(path: string, until: number): Promise<Socket> {
  for (;;) {
    try {
      return await openedOnce(path);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code !== CROWDED || performance.now() > until) {
        const finding: Diagnostic = NOBODY.has(code ?? '') ? notRunning({}, path) : cannotConnect({}, path, message);
        throw new AnyBpfError(finding, { cause: error });
      }
      await pause(AGAIN);
    }
  }
}

const openedOnce = (path: string): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const socket = open(path);
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.removeListener('error', reject);
      resolve(socket);
    });
  });
