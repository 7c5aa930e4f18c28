// Instructions in every runtime: assembled, run on every engine, compared with values worked out by hand.
import { describe, expect, test } from 'vitest';
import { runBare } from '../../src/cli/bare-run.ts';
import { assemble } from '../../src/isa/assembler.ts';
import { ENGINES } from '../../src/run/engines.ts';

const CASES: readonly (readonly [string, string, bigint])[] = [
  ['division by zero', 'r0 = 7\nr1 = 0\nr0 /= r1\nexit', 0n],
  ['remainder by zero', 'r0 = 7\nr1 = 0\nr0 %= r1\nexit', 7n],
  ['INT_MIN / -1', 'r0 = 0x8000000000000000 ll\nr1 = -1\nr0 s/= r1\nexit', 0x8000_0000_0000_0000n],
  ['32-bit results zero-extend', 'r0 = -1\nw0 += 0\nexit', 0xffff_ffffn],
  ['arithmetic shift', 'r0 = -16\nr0 s>>= 2\nexit', 0xffff_ffff_ffff_fffcn],
  ['shift counts wrap', 'r0 = 1\nr1 = 65\nr0 <<= r1\nexit', 2n],
  ['byte swap', 'r0 = 0x0102030405060708 ll\nr0 = bswap64 r0\nexit', 0x0807_0605_0403_0201n],
  ['16-bit big-endian', 'r0 = 0x1234\nr0 = be16 r0\nexit', 0x3412n],
  ['sign extension', 'r1 = 0x80\nr0 = (s8)r1\nexit', 0xffff_ffff_ffff_ff80n],
  ['signed compare', 'r0 = 0\nr1 = -1\nif r1 s> 0 goto +1\nr0 = 1\nexit', 1n],
  ['unsigned compare', 'r0 = 1\nr1 = -1\nif r1 > 0 goto +1\nr0 = 0\nexit', 1n],
  ['loop', 'r0 = 0\nr1 = 100\nl:\nr0 += r1\nr1 -= 1\nif r1 != 0 goto l\nexit', 5050n],
  ['stack', 'r1 = 0x1122334455667788 ll\n*(u64 *)(r10 - 8) = r1\nr0 = *(u16 *)(r10 - 6)\nexit', 0x5566n],
  ['function', 'r1 = 5\ncall f\nr0 += 1\nexit\nf:\nr0 = r1\nr0 *= 3\nexit', 16n],
  [
    'atomic fetch',
    'r1 = 5\n*(u64 *)(r10 - 8) = r1\nr2 = 3\nr2 = atomic_fetch_add((u64 *)(r10 - 8), r2)\nr0 = *(u64 *)(r10 - 8)\nr0 *= r2\nexit',
    40n,
  ],
  [
    'compare and exchange',
    'r0 = 5\n*(u64 *)(r10 - 8) = r0\nr1 = 9\nr0 = cmpxchg_64(r10 - 8, r0, r1)\nr0 = *(u64 *)(r10 - 8)\nexit',
    9n,
  ],
];

describe.each(Object.values(ENGINES))('$name', (backend) => {
  test.each(CASES)('%s', (_what, text, expected) => {
    expect(runBare({ code: assemble(text).code, memory: new Uint8Array() }, backend)).toBe(expected);
  });

  test('an access outside is an abort with its place', () => {
    const { code } = assemble('r1 = 0\nr0 = *(u64 *)(r1 + 0)\nexit');
    expect(() => runBare({ code, memory: new Uint8Array() }, backend)).toThrow(/instruction 1.*\[run\/bad-access\]/);
  });
});
