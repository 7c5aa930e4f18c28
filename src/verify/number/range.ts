// Intervals of the unsigned and the signed reading of a number, and what arithmetic does to them.
// Bounds are JavaScript numbers: exact for 32 bits; of 64 bits, bounds beyond 2^53 are kept as "no bound". A constant that
// large is exact in its tnum (tnum.ts), so that only intervals between such numbers are lost. In return a bound costs one
// machine instruction where a pair of halves costs a dozen, and BigInt a hundred.

/** Inclusive bounds of both readings. */
export interface Range {
  readonly umin: number;
  readonly umax: number;
  readonly smin: number;
  readonly smax: number;
}

/** A width and the numbers it has room for. */
export interface Width {
  readonly bits: number;
  /** Stands for the largest unsigned number; exact up to 53 bits. */
  readonly umax: number;
  readonly smin: number;
  readonly smax: number;
  /** umax where all bounds are exact, else where they end. */
  readonly exact: number;
  readonly full: Range;
}

/** Bounds of 64 bits are kept below this: from here on two integers may be the same JavaScript number. */
export const EXACT = 2 ** 53;

export function widthOf(bits: number): Width {
  const inexact = bits > 53 ? 0 : 1;
  const umax = 2 ** bits - inexact;
  const smin = -(2 ** (bits - 1));
  const smax = 2 ** (bits - 1) - inexact;
  return { bits, umax, smin, smax, exact: Math.min(umax, EXACT), full: { umin: 0, umax, smin, smax } };
}

export const W64 = widthOf(64);
export const W32 = widthOf(32);

/** Brings bounds to those that are kept, rounding outward, and carries what one reading says over to the other. Undefined where nothing is left. */
export function range(w: Width, umin: number, umax: number, smin: number, smax: number): Range | undefined {
  const { exact } = w;
  if (exact !== w.umax) {
    if (umin > exact) umin = exact;
    if (umax >= exact) umax = w.umax;
    if (smin > exact) smin = exact;
    else if (smin <= -exact) smin = w.smin;
    if (smax >= exact) smax = w.smax;
    else if (smax < -exact) smax = -exact;
  }
  if (smin < 0 && smax >= 0) {
    // Of both signs: above what is positive, or below what is negative, only one is left.
    if (umin > smax) smax = -1;
    else if (umax < smin - 2 * w.smin) smin = 0;
  }
  if (smin >= 0) {
    if (smin > umin) umin = smin;
    if (smax < umax) umax = smax === w.smax && exact !== w.umax ? umax : smax;
  } else if (smax < 0) {
    const from = smin === w.smin ? -w.smin : smin + 2 ** w.bits;
    if (from > umin) umin = exact !== w.umax ? exact : from;
    if (exact === w.umax && smax + 2 ** w.bits < umax) umax = smax + 2 ** w.bits;
  }
  if (umax <= w.smax && umax <= exact) {
    if (umin > smin) smin = umin;
    if (umax < smax) smax = umax;
  } else if (umin > w.smax) {
    const to = umax - 2 ** w.bits;
    if (umin - 2 ** w.bits > smin) smin = umin - 2 ** w.bits;
    if (to < smax) smax = to;
  }
  if (umin > umax || smin > smax) return undefined;
  if (umin === 0 && umax === w.umax && smin === w.smin && smax === w.smax) return w.full;
  return { umin, umax, smin, smax };
}

/** As `range`, where members are known to exist. */
export const surely = (w: Width, umin: number, umax: number, smin: number, smax: number): Range =>
  range(w, umin, umax, smin, smax) ?? w.full;

/** Only the unsigned bounds are known. */
export const unsigned = (w: Width, umin: number, umax: number): Range => surely(w, umin, umax, w.smin, w.smax);
/** Only the signed bounds are known. */
export const signed = (w: Width, smin: number, smax: number): Range => surely(w, 0, w.umax, smin, smax);

export const intersect = (w: Width, a: Range, b: Range): Range | undefined => {
  if (a === b || b === w.full) return a;
  if (a === w.full) return b;
  return range(
    w,
    Math.max(a.umin, b.umin),
    Math.min(a.umax, b.umax),
    Math.max(a.smin, b.smin),
    Math.min(a.smax, b.smax),
  );
};

export const union = (w: Width, a: Range, b: Range): Range =>
  a === b
    ? a
    : surely(w, Math.min(a.umin, b.umin), Math.max(a.umax, b.umax), Math.min(a.smin, b.smin), Math.max(a.smax, b.smax));

/** Whether every member of `b` is one of `a`. */
export const includes = (a: Range, b: Range): boolean =>
  a === b || (a.umin <= b.umin && a.umax >= b.umax && a.smin <= b.smin && a.smax >= b.smax);

// Sums of bounds: NaN where the sum may leave the width. A bound that stands for "none" absorbs what cannot pass it.
const upper = (w: Width, x: number, y: number): number => {
  if (x === w.smax) return y > 0 ? Number.NaN : w.smax;
  if (y === w.smax) return x > 0 ? Number.NaN : w.smax;
  return x + y > w.smax ? Number.NaN : x + y;
};
const lower = (w: Width, x: number, y: number): number => {
  if (x === w.smin) return y < 0 ? Number.NaN : w.smin;
  if (y === w.smin) return x < 0 ? Number.NaN : w.smin;
  return x + y < w.smin ? Number.NaN : x + y;
};

const exactWidth = (w: Width): boolean => w.exact === w.umax;
/** Largest product or shifted number that is exact. */
const limitOf = (w: Width): number => (exactWidth(w) ? w.umax : w.exact - 1);

export function add(w: Width, a: Range, b: Range): Range {
  let smin = lower(w, a.smin, b.smin);
  let smax = upper(w, a.smax, b.smax);
  if (exactWidth(w)) {
    smin = a.smin + b.smin;
    smax = a.smax + b.smax;
    if (smin < w.smin || smax > w.smax) smin = Number.NaN;
  }
  if (Number.isNaN(smin) || Number.isNaN(smax)) {
    smin = w.smin;
    smax = w.smax;
  }
  let umin = a.umin + b.umin;
  let umax = a.umax + b.umax;
  const turns = 2 ** w.bits;
  if (exactWidth(w)) {
    if (umin >= turns) {
      umin -= turns;
      umax -= turns;
    } else if (umax >= turns) {
      umin = 0;
      umax = w.umax;
    }
  } else if ((a.umax === w.umax && b.umax > 0) || (b.umax === w.umax && a.umax > 0)) {
    umin = 0;
    umax = w.umax;
  }
  return surely(w, umin, umax, smin, smax);
}

export function sub(w: Width, a: Range, b: Range): Range {
  let smin: number;
  let smax: number;
  if (exactWidth(w)) {
    smin = a.smin - b.smax;
    smax = a.smax - b.smin;
    if (smin < w.smin || smax > w.smax) smin = Number.NaN;
  } else {
    // Of 64 bits, a bound that stands for "none" leaves room for one sign only.
    smin =
      a.smin === w.smin
        ? b.smax > 0
          ? Number.NaN
          : w.smin
        : b.smax === w.smax
          ? a.smin < 0
            ? Number.NaN
            : w.smin
          : a.smin - b.smax;
    smax =
      b.smin === w.smin
        ? a.smax >= 0
          ? Number.NaN
          : w.smax
        : a.smax === w.smax
          ? b.smin < 0
            ? Number.NaN
            : w.smax
          : a.smax - b.smin;
  }
  if (Number.isNaN(smin) || Number.isNaN(smax)) {
    smin = w.smin;
    smax = w.smax;
  }
  let umin = a.umin - b.umax;
  let umax = a.umax === w.umax && !exactWidth(w) ? w.umax : a.umax - b.umin;
  if (umin < 0) {
    const turns = 2 ** w.bits;
    if (exactWidth(w) && umax < 0) {
      umin += turns;
      umax += turns;
    } else {
      umin = 0;
      umax = w.umax;
    }
  }
  return surely(w, umin, umax, smin, smax);
}

export function mul(w: Width, a: Range, b: Range): Range {
  let umin = 0;
  let umax = w.umax;
  if (a.umax * b.umax <= limitOf(w)) {
    umin = a.umin * b.umin;
    umax = a.umax * b.umax;
  }
  const corners = [a.smin * b.smin, a.smin * b.smax, a.smax * b.smin, a.smax * b.smax];
  const smin = Math.min(...corners);
  const smax = Math.max(...corners);
  const limit = exactWidth(w) ? w.smax : w.exact - 1;
  if (smin < -limit || smax > limit) return unsigned(w, umin, umax);
  return surely(w, umin, umax, smin, smax);
}

/** By amounts from `from` to `to`, below the width. */
export function lsh(w: Width, a: Range, from: number, to: number): Range {
  const most = a.umax * 2 ** to;
  if (most <= limitOf(w)) return unsigned(w, a.umin * 2 ** from, most);
  const limit = exactWidth(w) ? w.smax : w.exact - 1;
  const smin = Math.min(a.smin, 0) * 2 ** to;
  const smax = Math.max(a.smax, 0) * 2 ** to;
  return smin >= -limit && smax <= limit ? signed(w, smin, smax) : w.full;
}

/** Largest number of the width after a shift to the right. */
const shifted = (bound: number, none: number, by: number, exact: boolean): number =>
  bound === none && !exact ? none / 2 ** by - (by === 0 ? 0 : 1) : Math.floor(bound / 2 ** by);

export const rsh = (w: Width, a: Range, from: number, to: number): Range =>
  unsigned(w, Math.floor(a.umin / 2 ** to), shifted(a.umax, w.umax, from, exactWidth(w)));

export const arsh = (w: Width, a: Range, from: number, to: number): Range =>
  signed(
    w,
    Math.floor(a.smin / 2 ** (a.smin < 0 ? from : to)),
    shifted(a.smax, w.smax, a.smax < 0 ? to : from, exactWidth(w)),
  );

/** Division of the unsigned readings; by zero gives 0. */
export function div(w: Width, a: Range, b: Range): Range {
  const most = b.umin === 0 ? a.umax : a.umax === w.umax ? w.umax / b.umin : Math.floor(a.umax / b.umin);
  const least = b.umin === 0 || b.umax === w.umax ? 0 : Math.floor(a.umin / b.umax);
  return unsigned(w, least, Math.ceil(most));
}

/** Remainder of the unsigned readings; by zero leaves the dividend. */
export function mod(w: Width, a: Range, b: Range): Range {
  if (b.umin === 0) return unsigned(w, 0, a.umax);
  if (a.umax < b.umin) return unsigned(w, a.umin, a.umax);
  return unsigned(w, 0, Math.min(a.umax, b.umax === w.umax ? w.umax : b.umax - 1));
}

/** Division of the signed readings by a constant other than 0, towards zero. */
export function sdiv(w: Width, a: Range, by: number): Range {
  if (by === -1 && a.smin === w.smin) return w.full;
  const x = Math.trunc(a.smin / by);
  const y = Math.trunc(a.smax / by);
  return signed(w, Math.min(x, y), Math.max(x, y));
}

/** Remainder of the signed readings by a constant other than 0; the dividend's sign. */
export function smod(w: Width, a: Range, by: number): Range {
  const most = Math.abs(by) - 1;
  return signed(w, a.smin < 0 ? Math.max(a.smin, -most) : 0, a.smax > 0 ? Math.min(a.smax, most) : 0);
}
