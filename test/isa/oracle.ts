// The arithmetic of RFC 9669 a second time, on 32-bit halves and JavaScript numbers: no BigInt takes part, so that a
// mistake in isa/reference.ts is not repeated here.

/** 64 bits as two unsigned halves. */
export interface Pair {
  readonly lo: number;
  readonly hi: number;
}

const pair = (lo: number, hi: number): Pair => ({ lo: lo >>> 0, hi: hi >>> 0 });
const ZERO = pair(0, 0);
export const isZero = (a: Pair): boolean => a.lo === 0 && a.hi === 0;

export function lessThan(a: Pair, b: Pair): boolean {
  return a.hi === b.hi ? a.lo < b.lo : a.hi < b.hi;
}
export function signedLessThan(a: Pair, b: Pair): boolean {
  return a.hi === b.hi ? a.lo < b.lo : (a.hi | 0) < (b.hi | 0);
}
const isNegative = (a: Pair): boolean => (a.hi | 0) < 0;

export function add(a: Pair, b: Pair): Pair {
  const lo = a.lo + b.lo;
  return pair(lo, a.hi + b.hi + (lo > 0xffff_ffff ? 1 : 0));
}
export const negate = (a: Pair): Pair => add(pair(~a.lo, ~a.hi), pair(1, 0));
export const sub = (a: Pair, b: Pair): Pair => add(a, negate(b));

export function lsh(a: Pair, count: number): Pair {
  let out = a;
  for (let i = 0; i < count; i++) out = add(out, out);
  return out;
}
export function rsh(a: Pair, count: number, fill = 0): Pair {
  let out = a;
  for (let i = 0; i < count; i++) out = pair((out.lo >>> 1) | (out.hi << 31), (out.hi >>> 1) | (fill << 31));
  return out;
}
const bit = (a: Pair, i: number): number => (i < 32 ? (a.lo >>> i) & 1 : (a.hi >>> (i - 32)) & 1);

/** Shift and add. */
export function mul(a: Pair, b: Pair): Pair {
  let out = ZERO;
  for (let i = 0; i < 64; i++) if (bit(b, i) === 1) out = add(out, lsh(a, i));
  return out;
}
/** Shift and subtract. */
function divide(a: Pair, b: Pair): { quotient: Pair; remainder: Pair } {
  let quotient = ZERO;
  let remainder = ZERO;
  for (let i = 63; i >= 0; i--) {
    const carry = remainder.hi >>> 31;
    remainder = pair((remainder.lo << 1) | bit(a, i), (remainder.hi << 1) | (remainder.lo >>> 31));
    quotient = lsh(quotient, 1);
    if (carry === 1 || !lessThan(remainder, b)) {
      remainder = sub(remainder, b);
      quotient = pair(quotient.lo | 1, quotient.hi);
    }
  }
  return { quotient, remainder };
}
const magnitude = (a: Pair): Pair => (isNegative(a) ? negate(a) : a);

export const div = (a: Pair, b: Pair): Pair => (isZero(b) ? ZERO : divide(a, b).quotient);
export const mod = (a: Pair, b: Pair): Pair => (isZero(b) ? a : divide(a, b).remainder);
export function sdiv(a: Pair, b: Pair): Pair {
  const quotient = div(magnitude(a), magnitude(b));
  return isNegative(a) === isNegative(b) ? quotient : negate(quotient);
}
export function smod(a: Pair, b: Pair): Pair {
  if (isZero(b)) return a;
  const remainder = mod(magnitude(a), magnitude(b));
  return isNegative(a) ? negate(remainder) : remainder;
}
export const arsh = (a: Pair, count: number): Pair => rsh(a, count, isNegative(a) ? 1 : 0);
export const bitwise = (a: Pair, b: Pair, f: (x: number, y: number) => number): Pair =>
  pair(f(a.lo, b.lo), f(a.hi, b.hi));

/** The lowest `bits` bits, the highest of them repeated above. */
export function signExtend(a: Pair, bits: number): Pair {
  return arsh(lsh(a, 64 - bits), 64 - bits);
}
export function zeroExtend(a: Pair, bits: number): Pair {
  return rsh(lsh(a, 64 - bits), 64 - bits);
}
/** Through memory: stored in one order, read in the other. */
export function swapBytes(a: Pair, bits: number): Pair {
  const view = new DataView(new ArrayBuffer(8));
  view.setUint32(0, a.lo, true);
  view.setUint32(4, a.hi, true);
  if (bits === 16) return pair(view.getUint16(0), 0);
  if (bits === 32) return pair(view.getUint32(0), 0);
  return pair(view.getUint32(4), view.getUint32(0));
}

const words = new Uint32Array(2);
const whole = new BigUint64Array(words.buffer);
/** Through memory of a little-endian host, as all that JavaScript runs on. */
export function toPair(value: bigint): Pair {
  whole[0] = value;
  return pair(words[0], words[1]);
}
export function fromPair(value: Pair): bigint {
  words[0] = value.lo;
  words[1] = value.hi;
  return whole[0];
}
