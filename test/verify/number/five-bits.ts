// Intervals and tristate numbers of 5 bits, pairs of them under all operators: every concrete result is held; and how often the
// result is the least one that holds them.
import { expect, it } from 'vitest';
import { ARITHMETIC, type BinaryOperation } from '../../../src/verify/number/arithmetic.ts';
import * as R from '../../../src/verify/number/range.ts';
import * as T from '../../../src/verify/number/tnum.ts';
import { CONCRETE, OPERATIONS } from './concrete.ts';

const BITS = 5;
const COUNT = 1 << BITS;
const W = R.widthOf(BITS);
const signedOf = (x: number): number => (x >= COUNT / 2 ? x - COUNT : x);
/** Sets of numbers are words: bit x stands for x. */
const bit = (x: number): number => 1 << x;

/** Results of an operation, by both operands. Shifts take their amount modulo the width (`amounts` in arithmetic.ts). */
function table(op: BinaryOperation): Uint8Array {
  const results = new Uint8Array(COUNT * COUNT);
  const shift = op.endsWith('sh');
  for (let x = 0; x < COUNT; x++) {
    for (let y = 0; y < COUNT; y++) {
      const by = BigInt(shift ? y % BITS : y);
      // The widths of CONCRETE mask amounts by their bits; here they are small enough already.
      const a = op === 'arsh' ? BigInt.asUintN(8, BigInt(signedOf(x))) : BigInt(x);
      const result = CONCRETE[op](a, by, op === 'arsh' ? 8 : BITS === 5 && shift ? 8 : BITS);
      results[x * COUNT + y] = Number(BigInt.asUintN(BITS, result));
    }
  }
  return results;
}

interface Interval {
  readonly range: R.Range;
  readonly members: readonly number[];
}

/** All intervals of the unsigned and of the signed reading. */
function allIntervals(): Interval[] {
  const out: Interval[] = [];
  for (let from = 0; from < COUNT; from++) {
    for (let to = from; to < COUNT; to++) {
      const members = Array.from({ length: to - from + 1 }, (_, i) => from + i);
      out.push({ range: R.unsigned(W, from, to), members });
      // Those of one sign are the same in both.
      const [smin, smax] = [from - COUNT / 2, to - COUNT / 2];
      if (smin < 0 && smax >= 0)
        out.push({ range: R.signed(W, smin, smax), members: members.map((x) => (x - COUNT / 2 + COUNT) % COUNT) });
    }
  }
  return out;
}

const held = (r: R.Range, x: number): boolean =>
  x >= r.umin && x <= r.umax && signedOf(x) >= r.smin && signedOf(x) <= r.smax;

/** The set that an interval stands for. */
function setOf(r: R.Range): number {
  let set = 0;
  for (let x = 0; x < COUNT; x++) if (held(r, x)) set |= bit(x);
  return set;
}

/** The least interval that holds a set. */
function leastRange(set: number): R.Range {
  let [umin, umax, smin, smax] = [COUNT, -1, COUNT, -COUNT];
  for (let x = 0; x < COUNT; x++) {
    if ((set & bit(x)) === 0) continue;
    umin = Math.min(umin, x);
    umax = Math.max(umax, x);
    smin = Math.min(smin, signedOf(x));
    smax = Math.max(smax, signedOf(x));
  }
  return { umin, umax, smin, smax };
}

const tnumOf = (value: number, mask: number): T.Tnum => T.tnum(value, 0, mask, 0);

function membersOf(t: T.Tnum): number[] {
  return Array.from({ length: COUNT }, (_, x) => x).filter((x) => (x & ~t.maskLow) === t.valueLow);
}

function allTnums(): { readonly tnum: T.Tnum; readonly members: readonly number[] }[] {
  const out: { tnum: T.Tnum; members: number[] }[] = [];
  for (let mask = 0; mask < COUNT; mask++) {
    for (let value = 0; value < COUNT; value++) {
      if ((value & mask) !== 0) continue;
      const tnum = tnumOf(value, mask);
      out.push({ tnum, members: membersOf(tnum) });
    }
  }
  return out;
}

/** The least tristate number that holds a set. */
function leastTnum(members: Iterable<number>): T.Tnum {
  let and = -1;
  let or = 0;
  for (const x of members) {
    and &= x;
    or |= x;
  }
  return tnumOf(and & or, or & ~and & (COUNT - 1));
}

const percent = (part: number, whole: number): string => `${((100 * part) / whole).toFixed(1)} %`;

const signExtended = (t: T.Tnum): T.Tnum => T.arsh(T.lsh(t, 64 - BITS), 64 - BITS);

/** @param every 1: all pairs */
export function testIntervals(every: number): void {
  const intervals = allIntervals();
  const some = intervals.filter((_, i) => i % every === 0);
  // The operators on bits say nothing here.
  const unknown = tnumOf(0, COUNT - 1);
  it.each(OPERATIONS)('%s', (op) => {
    const results = table(op);
    const constant = op === 'sdiv' || op === 'smod';
    let least = 0;
    let pairs = 0;
    for (const a of some) {
      // What each second operand leads to.
      const column = new Int32Array(COUNT);
      for (let y = 0; y < COUNT; y++) for (const x of a.members) column[y] |= bit(results[x * COUNT + y]);
      for (const b of intervals) {
        if (constant && b.members.length > 1) continue;
        let set = 0;
        for (const y of b.members) set |= column[y];
        const result = ARITHMETIC[op].range(W, a.range, b.range, unknown);
        if ((set & ~setOf(result)) !== 0)
          expect.fail(`${op} of ${JSON.stringify(a.range)} and ${JSON.stringify(b.range)}: ${JSON.stringify(result)}`);
        pairs++;
        const best = leastRange(set);
        if (
          best.umin === result.umin &&
          best.umax === result.umax &&
          best.smin === result.smin &&
          best.smax === result.smax
        )
          least++;
      }
    }
    console.log(`intervals, ${op}: the least of ${pairs} in ${percent(least, pairs)}`);
  });

  it('what both hold, and what either holds', () => {
    for (const a of some) {
      const one = setOf(a.range);
      for (const b of intervals) {
        const two = setOf(b.range);
        const both = R.intersect(W, a.range, b.range);
        const common = one & two;
        if (both === undefined ? common !== 0 : (common & ~setOf(both)) !== 0)
          expect.fail(`${JSON.stringify([a.range, b.range, both])}`);
        const either = R.union(W, a.range, b.range);
        if (((one | two) & ~setOf(either)) !== 0) expect.fail(`${JSON.stringify([a.range, b.range, either])}`);
        if (R.includes(a.range, b.range) && (two & ~one) !== 0)
          expect.fail(`${JSON.stringify([a.range, b.range])} included`);
      }
    }
  });
}

/** All pairs. */
export function testTnums(): void {
  const tnums = allTnums();
  /** As the rows of the table have them, for operands of 5 bits. */
  const BITWISE: { readonly [O in BinaryOperation]?: (a: T.Tnum, b: T.Tnum) => T.Tnum } = {
    add: T.add,
    sub: T.sub,
    mul: T.mul,
    and: T.and,
    or: T.or,
    xor: T.xor,
    lsh: (a, b) => (T.isConstant(b) ? T.lsh(a, b.valueLow % BITS) : T.UNKNOWN),
    rsh: (a, b) => (T.isConstant(b) ? T.rsh(a, b.valueLow % BITS) : T.UNKNOWN),
    arsh: (a, b) => (T.isConstant(b) ? T.arsh(signExtended(a), b.valueLow % BITS) : T.UNKNOWN),
  };
  it.each(Object.keys(BITWISE) as BinaryOperation[])('%s', (op) => {
    const results = table(op);
    const operator = BITWISE[op] as (a: T.Tnum, b: T.Tnum) => T.Tnum;
    let least = 0;
    for (const a of tnums) {
      for (const b of tnums) {
        const result = T.truncate(operator(a.tnum, b.tnum), BITS);
        let and = -1;
        let or = 0;
        for (const x of a.members) {
          for (const y of b.members) {
            const r = results[x * COUNT + y];
            if ((r & ~result.maskLow) !== result.valueLow)
              expect.fail(
                `${x} ${op} ${y} of ${T.formatTnum(a.tnum)} and ${T.formatTnum(b.tnum)}: ${T.formatTnum(result)}`,
              );
            and &= r;
            or |= r;
          }
        }
        if (result.maskLow === (or & ~and)) least++;
      }
    }
    console.log(`tristate numbers, ${op}: the least of ${tnums.length ** 2} in ${percent(least, tnums.length ** 2)}`);
  });

  it('what both hold, what either holds, and what is widened', () => {
    for (const a of tnums) {
      for (const b of tnums) {
        const common = a.members.filter((x) => b.members.includes(x));
        const both = T.intersect(a.tnum, b.tnum);
        if (both === undefined ? common.length > 0 : !T.equal(both, leastTnum(common)))
          expect.fail(`${T.formatTnum(a.tnum)} and ${T.formatTnum(b.tnum)}`);
        const either = T.union(a.tnum, b.tnum);
        if (!T.equal(either, leastTnum([...a.members, ...b.members])))
          expect.fail(`${T.formatTnum(a.tnum)} or ${T.formatTnum(b.tnum)}`);
        const wide = T.widen(a.tnum, b.tnum);
        if (!T.includes(wide, a.tnum) || !T.includes(wide, b.tnum)) expect.fail(`${T.formatTnum(a.tnum)} widened`);
        if (T.includes(a.tnum, b.tnum) !== b.members.every((x) => a.members.includes(x)))
          expect.fail(`${T.formatTnum(a.tnum)} includes`);
      }
    }
  });

  it('of intervals', () => {
    for (let from = 0; from < COUNT; from++) {
      for (let to = from; to < COUNT; to++) {
        const t = T.range(from, to);
        for (let x = from; x <= to; x++)
          if ((x & ~t.maskLow) !== t.valueLow) expect.fail(`${from} to ${to}: ${T.formatTnum(t)}`);
      }
    }
  });
}
