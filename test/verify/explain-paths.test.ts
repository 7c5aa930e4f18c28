// How values are followed back along a path: programs in assembler, and what their facts say.
import { describe, expect, it } from 'vitest';
import { builtInPlatform } from '../../src/hosts/platform.ts';
import { verifyAndExplain } from '../../src/verify/explain/explain.ts';
import type { Explanation } from '../../src/verify/explain/explanation.ts';
import { DEFAULT_LIMITS, verify } from '../../src/verify/verify.ts';
import { map, type ProgramOptions, programOf } from './support.ts';

const HASH = map('counts', 'hash', 4, 8);

function explained(text: string, options: ProgramOptions): Explanation {
  const { object, program } = programOf(text, options);
  const { explanation } = verifyAndExplain(object, program, builtInPlatform('linux'));
  if (explanation === undefined) throw new Error('the program is accepted');
  return explanation;
}
const told = (facts: Explanation['chain']): string[] => facts.map(({ insn, kind, text }) => `${insn} ${kind}: ${text}`);

const LOOKUP = `
  *(u32 *)(r10 - 4) = 0
  r1 = map[counts]
  r2 = r10
  r2 += -4
  call bpf_map_lookup_elem`;

interface Case {
  readonly name: string;
  readonly text: string;
  readonly code: string;
  readonly chain: readonly string[];
  readonly path?: readonly string[];
  readonly fix?: string;
}

const CASES: readonly Case[] = [
  {
    name: 'through a spill to the stack',
    text: `${LOOKUP}
  *(u64 *)(r10 - 16) = r0
  r3 = *(u64 *)(r10 - 16)
  r0 = *(u64 *)(r3 + 0)
  exit`,
    code: 'verify/null',
    chain: ["5 origin: bpf_map_lookup_elem gives r0, which points to a map value of 'counts' or NULL"],
    fix: 'null-check',
  },
  {
    name: 'what a call takes away',
    text: `
  r3 = 1
  call bpf_get_prandom_u32
  r0 = r3
  exit`,
    code: 'verify/uninitialised-register',
    chain: ['1 lost: the call leaves r1 to r5 without values, r3 among them'],
    path: [],
    fix: 'initialise',
  },
  {
    name: 'into a function and out of it',
    text: `
  r6 = *(u32 *)(r1 + 0)
  r1 = r6
  call local double
  r2 = r10
  r2 += r0
  exit
double:
  r0 = r1
  r0 += r1
  exit`,
    code: 'verify/pointer-arithmetic',
    chain: ['0 origin: r6 is 0 to 4294967295 (`len` of struct __sk_buff)', '7 change: r0 is 0 to 8589934590'],
    fix: 'bounds-check',
  },
  {
    name: 'in a callback: where it is called',
    text: `
  r1 = 4
  r2 = code_addr(body) ll
  r3 = 0
  r4 = 0
  call bpf_loop
  r0 = 0
  exit
body:
  r0 = *(u64 *)(r2 + 0)
  exit`,
    code: 'verify/not-a-pointer',
    chain: ['5 origin: bpf_loop calls this function: r2 is 0'],
    path: ['5 call: bpf_loop calls the function'],
  },
  {
    name: 'a bound of the loop that is too wide',
    text: `${LOOKUP}
  if r0 == 0 goto out
  r1 = 0
loop:
  r2 = r0
  r2 += r1
  r3 = *(u8 *)(r2 + 0)
  r1 += 1
  if r1 < 9 goto loop
out:
  r0 = 0
  exit`,
    code: 'verify/bounds',
    chain: [],
  },
];

/** More visits than are recorded. */
const LONG = `
  r6 = *(u32 *)(r1 + 0)
  r7 = 0
loop:
  call bpf_get_prandom_u32
  if r0 == 7 goto next
next:
  r7 += 1
  if r7 < 7000 goto loop
  r2 = r10
  r2 += r6
  exit`;

describe('facts of a path', () => {
  it.each(CASES)('$name', ({ text, code, chain, path, fix }) => {
    const explanation = explained(text, { maps: [HASH] });
    expect(explanation.cause.code).toBe(code);
    if (chain.length > 0) expect(told(explanation.chain)).toEqual(chain);
    else expect(explanation.chain.at(-1)?.kind).toBe('change');
    if (path !== undefined) expect(told(explanation.path)).toEqual(path);
    if (fix !== undefined) expect(explanation.fix?.kind).toBe(fix);
  });

  it('gives the verdict that the verifier gives without explaining', () => {
    for (const { text } of CASES) {
      const { object, program } = programOf(text, { maps: [HASH] });
      const plain = verify(object, program, builtInPlatform('linux'));
      const { explanation, ...verdict } = verifyAndExplain(object, program, builtInPlatform('linux'));
      expect(explanation).toBeDefined();
      expect(verdict).toEqual(plain);
    }
  });

  it('explains what cannot be decoded, and what was given up, without a path', () => {
    const { object, program } = programOf('r0 = 0\nexit');
    const broken = { ...program, code: program.code.slice().fill(0xff, 0, 1) };
    const verdict = verifyAndExplain(object, broken, builtInPlatform('linux'));
    expect(verdict).toMatchObject({ verdict: 'refused', explanation: { chain: [], path: [] } });
    const short = verifyAndExplain(object, program, builtInPlatform('linux'), { ...DEFAULT_LIMITS, visits: 1 });
    expect(short).toMatchObject({
      verdict: 'budget',
      explanation: { chain: [], path: [], fix: { kind: 'bound-loop' } },
    });
  });

  it('finds the beginning and the end of a walk of many visits', () => {
    const { chain } = explained(LONG, {});
    expect(chain.map((fact) => fact.insn)).toContain(0);
  });
});
