// object.*: handles and ids.
import { describe, expect, it } from 'vitest';
import { census, fresh, map, NOTHING, outcome, program } from './support.ts';

describe('handles', () => {
  it('are the smallest that are free, from 3 on', async () => {
    const session = fresh();
    const [a, b, c] = [await map(session), await map(session), await map(session)];
    expect([a, b, c]).toEqual([3, 4, 5]);
    await session.call('object.close', { fd: 4 });
    expect(await session.call('object.duplicate', { fd: 3 })).toEqual({ fd: 4 });
    expect(await map(session)).toBe(6);
  });

  it('belong to their session', async () => {
    const session = fresh();
    const other = session.context.session();
    const fd = await map(session);
    expect(await outcome(other, 'object.info', { fd })).toBe('EBADF');
    const opened = await other.call('object.open', { kind: 'map', id: 1 });
    await session.close();
    expect(census(other)).toEqual({ ...NOTHING, map: 1 });
    await other.call('object.close', opened);
    expect(census(other)).toEqual(NOTHING);
  });

  it('have a limit', async () => {
    const session = fresh({ mostHandles: 2 });
    await map(session);
    await map(session);
    expect(
      await outcome(session, 'map.create', { name: '', type: 'hash', keySize: 4, valueSize: 4, maxEntries: 1 }),
    ).toBe('EMFILE');
    expect(await outcome(session, 'object.duplicate', { fd: 3 })).toBe('EMFILE');
    expect(census(session)).toEqual({ ...NOTHING, map: 2 });
  });

  it.each(['object.info', 'object.close', 'object.duplicate', 'map.freeze', 'prog.code', 'btf.data'] as const)(
    '%s of one that is not there is EBADF',
    async (method) => {
      expect(await outcome(fresh(), method, { fd: 3 })).toBe('EBADF');
    },
  );

  it('of another kind are EINVAL', async () => {
    const session = fresh();
    const fd = await map(session);
    expect(await outcome(session, 'prog.code', { fd })).toBe('EINVAL');
    expect(await outcome(session, 'map.freeze', { fd: await program(session) })).toBe('EINVAL');
    expect(await outcome(session, 'object.info', await session.call('stats.enable', {}))).toBe('EINVAL');
  });
});

describe('ids', () => {
  it('only grow, and are walked in order', async () => {
    const session = fresh();
    for (let i = 0; i < 3; i++) await map(session);
    await session.call('object.close', { fd: 4 });
    await map(session);
    const ids: number[] = [];
    for (let id = 0; ; ) {
      if ((await outcome(session, 'object.nextId', { kind: 'map', id })) !== 'ok') break;
      ({ id } = await session.call('object.nextId', { kind: 'map', id }));
      ids.push(id);
    }
    expect(ids).toEqual([1, 3, 4]);
    expect(await outcome(session, 'object.nextId', { kind: 'map', id: 4 })).toBe('ENOENT');
    expect(await outcome(session, 'object.nextId', { kind: 'prog', id: 0 })).toBe('ENOENT');
    expect(await outcome(session, 'object.open', { kind: 'map', id: 2 })).toBe('ENOENT');
    expect(await outcome(session, 'object.open', { kind: 'nothing' as 'map', id: 2 })).toBe('EINVAL');
  });

  it('go on above those of a context before', async () => {
    const session = fresh({ lastIds: { map: 40, prog: 7 } });
    await map(session);
    await program(session);
    expect(await session.call('object.nextId', { kind: 'map', id: 0 })).toEqual({ id: 41 });
    expect(await session.call('object.nextId', { kind: 'prog', id: 0 })).toEqual({ id: 8 });
  });
});

describe('a session', () => {
  it('knows its methods', async () => {
    expect(await outcome(fresh(), 'toString' as 'object.pins', {})).toBe('EINVAL');
  });

  it('does what its role allows', async () => {
    const session = fresh({ role: 'read' });
    expect(
      await outcome(session, 'map.create', { name: '', type: 'hash', keySize: 4, valueSize: 4, maxEntries: 1 }),
    ).toBe('EPERM');
    expect(await outcome(session, 'object.pins', {})).toBe('ok');
  });

  it('hears of its end, and refuses everything after', async () => {
    const session = fresh();
    const heard: string[] = [];
    session.on('closed', ({ why }) => heard.push(why));
    await map(session);
    await session.close();
    await session.close();
    expect(heard).toEqual(['it was closed']);
    expect(await outcome(session, 'object.pins', {})).toBe('EBADF');
  });

  it('ends with its context, and so do all objects', async () => {
    const session = fresh();
    const gone: string[] = [];
    session.context.observers.add({ destroyed: (kind, id) => gone.push(`${kind} ${id}`) });
    const fd = await program(session);
    await session.call('object.pin', { fd, path: 'p' });
    await session.call('prog.attach', { fd, attachType: 'xdp', target: { ifindex: 1 } });
    const other = session.context.session();
    await other.call('link.create', {
      fd: (await other.call('object.get', { path: 'p' })).fd,
      attachType: 'xdp',
      target: { ifindex: 2 },
    });
    session.context[Symbol.dispose]();
    expect(session.closed).toBe(true);
    expect(census(session)).toEqual(NOTHING);
    expect(gone.sort()).toEqual(['link 1', 'prog 1']);
    expect(() => session.context.session()).toThrow(/the context is gone/);
  });
});
