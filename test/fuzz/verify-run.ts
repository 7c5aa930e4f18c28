// Random programs under the verifier, and those that it accepts under the checked reference interpreter: an abort is a hole in the
// verifier, and so is a state that it did not foresee.
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import { memoryHost } from '../../src/hosts/memory/host.ts';
import { builtInPlatform } from '../../src/hosts/platform.ts';
import { decodeProgram } from '../../src/isa/insn.ts';
import { disassemble } from '../../src/isa/disassembler.ts';
import { loadObject } from '../../src/run/loader.ts';
import type { ObjectSpec, ProgramSpec } from '../../src/spec/object.ts';
import type { Limits } from '../../src/verify/engine.ts';
import { type Verdict, verify } from '../../src/verify/verify.ts';
import { Random } from '../support/random.ts';
import { Visits } from '../verify/containment.ts';
import { watch } from '../verify/watched.ts';
import { joinedProgram } from './joined-program.ts';
import { codeOf, type Line, shrinkLines } from './lines.ts';
import { MEMORY_MAPS } from './memory-accesses.ts';
import { memoryProgram } from './memory-program.ts';
import { RANDOM_SPEC } from './random-program.ts';

const PLATFORM = builtInPlatform('linux');
/** Instructions that a run may take. No loop of these programs is long where it ends, but for callbacks in loops of their own. */
const BUDGET = 3_000_000;
const BUDGET_OF_CALLBACKS = 100_000;
export const LIMITS: Limits = { visits: 5_000, time: 2_000 };

const objectOf = (codes: readonly Uint8Array<ArrayBuffer>[]): ObjectSpec => ({
  name: 'random',
  dialect: 'linux',
  endian: 'little',
  license: 'GPL',
  programs: codes.map((code, i): ProgramSpec => ({ ...RANDOM_SPEC, name: `p${i}`, code })),
  maps: MEMORY_MAPS,
  externs: [],
  diagnostics: [],
});

export const verdictOn = (code: Uint8Array<ArrayBuffer>, limits: Limits, visits?: Visits): Verdict => {
  const object = objectOf([code]);
  return verify(object, object.programs[0], PLATFORM, limits, visits?.see);
};

/** Packets: mostly long enough, of bytes that are often small. */
export function packets(seed: number, count: number): Uint8Array<ArrayBuffer>[] {
  const random = new Random(seed);
  return Array.from({ length: count }, (_, i) => {
    const bytes = random.bytes(
      random.chance(0.9) ? 64 + random.below(random.chance(0.5) ? 16 : 256) : 14 + random.below(60),
    );
    const largest = [0xff, 0x7f, 0x3f, 0x0f, 0x03][i % 5];
    const sparse = random.chance(0.4);
    for (let b = 0; b < bytes.length; b++) {
      if (sparse && random.chance(0.6)) bytes[b] = random.chance(0.8) ? 0 : 0xff;
      else if (largest !== 0xff) bytes[b] = random.chance(0.97) ? bytes[b] & largest : 0xff;
    }
    return bytes;
  });
}

export interface Checks {
  /** Compare each instruction's state with the verifier's. */
  readonly contained: boolean;
  /** The walk was without answers. */
  readonly strict: boolean;
}

/** Runs a program that was accepted on all inputs; what is wrong with the first one that goes wrong. */
export function runAccepted(
  code: Uint8Array<ArrayBuffer>,
  inputs: readonly Uint8Array[],
  visits: Visits | undefined,
  strict: boolean,
  counters: Counters,
): string | undefined {
  const callbacks = decodeProgram(code).some((insn) => insn?.op === 'ld_code_addr');
  using object = loadObject(objectOf([code]), {
    host: memoryHost({ seed: 1 }),
    engine: 'reference',
    budget: callbacks ? BUDGET_OF_CALLBACKS : BUDGET,
    verify: 'off',
    memoryLimit: 4 << 20,
  });
  const [program] = object.programs;
  const containment = visits === undefined ? undefined : watch(object, program, visits, strict);
  const hash = object.maps[1];
  const element = new Uint8Array(64);
  for (let key = 0; key < 3; key++) hash.set(Uint8Array.of(key, 0, 0, 0), element.fill(key * 9));
  for (const data of inputs) {
    counters.runs++;
    try {
      program.runRaw({ data });
    } catch (error) {
      if (!(error instanceof AnyBpfError)) throw error;
      if (callbacks && error.code === 'run/budget') counters.long++;
      else return `${error.code} at ${error.diagnostic.place.insn}: ${error.message}`;
    }
    if (containment?.finding !== undefined) return `slot ${containment.finding.slot}: ${containment.finding.why}`;
  }
  counters.compared += containment?.compared ?? 0;
  return undefined;
}

export interface Counters {
  programs: number;
  accepted: number;
  refused: number;
  budget: number;
  runs: number;
  compared: number;
  /** Runs that came to the end of their budget. */
  long: number;
  /** Refusals by code. */
  readonly codes: Map<string, number>;
}
export const newCounters = (): Counters => ({
  programs: 0,
  accepted: 0,
  refused: 0,
  budget: 0,
  runs: 0,
  compared: 0,
  long: 0,
  codes: new Map(),
});

/** Settings that must all give the same verdict. */
const WAYS: readonly Limits[] = [
  { ...LIMITS, keepAfter: 0 },
  { ...LIMITS, answers: false },
  { ...LIMITS, keepAfter: 0, crowd: 1 },
];
/** Settings of the walk that runs are held to. */
const HELD: readonly Limits[] = [LIMITS, WAYS[0], WAYS[2]];
/**
 * Refusals that depend on how far the walk came, and of part of a pointer on the stack: a slot of which nothing is known stands for
 * one that holds a pointer, and its bytes are numbers then.
 */
const UNDECIDED: ReadonlySet<string> = new Set(['verify/budget', 'verify/unbounded-loop', 'verify/spilled-pointer']);

const isOpen = (verdict: Verdict): boolean =>
  verdict.verdict === 'budget' || UNDECIDED.has(verdict.diagnostic?.code ?? '');

/** What is wrong with the verdict on a program, if anything. */
export function fault(
  code: Uint8Array<ArrayBuffer>,
  o: { readonly inputs: number; readonly contained: boolean; readonly ways: boolean; readonly seed: number },
  counters: Counters = newCounters(),
): string | undefined {
  counters.programs++;
  const visits = o.contained ? new Visits() : undefined;
  const first = verdictOn(code, HELD[o.seed % HELD.length], visits);
  if (first.verdict === 'budget') counters.budget++;
  else counters[first.verdict]++;
  if (first.diagnostic !== undefined)
    counters.codes.set(first.diagnostic.code, (counters.codes.get(first.diagnostic.code) ?? 0) + 1);
  if (o.ways && !isOpen(first)) {
    for (const [i, limits] of WAYS.entries()) {
      const strict = limits.answers === false && o.contained;
      const whole = strict ? new Visits() : undefined;
      const other = verdictOn(code, limits, whole);
      if (isOpen(other)) continue;
      if (other.verdict !== first.verdict)
        return `${first.verdict} ${first.diagnostic?.code ?? ''}, but ${other.verdict} ${other.diagnostic?.code ?? ''} at ${other.diagnostic?.place.insn} with ${JSON.stringify(WAYS[i])}`;
      if (strict && other.verdict === 'accepted') {
        const wrong = runAccepted(code, packets(o.seed, o.inputs), whole, true, counters);
        if (wrong !== undefined) return `without answers: ${wrong}`;
      }
    }
  }
  if (first.verdict !== 'accepted') return undefined;
  return runAccepted(code, packets(o.seed, o.inputs), visits, false, counters);
}

/** The text of a program, for a report. */
export const listing = (code: Uint8Array): string => disassemble(code);

/** What a report begins with, so that shrinking keeps to one fault. */
const kind = (text: string): string => text.split(/[ :]/)[0];

/** Programs until the time or the count ends; the report of the first fault, shrunk. */
export function campaign(
  seed: number,
  o: {
    readonly programs: number;
    /** Accepted ones that suffice. */
    readonly accepted?: number;
    readonly milliseconds: number;
    readonly inputs: number;
    readonly contained: boolean;
    readonly ways: boolean;
    readonly size?: number;
  },
): { readonly counters: Counters; readonly report: string | undefined } {
  const counters = newCounters();
  const end = performance.now() + o.milliseconds;
  for (
    let i = 0;
    i < o.programs && counters.accepted < (o.accepted ?? Number.POSITIVE_INFINITY) && performance.now() < end;
    i++
  ) {
    const own = (seed + i) >>> 0;
    const random = new Random(own);
    const lines = own % 2 === 0 ? joinedProgram(random) : memoryProgram(random, o.size ?? 30);
    const code = codeOf(lines);
    if (code === undefined) throw new Error(`seed ${own}: a label is missing`);
    const settings = { ...o, seed: own };
    let wrong: string | undefined;
    try {
      wrong = fault(code, settings, counters);
    } catch (error) {
      throw new Error(`seed ${own}`, { cause: error });
    }
    if (wrong === undefined) continue;
    const small = shrinkLines(lines, (candidate) => {
      const made = codeOf(candidate);
      if (made === undefined || made.length === 0) return false;
      const still = fault(made, { ...settings, inputs: Math.max(64, o.inputs) });
      return still !== undefined && kind(still) === kind(wrong);
    });
    const made = codeOf(small) as Uint8Array<ArrayBuffer>;
    return {
      counters,
      report: `seed ${own}: ${wrong}\nshrunk: ${fault(made, { ...settings, inputs: 64 })}\n${listing(made)}`,
    };
  }
  return { counters, report: undefined };
}

export type { Line };
