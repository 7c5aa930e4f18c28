// port_leak, in Node and in Python, against a service in which port_quota is attached.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { expect } from 'vitest';
import { portQuota } from '../../examples/port-quota/port-quota.ts';
import { sessionPolicy } from '../../src/sockets/policy.ts';
import { supervise } from '../../src/sockets/supervise.ts';
import type { Session } from '../../src/spec/session.ts';
import { served } from '../service/support.ts';
import { built } from '../support/built.ts';
import { PROJECT_ROOT } from '../support/shared.ts';

const example = (file: string): string => path.join(PROJECT_ROOT, 'examples/port-quota', file);

/** What port_leak prints where binds are refused after so many. */
const leaked = (ports: number, refusal: string): string =>
  `${Array.from({ length: Math.floor(ports / 100) }, (_, i) => `Leaked ${(i + 1) * 100} ports\n`).join('')}${refusal}\n`;

/** A line of port_quota's own. */
async function command(session: Session, ...line: readonly string[]): Promise<string> {
  let printed = '';
  const known = await portQuota(
    session,
    line,
    async (file) => readFileSync(example(file)),
    (text) => {
      printed += text;
    },
  );
  expect(known).toBe(true);
  return printed;
}

/** A service with port_quota attached by a client that has gone. */
async function quota(ports: number) {
  const { socket, connect } = await served();
  const session = await connect();
  await command(session, 'load', 'port_quota.bpf.o');
  await command(session, 'limit', `${ports}`);
  await session.close();
  return { socket, session: await connect() };
}

/** A Node program under `--import anybpf/register`; what it printed, and its process. */
function node(socket: string, ...args: readonly string[]): Promise<{ readonly output: string; readonly pid: number }> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      ['--no-warnings', `--import=${built('sockets/register.js').href}`, ...args],
      { env: { ...process.env, ANYBPF_SOCKET: socket }, timeout: 60_000 },
      (_error, stdout, stderr) => {
        resolve({ output: stdout + stderr, pid: child.pid ?? 0 });
      },
    );
  });
}

/** As the program writes it: UTF-16 in 64 bytes. */
const application = (file: string): string => file.slice(0, 32);

/** A Node program leaks ports up to the limit; then port_quota is unloaded, and nothing holds one back. */
export async function leakInNode(limit: number): Promise<void> {
  const { socket, session } = await quota(limit);
  const { output, pid } = await node(socket, example('port_leak.mjs'), '2');
  expect(output).toBe(leaked(limit, 'bind failed: permission denied\t13\nbind failed: permission denied\t13'));
  expect(await command(session, 'stats')).toBe(
    `Pid\tCount\tAppId\n${pid}\t${limit}\t${application(process.execPath)}\n`,
  );
  await command(session, 'unload');
  const one = "require('dgram').createSocket('udp4').bind(0, () => { console.log('bound'); process.exit(); })";
  expect((await node(socket, '-e', one)).output).toBe('bound\n');
  await session.close();
}

/** A Python program under supervision does. */
export async function leakInPython(limit: number): Promise<void> {
  const { session } = await quota(limit);
  const { child, ended } = await supervise({
    policy: sessionPolicy(session),
    command: 'python3',
    args: [example('port_leak.py'), '1'],
    stdio: 'pipe',
    launcher: built('sockets/launch.js'),
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (data) => (output += String(data)));
  const closed = new Promise((resolve) => child.once('close', resolve));
  expect(await ended).toBe(0);
  await closed;
  expect(output).toBe(leaked(limit, 'bind failed: Permission denied\t13'));
  // Where Python lies the supervisor reads in /proc.
  const [header, line] = (await command(session, 'stats')).split('\n');
  expect([header, line.split('\t')]).toEqual([
    'Pid\tCount\tAppId',
    [`${child.pid}`, `${limit}`, expect.stringMatching(/^\//)],
  ]);
  await session.close();
}
