// Loops whose steps and bounds come from data: headers and options one behind the other, arrays up to an end, loops that are left in the
// middle, loops in callbacks; each beside one without a bound or with an access that goes too far.
import { describe, expect, it } from 'vitest';
import type { Verdict } from '../../src/verify/verify.ts';
import { map, type ProgramOptions, verdictOf } from './support.ts';

interface Case {
  readonly name: string;
  readonly text: string;
  readonly verdict: string;
  readonly options?: ProgramOptions;
}

/** Instructions visited at most, so that each verdict comes within a second whatever the machine is busy with. */
const MOST_VISITS = 110_000;

const XDP: ProgramOptions = { type: 'xdp' };
const MAPS: ProgramOptions = {
  maps: [map('values', 'array', 4, 256, { maxEntries: 1 }), map('elements', 'hash', 4, 8, { maxEntries: 100 })],
};

const PACKET = `
  r2 = *(u32 *)(r1 + 0)
  r3 = *(u32 *)(r1 + 4)`;
/** r6: the value. */
const VALUE = `
  r1 = 0
  *(u32 *)(r10 - 4) = r1
  r2 = r10
  r2 += -4
  r1 = map[values]
  call bpf_map_lookup_elem
  if r0 == 0 goto out
  r6 = r0`;
const RETURN = `
out:
  r0 = 0
  exit`;

/** Headers of 8 to 64 bytes in a packet, as IPv6 extension headers are; `rounds`: at most so many. */
const headers = (step: string, rounds = ''): string => `${PACKET}
  r7 = 0
loop:
  r4 = r2
  r4 += 8
  if r4 > r3 goto out
  r5 = *(u8 *)(r2 + 1)
  ${step}
  r2 += r5
  ${rounds}
  goto loop${RETURN}`;

/** Options in a map value: type, length, data. r7: where the next one begins. */
const options = (length: string, limit: number): string => `${VALUE}
  r7 = 0
loop:
  if r7 > ${limit} goto out
  r1 = r6
  r1 += r7
  r2 = *(u8 *)(r1 + 0)
  if r2 == 0 goto out
  if r2 == 1 goto single
  r3 = *(u8 *)(r1 + 1)
  ${length}
  r7 += r3
  goto loop
single:
  r7 += 1
  goto loop${RETURN}`;

/** A loop that ends and one that is left in the middle, over bytes of a value. */
const search = (step: string, limit: number): string => `${VALUE}
  r7 = 0
  r8 = 0
loop:
  r1 = r6
  r1 += r7
  r2 = *(u8 *)(r1 + 0)
  if r2 == 42 goto out
  if r2 > 100 goto next
  r8 += r2
next:
  ${step}
  if r7 < ${limit} goto loop${RETURN}`;

const twoCounters = (step: string): string => `
  r6 = 0
  r7 = 1000
loop:
  call bpf_get_prandom_u32
  if r0 == 0 goto out
  ${step}
  if r6 < r7 goto loop${RETURN}`;

const nested = (bound: string, step: string): string => `${VALUE}
  r7 = 0
outer:
  r1 = r6
  r1 += r7
  r8 = *(u8 *)(r1 + 0)
  ${bound}
  r9 = 0
inner:
  if r9 >= r8 goto after
  ${step}
  goto inner
after:
  r7 += 1
  if r7 < 256 goto outer${RETURN}`;

const shifted = (step: string): string => `
  call bpf_get_prandom_u32
  r6 = r0
  r7 = 0
loop:
  if r6 == 0 goto out
  r7 += 1
  ${step}
  goto loop${RETURN}`;

const callbacks = (body: string): string => `
  r1 = 0
  *(u64 *)(r10 - 8) = r1
  r1 = 1000
  r2 = code_addr(outer)
  r3 = r10
  r3 += -8
  r4 = 0
  call bpf_loop
  r0 = 0
  exit
outer:
  r6 = r2
  r1 = 100
  r2 = code_addr(inner)
  r3 = r6
  r4 = 0
  call bpf_loop
  r0 = 0
  exit
inner:
  ${body}
  r0 = 0
  exit`;

const elements = (body: string): string => `
  r1 = 0
  *(u64 *)(r10 - 8) = r1
  r1 = map[elements]
  r2 = code_addr(each)
  r3 = r10
  r3 += -8
  r4 = 0
  call bpf_for_each_map_elem
  r0 = 0
  exit
each:
  ${body}
  r0 = 0
  exit`;

const CASES: readonly Case[] = [
  {
    name: 'headers of 8 to 64 bytes up to the end of the packet',
    text: headers('r5 &= 7\n  r5 += 1\n  r5 <<= 3'),
    verdict: 'accepted',
    options: XDP,
  },
  {
    name: 'headers that may have no bytes',
    text: headers('r5 &= 7\n  r5 <<= 3'),
    verdict: 'verify/unbounded-loop',
    options: XDP,
  },
  {
    name: 'headers that may have no bytes, at most 6 of them',
    text: headers('r5 &= 7\n  r5 <<= 3', 'r7 += 1\n  if r7 > 6 goto out'),
    verdict: 'accepted',
    options: XDP,
  },
  {
    name: 'headers that may have no bytes, at most 6 of them but for a counter that is set back',
    text: headers('r5 &= 7\n  r5 <<= 3', 'r7 += 1\n  if r7 > 6 goto out\n  if r5 > 8 goto loop\n  r7 = 0'),
    verdict: 'verify/unbounded-loop',
    options: XDP,
  },
  {
    name: 'a second byte beyond what was compared',
    text: headers('r7 = *(u8 *)(r2 + 8)\n  r5 &= 7\n  r5 += 1\n  r5 <<= 3'),
    verdict: 'verify/packet-bounds',
    options: XDP,
  },
  {
    name: 'options of 2 to 65 bytes in a map value',
    text: options('r3 &= 63\n  r3 += 2', 254),
    verdict: 'accepted',
    options: MAPS,
  },
  {
    name: 'options whose length is checked',
    text: options('if r3 < 2 goto out', 254),
    verdict: 'accepted',
    options: MAPS,
  },
  {
    name: 'options whose length may be 0',
    text: options('r3 &= 63', 254),
    verdict: 'verify/unbounded-loop',
    options: MAPS,
  },
  {
    name: 'options up to one byte too far',
    text: options('r3 &= 63\n  r3 += 2', 255),
    verdict: 'verify/bounds',
    options: MAPS,
  },
  { name: 'a search that is left in the middle', text: search('r7 += 1', 256), verdict: 'accepted', options: MAPS },
  { name: 'a search by steps of 3', text: search('r7 += 3', 256), verdict: 'accepted', options: MAPS },
  { name: 'a search one byte too far', text: search('r7 += 1', 257), verdict: 'verify/bounds', options: MAPS },
  {
    name: 'a search that does not move on',
    text: search('r7 += 0', 256),
    verdict: 'verify/unbounded-loop',
    options: MAPS,
  },
  { name: 'two counters that meet', text: twoCounters('r6 += 1\n  r7 -= 1'), verdict: 'accepted' },
  { name: 'two counters, one of which moves', text: twoCounters('r6 += 2'), verdict: 'accepted' },
  {
    name: 'two counters that keep their distance',
    text: twoCounters('r6 += 1\n  r7 += 1'),
    verdict: 'verify/unbounded-loop',
  },
  {
    name: 'as many inner rounds as a byte says',
    text: nested('', 'r9 += 1'),
    verdict: 'accepted',
    options: MAPS,
  },
  {
    name: 'as many inner rounds as a byte says, over as many bytes',
    text: nested('', 'r1 = r6\n  r1 += r9\n  r2 = *(u8 *)(r1 + 0)\n  r9 += 1'),
    verdict: 'accepted',
    options: MAPS,
  },
  {
    name: 'as many inner rounds as a byte and one say, over as many bytes',
    text: nested('r8 += 2', 'r1 = r6\n  r1 += r9\n  r2 = *(u8 *)(r1 + 0)\n  r9 += 1'),
    verdict: 'verify/bounds',
    options: MAPS,
  },
  {
    name: 'inner rounds whose bound moves along',
    text: nested('', 'r9 += 1\n  r8 += 1'),
    verdict: 'verify/unbounded-loop',
    options: MAPS,
  },
  { name: 'a number that is halved until it is 0', text: shifted('r6 >>= 1'), verdict: 'accepted' },
  { name: 'a number that stays', text: shifted('r6 >>= 0'), verdict: 'verify/unbounded-loop' },
  {
    name: 'bpf_loop in bpf_loop',
    text: callbacks('r3 = *(u64 *)(r2 + 0)\n  r3 += 1\n  *(u64 *)(r2 + 0) = r3'),
    verdict: 'accepted',
  },
  {
    name: 'bpf_loop in bpf_loop, with a loop without a bound inside',
    text: callbacks('again:\n  call bpf_get_prandom_u32\n  if r0 != 0 goto again'),
    verdict: 'verify/unbounded-loop',
  },
  {
    name: 'bpf_loop in bpf_loop, one slot too far',
    text: callbacks('r3 = 1\n  *(u64 *)(r2 + 8) = r3'),
    verdict: 'verify/stack-access',
  },
  {
    name: 'for_each_map_elem',
    text: elements('r5 = *(u64 *)(r3 + 0)\n  r6 = *(u64 *)(r4 + 0)\n  r6 += r5\n  *(u64 *)(r4 + 0) = r6'),
    verdict: 'accepted',
    options: MAPS,
  },
  {
    name: 'for_each_map_elem, one byte behind the value',
    text: elements('r5 = *(u8 *)(r3 + 8)'),
    verdict: 'verify/bounds',
    options: MAPS,
  },
  {
    name: 'for_each_map_elem without end inside',
    text: elements('again:\n  r5 = *(u64 *)(r3 + 0)\n  if r5 != 0 goto again'),
    verdict: 'verify/unbounded-loop',
    options: MAPS,
  },
];

const outcome = ({ verdict, diagnostic }: Verdict): string => diagnostic?.code ?? verdict;

describe('loops over data', () => {
  it.each(CASES)('$name', ({ text, verdict, options: settings }) => {
    const v = verdictOf(text, settings);
    expect(outcome(v), v.diagnostic?.message).toBe(verdict);
    expect(v.visits).toBeLessThan(MOST_VISITS);
  });
});
