// Abstract operators against concrete results: small intervals around the numbers where widths end, random sets of 64-bit numbers,
// and of 5 bits. All pairs of larger intervals, and of those of 5 bits: operators.long.ts.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { byteSwap, negate, signExtend, truncate } from '../../../src/verify/number/arithmetic.ts';
import { low32, widen } from '../../../src/verify/number/scalar.ts';
import { has } from '../containment.ts';
import { testIntervals, testTnums } from './five-bits.ts';
import { abstraction, check, checkBranch, COMPARISONS, CORNERS, intervals, OPERATIONS, u64 } from './concrete.ts';

describe('abstract operators hold every concrete result', () => {
  const small = intervals(1);
  const around = small.map((members) => ({ members, bounds: abstraction(members) }));
  it.each(OPERATIONS)('%s on intervals around the corners', (op) => {
    for (const a of around) {
      for (const b of around) {
        const wrong = check(
          op,
          [a.members[0], a.members.at(-1) as bigint],
          [b.members[0], b.members.at(-1) as bigint],
          a.bounds,
          b.bounds,
        );
        if (wrong !== undefined) expect.fail(wrong);
      }
    }
  });
  it.each(COMPARISONS)('%s on intervals around the corners', (c) => {
    for (const a of around) {
      for (const b of around) {
        const wrong = checkBranch(c, a.members, b.members, a.bounds, b.bounds);
        if (wrong !== undefined) expect.fail(wrong);
      }
    }
  });

  const number = fc.oneof(
    fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    fc.bigInt({ min: 0n, max: 40n }),
    fc.tuple(fc.constantFrom(...CORNERS), fc.bigInt({ min: -9n, max: 9n })).map(([c, d]) => u64(c + d)),
    fc.nat({ max: 63 }).chain((k) => fc.bigInt({ min: 0n, max: 2n ** BigInt(k + 1) - 1n })),
  );
  const members = fc.array(number, { minLength: 1, maxLength: 4 });
  it('arithmetic on random sets of 64-bit numbers', () => {
    fc.assert(
      fc.property(fc.constantFrom(...OPERATIONS), members, members, (op, as, bs) => {
        expect(check(op, as, bs, abstraction(as), abstraction(bs))).toBeUndefined();
      }),
      { numRuns: 3_000 },
    );
  });
  it('branches on random sets of 64-bit numbers', () => {
    fc.assert(
      fc.property(fc.constantFrom(...COMPARISONS), members, members, (c, as, bs) => {
        expect(checkBranch(c, as, bs, abstraction(as), abstraction(bs))).toBeUndefined();
      }),
      { numRuns: 3_000 },
    );
  });
  it('one-operand operations on random sets', () => {
    fc.assert(
      fc.property(members, (as) => {
        const a = abstraction(as);
        for (const x of as) {
          for (const from of [8, 16, 32]) expect(has(signExtend(a, from), u64(BigInt.asIntN(from, x)))).toBe(true);
          for (const to of [8, 16, 32, 64]) expect(has(truncate(a, to), BigInt.asUintN(to, x))).toBe(true);
          expect(has(negate(a, 64), u64(-x))).toBe(true);
          expect(has(negate(a, 32), BigInt.asUintN(32, -x))).toBe(true);
          expect(has(low32(a), x & 0xffff_ffffn)).toBe(true);
          for (const width of [16, 32, 64] as const) {
            const bytes = Array.from({ length: width / 8 }, (_, i) => (x >> BigInt(8 * i)) & 0xffn);
            expect(
              has(
                byteSwap(a, width),
                bytes.reduce((sum, byte) => (sum << 8n) | byte, 0n),
              ),
            ).toBe(true);
          }
        }
      }),
      { numRuns: 500 },
    );
  });
  it('widening holds both', () => {
    fc.assert(
      fc.property(members, members, (as, bs) => {
        const wide = widen(abstraction(as), abstraction([...as, ...bs]), [-1, 0, 1, 64, 1500, 65_535]);
        for (const x of [...as, ...bs]) expect(has(wide, x)).toBe(true);
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('intervals of 5 bits, an eighth of the pairs', () => testIntervals(8));
describe('tristate numbers of 5 bits, all pairs', () => testTnums());
