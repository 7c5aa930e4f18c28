// Abstract numbers of the certificate checker: intervals of both readings at both widths, and known bits, all on BigInt.
// Written for being read: no bound is rounded, and each rule says what holds for every member.

/** Inclusive bounds of the unsigned and the signed reading at one width. */
export interface Interval {
  readonly umin: bigint;
  readonly umax: bigint;
  readonly smin: bigint;
  readonly smax: bigint;
}

/** What is known of a number; `low` is of its lower 32 bits. Bits in `mask` are unknown, and zero in `value`. */
export interface Facts {
  readonly full: Interval;
  readonly low: Interval;
  readonly value: bigint;
  readonly mask: bigint;
}

const MASK = 0xffff_ffff_ffff_ffffn;
const MASK32 = 0xffff_ffffn;
type Bits = 32 | 64;
const unsigned = (w: Bits, x: bigint): bigint => x & (w === 64 ? MASK : MASK32);
const umaxOf = (w: Bits): bigint => (w === 64 ? MASK : MASK32);
const smaxOf = (w: Bits): bigint => umaxOf(w) >> 1n;
const FULL: Interval = { umin: 0n, umax: MASK, smin: -(1n << 63n), smax: (1n << 63n) - 1n };
const FULL32: Interval = { umin: 0n, umax: MASK32, smin: -(1n << 31n), smax: (1n << 31n) - 1n };
const fullOf = (w: Bits): Interval => (w === 64 ? FULL : FULL32);
export const ANY: Facts = { full: FULL, low: FULL32, value: 0n, mask: MASK };

const min = (a: bigint, b: bigint): bigint => (a < b ? a : b);
const max = (a: bigint, b: bigint): bigint => (a > b ? a : b);

/** An interval of which only one reading is known; everything where it does not fit the width. */
const ofUnsigned = (w: Bits, umin: bigint, umax: bigint): Interval =>
  umin < 0n || umax > umaxOf(w) ? fullOf(w) : { ...fullOf(w), umin, umax };
const ofSigned = (w: Bits, smin: bigint, smax: bigint): Interval =>
  smin < fullOf(w).smin || smax > smaxOf(w) ? fullOf(w) : { ...fullOf(w), smin, smax };
const both = (a: Interval, b: Interval): Interval => ({
  umin: max(a.umin, b.umin),
  umax: min(a.umax, b.umax),
  smin: max(a.smin, b.smin),
  smax: min(a.smax, b.smax),
});

/** Carries what one reading says over to the other; undefined where nothing is left. */
function agreed(w: Bits, { umin, umax, smin, smax }: Interval): Interval | undefined {
  const top = smaxOf(w);
  const turn = umaxOf(w) + 1n;
  for (let round = 0; round < 2; round++) {
    if (umax <= top) [smin, smax] = [max(smin, umin), min(smax, umax)];
    else if (umin > top) [smin, smax] = [max(smin, umin - turn), min(smax, umax - turn)];
    // Positive numbers and negative ones are two stretches of the unsigned reading: where it has room for one only, the other is out.
    if (smin < 0n && smax >= 0n && umin > smax) smax = -1n;
    else if (smin < 0n && smax >= 0n && umax < smin + turn) smin = 0n;
    if (smin >= 0n) [umin, umax] = [max(umin, smin), min(umax, smax)];
    else if (smax < 0n) [umin, umax] = [max(umin, smin + turn), min(umax, smax + turn)];
  }
  return umin > umax || smin > smax ? undefined : { umin, umax, smin, smax };
}

/** The interval of all numbers with these bits. */
function ofBits(w: Bits, value: bigint, mask: bigint): Interval {
  const sign = 1n << BigInt(w - 1);
  const [v, m] = [unsigned(w, value), unsigned(w, mask)];
  return { umin: v, umax: v | m, smin: BigInt.asIntN(w, v | (m & sign)), smax: BigInt.asIntN(w, v | (m & ~sign)) };
}

/** Lower halves of the integers from `from` to `to`. */
function lowerHalf(from: bigint, to: bigint): Interval {
  if (to - from > MASK32) return FULL32;
  const [a, b] = [unsigned(32, from), unsigned(32, to)];
  const [c, d] = [BigInt.asIntN(32, from), BigInt.asIntN(32, to)];
  return both(a <= b ? ofUnsigned(32, a, b) : FULL32, c <= d ? ofSigned(32, c, d) : FULL32);
}

const floor32 = (x: bigint): bigint => (x >> 32n) << 32n;

/** What the lower half says about the whole: it is never below that of the least upper half, nor above that of the largest. */
const whole = (r: Interval, half: Interval): Interval => ({
  umin: max(r.umin, floor32(r.umin) + half.umin),
  umax: min(r.umax, floor32(r.umax) + half.umax),
  smin: max(r.smin, r.smin >= FULL32.smin && r.smax <= FULL32.smax ? half.smin : floor32(r.smin) + half.umin),
  smax: min(r.smax, r.smin >= FULL32.smin && r.smax <= FULL32.smax ? half.smax : floor32(r.smax) + half.umax),
});

/** So many bits, all set. */
const ONES: readonly bigint[] = Array.from({ length: 65 }, (_, bits) => (1n << BigInt(bits)) - 1n);
const lengthOf = (x: bigint): number => {
  const high = Number(x >> 32n);
  return high === 0 ? 32 - Math.clz32(Number(x)) : 64 - Math.clz32(high);
};

/** Bits that all numbers between two unsigned ones share. */
function prefix(from: bigint, to: bigint): readonly [bigint, bigint] {
  const mask = from === to ? 0n : ONES[lengthOf(from ^ to)];
  return [from & ~mask, mask];
}

/** What both say; undefined where they contradict. */
function sameBits(v1: bigint, m1: bigint, v2: bigint, m2: bigint): readonly [bigint, bigint] | undefined {
  return ((v1 ^ v2) & ~m1 & ~m2) === 0n ? [(v1 | v2) & ~(m1 & m2), m1 & m2] : undefined;
}

/** Lets each of the views say to the others what it knows; undefined where no number is left. */
export function settle(full: Interval, low: Interval, value: bigint, mask: bigint): Facts | undefined {
  let f: Interval | undefined = full;
  let l: Interval | undefined = low;
  let bits: readonly [bigint, bigint] | undefined = [value, mask];
  for (let round = 0; round < 2; round++) {
    const before: bigint = bits[1];
    f = agreed(64, both(f, ofBits(64, ...bits)));
    if (f === undefined) return undefined;
    l = both(both(l, ofBits(32, ...bits)), both(lowerHalf(f.umin, f.umax), lowerHalf(f.smin, f.smax)));
    l = agreed(32, l);
    f = l && agreed(64, whole(f, l));
    if (f === undefined || l === undefined) return undefined;
    bits = sameBits(...bits, ...prefix(f.umin, f.umax));
    const [v, m] = prefix(l.umin, l.umax);
    bits = bits && sameBits(...bits, v, m | (MASK ^ MASK32));
    if (bits === undefined) return undefined;
    if (bits[1] === 0n) return constant(bits[0]);
    if (bits[1] === before) break;
  }
  return { full: f, low: l, value: bits[0], mask: bits[1] };
}

const CONSTANTS = new Map<bigint, Facts>();

/** The facts about one number. */
export function constant(x: bigint): Facts {
  const value = unsigned(64, x);
  let made = CONSTANTS.get(value);
  if (made === undefined) {
    made = { full: ofBits(64, value, 0n), low: ofBits(32, value, 0n), value, mask: 0n };
    if (CONSTANTS.size < 4096) CONSTANTS.set(value, made);
  }
  return made;
}
export const ZERO = constant(0n);

export const isConstant = (a: Facts): boolean => a.mask === 0n;
/** The value of a constant, signed. */
export const valueOf = (a: Facts): bigint => BigInt.asIntN(64, a.value);
export const isZero = (a: Facts): boolean => a.mask === 0n && a.value === 0n;

const zeroExtended = new Map<number, Facts>([[64, ANY]]);
/** Any number of so many bits, zero-extended. */
export function ofWidth(bits: number): Facts {
  let made = zeroExtended.get(bits);
  if (made === undefined) {
    made = settle(FULL, FULL32, 0n, (1n << BigInt(bits)) - 1n) ?? ANY;
    zeroExtended.set(bits, made);
  }
  return made;
}
/** Numbers of a signed interval. */
export const between = (from: bigint, to: bigint): Facts => settle(ofSigned(64, from, to), FULL32, 0n, MASK) ?? ANY;

const contains = (a: Interval, b: Interval): boolean =>
  a === b || (a.umin <= b.umin && a.umax >= b.umax && a.smin <= b.smin && a.smax >= b.smax);
/** Whether every number of `b` is one of `a`. */
export const includes = (a: Facts, b: Facts): boolean =>
  a === ANY ||
  (contains(a.full, b.full) &&
    contains(a.low, b.low) &&
    (b.mask & ~a.mask) === 0n &&
    ((a.value ^ b.value) & ~a.mask) === 0n);
/** What holds of both; undefined where no number does. */
export function intersect(a: Facts, b: Facts): Facts | undefined {
  const bits = sameBits(a.value, a.mask, b.value, b.mask);
  return bits && settle(both(a.full, b.full), both(a.low, b.low), ...bits);
}

const TOP32 = MASK ^ MASK32;
/** The lower half, zero-extended. */
export function low32(a: Facts): Facts {
  if (a.full.umax <= MASK32) return a;
  const { umin, umax } = a.low;
  return settle({ umin, umax, smin: umin, smax: umax }, a.low, a.value & MASK32, a.mask & MASK32) ?? ofWidth(32);
}
/** Keeps the lower bits; the rest becomes zero. */
export function truncate(a: Facts, bits: number): Facts {
  if (bits === 64) return a;
  if (bits === 32) return low32(a);
  const keep = (1n << BigInt(bits)) - 1n;
  return a.full.umax <= keep ? a : (settle(FULL, FULL32, a.value & keep, a.mask & keep) ?? ofWidth(bits));
}

/** Sign-extends the lower bits to 64. */
export function signExtend(a: Facts, bits: number): Facts {
  const keep = (1n << BigInt(bits)) - 1n;
  const mask = BigInt.asUintN(64, BigInt.asIntN(bits, a.mask & keep));
  const value = BigInt.asUintN(64, BigInt.asIntN(bits, a.value & keep)) & ~mask;
  const limit = 1n << BigInt(bits - 1);
  const { smin, smax } = bits === 32 ? a.low : a.full;
  const fits = smin >= -limit && smax < limit;
  return settle(fits ? ofSigned(64, smin, smax) : ofSigned(64, -limit, limit - 1n), FULL32, value, mask) ?? ANY;
}

function reversed(x: bigint, bits: number): bigint {
  let out = 0n;
  for (let bit = 0; bit < bits; bit += 8) out = (out << 8n) | ((x >> BigInt(bit)) & 0xffn);
  return out;
}
/** Reverses the lower bytes; the rest becomes zero. */
export const byteSwap = (a: Facts, bits: number): Facts =>
  settle(FULL, FULL32, reversed(a.value, bits), reversed(a.mask, bits)) ?? ANY;

type Op = (w: Bits, a: Interval, b: Interval) => Interval;
type BitOp = (a: Facts, b: Facts, w: Bits) => readonly [bigint, bigint];

const wrapped = (w: Bits, umin: bigint, umax: bigint): Interval => {
  const turn = umaxOf(w) + 1n;
  if (umin >= turn) return ofUnsigned(w, umin - turn, umax - turn);
  return umax < 0n ? ofUnsigned(w, umin + turn, umax + turn) : ofUnsigned(w, umin, umax);
};
const corners = (list: readonly bigint[]): readonly [bigint, bigint] => [list.reduce(min), list.reduce(max)];
/** The amount of a shift, masked to the width (RFC 9669 section 4.1). */
const amounts = (w: Bits, b: Interval): readonly [bigint, bigint] =>
  b.umax < BigInt(w)
    ? [b.umin, b.umax]
    : b.umin === b.umax
      ? [b.umin & BigInt(w - 1), b.umin & BigInt(w - 1)]
      : [0n, BigInt(w - 1)];

const byConstant =
  (compute: (a: bigint, b: bigint, w: Bits) => readonly [bigint, bigint]): Op =>
  (w, a, b) => {
    if (b.smin !== b.smax || b.smin === 0n || (b.smin === -1n && a.smin === fullOf(w).smin)) return fullOf(w);
    const [first, second] = [compute(a.smin, b.smin, w), compute(a.smax, b.smin, w)];
    return ofSigned(w, ...corners([...first, ...second]));
  };

const unknown: BitOp = () => [0n, MASK];
/** Bits of a shift by a constant. */
const shifted =
  (shift: (x: bigint, by: bigint, w: Bits) => bigint): BitOp =>
  (a, b, w) => {
    if (b.mask !== 0n) return [0n, MASK];
    const by = b.value & BigInt(w - 1);
    const mask = shift(a.mask, by, w);
    return [shift(a.value, by, w) & ~mask, mask];
  };

/** Known bits of a sum: those that no unknown carry reaches. */
function sumBits(a: Facts, b: Facts): readonly [bigint, bigint] {
  const least = a.value + b.value;
  const most = least + a.mask + b.mask;
  const mask = ((least ^ most) | a.mask | b.mask) & MASK;
  return [least & ~mask & MASK, mask];
}
function differenceBits(a: Facts, b: Facts): readonly [bigint, bigint] {
  const by = a.value - b.value;
  const mask = (((by + a.mask) ^ (by - b.mask)) | a.mask | b.mask) & MASK;
  return [by & ~mask & MASK, mask];
}
/** Known bits of a product: the trailing zeros of both; all where both are constants. */
function productBits(a: Facts, b: Facts): readonly [bigint, bigint] {
  if (a.mask === 0n && b.mask === 0n) return [unsigned(64, a.value * b.value), 0n];
  let zeros = 0n;
  for (const { value, mask } of [a, b]) {
    const ones = value | mask;
    if (ones === 0n) return [0n, 0n];
    zeros += BigInt((ones & -ones).toString(2).length - 1);
  }
  return zeros >= 64n ? [0n, 0n] : [0n, unsigned(64, MASK << zeros)];
}

/** One row an operation; `halves`: the lower half of the result depends on the lower halves only. */
const ROWS: Readonly<Record<string, { readonly range: Op; readonly bits: BitOp; readonly halves?: true }>> = {
  add: {
    halves: true,
    bits: sumBits,
    range: (w, a, b) =>
      both(wrapped(w, a.umin + b.umin, a.umax + b.umax), ofSigned(w, a.smin + b.smin, a.smax + b.smax)),
  },
  sub: {
    halves: true,
    bits: differenceBits,
    range: (w, a, b) =>
      both(wrapped(w, a.umin - b.umax, a.umax - b.umin), ofSigned(w, a.smin - b.smax, a.smax - b.smin)),
  },
  mul: {
    halves: true,
    bits: productBits,
    range: (w, a, b) =>
      both(
        ofUnsigned(w, a.umin * b.umin, a.umax * b.umax),
        ofSigned(w, ...corners([a.smin * b.smin, a.smin * b.smax, a.smax * b.smin, a.smax * b.smax])),
      ),
  },
  // By zero: the quotient is 0, the remainder the dividend.
  div: {
    bits: unknown,
    range: (w, a, b) => ofUnsigned(w, b.umin === 0n ? 0n : a.umin / b.umax, b.umin === 0n ? a.umax : a.umax / b.umin),
  },
  mod: {
    bits: unknown,
    range: (w, a, b) =>
      a.umax < b.umin
        ? ofUnsigned(w, a.umin, a.umax)
        : ofUnsigned(w, 0n, b.umin === 0n ? a.umax : min(a.umax, b.umax - 1n)),
  },
  sdiv: { bits: unknown, range: byConstant((a, b) => [a / b, a / b]) },
  smod: {
    bits: unknown,
    range: byConstant((a, b) => {
      const most = (b < 0n ? -b : b) - 1n;
      return [0n, a < 0n ? max(a, -most) : min(a, most)];
    }),
  },
  and: {
    halves: true,
    bits: (a, b) => {
      const value = a.value & b.value;
      return [value, (a.value | a.mask) & (b.value | b.mask) & ~value];
    },
    range: (w, a, b) => ofUnsigned(w, 0n, min(a.umax, b.umax)),
  },
  or: {
    halves: true,
    bits: (a, b) => [a.value | b.value, (a.mask | b.mask) & ~(a.value | b.value)],
    range: (w, a, b) => ofUnsigned(w, max(a.umin, b.umin), umaxOf(w)),
  },
  xor: {
    halves: true,
    bits: (a, b) => [(a.value ^ b.value) & ~(a.mask | b.mask), a.mask | b.mask],
    range: (w) => fullOf(w),
  },
  lsh: {
    bits: shifted((x, by, w) => unsigned(w, x << by)),
    range: (w, a, b) => {
      const [from, to] = amounts(w, b);
      return both(
        ofUnsigned(w, a.umin << from, a.umax << to),
        ofSigned(w, a.smin << (a.smin < 0n ? to : from), a.smax << (a.smax < 0n ? from : to)),
      );
    },
  },
  rsh: {
    bits: shifted((x, by, w) => unsigned(w, x) >> by),
    range: (w, a, b) => {
      const [from, to] = amounts(w, b);
      return ofUnsigned(w, a.umin >> to, a.umax >> from);
    },
  },
  arsh: {
    bits: shifted((x, by, w) => unsigned(w, BigInt.asIntN(w, unsigned(w, x)) >> by)),
    range: (w, a, b) => {
      const [from, to] = amounts(w, b);
      return ofSigned(w, a.smin >> (a.smin < 0n ? from : to), a.smax >> (a.smax < 0n ? to : from));
    },
  },
};

/** `a OP b` on 64 bits, or on the lower halves with the result zero-extended. */
export function arithmetic(operation: string, width: Bits, a: Facts, b: Facts): Facts {
  const row = ROWS[operation];
  if (width === 64) {
    const low = row.halves === true ? row.range(32, a.low, b.low) : FULL32;
    return settle(row.range(64, a.full, b.full), low, ...row.bits(a, b, 64)) ?? ANY;
  }
  const cut = (x: Facts): Facts => ({ ...x, value: x.value & MASK32, mask: x.mask & MASK32 });
  const [value, mask] = row.bits(cut(a), cut(b), 32);
  const low = row.range(32, a.low, b.low);
  const { umin, umax } = low;
  return settle({ umin, umax, smin: umin, smax: umax }, low, value & MASK32, mask & MASK32) ?? ofWidth(32);
}

/** Both operands where a comparison holds; undefined where it never does. */
export type Pair = readonly [Facts, Facts] | undefined;

const NEGATED: Readonly<Record<string, string>> = {
  jeq: 'jne', jne: 'jeq', jgt: 'jle', jle: 'jgt', jge: 'jlt', jlt: 'jge', jset: 'jclear',
  jsgt: 'jsle', jsle: 'jsgt', jsge: 'jslt', jslt: 'jsge',
}; // biome-ignore format: a table

/** The first operand of `a REL b` narrowed: one reading has a least or a largest member now. */
const least = (r: Interval, signed: boolean, x: bigint): Interval =>
  signed ? { ...r, smin: max(r.smin, x) } : { ...r, umin: max(r.umin, x) };
const most = (r: Interval, signed: boolean, x: bigint): Interval =>
  signed ? { ...r, smax: min(r.smax, x) } : { ...r, umax: min(r.umax, x) };

/** Without a constant at an end of the interval. */
function without(r: Interval, b: Interval): Interval {
  if (b.umin !== b.umax) return r;
  return {
    umin: r.umin === b.umin ? r.umin + 1n : r.umin,
    umax: r.umax === b.umin ? r.umax - 1n : r.umax,
    smin: r.smin === b.smin ? r.smin + 1n : r.smin,
    smax: r.smax === b.smin ? r.smax - 1n : r.smax,
  };
}

/** With its part at the width of the comparison narrowed. */
function narrowed(a: Facts, width: Bits, part: Interval, value = a.value, mask = a.mask): Facts | undefined {
  if (part.umin > part.umax || part.smin > part.smax) return undefined;
  return width === 64 ? settle(part, a.low, value, mask) : settle(a.full, part, value, mask);
}

function held(comparison: string, width: Bits, a: Facts, b: Facts): Pair {
  const at = (x: Facts): Interval => (width === 64 ? x.full : x.low);
  const [x, y] = [at(a), at(b)];
  const upper = width === 64 ? 0n : TOP32;
  const pair = (p: Facts | undefined, q: Facts | undefined): Pair => p && q && [p, q];
  const above = (c: Facts, d: Facts, signed: boolean, by: bigint): Pair => {
    const [p, q] = [at(c), at(d)];
    return pair(
      narrowed(c, width, least(p, signed, (signed ? q.smin : q.umin) + by)),
      narrowed(d, width, most(q, signed, (signed ? p.smax : p.umax) - by)),
    );
  };
  const turned = (p: Pair): Pair => p && [p[1], p[0]];
  switch (comparison) {
    case 'jeq': {
      const bits = sameBits(a.value, a.mask | upper, b.value, b.mask | upper);
      if (bits === undefined) return undefined;
      const mine = (c: Facts) => sameBits(c.value, c.mask, bits[0], bits[1] | upper) ?? [c.value, c.mask];
      return pair(narrowed(a, width, both(x, y), ...mine(a)), narrowed(b, width, both(x, y), ...mine(b)));
    }
    case 'jne':
      return pair(narrowed(a, width, without(x, y)), narrowed(b, width, without(y, x)));
    case 'jset':
    case 'jclear': {
      const [value, mask] = [b.value & ~upper, b.mask & ~upper];
      if (mask !== 0n) return [a, b];
      if (comparison === 'jset') {
        if (((a.value | a.mask) & value) === 0n) return undefined;
        const single = (value & (value - 1n)) === 0n;
        return pair(single ? narrowed(a, width, x, a.value | value, a.mask & ~value) : a, b);
      }
      return (a.value & value) !== 0n ? undefined : pair(narrowed(a, width, x, a.value, a.mask & ~value), b);
    }
    case 'jgt': return above(a, b, false, 1n);
    case 'jge': return above(a, b, false, 0n);
    case 'jlt': return turned(above(b, a, false, 1n));
    case 'jle': return turned(above(b, a, false, 0n));
    case 'jsgt': return above(a, b, true, 1n);
    case 'jsge': return above(a, b, true, 0n);
    case 'jslt': return turned(above(b, a, true, 1n));
    case 'jsle': return turned(above(b, a, true, 0n));
    default: throw new Error(`no comparison ${comparison}`);
  } // biome-ignore format: a table
}

/** The two ways of a branch: the operands where it is taken and where it is not. */
export const branch = (comparison: string, width: Bits, a: Facts, b: Facts): readonly [Pair, Pair] => [
  held(comparison, width, a, b),
  held(NEGATED[comparison], width, a, b),
];
