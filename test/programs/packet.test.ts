// The packet buffer: regions and context follow it, room is made where the type can grow.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { equalBytes } from '../../src/base/bytes.ts';
import { PacketBuffer } from '../../src/programs/packet.ts';
import { schedCls } from '../../src/programs/sched.ts';
import { LinearMemory } from '../../src/run/memory.ts';
import type { ContextLayout } from '../../src/spec/program.ts';
import { ipv4Frame, loadText } from '../run/support.ts';

const LAYOUT = schedCls.contexts.linux as ContextLayout;

function make(growable: boolean) {
  const memory = new LinearMemory();
  const ctx = memory.alloc(LAYOUT.size);
  const packet = new PacketBuffer(memory, LAYOUT, ctx, { headRoom: 64, writable: true, growable });
  return { memory, ctx, packet };
}

test('the context’s pointers and length are the packet’s', () => {
  const { memory, ctx, packet } = make(true);
  packet.lay(Uint8Array.from([1, 2, 3, 4, 5]), 10, 2);
  const field = (name: string) => memory.view.getUint32(ctx + LAYOUT.fields[name].offset, true);
  expect([field('data'), field('data_end'), field('data_meta'), field('len')]).toEqual([
    packet.data,
    packet.end,
    packet.meta,
    3,
  ]);
  expect(packet.bytes()).toEqual(Uint8Array.from([3, 4, 5]));
  expect(packet.bytes(packet.meta)).toEqual(Uint8Array.from([1, 2, 3, 4, 5]));
  expect(packet.limit - packet.end).toBe(10);
});

test('only the packet and its metadata can be reached, each for itself', () => {
  const { memory, packet } = make(true);
  packet.lay(Uint8Array.from([1, 2, 3, 4]), 10, 2);
  expect(memory.accessible(packet.data, 2, true)).toBe(true);
  expect(memory.accessible(packet.data, 3, false)).toBe(false);
  expect(memory.accessible(packet.meta, 2, true)).toBe(true);
  expect(memory.accessible(packet.meta, 3, false)).toBe(false);
  expect(memory.accessible(packet.meta - 1, 1, false)).toBe(false);
  packet.move(packet.data + 1, packet.end, packet.data + 1);
  expect(memory.accessible(packet.data - 1, 1, false)).toBe(false);
  expect(memory.regionAt(packet.data)?.kind).toBe('packet');
});

test('a frame of fixed size does not grow', () => {
  const { packet } = make(false);
  packet.lay(new Uint8Array(20), 10);
  expect(packet.reserve(64, 10)).toBe(true);
  expect(packet.reserve(65, 0)).toBe(false);
  expect(packet.reserve(0, 11)).toBe(false);
  expect(() => packet.move(packet.head - 1, packet.end, packet.head - 1)).toThrow();
});

test('making room keeps bytes, distances and the reach of programs, and gives all memory back', () => {
  const step = fc.record({ head: fc.nat({ max: 9000 }), tail: fc.nat({ max: 9000 }), push: fc.nat({ max: 100 }) });
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), fc.array(step, { maxLength: 6 }), (bytes, steps) => {
      const { memory, ctx, packet } = make(true);
      packet.lay(bytes, 5);
      packet.network = packet.data + 1;
      let expected = bytes;
      for (const { head, tail, push } of steps) {
        const before = { link: packet.data - packet.link, network: packet.network - packet.link };
        expect(packet.reserve(head, tail)).toBe(true);
        expect(packet.data - packet.head).toBeGreaterThanOrEqual(head);
        expect(packet.limit - packet.end).toBeGreaterThanOrEqual(tail);
        expect({ link: packet.data - packet.link, network: packet.network - packet.link }).toEqual(before);
        const by = Math.min(push, packet.data - packet.head);
        packet.move(packet.data - by, packet.end, packet.data - by);
        expected = Uint8Array.from([...new Uint8Array(by), ...expected]);
        expect(packet.bytes().subarray(by)).toEqual(expected.subarray(by));
        expected = packet.bytes();
        expect(memory.accessible(packet.data, expected.length, true)).toBe(true);
        expect(memory.accessible(packet.end, 1, false)).toBe(false);
      }
      packet.dispose();
      memory.free(ctx);
      expect(memory.used).toBe(0);
    }),
  );
});

describe('sizes that a device may hand over', () => {
  test.each(['xdp', 'sched_cls', 'socket_filter', 'flow_dissector'] as const)(
    '%s takes 64 KiB, and then small packets again',
    (type) => {
      using object = loadText(
        type,
        type === 'socket_filter' ? 'r6 = r1\nr0 = *(u8 *)skb[65000]\nexit' : 'r0 = 7\nexit',
      );
      const large = ipv4Frame(65_550);
      expect(() => object.program().run({ data: large })).toThrow(/EINVAL/);
      const { data, retval } = object.program().run({ data: large, limits: 'device' });
      expect(retval).toBe(type === 'socket_filter' ? large[65_014] : 7);
      if (type === 'xdp' || type === 'sched_cls') expect(equalBytes(data ?? new Uint8Array(), large)).toBe(true);
      expect(object.program().run({ data: new Uint8Array(14), limits: 'device' }).retval).toBe(
        type === 'socket_filter' ? 0 : 7,
      );
      expect(() => object.program().run({ data: ipv4Frame(65_551), limits: 'device' })).toThrow(/EINVAL/);
    },
  );
});
