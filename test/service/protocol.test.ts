// The handshake, errors and ends of connections; starting and stopping.
import { existsSync, mkdirSync, chmodSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import path from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { connect } from '../../src/client/connect.ts';
import { HELLO, PROTOCOL } from '../../src/service/protocol.ts';
import { serve } from '../../src/service/server.ts';
import { METHOD_ROLES, type MethodName } from '../../src/spec/session.ts';
import { RawClient } from './raw.ts';
import { served, temporaryFolder, VERSION } from './support.ts';

const word = (n: number): Uint8Array => new Uint8Array(Uint32Array.of(n).buffer);
const noMemory = () => {
  throw new RangeError('no memory');
};

const refusal = (code: string) => expect.objectContaining({ code });

const listenAt = (socket: string): Promise<Server> =>
  new Promise((resolve) => {
    const server = createServer(() => undefined);
    server.listen(socket, () => resolve(server));
  });

describe('handshake', () => {
  test('says who the service is', async () => {
    const { connect: open } = await served();
    const session = await open({ client: 'a test' });
    expect(session.host).toBe('service');
    expect(session.service).toEqual({ protocol: PROTOCOL.last, role: 'admin', version: VERSION, pid: process.pid });
  });

  test.each([
    ['older', [0, PROTOCOL.first - 1]],
    ['newer', [PROTOCOL.last + 1, PROTOCOL.last + 5]],
    ['upside down', [PROTOCOL.last + 5, PROTOCOL.first - 1]],
  ])('a client that is %s is told so', async (_what, protocol) => {
    const { socket } = await served();
    const client = await RawClient.open(socket);
    client.send({ jsonrpc: '2.0', id: 1, method: HELLO, params: { protocol } });
    await client.ended;
    expect(client.errors).toEqual(['service/version']);
  });

  test('a client that speaks more versions gets the one in common', async () => {
    const { socket } = await served();
    const client = await RawClient.open(socket);
    client.send({ jsonrpc: '2.0', id: 1, method: HELLO, params: { protocol: [0, PROTOCOL.last + 5] } });
    expect((await client.message(({ id }) => id === 1)).result).toMatchObject({ protocol: PROTOCOL.last });
    client.socket.destroy();
  });

  test('nothing is answered before it', async () => {
    const { socket } = await served();
    const client = await RawClient.open(socket);
    client.send({ jsonrpc: '2.0', id: 1, method: 'object.pins', params: {} });
    await client.message(({ id }) => id === 1);
    expect(client.errors).toEqual(['service/hello']);
    client.socket.destroy();
  });

  test('it comes once', async () => {
    const { socket } = await served();
    const client = await RawClient.greeted(socket);
    client.send({ jsonrpc: '2.0', id: 2, method: HELLO, params: { protocol: [1, 1] } });
    await client.message(({ id }) => id === 2);
    expect(client.errors).toEqual(['service/method']);
    client.socket.destroy();
  });

  test('who says nothing is sent away', async () => {
    const { socket } = await served({ limits: { handshakeTime: 30 } });
    const client = await RawClient.open(socket);
    await client.ended;
    expect(client.errors).toEqual(['service/frame']);
  });

  test('a service that says nothing is not waited for', async () => {
    const socket = path.join(temporaryFolder(), 's');
    const server = await listenAt(socket);
    onTestFinished(() => void server.close());
    await expect(connect({ socket, timeout: 30 })).rejects.toThrow(refusal('service/no-answer'));
  });

  test('nobody there', async () => {
    const error = await connect({ socket: path.join(temporaryFolder(), 's') }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'service/not-running' });
    expect(String(error)).toContain('anybpf service start');
  });
});

describe('requests', () => {
  test.each(Object.keys(METHOD_ROLES) as MethodName[])('%s takes no field that it does not know', async (method) => {
    const { connect: open } = await served();
    const session = await open();
    const asked = session.call(method, { fd: 0, extra_: 1 } as never);
    await expect(asked).rejects.toThrow(expect.objectContaining({ code: 'service/params' }));
  });

  test.each([
    ['object.info', { fd: '3' }, 'fd'],
    ['object.info', { fd: 1.5 }, 'fd'],
    ['object.info', {}, 'fd'],
    ['map.lookup', { fd: 3, key: 'abcd' }, 'key'],
    ['map.lookup', { fd: 3, key: [1, 2] }, 'key'],
    ['map.create', { name: 'a', type: 'tree', keySize: 4, valueSize: 4, maxEntries: 1 }, 'type'],
    ['map.create', { name: 'a', type: 'hash', keySize: -4, valueSize: 4, maxEntries: 1 }, 'keySize'],
    ['map.create', { name: 'a', type: 'hash', keySize: 2 ** 32, valueSize: 4, maxEntries: 1 }, 'keySize'],
    ['object.pin', { fd: 3, path: 'a'.repeat(5000) }, 'path'],
    ['prog.testRun', { fd: 3, args: [7] }, 'args.0'],
    ['hook.fire', { attachType: 'xdp', ctx: { a: 'b' } }, 'ctx'],
    ['object.nextId', { kind: 'file', id: 0 }, 'kind'],
  ])('%s: case %#, a wrong field', async (method, params, field) => {
    const { connect: open } = await served();
    const session = await open();
    const error = await session.call(method as MethodName, params as never).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'service/params', diagnostic: { errno: 22 } });
    expect(String(error)).toContain(`${method}: ${field}`);
  });

  test.each(['map.burn', 'toString', '__proto__', 'service.hello2', ''])('there is no method "%s"', async (method) => {
    const { connect: open } = await served();
    const session = await open();
    await expect(session.call(method as MethodName, {} as never)).rejects.toThrow(refusal('service/method'));
    expect(await session.call('object.pins', {})).toEqual({ pins: [] });
  });

  test("the context's own errors come with their errno", async () => {
    const { connect: open } = await served();
    const session = await open();
    const error = await session.call('object.info', { fd: 99 }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'session/refused', diagnostic: { errno: 9 } });
  });

  test('many at once are answered, each with its own', async () => {
    const { connect: open } = await served();
    const session = await open();
    const { fd } = await session.call('map.create', {
      name: 'm',
      type: 'array',
      keySize: 4,
      valueSize: 4,
      maxEntries: 1000,
    });
    const calls = Array.from({ length: 1000 }, (_, i) => i);
    await Promise.all(calls.map((i) => session.call('map.update', { fd, key: word(i), value: word(i * 7) })));
    const asked = calls.flatMap((i) => [
      session.call('map.lookup', { fd, key: word(i) }),
      // One that goes the longer way.
      session.call('object.info', { fd }),
    ]);
    const answers = await Promise.all(asked);
    for (const i of calls) expect(answers[2 * i]).toEqual({ value: word(i * 7) });
  });

  test('are begun in their order, whichever way they go', async () => {
    const { connect: open } = await served();
    const session = await open();
    const shape = { name: 'm', type: 'hash', keySize: 4, valueSize: 4, maxEntries: 10 } as const;
    const { fd } = await session.call('map.create', shape);
    const key = Uint8Array.of(1, 2, 3, 4);
    const [updated, , frozen] = await Promise.allSettled([
      session.call('map.update', { fd, key, value: key }),
      session.call('map.freeze', { fd }),
      session.call('map.update', { fd, key, value: key }),
    ]);
    expect(updated.status).toBe('fulfilled');
    expect(frozen).toMatchObject({ status: 'rejected', reason: { diagnostic: { errno: 1 } } });
  });

  test('a bug is said, and told to who listens', async () => {
    const failures: unknown[] = [];
    const { connect: open, context } = await served({ observers: [{ failed: (_, error) => failures.push(error) }] });
    const session = await open();
    const [own] = [...context.sessions];
    const bug = new TypeError('what is undefined is no function');
    own.callNow = () => {
      throw bug;
    };
    await expect(session.call('object.pins', {})).rejects.toThrow(refusal('service/internal'));
    await expect(session.call('map.delete', { fd: 3, key: Uint8Array.of(1) })).rejects.toThrow(
      refusal('service/internal'),
    );
    expect(failures).toEqual([bug, bug]);
  });

  test('answers wait for what keeps them', async () => {
    const order: string[] = [];
    const settle = async (): Promise<void> => {
      await new Promise((done) => setTimeout(done, 20));
      order.push('kept');
    };
    const base = await served();
    const context = { session: () => base.context.session(), counts: () => base.service.status().objects };
    const { connect: open } = await served({ open: () => ({ context, settle }) });
    const session = await open();
    order.length = 0;
    for (const method of ['object.pins', 'map.lookupBatch'] as const) {
      await session
        .call(method, (method === 'object.pins' ? {} : { fd: 77, count: 0 }) as never)
        .catch(() => undefined);
      order.push(method);
    }
    expect(order).toEqual(['kept', 'object.pins', 'map.lookupBatch']);
  });
});

describe('the end of a connection', () => {
  test('gives back its handles', async () => {
    const { connect: open, context, service } = await served();
    const session = await open();
    const shape = { name: 'm', type: 'hash', keySize: 4, valueSize: 4, maxEntries: 10 } as const;
    const { fd } = await session.call('map.create', shape);
    await session.call('map.create', shape);
    await session.call('object.pin', { fd, path: '/sys/fs/bpf/kept' });
    expect(service.status()).toMatchObject({ connections: 1, objects: { maps: 2, pins: 1 } });
    await session.close();
    await expect.poll(() => service.status().connections).toBe(0);
    expect([context.maps.size, service.status().objects.pins]).toEqual([1, 1]);
  });

  test('refuses what waits, and what comes after', async () => {
    const { connect: open } = await served();
    const session = await open();
    const ends: unknown[] = [];
    session.on('closed', (why) => ends.push(why));
    const waiting = [session.call('object.pins', {}), session.call('map.lookup', { fd: 9, key: Uint8Array.of(1) })];
    const settled = Promise.allSettled(waiting);
    const closing = session.close();
    for (const one of await settled)
      if (one.status === 'rejected') expect(['session/closed', 'session/refused']).toContain(one.reason.code);
    await closing;
    await session.close();
    await expect(session.call('object.pins', {})).rejects.toThrow(refusal('session/closed'));
    await expect(session.call('map.lookup', { fd: 3, key: Uint8Array.of(1) })).rejects.toThrow(
      refusal('session/closed'),
    );
    expect(ends).toEqual([{ why: 'it was closed' }]);
  });

  test('by the service: calls that wait are refused, and it is told once', async () => {
    const socket = path.join(temporaryFolder(), 's');
    const server = createServer((peer) => {
      peer.once('data', () => {
        const answer = { jsonrpc: '2.0', id: 0, result: { protocol: 1, role: 'admin', version: 'x', pid: 1 } };
        const text = JSON.stringify(answer);
        peer.write(`Content-Length: ${text.length}\r\n\r\n${text}`);
        peer.once('data', () => peer.destroy());
      });
    });
    await new Promise<void>((done) => server.listen(socket, done));
    onTestFinished(() => void server.close());
    const session = await connect({ socket });
    const ends: unknown[] = [];
    session.on('closed', (why) => ends.push(why));
    const asked = [session.call('object.pins', {}), session.call('map.lookup', { fd: 3, key: Uint8Array.of(1) })];
    for (const one of await Promise.allSettled(asked))
      expect(one).toMatchObject({ status: 'rejected', reason: { code: 'session/closed' } });
    expect(ends).toHaveLength(1);
  });

  test('a service that talks nonsense is left', async () => {
    const socket = path.join(temporaryFolder(), 's');
    const server = createServer((peer) => void peer.write('HTTP/1.1 400 Bad Request\r\n\r\n'));
    await new Promise<void>((done) => server.listen(socket, done));
    onTestFinished(() => void server.close());
    await expect(connect({ socket })).rejects.toThrow(/cannot be understood/);
  });
});

describe('starting and stopping', () => {
  test('begun requests have their answers, the others are told why', async () => {
    const { connect: open, service, socket } = await served();
    const [session, other] = [await open(), await open()];
    const ends: { why: string }[] = [];
    other.on('closed', (end) => ends.push(end));
    const asked = session.call('feature.probe', {});
    await session.ask('service.stop', {});
    await asked;
    await service.stopped;
    await expect.poll(() => ends).toEqual([{ why: 'it was told to stop' }]);
    expect([existsSync(socket), existsSync(`${socket}.lock`)]).toEqual([false, false]);
    await expect(open()).rejects.toThrow(refusal('service/not-running'));
  });

  test('one service a socket', async () => {
    const { socket, connect: open } = await served();
    const begun: string[] = [];
    const second = serve({
      socket,
      version: VERSION,
      open: () => {
        begun.push('opened');
        throw new Error('never');
      },
    });
    await expect(second).rejects.toThrow(/a service is running already.*process \d+/);
    expect(begun).toEqual([]);
    expect((await open()).role).toBe('admin');
  });

  test('a socket that somebody else serves is left alone', async () => {
    const socket = path.join(temporaryFolder(), 's');
    const server = await listenAt(socket);
    onTestFinished(() => void server.close());
    await expect(served({ socket })).rejects.toThrow(refusal('service/running'));
    expect(existsSync(socket)).toBe(true);
  });

  test('what a dead service left is replaced', async () => {
    const socket = path.join(temporaryFolder(), 's');
    const server = await listenAt(`${socket}.before`);
    renameSync(`${socket}.before`, socket);
    mkdirSync(`${socket}.lock`);
    writeFileSync(path.join(`${socket}.lock`, 'lock'), JSON.stringify({ pid: 2 ** 22 + 1 }));
    await new Promise((done) => server.close(done));
    expect(existsSync(socket)).toBe(true);
    const { connect: open } = await served({ socket });
    expect((await open()).role).toBe('admin');
  });

  test.each<[string, (folder: string) => string]>([
    [
      'a file in its place',
      (folder) => {
        writeFileSync(path.join(folder, 's'), 'mine');
        return path.join(folder, 's');
      },
    ],
    [
      'a link in its place',
      (folder) => {
        symlinkSync('/nowhere', path.join(folder, 's'));
        return path.join(folder, 's');
      },
    ],
    [
      'a folder that others may write in',
      (folder) => {
        mkdirSync(path.join(folder, 'open'));
        chmodSync(path.join(folder, 'open'), 0o777);
        return path.join(folder, 'open', 's');
      },
    ],
    [
      'a file for a folder',
      (folder) => {
        writeFileSync(path.join(folder, 'file'), '');
        return path.join(folder, 'file', 's');
      },
    ],
  ])('%s', async (_what, prepare) => {
    const socket = prepare(temporaryFolder());
    await expect(served({ socket })).rejects.toThrow(refusal('service/place'));
  });

  test('a context that cannot be made leaves nothing behind', async () => {
    const socket = path.join(temporaryFolder(), 's');
    await expect(served({ socket, open: noMemory })).rejects.toThrow('no memory');
    expect([existsSync(socket), existsSync(`${socket}.lock`)]).toEqual([false, false]);
    expect((await (await served({ socket })).connect()).role).toBe('admin');
  });
});
