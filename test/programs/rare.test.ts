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
