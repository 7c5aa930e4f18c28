// Freed memory is used again, in other sizes too, before a memory is full.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GAP, LinearMemory, PAGE } from '../../src/run/memory.ts';

describe('freed blocks', () => {
  it('are joined and split where the memory is at its limit', () => {
    const memory = new LinearMemory(4 * PAGE);
    const blocks = Array.from({ length: 12 }, () => memory.alloc(PAGE / 4 - GAP));
    expect(() => memory.alloc(PAGE)).toThrow(/memory/);
    for (const block of blocks.slice(2, 7)) memory.free(block);
    const large = memory.alloc(PAGE);
    expect(large).toBe(blocks[2]);
    memory.free(large);
    // The smallest that holds it: what the large one left.
    expect(memory.alloc(100)).toBe(large + PAGE + GAP);
  });

  it('never overlap and are zeroed, whatever is taken and given back', () => {
    const step = fc.record({ free: fc.boolean(), size: fc.integer({ min: 0, max: 20_000 }), which: fc.nat() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const memory = new LinearMemory(3 * PAGE);
        const live: { at: number; size: number }[] = [];
        for (const { free, size, which } of steps) {
          if (free && live.length > 0) {
            const [{ at }] = live.splice(which % live.length, 1);
            memory.free(at);
            continue;
          }
          let at: number;
          try {
            at = memory.alloc(size);
          } catch {
            continue;
          }
          expect(at % 8).toBe(0);
          expect(memory.u8.subarray(at, at + size).every((byte) => byte === 0)).toBe(true);
          for (const other of live) expect(at + size <= other.at || other.at + other.size <= at).toBe(true);
          memory.u8.fill(0xff, at, at + size);
          live.push({ at, size });
        }
        expect(memory.used).toBe(live.reduce((sum, { at }) => sum + memory.sizeOf(at), 0));
      }),
    );
  });
});
