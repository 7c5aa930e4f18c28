// The verifier in a process of its own: files that others wrote are read and analysed where there is nothing to be had. The process is
// started with a limit of memory, without environment and without open files; Node's permission model takes files, processes, workers
// and addons away from it, and Linux its network. It stays, answers one request after the other, and is started anew when it ends.
//
// What Node's permissions do not take away is the network (until Node 25) and signals; on Linux it runs in a network namespace of its
// own where the system allows that to whoever runs this (see `confinement`).
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { type Connection, type ConnectionEvents, type End, Verifier, type VerifierLimits } from '../verifier/client.ts';
import { decodeMessage, encodeRequest, Frames } from './frames.ts';

export interface VerifierProcessOptions extends VerifierLimits {
  /** MiB of JavaScript objects that it may have, 256 where absent; its whole process may have 256 more. */
  readonly memory?: number;
  /** The module to run, where it is not the one beside this file. */
  readonly entry?: URL;
}

/** What keeps the process from everything but its pipes. */
export interface Confinement {
  /** Node's permission model: no files but its own code, no processes, workers, addons. */
  readonly permissions: boolean;
  /** A network namespace of its own, with no interface up. */
  readonly network: boolean;
}

export interface VerifierProcess extends Verifier {
  readonly confinement: Confinement;
  /** Of the process, while there is one. */
  readonly pid: number | undefined;
}

const MEMORY = 256;
/** MiB of a process beside its JavaScript objects: code, buffers, what the collector holds back. */
const BESIDE = 256;
const MIB = 2 ** 20;
/** How often the memory of the process is looked at, in milliseconds. */
const LOOK = 50;
/** No record is longer. */
const MOST_MESSAGE = 16 * MIB;
/** Bytes of standard error that are kept, to say why it ended. */
const MOST_ERRORS = 4096;

/**
 * A verifier in a process of its own. It is started with the first request and does not keep the application alive.
 *
 * @example
 * using verifier = createVerifierProcess();
 * const records = await verifier.verify({ object: await readFile('prog.o') });
 */
export function createVerifierProcess(options: VerifierProcessOptions = {}): VerifierProcess {
  const confinement = confinementHere();
  let child: ChildProcess | undefined;
  const verifier = new Verifier((events) => {
    const started = start(options, confinement, events);
    child = started.child;
    return started.connection;
  }, options);
  return Object.defineProperties(verifier, {
    confinement: { value: confinement },
    pid: { get: () => (child?.exitCode === null && child.signalCode === null ? child.pid : undefined) },
  }) as VerifierProcess;
}

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

const confinementHere = (): Confinement => ({
  permissions: PERMISSION !== undefined,
  network: withoutNetwork().length > 0,
});

function start(
  { memory = MEMORY, entry = besides() }: VerifierProcessOptions,
  { permissions }: Confinement,
  events: ConnectionEvents,
): { readonly child: ChildProcess; readonly connection: Connection } {
  const root = new URL('../../', entry);
  const reads = [`${fileURLToPath(root)}*`, fileURLToPath(new URL('../package.json', root))];
  const flags = permissions ? [PERMISSION as string, ...reads.map((path) => `--allow-fs-read=${path}`)] : [];
  const node = [process.execPath, '--no-warnings', `--max-old-space-size=${memory}`, ...flags, fileURLToPath(entry)];
  const [file, ...args] = [...withoutNetwork(), ...node];
  const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'], env: {}, cwd: fileURLToPath(root) });
  const limit = (memory + BESIDE) * MIB;
  let over: End | undefined;
  let killed = false;
  let errors = '';
  const kill = (): void => {
    killed = true;
    child.kill('SIGKILL');
  };
  const watch = setInterval(() => {
    if (residentBytes(child.pid) <= limit) return;
    over = { kind: 'memory', limit };
    child.kill('SIGKILL');
  }, LOOK);
  watch.unref();
  const frames = new Frames(MOST_MESSAGE);
  child.stdout?.on('data', (piece: Uint8Array) => {
    if (killed) return;
    try {
      for (const frame of frames.take(piece)) events.message(decodeMessage(frame));
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      events.message(undefined);
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
  const connection: Connection = {
    send: (request) => {
      for (const part of parts) part.ref();
      child.stdin?.write(encodeRequest(request));
    },
    rest: () => {
      for (const part of parts) part.unref();
    },
    kill,
  };
  return { child, connection };
}

/** The child's module: beside this one, in the form that this one has. */
const besides = (): URL => new URL(`./verify-child${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);

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
