// One service a state directory. The system gives the lock back when its process ends, however it ends: on Linux a socket of the
// abstract name space, on Windows a named pipe. A file says who has it, for messages, and for systems and network namespaces in which the
// socket is not seen.
import { createHash } from 'node:crypto';
import { readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import process from 'node:process';
import { fail } from '../base/diagnostic.ts';
import { stateFolder, stateHeld } from '../base/messages/state.ts';

const FILE = 'lock';

export interface StateLock {
  release(): Promise<void>;
}

/**
 * Takes a state directory for this process.
 * @throws AnyBpfError state/held where another has it, state/folder
 */
export async function lockState(folder: string): Promise<StateLock> {
  const server = await hold(folder);
  const file = join(folder, FILE);
  try {
    const holder = holderIn(file);
    if (holder !== undefined && isAlive(holder)) fail(stateHeld({}, folder, `process ${holder.pid}`));
    const fresh = `${file}.${process.pid}`;
    writeFileSync(fresh, `${JSON.stringify({ pid: process.pid, started: startOf(process.pid) })}\n`, { mode: 0o600 });
    renameSync(fresh, file);
  } catch (error) {
    await closed(server);
    throw error;
  }
  return {
    release: async () => {
      rmSync(file, { force: true });
      await closed(server);
    },
  };
}

const closed = (server: Server | undefined): Promise<void> =>
  new Promise((resolve) => {
    if (server === undefined) resolve();
    else server.close(() => resolve());
  });

/** A name that only one process at a time can listen on; undefined where this system has none that it takes back by itself. */
function nameOf(folder: string): string | undefined {
  const digest = createHash('sha256').update(realpathSync(folder)).digest('hex');
  if (process.platform === 'linux') return `\0anybpf-state-${digest}`;
  if (process.platform === 'win32') return `\\\\.\\pipe\\anybpf-state-${digest}`;
  return undefined;
}

async function hold(folder: string): Promise<Server | undefined> {
  const name = nameOf(folder);
  if (name === undefined) return undefined;
  const server = createServer((socket) => socket.destroy());
  server.unref();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(name, resolve);
  }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EADDRINUSE') fail(stateFolder({}, folder, error.message));
    const holder = holderIn(join(folder, FILE));
    fail(stateHeld({}, folder, holder === undefined ? 'another process' : `process ${holder.pid}`));
  });
  return server;
}

interface Holder {
  readonly pid: number;
  /** When it began, where the system says so: numbers of processes come again. */
  readonly started: string | undefined;
}

function holderIn(file: string): Holder | undefined {
  try {
    const { pid, started } = JSON.parse(readFileSync(file, 'utf8')) as Partial<Record<keyof Holder, unknown>>;
    if (!Number.isSafeInteger(pid)) return undefined;
    return { pid: pid as number, started: typeof started === 'string' ? started : undefined };
  } catch {
    return undefined;
  }
}

function isAlive({ pid, started }: Holder): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  return started === undefined || started === startOf(pid);
}

/** Start time of a process in clock ticks since boot, where there is /proc. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The second field is the name in parentheses, which may have anything in it.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}
