// anybpf supervise: an unmodified command whose sockets obey a policy.
import { basename } from 'node:path';
import type { Command } from 'commander';
import { fail } from '../base/diagnostic.ts';
import { badOption } from '../base/messages/cli.ts';
import type { Session } from '../spec/session.ts';
import type { Decision, Endpoint, SocketEvent } from '../sockets/events.ts';
import { objectPolicy, type PolicyEntry, sessionPolicy, type SocketPolicy } from '../sockets/policy.ts';
import { readWhole } from './files.ts';
import type { Io } from './io.ts';
import { toJson } from './json.ts';
import { openObject } from './object.ts';
import { readPresets } from './presets.ts';
import { openSession, sessionOptions, type SessionOptions } from './session.ts';
import type { ExitCode, Verb } from './verb.ts';

interface SuperviseVerbOptions extends SessionOptions {
  readonly policy?: string;
  readonly map?: readonly string[];
  readonly log?: boolean;
  readonly json?: boolean;
}

const collected = (value: string, earlier: readonly string[] = []): readonly string[] => [...earlier, value];
const NO_KEY = new Uint8Array(0);

export const superviseVerb: Verb = (program: Command, io, finish) => {
  const command = program
    .command('supervise')
    .description(
      'run an unmodified command (Linux) whose sockets obey a policy: bind, listen, connect and send are asked about; with --host linux by programs in the kernel',
    )
    .argument('<command...>', 'what to run, after --')
    .option('--policy <object>', 'object whose socket programs decide; without it what is attached in the service')
    .option('--map <name=entries>', 'entries that a map has at first, as for anybpf run (repeatable)', collected)
    .option('--log', 'print each decision on standard error')
    .option('--json', 'with --log: as JSON lines');
  sessionOptions(command).action(async (words: readonly string[], options: SuperviseVerbOptions) => {
    const [file, ...args] = words;
    if (options.host === 'linux') {
      finish((await runInKernel(file, args, options, io)) as ExitCode);
      return;
    }
    const session = await openSession(io, options.policy === undefined ? options : { ...options, host: 'embedded' });
    try {
      finish((await run(file, args, await policyOf(session, options), options, io)) as ExitCode);
    } finally {
      await session.close();
    }
  });
};

async function policyOf(session: Session, { policy, map = [] }: SuperviseVerbOptions): Promise<SocketPolicy> {
  if (policy === undefined) {
    if (map.length > 0) fail(badOption({}, '--map', map[0], 'it goes with --policy'));
    return sessionPolicy(session);
  }
  return objectPolicy(session, basename(policy), await readWhole(policy), await entriesOf(policy, map));
}

async function entriesOf(policy: string, map: readonly string[]): Promise<PolicyEntry[]> {
  const { spec } = await openObject(policy);
  const presets = await Promise.all(map.map((argument) => readPresets(spec, argument)));
  return presets.flatMap(({ map: { name }, entries }) =>
    entries.map(({ key = NO_KEY, value }): PolicyEntry => ({ map: name, key, value })),
  );
}

/** The policy as programs in the kernel, on a control group that the command runs in: its exit code. */
async function runInKernel(
  command: string,
  args: readonly string[],
  options: SuperviseVerbOptions,
  io: Io,
): Promise<number> {
  const { policy, map = [], log } = options;
  if (policy === undefined) return fail(badOption({}, '--host', 'linux', 'it needs --policy'));
  if (log === true) return fail(badOption({}, '--log', 'linux', 'programs in the kernel decide without a word'));
  const [{ superviseByCgroup }, { forwardSignals }] = await Promise.all([
    import('../sockets/cgroup.ts'),
    import('../sockets/supervise.ts'),
  ]);
  const entries = await entriesOf(policy, map);
  const session = await openSession(io, options);
  try {
    const object = await readWhole(policy);
    const supervised = await superviseByCgroup({ session, name: basename(policy), object, entries, command, args });
    const stop = forwardSignals(supervised.child);
    try {
      return await supervised.ended;
    } finally {
      stop();
    }
  } finally {
    await session.close();
  }
}

/** The command's exit code. */
async function run(
  command: string,
  args: readonly string[],
  policy: SocketPolicy,
  { log, json }: SuperviseVerbOptions,
  io: Io,
): Promise<number> {
  // Loaded only here: the rest of the command needs no seccomp.
  const { forwardSignals, supervise } = await import('../sockets/supervise.ts');
  const { child, ended } = await supervise({
    policy,
    command,
    args,
    ...(log === true ? { decided: (event, decision) => io.stderr.write(`${line(event, decision, json)}\n`) } : {}),
  });
  const stop = forwardSignals(child);
  try {
    return await ended;
  } finally {
    stop();
  }
}

const hex = (address: Uint8Array, at: number): string => ((address[at] << 8) | address[at + 1]).toString(16);

function endpointText({ address, port }: Endpoint, family: 4 | 6): string {
  if (family === 4) return `${address.join('.')}:${port}`;
  return `[${Array.from({ length: 8 }, (_, i) => hex(address, i * 2)).join(':')}]:${port}`;
}

/** `connect 127.0.0.1:80 -> 127.0.0.1:8080 by curl (pid 12): allowed`. */
function line(event: SocketEvent, { allowed, errno, rewritten }: Decision, json = false): string {
  const { operation, family, application, pid, protocol } = event;
  const target = operation === 'bind' || operation === 'listen' ? event.local : event.remote;
  const address = target === undefined ? '' : endpointText(target, family);
  const instead = rewritten === undefined ? undefined : endpointText(rewritten, family);
  if (json) return toJson({ operation, protocol, address, rewritten: instead, application, pid, allowed, errno });
  const to = instead === undefined ? '' : ` -> ${instead}`;
  return `anybpf: ${operation} ${address}${to} by ${basename(application)} (pid ${pid}): ${allowed ? 'allowed' : 'refused'}`;
}
