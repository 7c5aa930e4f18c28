// Programs at which other verifiers are known to fail: safe ones that they refuse, unsafe ones that they accept, small ones that they
// do not come to an end with. Each gets the right verdict here, soon. (Wrong verdicts by class: bug-classes.test.ts.)
import { describe, expect, it } from 'vitest';
import { map, type ProgramOptions, verdictOf } from './support.ts';

interface Row {
  readonly name: string;
  /** Who fails, and how. */
  readonly source: string;
  readonly text: string;
  /** `accepted`, or the refusal's code; several where each is right. */
  readonly verdict: string | readonly string[];
  readonly options?: ProgramOptions;
}

const MAPS = [
  map('target', 'array', 4, 16, { maxEntries: 1 }),
  map('numbers', 'array', 4, 8, { maxEntries: 1 }),
  map('table', 'hash', 4, 16),
];
const XDP: ProgramOptions = { type: 'xdp', maps: MAPS };
const FILTER: ProgramOptions = { type: 'socket_filter', maps: MAPS };
const PACKET = `
  r2 = *(u32 *)(r1 + 0)
  r3 = *(u32 *)(r1 + 4)`;
const OUT = `
out:
  r0 = 2
  exit`;
const NUMBER = `
  r8 = map[numbers][0]+0
  r8 = *(u64 *)(r8 + 0)`;

const ROWS: readonly Row[] = [
  {
    name: 'a read that depends on a flag, which depends on a bounds check',
    source: 'PREVAIL #575, of Cilium: refused, as what was found is lost where paths meet',
    options: XDP,
    verdict: 'accepted',
    text: `${PACKET}
  r5 = 1
  r4 = r2
  r4 += 4
  if r4 > r3 goto short
  r5 = 0
short:
  if r5 == 1 goto out
  r0 = *(u32 *)(r2 + 0)${OUT}`,
  },
  {
    name: 'the same flag the wrong way round',
    source: 'its unsafe twin',
    options: XDP,
    verdict: 'verify/packet-bounds',
    text: `${PACKET}
  r5 = 1
  r4 = r2
  r4 += 4
  if r4 > r3 goto short
  r5 = 0
short:
  if r5 == 0 goto out
  r0 = *(u32 *)(r2 + 0)${OUT}`,
  },
  {
    name: 'two branches on the same number',
    source: 'Linux: refused where the number is compared with another register (correlated_branch)',
    options: FILTER,
    verdict: 'accepted',
    text: `${NUMBER}
  r6 = 0
  if r8 > 16 goto second
  r6 = map[target][0]+0
second:
  if r8 > 16 goto out
  r0 = *(u8 *)(r6 + 0)${OUT}`,
  },
  {
    name: 'two lookups, the second unchecked',
    source: 'PREVAIL #1149: accepted, as the first check is still remembered (map_sequential_lookup_unsafe)',
    options: FILTER,
    verdict: 'verify/null',
    text: `
  *(u32 *)(r10 - 4) = 0
  r2 = r10
  r2 += -4
  r1 = map[table]
  call bpf_map_lookup_elem
  if r0 == 0 goto out
  r6 = *(u32 *)(r0 + 0)
  *(u32 *)(r10 - 4) = r6
  r2 = r10
  r2 += -4
  r1 = map[table]
  call bpf_map_lookup_elem
  r0 = *(u32 *)(r0 + 0)${OUT}`,
  },
  {
    name: 'a callback that reads outside',
    source: 'PREVAIL: bodies of callbacks are not looked at',
    options: FILTER,
    verdict: 'verify/bounds',
    text: `
  r1 = 4
  r2 = code_addr(round)
  r3 = 0
  r4 = 0
  call bpf_loop${OUT}
round:
  r1 = map[target][0]+0
  r0 = *(u64 *)(r1 + 16)
  r0 = 0
  exit`,
  },
  {
    name: 'a callback that reads by the number of the round',
    source: 'PREVAIL: bodies of callbacks are not looked at',
    options: FILTER,
    verdict: 'verify/bounds',
    text: `
  r1 = 17
  r2 = code_addr(round)
  r3 = 0
  r4 = 0
  call bpf_loop${OUT}
round:
  r2 = map[target][0]+0
  r2 += r1
  r0 = *(u8 *)(r2 + 0)
  r0 = 0
  exit`,
  },
  {
    name: 'the same with one round less',
    source: 'its safe twin',
    options: FILTER,
    verdict: 'accepted',
    text: `
  r1 = 16
  r2 = code_addr(round)
  r3 = 0
  r4 = 0
  call bpf_loop${OUT}
round:
  r2 = map[target][0]+0
  r2 += r1
  r0 = *(u8 *)(r2 + 0)
  r0 = 0
  exit`,
  },
  {
    name: 'a loop around a function that is not inlined',
    source: 'PREVAIL #1119, ebpf-for-windows #5317: the counter is lost',
    options: FILTER,
    verdict: 'accepted',
    text: `
  r6 = 0
  r7 = map[target][0]+0
next:
  r1 = r6
  call local f
  r7 = map[target][0]+0
  r7 += r6
  *(u8 *)(r7 + 0) = r0
  r6 += 1
  if r6 < 16 goto next${OUT}
f:
  r0 = r1
  r0 &= 1
  exit`,
  },
  {
    name: 'a loop in a function that walks out of the packet',
    source: 'PREVAIL #1203: back edges of inlined functions were lost, so that one round was looked at',
    options: XDP,
    verdict: 'verify/packet-bounds',
    text: `
  call local walk${OUT}
walk:${PACKET}
  r4 = r2
  r4 += 1
  r0 = 0
  if r4 > r3 goto end
  r5 = 0
next:
  r4 = r2
  r4 += r5
  r0 = *(u8 *)(r4 + 0)
  r5 += 1
  if r5 < 100 goto next
end:
  exit`,
  },
  {
    name: 'a load across two pointers of the context',
    source: 'PREVAIL #1204: bytes of pointers were numbers',
    options: XDP,
    verdict: 'verify/context-access',
    text: `
  r0 = *(u32 *)(r1 + 2)${OUT}`,
  },
  {
    name: 'a check that is far too wide for a packet',
    source: 'PREVAIL #738: packets of more than 65,535 bytes',
    options: XDP,
    verdict: 'accepted',
    text: `${PACKET}
  r4 = r2
  r4 += 70000
  if r4 > r3 goto out
  r2 += 69999
  r0 = *(u8 *)(r2 + 0)${OUT}`,
  },
  {
    name: 'pointers that are exchanged by exclusive or',
    source: 'PREVAIL #223: a number with the bits of a pointer is none',
    options: XDP,
    verdict: 'verify/pointer-arithmetic',
    text: `${PACKET}
  r2 ^= r3
  r3 ^= r2
  r2 ^= r3
  r0 = *(u8 *)(r3 + 0)${OUT}`,
  },
  {
    name: 'an index that is checked, masked and scaled',
    source: 'PREVAIL #441: widened too far',
    options: FILTER,
    verdict: 'accepted',
    text: `${NUMBER}
  r6 = 0
next:
  r7 = r8
  r7 &= 3
  r7 <<= 2
  r1 = map[target][0]+0
  r1 += r7
  *(u32 *)(r1 + 0) = r6
  r8 >>= 1
  r6 += 1
  if r6 < 1000 goto next${OUT}`,
  },
];

/** Loops (whether they end within rounds that anyone would wait for) of few instructions on which a fixpoint, or the way to it, has no end of its own. */
const ENDLESS: Readonly<Record<string, { readonly text: string; readonly ends: boolean }>> = {
  'counted in halves': { text: 'w6 = 0\nnext:\n w6 += 1\n r6 <<= 32\n r6 >>= 32\n if r6 != 5 goto next', ends: true },
  'multiplied until it wraps': { text: 'r6 = 1\nnext:\n r6 *= 3\n if r6 != 0 goto next', ends: false },
  'shifted out': { text: 'r6 = 1\nnext:\n r6 <<= 1\n if r6 != 0 goto next', ends: true },
  toggled: { text: 'r6 = 1\nnext:\n r6 ^= 1\n if r6 != 5 goto next', ends: false },
  negated: { text: 'r6 = 5\nnext:\n r6 = -r6\n if r6 != 0 goto next', ends: false },
  swapped: { text: 'r6 = 1\n r7 = 2\nnext:\n r8 = r6\n r6 = r7\n r7 = r8\n if r6 != 3 goto next', ends: false },
  'two that run away from each other': {
    text: 'r6 = 0\n r7 = 0\nnext:\n r6 += 1\n r7 -= 1\n if r6 != r7 goto next',
    ends: false,
  },
  'one that catches up': { text: 'r6 = 0\n r7 = 1000\nnext:\n r6 += 2\n r7 += 1\n if r6 < r7 goto next', ends: true },
  'an unknown number halved': { text: `${NUMBER}\nnext:\n r8 >>= 1\n if r8 != 0 goto next`, ends: true },
  'an unknown number counted down': { text: `${NUMBER}\nnext:\n r8 -= 1\n if r8 != 0 goto next`, ends: false },
  'on the stack': {
    text: '*(u64 *)(r10 - 8) = 0\nnext:\n r6 = *(u64 *)(r10 - 8)\n r6 += 0\n *(u64 *)(r10 - 8) = r6\n if r6 < 10 goto next',
    ends: false,
  },
  'two loops that lead into each other': {
    text: 'r6 = 0\na:\n r6 += 1\n if r6 == 7 goto b\n goto a\nb:\n r6 = 0\n goto a',
    ends: false,
  },
  'entered in the middle': {
    text: `${NUMBER}\n r6 = 0\n if r8 > 5 goto middle\nnext:\n r6 += 1\nmiddle:\n r6 += 1\n if r6 < 9 goto next`,
    ends: true,
  },
};

describe('programs that other verifiers get wrong', () => {
  it.each(ROWS.map((row) => [row.name, row] as const))('%s', (_name, { text, verdict: wanted, options }) => {
    const { verdict, diagnostic } = verdictOf(text, options);
    expect([wanted].flat()).toContain(verdict === 'accepted' ? 'accepted' : diagnostic?.code);
  });

  it.each(Object.entries(ENDLESS))(
    'comes to an end with a loop: %s (PREVAIL #783, #960, #1207; uBPF #762)',
    (_name, row) => {
      const { verdict, diagnostic, visits } = verdictOf(`${row.text}${OUT}`, FILTER);
      // A loop that ends may be one of which it cannot be shown; never the other way round.
      if (row.ends) expect(['accepted', 'verify/unbounded-loop']).toContain(diagnostic?.code ?? verdict);
      else expect(diagnostic?.code).toBe('verify/unbounded-loop');
      expect(visits).toBeLessThan(300_000);
    },
  );
});
