// Loading in processes beside the service, as they are built: what they answer, how they end, and whom that concerns.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createRuntime } from '../../src/context/create.ts';
import { type PipelineOptions, ProcessPipeline } from '../../src/service/load/pipeline.ts';
import { FairQueue } from '../../src/service/load/queue.ts';
import { built } from '../support/built.ts';
import { filesBelow, PROJECT_ROOT } from '../support/shared.ts';

const EXAMPLES = join(PROJECT_ROOT, 'examples');
const OBJECTS = filesBelow(EXAMPLES, '.o');
const bytesOf = (name: string): Uint8Array => readFileSync(join(EXAMPLES, name));
const DROP = 'drop-port/drop_port.bpf.o';

const pipelineOf = (options: PipelineOptions = {}): ProcessPipeline => {
  const pipeline = new ProcessPipeline({
    entry: built('service/load/child.js'),
    ...options,
  });
  onTestFinished(() => pipeline[Symbol.dispose]());
  return pipeline;
};

/** A process that does this for a request in place of the real one; `send(message)` answers, `number` counts requests from 1. */
function impostor(name: string, deed: string): URL {
  const entry = built(`service/load/${name}.js`);
  writeFileSync(
    entry,
    `import { writeSync } from 'node:fs';
import { Frames } from '../../hosts/node/frames.js';
import { decodePlain, encodePlain } from '../plain.js';
import { framed } from './frame.js';
import { serveLoad } from './serve.js';
const send = (message) => writeSync(1, framed(encodePlain(message)));
const frames = new Frames(Infinity);
let number = 0;
process.stdin.on('data', (piece) => { for (const frame of frames.take(piece)) { number++; const request = decodePlain(frame); ${deed} } });
process.stdin.on('end', () => process.exit());`,
  );
  return entry;
}

/** Whether it could be loaded at all. */
async function compare(name: string, pipeline: ProcessPipeline): Promise<boolean> {
  const alone = createRuntime();
  const beside = createRuntime({ pipeline });
  const infos = await Promise.all(
    [alone, beside].map(async (session) => {
      const loaded = await session
        .call('object.load', { object: bytesOf(name), name })
        .catch((error: unknown) => error);
      if (loaded instanceof Error) return String(loaded);
      const { programs, maps, btfFd } = loaded as Awaited<ReturnType<typeof alone.call<'object.load'>>>;
      const fds = [...programs, ...maps].map(({ fd }) => fd);
      const all = await Promise.all(fds.map((fd) => session.call('object.info', { fd })));
      const btf = btfFd === undefined ? undefined : await session.call('btf.data', { fd: btfFd });
      return { programs, maps, btf, all: all.map((info) => ({ ...info, loadedAt: 0, memory: 0 })) };
    }),
  );
  expect(infos[1]).toEqual(infos[0]);
  return typeof infos[0] === 'object';
}

describe('loading beside a context', () => {
  it('makes of objects what the context alone makes of them', async () => {
    const pipeline = pipelineOf();
    const compared = await Promise.all(OBJECTS.map((name) => compare(name, pipeline)));
    expect(compared.filter(Boolean).length).toBeGreaterThan(10);
  });

  it('loads instructions, and says why they are refused', async () => {
    const session = createRuntime({ pipeline: pipelineOf() });
    const load = { name: 'p', type: 'socket_filter', license: 'GPL' } as const;
    const exit = Uint8Array.of(0xb7, 0, 0, 0, 7, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0);
    const { fd } = await session.call('prog.load', { ...load, code: exit });
    expect((await session.call('prog.testRun', { fd, data: new Uint8Array(20) })).retval).toBe(7);
    const unset = exit.subarray(8);
    await expect(session.call('prog.load', { ...load, code: unset })).rejects.toMatchObject({
      diagnostic: { code: expect.stringMatching(/^verify\//), errno: 13, place: { program: 'p' } },
    });
  });

  it('gives errors of the file as they are', async () => {
    const session = createRuntime({ pipeline: pipelineOf() });
    for (const object of [new Uint8Array(10), bytesOf(DROP).subarray(0, 500)]) {
      const alone = await createRuntime()
        .call('object.load', { object, name: 'bad' })
        .catch((error: unknown) => error);
      const beside = await session.call('object.load', { object, name: 'bad' }).catch((error: unknown) => error);
      expect(String(beside)).toBe(String(alone));
    }
  });

  it('refuses what is larger than a request may be, before it is sent', async () => {
    const session = createRuntime({ pipeline: pipelineOf({ input: 1000 }) });
    const loading = session.call('object.load', { object: new Uint8Array(1001), name: 'large' });
    await expect(loading).rejects.toMatchObject({ code: 'verify/process-input' });
  });

  const DEEDS = [
    ['hangs', 'if (number === 1) for (;;);', 'verify/process'],
    ['ends', 'if (number === 1) process.exit(3);', 'verify/process'],
    [
      'takes-memory',
      'if (number === 1) { const all = []; for (;;) all.push(new Uint8Array(1 << 22).fill(1)); }',
      'verify/process',
    ],
    ['says-nothing', '', 'verify/process'],
    ['says-nonsense', "send({ kind: 'what' });", 'verify/process-answer'],
    ['says-no-frame', 'writeSync(1, new Uint8Array(64).fill(255));', 'verify/process-answer'],
    ['says-done', "send({ kind: 'done' });", 'verify/process-answer'],
    ['has-no-object', "send({ kind: 'linked', object: null });", 'verify/process-answer'],
    [
      'verifies-another',
      "serveLoad(request, (m) => send(m.kind === 'verdict' ? { ...m, program: 'other' } : m));",
      'verify/process-answer',
    ],
    [
      'verifies-other-code',
      "serveLoad(request, (m) => send(m.kind === 'verdict' ? { ...m, digest: m.digest.replace(/./, (d) => (d === '0' ? '1' : '0')) } : m));",
      'verify/process-answer',
    ],
    [
      'skips-verdicts',
      "serveLoad(request, (m) => m.kind === 'verdict' || m.kind === 'begin' || send(m));",
      'verify/process-answer',
    ],
  ] as const;

  it.each(DEEDS)('a process that %s costs the caller its load, and nobody else anything', async (name, deed, code) => {
    const entry = impostor(name, deed);
    const patience = code === 'verify/process' && !name.startsWith('takes') ? { readTime: 1000 } : {};
    const pipeline = pipelineOf({ entry, memory: 64, ...patience });
    const session = createRuntime({ pipeline });
    const other = createRuntime();
    const before = await other.call('object.load', { object: bytesOf(DROP), name: 'other' });
    await expect(session.call('object.load', { object: bytesOf(DROP), name: 'x' })).rejects.toMatchObject({ code });
    // Nothing of it is in the context, and the session goes on.
    expect(session.context.maps.size).toBe(0);
    expect(session.context.programs.size).toBe(0);
    await session.call('map.create', { name: 'm', type: 'hash', keySize: 4, valueSize: 4, maxEntries: 1 });
    expect(await other.call('prog.testRun', { fd: before.programs[0].fd, data: new Uint8Array(64) })).toBeDefined();
  });

  it('starts a new process after one that had to be ended', async () => {
    const pipeline = pipelineOf();
    const session = createRuntime({ pipeline });
    await session.call('object.load', { object: bytesOf(DROP), name: 'x' });
    const [pid] = pipeline.pids;
    const hanging = session.call('object.load', { object: bytesOf(DROP), name: 'x' });
    process.kill(pid, 'SIGKILL');
    await expect(hanging).rejects.toMatchObject({ code: 'verify/process' });
    await session.call('object.load', { object: bytesOf(DROP), name: 'x' });
    expect(pipeline.pids).not.toEqual([pid]);
  });

  it('ends what is under way and what waits when it is disposed of', async () => {
    const pipeline = pipelineOf();
    const session = createRuntime({ pipeline });
    const loads = [1, 2, 3].map(() => session.call('object.load', { object: bytesOf(DROP), name: 'x' }));
    pipeline[Symbol.dispose]();
    for (const load of loads) await expect(load).rejects.toMatchObject({ code: 'verify/process' });
    expect(pipeline.pids).toEqual([]);
  });

  it('serves clients in turn', async () => {
    const pipeline = pipelineOf();
    const { context } = createRuntime({ pipeline });
    const [greedy, modest] = [context.session(), context.session()];
    const finished: string[] = [];
    const load = (session: typeof greedy, who: string) =>
      session.call('object.load', { object: bytesOf(DROP), name: who }).then(() => finished.push(who));
    const all = Array.from({ length: 12 }, () => load(greedy, 'greedy'));
    await Promise.all([...all, load(modest, 'modest')]);
    expect(finished.indexOf('modest')).toBeLessThan(4);
  });

  it('does not believe a verdict of maps that are others by then', async () => {
    const pipeline = pipelineOf();
    const { context } = createRuntime({ pipeline });
    const [first, second] = [context.session(), context.session()];
    const source = { object: bytesOf(DROP), name: 'x' };
    const { maps } = await first.call('object.load', source);
    const constant = maps.find(({ section }) => section === '.rodata') ?? maps[0];
    const path = 'taken';
    // The pin comes while the other is being verified.
    const loading = second.call('object.load', { ...source, maps: { [constant.name]: { pinPath: path } } });
    await new Promise((resolve) => {
      setTimeout(resolve, 1);
    });
    await first.call('object.pin', { fd: constant.fd, path });
    const loaded = await loading;
    expect(loaded.maps.find(({ name }) => name === constant.name)?.id).toBe(constant.id);
  });
});

it('a fair queue gives each client its turn', () => {
  const queue = new FairQueue<object, number>();
  const [a, b, c] = [{}, {}, {}];
  for (const n of [1, 2, 3, 4]) queue.add(a, n);
  queue.add(b, 10);
  queue.add(c, 20);
  queue.add(c, 21);
  const order: number[] = [];
  for (let next = queue.take(); next !== undefined; next = queue.take()) order.push(next);
  expect(order).toEqual([1, 10, 20, 2, 21, 3, 4]);
  expect(queue.size).toBe(0);
});
