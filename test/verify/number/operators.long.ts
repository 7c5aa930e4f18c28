// All pairs of intervals of up to seven numbers around those where widths end, and of those of 5 bits.
import { describe, expect, it } from 'vitest';
import { testIntervals, testTnums } from './five-bits.ts';
import { abstraction, check, checkBranch, COMPARISONS, intervals, OPERATIONS } from './concrete.ts';

describe('abstract operators hold every concrete result on all pairs of intervals around the corners', () => {
  const around = intervals(3).map((members) => ({ members, bounds: abstraction(members) }));
  it.each(OPERATIONS)('%s', (op) => {
    for (const a of around) {
      const ends = [a.members[0], a.members.at(-1) as bigint];
      for (const b of around) {
        const wrong = check(op, ends, [b.members[0], b.members.at(-1) as bigint], a.bounds, b.bounds);
        if (wrong !== undefined) expect.fail(wrong);
      }
    }
  });
  it.each(COMPARISONS)('%s', (c) => {
    for (const a of around) {
      for (const b of around) {
        const wrong = checkBranch(c, a.members, b.members, a.bounds, b.bounds);
        if (wrong !== undefined) expect.fail(wrong);
      }
    }
  });
});

describe('intervals of 5 bits, all pairs', () => testIntervals(1));
describe('tristate numbers of 5 bits, all pairs', () => testTnums());
