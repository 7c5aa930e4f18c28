// Links: updated while events come, detached, pinned; attachments without links.
import { afterEach, describe, expect, test } from 'vitest';
import type { ContextLink } from '../../src/context/hooks/link-object.ts';
import { swapUnderLoad } from './load.ts';
import { FRAME, idOf, link, load, outcome, returning, type Runtime, unverified } from './support.ts';

let session: Runtime;
afterEach(() => session.context[Symbol.dispose]());

const XDP = { type: 'xdp' } as const;
const target = { ifindex: 1 };
const fire = () => session.call('hook.fire', { attachType: 'xdp', target, data: FRAME });
const alive = (): number[] => [session.context.programs.size, session.context.links.size];

describe('a link', () => {
  test('runs another program after an update, and lets the old one go', async () => {
    session = unverified();
    const [first, second] = [await returning(session, 1, XDP), await returning(session, 3, XDP)];
    const secondId = await idOf(session, second);
    const { fd } = await link(session, first, 'xdp', target);
    const updated: number[] = [];
    session.context.observers.add({ linkUpdated: (_link, progId) => updated.push(progId) });
    expect((await fire()).verdict).toBe(1);
    await session.call('link.update', { fd, progFd: second, oldProgFd: first });
    expect((await fire()).verdict).toBe(3);
    expect(await session.call('object.info', { fd })).toMatchObject({ progId: secondId, detached: false, type: 'xdp' });
    expect(await session.call('object.info', { fd: second })).toMatchObject({ linkCount: 1 });
    expect(updated).toEqual([secondId]);
    await session.call('object.close', { fd: first });
    expect(alive()).toEqual([1, 1]);
  });

  test('is updated only with what fits, in the place of what was expected', async () => {
    session = unverified();
    const [first, second] = [await returning(session, 1, XDP), await returning(session, 2, XDP)];
    const { fd } = await link(session, first, 'xdp', target);
    const update = (progFd: number, oldProgFd?: number) =>
      outcome(session, 'link.update', { fd, progFd, ...(oldProgFd === undefined ? {} : { oldProgFd }) });
    expect(await update(second, second)).toBe('EPERM');
    expect(await update(await returning(session, 1, { type: 'sched_cls' }))).toBe('EINVAL');
    expect(await update(await returning(session, 1, { type: 'xdp', dialect: 'windows' }))).toBe('EINVAL');
    expect(await update(first)).toBe('ok');
    await session.call('link.detach', { fd });
    expect(await update(second)).toBe('ENOLINK');
  });

  test('is without a program once it is detached, and so often as it is', async () => {
    session = unverified();
    const prog = await returning(session, 1, XDP);
    const { fd } = await link(session, prog, 'xdp', target);
    let detached = 0;
    session.context.observers.add({ linkDetached: () => detached++ });
    await session.call('link.detach', { fd });
    await session.call('link.detach', { fd });
    expect(detached).toBe(1);
    expect(await session.call('object.info', { fd })).toMatchObject({ progId: 0, detached: true, target });
    expect((await fire()).ran).toEqual([]);
    await link(session, prog, 'xdp', target);
  });

  test('goes with its last handle or pin, and takes its program off', async () => {
    session = unverified();
    const other = session.context.session();
    const prog = await returning(session, 1, XDP);
    const { fd } = await link(session, prog, 'xdp', target);
    await session.call('object.pin', { fd, path: '/sys/fs/bpf/l' });
    await session.close();
    expect(alive()).toEqual([1, 1]);
    expect((await other.call('hook.fire', { attachType: 'xdp', target, data: FRAME })).verdict).toBe(1);
    await other.call('object.unpin', { path: 'l' });
    expect(alive()).toEqual([0, 0]);
    expect((await other.call('hook.fire', { attachType: 'xdp', target, data: FRAME })).verdict).toBe(2);
  });

  test('of tracing keeps its program', async () => {
    session = unverified();
    const prog = await returning(session, 0, { type: 'raw_tracepoint' });
    const { fd } = await link(session, prog, 'trace_raw_tp', { name: 'sys_enter' });
    expect(await session.call('object.info', { fd })).toMatchObject({ type: 'raw_tracepoint' });
    expect(await outcome(session, 'link.update', { fd, progFd: prog })).toBe('EINVAL');
    expect(await outcome(session, 'link.detach', { fd })).toBe('EOPNOTSUPP');
  });
});

describe('prog.attach', () => {
  test('Linux: stays without a link object, whatever becomes of the session', async () => {
    session = unverified();
    const other = session.context.session();
    const prog = await returning(session, 1, { type: 'xdp' });
    const id = await idOf(session, prog);
    await session.call('prog.attach', { fd: prog, attachType: 'xdp', target });
    await session.close();
    const { progs } = await other.call('prog.query', { attachType: 'xdp', target });
    expect(progs).toEqual([{ id, linkId: 0, flags: 0 }]);
    expect(alive()).toEqual([1, 0]);
    await other.call('prog.detach', { attachType: 'xdp', target });
    expect(alive()).toEqual([0, 0]);
  });

  test('Windows: makes a link that nobody holds', async () => {
    session = unverified();
    const other = session.context.session();
    const prog = await returning(session, 1, { type: 'bind', attachType: 'bind', dialect: 'windows' });
    await session.call('prog.attach', { fd: prog, attachType: 'bind', target: {} });
    await session.close();
    expect(alive()).toEqual([1, 1]);
    const { id } = await other.call('object.nextId', { kind: 'link', id: 0 });
    const { fd } = await other.call('object.open', { kind: 'link', id });
    expect(await other.call('object.info', { fd })).toMatchObject({ legacy: true, type: 'plain', target: {} });
    await other.call('object.close', { fd });
    expect((await other.call('hook.fire', { attachType: 'bind', ctx: {} })).name).toBe('BIND_DENY');
    await other.call('prog.detach', { attachType: 'bind', target: {} });
    expect(alive()).toEqual([0, 0]);
  });

  test('prog.detach names what it cannot detach', async () => {
    session = unverified();
    const options = { type: 'cgroup_skb' } as const;
    const attachType = 'cgroup_inet_egress';
    const [one, two] = [await returning(session, 1, options), await returning(session, 1, options)];
    const at = { cgroup: '/a' };
    const detach = (fd?: number) =>
      outcome(session, 'prog.detach', { attachType, target: at, ...(fd === undefined ? {} : { fd }) });
    expect(await detach(one)).toBe('ENOENT');
    for (const fd of [one, two]) await session.call('prog.attach', { fd, attachType, target: at, flags: 2 });
    expect(await outcome(session, 'prog.attach', { fd: one, attachType, target: at, flags: 2 })).toBe('EINVAL');
    expect(await detach()).toBe('EINVAL');
    const three = await returning(session, 1, options);
    await session.call('prog.attach', { fd: three, attachType, target: at, flags: 6, replaceFd: one });
    expect(await detach(one)).toBe('ENOENT');
    expect(await detach(three)).toBe('ok');
    expect(await detach()).toBe('ok');
    await link(session, one, attachType, at);
    expect(await detach(one)).toBe('ENOENT');
    await link(session, await returning(session, 1, XDP), 'xdp', target);
    expect(await outcome(session, 'prog.detach', { attachType: 'xdp', target })).toBe('EBUSY');
  });
});

test('a program that updates the link it runs under, by what it calls, stays until its run is over', async () => {
  session = unverified();
  const text = 'r1 = 0x2a\n*(u64 *)(r10 - 8) = r1\nr1 = r10\nr1 += -8\nr2 = 8\ncall 6\nr0 = 1\nexit';
  const first = await load(session, text, XDP);
  const second = await returning(session, 3, XDP);
  const { fd } = await link(session, first, 'xdp', target);
  const { context } = session;
  const linkObject = session.handle(fd, '') as ContextLink;
  let freed: boolean | undefined;
  context.onTrace(() => {
    linkObject.update(session.handle(second, '') as never, undefined, '');
    session.closeHandle(first);
    freed = context.programs.size === 1;
  });
  const fired = await fire();
  expect([fired.verdict, freed]).toEqual([1, false]);
  expect(context.programs.size).toBe(1);
  expect((await fire()).verdict).toBe(3);
});

test('a link that is updated while events come: none is lost, none sees neither', async () => {
  session = unverified();
  expect(await swapUnderLoad(session, { events: 20_000, swaps: 200 })).toEqual({ lost: 0, wrong: 0, seen: 20_000 });
});

test('a batch goes on over updates, with the program that is attached when it begins', async () => {
  session = unverified();
  const [drop, pass] = [await returning(session, 1, XDP), await returning(session, 2, XDP)];
  using batch = session.context.hooks.prepare({ attachType: 'xdp', target }).batch(8);
  for (let i = 0; i < 8; i++) batch.lay(i, { data: FRAME });
  expect([...batch.run()]).toEqual(Array(8).fill(2));
  const { fd } = await link(session, drop, 'xdp', target);
  expect([...batch.run()]).toEqual(Array(8).fill(1));
  await session.call('link.update', { fd, progFd: pass });
  await session.call('object.close', { fd: drop });
  expect([...batch.run(3)]).toEqual(Array(3).fill(2));
  expect(batch.output(0).data).toEqual(FRAME);
  await session.call('link.detach', { fd });
  expect([...batch.run(2)]).toEqual([2, 2]);
});

test('runs at hooks are counted where somebody wants counts', async () => {
  session = unverified();
  const prog = await returning(session, 1, XDP);
  await link(session, prog, 'xdp', target);
  await fire();
  await session.call('stats.enable', {});
  await session.call('hook.fire', { attachType: 'xdp', target, data: FRAME, repeat: 5 });
  expect(await session.call('object.info', { fd: prog })).toMatchObject({ runCount: 5n });
});

test('a bind is in the process that it names', async () => {
  session = unverified();
  const text = 'r1 = *(u64 *)(r1 + 16)\nr0 = 0\nif r1 != 77 goto +1\nr0 = 1\nexit';
  const prog = await load(session, text, { type: 'bind', attachType: 'bind', dialect: 'windows' });
  await link(session, prog, 'bind');
  const verdict = async (pid: number) =>
    (await session.call('hook.fire', { attachType: 'bind', ctx: {}, pid })).verdict;
  expect([await verdict(76), await verdict(77)]).toEqual([0, 1]);
});
