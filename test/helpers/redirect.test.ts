import { describe, expect, test } from 'vitest';
import { CLONES, REDIRECT } from '../../src/helpers/redirect.ts';
import { FakeRun, u32Bytes } from './fake-run.ts';

const EINVAL = -22;

describe('redirect', () => {
  test.each([
    ['xdp', 0, 4, { kind: 'interface', ifindex: 5, ingress: false }],
    ['xdp', 1, 0, undefined],
    ['sched_cls', 0, 7, { kind: 'interface', ifindex: 5, ingress: false }],
    ['sched_cls', 1, 7, { kind: 'interface', ifindex: 5, ingress: true }],
    ['sched_cls', 2, 2, undefined],
  ] as const)('%s with flags %d', (type, flags, verdict, target) => {
    const run = new FakeRun({ type });
    expect(run.run('redirect', 5, flags)).toBe(verdict);
    expect(run.state(REDIRECT).target).toEqual(target);
  });

  test('to a neighbour or a peer', () => {
    const run = new FakeRun({ type: 'sched_cls' });
    const params = run.buffer(Uint8Array.of(2, 0, 0, 0, 10, 0, 0, 1, ...new Uint8Array(12)));
    expect(run.run('redirect_neigh', 5, 0, 0, 0)).toBe(7);
    expect(run.state(REDIRECT).target).toEqual({ kind: 'neighbour', ifindex: 5 });
    expect(run.run('redirect_neigh', 6, params, 20, 0)).toBe(7);
    expect(run.state(REDIRECT).target).toMatchObject({ kind: 'neighbour', ifindex: 6, nextHop: { family: 2 } });
    expect(run.run('redirect_neigh', 5, params, 19, 0)).toBe(2);
    expect(run.run('redirect_neigh', 5, 0, 0, 1)).toBe(2);
    expect(run.run('redirect_peer', 8, 0)).toBe(7);
    expect(run.state(REDIRECT).target).toEqual({ kind: 'peer', ifindex: 8 });
    expect(run.run('redirect_peer', 8, 1)).toBe(2);
  });

  test('of a copy leaves the packet alone', () => {
    const run = new FakeRun({ type: 'sched_cls' });
    run.start({ data: Uint8Array.from({ length: 20 }, (_, i) => i) });
    expect(run.run('clone_redirect', run.ctx, 1, 1)).toBe(0);
    expect(run.run('clone_redirect', run.ctx, 99, 0)).toBe(EINVAL);
    expect(run.run('clone_redirect', run.ctx, 1, 2)).toBe(EINVAL);
    const data = Uint8Array.from({ length: 20 }, (_, i) => i);
    expect(run.state(CLONES)).toEqual([{ ifindex: 1, ingress: true, data }]);
  });
});

describe('redirect_map', () => {
  test.each([
    ['devmap', 8],
    ['devmap_hash', 8],
    ['cpumap', 4],
  ] as const)('%s', (type, valueSize) => {
    const run = new FakeRun({ host: { cpus: 4 } });
    const map = run.map(type, { valueSize });
    const value = new Uint8Array(valueSize);
    value[0] = 9;
    expect(map.update(u32Bytes(1), value)).toBe(0);
    expect(run.run('redirect_map', map.handle, 1, 0)).toBe(4);
    expect(run.state(REDIRECT).target).toEqual({ kind: 'map', map, index: 1 });
    for (const action of [0, 1, 2, 3]) expect(run.run('redirect_map', map.handle, 2, action)).toBe(action);
    expect(run.state(REDIRECT).target).toBeUndefined();
    expect(run.run('redirect_map', map.handle, 77, 2)).toBe(2);
    expect(run.run('redirect_map', map.handle, 1, 32)).toBe(0);
    const broadcast = type === 'cpumap' ? 0 : 4;
    expect(run.run('redirect_map', map.handle, 77, 8 | 16)).toBe(broadcast);
    if (broadcast === 4) expect(run.state(REDIRECT).target).toEqual({ kind: 'broadcast', map, excludeIngress: true });
  });

  test('refuses other maps', () => {
    const run = new FakeRun();
    expect(() => run.run('redirect_map', run.map('hash').handle, 0, 0)).toThrow(/helper-argument-map-type/);
  });
});
