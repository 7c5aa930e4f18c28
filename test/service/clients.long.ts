// kill -9 of clients at 1,000 random points of their work (ANYBPF_CHECKS), for as long as it may take (ANYBPF_SECONDS, 600 where absent);
// 10,000 connections of a process beside another client. ANYBPF_SEED=n repeats the times.
import { spawn } from 'node:child_process';
import { expect, test } from 'vitest';
import { LIMITS } from '../../src/service/limits.ts';
import { killClients } from './doomed.ts';
import { bystander, crowd } from './hostile.ts';
import { served } from './support.ts';

const POINTS = Number(process.env['ANYBPF_CHECKS'] ?? 1_000);
const MILLISECONDS = 1_000 * Number(process.env['ANYBPF_SECONDS'] ?? 600);
const SEED = Number(process.env['ANYBPF_SEED'] ?? Date.now() % 2 ** 32);

test(`clients are killed (seed ${SEED})`, async () => {
  const { killed, greeted, pins } = await killClients({
    points: POINTS,
    until: performance.now() + MILLISECONDS,
    seed: SEED,
  });
  console.log(
    `${killed} clients were killed, ${greeted} at work; ${pins} maps were pinned and are there, nothing else`,
  );
  expect(pins).toBeGreaterThan(0);
});

test('10,000 connections, one after the other, that say nothing', async () => {
  const { socket, service, connect } = await served();
  const session = await connect();
  const alone = await bystander(session);
  await new Promise((done) => setTimeout(done, 2_000));
  const before = await alone.stop();
  const beside = await bystander(session);
  const { opened, close } = await crowd(socket, 10_000);
  expect(service.status().connections).toBeLessThan(1.1 * LIMITS.handshakes);
  const late = await connect();
  expect(await late.call('object.pins', {})).toEqual({ pins: [] });
  const during = await beside.stop();
  close();
  console.log(
    `${opened} connections; the longest call took ${before.longest.toFixed(1)} ms before, ${during.longest.toFixed(1)} ms then (${during.calls} calls)`,
  );
  expect(opened).toBe(10_000);
  expect(during.calls).toBeGreaterThan(100);
});

/** In a process of its own: opens connections, greets on each, as long as it lives. */
const FLOOD = `
const { connect } = require('node:net');
const hello = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'service.hello', params: { protocol: [1, 1] } });
const open = () => {
  const socket = connect(process.argv[1], () => socket.write('Content-Length: ' + hello.length + '\\r\\n\\r\\n' + hello));
  socket.on('error', () => undefined);
  socket.on('close', () => setTimeout(open, 1));
};
for (let i = 0; i < 2000; i++) open();
`;

test('a process that greets on as many connections as it can', async (context) => {
  const { socket, service, connect } = await served();
  const session = await connect();
  const flood = spawn(process.execPath, ['-e', FLOOD, socket], { stdio: 'ignore' });
  try {
    await expect.poll(() => service.status().connections, { timeout: 10_000 }).toBeGreaterThan(200);
    const beside = await bystander(session);
    for (let i = 0; i < 20; i++) {
      const late = await connect();
      expect(await late.call('object.pins', {})).toEqual({ pins: [] });
      await late.close();
    }
    const { calls, longest } = await beside.stop();
    console.log(`${calls} calls beside it, the longest took ${longest.toFixed(1)} ms`);
    // Without koffi nobody knows whose the connections are.
    if (service.status().connections > LIMITS.perProcess + 10) context.skip('koffi is not installed');
  } finally {
    flood.kill('SIGKILL');
  }
});
