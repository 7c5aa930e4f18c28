// Bug classes of control and of what is held: pruned paths, loops, references, helpers that take what was moved.
import { type BugClass, MAPS, OUT, socketFilter, TARGETS, unknown, type Variant } from './frame.ts';

const tc = (text: string): Pick<Variant, 'text' | 'options'> => ({ text, options: { type: 'sched_cls', maps: MAPS } });

const RESERVE = `
  r1 = map[ring]
  r2 = 16
  r3 = 0
  call bpf_ringbuf_reserve
  if r0 == 0 goto out`;

/** Ways from r9 to r1 on which what the verdict rests on must not be lost. */
const COPIES: Readonly<Record<string, string>> = {
  'a copy': 'r1 = r9',
  'a copy of a copy': 'r8 = r9\n r1 = r8',
  'the stack': '*(u64 *)(r10 - 64) = r9\n r1 = *(u64 *)(r10 - 64)',
  'half of the stack': '*(u32 *)(r10 - 64) = r9\n r1 = *(u32 *)(r10 - 64)',
  'a sum with 0': 'r1 = 0\n r1 += r9',
  'a shift and back': 'r1 = r9\n r1 <<= 32\n r1 >>= 32',
  'an atomic exchange': 'r1 = r9\n *(u64 *)(r10 - 64) = r1\n r1 = 0\n lock *(u64 *)(r10 - 64) x= r1',
  'an atomic fetch': '*(u64 *)(r10 - 64) = r9\n r1 = 0\n lock *(u64 *)(r10 - 64) += r1 fetch',
  'a function': 'r1 = r9\n call local identity\n r1 = r0',
  'the stack of the caller': '*(u64 *)(r10 - 64) = r9\n r1 = r10\n r1 += -64\n call local loaded\n r1 = r0',
  'a bit mask': 'r1 = r9\n r1 &= 0xffff',
  'a comparison that finds them equal': 'r1 = map[numbers][0]+0\n r1 = *(u64 *)(r1 + 0)\n if r1 != r9 goto out',
};
const FUNCTIONS = `
identity:
  r0 = r1
  exit
loaded:
  r0 = *(u64 *)(r1 + 0)
  exit`;

/** One path comes with a small offset, the other with a large one: the second must not be taken for the first. */
const twoPaths = (copy: string, large: number, largeFirst: boolean): string => `
  ${unknown('r7')}
  r9 = ${largeFirst ? large : 0}
  if r7 > 5 goto join
  r9 = ${largeFirst ? 0 : large}
join:
  r7 = 1
  r8 = 2
  r7 += r8
  r7 += r8
  r7 += r8
  r7 += r8
  r7 += r8
  ${TARGETS['a map value']}
  ${copy}
  r6 += r1
  r0 = *(u8 *)(r6 + 0)${OUT}
${
  copy.includes('call local')
    ? FUNCTIONS.split(/(?=\n\w+:)/)
        .filter((f) => copy.includes(`local ${/\w+/.exec(f)?.[0]}`))
        .join('')
    : ''
}`;

const pruned = (large: number): Variant[] =>
  Object.entries(COPIES).flatMap(([name, copy]) =>
    [false, true].map((largeFirst) => ({
      name: `${name}, ${largeFirst ? 'large' : 'small'} first`,
      ...socketFilter(twoPaths(copy, large, largeFirst)),
    })),
  );

const TUPLE = `
  r7 = r1
  *(u64 *)(r10 - 16) = 0
  *(u64 *)(r10 - 8) = 0`;
const SOCKET = `
  r1 = r7
  r2 = r10
  r2 += -16
  r3 = 12
  r4 = -1
  r5 = 0
  call bpf_sk_lookup_tcp`;
const RELEASE = '\n  r1 = r6\n  call bpf_sk_release';
/** Another view of the socket in r6, in r8; used after the socket was given back. */
const viewed = (helper: string): string =>
  `${TUPLE}${SOCKET}\n if r0 == 0 goto out\n r6 = r0\n r1 = r6\n call ${helper}\n r8 = r0${RELEASE}\n if r8 == 0 goto out\n r0 = *(u32 *)(r8 + 4)`;

const RING_DYNPTR = `
  r1 = map[ring]
  r2 = 16
  r3 = 0
  r4 = r10
  r4 += -16
  call bpf_ringbuf_reserve_dynptr
  r1 = r10
  r1 += -16
  r2 = 0
  r3 = 8
  call bpf_dynptr_data
  r6 = r0
  r1 = r10
  r1 += -16
  r2 = 0`;

const HELD: Readonly<Record<string, string>> = {
  'a socket is kept': `${TUPLE}${SOCKET}`,
  'a checked socket is kept': `${TUPLE}${SOCKET}\n if r0 == 0 goto out`,
  'a socket is kept on one path': `${TUPLE}${SOCKET}\n if r0 == 0 goto out\n r6 = r0\n r1 = *(u32 *)(r6 + 4)\n if r1 == 2 goto out${RELEASE}`,
  'the only pointer is overwritten': `${TUPLE}${SOCKET}\n r0 = 5`,
  'a second one is taken': `${TUPLE}${SOCKET}\n r6 = r0${SOCKET}\n if r6 == 0 goto out${RELEASE}`,
  'it is given back twice': `${TUPLE}${SOCKET}\n if r0 == 0 goto out\n r6 = r0\n r8 = r0${RELEASE}\n r1 = r8\n call bpf_sk_release`,
  'it is used afterwards': `${TUPLE}${SOCKET}\n if r0 == 0 goto out\n r6 = r0\n r8 = r0${RELEASE}\n r0 = *(u32 *)(r8 + 4)`,
  'a copy on the stack is used afterwards': `${TUPLE}${SOCKET}\n if r0 == 0 goto out\n *(u64 *)(r10 - 24) = r0\n r6 = r0${RELEASE}\n r1 = *(u64 *)(r10 - 24)\n r0 = *(u32 *)(r1 + 4)`,
  'it is given back though it may be NULL': `${TUPLE}${SOCKET}\n r1 = r0\n call bpf_sk_release`,
  'another pointer is given back': `${TUPLE}${SOCKET}\n if r0 == 0 goto out\n r1 = map[target][0]+0\n call bpf_sk_release`,
  'it is moved and given back': `${TUPLE}${SOCKET}\n if r0 == 0 goto out\n r1 = r0\n r1 += 4\n call bpf_sk_release`,
  'its TCP part is used afterwards': viewed('bpf_tcp_sock'),
  'its full form is used afterwards': viewed('bpf_sk_fullsock'),
  'a record is kept': `${RESERVE}`,
  'a record of a dynptr is kept': RING_DYNPTR,
  'the bytes of a dynptr are used afterwards': `${RING_DYNPTR}\n call bpf_ringbuf_submit_dynptr\n if r6 == 0 goto out\n r0 = *(u64 *)(r6 + 0)`,
  'a dynptr is submitted twice': `${RING_DYNPTR}\n call bpf_ringbuf_submit_dynptr\n r1 = r10\n r1 += -16\n r2 = 0\n call bpf_ringbuf_submit_dynptr`,
  'a record is submitted twice': `${RESERVE}\n r6 = r0\n r1 = r0\n r2 = 0\n call bpf_ringbuf_submit\n r1 = r6\n r2 = 0\n call bpf_ringbuf_submit`,
  'a record is written after it was submitted': `${RESERVE}\n r6 = r0\n r1 = r0\n r2 = 0\n call bpf_ringbuf_submit\n *(u64 *)(r6 + 0) = 0`,
  'a record is discarded and submitted': `${RESERVE}\n r6 = r0\n r1 = r0\n r2 = 0\n call bpf_ringbuf_discard\n r1 = r6\n r2 = 0\n call bpf_ringbuf_submit`,
};

const ENDLESS: Readonly<Record<string, string>> = {
  'to itself': 'here:\n goto here',
  'to the one before': 'here:\n r0 = 0\n goto here',
  'on nothing that changes': 'r6 = 5\nhere:\n if r6 == 5 goto here',
  'on an unknown number that does not change': `${unknown('r6')}\nhere:\n r7 = 1\n if r6 > 5 goto here`,
  'counted past its end': 'r6 = 0\nhere:\n r6 += 2\n if r6 != 9 goto here',
  'counted the wrong way': 'r6 = 5\nhere:\n r6 -= 1\n if r6 s< 10 goto here',
  'counted by 0': `r6 = 0\nhere:\n r6 += 0\n if r6 < 10 goto here`,
  'set back': 'r6 = 0\nhere:\n r6 += 1\n if r6 < 5 goto here\n r6 = 0\n goto here',
  'one of two counters': `r6 = 0\n r7 = 0\nhere:\n r6 += 1\n if r6 < 100 goto here\n r6 = 0\n r7 += 1\n r7 &= 3\n goto here`,
  'a function of itself': 'call local f\n goto out\nf:\n call local f\n exit',
  'two functions of each other': 'call local f\n goto out\nf:\n call local g\n exit\ng:\n call local f\n exit',
  'the program of itself': 'start:\n r1 = 0\n call local start',
  'a mask': 'r6 = 0\nhere:\n r6 += 1\n r6 &= 7\n if r6 < 100 goto here',
};

const SHIFTS = [-16, -8, -1, 1, 4, 8, 15, 16, 4096];

export const CONTROL: readonly BugClass[] = [
  {
    number: 5,
    name: 'memory of a helper that is given back moved',
    source: 'CVE-2021-4204',
    variants: SHIFTS.flatMap((by) =>
      ['submit', 'discard'].map((end) => ({
        name: `${end} of ${by}`,
        ...socketFilter(`${RESERVE}\n r1 = r0\n r1 += ${by}\n r2 = 0\n call bpf_ringbuf_${end}${OUT}`),
      })),
    ),
    twins: ['submit', 'discard'].map((end) => ({
      name: `${end} of what was reserved`,
      ...socketFilter(`${RESERVE}\n *(u64 *)(r0 + 8) = 1\n r1 = r0\n r2 = 0\n call bpf_ringbuf_${end}${OUT}`),
    })),
  },
  {
    number: 7,
    name: 'a path taken for one that was verified, though a number differs that matters',
    source: 'CVE-2023-2163, CVE-2023-52920, CVE-2026-43009',
    variants: pruned(1000),
    // What atomic operations fetch is not known any more.
    twins: pruned(8).filter(({ name }) => !name.includes('atomic')),
  },
  {
    number: 17,
    name: 'what is held is lost, given back twice, or used afterwards',
    source: 'verifier_ref_tracking',
    variants: Object.entries(HELD).map(([name, text]) => ({ name, ...tc(`${text}${OUT}`) })),
    twins: [
      { name: 'a socket given back', ...tc(`${TUPLE}${SOCKET}\n if r0 == 0 goto out\n r6 = r0${RELEASE}${OUT}`) },
      { name: 'a record submitted', ...tc(`${RESERVE}\n r1 = r0\n r2 = 0\n call bpf_ringbuf_submit${OUT}`) },
    ],
  },
  {
    number: 18,
    name: 'loops and calls without an end',
    source: 'CVE-2024-42072; verifier_cfg, verifier_loops1',
    variants: Object.entries(ENDLESS).map(([name, text]) => ({ name, ...socketFilter(`${text}${OUT}`) })),
    twins: [
      { name: 'counted', ...socketFilter(`r6 = 0\nhere:\n r6 += 2\n if r6 != 10 goto here${OUT}`) },
      {
        name: 'nested',
        ...socketFilter(
          `r7 = 0\nouter:\n r6 = 0\nhere:\n r6 += 1\n if r6 < 5 goto here\n r7 += 1\n if r7 < 5 goto outer${OUT}`,
        ),
      },
    ],
  },
];
