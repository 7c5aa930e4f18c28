// What abstract numbers and operators mean, told by concrete numbers: without the code under test.
import { ARITHMETIC, arithmetic32, arithmetic64, type BinaryOperation } from '../../../src/verify/number/arithmetic.ts';
import { branch, type Comparison } from '../../../src/verify/number/compare.ts';
import { type Bounds, settle, union } from '../../../src/verify/number/scalar.ts';
import * as R from '../../../src/verify/number/range.ts';
import * as T from '../../../src/verify/number/tnum.ts';
import { has } from '../containment.ts';

export const u64 = (x: bigint): bigint => BigInt.asUintN(64, x);
/** The concrete meaning (RFC 9669 section 4). */
export const CONCRETE: Readonly<Record<BinaryOperation, (a: bigint, b: bigint, w: number) => bigint>> = {
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

export const OPERATIONS = Object.keys(ARITHMETIC) as BinaryOperation[];
export const COMPARISONS = Object.keys(COMPARE) as Comparison[];

/** The least abstract number that holds all of these. */
export const abstraction = (members: readonly bigint[]): Bounds => members.map((m) => one(m)).reduce(union);
function one(x: bigint): Bounds {
  const bits = T.constantOf(u64(x));
  return settle(R.W64.full, R.W32.full, bits) as Bounds;
}

/** Numbers near which widths and signs end. */
export const CORNERS = [0n, 2n ** 31n, 2n ** 32n, 2n ** 52n, 2n ** 53n, 2n ** 63n, 2n ** 64n, 2n ** 33n + 2n ** 31n];

export function check(
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

export function checkBranch(
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
export function intervals(span: number): bigint[][] {
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
