// What holds of every session, whoever answers it: run over a way to open sessions of one context. Outcomes are compared as plain data:
// values, or names of errnos.
import { describe, expect, test } from 'vitest';
import { equalBytes } from '../../src/base/bytes.ts';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import { assemble } from '../../src/isa/assembler.ts';
import { errnoName } from '../../src/spec/errno.ts';
import type { Fd, MapCreate, MethodName, Params, Session } from '../../src/spec/session.ts';
import { example, u32 } from '../context/support.ts';

export interface SessionHost {
  /** A session of the test's own context: of the same one, however often it is asked. Closed with the test. */
  open(): Promise<Session>;
  /** An interface of the test's own; 1 where absent. */
  readonly ifindex?: number;
  /** The kernel: what happens at hooks is its own business, and other processes have objects there too. */
  readonly shared?: true;
}

async function outcome<M extends MethodName>(session: Session, method: M, params: Params<M>): Promise<unknown> {
  try {
    return await session.call(method, params);
  } catch (error) {
    if (!(error instanceof AnyBpfError)) throw error;
    const { errno, code } = error.diagnostic;
    return errno === undefined ? code : errnoName(-errno);
  }
}

const HASH: MapCreate = { name: 'numbers', type: 'hash', keySize: 4, valueSize: 8, maxEntries: 16 };
const eight = (n: number): Uint8Array => new Uint8Array(8).fill(n);

async function mapOf(session: Session, over: Partial<MapCreate> = {}): Promise<Fd> {
  return (await session.call('map.create', { ...HASH, ...over })).fd;
}

const programOf = async (session: Session, text: string): Promise<Fd> => {
  const { code } = assemble(text);
  return (await session.call('prog.load', { name: 'p', type: 'xdp', license: 'GPL', code })).fd;
};

/** The events of a session, as they come. */
const heard = <E extends 'records' | 'trace' | 'closed'>(session: Session, event: E) => {
  const all: unknown[] = [];
  session.on(event, (data) => all.push(data));
  return all;
};

/** @param make the context of one test */
export function sessionContract(name: string, make: () => Promise<SessionHost>): void {
  describe(`sessions: ${name}`, () => {
    test('elements of a map', async () => {
      const session = await (await make()).open();
      const fd = await mapOf(session);
      const key = u32(7);
      expect(await outcome(session, 'map.lookup', { fd, key })).toBe('ENOENT');
      expect(await outcome(session, 'map.update', { fd, key, value: eight(1), flags: 2 })).toBe('ENOENT');
      expect(await outcome(session, 'map.update', { fd, key, value: eight(1) })).toEqual({});
      expect(await outcome(session, 'map.update', { fd, key, value: eight(1), flags: 1 })).toBe('EEXIST');
      expect(await outcome(session, 'map.lookup', { fd, key })).toEqual({ value: eight(1) });
      expect(await outcome(session, 'map.nextKey', { fd })).toEqual({ key });
      expect(await outcome(session, 'map.nextKey', { fd, key })).toBe('ENOENT');
      expect(await outcome(session, 'map.lookupAndDelete', { fd, key })).toEqual({ value: eight(1) });
      expect(await outcome(session, 'map.delete', { fd, key })).toBe('ENOENT');
      expect(await outcome(session, 'map.lookup', { fd, key: u32(1, 2) })).toBe('EINVAL');
      expect(await outcome(session, 'map.lookup', { fd: 99, key })).toBe('EBADF');
      await session.call('map.freeze', { fd });
      expect(await outcome(session, 'map.update', { fd, key, value: eight(1) })).toBe('EPERM');
    });

    test('a bloom filter is asked for values', async () => {
      const session = await (await make()).open();
      const fd = await mapOf(session, { type: 'bloom_filter', keySize: 0, valueSize: 4 });
      const none = new Uint8Array(0);
      await session.call('map.update', { fd, key: none, value: u32(7) });
      expect(await outcome(session, 'map.lookup', { fd, key: u32(7) })).toMatchObject({ value: u32(7) });
      expect(await outcome(session, 'map.lookup', { fd, key: u32(8) })).toBe('ENOENT');
    });

    test('batches', async () => {
      const session = await (await make()).open();
      const fd = await mapOf(session, { maxEntries: 5000 });
      const count = 5000;
      const keys = u32(...Array.from({ length: count }, (_, i) => i));
      const values = new Uint8Array(8 * count).map((_, i) => i >> 3);
      expect(await session.call('map.updateBatch', { fd, keys, values, count })).toEqual({ count });
      const found = new Map<number, number>();
      let cursor: Uint8Array | undefined;
      do {
        const part = await session.call('map.lookupBatch', { fd, count: 1700, ...(cursor && { cursor }) });
        const view = new DataView(part.keys.buffer, part.keys.byteOffset);
        for (let i = 0; i < part.count; i++) found.set(view.getUint32(4 * i, true), part.values[8 * i]);
        cursor = part.cursor;
      } while (cursor !== undefined);
      expect(found.size).toBe(count);
      for (const [key, value] of found) expect(value).toBe(key & 255);
      const more = u32(1, 2, 99_999);
      expect(await session.call('map.deleteBatch', { fd, keys: more, count: 3 })).toEqual({ count: 2, errno: 2 });
      const rest = await session.call('map.lookupBatch', { fd, count, remove: true });
      expect([rest.count, rest.keys.length, rest.values.length]).toEqual([4998, 4 * 4998, 8 * 4998]);
      expect(await outcome(session, 'map.nextKey', { fd })).toBe('ENOENT');
    });

    test.each([1, 255, 256, 257, 65_536, 1_000_000])('values of %d bytes', async (valueSize) => {
      const session = await (await make()).open();
      const fd = await mapOf(session, { type: 'array', valueSize, maxEntries: 1 });
      const value = new Uint8Array(valueSize).map((_, i) => i * 31);
      await session.call('map.update', { fd, key: u32(0), value });
      const sent = value.slice();
      // What was sent, and what comes back, is nobody else's memory.
      value.fill(0);
      const first = await session.call('map.lookup', { fd, key: u32(0) });
      // toEqual takes seconds for a million bytes.
      expect(equalBytes(first.value, sent)).toBe(true);
      first.value.fill(1);
      const second = await session.call('map.lookup', { fd, key: u32(0) });
      expect([second.value.constructor, equalBytes(second.value, sent)]).toEqual([Uint8Array, true]);
    });

    test('handles are of one session, ids of all', async () => {
      const host = await make();
      const [one, two] = [await host.open(), await host.open()];
      const fd = await mapOf(one);
      const { id } = await one.call('object.info', { fd });
      const other = await two.call('object.open', { kind: 'map', id });
      await one.call('map.update', { fd, key: u32(1), value: eight(5) });
      expect(await outcome(two, 'map.lookup', { fd: other.fd, key: u32(1) })).toEqual({ value: eight(5) });
      await one.call('object.close', { fd });
      expect(await outcome(one, 'object.info', { fd })).toBe('EBADF');
      expect(await outcome(two, 'object.nextId', { kind: 'map', id: id - 1 })).toEqual({ id });
      const twice = await two.call('object.duplicate', { fd: other.fd });
      await two.call('object.close', { fd: other.fd });
      expect(await outcome(two, 'map.lookup', { fd: twice.fd, key: u32(1) })).toEqual({ value: eight(5) });
      await two.close();
      await expect.poll(() => outcome(one, 'object.open', { kind: 'map', id })).toBe('ENOENT');
      const next = await outcome(one, 'object.nextId', { kind: 'map', id: id - 1 });
      if (host.shared !== true) expect(next).toBe('ENOENT');
      expect(next).not.toEqual({ id });
    });

    test('pins outlive sessions', async () => {
      const host = await make();
      const [one, two] = [await host.open(), await host.open()];
      const fd = await mapOf(one);
      const path = '/sys/fs/bpf/a/b';
      await one.call('object.pin', { fd, path });
      expect(await outcome(one, 'object.pin', { fd, path })).toBe('EEXIST');
      await one.call('map.update', { fd, key: u32(1), value: eight(5) });
      await one.close();
      const found = await two.call('object.get', { path });
      expect(found.kind).toBe('map');
      expect(await outcome(two, 'map.lookup', { fd: found.fd, key: u32(1) })).toEqual({ value: eight(5) });
      expect(await two.call('object.pins', {})).toMatchObject({ pins: [{ kind: 'map', path }] });
      await two.call('object.unpin', { path });
      expect(await outcome(two, 'object.get', { path })).toBe('ENOENT');
    });

    test('programs are loaded, run and explained', async () => {
      const session = await (await make()).open();
      const fd = await programOf(session, 'r0 = *(u32 *)(r1 + 4)\nr2 = *(u32 *)(r1 + 0)\nr0 -= r2\nexit');
      expect(await session.call('prog.testRun', { fd, data: new Uint8Array(100) })).toMatchObject({ retval: 100 });
      const info = await session.call('object.info', { fd });
      expect(info).toMatchObject({ kind: 'prog', name: 'p', type: 'xdp', usable: true });
      expect(typeof (info.kind === 'prog' && info.loadedAt)).toBe('bigint');
      const { code } = assemble('r0 = r3\nexit');
      const load = { name: 'bad', type: 'xdp', license: 'GPL', code } as const;
      const refused = await session.call('prog.load', load).catch((error: unknown) => error);
      expect(refused).toBeInstanceOf(AnyBpfError);
      expect(refused).toMatchObject({
        code: 'verify/uninitialised-register',
        diagnostic: { errno: 13, place: { program: 'bad', insn: 0 } },
      });
    });

    test('an object is loaded as a whole', async () => {
      const session = await (await make()).open();
      const object = example('counters/counters.bpf.o');
      const loaded = await session.call('object.load', { object, name: 'counters.bpf.o' });
      expect(loaded.programs.map(({ name: program }) => program)).toEqual(['count_protocols']);
      const [{ fd }] = loaded.programs;
      const { data } = await session.call('prog.testRun', { fd, data: new Uint8Array(64) });
      expect(data).toEqual(new Uint8Array(64));
      const broken = await outcome(session, 'object.load', { object: object.slice(0, 300), name: 'cut.o' });
      expect(broken).toBe('EINVAL');
      const { btfFd } = loaded;
      expect((await session.call('btf.data', { fd: btfFd ?? 0 })).btf.length).toBeGreaterThan(100);
    });

    test('programs are linked to hooks', async () => {
      const host = await make();
      const [session, other] = [await host.open(), await host.open()];
      const drop = await programOf(session, 'r0 = 1\nexit');
      const pass = await programOf(session, 'r0 = 2\nexit');
      const target = { ifindex: host.ifindex ?? 1 };
      const event = { attachType: 'xdp', target, data: new Uint8Array(60) } as const;
      const fired = async () => {
        if (host.shared === true) expect(await outcome(other, 'hook.fire', event)).toBe('ENOTSUPP');
        return host.shared === true ? undefined : other.call('hook.fire', event);
      };
      const link = await session.call('link.create', { fd: drop, attachType: 'xdp', target });
      if (host.shared !== true) expect(await fired()).toMatchObject({ name: 'XDP_DROP' });
      await session.call('link.update', { fd: link.fd, progFd: pass });
      if (host.shared !== true) expect(await fired()).toMatchObject({ name: 'XDP_PASS' });
      const { progs, revision } = await other.call('prog.query', { attachType: 'xdp', target });
      expect([progs.length, typeof revision]).toEqual([1, 'bigint']);
      await session.close();
      await expect.poll(async () => (await other.call('prog.query', { attachType: 'xdp', target })).progs).toEqual([]);
      expect((await fired())?.ran ?? []).toEqual([]);
    });

    test('records and lines come as events', async () => {
      const session = await (await make()).open();
      const fd = await mapOf(session, { type: 'ringbuf', keySize: 0, valueSize: 0, maxEntries: 4096 });
      const events = heard(session, 'records') as { fd: Fd; records: { data: Uint8Array }[]; lost: number }[];
      await session.call('map.subscribe', { fd });
      for (let i = 0; i < 20; i++) await session.call('map.write', { fd, data: Uint8Array.of(i, 1, 2) });
      const records = () => events.flatMap((event) => event.records);
      await expect.poll(() => records().length).toBe(20);
      expect(records().map(({ data }) => data)).toEqual(Array.from({ length: 20 }, (_, i) => Uint8Array.of(i, 1, 2)));
      expect(new Set(events.map((event) => event.fd))).toEqual(new Set([fd]));

      const lines = heard(session, 'trace') as { line: string; time: bigint }[];
      await session.call('trace.subscribe', {});
      const text = new TextEncoder().encode('hello!\0\0');
      const words = new DataView(text.buffer);
      const printing = await programOf(
        session,
        `r1 = ${words.getInt32(0, true)}
        *(u32 *)(r10 - 8) = r1
        r1 = ${words.getInt32(4, true)}
        *(u32 *)(r10 - 4) = r1
        r1 = r10
        r1 += -8
        r2 = 7
        call 6
        r0 = 2
        exit`,
      );
      await session.call('prog.testRun', { fd: printing, data: new Uint8Array(60) });
      await expect.poll(() => lines.filter(({ line }) => line.includes('hello!'))).toHaveLength(1);
      expect(typeof lines[0].time).toBe('bigint');
    });

    test('a session that is closed', async () => {
      const session = await (await make()).open();
      const ends = heard(session, 'closed');
      await session.close();
      await session.close();
      expect(ends).toHaveLength(1);
      const closed = expect.objectContaining({ code: 'session/closed' });
      await expect(session.call('object.pins', {})).rejects.toThrow(closed);
      await expect(session.call('map.lookup', { fd: 3, key: u32(1) })).rejects.toThrow(closed);
      expect(await outcome(session, 'object.pins', {})).toBe('EBADF');
    });

    test('a listener that is taken away hears nothing more', async () => {
      const session = await (await make()).open();
      let count = 0;
      const listener = (): void => {
        count++;
      };
      const away = session.on('closed', listener);
      session.on('closed', listener);
      away();
      away();
      await session.close();
      expect(count).toBe(1);
    });
  });
}
