// Branches on abstract numbers: which way they go, and what is known afterwards. One row a comparison.
import * as R from './range.ts';
import { type Range, W32, W64, type Width } from './range.ts';
import { type Bounds, settle } from './scalar.ts';
import * as T from './tnum.ts';
import type { Tnum } from './tnum.ts';

export type Comparison = 'jeq' | 'jne' | 'jgt' | 'jge' | 'jlt' | 'jle' | 'jset' | 'jsgt' | 'jsge' | 'jslt' | 'jsle';

/** One operand at the width of the comparison. */
interface Operand {
  readonly range: Range;
  readonly bits: Tnum;
}

/** Two operands of which the comparison holds; undefined where it cannot. */
type Pair = readonly [Operand, Operand] | undefined;

/** A row: the comparisons, and the negation of jset, which no instruction has. */
type RowName = Comparison | 'jclear';

interface Row {
  readonly negated: RowName;
  /** What is left of both where the comparison holds. */
  holds(w: Width, a: Operand, b: Operand): Pair;
}

const narrowed = (
  w: Width,
  a: Operand,
  umin: number,
  umax: number,
  smin: number,
  smax: number,
): Operand | undefined => {
  const { range } = a;
  const next = R.range(
    w,
    Math.max(umin, range.umin),
    Math.min(umax, range.umax),
    Math.max(smin, range.smin),
    Math.min(smax, range.smax),
  );
  return next && { range: next, bits: a.bits };
};

const pair = (a: Operand | undefined, b: Operand | undefined): Pair => a && b && [a, b];

/** a > b (`by` 1) or a >= b (`by` 0), unsigned. */
function above(w: Width, a: Operand, b: Operand, by: 0 | 1): Pair {
  // Above a number with the highest bit set, as error codes are: told by the signed reading, whose bounds are exact.
  const high = b.range.smax < 0;
  const top = narrowed(w, a, b.range.umin + by, w.umax, high ? b.range.smin + by : w.smin, high ? -1 : w.smax);
  // Below a number without it: neither has it.
  const low = a.range.smin >= 0;
  return pair(top, narrowed(w, b, 0, a.range.umax - by, low ? 0 : w.smin, low ? a.range.smax - by : w.smax));
}

/** a > b (`by` 1) or a >= b (`by` 0), signed. */
const greater = (w: Width, a: Operand, b: Operand, by: 0 | 1): Pair =>
  pair(narrowed(w, a, 0, w.umax, b.range.smin + by, w.smax), narrowed(w, b, 0, w.umax, w.smin, a.range.smax - by));

const swapped = (p: Pair): Pair => p && [p[1], p[0]];

function equal(w: Width, a: Operand, b: Operand): Pair {
  const range = R.intersect(w, a.range, b.range);
  const bits = T.intersect(a.bits, b.bits);
  if (range === undefined || bits === undefined) return undefined;
  const both = { range, bits };
  return [both, both];
}

/** Bounds beyond what is kept exactly are equal to others that differ. */
const exact = (x: number): boolean => Math.abs(x) < R.EXACT;

/** a without the constant b. */
function without(w: Width, a: Operand, b: Operand): Operand | undefined {
  if (!T.isConstant(b.bits)) return a;
  if (T.isConstant(a.bits)) return T.equal(a.bits, b.bits) ? undefined : a;
  const { umin, umax, smin, smax } = a.range;
  const { range: c } = b;
  return narrowed(
    w,
    a,
    umin === c.umin && umin === c.umax && exact(umin) ? umin + 1 : umin,
    umax === c.umin && umax === c.umax && exact(umax) ? umax - 1 : umax,
    smin === c.smin && smin === c.smax && exact(smin) ? smin + 1 : smin,
    smax === c.smin && smax === c.smax && exact(smax) ? smax - 1 : smax,
  );
}

/** Whether at most one bit is set. */
const single = (x: number): boolean => (x & (x - 1)) === 0;

/** a with the only bit of the constant b set; nothing is known of several bits. */
function withBit(a: Operand, b: Operand): Operand | undefined {
  if (!T.isConstant(b.bits)) return a;
  const { valueLow: low, valueHigh: high } = b.bits;
  const { bits } = a;
  if ((((bits.valueLow | bits.maskLow) & low) | ((bits.valueHigh | bits.maskHigh) & high)) === 0) return undefined;
  if (!(low === 0 ? single(high) : high === 0 && single(low))) return a;
  const set = T.tnum(bits.valueLow | low, bits.valueHigh | high, bits.maskLow & ~low, bits.maskHigh & ~high);
  return { range: a.range, bits: set };
}

/** a with none of the bits of the constant b. */
function withoutBits(a: Operand, b: Operand): Operand | undefined {
  if (!T.isConstant(b.bits)) return a;
  const { valueLow: low, valueHigh: high } = b.bits;
  const { bits } = a;
  if (((bits.valueLow & low) | (bits.valueHigh & high)) !== 0) return undefined;
  return { range: a.range, bits: T.tnum(bits.valueLow, bits.valueHigh, bits.maskLow & ~low, bits.maskHigh & ~high) };
}

const COMPARISONS: { readonly [C in RowName]: Row } = {
  jeq: { negated: 'jne', holds: equal },
  jne: { negated: 'jeq', holds: (w, a, b) => pair(without(w, a, b), without(w, b, a)) },
  jgt: { negated: 'jle', holds: (w, a, b) => above(w, a, b, 1) },
  jge: { negated: 'jlt', holds: (w, a, b) => above(w, a, b, 0) },
  jlt: { negated: 'jge', holds: (w, a, b) => swapped(above(w, b, a, 1)) },
  jle: { negated: 'jgt', holds: (w, a, b) => swapped(above(w, b, a, 0)) },
  jsgt: { negated: 'jsle', holds: (w, a, b) => greater(w, a, b, 1) },
  jsge: { negated: 'jslt', holds: (w, a, b) => greater(w, a, b, 0) },
  jslt: { negated: 'jsge', holds: (w, a, b) => swapped(greater(w, b, a, 1)) },
  jsle: { negated: 'jsgt', holds: (w, a, b) => swapped(greater(w, b, a, 0)) },
  jset: { negated: 'jclear', holds: (_w, a, b) => pair(withBit(a, b), withBit(b, a)) },
  jclear: { negated: 'jset', holds: (_w, a, b) => pair(withoutBits(a, b), withoutBits(b, a)) },
};

const EXACT_BITS: Readonly<Record<Comparison, (a: bigint, b: bigint) => boolean>> = {
  jeq: (a, b) => a === b,
  jne: (a, b) => a !== b,
  jgt: (a, b) => a > b,
  jge: (a, b) => a >= b,
  jlt: (a, b) => a < b,
  jle: (a, b) => a <= b,
  jset: (a, b) => (a & b) !== 0n,
  jsgt: (a, b) => a > b,
  jsge: (a, b) => a >= b,
  jslt: (a, b) => a < b,
  jsle: (a, b) => a <= b,
};

const at = (b: Bounds, width: 32 | 64): Operand =>
  width === 64 ? { range: b.r64, bits: b.bits } : { range: b.r32, bits: T.low32(b.bits) };

/** Bounds of which the part that was compared is known better. */
function back(whole: Bounds, part: Operand, before: Operand, width: 32 | 64): Bounds | undefined {
  if (part.range === before.range && part.bits === before.bits) return whole;
  if (width === 64) return settle(part.range, whole.r32, part.bits);
  return settle(whole.r64, part.range, T.concat(part.bits, whole.bits));
}

/** Both operands where the comparison holds; undefined where it never does. */
export type Refined = readonly [Bounds, Bounds] | undefined;

function refine(row: RowName, a: Bounds, b: Bounds, width: 32 | 64): Refined {
  const w = width === 64 ? W64 : W32;
  const x = at(a, width);
  const y = at(b, width);
  const held = COMPARISONS[row].holds(w, x, y);
  if (held === undefined) return undefined;
  const first = back(a, held[0], x, width);
  const second = back(b, held[1], y, width);
  return first && second && [first, second];
}

/**
 * The two ways of a branch: the operands where it is taken and where it is not. A way that no numbers take is undefined.
 */
export function branch(
  comparison: Comparison,
  a: Bounds,
  b: Bounds,
  width: 32 | 64,
): { readonly taken: Refined; readonly otherwise: Refined } {
  const x = at(a, width);
  const y = at(b, width);
  if (T.isConstant(x.bits) && T.isConstant(y.bits)) {
    const signed = comparison.startsWith('js') && comparison !== 'jset';
    const read = (t: Tnum): bigint => (signed ? BigInt.asIntN(width, T.bitsOf(t)) : T.bitsOf(t));
    const both: Refined = [a, b];
    return EXACT_BITS[comparison](read(x.bits), read(y.bits))
      ? { taken: both, otherwise: undefined }
      : { taken: undefined, otherwise: both };
  }
  return {
    taken: refine(comparison, a, b, width),
    otherwise: refine(COMPARISONS[comparison].negated, a, b, width),
  };
}
