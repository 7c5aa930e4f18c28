// What the kernel comparison cannot show: hashes, received tunnels, locks, values that only the run reports.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { OVERRIDE } from '../../src/helpers/kprobe.ts';
import { ASSIGNED_SOCKET } from '../../src/helpers/socket-lookup.ts';
import { TUNNEL_INFO } from '../../src/helpers/tunnel.ts';
import { SimulatedNetwork } from '../../src/hosts/memory/network.ts';
import { FakeRun, u32Bytes } from './fake-run.ts';
import { NETWORK } from './network-fixture.ts';

const ENOTSUPP = -524;
const EINVAL = -22;
const ENOENT = -2;
const EPROTO = -71;
const EEXIST = -17;
const ESOCKTNOSUPPORT = -94;
const EPROTOTYPE = -91;

/** An Ethernet frame with a UDP packet over IPv4. */
function udp(from: readonly number[], to: readonly number[], sport: number, dport: number): Uint8Array {
  const frame = new Uint8Array(60);
  const view = new DataView(frame.buffer);
  frame[0] = 2;
  view.setUint16(12, 0x0800);
  frame.set([0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17, 0, 0, ...from, ...to], 14);
  view.setUint16(34, sport);
  view.setUint16(36, dport);
  return frame;
}

const address = fc.array(fc.nat(255), { minLength: 4, maxLength: 4 });
const port = fc.nat(65_535);

describe('flow hash', () => {
  const run = new FakeRun({ type: 'sched_cls' });
  const hash = (frame: Uint8Array): number => {
    run.start({ data: frame });
    return run.run('get_hash_recalc', run.ctx);
  };

  test('is the same for both directions and for the rest of the packet', () => {
    fc.assert(
      fc.property(address, address, port, port, fc.nat(255), (a, b, p, q, payload) => {
        const there = udp(a, b, p, q);
        const back = udp(b, a, q, p);
        const value = hash(there);
        expect(value).toBeGreaterThan(0);
        expect(hash(back)).toBe(value);
        there[50] = payload;
        expect(hash(there)).toBe(value);
      }),
    );
  });

  test('tells flows apart', () => {
    const seen = new Set<number>();
    for (let i = 0; i < 500; i++) seen.add(hash(udp([10, 0, 0, i & 255], [10, 0, 1, 1], 1000 + i, 53)));
    expect(seen.size).toBeGreaterThan(495);
  });

  test('is kept until it is set or forgotten', () => {
    const before = hash(udp([10, 0, 0, 1], [10, 0, 0, 2], 1, 2));
    const { offset } = run.layout.fields['hash'];
    expect(run.memory.view.getUint32(run.ctx + offset, true)).toBe(before);
    expect(run.run('set_hash', run.ctx, 7)).toBe(0);
    expect(run.run('get_hash_recalc', run.ctx)).toBe(7);
    expect(run.run('set_hash_invalid', run.ctx)).toBe(0);
    expect(run.memory.view.getUint32(run.ctx + offset, true)).toBe(0);
    expect(run.run('get_hash_recalc', run.ctx)).toBe(before);
  });
});

describe('tunnels', () => {
  test('that a packet came through are shown', () => {
    const tunnel = {
      family: 'inet',
      id: 0x1234,
      source: Uint8Array.of(192, 0, 2, 1),
      destination: Uint8Array.of(192, 0, 2, 2),
      tos: 8,
      ttl: 64,
      label: 0,
      flags: 0x0805,
      options: Uint8Array.of(1, 2, 3, 4),
    } as const;
    const run = new FakeRun({ type: 'sched_cls', host: { network: new SimulatedNetwork({ ...NETWORK, tunnel }) } });
    const key = run.buffer(44);
    expect(run.run('skb_get_tunnel_key', run.ctx, key, 44, 0)).toBe(0);
    expect(run.memory.view.getUint32(key, true)).toBe(0x1234);
    expect(run.bytes(key + 4, 4), 'host byte order').toEqual([1, 2, 0, 192]);
    expect(run.bytes(key + 20, 4)).toEqual([8, 64, 0, 0]);
    expect(run.bytes(key + 28, 4)).toEqual([2, 2, 0, 192]);
    expect(run.run('skb_get_tunnel_key', run.ctx, key, 44, 16)).toBe(0);
    expect(run.bytes(key + 22, 2)).toEqual([0x08, 0x05]);
    expect(run.run('skb_get_tunnel_key', run.ctx, key, 44, 1)).toBe(EPROTO);
    expect(run.run('skb_get_tunnel_opt', run.ctx, key, 8)).toBe(4);
    expect(run.bytes(key, 8)).toEqual([1, 2, 3, 4, 0, 0, 0, 0]);
    expect(run.run('skb_set_tunnel_opt', run.ctx, key, 4), 'only for a tunnel of the program’s own').toBe(EINVAL);
  });

  test('to send through are reported', () => {
    const run = new FakeRun({ type: 'sched_cls' });
    const key = new Uint8Array(44);
    new DataView(key.buffer).setUint32(0, 42, true);
    key.set([1, 2, 0, 192], 4);
    expect(run.run('skb_get_tunnel_opt', run.ctx, run.buffer(4), 4)).toBe(ENOENT);
    expect(run.run('skb_set_tunnel_key', run.ctx, run.buffer(key), 44, 0)).toBe(0);
    expect(run.state(TUNNEL_INFO).info).toMatchObject({
      family: 'inet',
      id: 42,
      destination: Uint8Array.of(192, 0, 2, 1),
    });
  });
});

describe('checksums of devices', () => {
  test('are not kept', () => {
    const run = new FakeRun({ type: 'sched_cls' });
    expect(run.run('csum_update', run.ctx, 5)).toBe(ENOTSUPP);
  });
});

describe('locks', () => {
  test('are taken and given back', () => {
    const run = new FakeRun();
    const lock = run.buffer(4);
    run.run('spin_lock', lock);
    expect(run.bytes(lock, 4)).toEqual([1, 0, 0, 0]);
    run.run('spin_unlock', lock);
    expect(run.bytes(lock, 4)).toEqual([0, 0, 0, 0]);
  });
});

describe('what the run reports', () => {
  test('an overridden return value', () => {
    const run = new FakeRun({ type: 'kprobe' });
    expect(run.state(OVERRIDE).value).toBeUndefined();
    expect(run.run('override_return', run.ctx, -12)).toBe(0);
    expect(run.state(OVERRIDE).value).toBe(0xffff_ffff_ffff_fff4n);
  });

  test('the socket that a lookup chose', () => {
    const run = new FakeRun({
      type: 'sk_lookup',
      host: { network: new SimulatedNetwork(NETWORK) },
      input: { ctx: { protocol: 6, family: 2 } },
    });
    const tuple = (dport: number, sport: number): number =>
      run.buffer(Uint8Array.of(10, 0, 0, 7, 10, 0, 0, 1, sport >> 8, sport & 255, dport >> 8, dport & 255));
    const find = (helper: string, dport: number, sport: number): number =>
      run.run(helper, run.ctx, tuple(dport, sport), 12, -1, 0);
    const listener = find('sk_lookup_tcp', 80, 9);
    expect(run.run('sk_assign', run.ctx, find('sk_lookup_tcp', 80, 4000), 0)).toBe(ESOCKTNOSUPPORT);
    expect(run.run('sk_assign', run.ctx, find('sk_lookup_udp', 53, 9), 0)).toBe(EPROTOTYPE);
    expect(run.run('sk_assign', run.ctx, listener, 4)).toBe(EINVAL);
    expect(run.run('sk_assign', run.ctx, listener, 0)).toBe(0);
    expect(run.run('sk_assign', run.ctx, listener, 0)).toBe(EEXIST);
    expect(run.run('sk_assign', run.ctx, listener, 1 | 2)).toBe(0);
    expect(run.state(ASSIGNED_SOCKET)).toMatchObject({ socket: { cookie: 1n }, noReuseport: true });
    expect(run.run('sk_assign', run.ctx, 0, 1)).toBe(0);
    expect(run.state(ASSIGNED_SOCKET).socket).toBeUndefined();
  });
});

describe('control groups and flows of sockets', () => {
  const host = { network: new SimulatedNetwork(NETWORK) };
  test('of a socket', () => {
    const run = new FakeRun({ type: 'cgroup_skb', host });
    const tuple = run.buffer(Uint8Array.of(10, 0, 0, 7, 10, 0, 0, 1, 0, 9, 0, 80));
    const socket = run.run('sk_lookup_tcp', run.ctx, tuple, 12, -1, 0);
    expect(run.run('sk_cgroup_id', socket)).toBe(33);
    expect([0, 1, 2, 3].map((level) => run.run('sk_ancestor_cgroup_id', socket, level))).toEqual([1, 22, 33, 0]);
    expect(run.run('sk_cgroup_id', 0)).toBe(0);
    expect(run.run('sk_ancestor_cgroup_id', 0, 0)).toBe(0);
  });

  test('of a connection on Windows', () => {
    const run = new FakeRun({ type: 'sock_ops', dialect: 'windows', host });
    expect(run.run('sock_ops_get_flow_id', run.ctx)).toBe(1);
  });
});

describe('counters of perf_event programs', () => {
  test('come from the host', () => {
    const run = new FakeRun({ type: 'perf_event' });
    Object.assign(run, { host: { ...run.host, programCounter: () => ({ value: 1n, enabled: 2n, running: 3n }) } });
    const out = run.buffer(24);
    expect(run.run('perf_prog_read_value', run.ctx, out, 24)).toBe(0);
    expect(run.bytes(out, 24).filter((byte) => byte !== 0)).toEqual([1, 2, 3]);
    expect(run.run('perf_prog_read_value', run.ctx, out, 23)).toBe(EINVAL);
  });
});

describe('values of inodes', () => {
  test('belong to the inode', () => {
    const run = new FakeRun({ type: 'kprobe' });
    const map = run.map('inode_storage', { maxEntries: 0, flags: 1, keyTypeId: 1, valueTypeId: 2 });
    const value = run.run('inode_storage_get', map.handle, 0x77, run.buffer(u32Bytes(4, 5)), 1);
    expect(run.bytes(value, 1)).toEqual([4]);
    expect(run.run('inode_storage_delete', map.handle, 0x77)).toBe(0);
    expect(run.run('inode_storage_delete', map.handle, 0x77)).toBe(ENOENT);
    const groups = run.map('cgrp_storage', { maxEntries: 0, flags: 1, keyTypeId: 1, valueTypeId: 2 });
    expect(run.run('cgrp_storage_get', groups.handle, 0x88, 0, 1)).not.toBe(0);
    expect(run.run('cgrp_storage_delete', groups.handle, 0x88)).toBe(0);
  });
});
