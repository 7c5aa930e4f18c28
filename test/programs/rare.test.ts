// Program types that few programs have, run once each: what they see and what they may change.
import { describe, expect, test } from 'vitest';
import { ipv6Frame, loadText } from '../run/support.ts';

describe('lwt_seg6local', () => {
  test('sees the packet from its network header on and gives its verdict', () => {
    using object = loadText('lwt_seg6local', 'r2 = *(u32 *)(r1 + 76)\nr0 = *(u8 *)(r2 + 0)\nexit');
    expect(object.program('main').run({ data: ipv6Frame() }).retval).toBe(0x60);
  });
});

describe('raw_tracepoint_writable', () => {
  test('sees the arguments as numbers, as raw_tracepoint', () => {
    using object = loadText('raw_tracepoint_writable', 'r0 = *(u64 *)(r1 + 0)\nr2 = *(u64 *)(r1 + 8)\nr0 += r2\nexit');
    expect(object.program('main').run({ args: [40n, 2n] }).retval).toBe(42);
  });
});

test('what a run gives back is not touched by the next', () => {
  using object = loadText('xdp', 'r2 = *(u32 *)(r1 + 0)\n*(u8 *)(r2 + 0) = 7\nr0 = 2\nexit', { maps: [] });
  const program = object.program('main');
  const first = program.run({ data: ipv6Frame(64) });
  const { data, ctx } = { data: first.data?.slice(), ctx: first.ctx?.slice() };
  program.run({ data: ipv6Frame(90) });
  expect({ data: first.data, ctx: first.ctx }).toEqual({ data, ctx });
});

test('room around a packet is empty whatever the packet before left there', () => {
  // Grows the packet at its end and returns the last byte, which must be new.
  const grow =
    'r6 = r1\nr2 = 64\ncall bpf_xdp_adjust_tail\nr2 = *(u32 *)(r6 + 4)\nr0 = *(u8 *)(r2 - 1)\nr3 = 255\n*(u8 *)(r2 - 1) = r3\nexit';
  using object = loadText('xdp', grow);
  const program = object.program('main');
  for (const length of [200, 64, 136, 136, 80]) {
    const data = new Uint8Array(length).fill(0xee);
    expect(program.run({ data }).retval).toBe(0);
  }
});
