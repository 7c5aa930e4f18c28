// Takes the checks out of accepted programs and asks what becomes of each mutant: of our verifier, of Linux, and of runs under the
// checked reference interpreter.
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import { memoryHost } from '../../src/hosts/memory/host.ts';
import { builtInPlatform } from '../../src/hosts/platform.ts';
import type { LoadedMap } from '../../src/run/map.ts';
import { loadObject } from '../../src/run/loader.ts';
import type { ProgramSpec } from '../../src/spec/object.ts';
import type { ProgramTypeName } from '../../src/spec/program-types.ts';
import { verify } from '../../src/verify/verify.ts';
import { someKey, someValue } from '../kernel/map-contents.ts';
import { close, progLoad } from '../support/bpf.ts';
import { KernelObject } from '../support/kernel-object.ts';
import { samplePackets } from '../support/packets.ts';
import { Random } from '../support/random.ts';
import type { CorpusProgram } from './corpus.ts';
import { type CheckSite, checksIn, mutant, mutantForLinux, type Way, waysOf } from './mutants.ts';

const platform = builtInPlatform('linux');
/** A mutant without its end is to be refused soon. */
const LIMITS = { visits: 400_000, time: 4_000 };
const BUDGET = 100_000;

const RUNNABLE: ReadonlySet<ProgramTypeName> = new Set<ProgramTypeName>([
  ...(['xdp', 'sched_cls', 'sched_act', 'socket_filter', 'cgroup_skb'] as const),
  ...(['lwt_in', 'lwt_out', 'lwt_xmit'] as const),
]);

const u32 = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer);

function fill(map: LoadedMap, random: Random): void {
  const { spec, raw, valueSize, type } = map;
  if (spec.kind !== 'map') return;
  for (let i = 0; i < Math.min(16, spec.maxEntries); i++) {
    const value = someValue(spec, valueSize, undefined, random);
    if (type.endsWith('hash') || type === 'lpm_trie') raw.update(someKey(spec, undefined, random), value, 0);
    else if (type.endsWith('array') && spec.inner === undefined && type !== 'prog_array') raw.update(u32(i), value, 0);
  }
}

/** How a run of the program was aborted; undefined where none was. `slots` are left to run-time checks. */
export function abortOf(
  { object }: CorpusProgram,
  program: ProgramSpec,
  packets: readonly Uint8Array[],
  slots: ReadonlySet<number> = new Set(),
): string | undefined {
  using loaded = loadObject(
    { ...object, programs: [program] },
    { host: memoryHost({ seed: 1 }), engine: 'reference', budget: BUDGET, verify: 'off' },
  );
  const random = new Random(7);
  for (const map of loaded.maps) fill(map, random);
  const [runnable] = loaded.programs;
  if (runnable.diagnostic !== undefined) return undefined;
  for (const data of packets) {
    try {
      runnable.runRaw({ data });
    } catch (error) {
      if (!(error instanceof AnyBpfError)) throw error;
      const { code, message, diagnostic } = error;
      if (code === 'run/budget' || code === 'run/test-run-refused' || slots.has(diagnostic.place.insn ?? -1)) continue;
      return `${code} at ${diagnostic.place.insn}: ${message}`;
    }
  }
  return undefined;
}

export interface Count {
  refused: number;
  budget: number;
  accepted: number;
  /** Of these, how many Linux was asked about, how many it accepts, and how many were run. */
  asked: number;
  acceptedByLinux: number;
  ran: number;
}
export type Counts = Record<CheckSite['kind'], Count>;
const newCount = (): Count => ({ refused: 0, budget: 0, accepted: 0, asked: 0, acceptedByLinux: 0, ran: 0 });

export interface Survey {
  readonly programs: number;
  readonly counts: Counts;
  /** Mutants that were accepted though a run of them aborts: holes. */
  readonly holes: readonly string[];
  /** Accepted without a check that Linux does not do without, by `object program slot way`, with the end of its log. */
  readonly unlikeLinux: readonly string[];
}

/** Linux' verdict on a mutant: undefined where it accepts it. */
function linuxRefusal(kernel: KernelObject, program: ProgramSpec): string | undefined {
  const code = kernel.link(program);
  if (typeof code === 'string') return undefined;
  const { type, license, attachType } = program;
  const { fd } = progLoad({ type, code, license, ...(attachType === undefined ? {} : { attachType }) });
  if (fd < 0) {
    const { log } = progLoad({ type, code, license, logLevel: 1, ...(attachType === undefined ? {} : { attachType }) });
    return log.trim().split('\n').slice(-4, -1).join(' / ');
  }
  close(fd);
  return undefined;
}

/** So many of a list, evenly. */
const spread = (list: readonly CheckSite[], count: number): CheckSite[] => {
  const step = Math.max(1, list.length / Math.max(1, count));
  return Array.from({ length: Math.min(count, list.length) }, (_, i) => list[Math.floor(i * step)]);
};

/** At most `most` of a program's checks, evenly spread; those on packets and NULL come first. */
function chosen(checks: readonly CheckSite[], most: number): readonly CheckSite[] {
  const first = checks.filter(({ kind }) => kind !== 'bound');
  const rest = checks.filter(({ kind }) => kind === 'bound');
  const own = spread(first, Math.ceil(most * 0.7));
  return [...own, ...spread(rest, most - own.length)];
}

export interface SurveyOptions {
  /** Checks of a program that are taken out. */
  readonly checks: number;
  /** Accepted mutants of a program that are run, and the packets that they get. */
  readonly runs: number;
  readonly packets: number;
  /** Which accepted mutants Linux is asked about: those whose way certainly goes on without the check, or all. */
  readonly askLinux: 'none' | 'certain' | 'all';
}

/** Takes checks out of all accepted programs, one at a time. */
export function survey(programs: readonly CorpusProgram[], options: SurveyOptions): Survey {
  const { askLinux } = options;
  const counts: Counts = { packet: newCount(), null: newCount(), bound: newCount() };
  const holes: string[] = [];
  const unlikeLinux: string[] = [];
  const packets = samplePackets(options.packets, 4);
  let count = 0;
  let runsLeft = 0;
  let kernel: KernelObject | undefined;
  const follow = (p: CorpusProgram, site: CheckSite, way: Way): void => {
    const own = counts[site.kind];
    const made = mutant(p.program, site, way);
    const verdict = verify(p.object, made, platform, LIMITS);
    own[verdict.verdict]++;
    if (verdict.verdict !== 'accepted') return;
    const name = `${p.id} ${site.kind} ${site.slot} ${way}`;
    if (runsLeft > 0 && RUNNABLE.has(made.type)) {
      runsLeft--;
      own.ran++;
      const abort = abortOf(p, made, packets, verdict.checkedAt);
      if (abort !== undefined) holes.push(`${name}: ${abort}`);
    }
    if (askLinux === 'none' || (askLinux === 'certain' && site.passes === undefined)) return;
    own.asked++;
    if (kernel?.spec !== p.object) {
      kernel?.dispose();
      kernel = new KernelObject(p.object);
    }
    const refusal = linuxRefusal(kernel, mutantForLinux(p.program, site, way));
    if (refusal === undefined) own.acceptedByLinux++;
    else unlikeLinux.push(`${name}: ${refusal}`);
  };
  try {
    for (const p of programs) {
      const { verdict, checks } = checksIn(p.object, p.program, platform);
      if (verdict.verdict !== 'accepted') continue;
      count++;
      runsLeft = options.runs;
      for (const site of chosen(checks, options.checks)) for (const way of waysOf(site)) follow(p, site, way);
    }
  } finally {
    kernel?.dispose();
  }
  return { programs: count, counts, holes, unlikeLinux };
}
