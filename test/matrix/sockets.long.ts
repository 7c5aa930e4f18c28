// The matrix for sockets: a connect redirect and a quota of binds, on each host that decides about sockets of real programs; beside them the
// same events in memory. What programs see and what maps hold is the same on each.
import { execFile, spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { createRuntime } from '../../src/context/create.ts';
import { linuxSession } from '../../src/hosts/linux/session.ts';
import { superviseByCgroup } from '../../src/sockets/cgroup.ts';
import { decide, type SocketEvent } from '../../src/sockets/events.ts';
import { attachPolicy, type PolicyEntry } from '../../src/sockets/policy.ts';
import { supervise } from '../../src/sockets/supervise.ts';
import type { Fd, Session } from '../../src/spec/session.ts';
import { served } from '../service/support.ts';
import { built, builtCommand } from '../support/built.ts';
import { requireCapability } from '../support/capability.ts';
import { PROJECT_ROOT } from '../support/shared.ts';

const DIALECTS = ['linux', 'windows'] as const;
type Dialect = (typeof DIALECTS)[number];

interface Scene {
  readonly object: string;
  readonly entries: readonly PolicyEntry[];
  /** `bind PORT...` or `get PORT...`. */
  readonly deed: 'bind' | 'get';
  readonly ports: readonly number[];
}

interface Outcome {
  readonly lines: readonly string[];
  /** The map `asked`, where the object has one. */
  readonly asked: bigint | undefined;
}

const fileOf = (object: string, dialect: Dialect): string =>
  path.join(PROJECT_ROOT, 'examples/portable', `${object}.${dialect}.bpf.o`);
const bytesOf = (scene: Scene, dialect: Dialect): Uint8Array =>
  new Uint8Array(readFileSync(fileOf(scene.object, dialect)));
const app = (name: string): string => path.join(import.meta.dirname, 'apps', name);
const linesOf = (text: string): string[] => text.trim().split('\n');

async function askedOf(session: Session, maps: ReadonlyMap<string, Fd>): Promise<bigint | undefined> {
  const fd = maps.get('asked');
  if (fd === undefined) return undefined;
  const { value } = await session.call('map.lookup', { fd, key: new Uint8Array(4) });
  return new DataView(value.buffer, value.byteOffset).getBigUint64(0, true);
}

/** The command under supervision: what it printed. */
async function printed({ child, ended }: Awaited<ReturnType<typeof supervise>>): Promise<readonly string[]> {
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (data) => (output += String(data)));
  const closed = new Promise((resolve) => child.once('close', resolve));
  await Promise.all([ended, closed]);
  return linesOf(output);
}

interface SocketHost {
  readonly name: string;
  missing(): string | undefined;
  readonly dialects: readonly Dialect[];
  run(scene: Scene, dialect: Dialect): Promise<Outcome>;
}

const LOCALHOST = Uint8Array.of(127, 0, 0, 1);
const EPERM = 1;

/** Events as a program's calls would be, decided about in this process. */
const memory: SocketHost = {
  name: 'memory',
  missing: () => undefined,
  dialects: DIALECTS,
  run: async (scene, dialect) => {
    const session = createRuntime();
    try {
      const { asked, maps } = await attachPolicy(session, scene.object, bytesOf(scene, dialect), scene.entries);
      const lines: string[] = [];
      for (const port of scene.ports) {
        const end = { address: LOCALHOST, port };
        const base = { family: 4, type: 'stream', protocol: 6, pid: 1, application: 'memory' } as const;
        const event: SocketEvent =
          scene.deed === 'bind'
            ? { ...base, operation: 'bind', local: end }
            : { ...base, operation: 'connect', remote: end };
        const decision = await decide(event, (hook) => session.call('hook.fire', hook), asked);
        const to = decision.rewritten?.port ?? port;
        const done = scene.deed === 'bind' ? 'bound' : to === backend ? BACKEND : 'ECONNREFUSED';
        lines.push(decision.allowed ? done : decision.errno === EPERM ? 'EPERM' : 'EACCES');
      }
      return { lines, asked: await askedOf(session, maps) };
    } finally {
      await session.close();
    }
  },
};

/** A Node program that asks a service, where the policy is attached. */
const register: SocketHost = {
  name: 'register',
  missing: () => undefined,
  dialects: DIALECTS,
  run: async (scene, dialect) => {
    const { socket, connect } = await served();
    const session = await connect();
    try {
      const { maps } = await attachPolicy(session, scene.object, bytesOf(scene, dialect), scene.entries);
      const args = [
        '--no-warnings',
        `--import=${built('sockets/register.js').href}`,
        app('client.mjs'),
        scene.deed,
        ...scene.ports.map(String),
      ];
      const output = await new Promise<string>((resolve) => {
        const env = { ...process.env, ANYBPF_SOCKET: socket };
        execFile(process.execPath, args, { env, encoding: 'utf8', timeout: 60_000 }, (_error, stdout, stderr) =>
          resolve(stdout + stderr),
        );
      });
      return { lines: linesOf(output), asked: await askedOf(session, maps) };
    } finally {
      await session.close();
    }
  },
};

const commandOf = ({ deed, ports }: Scene) => ({
  command: 'python3',
  args: [app('client.py'), deed, ...ports.map(String)],
  stdio: 'pipe' as const,
});

/** An unmodified program, by seccomp. */
const supervised: SocketHost = {
  name: 'supervise',
  missing: () => requireCapability('seccomp-notify'),
  dialects: DIALECTS,
  run: async (scene, dialect) => {
    const session = createRuntime();
    try {
      const attached = await attachPolicy(session, scene.object, bytesOf(scene, dialect), scene.entries);
      const { asked, asks, maps } = attached;
      const policy = {
        asks,
        decide: (event: SocketEvent) => decide(event, (hook) => session.call('hook.fire', hook), asked),
      };
      const launcher = built('sockets/launch.js');
      const lines = await printed(await supervise({ policy, launcher, ...commandOf(scene) }));
      return { lines, asked: await askedOf(session, maps) };
    } finally {
      await session.close();
    }
  },
};

/** An unmodified program, by programs in the kernel. */
const cgroup: SocketHost = {
  name: 'cgroup',
  missing: () => requireCapability('cgroup-bpf'),
  dialects: ['linux'],
  run: async (scene, dialect) => {
    const session = linuxSession();
    try {
      const { object: name, entries } = scene;
      const running = await superviseByCgroup({
        session,
        name,
        object: bytesOf(scene, dialect),
        entries,
        ...commandOf(scene),
      });
      return { lines: await printed(running), asked: await askedOf(session, running.attached.maps) };
    } finally {
      await session.close();
    }
  },
};

const BACKEND = 'the other backend';
/** Ports that the tests of this process have for themselves. */
const FREE = 26_000 + (process.pid % 1000) * 6;
let backend = 0;
let server: Server;
beforeAll(async () => {
  server = createServer((_request, response) => response.end(BACKEND));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ({ port: backend } = server.address() as AddressInfo);
});
afterAll(() => {
  server.close();
  server.closeAllConnections();
});

/** struct destination4 of connect_policy. */
const destination = (port: number): Uint8Array => Uint8Array.of(...LOCALHOST, port >> 8, port & 0xff, 6, 0);
const quotaOf = (ports: number): PolicyEntry => ({
  map: 'quota',
  key: new Uint8Array(4),
  value: new Uint8Array(BigUint64Array.of(BigInt(ports)).buffer),
});

const CASES = [memory, register, supervised, cgroup].flatMap((host) =>
  host.dialects.map((dialect) => ({ host, dialect, name: `${host.name}, ${dialect} programs` })),
);

describe.each(CASES)('$name', ({ host, dialect }) => {
  const missing = host.missing();
  const refusal = dialect === 'linux' ? 'EPERM' : 'EACCES';

  test.skipIf(missing !== undefined)(`connect redirect${missing === undefined ? '' : `: ${missing}`}`, async () => {
    const scene: Scene = {
      object: 'connect_policy',
      entries: [
        { map: 'policy4', key: destination(FREE), value: destination(backend) },
        { map: 'policy4', key: destination(FREE + 1), value: destination(0) },
      ],
      deed: 'get',
      ports: [FREE, FREE + 1, FREE + 2, backend],
    };
    const { lines } = await host.run(scene, dialect);
    expect(lines).toEqual([BACKEND, refusal, 'ECONNREFUSED', BACKEND]);
  });

  test.skipIf(missing !== undefined)(`bind quota${missing === undefined ? '' : `: ${missing}`}`, async () => {
    const ports = [FREE + 3, FREE + 4, FREE + 5];
    const scene: Scene = { object: 'bind_quota', entries: [quotaOf(2)], deed: 'bind', ports };
    expect(await host.run(scene, dialect)).toEqual({ lines: ['bound', 'bound', refusal], asked: 3n });
  });
});

/** The command line over an unmodified command: its exit code, what it printed, and what the body found meanwhile. */
async function commandLine(
  host: 'embedded' | 'linux',
  args: readonly string[],
  body: () => Promise<void> = async () => {},
) {
  const object = fileOf(args[0], 'linux');
  const words = [builtCommand(), 'supervise', '--host', host, '--policy', object, ...args.slice(1)];
  const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'pipe'] });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (output += String(data)));
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  await body();
  child.kill('SIGTERM');
  return { code: await ended, output };
}

/** Status of the answer as soon as somebody answers. */
async function answers(port: number): Promise<number> {
  for (let tries = 0; tries < 400; tries++) {
    try {
      return (await fetch(`http://127.0.0.1:${port}/`)).status;
    } catch {
      await wait(25);
    }
  }
  return 0;
}

const COMMAND_HOSTS = [
  { host: 'embedded', missing: supervised.missing },
  { host: 'linux', missing: cgroup.missing },
] as const;

describe.each(COMMAND_HOSTS)('anybpf supervise --host $host', ({ host, missing: why }) => {
  const missing = why();
  const port = FREE + 5;
  const server = ['--', 'python3', '-m', 'http.server', '--bind', '127.0.0.1', String(port)];

  test.skipIf(missing !== undefined)(
    'python3 -m http.server serves within the quota, and is stopped beyond it',
    async () => {
      let status = 0;
      const within = await commandLine(host, ['bind_quota', '--map', 'quota={"0":1}', ...server], async () => {
        status = await answers(port);
      });
      expect([status, within.code]).toEqual([200, 143]);
      const beyond = spawnUntilEnd(host, ['bind_quota', '--map', 'quota={"0":0}', ...server]);
      expect(await beyond).toMatchObject({ code: 1, output: expect.stringContaining('PermissionError') });
    },
  );

  test.skipIf(missing !== undefined)('curl gets what another backend answers', async () => {
    const [from, to] = [FREE, backend].map(
      (one) => `"address":16777343,"port":${((one & 0xff) << 8) | (one >> 8)},"protocol":6`,
    );
    const map = `policy4=[{"key":{${from}},"value":{${to}}}]`;
    const curl = ['--', 'curl', '-s', '--max-time', '10', `http://127.0.0.1:${FREE}/`];
    expect(await spawnUntilEnd(host, ['connect_policy', '--map', map, ...curl])).toEqual({ code: 0, output: BACKEND });
  });
});

test.each([
  [['--host', 'linux', '--', 'true'], '--host linux: it needs --policy'],
  [
    ['--host', 'linux', '--policy', fileOf('bind_quota', 'linux'), '--log', '--', 'true'],
    '--log linux: programs in the kernel',
  ],
  [
    ['--host', 'linux', '--policy', fileOf('drop_empty_udp', 'linux'), '--', 'true'],
    'no program of the object is for sockets',
  ],
])('anybpf supervise %j says what is wrong', (words, message) => {
  const { status, stderr } = spawnSync(process.execPath, [builtCommand(), 'supervise', ...words], { encoding: 'utf8' });
  expect(status).not.toBe(0);
  expect(stderr).toContain(message);
});

async function spawnUntilEnd(host: 'embedded' | 'linux', args: readonly string[]) {
  const words = [builtCommand(), 'supervise', '--host', host, '--policy', fileOf(args[0], 'linux'), ...args.slice(1)];
  return new Promise<{ readonly code: number; readonly output: string }>((resolve) => {
    execFile(process.execPath, words, { encoding: 'utf8', timeout: 60_000 }, (error, stdout, stderr) =>
      resolve({
        code: typeof error?.code === 'number' ? error.code : error === null ? 0 : -1,
        output: stdout + stderr,
      }),
    );
  });
}

test.skipIf(cgroup.missing() !== undefined)('nothing is left of the control groups', () => {
  const mount = /^\S+ (\S+) cgroup2 /m.exec(readFileSync('/proc/self/mounts', 'utf8'))?.[1] ?? '';
  expect(mount).not.toBe('');
  const left = readdirSync(mount).filter((name) => {
    const pid = Number(/^anybpf-(\d+)-/.exec(name)?.[1] ?? 0);
    return pid !== 0 && (pid === process.pid || !existsSync(`/proc/${pid}`));
  });
  expect(left).toEqual([]);
});
