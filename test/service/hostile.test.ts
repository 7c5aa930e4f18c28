// Clients that send what is no message, too much of it, too many of them, or that do not read: each ends itself, and no other.
import { Buffer } from 'node:buffer';
import { createConnection } from 'node:net';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { connect } from '../../src/client/connect.ts';
import { ServiceSession } from '../../src/client/session.ts';
import { LIMITS } from '../../src/service/limits.ts';
import { bystander, crowd } from './hostile.ts';
import { RawClient } from './raw.ts';
import { served } from './support.ts';

const framed = (json: string): string => `Content-Length: ${Buffer.byteLength(json)}\r\n\r\n${json}`;
const request = (over: object): string =>
  framed(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'object.pins', ...over }));

const NO_MESSAGES: readonly (readonly [string, string])[] = [
  ['another protocol', 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'],
  ['zeros', '\0'.repeat(300)],
  ['a length beyond all', 'Content-Length: 9999999999\r\n\r\n'],
  ['a length beyond what may be sent', `Content-Length: ${LIMITS.frames.other.json + 1}\r\n\r\n`],
  ['a tail beyond what may be sent', `Content-Length: 900000000\r\nTail-Length: 899999999\r\n\r\n`],
  ['a header without end', 'X'.repeat(1000)],
  ['no JSON', framed('{"jsonrpc":')],
  ['null', framed('null')],
  ['a number', framed('7')],
  ['text', framed('"object.pins"')],
  ['a list of requests', framed('[{"jsonrpc":"2.0","id":1,"method":"object.pins"}]')],
  ['an empty object', framed('{}')],
  ['no id', request({ id: undefined })],
  ['null for an id', request({ id: null })],
  ['an object for an id', request({ id: { a: 1 } })],
  ['a long id', request({ id: 'a'.repeat(1000) })],
  ['a list for parameters', request({ params: [1] })],
  ['a number for parameters', request({ params: 1 })],
  ['a method that is no text', request({ method: 1 })],
  ['a cancellation', framed('{"jsonrpc":"2.0","method":"$/cancelRequest","params":{"id":1}}')],
  ['a notification', framed('{"jsonrpc":"2.0","method":"object.pins"}')],
  ['an answer', framed('{"jsonrpc":"2.0","id":1,"result":{}}')],
  ['deep JSON', framed('['.repeat(100_000))],
  ['an unknown tag', request({ params: { $date: 1 } })],
  ['a tail that is not there', request({ params: { $tail: 1 } })],
];

describe.each([
  ['before the handshake', (socket: string) => RawClient.open(socket)],
  ['after it', (socket: string) => RawClient.greeted(socket)],
])('%s', (_when, open) => {
  test.each(NO_MESSAGES)('%s ends the connection, with its reason, and nothing else', async (_what, bytes) => {
    const { socket, service, connect: good } = await served();
    const session = await good();
    const client = await open(socket);
    client.write(bytes);
    await client.ended;
    expect(client.errors).toEqual(['service/frame']);
    expect(await session.call('object.pins', {})).toEqual({ pins: [] });
    await expect.poll(() => service.status().connections).toBe(1);
  });
});

test('any bytes', async () => {
  const { socket, service, connect: good } = await served({ limits: { frameTime: 20, handshakeTime: 50 } });
  const session = await good();
  const bytes = fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 400 }),
    fc.json().map((json) => new TextEncoder().encode(framed(json))),
  );
  await fc.assert(
    fc.asyncProperty(bytes, fc.boolean(), async (piece, greeted) => {
      const client = greeted ? await RawClient.greeted(socket) : await RawClient.open(socket);
      client.write(piece);
      await client.ended;
      expect(client.errors.every((code) => code === 'service/frame')).toBe(true);
    }),
    { numRuns: 80 },
  );
  expect(await session.call('object.pins', {})).toEqual({ pins: [] });
  await expect.poll(() => service.status().connections).toBe(1);
});

/** A message of which the last bytes do not come. */
const part = (size: number): Buffer =>
  Buffer.concat([Buffer.from(`Content-Length: ${size + 10}\r\nTail-Length: ${size}\r\n\r\n`), Buffer.alloc(size)]);

describe('too much', () => {
  test('a message that never ends', async () => {
    const { socket } = await served({ limits: { frameTime: 40 } });
    const client = await RawClient.greeted(socket);
    client.write('Content-Length: 4000\r\n\r\n{');
    const drip = setInterval(() => client.write(' '), 5);
    await client.ended;
    clearInterval(drip);
    expect(client.errors).toEqual(['service/frame']);
  });

  test('parts of messages share one place: the largest goes', async () => {
    const { socket, connect: good } = await served({ limits: { partial: 8 * 2 ** 20 } });
    const session = await good();
    const [small, large] = [await RawClient.greeted(socket), await RawClient.greeted(socket)];
    small.write(part(3 * 2 ** 20));
    large.write(part(9 * 2 ** 20));
    await large.ended;
    expect(large.errors).toEqual(['service/frame']);
    expect(small.socket.destroyed).toBe(false);
    small.socket.destroy();
    expect(await session.call('object.pins', {})).toEqual({ pins: [] });
  });

  test('who only reads may send little', async () => {
    const { socket, connect: good } = await served();
    const session = await good({ role: 'read' });
    const key = new Uint8Array(LIMITS.frames.read.tail + 1);
    await expect(session.call('map.lookup', { fd: 3, key })).rejects.toThrow(
      expect.objectContaining({ code: 'service/frame' }),
    );
    expect((await connect({ socket })).role).toBe('admin');
  });

  test('requests above the limit wait, and have their answers in the end', async () => {
    const { socket, context } = await served({ limits: { inFlight: 4 } });
    const client = await RawClient.greeted(socket);
    const [session] = [...context.sessions];
    let running = 0;
    let most = 0;
    const call = session.callNow.bind(session);
    session.callNow = (async (...args: Parameters<typeof call>) => {
      most = Math.max(most, ++running);
      await new Promise((done) => setTimeout(done, 1));
      running--;
      return call(...args);
    }) as never;
    for (let id = 0; id < 200; id++) client.send({ jsonrpc: '2.0', id, method: 'object.pins', params: {} });
    await Promise.all(Array.from({ length: 200 }, (_, id) => client.message((message) => message.id === id)));
    expect(most).toBe(4);
    client.socket.destroy();
  });

  test('the same id twice', async () => {
    const { socket } = await served();
    const client = await RawClient.greeted(socket);
    client.send({ jsonrpc: '2.0', id: 1, method: 'context.synchronize', params: {} });
    client.send({ jsonrpc: '2.0', id: 1, method: 'context.synchronize', params: {} });
    await client.ended;
    expect(client.errors).toEqual(['service/frame']);
  });
});

/** Asks for a value of 64 KiB so many times, and reads nothing. */
const many = async (socket: string, values: number) => {
  const client = await RawClient.greeted(socket);
  const create = { name: 'm', type: 'array', keySize: 4, valueSize: 65_536, maxEntries: 4 };
  client.send({ jsonrpc: '2.0', id: 'create', method: 'map.create', params: create });
  const { fd } = (await client.message(({ id }) => id === 'create')).result as { fd: number };
  client.socket.pause();
  const params = { fd, key: new Uint8Array(4) };
  for (let id = 0; id < values; id++) client.send({ jsonrpc: '2.0', id, method: 'map.lookup', params });
  return client;
};

test('who asks for much at once waits for others, not they for him', async () => {
  const { connect: good } = await served();
  const [greedy, modest] = [await good(), await good()];
  const shape = { name: 'm', type: 'array', keySize: 4, valueSize: 8, maxEntries: 3_000 } as const;
  const { fd } = await greedy.call('map.create', shape);
  let done = 0;
  const much = Array.from({ length: 80 }, async () => {
    await greedy.call('map.lookupBatch', { fd, count: 3_000 });
    done++;
  });
  const at: number[] = [];
  while (done < much.length) {
    await modest.call('object.pins', {});
    at.push(done);
  }
  await Promise.all(much);
  // Between any two of its answers only a few of the other's.
  const gaps = at.map((n, i) => n - (at[i - 1] ?? 0));
  expect(Math.max(...gaps)).toBeLessThan(40);
  expect(at.length).toBeGreaterThan(3);
});

test('many small requests in one piece', async () => {
  const { socket } = await served();
  const client = await RawClient.greeted(socket);
  const count = 5_000;
  const all = Array.from({ length: count }, (_, id) =>
    framed(`{"id":${id},"method":"map.lookup","params":{"fd":1,"key":{"$bytes":""}}}`),
  );
  client.write(all.join(''));
  await Promise.all(Array.from({ length: 50 }, (_, i) => client.message(({ id }) => id === count - 1 - i * 100)));
  const ids = client.messages.slice(1).map(({ id }) => id);
  expect(ids).toEqual(Array.from({ length: count }, (_, id) => id));
  client.socket.destroy();
});

describe('who does not read', () => {
  test('is not read from either, and goes on where it was', async () => {
    const limits = { queueHigh: 200_000 };
    const { socket, connect: good, service } = await served({ limits });
    const client = await many(socket, 500);
    const work = await bystander(await good());
    await new Promise((done) => setTimeout(done, 100));
    const before = process.memoryUsage().arrayBuffers;
    await new Promise((done) => setTimeout(done, 100));
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 * 2 ** 20);
    expect((await work.stop()).calls).toBeGreaterThan(10);
    expect(service.status().connections).toBe(2);
    client.socket.resume();
    await Promise.all(Array.from({ length: 500 }, (_, id) => client.message((message) => message.id === id)));
    client.socket.destroy();
  });

  test('is ended where more waits than may', async () => {
    const { socket, connect: good, service } = await served({ limits: { queueMost: 500_000 } });
    const client = await many(socket, 40);
    await expect.poll(() => service.status().connections).toBe(0);
    client.socket.resume();
    await client.ended;
    expect((await good()).role).toBe('admin');
  });

  test('records wait in their ring, and what did not fit is counted', async () => {
    const { socket, connect: good } = await served({ limits: { queueHigh: 100_000 } });
    const writer = await good();
    const ring = await writer.call('map.create', {
      name: 'r',
      type: 'ringbuf',
      keySize: 0,
      valueSize: 0,
      maxEntries: 65_536,
    });
    await writer.call('object.pin', { fd: ring.fd, path: '/sys/fs/bpf/r' });
    const wire = createConnection(socket);
    const reader = new ServiceSession(wire);
    await reader.greet({});
    const { fd } = await reader.call('object.get', { path: '/sys/fs/bpf/r' });
    const order: number[] = [];
    reader.on('records', ({ records }) => {
      for (const { data: bytes } of records)
        order.push(new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true));
    });
    await reader.call('map.subscribe', { fd });
    wire.pause();
    const data = new Uint8Array(1000);
    let refused = 0;
    for (let i = 0; i < 600; i++) {
      new DataView(data.buffer).setUint32(0, i, true);
      await writer.call('map.write', { fd: ring.fd, data }).catch(() => refused++);
    }
    expect(refused).toBeGreaterThan(0);
    wire.resume();
    await expect.poll(() => order.length).toBe(600 - refused);
    expect(order).toEqual([...order].sort((a, b) => a - b));
    await reader.close();
  });
});

describe('too many', () => {
  test('connections that say nothing make room for one that speaks', async () => {
    const { socket, connect: good, service } = await served();
    const work = await bystander(await good());
    const { opened, close } = await crowd(socket, 1200);
    onTestFinished(close);
    expect(opened).toBe(1200);
    expect(service.status().connections).toBeLessThan(1.1 * LIMITS.handshakes);
    const late = await good();
    expect(await late.call('object.pins', {})).toEqual({ pins: [] });
    expect((await work.stop()).calls).toBeGreaterThan(10);
  });

  test('connections above the limit are told so, and the others go on', async () => {
    const { connect: good, service } = await served({ limits: { connections: 5 } });
    const all = await Promise.all(Array.from({ length: 5 }, () => good()));
    await expect(good()).rejects.toThrow(expect.objectContaining({ code: 'service/full' }));
    await all[0].close();
    await expect.poll(() => service.status().connections).toBe(4);
    expect(await (await good()).call('object.pins', {})).toEqual({ pins: [] });
  });
});
