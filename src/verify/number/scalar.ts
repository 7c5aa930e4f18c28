// What is known of a number in a register or stack slot: intervals of 64 and of 32 bits, known bits, and where it came from.
import * as R from './range.ts';
import { type Range, W32, W64 } from './range.ts';
import * as T from './tnum.ts';
import type { Tnum } from './tnum.ts';

/** Bounds from here on stand for none (range.ts). */
export const LIMIT = R.EXACT;

/** Facts about a number, without its history. */
export interface Bounds {
  readonly r64: Range;
  /** Of the lower half. */
  readonly r32: Range;
  readonly bits: Tnum;
}

/** An abstract number. Immutable but for `precise`; copies of a register are the same object. */
export class Scalar implements Bounds {
  readonly kind = 'scalar' as const;
  readonly r64: Range;
  readonly r32: Range;
  readonly bits: Tnum;
  /** Numbers with the same id differ by the difference of their `delta`, as 64-bit numbers. */
  readonly id: number;
  readonly delta: number;
  /** Slot of the instruction that made it; -1 where it was there at the start. */
  readonly at: number;
  /** What it was computed from: their exact values matter where its own does. Cut when no one can ask any more. */
  from: Scalar | undefined;
  also: Scalar | undefined;
  /** Whether a verdict rests on its bounds; if not, states that differ in it are alike. */
  precise = false;

  constructor(bounds: Bounds, id: number, delta: number, at: number, from?: Scalar, also?: Scalar) {
    this.r64 = bounds.r64;
    this.r32 = bounds.r32;
    this.bits = bounds.bits;
    this.id = id;
    this.delta = delta;
    this.at = at;
    this.from = from;
    this.also = also;
  }
}

let ids = 0;
/** An id that no other number has. */
export const newId = (): number => ++ids;

export const ANY: Bounds = { r64: W64.full, r32: W32.full, bits: T.UNKNOWN };

const ofUnsigned = (bits: number): Bounds => {
  const max = 2 ** bits - 1;
  const r64 = R.surely(W64, 0, max, 0, max);
  return { r64, r32: bits >= 32 ? W32.full : R.surely(W32, 0, max, 0, max), bits: T.truncate(T.UNKNOWN, bits) };
};
const ZERO_EXTENDED: Readonly<Record<number, Bounds>> = {
  8: ofUnsigned(8),
  16: ofUnsigned(16),
  32: ofUnsigned(32),
  64: ANY,
};
/** Any number of 8, 16, 32 or 64 bits, zero-extended. */
export const zeroExtended = (bits: number): Bounds => ZERO_EXTENDED[bits];

/** An unsigned interval. */
export const between = (min: number, max: number): Bounds =>
  settle(R.unsigned(W64, min, max), W32.full, T.UNKNOWN) ?? ANY;
/** A signed interval. */
export const betweenSigned = (min: number, max: number): Bounds =>
  settle(R.signed(W64, min, max), W32.full, T.UNKNOWN) ?? ANY;

const TWO_32 = 2 ** 32;

/** The signed value of a constant of 64 bits; inexact above 2^53. */
const signedOf = (high: number, low: number): number => high * TWO_32 + (low >>> 0);

/** The facts about one number. */
export function exactly(bits: Tnum): Bounds {
  const low = bits.valueLow;
  const r32 = { umin: low >>> 0, umax: low >>> 0, smin: low, smax: low };
  const s = signedOf(bits.valueHigh, low);
  const u = T.minimum(bits);
  return { r64: R.surely(W64, u, u, s, s), r32, bits };
}

const SMALL: Bounds[] = [];
/** The facts about a number of at most 53 bits and sign. */
export function constant(x: number): Bounds {
  if (x >= 0 && x < 1024) return (SMALL[x] ??= exactly(T.constant(x)));
  return exactly(T.constant(x));
}

export const isConstant = (b: Bounds): boolean => T.isConstant(b.bits);
/** The value of a constant as a signed number; inexact beyond 2^53. */
export const valueOf = (b: Bounds): number => signedOf(b.bits.valueHigh, b.bits.valueLow);
/** Whether it is the number x, of at most 53 bits and sign. */
export const isExactly = (b: Bounds, x: number): boolean =>
  isConstant(b) && b.bits.valueLow === T.lowOf(x) && b.bits.valueHigh === T.highOf(x);

function rangeOfBits64(bits: Tnum): Range | undefined {
  const negative = bits.maskHigh >= 0 && bits.valueHigh < 0;
  const positive = (bits.maskHigh | bits.valueHigh) >= 0;
  const smin = positive ? 0 : negative ? signedOf(bits.valueHigh, bits.valueLow) : W64.smin;
  const smax = negative
    ? signedOf(bits.valueHigh | bits.maskHigh, bits.valueLow | bits.maskLow)
    : positive
      ? T.maximum(bits)
      : W64.smax;
  return R.range(W64, T.minimum(bits), T.maximum(bits), smin, smax);
}

function rangeOfBits32(bits: Tnum): Range | undefined {
  const { valueLow: value, maskLow: mask } = bits;
  return R.range(W32, value >>> 0, (value | mask) >>> 0, value | (mask & 0x8000_0000), value | (mask & 0x7fff_ffff));
}

/** What the 64-bit bounds say about the lower half (__reg32_deduce_bounds of the kernel). */
function lowerHalf(r: Range): Range | undefined {
  let umin = 0;
  let umax = W32.umax;
  let smin = W32.smin;
  let smax = W32.smax;
  if (r.umax < R.EXACT) {
    const turn = Math.floor(r.umin / TWO_32);
    if (turn === Math.floor(r.umax / TWO_32)) {
      umin = r.umin - turn * TWO_32;
      umax = r.umax - turn * TWO_32;
    }
  }
  if (r.smin !== W64.smin && r.smax !== W64.smax) {
    const turn = Math.floor(r.smin / TWO_32);
    const last = Math.floor(r.smax / TWO_32);
    const from = r.smin - turn * TWO_32;
    const to = r.smax - last * TWO_32;
    if (turn === last) {
      umin = Math.max(umin, from);
      umax = Math.min(umax, to);
    } else if (turn + 1 === last && from > W32.smax && to <= W32.smax) {
      smin = from - TWO_32;
      smax = to;
    }
  }
  return R.range(W32, umin, umax, smin, smax);
}

/** What the lower half says about the whole (__reg_deduce_mixed_bounds). */
function whole(r: Range, half: Range): Range | undefined {
  let { umin, umax, smin, smax } = r;
  if (umin < R.EXACT) umin = Math.max(umin, Math.floor(umin / TWO_32) * TWO_32 + half.umin);
  if (umax < R.EXACT) umax = Math.min(umax, Math.floor(umax / TWO_32) * TWO_32 + half.umax);
  if (smin !== W64.smin) smin = Math.max(smin, Math.floor(smin / TWO_32) * TWO_32 + half.umin);
  if (smax !== W64.smax) smax = Math.min(smax, Math.floor(smax / TWO_32) * TWO_32 + half.umax);
  if (r.smin >= W32.smin && r.smax <= W32.smax) {
    smin = Math.max(smin, half.smin);
    smax = Math.min(smax, half.smax);
  }
  return R.range(W64, umin, umax, smin, smax);
}

/** Lets each of the three say what it knows to the others; undefined where no number is left. */
export function settle(r64: Range, r32: Range, bits: Tnum): Bounds | undefined {
  if (r64 === W64.full && r32 === W32.full && T.isUnknown(bits)) return ANY;
  let a: Range | undefined = r64;
  let b: Range | undefined = r32;
  let t: Tnum | undefined = bits;
  for (let round = 0; round < 2; round++) {
    const bits64 = rangeOfBits64(t);
    const bits32 = rangeOfBits32(t);
    if (bits64 === undefined || bits32 === undefined) return undefined;
    a = R.intersect(W64, a, bits64);
    b = R.intersect(W32, b, bits32);
    if (a === undefined || b === undefined) return undefined;
    const half = lowerHalf(a);
    b = half && R.intersect(W32, b, half);
    a = b && whole(a, b);
    if (a === undefined || b === undefined) return undefined;
    const before: Tnum = t;
    if (a.umax < R.EXACT) t = T.intersect(t, T.range(a.umin, a.umax));
    else if (a.smax < 0 && a.smin !== W64.smin) t = T.intersect(t, T.range(a.smin, a.smax));
    const low: Tnum | undefined = t && T.intersect(T.low32(t), T.range(b.umin, b.umax));
    if (t === undefined || low === undefined) return undefined;
    t = T.concat(low, t);
    if (T.equal(t, before)) break;
  }
  if (T.isConstant(t)) return exactly(t);
  return { r64: a, r32: b, bits: t };
}

/** Facts that hold whatever comes of settling them: for results of operators, which always exist. */
export const settled = (r64: Range, r32: Range, bits: Tnum): Bounds => settle(r64, r32, bits) ?? ANY;

/** The lower half, zero-extended. */
export function low32(b: Bounds): Bounds {
  if (b.r64.umax <= W32.umax) return b;
  const { r32 } = b;
  if (T.isConstant(b.bits)) return exactly(T.low32(b.bits));
  return settled(R.surely(W64, r32.umin, r32.umax, r32.umin, r32.umax), r32, T.low32(b.bits));
}

/** Whether every number of `b` is one of `a`. */
export const includes = (a: Bounds, b: Bounds): boolean =>
  R.includes(a.r64, b.r64) && R.includes(a.r32, b.r32) && T.includes(a.bits, b.bits);

export const isAny = (b: Bounds): boolean => b.r64 === W64.full && b.r32 === W32.full && T.isUnknown(b.bits);

/** The least that holds both. */
export const union = (a: Bounds, b: Bounds): Bounds =>
  settled(R.union(W64, a.r64, b.r64), R.union(W32, a.r32, b.r32), T.union(a.bits, b.bits));

/** What holds of both; undefined where no number does. */
export function intersect(a: Bounds, b: Bounds): Bounds | undefined {
  const r64 = R.intersect(W64, a.r64, b.r64);
  const r32 = R.intersect(W32, a.r32, b.r32);
  const bits = T.intersect(a.bits, b.bits);
  return r64 && r32 && bits && settle(r64, r32, bits);
}

/**
 * At the head of a loop: bounds that moved go on to the next threshold, so that the rounds end.
 *
 * @param thresholds ascending: the constants of the program
 */
export function widen(old: Bounds, next: Bounds, thresholds: readonly number[]): Bounds {
  const down = (a: number, b: number, least: number): number =>
    b >= a ? a : (thresholds.findLast((t) => t <= b && t >= least) ?? least);
  const up = (a: number, b: number, most: number): number =>
    b <= a ? a : (thresholds.find((t) => t >= b && t <= most) ?? most);
  const wide = (w: R.Width, a: Range, b: Range): Range =>
    R.surely(
      w,
      down(a.umin, b.umin, 0),
      up(a.umax, b.umax, w.umax),
      down(a.smin, b.smin, w.smin),
      up(a.smax, b.smax, w.smax),
    );
  return settled(wide(W64, old.r64, next.r64), wide(W32, old.r32, next.r32), T.widen(old.bits, next.bits));
}

/** For listings and messages: `5`, `0 to 65535`, `any number`. */
export function describeBounds(b: Bounds): string {
  if (isConstant(b)) return BigInt.asIntN(64, T.bitsOf(b.bits)).toString();
  const { umin, umax, smin, smax } = b.r64;
  if (umax < R.EXACT) return `${umin} to ${umax}`;
  if (smin !== W64.smin || smax !== W64.smax) {
    return `${smin === W64.smin ? '-2^63' : smin} to ${smax === W64.smax ? '2^63-1' : smax}`;
  }
  if (umin > 0) return `at least ${umin}`;
  return T.isUnknown(b.bits) ? 'any number' : `any number with bits ${T.formatTnum(b.bits)}`;
}
