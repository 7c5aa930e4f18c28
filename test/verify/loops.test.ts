// Loops with a bound, of few rounds and of many, and their twins without one.
import { describe, expect, it } from 'vitest';
import { map, type ProgramOptions, verdictOf } from './support.ts';

interface Case {
  readonly name: string;
  readonly text: string;
  readonly verdict: 'accepted' | 'verify/unbounded-loop' | 'verify/bounds' | 'verify/budget';
  readonly options?: ProgramOptions;
}

const counted = (rounds: number): string => `
  r1 = 0
loop:
  r1 += 1
  if r1 < ${rounds} goto loop
  r0 = 0
  exit`;
const counted32 = (rounds: number): string => `
  w1 = 0
loop:
  w1 += 1
  if w1 < ${rounds} goto loop
  r0 = 0
  exit`;
const countedDown = (rounds: number): string => `
  r1 = ${rounds}
loop:
  r1 -= 1
  if r1 s> 0 goto loop
  r0 = 0
  exit`;
const notEqual = (rounds: number): string => `
  r1 = 0
loop:
  r1 += 1
  if r1 != ${rounds} goto loop
  r0 = 0
  exit`;
const onStack = (rounds: number): string => `
  r1 = 0
  *(u64 *)(r10 - 8) = r1
loop:
  r1 = *(u64 *)(r10 - 8)
  r1 += 1
  *(u64 *)(r10 - 8) = r1
  if r1 < ${rounds} goto loop
  r0 = 0
  exit`;
const headTest = (rounds: number): string => `
  r6 = 0
loop:
  if r6 >= ${rounds} goto done
  call bpf_get_prandom_u32
  r6 += 1
  goto loop
done:
  r0 = 0
  exit`;

const ROUNDS = [1, 2, 10, 100, 1000, 100_000, 1_000_000];
const FORMS = { counted, counted32, countedDown, notEqual, onStack, headTest };

const many: Case[] = Object.entries(FORMS).flatMap(([name, text]) =>
  ROUNDS.map((n): Case => ({ name: `${name}, ${n} rounds`, text: text(n), verdict: 'accepted' })),
);

const VALUE = [map('values', 'array', 4, 256, { maxEntries: 1 })];
const lookup = `
  r6 = 0
  *(u32 *)(r10 - 4) = r6
  r2 = r10
  r2 += -4
  r1 = map[values]
  call bpf_map_lookup_elem
  if r0 == 0 goto out
`;
const summed = (limit: number): string => `${lookup}
  r7 = 0
loop:
  r1 = r0
  r1 += r6
  r2 = *(u8 *)(r1 + 0)
  r7 += r2
  r6 += 1
  if r6 < ${limit} goto loop
out:
  r0 = 0
  exit`;

const CASES: readonly Case[] = [
  ...many,
  { name: 'one that does nothing', text: 'loop:\n goto loop\n exit', verdict: 'verify/unbounded-loop' },
  {
    name: 'a counter that does not move',
    text: 'r1 = 0\nloop:\n if r1 < 10 goto loop\n r0 = 0\n exit',
    verdict: 'verify/unbounded-loop',
  },
  {
    name: 'a condition from outside',
    text: 'loop:\n call bpf_get_prandom_u32\n if r0 != 0 goto loop\n r0 = 0\n exit',
    verdict: 'verify/unbounded-loop',
  },
  {
    name: 'a counter that is set back',
    text: `
  r6 = 0
loop:
  r6 += 1
  call bpf_get_prandom_u32
  if r0 != 0 goto next
  r6 = 0
next:
  if r6 < 1000000 goto loop
  r0 = 0
  exit`,
    verdict: 'verify/unbounded-loop',
  },
  {
    name: 'a counter that moves on one of two paths that meet before the end',
    text: `
  r6 = 0
loop:
  call bpf_get_prandom_u32
  if r0 != 0 goto other
  r6 += 1
  r7 = 0
  r7 += 1
  r7 += 2
  r7 += 3
  r7 += 4
  r7 += 5
  r7 += 6
  r7 += 7
  goto meet
other:
  if r6 < 5 goto out
  r7 = 0
  r7 += 1
  r7 += 2
  r7 += 3
  r7 += 4
  r7 += 5
  r7 += 6
  r7 += 7
  r7 += 8
meet:
  call bpf_get_prandom_u32
  if r6 < 1000000 goto loop
out:
  r0 = 0
  exit`,
    verdict: 'verify/unbounded-loop',
  },
  {
    name: 'a counter that goes both ways',
    text: `
  r6 = 0
loop:
  call bpf_get_prandom_u32
  if r0 != 0 goto down
  r6 += 1
  goto next
down:
  r6 += -1
next:
  if r6 s< 1000000 goto loop
  r0 = 0
  exit`,
    verdict: 'verify/unbounded-loop',
  },
  {
    name: 'two nested, a million rounds together',
    text: `
  r6 = 0
outer:
  r7 = 0
inner:
  r7 += 1
  if r7 < 1000 goto inner
  r6 += 1
  if r6 < 1000 goto outer
  r0 = 0
  exit`,
    verdict: 'accepted',
  },
  {
    name: 'three nested',
    text: `
  r6 = 0
a:
  r7 = 0
b:
  r8 = 0
c:
  r8 += 1
  if r8 < 100 goto c
  r7 += 1
  if r7 < 100 goto b
  r6 += 1
  if r6 < 100 goto a
  r0 = 0
  exit`,
    verdict: 'accepted',
  },
  {
    name: 'nested, the inner one without end',
    text: `
  r6 = 0
outer:
  r7 = 0
inner:
  r7 += 1
  r7 &= 0xff
  if r7 < 1000 goto inner
  r6 += 1
  if r6 < 1000 goto outer
  r0 = 0
  exit`,
    verdict: 'verify/unbounded-loop',
  },
  {
    name: 'as many rounds as a number from outside says',
    text: `
  call bpf_get_prandom_u32
  r6 = r0
  r6 &= 0xffffff
  r7 = 0
loop:
  if r7 >= r6 goto done
  r7 += 1
  goto loop
done:
  r0 = 0
  exit`,
    verdict: 'accepted',
  },
  { name: 'over all bytes of a map value', text: summed(256), verdict: 'accepted', options: { maps: VALUE } },
  { name: 'over one byte more', text: summed(257), verdict: 'verify/bounds', options: { maps: VALUE } },
  {
    name: 'over the bytes of the packet',
    text: `
  r6 = 0
  r2 = *(u32 *)(r1 + 0)
  r3 = *(u32 *)(r1 + 4)
loop:
  r4 = r2
  r4 += 1
  if r4 > r3 goto done
  r5 = *(u8 *)(r2 + 0)
  r6 += r5
  r2 = r4
  goto loop
done:
  r0 = 2
  exit`,
    // The end of the packet bounds the pointer.
    verdict: 'accepted',
    options: { type: 'xdp' },
  },
  {
    name: 'bpf_loop',
    text: `
  r1 = 1000000
  r2 = code_addr(body)
  r3 = 0
  r4 = 0
  call bpf_loop
  r0 = 0
  exit
body:
  r0 = 0
  exit`,
    verdict: 'accepted',
  },
  {
    name: 'bpf_loop that changes a counter of its caller',
    text: `
  r1 = 0
  *(u64 *)(r10 - 8) = r1
  r1 = 1000000
  r2 = code_addr(body)
  r3 = r10
  r3 += -8
  r4 = 0
  call bpf_loop
  r0 = *(u64 *)(r10 - 8)
  r0 = 0
  exit
body:
  r3 = *(u64 *)(r2 + 0)
  r3 += 1
  *(u64 *)(r2 + 0) = r3
  r0 = 0
  exit`,
    verdict: 'accepted',
  },
  {
    name: 'bpf_loop whose counter of the caller is used as an index',
    text: `
  r1 = 0
  *(u64 *)(r10 - 8) = r1
  r1 = 1000000
  r2 = code_addr(body)
  r3 = r10
  r3 += -8
  r4 = 0
  call bpf_loop
  r6 = *(u64 *)(r10 - 8)
  r9 = r6
${lookup.replace('r6 = 0', 'r7 = 0').replace('= r6', '= r7')}
  r0 += r9
  r0 = *(u8 *)(r0 + 0)
out:
  r0 = 0
  exit
body:
  r3 = *(u64 *)(r2 + 0)
  r3 += 1
  *(u64 *)(r2 + 0) = r3
  r0 = 0
  exit`,
    verdict: 'verify/bounds',
    options: { maps: VALUE },
  },
  {
    name: 'may_goto',
    text: `
loop:
  may_goto done
  call bpf_get_prandom_u32
  goto loop
done:
  r0 = 0
  exit`,
    verdict: 'accepted',
  },
  {
    name: 'a loop without may_goto beside one with',
    text: `
loop:
  may_goto done
  call bpf_get_prandom_u32
  goto loop
done:
  call bpf_get_prandom_u32
  if r0 != 0 goto done
  r0 = 0
  exit`,
    verdict: 'verify/unbounded-loop',
  },
];

/** Instructions without effect: states are kept only so far apart. */
const PADDING = 'r3 = 1\nr3 = 2\n'.repeat(6);

/** Loops whose ways back are not alike: what one shows of its end, the state kept on it must not show for another. */
const TWINS: readonly Case[] = [
  {
    name: 'a way back that leaves the counter alone',
    text: `
  r6 = 0
loop:
  call bpf_get_prandom_u32
  r8 = 0
  if r0 != 0 goto skip
  ${PADDING}
  r6 += 1
  goto meet
skip:
  ${PADDING}
  if r6 < 100 goto out
meet:
  ${PADDING}
  if r6 < 1000000 goto loop
out:
  r0 = 0
  exit`,
    verdict: 'verify/unbounded-loop',
  },
  {
    name: 'a way back that does not ask may_goto',
    text: `
loop:
  call bpf_get_prandom_u32
  if r0 != 0 goto skip
  ${PADDING}
  may_goto out
  goto meet
skip:
  ${PADDING}
meet:
  ${PADDING}
  goto loop
out:
  r0 = 0
  exit`,
    verdict: 'verify/unbounded-loop',
  },
  {
    name: 'two ways back that both ask may_goto',
    text: `
loop:
  call bpf_get_prandom_u32
  if r0 != 0 goto skip
  ${PADDING}
  may_goto out
  goto meet
skip:
  ${PADDING}
  may_goto out
meet:
  ${PADDING}
  goto loop
out:
  r0 = 0
  exit`,
    verdict: 'accepted',
  },
];

describe('loops', () => {
  it.each([...CASES, ...TWINS])('$name', ({ text, verdict, options }) => {
    const v = verdictOf(text, options);
    expect(v.diagnostic?.code ?? v.verdict, v.diagnostic?.message).toBe(verdict);
  });
});
