// map.*: elements, batches, maps that hold objects.
import { describe, expect, it } from 'vitest';
import type { MapCreate } from '../../src/spec/session.ts';
import { MAP_FLAGS } from '../../src/spec/map-types.ts';
import { encodeBtf } from '../../src/btf/encode.ts';
import {
  census,
  type ContextSession,
  fresh,
  jumping,
  map,
  mapInfo,
  NOTHING,
  outcome,
  program,
  reading,
  run,
  u32,
  u32At,
} from './support.ts';

const SPEC: MapCreate = { name: 'm', type: 'hash', keySize: 4, valueSize: 4, maxEntries: 4 };

const int = (name: string, size: number) =>
  ({
    kind: 'int',
    name,
    size,
    bits: size * 8,
    offset: 0,
    encoding: 0,
    signed: false,
    char: false,
    bool: false,
  }) as never;

describe('map.create', () => {
  it.each<[string, Partial<MapCreate>, string]>([
    ['a name of 63 characters', { name: 'n'.repeat(63) }, 'ok'],
    ['a name of 64 characters', { name: 'n'.repeat(64) }, 'EINVAL'],
    ['a name with a space', { name: 'a b' }, 'EINVAL'],
    ['no name', { name: '' }, 'ok'],
    ['no elements', { maxEntries: 0 }, 'EINVAL'],
    ['a negative size', { keySize: -1 }, 'EINVAL'],
    ['half a byte', { valueSize: 1.5 }, 'EINVAL'],
    ['keys that an array does not have', { type: 'array', keySize: 8 }, 'EINVAL'],
    ['flags that are not known', { flags: 1 << 30 }, 'EINVAL'],
    ['a type that is not known', { type: 'no such' as 'hash' }, 'EINVAL'],
    ['a type that is an object member', { type: 'toString' as 'hash' }, 'EINVAL'],
    ['a type that Windows does not have', { type: 'bloom_filter', keySize: 0, dialect: 'windows' }, 'EINVAL'],
    ['a type that no host can give a meaning', { type: 'struct_ops' }, 'ENOTSUPP'],
    ['a map of maps without a template', { type: 'hash_of_maps' }, 'EBADF'],
    ['a template that is not there', { type: 'hash_of_maps', innerFd: 77 }, 'EBADF'],
    ['BTF that is not there', { btfFd: 77 }, 'EBADF'],
    ['types without BTF', { valueTypeId: 1 }, 'EINVAL'],
  ])('of %s', async (_what, attributes, expected) => {
    const session = fresh();
    expect(await outcome(session, 'map.create', { ...SPEC, ...attributes })).toBe(expected);
    expect(session.context.maps.size).toBe(expected === 'ok' ? 1 : 0);
  });

  it('takes types from BTF, of the right size', async () => {
    const session = fresh();
    const btf = encodeBtf([int('u32', 4), int('u64', 8)]);
    const { fd } = await session.call('btf.load', { btf });
    expect((await session.call('btf.data', { fd })).btf).toEqual(new Uint8Array(btf));
    const params = { ...SPEC, btfFd: fd, keyTypeId: 1, valueTypeId: 1 };
    const made = await session.call('map.create', params);
    expect(await mapInfo(session, made.fd)).toMatchObject({ btfId: 1, keyTypeId: 1, valueTypeId: 1 });
    expect(await session.call('object.info', { fd })).toMatchObject({ kind: 'btf', mapIds: [1], progIds: [] });
    expect(await outcome(session, 'map.create', { ...params, valueTypeId: 2 })).toBe('EINVAL');
    expect(await outcome(session, 'map.create', { ...params, valueTypeId: 9 })).toBe('EINVAL');
    await session.call('object.close', { fd });
    expect(census(session)).toEqual({ ...NOTHING, map: 1, btf: 1 });
    await session.close();
    expect(census(session)).toEqual(NOTHING);
  });

  it('says what memory maps take, and takes no more than there is', async () => {
    const session = fresh({ memoryLimit: 1 << 20 });
    const fd = await map(session, { type: 'array', valueSize: 1000, maxEntries: 100 });
    const { memory } = await mapInfo(session, fd);
    expect(memory).toBeGreaterThan(100_000);
    expect(memory).toBeLessThan(110_000);
    const large = { ...SPEC, type: 'array', valueSize: 1 << 20, maxEntries: 1 } as const;
    expect(await outcome(session, 'map.create', large)).toBe('ENOMEM');
    expect(session.context.maps.size).toBe(1);
    const used = session.context.runtime.memory.used;
    await session.call('object.close', { fd });
    expect(used - session.context.runtime.memory.used).toBe(memory);
  });
});

describe('elements', () => {
  it.each<[string, (session: ContextSession, fd: number) => Promise<string>, string]>([
    ['look up what is not there', (s, fd) => outcome(s, 'map.lookup', { fd, key: u32(1) }), 'ENOENT'],
    ['look up by a short key', (s, fd) => outcome(s, 'map.lookup', { fd, key: u32() }), 'EINVAL'],
    ['look up with flags', (s, fd) => outcome(s, 'map.lookup', { fd, key: u32(1), flags: 1 }), 'EINVAL'],
    ['update', (s, fd) => outcome(s, 'map.update', { fd, key: u32(1), value: u32(1) }), 'ok'],
    ['update by a long value', (s, fd) => outcome(s, 'map.update', { fd, key: u32(1), value: u32(1, 2) }), 'EINVAL'],
    [
      'update what must be there',
      (s, fd) => outcome(s, 'map.update', { fd, key: u32(1), value: u32(1), flags: 2 }),
      'ENOENT',
    ],
    [
      'update what must not be there',
      (s, fd) => outcome(s, 'map.update', { fd, key: u32(0), value: u32(1), flags: 1 }),
      'EEXIST',
    ],
    ['delete what is not there', (s, fd) => outcome(s, 'map.delete', { fd, key: u32(1) }), 'ENOENT'],
    ['take what is not there', (s, fd) => outcome(s, 'map.lookupAndDelete', { fd, key: u32(1) }), 'ENOENT'],
    ['the key after the last', (s, fd) => outcome(s, 'map.nextKey', { fd, key: u32(0) }), 'ENOENT'],
  ])('%s: %#', async (_what, act, expected) => {
    const session = fresh();
    const fd = await map(session);
    await session.call('map.update', { fd, key: u32(0), value: u32(5) });
    expect(await act(session, fd)).toBe(expected);
    expect(u32At((await session.call('map.lookup', { fd, key: u32(0) })).value)).toBe(5);
  });

  it('of a queue have no keys', async () => {
    const session = fresh();
    const fd = await map(session, { type: 'queue', keySize: 0 });
    const key = new Uint8Array(0);
    for (const n of [1, 2]) await session.call('map.update', { fd, key, value: u32(n) });
    expect(u32At((await session.call('map.lookup', { fd, key })).value)).toBe(1);
    expect(u32At((await session.call('map.lookupAndDelete', { fd, key })).value)).toBe(1);
    expect(u32At((await session.call('map.lookupAndDelete', { fd, key })).value)).toBe(2);
    expect(await outcome(session, 'map.lookupAndDelete', { fd, key })).toBe('ENOENT');
  });

  it('of a frozen map stay as they are, and programs still read them', async () => {
    const session = fresh();
    const fd = await map(session, { type: 'array', maxEntries: 1 });
    await session.call('map.update', { fd, key: u32(0), value: u32(42) });
    const prog = await program(session, reading(fd));
    await session.call('map.freeze', { fd });
    expect(await outcome(session, 'map.update', { fd, key: u32(0), value: u32(1) })).toBe('EPERM');
    expect(await outcome(session, 'map.freeze', { fd })).toBe('EPERM');
    expect(await mapInfo(session, fd)).toMatchObject({ frozen: true });
    expect(await run(session, prog)).toBe(42);
  });

  it('of per-CPU maps have a value for each CPU', async () => {
    const { memoryHost } = await import('../../src/hosts/memory/host.ts');
    const session = fresh({ host: memoryHost({ cpus: 3 }) });
    const fd = await map(session, { type: 'percpu_array', maxEntries: 1 });
    expect(await mapInfo(session, fd)).toMatchObject({ valueSize: 4, userValueSize: 24 });
    const value = u32(1, 0, 2, 0, 3, 0);
    await session.call('map.update', { fd, key: u32(0), value });
    expect((await session.call('map.lookup', { fd, key: u32(0) })).value).toEqual(value);
    expect(await outcome(session, 'map.update', { fd, key: u32(0), value: u32(1) })).toBe('EINVAL');
  });
});

const filled = async (session: ContextSession, count: number) => {
  const fd = await map(session, { maxEntries: 64 });
  const all = Array.from({ length: count }, (_, i) => i);
  const result = await session.call('map.updateBatch', { fd, keys: u32(...all), values: u32(...all), count });
  expect(result).toEqual({ count });
  return fd;
};

describe('batches', () => {
  it('walk a map to its end, also while what was given is deleted', async () => {
    const session = fresh();
    const fd = await filled(session, 50);
    const seen: number[] = [];
    let cursor: Uint8Array | undefined;
    do {
      const page = await session.call('map.lookupBatch', { fd, count: 7, ...(cursor === undefined ? {} : { cursor }) });
      for (let i = 0; i < page.count; i++) {
        seen.push(u32At(page.keys, i * 4));
        await session.call('map.delete', { fd, key: page.keys.slice(i * 4, i * 4 + 4) });
      }
      ({ cursor } = page);
    } while (cursor !== undefined);
    expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, i) => i));
    expect(await session.call('map.lookupBatch', { fd, count: 7 })).toMatchObject({ count: 0 });
  });

  it('take out what they give, where it is asked for', async () => {
    const session = fresh();
    const fd = await filled(session, 10);
    expect((await session.call('map.lookupBatch', { fd, count: 20, remove: true })).count).toBe(10);
    expect((await session.call('map.lookupBatch', { fd, count: 20 })).count).toBe(0);
    const reader = session.context.session({ role: 'read' });
    const { fd: read } = await reader.call('object.open', { kind: 'map', id: 1 });
    expect(await outcome(reader, 'map.lookupBatch', { fd: read, count: 1, remove: true })).toBe('EPERM');
    expect(await outcome(reader, 'map.lookupBatch', { fd: read, count: 1 })).toBe('ok');
  });

  it('say how far they came', async () => {
    const session = fresh();
    const fd = await filled(session, 3);
    const keys = u32(0, 9, 1);
    expect(await session.call('map.deleteBatch', { fd, keys, count: 3 })).toEqual({ count: 1, errno: 2 });
    const values = u32(0, 0, 0);
    expect(await session.call('map.updateBatch', { fd, keys: u32(0, 1, 2), values, count: 4 })).toEqual({
      count: 0,
      errno: 14,
    });
    expect(await outcome(session, 'map.lookupBatch', { fd, count: -1 })).toBe('EINVAL');
    expect(await outcome(session, 'map.lookupBatch', { fd, count: 2 ** 31 })).toBe('ENOMEM');
    expect(await outcome(session, 'map.lookupBatch', { fd, count: 1, cursor: u32(1, 2) })).toBe('EINVAL');
    const queue = await map(session, { type: 'queue', keySize: 0 });
    expect(await outcome(session, 'map.lookupBatch', { fd: queue, count: 1 })).toBe('ENOTSUPP');
    expect(await outcome(session, 'map.updateBatch', { fd: queue, keys, values, count: 1, flags: 0 })).toBe('ENOTSUPP');
  });
});

describe('maps that hold objects', () => {
  it('take handles and give ids', async () => {
    const session = fresh();
    const inner = await map(session, { type: 'array', maxEntries: 1 });
    const outer = await map(session, { type: 'hash_of_maps', innerFd: inner });
    expect(await mapInfo(session, outer)).toMatchObject({ innerMapId: 1 });
    await session.call('map.update', { fd: outer, key: u32(5), value: u32(inner) });
    expect(u32At((await session.call('map.lookup', { fd: outer, key: u32(5) })).value)).toBe(1);
    const batch = await session.call('map.lookupBatch', { fd: outer, count: 4 });
    expect([batch.count, u32At(batch.values)]).toEqual([1, 1]);
    // It lives on without a handle.
    await session.call('object.close', { fd: inner });
    expect(census(session).map).toBe(2);
    await session.call('map.delete', { fd: outer, key: u32(5) });
    expect(census(session).map).toBe(1);
  });

  it('let go of what they hold when they go, are overwritten, or emptied as a batch', async () => {
    const session = fresh();
    const shape = { type: 'array', maxEntries: 1 } as const;
    const inners = [await map(session, shape), await map(session, shape), await map(session, shape)];
    const outer = await map(session, { type: 'hash_of_maps', innerFd: inners[0] });
    const values = u32(...inners);
    expect(await session.call('map.updateBatch', { fd: outer, keys: u32(1, 2, 3), values, count: 3 })).toEqual({
      count: 3,
    });
    await session.call('map.update', { fd: outer, key: u32(1), value: u32(inners[2]) });
    for (const fd of inners) await session.call('object.close', { fd });
    expect(census(session).map).toBe(3);
    await session.call('map.deleteBatch', { fd: outer, keys: u32(2), count: 1 });
    expect(census(session).map).toBe(2);
    await session.call('object.close', { fd: outer });
    expect(census(session).map).toBe(0);
  });

  it.each<[string, (session: ContextSession) => Promise<number>, string]>([
    ['no handle', () => Promise.resolve(99), 'EBADF'],
    ['a handle of a program', (s) => program(s), 'EINVAL'],
    ['a map that is not like the template', (s) => map(s, { type: 'array', valueSize: 8, maxEntries: 1 }), 'EINVAL'],
  ])('refuse %s', async (_what, handle, expected) => {
    const session = fresh();
    const inner = await map(session, { type: 'array', maxEntries: 1 });
    const fd = await map(session, { type: 'array_of_maps', innerFd: inner });
    const value = u32(await handle(session));
    expect(await outcome(session, 'map.update', { fd, key: u32(0), value })).toBe(expected);
    expect(await outcome(session, 'map.lookup', { fd, key: u32(0) })).toBe('ENOENT');
  });

  it('of programs are emptied with their last handle, so that programs that hold them go', async () => {
    const session = fresh();
    const array = await map(session, { type: 'prog_array', maxEntries: 1 });
    const caller = await program(session, jumping(array));
    expect(await run(session, caller)).toBe(7);
    const target = await program(session, 'r0 = 9\nexit');
    await session.call('map.update', { fd: array, key: u32(0), value: u32(target) });
    expect(u32At((await session.call('map.lookup', { fd: array, key: u32(0) })).value)).toBe(2);
    await session.call('object.close', { fd: target });
    expect(await run(session, caller)).toBe(9);
    await session.call('object.close', { fd: array });
    expect(await run(session, caller)).toBe(7);
    expect(census(session)).toEqual({ ...NOTHING, map: 1, prog: 1 });
    await session.close();
    expect(census(session)).toEqual(NOTHING);
  });

  it('of programs take programs of one type only', async () => {
    const session = fresh();
    const fd = await map(session, { type: 'prog_array', maxEntries: 2 });
    const xdp = await program(session);
    const tc = await program(session, 'r0 = 0\nexit', { type: 'sched_cls' });
    await session.call('map.update', { fd, key: u32(0), value: u32(xdp) });
    expect(await outcome(session, 'map.update', { fd, key: u32(1), value: u32(tc) })).toBe('EINVAL');
    expect(await outcome(session, 'map.update', { fd, key: u32(2), value: u32(xdp) })).toBe('E2BIG');
    expect(await outcome(session, 'map.update', { fd, key: u32(1), value: u32(fd) })).toBe('EINVAL');
    expect(await outcome(session, 'map.update', { fd, key: u32(1), value: u32(98) })).toBe('EBADF');
    expect(await outcome(session, 'map.delete', { fd, key: u32(1) })).toBe('ENOENT');
  });

  it('of devices hold the program of an element', async () => {
    const session = fresh();
    const fd = await map(session, { type: 'devmap', valueSize: 8 });
    const prog = await program(session, 'r0 = 2\nexit', { attachType: 'xdp_devmap' });
    await session.call('map.update', { fd, key: u32(0), value: u32(1, prog) });
    await session.call('map.update', { fd, key: u32(1), value: u32(1, 0xffff_ffff) });
    const { id } = await session.call('object.info', { fd: prog });
    expect((await session.call('map.lookup', { fd, key: u32(0) })).value).toEqual(u32(1, id));
    expect((await session.call('map.lookup', { fd, key: u32(1) })).value).toEqual(u32(1, 0));
    expect(await outcome(session, 'map.update', { fd, key: u32(0), value: u32(1, 77) })).toBe('EINVAL');
    expect(await outcome(session, 'map.update', { fd, key: u32(0), value: u32(1, fd) })).toBe('EINVAL');
    await session.call('object.close', { fd: prog });
    expect((await session.call('map.lookup', { fd, key: u32(0) })).value).toEqual(u32(1, id));
    expect(census(session).prog).toBe(1);
    await session.call('map.delete', { fd, key: u32(0) });
    expect(census(session).prog).toBe(0);
  });
});

describe('observers', () => {
  it('hear of every change that an application makes', async () => {
    const session = fresh();
    const heard: string[] = [];
    session.context.observers.add({
      mapElement: (id, key, value) => heard.push(`${id}: ${u32At(key)} = ${value === undefined ? '-' : u32At(value)}`),
      mapFrozen: (id) => heard.push(`${id} frozen`),
      created: (kind, id) => heard.push(`+${kind} ${id}`),
      destroyed: (kind, id) => heard.push(`-${kind} ${id}`),
      pinned: (path, kind, id) => heard.push(`${path} is ${kind} ${id}`),
      unpinned: (path) => heard.push(`${path} is free`),
    });
    const fd = await map(session);
    await session.call('map.update', { fd, key: u32(1), value: u32(2) });
    await session.call('map.updateBatch', { fd, keys: u32(3, 4), values: u32(5, 6), count: 2 });
    await session.call('map.lookupAndDelete', { fd, key: u32(1) });
    await outcome(session, 'map.delete', { fd, key: u32(1) });
    await session.call('map.deleteBatch', { fd, keys: u32(3, 9), count: 2 });
    await session.call('map.lookupBatch', { fd, count: 4, remove: true });
    await session.call('object.pin', { fd, path: '/sys/fs/bpf/a/b' });
    await session.call('map.freeze', { fd });
    await session.call('object.unpin', { path: 'a\\b' });
    await session.close();
    expect(heard).toEqual([
      '+map 1',
      '1: 1 = 2',
      '1: 3 = 5',
      '1: 4 = 6',
      '1: 1 = -',
      '1: 3 = -',
      '1: 4 = -',
      'a/b is map 1',
      '1 frozen',
      'a/b is free',
      '-map 1',
    ]);
  });
});

it('flags of the application side hold', async () => {
  const session = fresh();
  const readOnly = await map(session, { flags: MAP_FLAGS.RDONLY });
  const writeOnly = await map(session, { flags: MAP_FLAGS.WRONLY });
  expect(await outcome(session, 'map.update', { fd: readOnly, key: u32(1), value: u32(1) })).toBe('EPERM');
  expect(await outcome(session, 'map.lookup', { fd: writeOnly, key: u32(1) })).toBe('EPERM');
  expect(await outcome(session, 'map.lookupBatch', { fd: writeOnly, count: 1 })).toBe('EPERM');
  expect(await outcome(session, 'map.updateBatch', { fd: readOnly, keys: u32(1), values: u32(1), count: 1 })).toBe(
    'EPERM',
  );
});
