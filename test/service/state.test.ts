import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { compileAhead } from '../../src/aot/compile.ts';
import { createRuntime } from '../../src/context/create.ts';
import type { ContextSession } from '../../src/context/session.ts';
import type { MapCreate, ObjectInfo, ObjectKind, ProgramInfo } from '../../src/spec/session.ts';
import { memoryHost } from '../../src/hosts/memory/host.ts';
import { Journal } from '../../src/service/journal.ts';
import type { ProgramMade } from '../../src/service/describe.ts';
import type { Plain } from '../../src/service/plain.ts';
import { openState, type State, type StateOptions } from '../../src/service/state.ts';
import { durableContext } from '../../src/service/restore.ts';
import { PROJECT_ROOT } from '../support/shared.ts';
import { Disk } from './disk.ts';

const PRODUCER = 'anybpf test';

/** A context with its state on a disk, which can end without a word. */
async function begin(
  disk: Disk,
  options: Partial<StateOptions> = {},
): Promise<{ session: ContextSession; state: State }> {
  const session = createRuntime();
  const state = await openState(durableContext(session.context, PRODUCER), {
    folder: disk.folder,
    files: disk,
    ...options,
  });
  return { session, state };
}

/** What is on the disk when a process ends without a word. */
function left(disk: Disk): Disk {
  const copy = new Disk();
  for (const name of disk.list()) copy.put(name, disk.read(name));
  return copy;
}

const u32 = (...values: number[]): Uint8Array => {
  const bytes = new Uint8Array(4 * values.length);
  values.forEach((value, i) => new DataView(bytes.buffer).setUint32(4 * i, value, true));
  return bytes;
};

const map = (type: MapCreate['type'], rest: Partial<MapCreate> = {}): MapCreate => ({
  name: `m_${type}`,
  type,
  keySize: 4,
  valueSize: 8,
  maxEntries: 16,
  ...rest,
});

const xdp = (ifindex: number) => ({ attachType: 'xdp', target: { ifindex } }) as const;

/** The record with a verdict that nobody found. */
const refusing = (made: ProgramMade): ProgramMade => {
  const evidence = made.evidence as NonNullable<ProgramMade['evidence']>;
  const diagnostic = { code: 'verify/said-so', severity: 'error', message: 'somebody said so', place: {} };
  return { ...made, evidence: { ...evidence, verdict: { verdict: 'refused', visits: 1, states: 1, diagnostic } } };
};

/** All of a context that is to outlive it: infos of pinned objects without times, and the elements of maps. */
async function seen(session: ContextSession): Promise<unknown> {
  const all: unknown[] = [];
  for (const { path, kind, id } of (await session.call('object.pins', {})).pins) {
    const { fd } = await session.call('object.open', { kind, id });
    const info: Partial<ObjectInfo> & { loadedAt?: bigint; memory?: number } = {
      ...(await session.call('object.info', { fd })),
    };
    delete info.loadedAt;
    delete info.memory;
    // The engine is chosen by the work that there was.
    delete (info as { engine?: string; bytesJited?: number }).engine;
    delete (info as { bytesJited?: number }).bytesJited;
    all.push({
      path,
      info,
      elements: kind === 'map' ? await elements(session, fd, info as { type: string; keySize: number }) : [],
    });
    await session.call('object.close', { fd });
  }
  return all;
}

async function elements(session: ContextSession, fd: number, { keySize, type }: { keySize: number; type: string }) {
  const found: unknown[] = [];
  if (keySize === 0) {
    if (type === 'bloom_filter') return found;
    const handle = session.handles.get(fd) as unknown as { raw: { lookup(key: Uint8Array): unknown } };
    return [handle.raw.lookup(new Uint8Array(0))];
  }
  let key: Uint8Array | undefined;
  for (;;) {
    try {
      ({ key } = await session.call('map.nextKey', { fd, ...(key === undefined ? {} : { key }) }));
    } catch {
      return found;
    }
    const value = await session.call('map.lookup', { fd, key }).then(
      (answer) => answer.value,
      () => undefined,
    );
    found.push([key, value]);
  }
}

/** The same text whatever the order was. */
function sorted(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(sorted).sort().join()}]`;
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (typeof value !== 'object' || value === null) return String(value);
  return `{${Object.entries(value)
    .map(([name, part]) => `${name}: ${sorted(part)}`)
    .sort()
    .join()}}`;
}

describe('a state', () => {
  const KEYED: readonly MapCreate[] = [
    map('hash'),
    map('lru_hash'),
    map('array'),
    map('percpu_hash'),
    map('percpu_array'),
    map('lpm_trie', { keySize: 8, flags: 1 }),
  ];

  it.each(KEYED)('keeps what applications put into a pinned map: $type', async (params) => {
    const disk = new Disk();
    const { session, state } = await begin(disk);
    const { fd } = await session.call('map.create', params);
    const keyOf = (n: number): Uint8Array => (params.keySize === 8 ? u32(32, n) : u32(n));
    const size = ((await session.call('object.info', { fd })) as { userValueSize: number }).userValueSize;
    const put = async (n: number, value: number): Promise<void> => {
      await session.call('map.update', { fd, key: keyOf(n), value: new Uint8Array(size).fill(value) });
      state.settle();
    };
    await put(1, 1);
    await put(2, 2);
    await session.call('object.pin', { fd, path: '/sys/fs/bpf/kept' });
    await put(2, 3);
    await put(5, 4);
    if (!params.type.includes('array')) await session.call('map.delete', { fd, key: keyOf(1) });
    state.settle();
    const before = await seen(session);
    const again = await begin(left(disk));
    expect(sorted(await seen(again.session))).toBe(sorted(before));
    expect(again.state.restored).toMatchObject({ objects: 1, pins: 1, diagnostics: [] });
    // And over a snapshot.
    again.state.snapshot();
    const third = await begin(left(disk));
    expect(sorted(await seen(third.session))).toBe(sorted(before));
  });

  it('keeps queues, stacks and bloom filters', async () => {
    const disk = new Disk();
    const { session, state } = await begin(disk);
    const types = ['queue', 'stack', 'bloom_filter'] as const;
    const key = new Uint8Array(0);
    for (const type of types) {
      const { fd } = await session.call('map.create', map(type, { keySize: 0, valueSize: 4, maxEntries: 64 }));
      await session.call('map.update', { fd, key, value: u32(1) });
      await session.call('map.update', { fd, key, value: u32(2) });
      await session.call('object.pin', { fd, path: type });
      await session.call('map.update', { fd, key, value: u32(3) });
      if (type !== 'bloom_filter') await session.call('map.lookupAndDelete', { fd, key });
      state.settle();
    }
    for (const files of [left(disk), (state.snapshot(), left(disk))]) {
      const again = await begin(files);
      const taken = async (path: string): Promise<number[]> => {
        const { fd } = await again.session.call('object.get', { path });
        const values: number[] = [];
        for (;;) {
          const answer = await again.session.call('map.lookupAndDelete', { fd, key }).catch(() => undefined);
          if (answer === undefined) return values;
          values.push(answer.value[0]);
        }
      };
      expect(await taken('queue')).toEqual([2, 3]);
      expect(await taken('stack')).toEqual([2, 1]);
      const { fd } = await again.session.call('object.get', { path: 'bloom_filter' });
      const has = (n: number) =>
        again.session.call('map.lookup', { fd, key: u32(n) }).then(
          () => true,
          () => false,
        );
      expect(await Promise.all([1, 2, 3].map(has))).toEqual([true, true, true]);
      const others = await Promise.all(Array.from({ length: 200 }, (_, i) => has(i + 10)));
      expect(others.filter(Boolean).length).toBeLessThan(20);
    }
  });

  it('keeps programs with their maps, ids and verdicts, and runs them again', async () => {
    const disk = new Disk();
    const { session, state } = await begin(disk);
    await session.call('map.create', map('hash'));
    const object = readFileSync(join(PROJECT_ROOT, 'examples/drop-port/drop_port.bpf.o'));
    const loaded = await session.call('object.load', { object, name: 'drop_port.bpf.o' });
    const [program] = loaded.programs;
    await session.call('object.pin', { fd: program.fd, path: 'prog' });
    state.settle();
    const before = await seen(session);
    const packet = new Uint8Array(64);
    const run = await session.call('prog.testRun', { fd: program.fd, data: packet });
    for (const files of [left(disk), (state.snapshot(), left(disk))]) {
      const again = await begin(files);
      expect(again.state.restored.diagnostics).toEqual([]);
      expect(sorted(await seen(again.session))).toBe(sorted(before));
      const { fd } = await again.session.call('object.get', { path: 'prog' });
      const { retval } = await again.session.call('prog.testRun', { fd, data: packet });
      expect(retval).toBe(run.retval);
      const info = (await again.session.call('object.info', { fd })) as ProgramInfo;
      expect(info.id).toBe(program.id);
      // The next ones are new ones.
      const fresh = await again.session.call('map.create', map('array'));
      const { id } = (await again.session.call('object.info', { fd: fresh.fd })) as { id: number };
      expect(id).toBeGreaterThan(Math.max(...info.mapIds));
    }
  });

  it('believes a verdict of the same program and the same AnyBPF, and no other', async () => {
    const disk = new Disk();
    const { session, state } = await begin(disk);
    const object = readFileSync(join(PROJECT_ROOT, 'examples/drop-port/drop_port.bpf.o'));
    const { programs } = await session.call('object.load', { object, name: 'drop_port.bpf.o' });
    await session.call('object.pin', { fd: programs[0].fd, path: 'prog' });
    state.snapshot();
    const { entries } = Journal.open(left(disk), 'process');
    const altered = (change: (made: ProgramMade) => ProgramMade): Disk => {
      const after = new Disk();
      Journal.open(after, 'process').journal.snapshot(
        entries.map((entry) => {
          if (entry.op !== 'object' || entry.object.kind !== 'prog') return entry;
          const of = change(entry.object.of as unknown as ProgramMade) as unknown as Plain;
          return { ...entry, object: { ...entry.object, of } };
        }),
      );
      return after;
    };
    // The record is believed: what it says of these instructions is not found out again.
    const believed = await begin(altered(refusing));
    expect(believed.state.restored.diagnostics.map(({ message }) => message)).toEqual([
      'prog 1 could not be made again: somebody said so',
      expect.stringContaining('the pin /sys/fs/bpf/prog'),
    ]);
    // Of others, it is: other instructions, another AnyBPF.
    const other = altered((made) => {
      return refusing({ ...made, spec: { ...made.spec, license: 'GPL v2' } });
    });
    expect((await begin(other)).state.restored.diagnostics).toEqual([]);
    const later = createRuntime();
    const state2 = await openState(durableContext(later.context, 'anybpf later'), {
      folder: '',
      files: altered(refusing),
    });
    expect(state2.restored.diagnostics).toEqual([]);
  });

  it('keeps what is of a module made ahead of time', async () => {
    const disk = new Disk();
    const { session, state } = await begin(disk);
    await session.call('map.create', map('hash'));
    const object = readFileSync(join(PROJECT_ROOT, 'examples/counters/counters.bpf.o'));
    const { wasm } = await compileAhead(object, { host: memoryHost() });
    const loaded = await session.call('object.load', { object: wasm, name: 'counters.wasm' });
    const packet = new Uint8Array(64);
    const [program] = loaded.programs;
    await session.call('prog.testRun', { fd: program.fd, data: packet });
    await session.call('object.pin', { fd: program.fd, path: 'prog' });
    for (const [i, { fd }] of loaded.maps.entries()) await session.call('object.pin', { fd, path: `map/${i}` });
    state.settle();
    const before = sorted(await seen(session));
    for (const files of [left(disk), (state.snapshot(), left(disk))]) {
      const again = await begin(files);
      expect(again.state.restored.diagnostics).toEqual([]);
      expect(sorted(await seen(again.session))).toBe(before);
      const { fd } = await again.session.call('object.get', { path: 'prog' });
      const { retval } = await again.session.call('prog.testRun', { fd, data: packet });
      expect(retval).toBe((await session.call('prog.testRun', { fd: program.fd, data: packet })).retval);
      expect(await kinds(again.session)).toEqual((await kinds(session)).filter((one) => one !== 'map 1'));
    }
  });

  it('keeps links and attachments', async () => {
    const disk = new Disk();
    const { session, state } = await begin(disk);
    const object = readFileSync(join(PROJECT_ROOT, 'examples/drop-port/drop_port.bpf.o'));
    const load = async () => (await session.call('object.load', { object, name: 'drop_port.bpf.o' })).programs[0];
    const [one, two, three] = [await load(), await load(), await load()];
    const link = await session.call('link.create', { fd: one.fd, ...xdp(1) });
    await session.call('object.pin', { fd: link.fd, path: 'link' });
    const unpinned = await session.call('link.create', { fd: one.fd, ...xdp(2) });
    await session.call('prog.attach', { fd: two.fd, ...xdp(3) });
    await session.call('link.update', { fd: link.fd, progFd: three.fd });
    state.settle();
    const attachedOn = async (on: ContextSession): Promise<number[][]> =>
      Promise.all(
        [1, 2, 3].map(async (ifindex) => (await on.call('prog.query', xdp(ifindex))).progs.map(({ id }) => id)),
      );
    expect(await attachedOn(session)).toEqual([[three.id], [one.id], [two.id]]);
    await session.call('object.close', { fd: unpinned.fd });
    state.settle();
    for (const files of [left(disk), (state.snapshot(), left(disk))]) {
      const again = await begin(files);
      expect(again.state.restored.diagnostics).toEqual([]);
      expect(await attachedOn(again.session)).toEqual([[three.id], [], [two.id]]);
      const got = await again.session.call('object.get', { path: 'link' });
      expect(await again.session.call('object.info', { fd: got.fd })).toMatchObject({ id: 1, progId: three.id });
      await again.session.call('hook.fire', { ...xdp(1), data: new Uint8Array(64) });
    }
    await session.call('prog.detach', xdp(3));
    await session.call('link.detach', { fd: link.fd });
    state.settle();
    expect(await attachedOn((await begin(left(disk))).session)).toEqual([[], [], []]);
  });

  it('leaves out what no pin leads to', async () => {
    const disk = new Disk();
    const { session, state } = await begin(disk);
    const one = await session.call('map.create', map('hash'));
    await session.call('object.pin', { fd: one.fd, path: 'one' });
    const two = await session.call('map.create', map('hash'));
    await session.call('object.pin', { fd: two.fd, path: 'two' });
    await session.call('object.unpin', { path: 'two' });
    await session.call('map.update', { fd: two.fd, key: u32(1), value: u32(1, 1) });
    state.settle();
    const again = await begin(left(disk));
    expect((await again.session.call('object.pins', {})).pins).toEqual([
      { path: '/sys/fs/bpf/one', kind: 'map', id: 1 },
    ]);
    expect(await kinds(again.session)).toEqual(['map 1']);
    await session.call('object.unpin', { path: 'one' });
    await session.call('object.close', { fd: one.fd });
    state.settle();
    expect(await kinds((await begin(left(disk))).session)).toEqual([]);
    state.snapshot();
    expect(await kinds((await begin(left(disk))).session)).toEqual([]);
  });

  it('keeps maps in maps and programs in maps, also those that come later', async () => {
    const disk = new Disk();
    const { session, state } = await begin(disk);
    const inner = await session.call('map.create', map('array', { name: 'inner', maxEntries: 2 }));
    const outer = await session.call('map.create', map('hash_of_maps', { valueSize: 4, innerFd: inner.fd }));
    await session.call('object.pin', { fd: outer.fd, path: 'outer' });
    await session.call('map.update', { fd: outer.fd, key: u32(7), value: u32(inner.fd) });
    await session.call('map.update', { fd: inner.fd, key: u32(1), value: u32(11, 0) });
    await session.call('object.close', { fd: inner.fd });
    state.settle();
    for (const files of [left(disk), (state.snapshot(), left(disk))]) {
      const again = await begin(files);
      expect(again.state.restored).toMatchObject({ objects: 2, diagnostics: [] });
      const { fd } = await again.session.call('object.get', { path: 'outer' });
      const { value } = await again.session.call('map.lookup', { fd, key: u32(7) });
      const held = await again.session.call('object.open', { kind: 'map', id: value[0] });
      expect((await again.session.call('map.lookup', { fd: held.fd, key: u32(1) })).value).toEqual(u32(11, 0));
    }
  });

  it('keeps frozen maps frozen, with their contents', async () => {
    const disk = new Disk();
    const { session, state } = await begin(disk);
    const { fd } = await session.call('map.create', map('array'));
    await session.call('map.update', { fd, key: u32(3), value: u32(5, 6) });
    await session.call('object.pin', { fd, path: 'frozen' });
    await session.call('map.freeze', { fd });
    state.settle();
    for (const files of [left(disk), (state.snapshot(), left(disk))]) {
      const again = await begin(files);
      const got = await again.session.call('object.get', { path: 'frozen' });
      expect((await again.session.call('map.lookup', { fd: got.fd, key: u32(3) })).value).toEqual(u32(5, 6));
      await expect(
        again.session.call('map.update', { fd: got.fd, key: u32(3), value: u32(1, 1) }),
      ).rejects.toMatchObject({ diagnostic: { errno: 1 } });
    }
  });

  it('takes a snapshot where the journal has become long, and what programs did is in the last one', async () => {
    const disk = new Disk();
    const { session, state } = await begin(disk, { compactAt: 4000 });
    const { fd } = await session.call('map.create', map('hash'));
    await session.call('object.pin', { fd, path: 'm' });
    for (let i = 0; i < 2000; i++) {
      await session.call('map.update', { fd, key: u32(i % 8), value: u32(i, 0) });
      state.settle();
    }
    expect(disk.list().map((name) => name.replace(/\d+/, 'N'))).toEqual(['snapshot.N', 'journal.N']);
    expect(disk.list().reduce((sum, name) => sum + disk.read(name).length, 0)).toBeLessThan(8000);
    // As a program does it: nobody is told.
    const raw = (session.handles.get(fd) as unknown as { raw: { update(k: Uint8Array, v: Uint8Array): number } }).raw;
    raw.update(u32(1), u32(77, 0));
    await state.close();
    const again = await begin(left(disk));
    const got = await again.session.call('object.get', { path: 'm' });
    expect((await again.session.call('map.lookup', { fd: got.fd, key: u32(1) })).value).toEqual(u32(77, 0));
    expect((await again.session.call('map.lookup', { fd: got.fd, key: u32(2) })).value).toEqual(u32(1994, 0));
  });

  it('that cannot be written tells each caller, and catches up', async () => {
    const disk = new Disk();
    const { session, state } = await begin(disk);
    const { fd } = await session.call('map.create', map('hash'));
    await session.call('object.pin', { fd, path: 'm' });
    state.settle();
    disk.room = 10;
    for (let i = 0; i < 3; i++) {
      await session.call('map.update', { fd, key: u32(i), value: u32(i, i) });
      expect(() => state.settle()).toThrowError(expect.objectContaining({ code: 'state/not-written' }));
    }
    disk.room = Number.POSITIVE_INFINITY;
    await session.call('map.update', { fd, key: u32(3), value: u32(3, 3) });
    state.settle();
    const again = await begin(left(disk));
    expect(sorted(await seen(again.session))).toBe(sorted(await seen(session)));
  });

  it('with durability `power` answers when all that came together is on the disk', async () => {
    const disk = new Disk();
    const { session, state } = await begin(disk, { durability: 'power' });
    const { fd } = await session.call('map.create', map('hash'));
    await session.call('object.pin', { fd, path: 'm' });
    await state.settle();
    const { syncs } = disk;
    const settled = Array.from({ length: 10 }, (_, i) => {
      session.callNow('map.update', { fd, key: u32(i), value: u32(i, i) });
      return state.settle();
    });
    await Promise.all(settled);
    expect(disk.syncs - syncs).toBe(1);
    const again = await begin(
      disk.afterPowerLoss(() => 0),
      { durability: 'power' },
    );
    expect(sorted(await seen(again.session))).toBe(sorted(await seen(session)));
  });

  describe('in a directory', () => {
    const folder = mkdtempSync(join(tmpdir(), 'anybpf-state-'));
    afterEach(() => rmSync(folder, { recursive: true, force: true }));

    it('has one owner at a time', async () => {
      const session = createRuntime();
      const state = await openState(durableContext(session.context, PRODUCER), { folder });
      await expect(openState(durableContext(createRuntime().context, PRODUCER), { folder })).rejects.toMatchObject({
        code: 'state/held',
      });
      await state.close();
      const next = await openState(durableContext(createRuntime().context, PRODUCER), { folder });
      await next.close();
    });
  });
});

async function kinds(session: ContextSession): Promise<string[]> {
  const found: string[] = [];
  for (const kind of ['map', 'prog', 'link', 'btf'] as readonly ObjectKind[]) {
    for (const object of session.context.table(kind).values()) found.push(`${kind} ${object.id}`);
  }
  return found;
}
