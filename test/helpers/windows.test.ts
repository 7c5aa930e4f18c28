import { describe, expect, test } from 'vitest';
import { REDIRECT_CONTEXT } from '../../src/helpers/windows.ts';
import { FakeRun, u32Bytes } from './fake-run.ts';

const EINVAL = -22;
const STATUS_BUFFER_OVERFLOW = 0x8000_0005 | 0;
const run = new FakeRun({
  dialect: 'windows',
  type: 'bind',
  host: { process: { logonId: 12n, isAdmin: true, processStartKey: 13n, threadCreateTime: 14n } },
});
const show = (address: number, size: number): string => String.fromCharCode(...run.bytes(address, size));

describe('memory', () => {
  test.each(['memcpy_s', 'memmove_s'])('%s', (name) => {
    const to = run.buffer('....');
    const from = run.buffer('abcd');
    expect(run.run(name, to, 4, from, 3)).toBe(0);
    expect(show(to, 4)).toBe('abc.');
    expect(run.run(name, to, 2, from, 3)).toBe(EINVAL);
    expect(show(to, 4)).toBe('abc.');
    expect(run.run(name, to + 1, 3, to, 3)).toBe(0);
    expect(show(to, 4)).toBe('aabc');
  });

  test('memset gives the address back', () => {
    const to = run.buffer(4);
    expect(run.run('memset', to, 3, 0x141)).toBe(to);
    expect(run.bytes(to, 4)).toEqual([0x41, 0x41, 0x41, 0]);
  });

  test.each([
    ['abc', 'abc', 0],
    ['abc', 'abd', -1],
    ['abd', 'abc', 1],
    ['ab', 'abc', -1],
    ['abc', 'ab', 1],
  ])('memcmp_s of %s and %s', (a, b, expected) => {
    expect(run.run('memcmp_s', run.buffer(a), a.length, run.buffer(b), b.length)).toBe(expected);
  });
});

describe('strings', () => {
  test.each([
    ['....', 'abc\0', 4, 0, 'abc\0'],
    ['.....', 'abc', 2, 0, 'ab\0\0\0'],
    ['...', 'abc\0', 4, STATUS_BUFFER_OVERFLOW, 'ab\0'],
    ['.', '', 0, 0, '\0'],
  ])('strncpy_s into %j of %j', (room, text, count, status, result) => {
    const to = run.buffer(room);
    expect(run.run('strncpy_s', to, room.length, run.buffer(text === '' ? '\0' : text), count)).toBe(status);
    expect(show(to, room.length)).toBe(result);
  });

  test.each([
    ['ab\0....', 'cd\0', 3, 0, 'abcd\0\0\0'],
    ['ab\0.', 'cd\0', 3, STATUS_BUFFER_OVERFLOW, 'abc\0'],
    ['ab', 'cd\0', 3, EINVAL, 'ab'],
  ])('strncat_s to %j of %j', (room, text, count, status, result) => {
    const to = run.buffer(room);
    expect(run.run('strncat_s', to, room.length, run.buffer(text), count)).toBe(status);
    expect(show(to, room.length)).toBe(result);
  });

  test.each([
    ['abc\0d', 5, 3],
    ['abc', 3, 3],
    ['abc', 0, 0],
  ])('strnlen_s of %j', (text, size, expected) => {
    expect(run.run('strnlen_s', run.buffer(text), size)).toBe(expected);
  });
});

describe('identity', () => {
  test('of user, process and thread', () => {
    expect(run.run('get_current_logon_id', run.ctx)).toBe(12);
    expect(run.run('is_current_admin', run.ctx)).toBe(1);
    expect(run.run('get_current_process_start_key')).toBe(13);
    expect(run.run('get_current_thread_create_time')).toBe(14);
  });
});

describe('map_lookup_and_delete_elem', () => {
  test('gives a value that outlives its element until the run ends', () => {
    const { handle } = run.map('hash');
    const key = run.buffer(u32Bytes(1));
    run.run('map_update_elem', handle, key, run.buffer(u32Bytes(7, 8)), 0);
    const before = run.memory.used;
    const value = run.run('map_lookup_and_delete_elem', handle, key);
    expect(run.bytes(value, 8)).toEqual([7, 0, 0, 0, 8, 0, 0, 0]);
    expect(run.memory.accessible(value, 8, true)).toBe(true);
    expect(run.run('map_lookup_and_delete_elem', handle, key)).toBe(0);
    run.end();
    expect(run.memory.accessible(value, 8, false)).toBe(false);
    expect(run.memory.used).toBe(before);
  });
});

describe('connections', () => {
  test('carry bytes to whom they are redirected to', () => {
    const connect = new FakeRun({ dialect: 'windows', type: 'cgroup_sock_addr' });
    expect(connect.run('sock_addr_set_redirect_context', connect.ctx, connect.buffer('hello'), 5)).toBe(0);
    expect(connect.state(REDIRECT_CONTEXT).bytes).toEqual(new TextEncoder().encode('hello'));
  });

  test.each([
    ['cgroup_inet4_connect', 0],
    ['cgroup_inet6_connect', 0],
    ['cgroup_inet4_bind', -1],
    ['cgroup_inet6_listen', -1],
    ['cgroup_inet4_recv_accept', -1],
    ['cgroup_inet6_connect_authorization', -1],
  ] as const)('carry them in %s: %i', (attachType, expected) => {
    const hook = new FakeRun({ dialect: 'windows', type: 'cgroup_sock_addr', attachType });
    expect(hook.run('sock_addr_set_redirect_context', hook.ctx, hook.buffer('hello'), 5)).toBe(expected);
  });

  test.each([
    ['cgroup_inet4_connect', 0n],
    ['cgroup_inet4_connect_authorization', (6n << 48n) | 7n],
  ] as const)('go by an interface (%s)', (attachType, nextHop) => {
    const luid = (6n << 48n) | 7n;
    const input = { ctx: { interface_luid: luid } };
    const hook = new FakeRun({ dialect: 'windows', type: 'cgroup_sock_addr', attachType, input });
    const to = hook.buffer(40);
    hook.memory.u8.fill(0xee, to, to + 40);
    expect(hook.run('sock_addr_get_network_context', hook.ctx, to, 31)).toBe(-6);
    expect(hook.run('sock_addr_get_network_context', hook.ctx, to, 32)).toBe(0);
    const { view, u8 } = hook.memory;
    expect([view.getUint32(to, true), view.getUint32(to + 4, true), view.getUint32(to + 8, true)]).toEqual([1, 6, 0]);
    expect([view.getBigUint64(to + 16, true), view.getBigUint64(to + 24, true), u8[to + 32]]).toEqual([
      nextHop,
      0n,
      0xee,
    ]);
  });

  test.each([
    ['cgroup_inet4_connect', 7n],
    ['cgroup_inet4_bind', 0n],
    ['cgroup_inet6_listen', 0n],
  ] as const)('have a cookie (%s)', (attachType, cookie) => {
    const socket = { protocol: 'tcp', localAddress: '127.0.0.1', localPort: 1, cookie: 7n } as const;
    const host = { network: { sockets: [socket], currentSocket: 0 } };
    const hook = new FakeRun({ dialect: 'windows', type: 'cgroup_sock_addr', attachType, host });
    expect(hook.run('get_socket_cookie', hook.ctx)).toBe(Number(cookie));
  });
});

describe('xdp_adjust_head', () => {
  test('has no bound to the front', () => {
    const xdp = new FakeRun({ dialect: 'windows', type: 'xdp' });
    xdp.start({ data: Uint8Array.from({ length: 64 }, (_, i) => i) });
    expect(xdp.run('xdp_adjust_head', xdp.ctx, -20)).toBe(0);
    expect(xdp.finish().data?.length).toBe(84);
    expect(xdp.run('xdp_adjust_head', xdp.ctx, 85)).toBe(-1);
    expect(xdp.run('xdp_adjust_head', xdp.ctx, 24)).toBe(0);
    expect(xdp.finish().data?.[0]).toBe(4);
  });
});
