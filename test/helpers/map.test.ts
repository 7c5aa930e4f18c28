import { describe, expect, test } from 'vitest';
import { FakeRun, u32Bytes } from './fake-run.ts';

const ENOENT = -2;
const E2BIG = -7;
const EEXIST = -17;
const EINVAL = -22;

describe('map elements', () => {
  test('are found where they were put, and gone after they are deleted', () => {
    const run = new FakeRun();
    const { handle } = run.map('hash', { maxEntries: 1 });
    const key = run.buffer(u32Bytes(7));
    const other = run.buffer(u32Bytes(8));
    const value = run.buffer(u32Bytes(1, 2));
    expect(run.run('map_lookup_elem', handle, key)).toBe(0);
    expect(run.run('map_update_elem', handle, key, value, 2)).toBe(ENOENT);
    expect(run.run('map_update_elem', handle, key, value, 0)).toBe(0);
    expect(run.run('map_update_elem', handle, key, value, 1)).toBe(EEXIST);
    expect(run.run('map_update_elem', handle, other, value, 0)).toBe(E2BIG);
    expect(run.run('map_update_elem', handle, key, value, 8)).toBe(EINVAL);
    expect(run.bytes(run.run('map_lookup_elem', handle, key), 8)).toEqual([1, 0, 0, 0, 2, 0, 0, 0]);
    expect(run.run('map_delete_elem', handle, key)).toBe(0);
    expect(run.run('map_delete_elem', handle, key)).toBe(ENOENT);
  });

  test('fail with Windows’ numbers on Windows', () => {
    const run = new FakeRun({ dialect: 'windows', type: 'bind' });
    const { handle } = run.map('hash', { maxEntries: 1 });
    const key = run.buffer(u32Bytes(7));
    const other = run.buffer(u32Bytes(8));
    const value = run.buffer(8);
    expect(run.run('map_delete_elem', handle, key)).toBe(-19);
    expect(run.run('map_update_elem', handle, key, value, 0)).toBe(0);
    expect(run.run('map_update_elem', handle, key, value, 1)).toBe(-26);
    expect(run.run('map_update_elem', handle, other, value, 0)).toBe(-29);
    expect(run.run('map_update_elem', handle, key, value, 77)).toBe(-6);
  });

  test('of queues and stacks come out in their order', () => {
    const run = new FakeRun();
    for (const [type, order] of [
      ['queue', [1, 2]],
      ['stack', [2, 1]],
    ] as const) {
      const { handle } = run.map(type, { keySize: 0, valueSize: 4, maxEntries: 2 });
      const out = run.buffer(4);
      expect(run.run('map_pop_elem', handle, out)).toBe(ENOENT);
      for (const value of [1, 2]) expect(run.run('map_push_elem', handle, run.buffer(u32Bytes(value)), 0)).toBe(0);
      expect(run.run('map_push_elem', handle, run.buffer(u32Bytes(3)), 0)).toBe(E2BIG);
      expect(run.run('map_peek_elem', handle, out)).toBe(0);
      expect(run.bytes(out, 1)).toEqual([order[0]]);
      for (const value of order) {
        expect(run.run('map_pop_elem', handle, out)).toBe(0);
        expect(run.bytes(out, 1)).toEqual([value]);
      }
    }
  });

  test('of a map without the ability abort with the type’s name', () => {
    const run = new FakeRun();
    const { handle } = run.map('hash');
    const value = run.buffer(8);
    expect(() => run.run('map_push_elem', handle, value, 0)).toThrow(/map of type hash.*helper-argument-map-type/);
    const callback = run.subprogram(() => 0n);
    const queue = run.map('queue', { keySize: 0 });
    expect(() => run.run('for_each_map_elem', queue.handle, callback, 0, 0)).toThrow(/helper-argument-map-type/);
  });

  test('of a per-CPU map are told apart by CPU', () => {
    const run = new FakeRun({ host: { cpus: 2 } });
    const { handle } = run.map('percpu_array');
    const key = run.buffer(u32Bytes(1));
    const own = run.run('map_lookup_elem', handle, key);
    run.cpu = 1;
    const other = run.run('map_lookup_elem', handle, key);
    expect(other).not.toBe(own);
    expect(run.run('map_lookup_percpu_elem', handle, key, 0)).toBe(own);
    expect(run.run('map_lookup_percpu_elem', handle, key, 1)).toBe(other);
    expect(run.run('map_lookup_percpu_elem', handle, key, 2)).toBe(0);
  });
});

describe('for_each_map_elem', () => {
  test('calls back with map, key, value and context until it is told to stop', () => {
    const run = new FakeRun();
    const { handle } = run.map('array', { maxEntries: 5 });
    const keys: number[] = [];
    const visit = (stopAt: number): bigint =>
      run.subprogram((map, key, value, context) => {
        expect([map, context]).toEqual([BigInt(handle), 42n]);
        expect(run.memory.accessible(Number(value), 8, true)).toBe(true);
        keys.push(run.memory.view.getUint32(Number(key), true));
        return keys.length === stopAt ? 1n : 0n;
      });
    expect(run.run('for_each_map_elem', handle, visit(3), 42, 0)).toBe(3);
    expect(keys).toEqual([0, 1, 2]);
    expect(run.run('for_each_map_elem', handle, visit(100), 42, 0)).toBe(5);
    expect(run.run('for_each_map_elem', handle, visit(100), 42, 1)).toBe(EINVAL);
  });
});

describe('loop', () => {
  test('counts its calls', () => {
    const run = new FakeRun();
    const seen: bigint[] = [];
    const callback = run.subprogram((index, context) => {
      seen.push(index, context);
      return index === 2n ? 1n : 0n;
    });
    expect(run.run('loop', 2, callback, 9, 0)).toBe(2);
    expect(seen).toEqual([0n, 9n, 1n, 9n]);
    expect(run.run('loop', 10, callback, 9, 0)).toBe(3);
    expect(run.run('loop', 0, callback, 9, 0)).toBe(0);
    expect(run.run('loop', 1, callback, 9, 1)).toBe(EINVAL);
    expect(run.run('loop', 2 ** 23 + 1, callback, 9, 0)).toBe(E2BIG);
  });
});

describe('tail_call', () => {
  test('goes to the program in the slot, up to the limit', () => {
    const run = new FakeRun();
    const map = run.map('prog_array', { valueSize: 4 });
    map.update(u32Bytes(1), u32Bytes(77));
    expect(run.run('tail_call', run.ctx, map.handle, 1)).toBe(0);
    expect(run.tailCalls).toEqual([77]);
    expect(run.run('tail_call', run.ctx, map.handle, 0)).toBeLessThan(0);
    expect(run.run('tail_call', run.ctx, map.handle, 4)).toBeLessThan(0);
    expect(run.tailCalls).toEqual([77]);
    run.tailCallLimit = 1;
    expect(run.run('tail_call', run.ctx, map.handle, 1)).toBeLessThan(0);
    expect(() => run.run('tail_call', run.ctx, run.map('array').handle, 0)).toThrow(/helper-argument-map-type/);
  });

  test('fails with Windows’ numbers on Windows', () => {
    const run = new FakeRun({ dialect: 'windows', type: 'bind' });
    const map = run.map('prog_array', { valueSize: 4 });
    map.update(u32Bytes(0), u32Bytes(5));
    run.tailCallLimit = 0;
    expect(run.run('tail_call', run.ctx, map.handle, 0)).toBe(-27);
    expect(run.run('tail_call', run.ctx, map.handle, 9)).toBe(-6);
  });
});
