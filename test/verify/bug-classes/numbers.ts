// Bug classes of abstract numbers: bounds that are taken from the wrong half, the wrong sign, the wrong operand, or too early.
import { bodies, type BugClass, offsets, socketFilter, TARGETS, unknown, OUT } from './frame.ts';

const BOUND = `
  if r1 > 8 goto out`;

/** The twin of all that use r1 as an offset: with the bound that was missing, right before the use. */
const bounded = (name: string, body: string) =>
  offsets(`${name}, and a bound on what is used`, `${body}${BOUND}`).slice(0, 4);

const CLASSES: readonly {
  readonly number: number;
  readonly name: string;
  readonly source: string;
  readonly bodies: Readonly<Record<string, string>>;
}[] = [
  {
    number: 1,
    name: 'a jump on the lower half taken for a bound of the whole',
    source: 'CVE-2020-8835',
    bodies: {
      'above 1, shifted down': 'if w1 > 1 goto out\n r1 >>= 32',
      'below 8, whole': 'if w1 >= 8 goto out',
      'equal to 4, whole': 'if w1 != 4 goto out',
      'signed, whole': 'if w1 s> 8 goto out\n if w1 s< 0 goto out',
      'above 1, shifted down by 8': 'if w1 > 1 goto out\n r1 >>= 8',
    },
  },
  {
    number: 2,
    name: 'bounds of 32 bits taken from those of 64',
    source: 'CVE-2020-27194',
    bodies: {
      'w1 |= 0': 'r2 = 0x200000001 ll\n if r1 > r2 goto out\n if r1 == 0 goto out\n w1 |= 0\n w1 >>= 1',
      'w1 |= 1': 'r2 = 0x200000001 ll\n if r1 > r2 goto out\n if r1 == 0 goto out\n w1 |= 1\n w1 >>= 1',
      'w1 ^= 0': 'r2 = 0x200000001 ll\n if r1 > r2 goto out\n if r1 == 0 goto out\n w1 ^= 0\n w1 >>= 1',
      'w1 &= -1': 'r2 = 0x200000001 ll\n if r1 > r2 goto out\n if r1 == 0 goto out\n w1 &= -1\n w1 >>= 1',
    },
  },
  {
    number: 3,
    name: 'bounds not refreshed by operators on bits where one operand is known',
    source: 'CVE-2021-3490',
    bodies: {
      and: 'r2 = 0xffffffff00000000 ll\n r1 &= r2\n r1 += 1\n r2 = 0x100000002 ll\n r1 &= r2',
      or: 'r2 = 0x100000000 ll\n r1 &= r2\n r1 |= 1',
      xor: 'r2 = 0x100000000 ll\n r1 &= r2\n r1 ^= 1',
      'xor of both halves': 'r2 = 0x100000001 ll\n r1 &= r2\n r1 ^= r2',
    },
  },
  {
    number: 4,
    name: 'a positive number of 64 bits taken to have a positive lower half',
    source: 'CVE-2021-31440',
    bodies: {
      'above 0': 'if r1 s< 1 goto out\n w1 = w1',
      'not below 0': 'if r1 s< 0 goto out\n w1 = w1',
      'above 0, signed bound of the lower half': 'if r1 s< 1 goto out\n w1 = w1\n if w1 s> 8 goto out',
      'at least 2^32': 'r2 = 0x100000000 ll\n if r1 < r2 goto out\n w1 += 0',
    },
  },
  {
    number: 9,
    name: 'one scratch value for both sides of a comparison',
    source: 'CVE-2024-41003',
    bodies: {
      'bit 1': 'w1 &= 0x7fffffff\n w1 |= 2\n if w1 != 0x7ffffffd goto use\n r1 = 0\nuse:',
      'bit 0': 'w1 &= 0x7fffffff\n w1 |= 1\n if w1 != 0x7ffffffe goto use\n r1 = 0\nuse:',
      'of 64 bits': 'r1 |= 2\n if r1 != 0x7ffffffd goto use\n r1 = 0\nuse:',
    },
  },
  {
    number: 10,
    name: 'the sign of a 32-bit constant',
    source: 'CVE-2017-16995',
    bodies: {
      'w1 = -1': 'w1 = -1\n if r1 != -1 goto use\n r1 = 0\nuse:',
      'w1 = -2': 'w1 = -2\n if r1 != -2 goto use\n r1 = 0\nuse:',
      'w1 = -2147483648': 'w1 = -2147483648\n if r1 != -2147483648 goto use\n r1 = 0\nuse:',
      'a register': 'w2 = -1\n w1 = w2\n r3 = -1\n if r1 != r3 goto use\n r1 = 0\nuse:',
    },
  },
  {
    number: 11,
    name: 'shifts by more than the width',
    source: 'verifier_bounds, shift with oversized count',
    bodies: {
      'w1 <<= 32': 'w2 = 32\n w1 <<= w2\n r1 &= 0xffff',
      'w1 >>= 33': 'w2 = 33\n w1 >>= w2\n r1 &= 0xffff',
      'w1 s>>= 63': 'w2 = 32\n w1 s>>= w2\n r1 &= 0xffff',
      'r1 <<= 64': 'r2 = 64\n r1 <<= r2\n r1 &= 0xffff',
      'r1 >>= 64': 'r2 = 64\n r1 >>= r2\n r1 &= 0xffff',
      'by any number': 'r2 = r1\n r1 &= 0xff\n w1 <<= w2',
    },
  },
  {
    number: 12,
    name: 'shifts of numbers that may have wrapped below 0',
    source: 'verifier_bounds, right shift of maybe-negative number',
    bodies: {
      'r1 -= 1': 'if r1 > 8 goto out\n r1 -= 1\n r1 >>= 8\n r1 >>= 8',
      'r1 -= 8': 'if r1 > 7 goto out\n r1 -= 8\n r1 >>= 4',
      'w1 -= 1': 'if r1 > 8 goto out\n w1 -= 1\n w1 >>= 8',
      'r1 = -r1': 'if r1 > 8 goto out\n r1 = -r1\n r1 >>= 8',
    },
  },
  {
    number: 23,
    name: 'signed divisions, signed comparisons of the lower half, loads that extend a sign',
    source: 'PREVAIL #1158, #1038; verifier_sdiv, verifier_movsx, verifier_ldsx',
    bodies: {
      'r1 s/= 2': 'if r1 s> 2000 goto out\n if r1 s< -2000 goto out\n r1 s/= 2',
      'r1 s/= -2': 'if r1 > 16 goto out\n r1 s/= -2',
      'r1 s%= 8': 'r1 s%= 8',
      'w1 s/= 2': 'if w1 s> 16 goto out\n if w1 s< -16 goto out\n w1 s/= 2',
      'w1 s%= 8': 'w1 s%= 8',
      'w1 s< 0': 'if w1 s< 0 goto out\n if w1 s> 8 goto out',
      'r1 = (s8)r1': 'r1 = (s8)r1',
      'r1 = (s16)r1': 'r1 &= 0xffff\n r1 = (s16)r1\n if r1 s> 8 goto out',
      'r1 = (s32)r1': 'r1 = (s32)r1\n if r1 s> 8 goto out',
      'w1 = (s8)w1': 'w1 = (s8)w1',
      'a load of s8': 'r1 = map[numbers][0]+0\n r1 = *(s8 *)(r1 + 0)\n if r1 s> 8 goto out',
      'a load of s32': 'r1 = map[numbers][0]+0\n r1 = *(s32 *)(r1 + 4)\n if r1 s> 8 goto out',
    },
  },
  {
    number: 26,
    name: 'the smallest number divided by -1, remainders of 0',
    source: 'CVE-2022-23066; bpf_conformance sdiv and smod by -1',
    bodies: {
      'INT64_MIN s/ -1': 'r1 = 0x8000000000000000 ll\n r2 = -1\n r1 s/= r2',
      'INT32_MIN s/ -1': 'w1 = -2147483648\n w2 = -1\n w1 s/= w2',
      'any s/ -1': 'r2 = -1\n r1 s/= r2',
      '100 % 0': 'r1 = 100\n r2 = 0\n r1 %= r2',
      'w 100 % 0': 'w1 = 100\n w2 = 0\n w1 %= w2',
      '100 s% 0': 'r1 = 100\n r2 = 0\n r1 s%= r2',
      '100 % something to 8': 'r2 = r1\n if r2 > 8 goto out\n r1 = 100\n r1 %= r2',
      '100 s% something to 8': 'r2 = r1\n if r2 > 8 goto out\n r1 = 100\n r1 s%= r2',
    },
  },
];

const distances = [0x1fffffff, 0x20000000, 0x7fffffff, -0x1fffffff, -0x20000000, -0x7fffffff];

export const NUMBERS: readonly BugClass[] = [
  ...CLASSES.map(({ bodies: list, ...rest }) => ({
    ...rest,
    variants: bodies(list),
    twins: Object.entries(list).flatMap(([name, body]) => bounded(name, body)),
  })),
  {
    number: 13,
    name: 'offsets of pointers that overflow',
    source: 'verifier_bounds, size_signed_32bit_overflow',
    variants: Object.entries(TARGETS).flatMap(([target, start]) =>
      distances.flatMap((by) =>
        [1, 3].map((times) => ({
          name: `${by} added ${times} times to ${target}`,
          ...socketFilter(`${start}\n${`  r6 += ${by}\n`.repeat(times)}  r0 = *(u8 *)(r6 + 0)${OUT}`),
        })),
      ),
    ),
    twins: Object.entries(TARGETS).map(([target, start]) => ({
      name: `added to ${target} and taken away again`,
      ...socketFilter(`${start}\n  r6 += 0x1fff\n  r6 += -0x1fff\n  r0 = *(u8 *)(r6 + 0)${OUT}`),
    })),
  },
  {
    number: 25,
    name: 'addresses at the end of the address space',
    source: 'uBPF 8d92f8f6, 6f815f6d',
    variants: [-1n, -8n, -4n, 0n, 0x7fff_ffff_ffff_fff8n, 0xffff_ffffn].flatMap((address) =>
      [
        ['r0 = *(u64 *)(r6 + 0)', 'loaded from'],
        ['*(u64 *)(r6 + 0) = 0', 'stored to'],
        ['r0 = *(u8 *)(r6 + 32767)', 'loaded from behind'],
      ].map(([access, how]) => ({
        name: `8 bytes ${how} ${BigInt.asUintN(64, address).toString(16)}`,
        ...socketFilter(`r6 = 0x${BigInt.asUintN(64, address).toString(16)} ll\n  ${access}${OUT}`),
      })),
    ),
    twins: [{ name: 'the number as a value', ...socketFilter(`${unknown('r6')}\n  r6 += -8${OUT}`) }],
  },
];
