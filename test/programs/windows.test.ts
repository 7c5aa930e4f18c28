// Windows' program types: contexts with 64-bit pointers, data beside them, verdicts, what may be written.
import { describe, expect, test } from 'vitest';
import { PROGRAM_TYPE_ROWS } from '../../src/programs/index.ts';
import { loadText } from '../run/support.ts';

const windows = { dialect: 'windows' } as const;
const DATA = Uint8Array.from({ length: 20 }, (_, i) => i + 1);

test('layouts have the sizes of eBPF for Windows 1.6', () => {
  const sizes = Object.fromEntries(
    PROGRAM_TYPE_ROWS.flatMap(({ type, contexts }) =>
      contexts.windows === undefined ? [] : [[type, contexts.windows.size]],
    ),
  );
  expect(sizes).toEqual({ xdp: 32, cgroup_sock_addr: 64, sock_ops: 64, bind: 56 });
});

describe('xdp', () => {
  test('pointers are 64 bits wide, the packet can be read and written', () => {
    const text =
      'r2 = *(u64 *)(r1 + 0)\nr3 = *(u64 *)(r1 + 8)\nr4 = r2\nr4 += 14\nif r4 > r3 goto out\nr0 = *(u8 *)(r2 + 13)\nr5 = 99\n*(u8 *)(r2 + 0) = r5\nr0 = 2\nout: exit';
    using object = loadText('xdp', text, { more: windows });
    const result = object.program().run({ data: DATA, ctx: { ingress_ifindex: 3 } });
    expect(result).toMatchObject({ retval: 2, verdict: 'XDP_DROP' });
    expect(result.data?.[0]).toBe(99);
    expect(new DataView(result.ctx?.buffer ?? new ArrayBuffer(32)).getUint32(24, true)).toBe(3);
  });

  test('its head can grow beyond the head room', () => {
    using object = loadText('xdp', 'r2 = -1000\ncall bpf_xdp_adjust_head\nexit', { more: windows });
    const result = object.program().run({ data: DATA });
    expect(result.retval).toBe(0);
    expect(result.data?.length).toBe(1020);
    expect(result.data?.subarray(1000)).toEqual(DATA);
  });
});

describe('bind', () => {
  test('the application’s path is data that can only be read', () => {
    const text =
      'r2 = *(u64 *)(r1 + 0)\nr3 = *(u64 *)(r1 + 8)\nr4 = r2\nr4 += 1\nif r4 > r3 goto out\nr0 = *(u8 *)(r2 + 0)\nout: r0 = *(u32 *)(r1 + 44)\nexit';
    using object = loadText('bind', text, { more: windows });
    expect(object.program().run({ data: DATA, ctx: { operation: 1, process_id: 77n } })).toMatchObject({
      retval: 1,
      verdict: 'BIND_DENY',
    });
    using writes = loadText('bind', 'r2 = *(u64 *)(r1 + 0)\nr3 = 1\n*(u8 *)(r2 + 0) = r3\nr0 = 0\nexit', {
      more: windows,
    });
    expect(() => writes.program().run({ data: DATA })).toThrow(/read-only/);
  });

  test('the address can be rewritten and comes back', () => {
    using object = loadText('bind', 'r2 = 0x1f90\n*(u16 *)(r1 + 26) = r2\nr0 = 2\nexit', { more: windows });
    const address = Uint8Array.from([2, 0, 0, 80, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    const result = object.program().run({ ctx: { socket_address: address, socket_address_length: 16 } });
    expect(result.verdict).toBe('BIND_REDIRECT');
    expect([...(result.ctx?.subarray(24, 32) ?? [])]).toEqual([2, 0, 0x90, 0x1f, 127, 0, 0, 1]);
    // Addresses of the run are nothing to the caller.
    expect(result.ctx?.subarray(0, 16).every((byte) => byte === 0)).toBe(true);
  });
});

test('sock_addr: what connect is asked', () => {
  const text = 'r2 = *(u16 *)(r1 + 40)\nr0 = 0\nif r2 == 0x5000 goto out\nr0 = 1\nout: exit';
  using object = loadText('cgroup_sock_addr', text, { more: { ...windows, attachType: 'cgroup_inet4_connect' } });
  expect(object.program().run({ ctx: { family: 2, user_port: 0x5000 } }).verdict).toBe('REJECT');
  expect(object.program().run({ ctx: { family: 2, user_port: 0x5100 } }).verdict).toBe('PROCEED_SOFT');
  expect(() => object.program().run({ ctx: { port: 1 } })).toThrow(/no field 'port'/);
  expect(() => object.program().run({ ctx: { user_port: 65_536 } })).toThrow(/cannot hold 65536/);
});

test('sockops', () => {
  using ops = loadText('sock_ops', 'r0 = *(u8 *)(r1 + 48)\nexit', { more: windows });
  expect(ops.program().run({ ctx: { protocol: 6 } }).retval).toBe(6);
});
