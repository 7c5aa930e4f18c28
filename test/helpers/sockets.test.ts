import { describe, expect, test } from 'vitest';
import { ASSIGNED_SOCKET } from '../../src/helpers/socket-lookup.ts';
import { BOUND_ADDRESS } from '../../src/helpers/socket-options.ts';
import { MESSAGE_BYTES, SOCKET_TARGET } from '../../src/helpers/socket-redirect.ts';
import { HELD_SOCKETS } from '../../src/helpers/socket-table.ts';
import { parseAddress } from '../../src/hosts/memory/addresses.ts';
import { SimulatedNetwork } from '../../src/hosts/memory/network.ts';
import type { ProgramTypeName } from '../../src/spec/program-types.ts';
import { FakeRun, u32Bytes } from './fake-run.ts';
import { NETWORK } from './network-fixture.ts';

const EINVAL = -22;
const ENOENT = -2;
const E2BIG = -7;
const EAGAIN = -11;
const EAFNOSUPPORT = -97;

const started = (type: ProgramTypeName = 'sched_cls', description: object = {}): FakeRun =>
  new FakeRun({ type, host: { network: new SimulatedNetwork({ ...NETWORK, ...description }) } });

function tuple(run: FakeRun, from: string, sport: number, to: string, dport: number): readonly [number, number] {
  const source = parseAddress(from);
  const bytes = new Uint8Array(2 * source.length + 4);
  bytes.set(source, 0);
  bytes.set(parseAddress(to), source.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(2 * source.length, sport);
  view.setUint16(2 * source.length + 2, dport);
  return [run.buffer(bytes), bytes.length];
}

const BPF_F_CURRENT_NETNS = -1;

describe('socket lookup', () => {
  test.each([
    ['a connection', 'sk_lookup_tcp', '10.0.0.7', 4000, '10.0.0.1', 80, 77n],
    ['who listens', 'sk_lookup_tcp', '10.0.0.7', 4001, '10.0.0.1', 80, 1n],
    ['the one bound to the interface', 'sk_lookup_udp', '10.0.0.7', 9, '10.0.0.1', 53, 4n],
    ['an IPv6 socket for IPv4', 'sk_lookup_udp', '10.0.0.7', 9, '10.0.0.2', 53, 3n],
    ['an IPv6 socket for IPv6', 'sk_lookup_udp', '2001:db8::9', 9, '2001:db8::1', 54, 6n],
    ['no IPv6-only socket for IPv4', 'sk_lookup_udp', '10.0.0.7', 9, '10.0.0.1', 54, undefined],
    ['no port', 'sk_lookup_tcp', '10.0.0.7', 9, '10.0.0.1', 82, undefined],
    ['no time-wait socket', 'sk_lookup_tcp', '10.0.0.7', 5, '10.0.0.1', 81, undefined],
    ['a time-wait socket where any kind will do', 'skc_lookup_tcp', '10.0.0.7', 5, '10.0.0.1', 81, 5n],
    ['no other protocol', 'sk_lookup_udp', '10.0.0.7', 4000, '10.0.0.1', 80, undefined],
  ] as const)('%s', (_, helper, from, sport, to, dport, cookie) => {
    const run = started();
    run.start({ data: new Uint8Array(64), ctx: { ifindex: 2 } });
    const socket = run.run(helper, run.ctx, ...tuple(run, from, sport, to, dport), BPF_F_CURRENT_NETNS, 0);
    expect(socket !== 0).toBe(cookie !== undefined);
    if (cookie === undefined) return;
    expect(run.state(HELD_SOCKETS).get(socket)).toBe(1);
    expect(run.run('sk_release', socket)).toBe(0);
    expect(run.state(HELD_SOCKETS).size).toBe(0);
    expect(() => run.run('sk_release', socket)).toThrow(/helper-argument-kind/);
  });

  test('in another namespace, and with arguments that are not allowed', () => {
    const run = started();
    const other = tuple(run, '10.0.0.7', 1, '10.0.0.1', 90);
    expect(run.run('sk_lookup_tcp', run.ctx, ...other, BPF_F_CURRENT_NETNS, 0)).toBe(0);
    expect(run.run('sk_lookup_tcp', run.ctx, ...other, 3, 0)).not.toBe(0);
    expect(run.run('sk_lookup_tcp', run.ctx, ...other, 4, 0)).toBe(0);
    expect(run.run('sk_lookup_tcp', run.ctx, ...other, 3, 1)).toBe(0);
    expect(run.run('sk_lookup_tcp', run.ctx, other[0], 11, 3, 0)).toBe(0);
    expect(run.run('sk_lookup_tcp', run.ctx, ...other, 0x8000_0000_0003n, 0)).toBe(0);
  });

  test('fills struct bpf_sock and struct bpf_tcp_sock', () => {
    const run = started();
    const found = (dport: number, sport: number): number =>
      run.run('sk_lookup_tcp', run.ctx, ...tuple(run, '10.0.0.7', sport, '10.0.0.1', dport), -1, 0);
    const listener = found(80, 1);
    const { view } = run.memory;
    expect(view.getUint32(listener + 4, true)).toBe(2);
    expect(view.getUint32(listener + 12, true)).toBe(6);
    expect(view.getUint32(listener + 16, true)).toBe(5);
    expect(run.bytes(listener + 24, 4)).toEqual([10, 0, 0, 1]);
    expect(view.getUint32(listener + 44, true)).toBe(80);
    expect(view.getUint32(listener + 72, true)).toBe(10);
    expect(run.memory.accessible(listener, 80, true)).toBe(false);
    const connection = found(80, 4000);
    expect(view.getUint16(connection + 48, false)).toBe(4000);
    expect(run.bytes(connection + 52, 4)).toEqual([10, 0, 0, 7]);
    const tcp = run.run('tcp_sock', connection);
    expect(view.getUint32(tcp, true)).toBe(10);
    expect(view.getBigUint64(tcp + 88, true)).toBe(5n);
    expect(run.run('sk_fullsock', connection)).toBe(connection);
    expect(run.run('get_listener_sock', listener)).toBe(listener);
    expect(run.run('get_listener_sock', connection)).toBe(0);
    for (const name of ['sk_fullsock', 'tcp_sock', 'get_listener_sock']) expect(run.run(name, 0)).toBe(0);
    expect(found(80, 4000)).toBe(connection);
    expect(run.state(HELD_SOCKETS).get(connection)).toBe(2);
  });
});

describe('sk_assign', () => {
  test('tells the run which socket the packet goes to', () => {
    const run = started();
    const socket = run.run('sk_lookup_tcp', run.ctx, ...tuple(run, '10.0.0.7', 1, '10.0.0.1', 80), -1, 0);
    expect(run.run('sk_assign', run.ctx, socket, 1)).toBe(EINVAL);
    expect(run.run('sk_assign', run.ctx, 0, 0)).toBe(EINVAL);
    expect(run.run('sk_assign', run.ctx, socket, 0)).toBe(0);
    expect(run.state(ASSIGNED_SOCKET).socket?.cookie).toBe(1n);
  });
});

describe('identity', () => {
  test('of the packet’s socket', () => {
    const run = started();
    expect(run.run('get_socket_cookie', run.ctx)).toBe(1);
    expect(run.run('get_netns_cookie', run.ctx)).toBe(9);
    expect(run.run('get_netns_cookie', 0)).toBe(9);
    expect(run.run('get_socket_uid', run.ctx)).toBe(1000);
    expect(run.run('skb_cgroup_id', run.ctx)).toBe(33);
    expect([0, 1, 2, 3, -1].map((level) => run.run('skb_ancestor_cgroup_id', run.ctx, level))).toEqual([
      1, 22, 33, 0, 0,
    ]);
    const groups = run.map('cgroup_array', { valueSize: 4, maxEntries: 3 });
    groups.update(u32Bytes(0), u32Bytes(22));
    groups.update(u32Bytes(1), u32Bytes(44));
    expect([0, 1, 2, 3].map((i) => run.run('skb_under_cgroup', run.ctx, groups.handle, i))).toEqual([
      1,
      0,
      EAGAIN,
      E2BIG,
    ]);
    expect(run.run('current_task_under_cgroup', groups.handle, 0)).toBe(0);
  });

  test('without a socket', () => {
    const run = started('sched_cls', { currentSocket: undefined });
    expect(run.run('get_socket_cookie', run.ctx)).toBe(0);
    expect(run.run('get_socket_uid', run.ctx)).toBe(65_534);
    expect(run.run('skb_cgroup_id', run.ctx)).toBe(0);
    const groups = run.map('cgroup_array', { valueSize: 4 });
    expect(run.run('skb_under_cgroup', run.ctx, groups.handle, 0)).toBe(ENOENT);
    const connecting = started('cgroup_sock_addr', { currentSocket: undefined });
    expect(() => connecting.run('get_socket_cookie', connecting.ctx)).toThrow(
      /does not say which socket.*helper-refused/,
    );
  });
});

describe('storage', () => {
  test('belongs to a socket', () => {
    const run = started();
    const map = run.map('sk_storage', { maxEntries: 0, flags: 1, keyTypeId: 1, valueTypeId: 2 });
    const find = (port: number): number =>
      run.run('sk_lookup_tcp', run.ctx, ...tuple(run, '10.0.0.7', port, '10.0.0.1', 80), -1, 0);
    const [one, two] = [find(1), find(4000)];
    const initial = run.buffer(u32Bytes(5, 6));
    expect(run.run('sk_storage_get', map.handle, one, 0, 0)).toBe(0);
    const value = run.run('sk_storage_get', map.handle, one, initial, 1);
    expect(run.bytes(value, 8)).toEqual([5, 0, 0, 0, 6, 0, 0, 0]);
    expect(run.run('sk_storage_get', map.handle, one, 0, 0)).toBe(value);
    expect(run.run('sk_storage_get', map.handle, two, 0, 0)).toBe(0);
    expect(run.run('sk_storage_get', map.handle, two, 0, 2)).toBe(0);
    expect(run.run('sk_storage_get', map.handle, 0, 0, 1)).toBe(0);
    expect(run.run('sk_storage_delete', map.handle, one)).toBe(0);
    expect(run.run('sk_storage_delete', map.handle, one)).toBe(ENOENT);
    expect(run.run('sk_storage_delete', map.handle, 0)).toBe(EINVAL);
  });

  test('belongs to a task', () => {
    const run = started();
    const map = run.map('task_storage', { maxEntries: 0, flags: 1, keyTypeId: 1, valueTypeId: 2 });
    const value = run.run('task_storage_get', map.handle, 0x1234, 0, 1);
    expect(value).not.toBe(0);
    expect(run.run('task_storage_get', map.handle, 0x1235, 0, 0)).toBe(0);
    expect(run.run('task_storage_get', map.handle, 0, 0, 1)).toBe(0);
    expect(run.run('task_storage_delete', map.handle, 0x1234)).toBe(0);
    expect(() => run.run('cgrp_storage_get', map.handle, 1, 0, 1)).toThrow(/helper-argument-map-type/);
  });

  test('belongs to the control group', () => {
    const run = started('cgroup_skb');
    const map = run.map('cgroup_storage', { keySize: 8, maxEntries: 0 });
    const value = run.run('get_local_storage', map.handle, 0);
    expect(value).not.toBe(0);
    expect(run.run('get_local_storage', map.handle, 0)).toBe(value);
  });
});

describe('options', () => {
  test('are set and read', () => {
    const run = started('cgroup_sock_addr');
    const value = run.buffer(u32Bytes(7));
    const name = run.buffer('reno\0');
    const out = run.buffer(16);
    expect(run.run('setsockopt', run.ctx, 1, 36, value, 4)).toBe(0);
    expect(run.run('getsockopt', run.ctx, 1, 36, out, 4)).toBe(0);
    expect(run.bytes(out, 4)).toEqual([7, 0, 0, 0]);
    expect(run.run('setsockopt', run.ctx, 1, 7, value, 4)).toBe(0);
    expect(run.run('getsockopt', run.ctx, 1, 7, out, 4)).toBe(0);
    expect(run.bytes(out, 4), 'doubled').toEqual([14, 0, 0, 0]);
    expect(run.run('getsockopt', run.ctx, 6, 13, out, 16)).toBe(0);
    expect(String.fromCharCode(...run.bytes(out, 6))).toBe('cubic\0');
    expect(run.run('setsockopt', run.ctx, 6, 13, name, 5)).toBe(0);
    expect(run.run('getsockopt', run.ctx, 6, 13, out, 16)).toBe(0);
    expect(String.fromCharCode(...run.bytes(out, 5))).toBe('reno\0');
    expect(run.run('setsockopt', run.ctx, 1, 999, value, 4)).toBe(EINVAL);
    expect(run.run('setsockopt', run.ctx, 1, 36, value, 3)).toBe(EINVAL);
    expect(run.run('getsockopt', run.ctx, 1, 36, out, 3)).toBe(EINVAL);
    expect(run.bytes(out, 3)).toEqual([0, 0, 0]);
  });

  test('a local address is chosen', () => {
    const run = started('cgroup_sock_addr');
    const address = Uint8Array.of(2, 0, 0, 0, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0);
    const at = run.buffer(address);
    expect(run.run('bind', run.ctx, at, 15)).toBe(EINVAL);
    expect(run.run('bind', run.ctx, run.buffer(Uint8Array.of(9, 0)), 2)).toBe(EAFNOSUPPORT);
    expect(run.run('bind', run.ctx, at, 16)).toBe(0);
    expect(run.state(BOUND_ADDRESS).address).toEqual(address);
  });

  test('callbacks of a connection are asked for', () => {
    const run = started('sock_ops');
    expect(run.run('sock_ops_cb_flags_set', run.ctx, 0x85)).toBe(0x80);
    const { offset } = run.layout.fields['bpf_sock_ops_cb_flags'];
    expect(run.memory.view.getUint32(run.ctx + offset, true)).toBe(5);
  });
});

describe('sockets of maps', () => {
  test('get packets, messages and connections', () => {
    const run = started('sk_skb');
    const map = run.map('sockmap', { valueSize: 4 });
    const hash = run.map('sockhash', { valueSize: 4 });
    const key = run.buffer(u32Bytes(1));
    map.update(u32Bytes(1), u32Bytes(44));
    hash.update(u32Bytes(1), u32Bytes(45));
    for (const name of ['sk_redirect_map', 'msg_redirect_map']) {
      expect(run.run(name, run.ctx, map.handle, 1, 1), name).toBe(1);
      expect(run.state(SOCKET_TARGET).target).toEqual({ map, handle: 44, ingress: true });
      expect(run.run(name, run.ctx, map.handle, 2, 0), name).toBe(0);
      expect(run.state(SOCKET_TARGET).target).toBeUndefined();
      expect(run.run(name, run.ctx, map.handle, 1, 2), name).toBe(0);
    }
    for (const name of ['sk_redirect_hash', 'msg_redirect_hash']) {
      expect(run.run(name, run.ctx, hash.handle, key, 0), name).toBe(1);
      expect(run.state(SOCKET_TARGET).target).toEqual({ map: hash, handle: 45, ingress: false });
    }
    expect(run.run('sk_select_reuseport', run.ctx, map.handle, key, 0)).toBe(0);
    expect(run.run('sk_select_reuseport', run.ctx, map.handle, run.buffer(u32Bytes(3)), 0)).toBe(ENOENT);
    expect(run.run('sk_select_reuseport', run.ctx, map.handle, key, 1)).toBe(EINVAL);
    expect(run.run('msg_apply_bytes', run.ctx, 10)).toBe(0);
    expect(run.run('msg_cork_bytes', run.ctx, 20)).toBe(0);
    expect(run.state(MESSAGE_BYTES)).toEqual({ apply: 10, cork: 20 });
    const other = run.buffer(u32Bytes(2));
    expect(run.run('sock_map_update', run.ctx, map.handle, other, 0)).toBe(0);
    expect(run.run('sk_redirect_map', run.ctx, map.handle, 2, 0)).toBe(1);
    expect(run.state(SOCKET_TARGET).target?.handle, 'the connection itself').toBe(1);
    expect(run.run('sock_hash_update', run.ctx, hash.handle, other, 0)).toBe(0);
  });
});
