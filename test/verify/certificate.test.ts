// Certificates: that the checker accepts what the verifier does, and nothing that the verifier refuses, whatever the certificate says.
import { describe, expect, it } from 'vitest';
import { builtInPlatform } from '../../src/hosts/platform.ts';
import { checkCertificate } from '../../src/verify/check/check.ts';
import { Random } from '../support/random.ts';
import { certificateMutant, certified, checkAsOwn, programMutants, randomProgram, refusal } from './certificates.ts';
import { map, programOf, type ProgramOptions } from './support.ts';

const platform = builtInPlatform('linux');

const VALUES = [map('values', 'array', 4, 64, { maxEntries: 2 })];
const RING = [map('ring', 'ringbuf', 0, 0, { maxEntries: 4096 })];
const LOCKED = [map('locked', 'hash', 4, 64, { special: [{ kind: 'spin_lock', offset: 0, size: 4 }] })];

const lookup = (name: string): string => `
  r6 = r1
  r2 = 0
  *(u32 *)(r10 - 4) = r2
  r2 = r10
  r2 += -4
  r1 = map[${name}]
  call bpf_map_lookup_elem
  if r0 != 0 goto found
  r0 = 0
  exit
found:
`;

interface Case {
  readonly text: string;
  readonly options?: ProgramOptions;
}

const CASES: Readonly<Record<string, Case>> = {
  'a packet behind a check': {
    text: `
  r2 = *(u32 *)(r1 + 0)
  r3 = *(u32 *)(r1 + 4)
  r4 = r2
  r4 += 14
  if r4 > r3 goto out
  r5 = *(u8 *)(r2 + 12)
  r5 &= 15
  r2 += r5
  r4 = r2
  r4 += 8
  if r4 > r3 goto out
  r0 = *(u64 *)(r2 + 0)
out:
  r0 = 2
  exit`,
    options: { type: 'xdp' },
  },
  'an index into a map value': {
    text: `${lookup('values')}
  r7 = r0
  call bpf_get_prandom_u32
  if r0 > 56 goto out
  r7 += r0
  r1 = *(u64 *)(r7 + 0)
  *(u64 *)(r7 + 0) = r1
out:
  r0 = 0
  exit`,
    options: { maps: VALUES },
  },
  'a loop of a million rounds': {
    text: `
  r6 = 0
loop:
  call bpf_get_prandom_u32
  r6 += 1
  if r6 < 1000000 goto loop
  r0 = 0
  exit`,
  },
  'nested loops': {
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
  },
  'a loop down, its counter on the stack': {
    text: `
  r1 = 100000
  *(u64 *)(r10 - 8) = r1
loop:
  r1 = *(u64 *)(r10 - 8)
  r1 += -1
  *(u64 *)(r10 - 8) = r1
  if r1 s> 0 goto loop
  r0 = 0
  exit`,
  },
  'a loop over a map value': {
    text: `${lookup('values')}
  r7 = 0
  r8 = 0
loop:
  r1 = r0
  r1 += r7
  r2 = *(u8 *)(r1 + 0)
  r8 += r2
  r7 += 1
  if r7 < 64 goto loop
  r0 = r8
  exit`,
    options: { maps: VALUES },
  },
  'a loop over the packet': {
    text: `
  r2 = *(u32 *)(r1 + 0)
  r3 = *(u32 *)(r1 + 4)
loop:
  r4 = r2
  r4 += 1
  if r4 > r3 goto done
  r5 = *(u8 *)(r2 + 0)
  r2 = r4
  goto loop
done:
  r0 = 2
  exit`,
    options: { type: 'xdp' },
  },
  'bpf_loop with memory of the caller': {
    text: `
  r1 = 0
  *(u64 *)(r10 - 8) = r1
  r1 = 1000
  r2 = code_addr(body)
  r3 = r10
  r3 += -8
  r4 = 0
  call bpf_loop
  r0 = 0
  exit
body:
  r3 = *(u64 *)(r2 + 0)
  r3 += r1
  *(u64 *)(r2 + 0) = r3
  r0 = 0
  exit`,
  },
  'a loop within a callback': {
    text: `
  r1 = 1000
  r2 = code_addr(body)
  r3 = 0
  r4 = 0
  call bpf_loop
  r0 = 0
  exit
body:
  r6 = 0
again:
  r6 += 1
  if r6 < 500 goto again
  r0 = 0
  exit`,
  },
  may_goto: {
    text: `
  r6 = 0
loop:
  may_goto done
  call bpf_get_prandom_u32
  r6 += r0
  goto loop
done:
  r0 = 0
  exit`,
  },
  'functions that are given pointers': {
    text: `
  r1 = 0
  *(u64 *)(r10 - 16) = r1
  r1 = r10
  r1 += -16
  r2 = 8
  call fill
  r0 = *(u64 *)(r10 - 16)
  r1 = r10
  r1 += -16
  r2 = 16
  call fill
  r0 = 0
  exit
fill:
  if r2 > 15 goto out
  r1 += r2
  r3 = 7
  *(u8 *)(r1 + 0) = r3
out:
  r0 = 0
  exit`,
  },
  'a record of a ring buffer': {
    text: `
  r1 = map[ring]
  r2 = 16
  r3 = 0
  call bpf_ringbuf_reserve
  if r0 == 0 goto out
  r6 = r0
  call bpf_get_prandom_u32
  *(u64 *)(r6 + 8) = r0
  r1 = r6
  r2 = 0
  if r0 > 5 goto drop
  call bpf_ringbuf_submit
  goto out
drop:
  call bpf_ringbuf_discard
out:
  r0 = 0
  exit`,
    options: { maps: RING },
  },
  'a lock': {
    text: `${lookup('locked')}
  r7 = r0
  r1 = r0
  call bpf_spin_lock
  r2 = *(u64 *)(r7 + 8)
  if r2 > 9 goto big
  r2 += 1
  *(u64 *)(r7 + 8) = r2
big:
  r1 = r7
  call bpf_spin_unlock
  r0 = 0
  exit`,
    options: { maps: LOCKED, type: 'sched_cls' },
  },
  'branches that meet with pointers on the stack': {
    text: `
  r2 = *(u32 *)(r1 + 0)
  r3 = *(u32 *)(r1 + 4)
  *(u64 *)(r10 - 8) = r2
  *(u64 *)(r10 - 16) = r3
  call bpf_get_prandom_u32
  r6 = 0
  if r0 > 10 goto a
  r6 = 4
a:
  call bpf_get_prandom_u32
  if r0 > 20 goto b
  r6 += 8
b:
  r2 = *(u64 *)(r10 - 8)
  r3 = *(u64 *)(r10 - 16)
  r4 = r2
  r4 += 20
  if r4 > r3 goto out
  r2 += r6
  r0 = *(u32 *)(r2 + 0)
out:
  r0 = 1
  exit`,
    options: { type: 'xdp' },
  },
};

describe('certificates', () => {
  it.each(Object.entries(CASES))('of %s', (_name, { text, options }) => {
    const { object, program } = programOf(text, options);
    const { verdict, certificate, diagnostic } = certified(object, program, platform);
    expect([verdict, diagnostic?.message]).toEqual(['accepted', undefined]);
    expect(certificate).toBeDefined();
    const read: unknown = JSON.parse(JSON.stringify(certificate));
    const checked = checkCertificate(object, program, platform, read);
    expect(checked).toMatchObject({ verdict: 'accepted', visits: certificate?.visits });
  });

  it.each(Object.entries(CASES))('do not pass for altered programs: %s', (name, { text, options }) => {
    const { object, program } = programOf(text, options);
    const { certificate } = certified(object, program, platform);
    if (certificate === undefined) throw new Error('no certificate');
    const random = new Random(name.length);
    let refused = 0;
    for (const mutant of programMutants(program, (count) => random.below(count))) {
      // As it came, it is told by its digest.
      expect(checkCertificate(object, mutant, platform, certificate).diagnostic?.code).toBe('verify/certificate-stale');
      const checked = checkAsOwn(object, mutant, platform, certificate);
      if (checked.verdict === 'refused') refused++;
      else expect(refusal(object, mutant, platform)).toBeUndefined();
    }
    expect(refused).toBeGreaterThan(10);
  });

  it.each(Object.entries(CASES))('do not lie their way through: %s', (name, { text, options }) => {
    const { object, program } = programOf(text, options);
    const { certificate } = certified(object, program, platform);
    if (certificate === undefined) throw new Error('no certificate');
    const random = new Random(name.length);
    const choose = (count: number): number => random.below(count);
    for (const mutant of programMutants(program, choose)) {
      if (random.chance(0.5)) continue;
      const code = refusal(object, mutant, platform, 10_000);
      if (code === undefined || code === 'verify/budget') continue;
      for (let i = 0; i < 8; i++) {
        let lie = certificateMutant(certificate, choose);
        if (random.chance(0.5)) lie = certificateMutant(lie, choose);
        expect([code, checkAsOwn(object, mutant, platform, lie).verdict]).toEqual([code, 'refused']);
      }
    }
  });

  it('of random programs, and for none that is refused', () => {
    let accepted = 0;
    let without = 0;
    for (let seed = 0; seed < 150; seed++) {
      const made = randomProgram(seed);
      if (made === undefined) continue;
      const { object, program } = made;
      const { verdict, certificate } = certified(object, program, platform);
      if (verdict !== 'accepted') continue;
      accepted++;
      if (certificate === undefined) without++;
      else expect(checkCertificate(object, program, platform, certificate).verdict).toBe('accepted');
    }
    expect(accepted).toBeGreaterThan(15);
    expect(without / accepted).toBeLessThan(0.05);
  });

  it.each([
    undefined,
    null,
    7,
    'text',
    {},
    { format: 1 },
    { format: 1, numbers: [], points: [{}] },
    { format: 1, numbers: ['x'], points: [] },
    {
      format: 1,
      numbers: [],
      points: [{ slot: 0, frames: [{ entry: 0, call: -1, registers: [[1, [0, 0, 0]]], cells: [], bytes: '0' }] }],
    },
    { format: 1, numbers: ['5 4 0 0 0 0 0 0 0 0'], points: [] },
    { format: 2, numbers: [], points: [] },
  ])('that are none are refused: %j', (certificate) => {
    const { object, program } = programOf('r0 = 0\n exit');
    const own = checkAsOwn(object, program, platform, certificate as never);
    expect(own.verdict).toBe('refused');
    expect(own.diagnostic?.code).toBe('verify/certificate');
  });
});
