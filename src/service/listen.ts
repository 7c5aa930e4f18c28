// The sockets of a service: in a folder that is its owner's, with their mode before anyone can see them, in the place of those that a
// dead service left.
import { chmodSync, chownSync, lstatSync, mkdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import process from 'node:process';
import { AnyBpfError, fail } from '../base/diagnostic.ts';
import { alreadyRunning, cannotStart, unsafePlace } from '../base/messages/service.ts';
import { isPipe, lockOf } from './paths.ts';
import { lockState, type StateLock } from './state-lock.ts';

export interface Place {
  readonly path: string;
  /** Group whose members may connect; only the owner where absent. */
  readonly gid?: number;
}

export interface Listening {
  /** Takes no more connections, and takes the socket away. */
  close(): void;
}

const OWNER_ONLY = 0o600;
const OWNER_AND_GROUP = 0o660;
const FOLDER = 0o700;
/** Members of a group may pass through it, and not look around. */
const FOLDER_OF_GROUP = 0o710;
const OTHERS_WRITE = 0o022;
const BACKLOG = 511;

/**
 * Makes the folder of a socket, for its owner only, or looks whether the one that is there is safe.
 *
 * @throws AnyBpfError service/place
 */
export function prepareFolder(socket: string, gid: number | undefined): void {
  if (isPipe(socket)) return;
  const folder = dirname(socket);
  try {
    const made = mkdirSync(folder, { recursive: true, mode: FOLDER }) !== undefined;
    const { mode, uid } = statSync(folder);
    const me = process.getuid?.();
    if (me !== undefined && uid !== me) fail(unsafePlace({}, folder, `it belongs to user ${uid}`));
    if ((mode & OTHERS_WRITE) !== 0)
      fail(unsafePlace({}, folder, `others may write in it (mode ${(mode & 0o7777).toString(8)})`));
    if (gid !== undefined && (made || (mode & 0o777) === FOLDER)) {
      chownSync(folder, uid, gid);
      chmodSync(folder, FOLDER_OF_GROUP);
    }
  } catch (error) {
    throw asFinding(error, (why) => unsafePlace({}, folder, why));
  }
}

const asFinding = (error: unknown, finding: (why: string) => ReturnType<typeof cannotStart>): unknown =>
  error instanceof AnyBpfError ? error : new AnyBpfError(finding((error as Error).message), { cause: error });

/**
 * One service a socket. A pipe of Windows is its own lock.
 *
 * @throws AnyBpfError service/running
 */
export async function lockSocket(socket: string): Promise<StateLock> {
  if (isPipe(socket)) return { release: async () => undefined };
  const folder = lockOf(socket);
  mkdirSync(folder, { recursive: true, mode: FOLDER });
  try {
    const lock = await lockState(folder);
    return {
      release: async () => {
        await lock.release();
        rmSync(folder, { recursive: true, force: true });
      },
    };
  } catch (error) {
    if (!(error instanceof AnyBpfError) || error.code !== 'state/held') throw error;
    const holder = /process \d+/.exec(error.diagnostic.message)?.[0];
    throw new AnyBpfError(alreadyRunning({}, socket, holder === undefined ? '' : `, ${holder}`), { cause: error });
  }
}

/** Whether something takes connections at a path. */
export const answers = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });

/**
 * Listens at a place. Call with the lock of the service's socket.
 *
 * @throws AnyBpfError service/running, service/place, service/start
 */
export async function listen({ path, gid }: Place, accept: (socket: Socket) => void): Promise<Listening> {
  const server = createServer(accept);
  if (isPipe(path)) {
    await listening(server, path, path);
    return { close: () => server.close() };
  }
  await makeRoom(path);
  // Bound under another name, so that nobody connects before the mode is right; the name it is known by comes at once.
  const hidden = `${path}.${process.pid}`;
  rmSync(hidden, { force: true });
  const before = process.umask(0o177);
  const bound = listening(server, hidden, path);
  process.umask(before);
  await bound;
  try {
    if (gid !== undefined) {
      chownSync(hidden, process.getuid?.() ?? 0, gid);
      chmodSync(hidden, OWNER_AND_GROUP);
    } else chmodSync(hidden, OWNER_ONLY);
    renameSync(hidden, path);
  } catch (error) {
    server.close();
    rmSync(hidden, { force: true });
    throw asFinding(error, (why) => cannotStart({}, why));
  }
  return {
    close: () => {
      server.close();
      rmSync(path, { force: true });
    },
  };
}

const listening = (server: Server, name: string, path: string): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const taken = error.code === 'EADDRINUSE';
      reject(new AnyBpfError(taken ? alreadyRunning({}, path, '') : cannotStart({}, error.message), { cause: error }));
    });
    server.listen({ path: name, backlog: BACKLOG }, resolve);
  });

/** What is at the path may only be a socket that nobody listens on any more. */
async function makeRoom(path: string): Promise<void> {
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (there === undefined) return;
  if (!there.isSocket()) fail(unsafePlace({}, path, 'something that is no socket is there'));
  if (await answers(path)) fail(alreadyRunning({}, path, ''));
}

/**
 * A group by name or number, from /etc/group.
 *
 * @throws AnyBpfError service/start
 */
export function groupId(group: string): number {
  if (/^\d+$/.test(group)) return Number(group);
  let lines: string[] = [];
  try {
    lines = readFileSync('/etc/group', 'utf8').split('\n');
  } catch {
    // A system without the file has no group by name.
  }
  const found = lines.map((line) => line.split(':')).find(([name]) => name === group)?.[2];
  return found === undefined ? fail(cannotStart({}, `there is no group ${group}`)) : Number(found);
}
