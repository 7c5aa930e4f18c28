import { ERRNO } from '../spec/errno.ts';
import { helper, type HelperEnv, type HelperFamily } from '../spec/helper.ts';
import type { Address } from '../spec/memory.ts';

const BASE_MASK = 0x1fn;
const BASES: readonly number[] = [0, 8, 10, 16];
/** The kernel copies at most this many characters after blanks and sign. */
const DIGITS_LIMIT = 63;
const U64_LIMIT = 1n << 64n;
const S64_LIMIT = 1n << 63n;

const isBlank = (byte: number): boolean => byte === 0x20 || (byte >= 0x09 && byte <= 0x0d) || byte === 0xa0;

function digit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x61 + 10 : 99;
}

interface Parsed {
  readonly magnitude: bigint;
  readonly negative: boolean;
  readonly consumed: number;
}

/** __bpf_strtoull (kernel/bpf/helpers.c) with _parse_integer (lib/kstrtox.c); a negated errno where there is no number. */
function parse(env: HelperEnv, address: Address, length: number, flags: bigint): Parsed | number {
  let base = Number(flags & BASE_MASK);
  if ((flags & ~BASE_MASK) !== 0n || !BASES.includes(base)) return -ERRNO.EINVAL;
  const bytes = env.memory.u8.subarray(address, address + length);
  let at = 0;
  while (at < length && isBlank(bytes[at])) at++;
  const negative = at < length && bytes[at] === 0x2d;
  if (negative) at++;
  if (at === length) return -ERRNO.EINVAL;
  const digits = bytes.subarray(at, Math.min(length, at + DIGITS_LIMIT));
  const prefixed = digits.length > 1 && digits[0] === 0x30 && (digits[1] | 0x20) === 0x78;
  if (base === 0) base = prefixed && digits.length > 2 && digit(digits[2]) < 16 ? 16 : digits[0] === 0x30 ? 8 : 10;
  let i = base === 16 && prefixed ? 2 : 0;
  const first = i;
  let magnitude = 0n;
  while (i < digits.length && digit(digits[i]) < base)
    magnitude = magnitude * BigInt(base) + BigInt(digit(digits[i++]));
  if (magnitude >= U64_LIMIT) return -ERRNO.ERANGE;
  return i === first ? -ERRNO.EINVAL : { magnitude, negative, consumed: at + i };
}

/** strncmp (lib/string.c): -1, 0 or 1, comparing bytes as unsigned. */
function compare(u8: Uint8Array, a: Address, b: Address, limit: number): number {
  for (let i = 0; i < limit; i++) {
    if (u8[a + i] !== u8[b + i]) return u8[a + i] < u8[b + i] ? -1 : 1;
    if (u8[a + i] === 0) return 0;
  }
  return 0;
}

export const stringHelpers: HelperFamily = {
  family: 'string',
  doc: 'Numbers in text, and comparing text',
  helpers: [
    helper({
      name: 'strtol',
      numbers: { linux: 105 },
      args: ['mem', 'size', 'scalar', 'out8'],
      returns: 'integer',
      doc:
        'Reads a signed number (flags: base 0, 8, 10 or 16); the bytes read, -EINVAL where there is none or the flags are others, ' +
        '-ERANGE where it does not fit 64 bits.',
      body: (env, text, length, flags, result) => {
        const { view } = env.memory;
        view.setBigInt64(result, 0n, true);
        const parsed = parse(env, text, length, flags);
        if (typeof parsed === 'number') return parsed;
        const { magnitude, negative, consumed } = parsed;
        if (magnitude >= S64_LIMIT + (negative ? 1n : 0n)) return -ERRNO.ERANGE;
        view.setBigInt64(result, negative ? -magnitude : magnitude, true);
        return consumed;
      },
    }),
    helper({
      name: 'strtoul',
      numbers: { linux: 106 },
      args: ['mem', 'size', 'scalar', 'out8'],
      returns: 'integer',
      doc: 'As strtol for an unsigned number; -EINVAL for a negative one.',
      body: (env, text, length, flags, result) => {
        const { view } = env.memory;
        view.setBigUint64(result, 0n, true);
        const parsed = parse(env, text, length, flags);
        if (typeof parsed === 'number') return parsed;
        if (parsed.negative) return -ERRNO.EINVAL;
        view.setBigUint64(result, parsed.magnitude, true);
        return parsed.consumed;
      },
    }),
    helper({
      name: 'strncmp',
      numbers: { linux: 182 },
      args: ['mem', 'size', 'constString'],
      returns: 'integer',
      intrinsic: 'strncmp',
      doc: 'Compares at most `size` bytes of two strings, the second constant: below, equal or above 0.',
      body: (env, a, limit, b) => compare(env.memory.u8, a, b, limit),
    }),
  ],
};
