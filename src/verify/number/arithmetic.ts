// Arithmetic on abstract numbers: one row an operation, for both widths.
import * as R from './range.ts';
import { type Range, W32, W64 } from './range.ts';
import { ANY, type Bounds, exactly, low32, settled, zeroExtended } from './scalar.ts';
import * as T from './tnum.ts';
import type { Tnum } from './tnum.ts';

/** Two-operand operations of the instruction set that have rows here. */
export type BinaryOperation =
  | 'add' | 'sub' | 'mul' | 'div' | 'sdiv' | 'mod' | 'smod' | 'and' | 'or' | 'xor' | 'lsh' | 'rsh' | 'arsh'; // biome-ignore format: a list

interface Row {
  /** Interval of the result at one width, from the operands' at that width; `bits` is the result's tnum. */
  range(w: R.Width, a: Range, b: Range, bits: Tnum): Range;
  bits(a: Tnum, b: Tnum, width: 32 | 64): Tnum;
  /** Whether the lower half of the result depends on the lower halves only: then 64-bit arithmetic says both. */
  readonly halves: boolean;
}

const fromBits = (w: R.Width, bits: Tnum): Range => {
  if (w === W32) return R.unsigned(W32, bits.valueLow >>> 0, (bits.valueLow | bits.maskLow) >>> 0);
  return R.unsigned(w, T.minimum(bits), T.maximum(bits));
};

const single = (r: Range): number | undefined => (r.smin === r.smax ? r.smin : undefined);

/** The amount of a shift as the machine takes it (RFC 9669 section 4.1: masked to the width). */
const amounts = (w: R.Width, b: Range): readonly [number, number] =>
  b.umax < w.bits ? [b.umin, b.umax] : b.umin === b.umax ? [b.umin % w.bits, b.umin % w.bits] : [0, w.bits - 1];

const shiftBits =
  (shift: (t: Tnum, by: number) => Tnum) =>
  (a: Tnum, b: Tnum, width: 32 | 64): Tnum => {
    if (!T.isConstant(b)) return T.UNKNOWN;
    return shift(a, b.valueLow & (width - 1));
  };

const exact64 =
  (compute: (a: bigint, b: bigint) => bigint) =>
  (a: Tnum, b: Tnum, width: 32 | 64): Tnum => {
    if (!T.isConstant(a) || !T.isConstant(b)) return T.UNKNOWN;
    return T.constantOf(BigInt.asUintN(width, compute(T.bitsOf(a), T.bitsOf(b))));
  };
const signedExact =
  (compute: (a: bigint, b: bigint) => bigint) =>
  (a: Tnum, b: Tnum, width: 32 | 64): Tnum =>
    exact64((x, y) => compute(BigInt.asIntN(width, x), BigInt.asIntN(width, y)))(a, b, width);

/** Each operation; division by zero gives 0, remainder by zero the dividend (RFC 9669 section 4.1). */
export const ARITHMETIC: { readonly [O in BinaryOperation]: Row } = {
  add: { range: R.add, bits: T.add, halves: true },
  sub: { range: R.sub, bits: T.sub, halves: true },
  mul: { range: R.mul, bits: T.mul, halves: true },
  div: { range: R.div, bits: exact64((a, b) => (b === 0n ? 0n : a / b)), halves: false },
  mod: { range: R.mod, bits: exact64((a, b) => (b === 0n ? a : a % b)), halves: false },
  sdiv: {
    range: (w, a, b) => {
      const by = single(b);
      return by === undefined || by === 0 ? w.full : R.sdiv(w, a, by);
    },
    bits: signedExact((a, b) => (b === 0n ? 0n : a / b)),
    halves: false,
  },
  smod: {
    range: (w, a, b) => {
      const by = single(b);
      return by === undefined || by === 0 ? w.full : R.smod(w, a, by);
    },
    bits: signedExact((a, b) => (b === 0n ? a : a % b)),
    halves: false,
  },
  and: {
    range: (w, a, b, bits) => {
      const most = fromBits(w, bits);
      return R.unsigned(w, most.umin, Math.min(a.umax, b.umax, most.umax));
    },
    bits: T.and,
    halves: true,
  },
  or: {
    range: (w, a, b, bits) => {
      const most = fromBits(w, bits);
      return R.unsigned(w, Math.max(a.umin, b.umin), most.umax);
    },
    bits: T.or,
    halves: true,
  },
  xor: { range: (w, _a, _b, bits) => fromBits(w, bits), bits: T.xor, halves: true },
  lsh: { range: (w, a, b) => R.lsh(w, a, ...amounts(w, b)), bits: shiftBits(T.lsh), halves: false },
  rsh: { range: (w, a, b) => R.rsh(w, a, ...amounts(w, b)), bits: shiftBits(T.rsh), halves: false },
  arsh: {
    range: (w, a, b) => R.arsh(w, a, ...amounts(w, b)),
    bits: (a, b, width) => {
      if (!T.isConstant(b)) return T.UNKNOWN;
      const by = b.valueLow & (width - 1);
      return width === 64 ? T.arsh(a, by) : T.truncate(T.arsh(T.signExtend(a, 32), by), 32);
    },
    halves: false,
  },
};

/** `a OP b` on 64 bits. */
export function arithmetic64(operation: BinaryOperation, a: Bounds, b: Bounds): Bounds {
  const row = ARITHMETIC[operation];
  const bits = row.bits(a.bits, b.bits, 64);
  if (T.isConstant(bits)) return exactly(bits);
  const r64 = row.range(W64, a.r64, b.r64, bits);
  const r32 = row.halves ? row.range(W32, a.r32, b.r32, bits) : W32.full;
  return settled(r64, r32, bits);
}

/** `a OP b` on the lower halves, zero-extended. */
export function arithmetic32(operation: BinaryOperation, a: Bounds, b: Bounds): Bounds {
  const row = ARITHMETIC[operation];
  const bits = T.low32(row.bits(T.low32(a.bits), T.low32(b.bits), 32));
  if (T.isConstant(bits)) return exactly(bits);
  const r32 = row.range(W32, a.r32, b.r32, bits);
  return settled(R.surely(W64, r32.umin, r32.umax, r32.umin, r32.umax), r32, bits);
}

const NOTHING = exactly(T.ZERO);

export const negate = (a: Bounds, width: 32 | 64): Bounds =>
  width === 64 ? arithmetic64('sub', NOTHING, a) : arithmetic32('sub', NOTHING, a);

/** Sign-extends the lower `from` bits (8, 16, 32) to 64 bits. */
export function signExtend(a: Bounds, from: number): Bounds {
  const bits = T.signExtend(T.truncate(a.bits, from), from);
  if (T.isConstant(bits)) return exactly(bits);
  const limit = 2 ** (from - 1);
  const { smin, smax } = from === 32 ? a.r32 : a.r64;
  const fits = smin >= -limit && smax < limit;
  const r64 = fits ? R.signed(W64, smin, smax) : R.signed(W64, -limit, limit - 1);
  return settled(r64, W32.full, bits);
}

/** Reverses the lower bytes; the rest becomes zero. */
export const byteSwap = (a: Bounds, width: 16 | 32 | 64): Bounds => fromTnum(T.byteSwap(a.bits, width));

/** Keeps the lower bits; the rest becomes zero. */
export function truncate(a: Bounds, width: number): Bounds {
  if (width === 64) return a;
  if (width === 32) return low32(a);
  if (a.r64.umax < 2 ** width) return a;
  return settled(zeroExtended(width).r64, W32.full, T.truncate(a.bits, width));
}

export const fromTnum = (bits: Tnum): Bounds =>
  T.isConstant(bits) ? exactly(bits) : T.isUnknown(bits) ? ANY : settled(W64.full, W32.full, bits);
