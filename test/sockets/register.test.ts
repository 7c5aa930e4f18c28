// Node programs whose sockets obey a policy, by `--import`.
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { built } from '../support/built.ts';

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const register = (): string => `--import=${built('sockets/register.js').href}`;
const DIALECTS = ['linux', 'windows'] as const;
const folder = mkdtempSync(join(tmpdir(), 'anybpf-register-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let files = 0;
/** A policy file over an example. */
function policy(object: string, maps: unknown): string {
  const file = join(folder, `policy-${files++}.json`);
  writeFileSync(file, JSON.stringify({ object: at(`../../examples/portable/${object}.bpf.o`), maps }));
  return file;
}

/** Runs the program; what it printed on both streams, trimmed. */
function app(env: Record<string, string>, ...args: (string | number)[]): Promise<string> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      ['--no-warnings', register(), at('apps/sockets.mjs'), ...args.map(String)],
      { env: { ...process.env, ...env }, encoding: 'utf8', timeout: 60_000 },
      (_error, stdout, stderr) => {
        resolve((stdout + stderr).trim());
      },
    );
  });
}

/** A port that the tests of this process have for themselves. */
const port = 20_000 + (process.pid % 5_000) * 4;
const refusing = (dialect: string): Record<string, string> => ({
  ANYBPF_POLICY: policy(`bind_ports.${dialect}`, { refused_ports: [{ key: port, value: 1 }] }),
});

const errno = (dialect: (typeof DIALECTS)[number]): string => (dialect === 'linux' ? 'EPERM' : 'EACCES');

describe.each(DIALECTS)('a %s policy on ports', (dialect) => {
  const BINDS = ['listen4', 'listen6', 'http', 'udp', 'worker', 'child'];

  test('refuses net, http, dgram, worker threads and child processes its port', async () => {
    const output = await app(refusing(dialect), BINDS.join(','), port);
    // After the program's own lines those of bpf_printk, on standard error.
    expect(output.split('\n').slice(0, BINDS.length)).toEqual(BINDS.map((what) => `${what}: ${errno(dialect)}`));
    expect(output).toContain(`port ${port} refused`);
  });

  test('leaves other ports as they are', async () => {
    const output = await app(refusing(dialect), BINDS.join(','), port + 1);
    const fine: Record<string, string> = { http: 'served', udp: 'bound' };
    expect(output.split('\n')).toEqual(BINDS.map((what) => `${what}: ${fine[what] ?? 'listening'}`));
  });
});

const swapped = (number: number): number => ((number & 0xff) << 8) | (number >> 8);
const LOCALHOST = 0x0100_007f;

const sending = (dialect: string, from: number, to: number): Record<string, string> => ({
  ANYBPF_POLICY: policy(`connect_policy.${dialect}`, {
    policy4: [
      {
        key: { address: LOCALHOST, port: swapped(from), protocol: 6 },
        value: { address: LOCALHOST, port: swapped(to), protocol: 6 },
      },
    ],
  }),
});

describe('a policy on connections', () => {
  let server: Server;
  let served = 0;
  beforeAll(async () => {
    server = createServer((_request, response) => response.end('the backend'));
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    served = (server.address() as AddressInfo).port;
  });
  afterAll(() => {
    server.close();
  });

  test.each(DIALECTS)('net and fetch reach another backend (%s)', async (dialect) => {
    const output = await app(sending(dialect, port + 2, served), 'connect,fetch', port + 2);
    expect(output).toBe(`connect: connected to ${served}\nfetch: the backend`);
  });

  test.each(DIALECTS)('net and fetch are refused a connection (%s)', async (dialect) => {
    const output = await app(sending(dialect, served, 0), 'connect,fetch', served);
    expect(output).toBe(`connect: ${errno(dialect)}\nfetch: ${errno(dialect)}`);
  });
});

const CLASSES = ['bind', 'bound', 'release', 'listen', 'connect', 'accept', 'send', 'receive'];

/** What programs of both ends of a connection and a datagram print where one class of events is refused. */
const REFUSED_CLASSES: readonly (readonly [dialect: (typeof DIALECTS)[number], refused: string, outcome: string])[] = [
  ['linux', 'nothing', 'pair: welcome, tls: reached, datagram: hello'],
  ['linux', 'bind', 'pair: EPERM, tls: EPERM, datagram: EPERM'],
  ['linux', 'bound', 'pair: EPERM, tls: EPERM, datagram: EPERM'],
  ['linux', 'connect', 'pair: EPERM, tls: EPERM, datagram: hello'],
  ['linux', 'send', 'pair: welcome, tls: reached, datagram: EPERM'],
  ['windows', 'nothing', 'pair: welcome, tls: reached, datagram: hello'],
  ['windows', 'bind', 'pair: EACCES, tls: EACCES, datagram: EACCES'],
  ['windows', 'listen', 'pair: EACCES, tls: EACCES, datagram: hello'],
  ['windows', 'connect', 'pair: EACCES, tls: EACCES, datagram: EACCES'],
  ['windows', 'accept', 'pair: closed, tls: ECONNRESET, datagram: lost'],
];

test.each(REFUSED_CLASSES)('%s, refused %s: %s', async (dialect, refused, outcome) => {
  const file = join(folder, `classes-${files++}.json`);
  const elements = refused === 'nothing' ? [] : [{ key: CLASSES.indexOf(refused), value: 1 }];
  const object = at(`programs/socket_classes.${dialect}.bpf.o`);
  writeFileSync(file, JSON.stringify({ object, maps: { refused: elements } }));
  const output = await app({ ANYBPF_POLICY: file }, 'pair,tls,datagram', port + 3, port + 3);
  expect(output.split('\n').join(', ')).toBe(outcome);
});

describe('a policy that cannot be had', () => {
  test.each([
    ['a file that is not there', '/nowhere/policy.json', 'sockets/policy'],
    ['JSON of another form', '{"objects": 1}', 'sockets/policy'],
    ['no JSON', 'bind', 'sockets/policy'],
  ])('%s: the program does not begin', async (_what, text, code) => {
    let file = text;
    if (!text.startsWith('/')) {
      file = join(folder, `bad-${files++}.json`);
      writeFileSync(file, text);
    }
    const output = await app({ ANYBPF_POLICY: file }, 'listen4', port);
    expect(output).toContain(`[${code}]`);
    expect(output).not.toContain('listening');
  });

  test('no service: the program does not begin', async () => {
    const output = await app({ ANYBPF_SOCKET: join(folder, 'none.sock') }, 'listen4', port);
    expect(output).toContain('[service/not-running]');
    expect(output).not.toContain('listening');
  });
});
