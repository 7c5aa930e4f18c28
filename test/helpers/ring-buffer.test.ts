import { describe, expect, test } from 'vitest';
import type { RingBufferMap, UserRingBufferMap } from '../../src/spec/map.ts';
import { FakeRun, u32Bytes } from './fake-run.ts';

const E2BIG = -7;
const EAGAIN = -11;
const EINVAL = -22;

function records(map: unknown): number[][] {
  const out: number[][] = [];
  (map as RingBufferMap).consume((record) => out.push([...record]));
  return out;
}

describe('ring buffer', () => {
  test('hands records over in order, discarded ones left out', () => {
    const run = new FakeRun();
    const ring = run.map('ringbuf', { keySize: 0, valueSize: 0, maxEntries: 4096 });
    const data = run.buffer(u32Bytes(1));
    expect(run.run('ringbuf_output', ring.handle, data, 4, 0)).toBe(0);
    const first = run.run('ringbuf_reserve', ring.handle, 4, 0);
    const second = run.run('ringbuf_reserve', ring.handle, 4, 0);
    expect(first).not.toBe(0);
    run.memory.view.setUint32(first, 2, true);
    expect(run.run('ringbuf_query', ring.handle, 1)).toBe(4096);
    expect(run.run('ringbuf_query', ring.handle, 0)).toBeGreaterThan(0);
    run.run('ringbuf_submit', first, 0);
    run.run('ringbuf_discard', second, 0);
    expect(records(ring)).toEqual([
      [1, 0, 0, 0],
      [2, 0, 0, 0],
    ]);
    expect(run.run('ringbuf_query', ring.handle, 0)).toBe(0);
  });

  test('refuses what does not fit, unknown flags and records that are not held', () => {
    const run = new FakeRun();
    const ring = run.map('ringbuf', { keySize: 0, valueSize: 0, maxEntries: 4096 });
    const data = run.buffer(3000);
    expect(run.run('ringbuf_output', ring.handle, data, 3000, 8)).toBe(EINVAL);
    expect(run.run('ringbuf_output', ring.handle, data, 3000, 0)).toBe(0);
    expect(run.run('ringbuf_output', ring.handle, data, 3000, 0)).toBe(EAGAIN);
    expect(run.run('ringbuf_reserve', ring.handle, 3000, 0)).toBe(0);
    expect(run.run('ringbuf_reserve', ring.handle, 1n << 40n, 0)).toBe(0);
    const record = run.run('ringbuf_reserve', ring.handle, 16, 0);
    expect(() => run.run('ringbuf_submit', record + 8, 0)).toThrow(/not a ring buffer record/);
    run.run('ringbuf_submit', record, 0);
    expect(() => run.run('ringbuf_submit', record, 0)).toThrow(/helper-argument-kind/);
    expect(() => run.run('ringbuf_output', run.map('array').handle, data, 4, 0)).toThrow(/helper-argument-map-type/);
  });

  test('drops what an aborted run has reserved', () => {
    const run = new FakeRun();
    const ring = run.map('ringbuf', { keySize: 0, valueSize: 0, maxEntries: 4096 });
    run.run('ringbuf_reserve', ring.handle, 4, 0);
    run.end();
    expect(run.run('ringbuf_output', ring.handle, run.buffer(u32Bytes(5)), 4, 0)).toBe(0);
    expect(records(ring)).toEqual([[5, 0, 0, 0]]);
  });
});

describe('dynptr', () => {
  test('shows a map value or a record', () => {
    const run = new FakeRun();
    const dynptr = run.buffer(16);
    const value = run.buffer(u32Bytes(0x0403_0201, 0x0807_0605));
    const out = run.buffer(4);
    expect(run.run('dynptr_from_mem', value, 8, 0, dynptr)).toBe(0);
    expect(run.run('dynptr_read', out, 4, dynptr, 2, 0)).toBe(0);
    expect(run.bytes(out, 4)).toEqual([3, 4, 5, 6]);
    expect(run.run('dynptr_read', out, 4, dynptr, 5, 0)).toBe(E2BIG);
    expect(run.run('dynptr_read', out, 4, dynptr, 0, 1)).toBe(EINVAL);
    expect(run.run('dynptr_write', dynptr, 6, out, 2, 0)).toBe(0);
    expect(run.bytes(value, 8)).toEqual([1, 2, 3, 4, 5, 6, 3, 4]);
    expect(run.run('dynptr_write', dynptr, 7, out, 2, 0)).toBe(E2BIG);
    expect(run.run('dynptr_data', dynptr, 4, 4)).toBe(value + 4);
    expect(run.run('dynptr_data', dynptr, 5, 4)).toBe(0);
    expect(run.run('dynptr_from_mem', value, 8, 1, dynptr)).toBe(EINVAL);
    expect(run.run('dynptr_read', out, 4, dynptr, 0, 0), 'an invalid one').toBe(EINVAL);
    expect(run.run('dynptr_data', dynptr, 0, 1)).toBe(0);
  });

  test('of a record is submitted or discarded', () => {
    const run = new FakeRun();
    const ring = run.map('ringbuf', { keySize: 0, valueSize: 0, maxEntries: 4096 });
    const dynptr = run.buffer(16);
    expect(run.run('ringbuf_reserve_dynptr', ring.handle, 4, 0, dynptr)).toBe(0);
    expect(run.run('dynptr_write', dynptr, 0, run.buffer(u32Bytes(9)), 4, 0)).toBe(0);
    run.run('ringbuf_submit_dynptr', dynptr, 0);
    run.run('ringbuf_submit_dynptr', dynptr, 0);
    expect(run.run('ringbuf_reserve_dynptr', ring.handle, 8000, 0, dynptr)).toBe(EINVAL);
    run.run('ringbuf_discard_dynptr', dynptr, 0);
    expect(run.run('ringbuf_reserve_dynptr', ring.handle, 4, 0, dynptr)).toBe(0);
    run.run('ringbuf_discard_dynptr', dynptr, 0);
    expect(records(ring)).toEqual([[9, 0, 0, 0]]);
  });

  test('shows each record of a user ring buffer', () => {
    const run = new FakeRun();
    const ring = run.map('user_ringbuf', { keySize: 0, valueSize: 0, maxEntries: 4096 });
    for (const value of [1, 2, 3]) (ring as UserRingBufferMap).produce(u32Bytes(value));
    const out = run.buffer(4);
    const seen: number[] = [];
    const callback = run.subprogram((dynptr, context) => {
      expect(context).toBe(5n);
      expect(run.run('dynptr_read', out, 4, dynptr, 0, 0)).toBe(0);
      expect(run.run('dynptr_write', dynptr, 0, out, 4, 0), 'it is read-only').toBe(EINVAL);
      seen.push(run.bytes(out, 1)[0]);
      return seen.length === 2 ? 1n : 0n;
    });
    expect(run.run('user_ringbuf_drain', ring.handle, callback, 5, 0)).toBe(2);
    expect(seen).toEqual([1, 2]);
    expect(run.run('user_ringbuf_drain', ring.handle, callback, 5, 4)).toBe(EINVAL);
  });
});
