// anybpf service start|stop|status: the execution context that outlives the commands that use it.
import { spawn } from 'node:child_process';
import { closeSync, existsSync, fstatSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Command, Option } from 'commander';
import { AnyBpfError, type Diagnostic, fail } from '../base/diagnostic.ts';
import { badOption } from '../base/messages/cli.ts';
import { cannotStart, cannotStop } from '../base/messages/service.ts';
import { ROLES, type Role } from '../spec/session.ts';
import { LOG_LEVELS, type LogLevel } from '../service/log.ts';
import type { ServiceStatus } from '../service/protocol.ts';
import type { Io } from './io.ts';
import { toJson } from './json.ts';
import type { Verb } from './verb.ts';
import { version } from './version.ts';

interface ServiceOptions {
  readonly socket?: string;
  readonly json?: boolean;
}

interface StartOptions extends ServiceOptions {
  readonly foreground?: boolean;
  /** False for --no-state. */
  readonly state?: string | boolean;
  readonly socketGroup?: string;
  readonly groupRole?: Role;
  readonly tokens?: string;
  readonly metrics?: string;
  readonly logLevel?: LogLevel;
}

/** Milliseconds until a service must answer that it has started, or have stopped. */
const START_TIME = 30_000;
const STOP_TIME = 60_000;
const LOOK = 20;
/** Bytes at the end of the log that say why a service did not start. */
const LAST_WORDS = 2_000;

/** What a service that was started beside the command says to it. */
type Announcement = { readonly started: ServiceStatus } | { readonly failed: Diagnostic };

const socketOption = (command: Command): Command =>
  command
    .option('--socket <path>', 'its socket, or pipe on Windows (ANYBPF_SOCKET; else the usual place)')
    .option('--json', 'print JSON');

export const serviceVerb: Verb = (program: Command, io) => {
  const service = program.command('service').description('the service: a context that keeps programs, maps and links');
  socketOption(service.command('start').description('start it, and wait until it answers'))
    .option('--foreground', 'run in this process until SIGTERM, SIGINT or `anybpf service stop`')
    .option('--state <dir>', 'where pinned objects are kept (ANYBPF_STATE; else the usual place)')
    .option('--no-state', 'keep nothing: pinned objects end with the service')
    .option('--socket-group <group>', 'a second socket, for the members of this group')
    .addOption(new Option('--group-role <role>', "the second socket's role").choices(ROLES))
    .option('--tokens <file>', 'ask every client for a token of this file (lines ROLE TOKEN)')
    .option('--metrics <address>', 'serve metrics for Prometheus at HOST:PORT, or unix:PATH for the owner alone')
    .addOption(new Option('--log-level <level>', 'the least that its log says (info where absent)').choices(LOG_LEVELS))
    .action((options: StartOptions) => start(io, options));
  socketOption(service.command('stop').description('end it; what is pinned is kept')).action(
    (options: ServiceOptions) => stop(io, options),
  );
  socketOption(service.command('status').description('who it is, since when, and what it has')).action(
    (options: ServiceOptions) => status(io, options),
  );
  socketOption(service.command('metrics').description('what it has and did, as Prometheus text')).action(
    (options: ServiceOptions) => metrics(io, options),
  );
};

async function start(io: Io, options: StartOptions): Promise<void> {
  if ((options.socketGroup === undefined) !== (options.groupRole === undefined))
    fail(badOption({}, '--socket-group', options.socketGroup ?? '', 'a group and its --group-role go together'));
  const { defaultSocket, defaultState } = await import('../service/paths.ts');
  const socket = options.socket ?? defaultSocket(io.env);
  const state =
    options.state === false ? undefined : typeof options.state === 'string' ? options.state : defaultState(io.env);
  if (options.foreground === true) await runHere(io, options, socket, state);
  else print(io, options, await startBeside(options, socket, state), 'started');
}

async function runHere(io: Io, options: StartOptions, socket: string, state: string | undefined): Promise<void> {
  const { startService } = await import('../service/start.ts');
  const { metricsAddress } = await import('../service/metrics-server.ts');
  const { socketGroup, groupRole, tokens, metrics, logLevel } = options;
  try {
    const service = await startService({
      socket,
      version,
      watch: {
        log: {
          write: (line) => io.stderr.write(line),
          ...(logLevel === undefined ? {} : { level: logLevel }),
        },
        ...(metrics === undefined ? {} : { metrics: metricsAddress(metrics) }),
      },
      ...(state === undefined ? {} : { state }),
      ...(socketGroup === undefined || groupRole === undefined
        ? {}
        : { group: { name: socketGroup, role: groupRole } }),
      ...(tokens === undefined ? {} : { tokens }),
    });
    const end = (signal: string): void => void service.stop(`the service got ${signal}`);
    for (const signal of SIGNALS) process.once(signal, end);
    if (!announce({ started: service.status() })) print(io, options, service.status(), 'started');
    await service.stopped;
    for (const signal of SIGNALS) process.removeListener(signal, end);
  } catch (error) {
    if (error instanceof AnyBpfError) announce({ failed: error.diagnostic });
    throw error;
  }
}

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

/** Says it to the command that started this process; false where none waits for it. */
function announce(what: Announcement): boolean {
  if (process.send === undefined || !process.connected) return false;
  process.send(what, () => process.disconnect());
  return true;
}

/** Starts the service as a process that outlives this one. */
async function startBeside(options: StartOptions, socket: string, state: string | undefined): Promise<ServiceStatus> {
  const command = fileURLToPath(new URL('../../bin/anybpf.mjs', import.meta.url));
  const { socketGroup, groupRole, tokens, metrics, logLevel } = options;
  const argv = [
    'service',
    'start',
    '--foreground',
    '--socket',
    socket,
    ...(state === undefined ? ['--no-state'] : ['--state', state]),
    ...(socketGroup === undefined || groupRole === undefined
      ? []
      : ['--socket-group', socketGroup, '--group-role', groupRole]),
    ...(tokens === undefined ? [] : ['--tokens', tokens]),
    ...(metrics === undefined ? [] : ['--metrics', metrics]),
    ...(logLevel === undefined ? [] : ['--log-level', logLevel]),
  ];
  const log = openLog(state ?? dirname(socket));
  try {
    const child = spawn(process.execPath, [command, ...argv], {
      detached: true,
      windowsHide: true,
      stdio: ['ignore', log.fd, log.fd, 'ipc'],
    });
    const said = await new Promise<Announcement>((resolve) => {
      const failed = (why: string): void => resolve({ failed: cannotStart({}, why) });
      const late = setTimeout(() => {
        child.kill('SIGKILL');
        failed(`it gave no sign within ${START_TIME / 1000} s`);
      }, START_TIME);
      child.once('message', (message: Announcement) => {
        clearTimeout(late);
        resolve(message);
      });
      child.once('error', (error) => failed(error.message));
      child.once('exit', (code, signal) => {
        clearTimeout(late);
        failed(`it ended with ${signal ?? `exit code ${code}`}${log.lastWords()}`);
      });
    });
    child.removeAllListeners();
    if (child.connected) child.disconnect();
    child.unref();
    return 'started' in said ? said.started : fail(said.failed);
  } finally {
    closeSync(log.fd);
  }
}

interface Log {
  readonly fd: number;
  /** What was written since it was opened, the end of it. */
  lastWords(): string;
}

function openLog(folder: string): Log {
  const file = join(folder, 'service.log');
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const fd = openSync(file, 'a+', 0o600);
    const { size } = fstatSync(fd);
    return {
      fd,
      lastWords: () => {
        const text = readFileSync(file).subarray(size).toString('utf8').trim().slice(-LAST_WORDS);
        return text === '' ? '' : `: ${text}`;
      },
    };
  } catch (error) {
    return fail(cannotStart({ file }, (error as Error).message), error);
  }
}

async function stop(io: Io, { socket: given, json }: ServiceOptions): Promise<void> {
  const { socket, session } = await connected(io, given);
  const { pid } = session.service;
  await session.ask('service.stop', {});
  await session.close();
  const { answers } = await import('../service/listen.ts');
  const { isPipe, lockOf } = await import('../service/paths.ts');
  const until = io.now() + STOP_TIME;
  while (isPipe(socket) ? await answers(socket) : existsSync(lockOf(socket))) {
    if (io.now() > until) fail(cannotStop({}, `process ${pid} is there after ${STOP_TIME / 1000} s`));
    await pause(LOOK);
  }
  io.stdout.write(json === true ? `${toJson({ stopped: { pid, socket } })}\n` : `stopped: process ${pid}\n`);
}

async function status(io: Io, options: ServiceOptions): Promise<void> {
  const { session } = await connected(io, options.socket);
  try {
    print(io, options, await session.ask('service.status', {}), 'running');
  } finally {
    await session.close();
  }
}

async function metrics(io: Io, { socket, json }: ServiceOptions): Promise<void> {
  const { session } = await connected(io, socket);
  try {
    const { text } = await session.ask('service.metrics', {});
    io.stdout.write(json === true ? `${toJson({ metrics: text })}\n` : text);
  } finally {
    await session.close();
  }
}

async function connected(io: Io, given: string | undefined) {
  const { connect } = await import('../client/connect.ts');
  const { defaultSocket } = await import('../service/paths.ts');
  const socket = given ?? defaultSocket(io.env);
  const token = io.env.ANYBPF_TOKEN;
  const session = await connect({ socket, client: 'anybpf service', ...(token === undefined ? {} : { token }) });
  return { socket, session };
}

function print(io: Io, { json }: ServiceOptions, what: ServiceStatus, state: string): void {
  if (json === true) {
    io.stdout.write(`${toJson(what, 2)}\n`);
    return;
  }
  const { maps, programs, links, btfs, pins } = what.objects;
  io.stdout.write(`${state}: process ${what.pid}, anybpf ${what.version}, protocol ${what.protocol}
  socket       ${what.socket}
  state        ${what.state ?? 'none: pinned objects end with it'}
  since        ${what.uptime.toFixed(1)} s
  connections  ${what.connections}
  objects      ${programs} programs, ${maps} maps, ${links} links, ${btfs} BTF; ${pins} pins
  memory       ${(what.memory / 2 ** 20).toFixed(1)} MiB
`);
}
