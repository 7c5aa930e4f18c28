// Memory that service and client share: what goes through it, what does not, and that nothing is left of it.
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { connect } from '../../src/client/connect.ts';
import type { ServiceSession } from '../../src/client/session.ts';
import { CodecError } from '../../src/service/codec.ts';
import { encodeFrame, FrameReader } from '../../src/service/frames.ts';
import { CLIENT_FRAMES } from '../../src/service/limits.ts';
import { SHARE, SHARED } from '../../src/service/protocol.ts';
import { canShare, createMemory, openMemory } from '../../src/service/shared/memory.ts';
import { RING_BYTES, SHARED_BYTES, SHARED_FROM, SharedReader, SharedWriter } from '../../src/service/shared/ring.ts';
import { served } from './support.ts';

const plain = () => ({ buffer: new ArrayBuffer(SHARED_BYTES), close: () => undefined });

describe('the ring', () => {
  it('gives every piece back in order, and says where it has no room', () => {
    const step = fc.record({ size: fc.integer({ min: 1, max: Math.floor(RING_BYTES / 3) }), take: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const memory = plain();
        const [writer, reader] = [new SharedWriter(memory), new SharedReader(memory)];
        const waiting: { readonly position: number; readonly size: number; readonly mark: number }[] = [];
        let mark = 0;
        for (const { size, take } of steps) {
          mark = (mark + 1) % 256;
          const piece = new Uint8Array(size).fill(mark);
          const half = size >> 1;
          const position = writer.put([piece.subarray(0, half), piece.subarray(half)], size);
          const held = waiting.reduce((sum, one) => sum + one.size, 0);
          if (position === undefined) expect(held).toBeGreaterThan(0);
          else {
            expect(held + size).toBeLessThanOrEqual(RING_BYTES);
            waiting.push({ position, size, mark });
          }
          const next = take ? waiting.shift() : undefined;
          if (next === undefined) continue;
          const [first, last] = reader.take(next.position, next.size, (seen) => [seen[0], seen[next.size - 1]]);
          expect([first, last]).toEqual([next.mark, next.mark]);
        }
      }),
      { numRuns: 30 },
    );
  });

  it.each([2n ** 63n, 1n, 2n ** 53n])(
    'whose other side writes %s as its position has no room, and nothing else happens',
    (taken) => {
      const memory = plain();
      const writer = new SharedWriter(memory);
      new BigUint64Array(memory.buffer, 0, 1)[0] = taken;
      expect(writer.put([new Uint8Array(8)], 8)).toBeUndefined();
    },
  );

  it('that is closed is no place any more', () => {
    const memory = plain();
    const [writer, reader] = [new SharedWriter(memory), new SharedReader(memory)];
    writer.close();
    reader.close();
    expect(writer.put([new Uint8Array(8)], 8)).toBeUndefined();
    expect(() => reader.take(0, 8, () => 0)).toThrow(CodecError);
  });

  it('is asked by frames only from a size on, and places outside of it are refused', () => {
    const memory = plain();
    const writer = new SharedWriter(memory);
    const frame = (size: number) => Buffer.concat(encodeFrame({ data: new Uint8Array(size).fill(7) }, writer));
    expect(frame(SHARED_FROM - 1).length).toBeGreaterThan(SHARED_FROM - 1);
    const short = frame(SHARED_FROM);
    expect(short.length).toBeLessThan(200);
    const reader = new FrameReader(CLIENT_FRAMES);
    reader.shared = new SharedReader(memory);
    reader.push(short);
    expect(reader.next()).toEqual({ data: new Uint8Array(SHARED_FROM).fill(7) });
    for (const place of [`${RING_BYTES - 8}`, '99999999999999']) {
      const other = new FrameReader(CLIENT_FRAMES);
      other.shared = new SharedReader(memory);
      other.push(
        Buffer.from(short.toString('latin1').replace(/Shared-Position: \d+/, `Shared-Position: ${place}`), 'latin1'),
      );
      // A place that is one, but of other bytes, has what is there.
      if (Number(place) % RING_BYTES > RING_BYTES - SHARED_FROM) expect(() => other.next()).toThrow(CodecError);
      else expect(other.next()).toBeDefined();
    }
  });
});

/** Mappings of shared memory that this process has; service and client are both in it. */
const mappings = (): number => readFileSync('/proc/self/maps', 'utf8').split('memfd:anybpf').length - 1;

const ENTRIES = 5_000;

/** A hash with as many entries, over this session. */
async function filled(session: ServiceSession): Promise<number> {
  const { fd } = await session.call('map.create', {
    name: 'm',
    type: 'hash',
    keySize: 4,
    valueSize: 8,
    maxEntries: ENTRIES,
  });
  const keys = new Uint8Array(new Uint32Array(ENTRIES).map((_, i) => i).buffer);
  const values = new Uint8Array(new BigUint64Array(ENTRIES).map((_, i) => BigInt(i) * 3n).buffer);
  expect(await session.call('map.updateBatch', { fd, keys, values, count: ENTRIES })).toEqual({ count: ENTRIES });
  return fd;
}

async function checkBatch(session: ServiceSession, fd: number): Promise<void> {
  const { keys, values, count } = await session.call('map.lookupBatch', { fd, count: ENTRIES });
  expect(count).toBe(ENTRIES);
  const key = new Uint32Array(keys.slice().buffer);
  const value = new BigUint64Array(values.slice().buffer);
  expect(key.every((one, i) => value[i] === BigInt(one) * 3n)).toBe(true);
}

describe.skipIf(!canShare())('a client with shared memory (needs Linux and koffi)', () => {
  it('gets large answers through it, and keeps them when it is gone', async () => {
    const { connect: join } = await served();
    const before = mappings();
    const session = await join({ shared: true });
    expect(await session.share()).toBe(true);
    expect(mappings()).toBe(before + 2);
    const fd = await filled(session);
    for (let i = 0; i < 150; i++) await checkBatch(session, fd);
    const kept = await session.call('map.lookupBatch', { fd, count: ENTRIES });
    const copy = kept.values.slice();
    await session.close();
    await new Promise(setImmediate);
    expect(mappings()).toBe(before);
    expect(kept.values).toEqual(copy);
  });

  it('many come and go; above a limit all goes by the socket, as without memory', async () => {
    const { connect: join } = await served({ limits: { sharing: 2 } });
    const before = mappings();
    const sessions = [await join({ shared: true }), await join({ shared: true }), await join({ shared: true })];
    expect(await Promise.all(sessions.map((session) => session.share()))).toEqual([true, true, false]);
    const without = await join({ shared: false });
    expect(await without.share()).toBe(false);
    for (const session of [...sessions, without]) await checkBatch(session, await filled(session));
    for (const session of [...sessions, without]) await session.close();
    await new Promise(setImmediate);
    for (let i = 0; i < 20; i++) {
      const session = await join({ shared: true });
      expect(await session.share()).toBe(true);
      if (i % 10 === 0) await checkBatch(session, await filled(session));
      await session.close();
      await new Promise(setImmediate);
    }
    expect(mappings()).toBe(before);
  });

  it('that asks and does not answer, asks twice, or lies about it disturbs nobody', async () => {
    const { socket, connect: join } = await served();
    const before = mappings();
    const strange = await connect({ socket, shared: false });
    const ask = strange.ask as (method: string, params: object) => Promise<object>;
    const first = (await ask.call(strange, SHARE, {})) as { fd: number };
    expect(await ask.call(strange, SHARE, {})).toEqual({});
    await expect(ask.call(strange, SHARED, { taken: 5 })).rejects.toThrow();
    expect(first.fd).toBeGreaterThan(0);
    await strange.close();
    await new Promise(setImmediate);
    expect(mappings()).toBe(before);
    const good = await join({ shared: true });
    await checkBatch(good, await filled(good));
    await good.close();
  });

  it('cannot make the memory smaller, nor map another file in its place', () => {
    const memory = createMemory(SHARED_BYTES);
    if (memory === undefined) throw new Error('no memory');
    const { file } = memory;
    expect(openMemory({ ...file, inode: file.inode + 1 })).toBeUndefined();
    expect(openMemory({ ...file, pid: 2 ** 22 })).toBeUndefined();
    expect(openMemory({ ...file, size: 4096 })).toBeUndefined();
    const other = openMemory(file);
    new Uint8Array(other?.buffer ?? new ArrayBuffer(1))[5000] = 42;
    expect(new Uint8Array(memory.buffer)[5000]).toBe(42);
    expect(() => readFileSync(`/proc/self/fd/${file.fd}`)).not.toThrow();
    memory.hide();
    expect(openMemory(file)).toBeUndefined();
    other?.close();
    memory.close();
  });
});
