// Programs of many branches: of 2^n paths, of loops with branches, and of a million instructions. Each ends with a verdict, by the
// number of instructions visited, whatever the machine is busy with.
import { describe, expect, it } from 'vitest';
import { builtInPlatform } from '../../src/hosts/platform.ts';
import { DEFAULT_LIMITS, type Verdict, verify } from '../../src/verify/verify.ts';
import { map, programOf } from './support.ts';

const VALUES = [map('values', 'array', 4, 256, { maxEntries: 1 })];
const PLATFORM = builtInPlatform('linux');

/** Time may not decide. */
function verdictOf(text: string, visits = DEFAULT_LIMITS.visits): Verdict {
  const { object, program } = programOf(text, { maps: VALUES });
  return verify(object, program, PLATFORM, { ...DEFAULT_LIMITS, visits, time: 120_000 });
}

const times = (count: number, text: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => text(i)).join('\n');

/** One of two ways, told by a number from outside. */
const either = (i: number, one: string, other: string): string => `
  call bpf_get_prandom_u32
  ${one}
  if r0 == ${i} goto meet${i}
  ${other}
meet${i}:`;

const LOOKUP = `
  r1 = 0
  *(u32 *)(r10 - 4) = r1
  r2 = r10
  r2 += -4
  r1 = map[values]
  call bpf_map_lookup_elem
  if r0 == 0 goto out`;
const RETURN = `
out:
  r0 = 0
  exit`;

/** Programs of 2^n paths. */
const GROWING: Readonly<Record<string, (n: number) => string>> = {
  'a constant that nothing asks for': (n) => times(n, (i) => either(i, `r6 = ${i}`, `r6 = ${i + 1}`)) + RETURN,
  'a sum that a branch asks for': (n) =>
    `r6 = 0\n${times(n, (i) => either(i, '', `r6 += ${1 << (i % 20)}`))}
  if r6 > 1000000 goto out
  r0 = 1
  exit${RETURN}`,
  'a sum that is an index below a limit': (n) =>
    `r6 = 0\n${times(n, (i) => either(i, '', `r6 += ${i + 1}`))}${LOOKUP}
  if r6 > 255 goto out
  r0 += r6
  r0 = *(u8 *)(r0 + 0)${RETURN}`,
  'bits of an index': (n) =>
    `r6 = 0\n${times(n, (i) => either(i, '', `r6 |= ${1 << (i % 30)}`))}${LOOKUP}
  r6 &= 255
  r0 += r6
  r0 = *(u8 *)(r0 + 0)${RETURN}`,
  'constants in stack slots': (n) =>
    `${times(n, (i) => `${either(i, 'r6 = 0', `r6 = ${i + 1}`)}\n  *(u64 *)(r10 - ${8 * (i + 1)}) = r6`)}
  r7 = 0
${times(n, (i) => `r1 = *(u64 *)(r10 - ${8 * (i + 1)})\nif r1 > 5 goto above${i}\nr7 += 1\nabove${i}:`)}
  if r7 > 3 goto out
  r0 = 1
  exit${RETURN}`,
  'pointers or NULL in stack slots': (n) =>
    `${times(n, (i) => `${either(i, 'r6 = 0', 'r6 = r10')}\n  *(u64 *)(r10 - ${8 * (i + 1)}) = r6`)}
${times(n, (i) => `r1 = *(u64 *)(r10 - ${8 * (i + 1)})\nif r1 == 0 goto null${i}\nr2 = *(u64 *)(r1 - ${8 * (i + 1)})\nnull${i}:`)}${RETURN}`,
};

/** Flags and the pointers that they tell of, each in a stack slot: all set first, all used afterwards. */
const flagged = (n: number, set: (i: number) => string, test: (i: number) => string): string =>
  `${times(
    n,
    (i) => `
  call bpf_get_prandom_u32
  r6 = r0
  r7 = 0
  if r6 ${set(i)} goto none${i}
  ${LOOKUP}
  r7 = r0
none${i}:
  *(u64 *)(r10 - ${8 * (2 * i + 2)}) = r6
  *(u64 *)(r10 - ${8 * (2 * i + 3)}) = r7`,
  )}
${times(
  n,
  (i) => `
  r1 = *(u64 *)(r10 - ${8 * (2 * i + 2)})
  if r1 ${test(i)} goto unused${i}
  r2 = *(u64 *)(r10 - ${8 * (2 * i + 3)})
  r3 = *(u64 *)(r2 + 0)
unused${i}:`,
)}${RETURN}`;

/** The same with something wrong behind the branches. */
const WRONG: Readonly<Record<string, (n: number) => string>> = {
  'a sum that is an index below a limit that is too large': (n) =>
    (GROWING['a sum that is an index below a limit'] as (n: number) => string)(n).replace('> 255', '> 256'),
  'bits of an index, one too many': (n) =>
    (GROWING['bits of an index'] as (n: number) => string)(n).replace('&= 255', '&= 511'),
  'a pointer in a stack slot that may be NULL': (n) =>
    (GROWING['pointers or NULL in stack slots'] as (n: number) => string)(n).replace('if r1 == 0 goto null1\n', ''),
  'a sum that a limit of its own holds': (n) =>
    `r6 = 0\n${times(n, (i) => either(i, '', `r6 += ${i + 1}`))}${LOOKUP}
  r0 += r6
  r0 = *(u8 *)(r0 + 0)${RETURN}`,
};

/** Each path has a sum of its own. */
const allSums = (n: number): string => `r6 = 0\n${times(n, (i) => either(i, '', `r6 += ${1 << i}`))}${LOOKUP}
  r0 += r6
  r0 = *(u8 *)(r0 + 0)${RETURN}`;

const rounds = (count: number, branches: number): string => `
  r6 = 0
  r7 = 0
loop:
${times(branches, (i) => either(i, '', `r7 += ${i + 1}`))}
  r6 += 1
  if r6 < ${count} goto loop
  if r7 > 1000 goto out
  r0 = 1
  exit${RETURN}`;

describe('2^n paths', () => {
  describe.each(Object.entries(GROWING))('%s', (_, program) => {
    it.each([8, 60])('n = %i', (n) => {
      const { verdict, diagnostic, visits } = verdictOf(program(n));
      expect(verdict, diagnostic?.message).toBe('accepted');
      expect(visits).toBeLessThan(400_000);
    });
  });

  describe.each(Object.entries(WRONG))('%s', (_, program) => {
    it.each([24, 60])('n = %i', (n) => {
      const { verdict } = verdictOf(program(n), 150_000);
      expect(verdict).not.toBe('accepted');
    });
  });

  describe('flags that tell which pointers are set', () => {
    it.each([
      [8, '== 0'],
      [20, '== 0'],
      [12, 's> 5'],
    ])('n = %i, unset where the flag is %s', (n, test) => {
      const text = flagged(
        n,
        () => test,
        () => test,
      );
      const { verdict, diagnostic } = verdictOf(text, 400_000);
      expect(verdict, diagnostic?.message).toBe('accepted');
    });

    it.each([
      ['another value of one flag', (i: number) => (i === 11 ? '== 1' : '== 0')],
      ['fewer values of one flag', (i: number) => (i === 11 ? '== 0' : 's> 5')],
      ['a constant that no flag has', (i: number) => (i === 7 ? '== 77' : '== 0')],
    ])('asked for %s', (_, test) => {
      const text = flagged(12, () => test(0), test);
      expect(verdictOf(text, 150_000).verdict).not.toBe('accepted');
    });
  });

  it('a few whose sum stays below the limit need each path', () => {
    expect(verdictOf(allSums(8)).verdict).toBe('accepted');
    expect(verdictOf(allSums(9)).diagnostic?.code).toBe('verify/bounds');
  });
});

describe('loops with branches', () => {
  it.each([
    [10, 4],
    [1000, 20],
    [1_000_000, 60],
  ])('%i rounds of %i branches', (count, branches) => {
    const { verdict, diagnostic, visits } = verdictOf(rounds(count, branches));
    expect(verdict, diagnostic?.message).toBe('accepted');
    expect(visits).toBeLessThan(400_000);
  });
});

describe('a million instructions in a row', () => {
  const COUNT = 1_000_000;
  /** One after the other: opcode, registers, offset and immediate of each. */
  const row = (insn: (i: number) => readonly [number, number, number, number]): Verdict => {
    const { object, program } = programOf('r0 = 0\nexit');
    const code = new Uint8Array(8 * (COUNT + 2));
    const view = new DataView(code.buffer);
    for (let i = 0; i < COUNT; i++) {
      const [opcode, registers, off, imm] = insn(i);
      code[8 * i] = opcode;
      code[8 * i + 1] = registers;
      view.setInt16(8 * i + 2, off, true);
      view.setInt32(8 * i + 4, imm, true);
    }
    code.set(program.code, 8 * COUNT);
    const functions = program.functions.map((fn) => ({ ...fn, length: COUNT + 2 }));
    return verify(object, { ...program, code, functions }, PLATFORM, { visits: 200_000, time: 120_000 });
  };
  const MOV = 0xb7;
  const LDX_W = 0x61;
  const JEQ = 0x15;

  it('moves', () => {
    expect(row((i) => [MOV, i % 6, 0, i]).verdict).toBe('budget');
  });

  it('branches of which each leaves a path waiting', () => {
    const { verdict, visits } = row((i) => (i === 0 ? [LDX_W, 0x10, 0, 0] : [JEQ, 0, 0, i]));
    expect(verdict).toBe('budget');
    expect(visits).toBeLessThan(50_000);
  });
});
