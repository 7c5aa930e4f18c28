// Tristate numbers: 64 bits of which some are known. The lattice and its operators are the kernel's (kernel/bpf/tnum.c;
// Vishwanathan et al., Sound, Precise, and Fast Abstract Interpretation with Tristate Numbers, CGO 2022).
// Bits are kept as pairs of int32: 64-bit integers of JavaScript (BigInt) cost ten times as much.

/** `value` holds the known ones; bits set in `mask` are unknown and zero in `value`. Halves are int32. */
export interface Tnum {
  readonly valueLow: number;
  readonly valueHigh: number;
  readonly maskLow: number;
  readonly maskHigh: number;
}

export const tnum = (valueLow: number, valueHigh: number, maskLow: number, maskHigh: number): Tnum => ({
  valueLow: valueLow | 0,
  valueHigh: valueHigh | 0,
  maskLow: maskLow | 0,
  maskHigh: maskHigh | 0,
});

export const UNKNOWN = tnum(0, 0, -1, -1);
export const ZERO = tnum(0, 0, 0, 0);

const TWO_32 = 0x1_0000_0000;

/** Upper half of an integer of at most 53 bits, as int32. */
export const highOf = (x: number): number => Math.floor(x / TWO_32) | 0;
/** Lower half of an integer of at most 53 bits, as int32. */
export const lowOf = (x: number): number => (x - Math.floor(x / TWO_32) * TWO_32) | 0;

/** The constant with this value, an integer of at most 53 bits and a sign. */
export const constant = (x: number): Tnum => tnum(lowOf(x), highOf(x), 0, 0);

export const isConstant = (t: Tnum): boolean => (t.maskLow | t.maskHigh) === 0;
export const isUnknown = (t: Tnum): boolean => (t.maskLow & t.maskHigh) === -1;

/** Smallest member, unsigned; inexact above 2^53. */
export const minimum = (t: Tnum): number => (t.valueHigh >>> 0) * TWO_32 + (t.valueLow >>> 0);
/** Largest member, unsigned; inexact above 2^53. */
export const maximum = (t: Tnum): number =>
  ((t.valueHigh | t.maskHigh) >>> 0) * TWO_32 + ((t.valueLow | t.maskLow) >>> 0);

/** Numbers with the given lower and upper half. */
export const concat = (low: Tnum, high: Tnum): Tnum => tnum(low.valueLow, high.valueHigh, low.maskLow, high.maskHigh);
/** The lower half, zero-extended. */
export const low32 = (t: Tnum): Tnum => (t.valueHigh === 0 && t.maskHigh === 0 ? t : tnum(t.valueLow, 0, t.maskLow, 0));

/** The lower `bits` bits, zero-extended. */
export function truncate(t: Tnum, bits: number): Tnum {
  if (bits >= 64) return t;
  if (bits >= 32) {
    const keep = bits === 32 ? 0 : (1 << (bits - 32)) - 1;
    return tnum(t.valueLow, t.valueHigh & keep, t.maskLow, t.maskHigh & keep);
  }
  const keep = bits === 0 ? 0 : -1 >>> (32 - bits);
  return tnum(t.valueLow & keep, 0, t.maskLow & keep, 0);
}

/** Numbers between two unsigned integers of at most 53 bits: the common prefix is known. */
export function range(from: number, to: number): Tnum {
  const low = lowOf(from);
  const high = highOf(from);
  const differsHigh = high ^ highOf(to);
  if (differsHigh !== 0) {
    const bits = 32 - Math.clz32(differsHigh);
    const mask = bits === 32 ? -1 : (1 << bits) - 1;
    return tnum(0, high & ~mask, -1, mask);
  }
  const differs = low ^ lowOf(to);
  const bits = 32 - Math.clz32(differs);
  const mask = bits === 32 ? -1 : (1 << bits) - 1;
  return tnum(low & ~mask, high, mask, 0);
}

/** Numbers in both; undefined where there is none. */
export function intersect(a: Tnum, b: Tnum): Tnum | undefined {
  const contradicts =
    ((a.valueLow ^ b.valueLow) & ~a.maskLow & ~b.maskLow) | ((a.valueHigh ^ b.valueHigh) & ~a.maskHigh & ~b.maskHigh);
  if (contradicts !== 0) return undefined;
  const maskLow = a.maskLow & b.maskLow;
  const maskHigh = a.maskHigh & b.maskHigh;
  if (maskLow === a.maskLow && maskHigh === a.maskHigh) return a;
  return tnum((a.valueLow | b.valueLow) & ~maskLow, (a.valueHigh | b.valueHigh) & ~maskHigh, maskLow, maskHigh);
}

/** The least that holds both. */
export function union(a: Tnum, b: Tnum): Tnum {
  const maskLow = a.maskLow | b.maskLow | (a.valueLow ^ b.valueLow);
  const maskHigh = a.maskHigh | b.maskHigh | (a.valueHigh ^ b.valueHigh);
  return tnum(a.valueLow & ~maskLow, a.valueHigh & ~maskHigh, maskLow, maskHigh);
}

/** Holds both, and whatever differs from them in the bits from the lowest on that `old` does not have as unknown. */
export function widen(old: Tnum, next: Tnum): Tnum {
  const both = union(old, next);
  const low = both.maskLow & ~old.maskLow;
  const high = both.maskHigh & ~old.maskHigh;
  if ((low | high) === 0) return both;
  const maskLow = low === 0 ? both.maskLow : both.maskLow | -(low & -low);
  const maskHigh = low !== 0 ? -1 : both.maskHigh | -(high & -high);
  return tnum(both.valueLow & ~maskLow, both.valueHigh & ~maskHigh, maskLow, maskHigh);
}

/** Whether every member of `b` is one of `a`. */
export const includes = (a: Tnum, b: Tnum): boolean =>
  ((b.maskLow & ~a.maskLow) |
    (b.maskHigh & ~a.maskHigh) |
    ((a.valueLow ^ b.valueLow) & ~a.maskLow) |
    ((a.valueHigh ^ b.valueHigh) & ~a.maskHigh)) ===
  0;

export const equal = (a: Tnum, b: Tnum): boolean =>
  a.valueLow === b.valueLow && a.valueHigh === b.valueHigh && a.maskLow === b.maskLow && a.maskHigh === b.maskHigh;

// Sums and differences of halves with their carry.
const carryOf = (a: number, b: number): number => ((a >>> 0) + (b >>> 0) >= TWO_32 ? 1 : 0);
const borrowOf = (a: number, b: number): number => (a >>> 0 < b >>> 0 ? 1 : 0);

export function add(a: Tnum, b: Tnum): Tnum {
  const valueLow = (a.valueLow + b.valueLow) | 0;
  const valueHigh = (a.valueHigh + b.valueHigh + carryOf(a.valueLow, b.valueLow)) | 0;
  if (isConstant(a) && isConstant(b)) return tnum(valueLow, valueHigh, 0, 0);
  const maskLow = (a.maskLow + b.maskLow) | 0;
  const maskHigh = (a.maskHigh + b.maskHigh + carryOf(a.maskLow, b.maskLow)) | 0;
  const sumLow = (valueLow + maskLow) | 0;
  const sumHigh = (valueHigh + maskHigh + carryOf(valueLow, maskLow)) | 0;
  const unknownLow = (sumLow ^ valueLow) | a.maskLow | b.maskLow;
  const unknownHigh = (sumHigh ^ valueHigh) | a.maskHigh | b.maskHigh;
  return tnum(valueLow & ~unknownLow, valueHigh & ~unknownHigh, unknownLow, unknownHigh);
}

export function sub(a: Tnum, b: Tnum): Tnum {
  const valueLow = (a.valueLow - b.valueLow) | 0;
  const valueHigh = (a.valueHigh - b.valueHigh - borrowOf(a.valueLow, b.valueLow)) | 0;
  if (isConstant(a) && isConstant(b)) return tnum(valueLow, valueHigh, 0, 0);
  const alphaLow = (valueLow + a.maskLow) | 0;
  const alphaHigh = (valueHigh + a.maskHigh + carryOf(valueLow, a.maskLow)) | 0;
  const betaLow = (valueLow - b.maskLow) | 0;
  const betaHigh = (valueHigh - b.maskHigh - borrowOf(valueLow, b.maskLow)) | 0;
  const unknownLow = (alphaLow ^ betaLow) | a.maskLow | b.maskLow;
  const unknownHigh = (alphaHigh ^ betaHigh) | a.maskHigh | b.maskHigh;
  return tnum(valueLow & ~unknownLow, valueHigh & ~unknownHigh, unknownLow, unknownHigh);
}

export function and(a: Tnum, b: Tnum): Tnum {
  const valueLow = a.valueLow & b.valueLow;
  const valueHigh = a.valueHigh & b.valueHigh;
  return tnum(
    valueLow,
    valueHigh,
    (a.valueLow | a.maskLow) & (b.valueLow | b.maskLow) & ~valueLow,
    (a.valueHigh | a.maskHigh) & (b.valueHigh | b.maskHigh) & ~valueHigh,
  );
}

export function or(a: Tnum, b: Tnum): Tnum {
  const valueLow = a.valueLow | b.valueLow;
  const valueHigh = a.valueHigh | b.valueHigh;
  return tnum(valueLow, valueHigh, (a.maskLow | b.maskLow) & ~valueLow, (a.maskHigh | b.maskHigh) & ~valueHigh);
}

export function xor(a: Tnum, b: Tnum): Tnum {
  const maskLow = a.maskLow | b.maskLow;
  const maskHigh = a.maskHigh | b.maskHigh;
  return tnum((a.valueLow ^ b.valueLow) & ~maskLow, (a.valueHigh ^ b.valueHigh) & ~maskHigh, maskLow, maskHigh);
}

/** By 0 to 63 bits. */
export function lsh(t: Tnum, by: number): Tnum {
  if (by === 0) return t;
  if (by >= 32) return tnum(0, t.valueLow << (by - 32), 0, t.maskLow << (by - 32));
  return tnum(
    t.valueLow << by,
    (t.valueHigh << by) | (t.valueLow >>> (32 - by)),
    t.maskLow << by,
    (t.maskHigh << by) | (t.maskLow >>> (32 - by)),
  );
}

/** By 0 to 63 bits. */
export function rsh(t: Tnum, by: number): Tnum {
  if (by === 0) return t;
  if (by >= 32) return tnum(t.valueHigh >>> (by - 32), 0, t.maskHigh >>> (by - 32), 0);
  return tnum(
    (t.valueLow >>> by) | (t.valueHigh << (32 - by)),
    t.valueHigh >>> by,
    (t.maskLow >>> by) | (t.maskHigh << (32 - by)),
    t.maskHigh >>> by,
  );
}

/** By 0 to 63 bits; an unknown sign makes unknown bits. */
export function arsh(t: Tnum, by: number): Tnum {
  if (by === 0) return t;
  if (by >= 32) {
    return tnum(t.valueHigh >> (by - 32), t.valueHigh >> 31, t.maskHigh >> (by - 32), t.maskHigh >> 31);
  }
  return tnum(
    (t.valueLow >>> by) | (t.valueHigh << (32 - by)),
    t.valueHigh >> by,
    (t.maskLow >>> by) | (t.maskHigh << (32 - by)),
    t.maskHigh >> by,
  );
}

/** Sign-extends the lower `bits` (8, 16, 32). */
export function signExtend(t: Tnum, bits: number): Tnum {
  return arsh(lsh(t, 64 - bits), 64 - bits);
}

/** Trailing bits that are known to be zero, 0 to 64. */
export function trailingZeros(t: Tnum): number {
  const low = t.valueLow | t.maskLow;
  if (low !== 0) return 31 - Math.clz32(low & -low);
  const high = t.valueHigh | t.maskHigh;
  return high === 0 ? 64 : 63 - Math.clz32(high & -high);
}

/** Numbers whose lowest `bits` bits are zero. */
const multiplesOf = (bits: number): Tnum => (bits >= 64 ? ZERO : lsh(UNKNOWN, bits));

/** Lower 64 bits of the product: exact for constants, else the known trailing zeros. */
export function mul(a: Tnum, b: Tnum): Tnum {
  if (isConstant(a) && isConstant(b)) return constantOf(bitsOf(a) * bitsOf(b));
  return multiplesOf(Math.min(64, trailingZeros(a) + trailingZeros(b)));
}

/** A constant as BigInt, unsigned: for the rare operators that need exact arithmetic. */
export const bitsOf = (t: Tnum): bigint => (BigInt(t.valueHigh >>> 0) << 32n) | BigInt(t.valueLow >>> 0);

/** The constant with the lower 64 bits of `x`. */
export const constantOf = (x: bigint): Tnum =>
  tnum(Number(BigInt.asIntN(32, x)), Number(BigInt.asIntN(32, x >> 32n)), 0, 0);

const swap32 = (x: number): number => (x >>> 24) | ((x >>> 8) & 0xff00) | ((x << 8) & 0xff_0000) | (x << 24) | 0;

/** Reverses the bytes of the lower `bits` bits (16, 32, 64); the rest becomes zero. */
export function byteSwap(t: Tnum, bits: number): Tnum {
  const swapped = tnum(swap32(t.valueHigh), swap32(t.valueLow), swap32(t.maskHigh), swap32(t.maskLow));
  return rsh(swapped, 64 - bits);
}

const hex = (high: number, low: number): string =>
  `0x${(high === 0 ? '' : (high >>> 0).toString(16)) + (low >>> 0).toString(16).padStart(high === 0 ? 1 : 8, '0')}`;

/** As the kernel's log writes it: `(value; mask)`. */
export const formatTnum = (t: Tnum): string => `(${hex(t.valueHigh, t.valueLow)}; ${hex(t.maskHigh, t.maskLow)})`;
