// A process of our own code for the files of others: started with a limit of memory, without environment and without open files; Node's
// permission model takes files, processes, workers and addons away from it, and Linux its network. It talks in frames over its standard
// streams (frames.ts).
//
// What Node's permissions do not take away is the network (until Node 25) and signals; on Linux it runs in a network namespace of its
// own where the system allows that to whoever runs this (see `confinementHere`).
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import type { End } from '../verifier/client.ts';
import { Frames } from './frames.ts';

/** What keeps the process from everything but its pipes. */
export interface Confinement {
  /** Node's permission model: no files but its own code, no processes, workers, addons. */
  readonly permissions: boolean;
  /** A network namespace of its own, with no interface up. */
  readonly network: boolean;
}

export interface ConfinedOptions {
  /** MiB of JavaScript objects that it may have, 256 where absent; its whole process may have 256 more. */
  readonly memory?: number;
  /** The module to run; what it imports is below the folder two above it. */
  readonly entry: URL;
  /** Most bytes of a frame that it may send. */
  readonly mostFrame: number;
}

export interface ConfinedEvents {
  /** Undefined where it sends a frame that is too long. */
  frame(bytes: Uint8Array | undefined): void;
  /** It has ended by itself, or because it took too much memory. */
  ended(end: End): void;
}

export interface Confined {
  readonly child: ChildProcess;
  /** From here on it keeps the application alive. */
  send(frame: Uint8Array): void;
  /** It need not keep the application alive until the next `send`. */
  rest(): void;
  /** Ends it at once. No event comes any more. */
  kill(): void;
}

const MEMORY = 256;
/** MiB of a process beside its JavaScript objects: code, buffers, what the collector holds back. */
const BESIDE = 256;
const MIB = 2 ** 20;
/** How often the memory of the process is looked at, in milliseconds. */
const LOOK = 50;
/** Bytes of standard error that are kept, to say why it ended. */
const MOST_ERRORS = 4096;

/** `--permission`, or as it was called before Node 22.13. */
const PERMISSION = ['--permission', '--experimental-permission'].find((flag) =>
  process.allowedNodeEnvironmentFlags.has(flag),
);

/** unshare(1), and how it may be used: as root, or in a user namespace. */
const UNSHARE = ['/usr/bin/unshare', '/bin/unshare'];
const NAMESPACES = [['--net'], ['--user', '--map-current-user', '--net']];

let found: { readonly command: readonly string[] } | undefined;

/** What to put in front of a command so that it has no network; nothing where this system does not allow it. */
function withoutNetwork(): readonly string[] {
  if (found !== undefined) return found.command;
  const program = process.platform === 'linux' ? UNSHARE.find((path) => existsSync(path)) : undefined;
  const tried = program === undefined ? [] : NAMESPACES.map((flags) => [program, ...flags, '--']);
  const command = tried.find(([file, ...args]) => {
    const { status } = spawnSync(file, [...args, '/bin/true'], { stdio: 'ignore', env: {}, timeout: 1000 });
    return status === 0;
  });
  found = { command: command ?? [] };
  return found.command;
}

/** What this system allows. */
export const confinementHere = (): Confinement => ({
  permissions: PERMISSION !== undefined,
  network: withoutNetwork().length > 0,
});

/** Starts one. */
export function startConfined(
  { memory = MEMORY, entry, mostFrame }: ConfinedOptions,
  events: ConfinedEvents,
): Confined {
  const root = new URL('../../', entry);
  const reads = [`${fileURLToPath(root)}*`, fileURLToPath(new URL('../package.json', root))];
  const permissions = PERMISSION === undefined ? [] : [PERMISSION, ...reads.map((path) => `--allow-fs-read=${path}`)];
  const node = [process.execPath, '--no-warnings', `--max-old-space-size=${memory}`, ...permissions];
  const [file, ...args] = [...withoutNetwork(), ...node, fileURLToPath(entry)];
  const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'], env: {}, cwd: fileURLToPath(root) });
  const limit = (memory + BESIDE) * MIB;
  let over: End | undefined;
  let killed = false;
  let errors = '';
  const watch = setInterval(() => {
    if (residentBytes(child.pid) <= limit) return;
    over = { kind: 'memory', limit };
    child.kill('SIGKILL');
  }, LOOK);
  watch.unref();
  const frames = new Frames(mostFrame);
  child.stdout?.on('data', (piece: Uint8Array) => {
    if (killed) return;
    try {
      for (const frame of frames.take(piece)) events.frame(frame);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      events.frame(undefined);
    }
  });
  child.stderr?.on('data', (piece: Uint8Array) => {
    errors = (errors + String(piece)).slice(-MOST_ERRORS);
  });
  let ended = false;
  const end = (why: string): void => {
    if (ended) return;
    ended = true;
    clearInterval(watch);
    const heap = /heap out of memory|heap limit/i.test(errors);
    if (!killed) events.ended(over ?? (heap ? { kind: 'memory', limit: memory * MIB } : { kind: 'other', why }));
  };
  child.on('error', (error) => end(error.message));
  // After all that it has said was read.
  child.on('close', (code, signal) => end(signal === null ? `exit code ${code}` : `signal ${signal}`));
  // What it does not read any more because it has ended, its end tells.
  child.stdin?.on('error', () => undefined);
  const parts = [child, child.stdin, child.stdout, child.stderr] as unknown as readonly {
    ref(): void;
    unref(): void;
  }[];
  return {
    child,
    send: (frame) => {
      for (const part of parts) part.ref();
      child.stdin?.write(frame);
    },
    rest: () => {
      for (const part of parts) part.unref();
    },
    kill: () => {
      killed = true;
      child.kill('SIGKILL');
    },
  };
}

/** Memory that a process has, where the system shows it; else 0. */
function residentBytes(pid: number | undefined): number {
  try {
    const [, resident] = readFileSync(`/proc/${pid}/statm`, 'latin1').split(' ');
    return Number(resident) * PAGE;
  } catch {
    return 0;
  }
}
/** Of all systems that have /proc with Node on them, but for some of 64-bit Arm, where the limit is then lower by their page's factor. */
const PAGE = 4096;
