// Rings: taken out one call at a time, or as events.
import { describe, expect, it } from 'vitest';
import { text as textOf, utf8 } from '../../src/base/bytes.ts';
import type { Events } from '../../src/spec/session.ts';
import {
  type ContextSession,
  example,
  fresh,
  map,
  NOTHING,
  census,
  outcome,
  program,
  run,
  u32,
  u32At,
} from './support.ts';

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));
const ring = (session: ContextSession, bytes = 4096): Promise<number> =>
  map(session, { type: 'ringbuf', keySize: 0, valueSize: 0, maxEntries: bytes });

/** Sends its packet's first four bytes to a ring buffer. */
const sending = (fd: number): string => `
  r6 = r1
  r2 = *(u32 *)(r1 + 0)
  r3 = *(u32 *)(r1 + 4)
  r4 = r2
  r4 += 4
  if r4 > r3 goto out
  r5 = *(u32 *)(r2 + 0)
  *(u32 *)(r10 - 4) = r5
  r1 = map_by_fd(${fd}) ll
  r2 = r10
  r2 += -4
  r3 = 4
  r4 = 0
  call 130
out:
  r0 = 2
  exit`;

/** The same to a perf event array, on the current CPU. */
const sendingPerf = (fd: number): string => `
  r5 = 77
  *(u32 *)(r10 - 4) = r5
  r2 = map_by_fd(${fd}) ll
  r3 = 0xffffffff ll
  r4 = r10
  r4 += -4
  r5 = 4
  call 25
  r0 = 2
  exit`;

function packet(n: number): Uint8Array<ArrayBuffer> {
  const data = new Uint8Array(64);
  data.set(u32(n));
  return data;
}

function listen(session: ContextSession) {
  const events: Events['records'][] = [];
  session.on('records', (event) => events.push(event));
  return events;
}

describe('map.consume', () => {
  it('takes out records, oldest first, as many as are asked for', async () => {
    const session = fresh();
    const fd = await ring(session);
    const prog = await program(session, sending(fd));
    for (const n of [1, 2, 3]) await run(session, prog, packet(n));
    const first = await session.call('map.consume', { fd, most: 2 });
    expect(first.records.map(({ cpu, data }) => [cpu, u32At(data)])).toEqual([
      [0, 1],
      [0, 2],
    ]);
    const rest = await session.call('map.consume', { fd });
    expect(rest.records.map(({ data }) => u32At(data))).toEqual([3]);
    expect(await session.call('map.consume', { fd })).toEqual({ records: [], lost: 0 });
  });

  it('opens a perf event array, and counts what found no room', async () => {
    const session = fresh();
    const fd = await map(session, { type: 'perf_event_array', maxEntries: 1 });
    const prog = await program(session, sendingPerf(fd));
    await run(session, prog);
    expect(await session.call('map.consume', { fd })).toEqual({ records: [], lost: 0 });
    for (let i = 0; i < 20_000; i++) await run(session, prog);
    const { records, lost } = await session.call('map.consume', { fd });
    expect(records.length + lost).toBe(20_000);
    expect(lost).toBeGreaterThan(0);
    expect(u32At(records[0].data)).toBe(77);
  });

  it('is nothing for other maps', async () => {
    const session = fresh();
    expect(await outcome(session, 'map.consume', { fd: await map(session) })).toBe('EINVAL');
    expect(await outcome(session, 'map.subscribe', { fd: await map(session) })).toBe('EINVAL');
  });
});

describe('map.subscribe', () => {
  it('gives records as they come, in order, until the handle is closed', async () => {
    const session = fresh();
    const fd = await ring(session);
    const prog = await program(session, sending(fd));
    await run(session, prog, packet(1));
    const events = listen(session);
    await session.call('map.subscribe', { fd });
    await turn();
    for (const n of [2, 3]) await run(session, prog, packet(n));
    await turn();
    expect(events.flatMap(({ records }) => records.map(({ data }) => u32At(data)))).toEqual([1, 2, 3]);
    expect(events.every((event) => event.fd === fd && event.lost === 0)).toBe(true);
    await session.call('object.close', { fd });
    await run(session, prog, packet(4));
    await turn();
    expect(events.flatMap(({ records }) => records)).toHaveLength(3);
  });

  it('holds records back while the session is paused', async () => {
    const session = fresh();
    const fd = await ring(session);
    const prog = await program(session, sending(fd));
    const events = listen(session);
    await session.call('map.subscribe', { fd });
    session.pause();
    for (const n of [1, 2]) await run(session, prog, packet(n));
    await turn();
    expect(events).toEqual([]);
    session.resume();
    await turn();
    expect(events.flatMap(({ records }) => records)).toHaveLength(2);
  });

  it('gives the records of perf event arrays too', async () => {
    const session = fresh();
    const fd = await map(session, { type: 'perf_event_array', maxEntries: 1 });
    const prog = await program(session, sendingPerf(fd));
    const events = listen(session);
    await session.call('map.subscribe', { fd, perCpuBytes: 4096 });
    for (let i = 0; i < 1000; i++) await run(session, prog);
    const deadline = Date.now() + 5000;
    while (events.length === 0 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 5));
    const got = events.reduce((sum, { records }) => sum + records.length, 0);
    const lost = events.reduce((sum, event) => sum + event.lost, 0);
    expect([got + lost, got]).toEqual([1000, 256]);
    expect(await outcome(session, 'map.subscribe', { fd, perCpuBytes: 0 })).toBe('EINVAL');
    await session.close();
    expect(census(session)).toEqual(NOTHING);
  });

  it('lets a listener close what is running', async () => {
    const session = fresh();
    const { programs, maps } = await session.call('object.load', {
      object: example('sampler/sampler.bpf.o'),
      name: 's',
    });
    session.on('records', () => void session.close());
    await session.call('map.subscribe', { fd: maps[0].fd });
    await session.call('prog.testRun', { fd: programs[0].fd, data: packet(1), repeat: 50 });
    await turn();
    expect(session.closed).toBe(true);
    expect(census(session)).toEqual(NOTHING);
  });
});

describe('map.write and map.produce', () => {
  it('put records in from the application', async () => {
    const session = fresh();
    const fd = await ring(session);
    await session.call('map.write', { fd, data: utf8('hello') });
    const { records } = await session.call('map.consume', { fd });
    expect(records.map(({ data }) => textOf(data))).toEqual(['hello']);
    expect(await outcome(session, 'map.write', { fd, data: new Uint8Array(4096) })).toBe('ENOSPC');
    expect(await outcome(session, 'map.write', { fd: await map(session), data: new Uint8Array(1) })).toBe('EINVAL');
    const perf = await map(session, { type: 'perf_event_array', maxEntries: 1 });
    expect(await outcome(session, 'map.write', { fd: perf, data: utf8('x') })).toBe('ENOENT');
    await session.call('map.consume', { fd: perf });
    await session.call('map.write', { fd: perf, data: utf8('x') });
    expect((await session.call('map.consume', { fd: perf })).records).toHaveLength(1);
  });

  it('fill a user ring buffer until it is full', async () => {
    const session = fresh();
    const fd = await map(session, { type: 'user_ringbuf', keySize: 0, valueSize: 0, maxEntries: 4096 });
    const records = Array.from({ length: 5 }, () => new Uint8Array(1000));
    expect(await session.call('map.produce', { fd, records })).toEqual({ count: 4, errno: 28 });
    expect(await session.call('map.produce', { fd, records: [] })).toEqual({ count: 0 });
    expect(await outcome(session, 'map.produce', { fd: await ring(session), records })).toBe('EINVAL');
  });
});

describe('trace', () => {
  it('gives lines to who wants them', async () => {
    const session = fresh();
    const silent = session.context.session();
    const lines: Events['trace'][] = [];
    const nothing: Events['trace'][] = [];
    session.on('trace', (event) => lines.push(event));
    silent.on('trace', (event) => nothing.push(event));
    await session.call('trace.subscribe', {});
    const print = `
      r1 = 0x0a216948 ll
      *(u64 *)(r10 - 8) = r1
      r1 = r10
      r1 += -8
      r2 = 8
      call 6
      r0 = 2
      exit`;
    await run(session, await program(session, print));
    await turn();
    expect(lines).toMatchObject([{ line: 'Hi!', cpu: 0, pid: 1000 }]);
    expect(typeof lines[0].time).toBe('bigint');
    expect(nothing).toEqual([]);
  });
});

describe('feature.probe', () => {
  it('says what there is', async () => {
    const session = fresh();
    const { mapTypes, programTypes, helpers } = await session.call('feature.probe', {});
    expect(mapTypes).toMatchObject({ hash: true, struct_ops: false, ringbuf: true });
    expect(programTypes).toMatchObject({ xdp: true, bind: true });
    expect(helpers['xdp']).toContain('bpf_map_lookup_elem');
    expect(helpers['xdp']).not.toContain('bpf_skb_load_bytes');
    expect(helpers['sched_cls']).toContain('bpf_skb_load_bytes');
  });
});

it('context.synchronize answers', async () => {
  expect(await fresh().call('context.synchronize', {})).toEqual({});
});
