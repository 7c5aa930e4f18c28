// Runs an unmodified command with its socket calls answered here (Linux, seccomp user notification).
//
// An address lies in the command's memory, where another of its threads may change it while it is looked at. So a call that is allowed
// is made here, on a duplicate of the socket and with the address that was looked at, wherever that is the same: it is as long as the
// command runs as the user that supervises. Calls that send are let through as they are. Therefore: a policy for programs that do not
// fight it, not a boundary against hostile ones; those want cgroup programs in the kernel.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, readlinkSync, readSync } from 'node:fs';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { fail } from '../base/diagnostic.ts';
import { commandFailed, noSupervision } from '../base/messages/sockets.ts';
import { errnoName } from '../spec/errno.ts';
import { parseAddress, withEndpoint } from './address.ts';
import type { Decision, SocketEvent, SocketOperation } from './events.ts';
import { exitCodeOf } from './exit-code.ts';
import { type LibC, openLibC } from './libc.ts';
import type { Watch } from '../hosts/node/koffi.ts';
import type { SocketPolicy } from './policy.ts';
import { type Notification, Notifications, type WatchedCall } from './seccomp.ts';

export interface SuperviseOptions {
  readonly policy: SocketPolicy;
  readonly command: string;
  readonly args?: readonly string[];
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly stdio?: 'inherit' | 'pipe';
  /** The module that becomes the command, where it is not the one beside this file. */
  readonly launcher?: URL;
  /** Every decision, after it was made. */
  readonly decided?: (event: SocketEvent, decision: Decision) => void;
}

export interface Supervised {
  readonly child: ChildProcess;
  /** When the command and all that it has started have ended: its exit code, 128 and the signal's number where one ended it. */
  readonly ended: Promise<number>;
}

/** What an operation is called by; `send` by three. */
const CALLS: Partial<Record<SocketOperation, readonly WatchedCall[]>> = {
  bind: ['bind'],
  listen: ['listen'],
  connect: ['connect'],
  send: ['sendto', 'sendmsg', 'sendmmsg'],
};

const EBADF = 9;
const EFAULT = 14;
const EPERM = 1;
const SOL_SOCKET = 1;
const SO_TYPE = 3;
const SO_PROTOCOL = 38;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
/** struct sockaddr_storage. */
const MOST_ADDRESS = 128;
/** Most bytes that one datagram has. */
const MOST_DATA = 65_535;
const SIGNALS: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'];

/**
 * Starts a command under a policy.
 *
 * @throws AnyBpfError sockets/supervise where this system has no seccomp notifications (not Linux, no koffi, a container that forbids
 *   them); sockets/command where the command cannot be started
 */
export async function supervise(options: SuperviseOptions): Promise<Supervised> {
  const libc = openOrRefuse();
  const { policy, command, args = [] } = options;
  const calls = Object.entries(CALLS).flatMap(([operation, names]) =>
    policy.asks(operation as SocketOperation) ? names : [],
  );
  const { launcher = new URL('./launch.js', import.meta.url) } = options;
  const stdio = options.stdio ?? 'inherit';
  const child = spawn(process.execPath, ['--no-warnings', fileURLToPath(launcher), calls.join(','), command, ...args], {
    stdio: [stdio, stdio, stdio, 'pipe'],
    cwd: options.cwd,
    env: { ...(options.env ?? process.env) },
  });
  const exited = exitCodeOf(child, command);
  const listener = await takeListener(libc, child, exited);
  return { child, ended: new Supervisor(libc, listener, options).run(exited) };
}

function openOrRefuse(): LibC {
  try {
    return openLibC();
  } catch (error) {
    return fail(noSupervision({}, (error as Error).message), error);
  }
}

/** The descriptor of the command's notifications, taken out of the launcher before that becomes the command. */
async function takeListener(libc: LibC, child: ChildProcess, exited: Promise<number>): Promise<number> {
  const channel = child.stdio[3] as unknown as NodeJS.ReadWriteStream;
  const said = new Promise<string>((resolve) => {
    channel.once('data', (data) => {
      resolve(String(data));
    });
  });
  const first = await Promise.race([
    said,
    exited.then(
      (code) => `ended with exit code ${code}`,
      (error: Error) => error.message,
    ),
  ]);
  const theirs = Number(first);
  if (!Number.isInteger(theirs)) return fail(commandFailed({}, 'launcher', first));
  if (theirs < 0) return fail(noSupervision({}, `seccomp failed: ${errnoName(theirs)}`));
  const { pidfd_open, pidfd_getfd } = libc.numbers;
  const pidfd = libc.syscall(pidfd_open, child.pid ?? 0, 0);
  const listener = pidfd < 0 ? pidfd : libc.syscall(pidfd_getfd, pidfd, theirs, 0);
  if (pidfd >= 0) libc.close(pidfd);
  if (listener < 0) {
    child.kill('SIGKILL');
    return fail(noSupervision({}, `the listener cannot be taken over: ${errnoName(listener)}`));
  }
  channel.write('\n');
  channel.on('error', () => undefined);
  return listener;
}

/** A socket call of the command, with what is known of its socket. */
interface SocketCall {
  readonly notification: Notification;
  readonly pid: number;
  /** A duplicate of its socket; closed when the call is answered. */
  readonly socket: number;
  readonly address?: Uint8Array;
}

class Supervisor {
  readonly #libc: LibC;
  readonly #options: SuperviseOptions;
  readonly #listener: number;
  readonly #notifications: Notifications;
  readonly #uid = process.geteuid?.() ?? 0;

  constructor(libc: LibC, listener: number, options: SuperviseOptions) {
    this.#libc = libc;
    this.#options = options;
    this.#listener = listener;
    this.#notifications = new Notifications(libc, listener);
  }

  /** Answers until nothing is left that the filter is before. */
  async run(exited: Promise<number>): Promise<number> {
    // Held here: koffi stops a watch that nobody holds.
    let watch: Watch | undefined;
    const end = (): void => {
      watch?.close();
      watch = undefined;
    };
    const deserted = new Promise<void>((resolve) => {
      watch = this.#libc.poll(this.#listener, ({ readable, disconnect }) => {
        // The kernel says both when nobody is left; asking for the next call would wait then.
        if (disconnect) {
          end();
          resolve();
        } else if (readable) this.#next();
      });
    });
    try {
      const code = await exited;
      await deserted;
      return code;
    } finally {
      end();
      this.#libc.close(this.#listener);
    }
  }

  #next(): void {
    const notification = this.#notifications.receive();
    if (notification === undefined) return;
    // A fault of the supervisor's own must not leave the command waiting.
    this.#answer(notification).catch(() => {
      this.#notifications.answer(notification.id, -EPERM);
    });
  }

  async #answer(notification: Notification): Promise<void> {
    const { id, tid, args } = notification;
    const pid = processOf(tid);
    const socket = this.#duplicate(pid, Number(args[0]));
    if (socket < 0) {
      this.#notifications.answer(id, socket === -EBADF ? socket : -EPERM);
      return;
    }
    try {
      await this.#decide({ notification, pid, socket });
    } finally {
      this.#libc.close(socket);
    }
  }

  #duplicate(pid: number, fd: number): number {
    const { pidfd_open, pidfd_getfd } = this.#libc.numbers;
    const pidfd = this.#libc.syscall(pidfd_open, pid, 0);
    if (pidfd < 0) return pidfd;
    try {
      return this.#libc.syscall(pidfd_getfd, pidfd, fd, 0);
    } finally {
      this.#libc.close(pidfd);
    }
  }

  async #decide(call: SocketCall): Promise<void> {
    const { notification, pid, socket } = call;
    const type = this.#libc.socketOption(socket, SOL_SOCKET, SO_TYPE);
    const place = addressArgument(notification, pid);
    if (place === 'fault') {
      this.#notifications.answer(notification.id, -EFAULT);
      return;
    }
    const own = parseAddress(this.#libc.socketName(socket) ?? new Uint8Array());
    const given = place === undefined ? undefined : parseAddress(place);
    const operation = OPERATION[notification.call];
    // Other families, sockets without addresses, and sends on connected sockets: nothing to decide.
    const family = operation === 'listen' ? own?.family : given?.family;
    if (family === undefined || (type !== SOCK_STREAM && type !== SOCK_DGRAM)) {
      this.#notifications.pass(notification.id);
      return;
    }
    const event: SocketEvent = {
      operation,
      family,
      type: type === SOCK_STREAM ? 'stream' : 'dgram',
      protocol: Math.max(0, this.#libc.socketOption(socket, SOL_SOCKET, SO_PROTOCOL)),
      ...(operation === 'bind' ? { local: given } : own === undefined ? {} : { local: own }),
      ...(operation === 'connect' || operation === 'send' ? { remote: given } : {}),
      pid,
      application: applicationOf(pid),
    };
    const decision = await this.#options.policy.decide(event);
    this.#options.decided?.(event, decision);
    await this.#act({ ...call, ...(place === undefined ? {} : { address: place }) }, event, decision);
  }

  async #act(call: SocketCall, event: SocketEvent, { allowed, errno, rewritten }: Decision): Promise<void> {
    const { notification, pid, socket, address } = call;
    const { id, args } = notification;
    // The memory that was read, and the descriptor, were this call's only if it still waits.
    if (!this.#notifications.valid(id)) return;
    if (!allowed) return this.#notifications.answer(id, -errno);
    const target =
      address === undefined || rewritten === undefined ? address : withEndpoint(address, event.family, rewritten);
    if (rewritten === undefined && (event.operation === 'send' || userOf(pid) !== this.#uid))
      return this.#notifications.pass(id);
    switch (event.operation) {
      case 'bind':
        return this.#notifications.answer(id, this.#libc.bind(socket, target as Uint8Array));
      case 'listen':
        return this.#notifications.answer(id, this.#libc.listen(socket, Number(BigInt.asIntN(32, args[1]))));
      case 'connect':
        return this.#notifications.answer(id, await this.#libc.connect(socket, target as Uint8Array));
      case 'send':
        return this.#notifications.answer(id, await this.#send(call, target as Uint8Array));
      default:
        return this.#notifications.pass(id);
    }
  }

  /** A datagram to another address than the command gave. Control messages of sendmsg are left out. */
  async #send({ notification, pid, socket }: SocketCall, target: Uint8Array): Promise<number> {
    const { call, args } = notification;
    const flags = Number(BigInt.asIntN(32, args[call === 'sendmsg' ? 2 : 3]));
    const data = call === 'sendto' ? readMemory(pid, args[1], Number(args[2])) : readVectors(pid, args[1]);
    if (data === undefined) return -EFAULT;
    const sent = await this.#libc.sendto(socket, data, flags, target);
    // Of several messages the first is sent; the caller goes on with the rest.
    return call === 'sendmmsg' && sent >= 0 ? 1 : sent;
  }
}

const OPERATION = {
  bind: 'bind',
  listen: 'listen',
  connect: 'connect',
  sendto: 'send',
  sendmsg: 'send',
  sendmmsg: 'send',
} as const satisfies Record<WatchedCall, SocketOperation>;

/** The address that a call has: undefined where it has none. */
function addressArgument({ call, args }: Notification, pid: number): Uint8Array | 'fault' | undefined {
  if (call === 'listen') return undefined;
  let [pointer, length] = [args[1], Number(BigInt.asUintN(32, args[2]))];
  if (call === 'sendto') [pointer, length] = [args[4], Number(BigInt.asUintN(32, args[5]))];
  if (call === 'sendmsg' || call === 'sendmmsg') {
    // struct msghdr: name, namelen.
    const header = readMemory(pid, args[1], 16);
    if (header === undefined) return 'fault';
    const view = new DataView(header.buffer);
    [pointer, length] = [view.getBigUint64(0, true), view.getUint32(8, true)];
  }
  if (pointer === 0n || length === 0) return call === 'bind' || call === 'connect' ? 'fault' : undefined;
  return readMemory(pid, pointer, Math.min(length, MOST_ADDRESS)) ?? 'fault';
}

/** What the vectors of a struct msghdr hold, one after the other. */
function readVectors(pid: number, message: bigint): Uint8Array | undefined {
  const header = readMemory(pid, message, 32);
  if (header === undefined) return undefined;
  const view = new DataView(header.buffer);
  const count = Math.min(Number(view.getBigUint64(24, true)), 1024);
  const vectors = readMemory(pid, view.getBigUint64(16, true), count * 16);
  if (vectors === undefined) return undefined;
  const vector = new DataView(vectors.buffer);
  const pieces: Uint8Array[] = [];
  let total = 0;
  for (let i = 0; i < count; i++) {
    const length = Number(vector.getBigUint64(i * 16 + 8, true));
    total += length;
    if (total > MOST_DATA) return undefined;
    const piece = readMemory(pid, vector.getBigUint64(i * 16, true), length);
    if (piece === undefined) return undefined;
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

/** Bytes of another process; undefined where it has none there. */
function readMemory(pid: number, address: bigint, size: number): Uint8Array<ArrayBuffer> | undefined {
  if (size < 0 || size > MOST_DATA) return undefined;
  const bytes = new Uint8Array(size);
  try {
    const file = openSync(`/proc/${pid}/mem`, 'r');
    try {
      return readSync(file, bytes, 0, size, address) === size ? bytes : undefined;
    } finally {
      closeSync(file);
    }
  } catch {
    return undefined;
  }
}

const status = (pid: number): string => {
  try {
    return readFileSync(`/proc/${pid}/status`, 'latin1');
  } catch {
    return '';
  }
};

/** The process of a thread. */
const processOf = (tid: number): number => Number(/^Tgid:\s+(\d+)$/m.exec(status(tid))?.[1] ?? tid);

/** Effective user id; -1 where the process has gone. */
const userOf = (pid: number): number => Number(/^Uid:\s+\d+\s+(\d+)/m.exec(status(pid))?.[1] ?? -1);

function applicationOf(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/exe`);
  } catch {
    return '';
  }
}

/** Hands signals that this process gets on to the command; what is given back ends that. */
export function forwardSignals(child: ChildProcess): () => void {
  const hand = (signal: NodeJS.Signals): void => {
    child.kill(signal);
  };
  for (const signal of SIGNALS) process.on(signal, hand);
  return () => {
    for (const signal of SIGNALS) process.off(signal, hand);
  };
}
