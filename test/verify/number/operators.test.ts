// Abstract operators against concrete results: every pair of small intervals and tnums around the numbers where widths end,
// and random ones of 64 bits.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ARITHMETIC,
  arithmetic32,
  arithmetic64,
  type BinaryOperation,
  byteSwap,
  negate,
  signExtend,
  truncate,
} from '../../../src/verify/number/arithmetic.ts';
import { branch, type Comparison } from '../../../src/verify/number/compare.ts';
import { type Bounds, low32, settle, union, widen } from '../../../src/verify/number/scalar.ts';
import * as R from '../../../src/verify/number/range.ts';
import * as T from '../../../src/verify/number/tnum.ts';

const u64 = (x: bigint): bigint => BigInt.asUintN(64, x);
const s64 = (x: bigint): bigint => BigInt.asIntN(64, x);

const within = (r: R.Range, w: R.Width, u: bigint, s: bigint): boolean =>
  u >= BigInt(r.umin) &&
  (r.umax === w.umax || u <= BigInt(r.umax)) &&
  s >= BigInt(r.smin) &&
  (r.smax === w.smax || s <= BigInt(r.smax));

/** Whether a number is a member, by its definition and without the code under test. */
function has(b: Bounds, raw: bigint): boolean {
  const x = u64(raw);
  const low = x & 0xffff_ffffn;
  const { r64, r32, bits } = b;
  const mask = (BigInt(bits.maskHigh >>> 0) << 32n) | BigInt(bits.maskLow >>> 0);
  const value = (BigInt(bits.valueHigh >>> 0) << 32n) | BigInt(bits.valueLow >>> 0);
  return within(r64, R.W64, x, s64(x)) && within(r32, R.W32, low, BigInt.asIntN(32, low)) && (x & ~mask) === value;
}

/** The concrete meaning (RFC 9669 section 4). */
const CONCRETE: Readonly<Record<BinaryOperation, (a: bigint, b: bigint, w: number) => bigint>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => (b === 0n ? 0n : a / b),
  mod: (a, b) => (b === 0n ? a : a % b),
  sdiv: (a, b, w) => (b === 0n ? 0n : BigInt.asIntN(w, a) / BigInt.asIntN(w, b)),
  smod: (a, b, w) => (b === 0n ? a : BigInt.asIntN(w, a) % BigInt.asIntN(w, b)),
  and: (a, b) => a & b,
  or: (a, b) => a | b,
  xor: (a, b) => a ^ b,
  lsh: (a, b, w) => a << (b & BigInt(w - 1)),
  rsh: (a, b, w) => a >> (b & BigInt(w - 1)),
  arsh: (a, b, w) => BigInt.asIntN(w, a) >> (b & BigInt(w - 1)),
};
const concrete = (op: BinaryOperation, a: bigint, b: bigint, w: 32 | 64): bigint =>
  BigInt.asUintN(w, CONCRETE[op](BigInt.asUintN(w, a), BigInt.asUintN(w, b), w));

const COMPARE: Readonly<Record<Comparison, (a: bigint, b: bigint, w: number) => boolean>> = {
  jeq: (a, b) => a === b,
  jne: (a, b) => a !== b,
  jgt: (a, b) => a > b,
  jge: (a, b) => a >= b,
  jlt: (a, b) => a < b,
  jle: (a, b) => a <= b,
  jset: (a, b) => (a & b) !== 0n,
  jsgt: (a, b, w) => BigInt.asIntN(w, a) > BigInt.asIntN(w, b),
  jsge: (a, b, w) => BigInt.asIntN(w, a) >= BigInt.asIntN(w, b),
  jslt: (a, b, w) => BigInt.asIntN(w, a) < BigInt.asIntN(w, b),
  jsle: (a, b, w) => BigInt.asIntN(w, a) <= BigInt.asIntN(w, b),
};

const OPERATIONS = Object.keys(ARITHMETIC) as BinaryOperation[];
const COMPARISONS = Object.keys(COMPARE) as Comparison[];

/** The least abstract number that holds all of these. */
const abstraction = (members: readonly bigint[]): Bounds => members.map((m) => one(m)).reduce(union);
function one(x: bigint): Bounds {
  const bits = T.constantOf(u64(x));
  return settle(R.W64.full, R.W32.full, bits) as Bounds;
}

/** Numbers near which widths and signs end. */
const CORNERS = [0n, 2n ** 31n, 2n ** 32n, 2n ** 52n, 2n ** 53n, 2n ** 63n, 2n ** 64n, 2n ** 33n + 2n ** 31n];

function check(
  op: BinaryOperation,
  as: readonly bigint[],
  bs: readonly bigint[],
  a: Bounds,
  b: Bounds,
): string | undefined {
  const r64 = arithmetic64(op, a, b);
  const r32 = arithmetic32(op, a, b);
  for (const x of as) {
    for (const y of bs) {
      if (!has(r64, concrete(op, x, y, 64))) return `${op}64 ${x} ${y}: ${JSON.stringify(r64)}`;
      if (!has(r32, concrete(op, x, y, 32))) return `${op}32 ${x} ${y}: ${JSON.stringify(r32)}`;
    }
  }
  return undefined;
}

function checkBranch(
  c: Comparison,
  as: readonly bigint[],
  bs: readonly bigint[],
  a: Bounds,
  b: Bounds,
): string | undefined {
  for (const width of [32, 64] as const) {
    const ways = branch(c, a, b, width);
    for (const x of as) {
      for (const y of bs) {
        const way = COMPARE[c](BigInt.asUintN(width, x), BigInt.asUintN(width, y), width) ? ways.taken : ways.otherwise;
        if (way === undefined || !has(way[0], x) || !has(way[1], y))
          return `${c}${width} ${x} ${y}: ${JSON.stringify(ways)}`;
      }
    }
  }
  return undefined;
}

/** All intervals of up to `span` numbers around the corners, as member lists. */
function intervals(span: number): bigint[][] {
  const out: bigint[][] = [];
  for (const corner of CORNERS) {
    for (let from = -span; from <= span; from++) {
      for (let length = 1; from + length - 1 <= span; length++) {
        out.push(Array.from({ length }, (_, i) => u64(corner + BigInt(from + i))));
      }
    }
  }
  return out;
}

describe('abstract operators hold every concrete result', () => {
  const small = intervals(3);
  const around = small.map((members) => ({ members, bounds: abstraction(members) }));
  it.each(OPERATIONS)('%s on all intervals around the corners', (op) => {
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
  it.each(COMPARISONS)('%s on all intervals around the corners', (c) => {
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
      { numRuns: 20_000 },
    );
  });
  it('branches on random sets of 64-bit numbers', () => {
    fc.assert(
      fc.property(fc.constantFrom(...COMPARISONS), members, members, (c, as, bs) => {
        expect(checkBranch(c, as, bs, abstraction(as), abstraction(bs))).toBeUndefined();
      }),
      { numRuns: 20_000 },
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
      { numRuns: 5_000 },
    );
  });
  it('widening holds both', () => {
    fc.assert(
      fc.property(members, members, (as, bs) => {
        const wide = widen(abstraction(as), abstraction([...as, ...bs]), [-1, 0, 1, 64, 1500, 65_535]);
        for (const x of [...as, ...bs]) expect(has(wide, x)).toBe(true);
      }),
      { numRuns: 3_000 },
    );
  });
});
