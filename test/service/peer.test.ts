// Whose a connection is, where the system shows it.
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import type { Diagnostic } from '../../src/base/diagnostic.ts';
import type { Caller } from '../../src/service/served.ts';
import { RawClient } from './raw.ts';
import { served } from './support.ts';

const NOBODY = 65_534;

/** Connects from a process of its own, greets, prints what comes, and stays until it is ended. */
const CLIENT = `
const socket = require('node:net').connect(process.argv[1]);
const hello = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'service.hello', params: { protocol: [1, 1] } });
socket.write('Content-Length: ' + hello.length + '\\r\\n\\r\\n' + hello);
socket.on('data', (text) => process.stdout.write(text));
socket.on('error', (error) => console.log(error.code));
`;

test('process and user of a client', async (context) => {
  const callers: Caller[] = [];
  const { socket } = await served({ observers: [{ connected: (_, caller) => callers.push(caller) }] });
  const client = spawn(process.execPath, ['-e', CLIENT, socket], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    await expect.poll(() => callers.length, { timeout: 10_000 }).toBe(1);
    if (callers[0].uid === undefined) context.skip('koffi is not installed, or this is no Linux');
    expect(callers).toEqual([{ pid: client.pid, uid: process.getuid?.(), role: 'admin' }]);
  } finally {
    client.kill('SIGKILL');
  }
});

test('another user is turned away, even where the modes would let him in', async (context) => {
  if (process.getuid?.() !== 0) context.skip('only root can be another user');
  const findings: Diagnostic[] = [];
  const { socket, connect } = await served({ observers: [{ refused: (_, finding) => findings.push(finding) }] });
  const attempt = () =>
    spawnSync(process.execPath, ['-e', CLIENT, socket], {
      uid: NOBODY,
      gid: NOBODY,
      encoding: 'utf8',
      timeout: 10_000,
    });
  // As it is, the system refuses.
  expect(attempt().stdout).toContain('EACCES');
  expect(findings).toEqual([]);
  chmodSync(path.dirname(socket), 0o755);
  chmodSync(socket, 0o666);
  const client = spawn(process.execPath, ['-e', CLIENT, socket], { uid: NOBODY, gid: NOBODY, stdio: 'ignore' });
  await new Promise((done) => client.once('close', done));
  const probe = await RawClient.greeted(socket);
  probe.socket.destroy();
  if (findings.length === 0) context.skip('koffi is not installed, or this is no Linux');
  expect(findings).toMatchObject([{ code: 'service/peer', errno: 13 }]);
  expect((await connect()).role).toBe('admin');
});

test('a process has so many connections, and others have theirs', async (context) => {
  const { socket, service, connect } = await served({ limits: { perProcess: 3 } });
  const clients = Array.from({ length: 5 }, () => CLIENT)
    .join('\n')
    .replaceAll('const ', 'var ');
  const child = spawn(process.execPath, ['-e', clients, socket], { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.on('data', (text) => (said += text));
  try {
    await expect.poll(() => said.split('jsonrpc').length - 1, { timeout: 10_000 }).toBe(5);
    if (!said.includes('service/full')) context.skip('koffi is not installed, or this is no Linux');
    expect(said.split('service/full')).toHaveLength(3);
    await connect();
    expect(service.status().connections).toBe(4);
  } finally {
    child.kill('SIGKILL');
  }
});
