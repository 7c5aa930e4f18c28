// Holes that the verifier had, each as the program that it let through.
import { expect, it } from 'vitest';
import type { MapSpec } from '../../src/spec/object.ts';
import { map, type ProgramOptions, verdictOf } from './support.ts';

const VALUE = [map('values', 'array', 4, 64, { maxEntries: 1 })];
const LOCKED = (name: string): MapSpec =>
  map(name, 'array', 4, 16, { special: [{ kind: 'spin_lock', offset: 0, size: 4 }] });
const HASH = [map('hash', 'hash', 4, 8)];
const lookup = `
  r6 = 0
  *(u32 *)(r10 - 4) = r6
  r2 = r10
  r2 += -4
  r1 = map[values]
  call bpf_map_lookup_elem
`;

interface Hole {
  readonly name: string;
  readonly text: string;
  readonly code: string;
  readonly options?: ProgramOptions;
}

const HOLES: readonly Hole[] = [
  {
    name: 'shifts to the left and back of a number that was copied at a join',
    text: `
  call bpf_get_prandom_u32
  r7 = r0
  r7 &= 255
  r7 <<= 8
  call bpf_get_prandom_u32
  if r0 == 0 goto joined
  r8 = 1
joined:
  call bpf_get_prandom_u32
  r7 >>= 8
  r7 &= 255
  r9 = r7
${lookup}
  r0 += r9
  r0 = *(u8 *)(r0 + 0)
  r0 = 0
  exit`,
    code: 'verify/bounds',
    options: { maps: VALUE },
  },
  {
    name: 'a callback gets no pointer into the packet',
    text: `
  r6 = r1
  r2 = *(u32 *)(r1 + 0)
  r3 = *(u32 *)(r1 + 4)
  r4 = r2
  r4 += 14
  if r4 > r3 goto out
  r1 = 10
  r3 = r2
  r2 = code_addr(body)
  r4 = 0
  call bpf_loop
out:
  r0 = 2
  exit
body:
  r0 = 0
  exit`,
    code: 'verify/helper-argument',
    options: { type: 'xdp' },
  },
  {
    name: 'the index of one round is not that of another',
    text: `
  r1 = 64
  *(u64 *)(r10 - 8) = r1
  r1 = 64
  r2 = code_addr(body)
  r3 = r10
  r3 += -8
  r4 = 0
  call bpf_loop
  r0 = 0
  exit
body:
  r3 = *(u64 *)(r2 + 0)
  *(u64 *)(r2 + 0) = r1
  if r1 != r3 goto out
  r0 = *(u64 *)(r2 + 8)
out:
  r0 = 0
  exit`,
    code: 'verify/stack-access',
  },
  {
    name: 'a function leaves a pointer to its stack in its caller',
    text: `
  r1 = r10
  r1 += -8
  call leave
  r1 = *(u64 *)(r10 - 8)
  r0 = *(u64 *)(r1 + 0)
  exit
leave:
  r2 = r10
  r2 += -8
  *(u64 *)(r2 + 0) = r1
  *(u64 *)(r1 + 0) = r2
  r0 = 0
  exit`,
    code: 'verify/stack-access',
  },
  {
    name: 'NULL told from a register that holds 0 on one path only',
    text: `
  r1 = 0
  *(u32 *)(r10 - 4) = r1
  call bpf_get_prandom_u32
  r8 = 0
  if r0 == 0 goto joined
  r8 = 7
joined:
  r1 = map[hash]
  r2 = r10
  r2 += -4
  r3 = 0
  r4 = 0
  r5 = 0
  call bpf_map_lookup_elem
  if r0 == r8 goto out
  r0 = *(u8 *)(r0 + 0)
out:
  r0 = 0
  exit`,
    code: 'verify/null',
    options: { maps: HASH },
  },
  {
    name: 'no memory for a helper, told from a register that holds 0 on one path only',
    text: `
  call bpf_get_prandom_u32
  r6 = 0
  if r0 == 0 goto joined
  r6 = 7
joined:
  r1 = r10
  r1 += -8
  r2 = 0
  *(u64 *)(r10 - 8) = r2
  r2 = 8
  r3 = r6
  r4 = 4
  r5 = 0
  call bpf_csum_diff
  r0 = 0
  exit`,
    code: 'verify/helper-argument',
    options: { type: 'sched_cls' },
  },
  {
    name: 'bytes at NULL',
    text: `
  r1 = 0
  r2 = 4
  r3 = 0
  r4 = 0
  r5 = 0
  call bpf_csum_diff
  r0 = 0
  exit`,
    code: 'verify/helper-argument',
    options: { type: 'sched_cls' },
  },
  {
    name: 'a distance from a register that holds another number on another path',
    text: `${lookup}
  if r0 == 0 goto out
  r6 = r0
  call bpf_get_prandom_u32
  r7 = r0
  r7 &= 31
  call bpf_get_prandom_u32
  r8 = 5
  if r0 == 0 goto joined
  r8 = 500
joined:
  r9 = 1
  r9 = 2
  r9 = 3
  r9 = 4
  r9 = 5
  r9 = 6
  r9 = 7
  r7 += r8
  r6 += r7
  r0 = *(u8 *)(r6 + 0)
out:
  r0 = 0
  exit`,
    code: 'verify/bounds',
    options: { maps: VALUE },
  },
  {
    name: 'a pointer moved back by any distance may be 0',
    text: `${lookup}
  if r0 == 0 goto out
  r6 = r0
  call bpf_get_prandom_u32
  r0 &= 0xfffffff
  r6 -= r0
  if r6 != 0 goto out
  r0 = *(u64 *)(r6 + 0)
out:
  r0 = 0
  exit`,
    code: 'verify/bounds',
    options: { maps: VALUE },
  },
  {
    name: 'a check against the end of the packet says nothing of how far back a pointer leads',
    text: `
  r6 = r1
  call bpf_get_prandom_u32
  r0 &= 0xfffffff
  r2 = *(u32 *)(r6 + 0)
  r3 = *(u32 *)(r6 + 4)
  r2 -= r0
  r2 += 0x100100
  if r2 > r3 goto out
  r0 = *(u64 *)(r2 - 8)
out:
  r0 = 2
  exit`,
    code: 'verify/packet-bounds',
    options: { type: 'xdp' },
  },
  {
    name: 'what a callback gets in its next round counts where its registers are forgotten',
    text: `
  call bpf_get_prandom_u32
  r6 = 0
  *(u64 *)(r10 - 8) = r6
  if r0 == 0 goto second
  *(u64 *)(r10 - 16) = r6
  r3 = r10
  r3 += -16
  goto both
second:
  r6 = 1
  *(u64 *)(r10 - 16) = r6
  r3 = r10
  r3 += -8
both:
  r1 = 2
  r2 = code_addr(body)
  r4 = 0
  call bpf_loop
  r0 = 0
  exit
body:
  r3 = *(u64 *)(r2 + 0)
  if r3 != 0 goto again
  r3 = 1
  *(u64 *)(r2 + 0) = r3
  r3 = 2
  r3 = 3
  r3 = 4
  r3 = 5
  r3 = 6
  r3 = 7
  goto joined
again:
  r3 = *(u64 *)(r2 + 8)
joined:
  r0 = 0
  exit`,
    code: 'verify/stack-access',
  },
  {
    name: 'a number of rounds from a pointer',
    text: `
  r1 = r10
  r2 = code_addr(body)
  r3 = r10
  r3 += -8
  r4 = 0
  call bpf_loop
  r0 = 0
  exit
body:
  r3 = r10
  r3 += -128
  r3 += r1
  *(u8 *)(r3 + 0) = 0
  r0 = 0
  exit`,
    code: 'verify/stack-access',
  },
  {
    name: 'the application may not change a map, the program may: what it holds is not known',
    text: `${lookup}
  if r0 == 0 goto out
  *(u8 *)(r0 + 0) = 5
  r1 = map_val(map_by_idx(0)) + 0 ll
  r2 = *(u8 *)(r1 + 0)
  r3 = r10
  r3 += r2
  *(u64 *)(r3 - 8) = 0
out:
  r0 = 0
  exit`,
    code: 'verify/stack-access',
    options: { maps: [map('values', 'array', 4, 64, { maxEntries: 1, frozen: true, data: new Uint8Array(64) })] },
  },
  {
    name: 'a helper that changes a map which programs may only read',
    text: `
  r6 = 0
  *(u64 *)(r10 - 8) = r6
  r2 = r10
  r2 += -8
  r3 = r2
  r4 = 0
  r1 = map[values]
  call bpf_map_update_elem
  r0 = 0
  exit`,
    code: 'verify/helper-map',
    options: {
      maps: [map('values', 'array', 4, 8, { maxEntries: 1, frozen: true, flags: 128, data: new Uint8Array(8) })],
    },
  },
  {
    name: 'a callback that writes to values of a map which programs may only read',
    text: `
  r1 = map[values]
  r2 = code_addr(body)
  r3 = 0
  r4 = 0
  call bpf_for_each_map_elem
  r0 = 0
  exit
body:
  *(u8 *)(r3 + 0) = 1
  r0 = 0
  exit`,
    code: 'verify/read-only',
    options: {
      maps: [map('values', 'array', 4, 8, { maxEntries: 1, frozen: true, flags: 128, data: new Uint8Array(8) })],
    },
  },
  {
    name: 'a lock in a value of one map, given back in that of another',
    text: `
  r1 = map[a]
  r2 = code_addr(outer)
  r3 = r10
  r3 += -8
  r4 = 0
  call bpf_for_each_map_elem
  r0 = 0
  exit
outer:
  *(u64 *)(r10 - 8) = r3
  r1 = map[b]
  r2 = code_addr(inner)
  r3 = r10
  r3 += -8
  r4 = 0
  call bpf_for_each_map_elem
  r0 = 0
  exit
inner:
  r6 = r3
  r1 = *(u64 *)(r4 + 0)
  call bpf_spin_lock
  r1 = r6
  call bpf_spin_unlock
  r0 = 0
  exit`,
    code: 'verify/lock',
    options: { maps: [LOCKED('a'), LOCKED('b')] },
  },
  {
    name: 'a number of which half was stored over is no longer another one',
    text: `${lookup}
  if r0 == 0 goto out
  r1 = *(u64 *)(r0 + 0)
  *(u64 *)(r10 - 16) = r1
  *(u64 *)(r10 - 24) = r1
  r1 = 2
  r2 = code_addr(body)
  r3 = r10
  r3 += -16
  r4 = 0
  call bpf_loop
out:
  r0 = 0
  exit
body:
  r3 = *(u64 *)(r2 + 0)
  r4 = *(u64 *)(r2 - 8)
  if r3 > 55 goto stored
  r5 = r10
  r5 += -64
  r5 += r4
  r0 = 0
  *(u8 *)(r5 + 0) = r0
stored:
  *(u32 *)(r2 + 0) = r1
  r0 = 0
  exit`,
    code: 'verify/pointer-arithmetic',
    options: { maps: VALUE },
  },
  {
    name: 'what a devmap holds is read only',
    text: `${lookup}
  if r0 == 0 goto out
  *(u32 *)(r0 + 0) = r6
out:
  r0 = 0
  exit`,
    code: 'verify/read-only',
    options: { maps: [map('values', 'devmap', 4, 4, { maxEntries: 1 })] },
  },
];

it.each(HOLES)('$name', ({ text, code, options }) => {
  const verdict = verdictOf(text, options);
  expect(verdict.diagnostic?.code ?? verdict.verdict, verdict.diagnostic?.message).toBe(code);
});

it('a number that is above all positive ones is negative', () => {
  const verdict = verdictOf(`
  call bpf_get_prandom_u32
  r4 = r0
  r4 &= 255
  r9 = r4
  r9 += -1
  if r9 >= 256 goto next
next:
  r4 += -1
  if r4 > 8 goto out
  r1 = r10
  r1 += -8
  r1 += r9
  r0 = *(u8 *)(r1 - 1)
out:
  r0 = 0
  exit`);
  expect(verdict.verdict, verdict.diagnostic?.message).toBe('accepted');
});
