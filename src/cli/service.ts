// anybpf service start|stop|status: the execution context that outlives the commands that use it.
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname } from 'node:path';
import process from 'node:process';
import { setTimeout as pause } from 'node:timers/promises';
import { type Command, Option } from 'commander';
import { AnyBpfError, fail } from '../base/diagnostic.ts';
import { badOption } from '../base/messages/cli.ts';
import { cannotStop } from '../base/messages/service.ts';
import { ROLES, type Role } from '../spec/session.ts';
import { DURABILITIES, type Durability, SIGNATURE_POLICIES, type SignaturePolicy } from '../service/choices.ts';
import { LOG_LEVELS, type LogLevel } from '../service/log.ts';
import { defaultSocket, defaultState, isPipe, lockOf } from '../service/paths.ts';
import type { ServiceStatus } from '../service/protocol.ts';
import { knownExtensions } from './extensions.ts';
import type { Io } from './io.ts';
import { toJson } from './json.ts';
import { announce, startBeside } from './service-process.ts';
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
  readonly durability?: Durability;
  readonly signatures?: SignaturePolicy;
  readonly trustedKeys?: string;
}

/** Milliseconds until a service must have stopped. */
const STOP_TIME = 60_000;
const LOOK = 20;
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
    .addOption(
      new Option(
        '--durability <what>',
        'what acknowledged changes survive: the end of its process, or of the power',
      ).choices(DURABILITIES),
    )
    .addOption(
      new Option('--signatures <policy>', 'of modules made ahead of time: what is done without a right one').choices(
        SIGNATURE_POLICIES,
      ),
    )
    .option('--trusted-keys <dir>', 'public keys (*.pem, Ed25519) of those whose modules are loaded')
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
  const socket = options.socket ?? defaultSocket(io.env);
  const state =
    options.state === false ? undefined : typeof options.state === 'string' ? options.state : defaultState(io.env);
  if (options.foreground === true) await runHere(io, options, socket, state);
  else print(io, options, await startOutside(io, options, socket, state), 'started');
}

async function runHere(io: Io, options: StartOptions, socket: string, state: string | undefined): Promise<void> {
  const { startService } = await import('../service/start.ts');
  const { metricsAddress } = await import('../service/metrics-server.ts');
  const { LiveInterfaces } = await import('../live/interfaces.ts');
  const { socketGroup, groupRole, tokens, metrics, logLevel, durability, signatures, trustedKeys } = options;
  try {
    const service = await startService({
      providers: knownExtensions(),
      live: (context, report) => new LiveInterfaces(context, { report: (_, finding) => report(finding) }),
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
      ...(durability === undefined ? {} : { durable: { durability } }),
      signatures: {
        ...(signatures === undefined ? {} : { policy: signatures }),
        ...(trustedKeys === undefined ? {} : { trustedKeys }),
      },
      ...(socketGroup === undefined || groupRole === undefined
        ? {}
        : { group: { name: socketGroup, role: groupRole } }),
      ...(tokens === undefined ? {} : { tokens }),
    });
    const end = (signal: string): void => void service.stop(`the service got ${signal}`);
    for (const signal of SIGNALS) process.once(signal, end);
    if (!announce(io, { started: service.status() })) print(io, options, service.status(), 'started');
    await service.stopped;
    for (const signal of SIGNALS) process.removeListener(signal, end);
  } catch (error) {
    if (error instanceof AnyBpfError) announce(io, { failed: error.diagnostic });
    throw error;
  }
}

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

const given = (flag: string, value: string | undefined): readonly string[] =>
  value === undefined ? [] : [flag, value];

/** The same service, as a process that outlives the command. */
function startOutside(
  io: Io,
  options: StartOptions,
  socket: string,
  state: string | undefined,
): Promise<ServiceStatus> {
  const argv = [
    'service',
    'start',
    '--foreground',
    ...given('--socket', socket),
    ...(state === undefined ? ['--no-state'] : ['--state', state]),
    ...given('--socket-group', options.socketGroup),
    ...given('--group-role', options.groupRole),
    ...given('--tokens', options.tokens),
    ...given('--metrics', options.metrics),
    ...given('--log-level', options.logLevel),
    ...given('--durability', options.durability),
    ...given('--signatures', options.signatures),
    ...given('--trusted-keys', options.trustedKeys),
  ];
  return startBeside(io, argv, state ?? (isPipe(socket) ? tmpdir() : dirname(socket)));
}

async function stop(io: Io, { socket: given, json }: ServiceOptions): Promise<void> {
  const { socket, session } = await connected(io, given);
  const { pid } = session.service;
  await session.ask('service.stop', {});
  await session.close();
  const { answers } = await import('../service/listen.ts');
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
