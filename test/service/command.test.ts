// anybpf service start, stop, status: in this process, and as a process of its own.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { connect } from '../../src/client/connect.ts';
import { anybpf } from '../cli/support.ts';
import { builtCommand } from '../support/built.ts';
import { temporaryFolder } from './support.ts';

/** A service in the foreground of this process. */
async function foreground(...options: string[]) {
  const folder = temporaryFolder();
  const socket = path.join(folder, 'run', 'service.sock');
  const env = { ANYBPF_SOCKET: socket, ANYBPF_STATE: path.join(folder, 'state') };
  const running = anybpf(['service', 'start', '--foreground', ...options], { env });
  await expect.poll(() => existsSync(socket), { timeout: 20_000 }).toBe(true);
  onTestFinished(async () => {
    await anybpf(['service', 'stop'], { env });
    await running;
  });
  return { env, socket, running };
}

describe('in the foreground', () => {
  test('start, status, stop', async () => {
    const { env, socket, running } = await foreground();
    const { code, out, err } = await anybpf(['service', 'status', '--json'], { env });
    expect([code, err]).toEqual([0, '']);
    expect(JSON.parse(out)).toMatchObject({
      pid: process.pid,
      protocol: 1,
      socket,
      state: env.ANYBPF_STATE,
      connections: 1,
      objects: { maps: 0, programs: 0, links: 0, btfs: 0, pins: 0 },
    });
    const text = await anybpf(['service', 'status'], { env });
    expect(text.out).toContain(`running: process ${process.pid}, anybpf `);
    expect(text.out).toContain(socket);

    const second = await anybpf(['service', 'start', '--foreground'], { env });
    expect(second.code).toBe(1);
    expect(second.err).toContain('[service/running]');

    const stopped = await anybpf(['service', 'stop', '--json'], { env });
    expect(JSON.parse(stopped.out)).toEqual({ stopped: { pid: process.pid, socket } });
    const { code: end, out: said } = await running;
    expect([end, said.startsWith('started: process')]).toEqual([0, true]);
    expect(existsSync(socket)).toBe(false);
  });

  test('what is pinned is there after it', async () => {
    const { env, socket, running } = await foreground();
    const session = await connect({ socket });
    const shape = { name: 'kept', type: 'hash', keySize: 4, valueSize: 4, maxEntries: 8 } as const;
    const { fd } = await session.call('map.create', shape);
    await session.call('object.pin', { fd, path: '/sys/fs/bpf/kept' });
    await session.call('map.update', { fd, key: Uint8Array.of(1, 2, 3, 4), value: Uint8Array.of(5, 6, 7, 8) });
    await anybpf(['service', 'stop'], { env });
    await running;
    const again = anybpf(['service', 'start', '--foreground'], { env });
    await expect.poll(() => existsSync(socket), { timeout: 20_000 }).toBe(true);
    const later = await connect({ socket });
    const found = await later.call('object.get', { path: '/sys/fs/bpf/kept' });
    expect(await later.call('map.lookup', { fd: found.fd, key: Uint8Array.of(1, 2, 3, 4) })).toEqual({
      value: Uint8Array.of(5, 6, 7, 8),
    });
    await later.close();
    await anybpf(['service', 'stop'], { env });
    await again;
  });

  test('a token that the environment has', async () => {
    const tokens = path.join(temporaryFolder(), 'tokens');
    writeFileSync(tokens, `read ${'r'.repeat(20)}\nadmin ${'a'.repeat(20)}\n`, { mode: 0o600 });
    const { env } = await foreground('--no-state', '--tokens', tokens);
    const as = (token: string) => ({ env: { ...env, ANYBPF_TOKEN: token.repeat(20) } });
    expect((await anybpf(['service', 'status'], { env })).err).toContain('[service/token]');
    expect((await anybpf(['service', 'status'], as('r'))).code).toBe(0);
    expect((await anybpf(['service', 'stop'], as('r'))).err).toContain('[service/role]');
    expect((await anybpf(['service', 'stop'], as('a'))).code).toBe(0);
  });
});

test.each([
  [['service', 'status'], 1, 'service/not-running'],
  [['service', 'stop'], 1, 'service/not-running'],
  [['service', 'start', '--socket-group', 'x'], 2, 'cli/option'],
  [['service', 'start', '--group-role', 'read'], 2, 'cli/option'],
  [['service', 'start', '--group-role', 'king'], 2, 'cli/usage'],
  [['service', 'start', '--foreground', '--socket-group', 'no such group', '--group-role', 'read'], 1, 'service/start'],
  [['service', 'start', '--foreground', '--tokens', '/nowhere'], 1, 'service/start'],
  [['service', 'restart'], 2, 'cli/usage'],
])('%j: exit code %i', async (argv, code, finding) => {
  const folder = temporaryFolder();
  const env = { ANYBPF_SOCKET: path.join(folder, 's'), ANYBPF_STATE: path.join(folder, 'state') };
  const text = await anybpf(argv, { env });
  expect([text.code, text.out]).toEqual([code, '']);
  expect(text.err).toContain(`[${finding}]`);
  const json = await anybpf([...argv, '--json'], { env });
  expect(JSON.parse(json.out)).toMatchObject({ error: { code: finding } });
});

describe('as a process of its own', () => {
  test('starts, answers, is there after the command, stops', () => {
    const folder = temporaryFolder();
    const env = {
      ...process.env,
      ANYBPF_SOCKET: path.join(folder, 'run', 's'),
      ANYBPF_STATE: path.join(folder, 'state'),
    };
    const run = (...argv: string[]) =>
      spawnSync(process.execPath, [builtCommand(), 'service', ...argv], {
        env,
        encoding: 'utf8',
      });
    const started = run('start', '--json');
    try {
      expect([started.status, started.stderr]).toEqual([0, '']);
      const { pid } = JSON.parse(started.stdout) as { pid: number };
      expect(pid).not.toBe(process.pid);
      expect(JSON.parse(run('status', '--json').stdout)).toMatchObject({ pid });
      const second = run('start');
      expect([second.status, second.stdout]).toEqual([1, '']);
      expect(second.stderr).toContain(`process ${pid} [service/running]`);
    } finally {
      expect(run('stop').status).toBe(0);
    }
    expect(run('status').status).toBe(1);
    expect(existsSync(path.join(folder, 'state', 'service.log'))).toBe(true);
    // A state that cannot be taken up is said by the command, not only in the log.
    const blocked = path.join(folder, 'file');
    writeFileSync(blocked, '');
    const failed = run('start', '--state', blocked);
    expect(failed.status).toBe(1);
    expect(failed.stderr).not.toBe('');
    expect(readFileSync(blocked, 'utf8')).toBe('');
  });
});
