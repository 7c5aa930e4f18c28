// Checks a program against a certificate: one pass, in which each state of the certificate is walked from once, until every path
// ends or comes to a state of the certificate that stands for it. It finds nothing out: where the certificate does not say
// enough, the program is refused. Of the verifier that made the certificate it uses nothing but its table of map types.
//
// Why this is enough. Safety: whatever a run reaches lies in a state that was walked. Termination: each walk is finite, and from state to
// state the number in the list falls, except on the way back to the head of a loop, which must have brought a number nearer to
// its bound (2^53 at most) since the path was last there, or have used up a round of an iteration that the runtime bounds.
import { AnyBpfError, type Diagnostic } from '../../base/diagnostic.ts';
import { badCertificate, staleCertificate } from '../../base/messages/certificate.ts';
import { flowGraph, functionEntries } from '../../flow/graph.ts';
import { decodeProgram } from '../../isa/insn.ts';
import type { ObjectSpec, ProgramSpec } from '../../spec/object.ts';
import type { Platform } from '../../spec/platform.ts';
import { certificateDigest } from './digest.ts';
import { type Checked, Refusal, no } from './memory.ts';
import { pointsOf } from './read.ts';
import { answers, Frame, measureOf, newId, Num, type Point, pointer, ranked, type Round, State } from './state.ts';
import { step } from './step.ts';

export interface CertificateVerdict {
  readonly verdict: 'accepted' | 'refused';
  /** Why not: `verify/certificate`, `verify/certificate-stale`, or what decoding says. */
  readonly diagnostic?: Diagnostic;
  /** Instructions that the check went through. */
  readonly visits: number;
  /** Where the program is accepted: slots of accesses to kernel objects, of which nothing is proven. */
  readonly checkedAt?: ReadonlySet<number>;
  /** Where it is accepted: whether stack is read to which nothing was written, so that each run must begin with zeros there. */
  readonly readsUnwritten?: boolean;
}

/** Instructions that one check may go through, whatever the certificate says that it takes. */
const MAX_VISITS = 2_000_000;
/** Numbers that move on in loops stay below this. */
const LIMIT = 1n << 53n;

/**
 * Whether a program may run, by a certificate that the verifier gave for it, here or elsewhere. A pure function; never throws
 * for what is in the program or the certificate.
 *
 * @param certificate as JSON.parse gives it: nothing of it is trusted
 */
export function checkCertificate(
  object: ObjectSpec,
  program: ProgramSpec,
  platform: Platform,
  certificate: unknown,
): CertificateVerdict {
  const digest = (certificate as { readonly digest?: unknown } | null | undefined)?.digest;
  if (digest !== certificateDigest(object, program, platform))
    return { verdict: 'refused', diagnostic: staleCertificate({ program: program.name }), visits: 0 };
  const { visits } = certificate as { readonly visits?: unknown };
  const most = typeof visits === 'number' && visits >= 0 ? Math.min(visits, MAX_VISITS) : 0;
  return checkPoints(object, program, platform, () => pointsOf(object, certificate), most);
}

/** As {@link checkCertificate}, of points that are there already and whose digest is not compared. */
export function checkPoints(
  object: ObjectSpec,
  program: ProgramSpec,
  platform: Platform,
  read: () => readonly Point[],
  most: number,
  used: Set<Point> = new Set(),
): CertificateVerdict {
  const place = { program: program.name };
  let check: Check | undefined;
  try {
    check = new Check(checked(object, program, platform), read(), most, used);
    // There nothing that is doubtful passes, and what is doubtful is not told apart here.
    if (program.dialect === 'windows') no('certificates are for programs of Linux');
    check.run();
    const { checkedAt, readsUnwritten } = check.context;
    return { verdict: 'accepted', visits: check.visits, checkedAt, readsUnwritten };
  } catch (error) {
    const visits = check?.visits ?? 0;
    if (error instanceof AnyBpfError) return { verdict: 'refused', diagnostic: error.diagnostic, visits };
    if (!(error instanceof Refusal)) throw error;
    const at = check === undefined ? place : { ...place, insn: check.context.at };
    return { verdict: 'refused', diagnostic: badCertificate(at, error.message), visits };
  }
}

function checked(object: ObjectSpec, spec: ProgramSpec, platform: Platform): Checked {
  const insns = decodeProgram(spec.code, { program: spec.name });
  // Functions in which control stays in the code; the program's own has to be one.
  const functions = new Set<number>();
  for (const entry of functionEntries(insns)) {
    try {
      if (insns[entry] === undefined) continue;
      flowGraph(insns, entry);
      functions.add(entry);
    } catch (error) {
      if (entry === 0 || !(error instanceof AnyBpfError)) throw error;
    }
  }
  const row = platform.programType(spec.type);
  const returns = (row?.returns ?? []).filter(
    ({ attach, dialect = spec.dialect }) =>
      dialect === spec.dialect &&
      (attach === undefined || (spec.attachType !== undefined && attach.includes(spec.attachType))),
  );
  const layout = row?.contexts[spec.dialect];
  const parts = { stackOf: new Map(), calls: new Map(), checkedAt: new Set<number>(), readsUnwritten: false, at: 0 };
  return { object, spec, platform, insns, functions, layout, returns, ...parts };
}

class Check {
  readonly context: Checked;
  readonly #points: readonly Point[];
  readonly #at = new Map<number, Point[]>();
  readonly #most: number;
  readonly #used: Set<Point>;
  visits = 0;

  constructor(context: Checked, points: readonly Point[], most: number, used: Set<Point>) {
    this.context = context;
    this.#points = points;
    this.#most = most;
    this.#used = used;
    for (const point of points) {
      const here = this.#at.get(point.state.slot);
      if (here === undefined) this.#at.set(point.state.slot, [point]);
      else here.push(point);
    }
  }

  run(): void {
    const frame = new Frame(0, -1);
    frame.registers[1] = pointer('ctx');
    frame.registers[10] = pointer('stack', { target: 0 });
    this.#walk(new State(0, [frame]), this.#points.length, false);
    for (const point of this.#used) this.#walk(startOf(point), point.index, true);
    this.#stackOfCalls();
  }

  /** All paths from a state. */
  #walk(first: State, origin: number, fresh: boolean): void {
    const { context } = this;
    const work = [first];
    let skip = fresh;
    for (let state = work.pop(); state !== undefined; state = work.pop()) {
      for (;;) {
        context.at = state.slot;
        if (!skip && this.#arrive(state, origin)) break;
        skip = false;
        if (++this.visits > this.#most) no('the check takes too long');
        const next = step(context, state);
        if (next === 'end') break;
        if (next !== 'on') work.push(next);
      }
    }
  }

  #arrive(state: State, origin: number): boolean {
    const here = this.#at.get(state.slot);
    if (here === undefined) return false;
    const answer = (point: Point): boolean =>
      (point.index < origin || comesNearer(point, state)) && answers(point, state, this.#points);
    let place = here.findIndex((p) => this.#used.has(p) && answer(p));
    if (place < 0) place = here.findIndex((p) => !this.#used.has(p) && answer(p));
    if (place < 0) return false;
    const [point] = here.splice(place, 1);
    // What has answered is likely to answer again.
    here.unshift(point);
    this.#used.add(point);
    return true;
  }

  /** The frames of each chain of calls fit into one stack; a program without calls is checked access by access. */
  #stackOfCalls(): void {
    const { calls, stackOf } = this.context;
    const depth = (entry: number): number =>
      Math.max(32, Math.ceil((stackOf.get(entry) ?? 0) / 32) * 32) +
      Math.max(0, ...[...(calls.get(entry) ?? [])].map(depth));
    if (calls.size > 0 && depth(0) > 512) no('the functions need too much stack together');
  }
}

/** The state to walk from: numbers that nothing is said of are all different ones. */
function startOf({ state, index, head, rank }: Point): State {
  const start = state.fork();
  start.replace((value) => {
    if (value.id !== 0) return value;
    if (value.kind === 'number') return new Num(value.facts, newId());
    // Packet pointers without a varying part all begin where the packet does.
    const base = (value.region === 'packet' || value.region === 'packetMeta') && value.variable === undefined;
    return base ? value : value.with({ id: newId() });
  });
  if (!head) return start;
  const { id, delta } = (rank && measureOf(ranked(start, rank))) ?? { id: 0, delta: 0 };
  const own: Round = { head: index, id, delta, asked: 0 };
  start.rounds = [...start.rounds.filter((round) => round.head !== index), own];
  return start;
}

/** Whether a path that comes back to the head of a loop has come nearer to the loop's end since it was last there. */
function comesNearer({ index, head, rank }: Point, state: State): boolean {
  const round = head ? state.rounds.find((one) => one.head === index) : undefined;
  if (round === undefined) return false;
  if (round.asked > 0) return true;
  const now = rank && measureOf(ranked(state, rank));
  if (rank === undefined || now === undefined || now.id === 0 || now.id !== round.id) return false;
  const by = now.delta - round.delta;
  const { smin, smax } = now.facts.full;
  // Far from where 64 bits end, so that the sum is one of integers.
  const before = [smin - BigInt(by), smax - BigInt(by)];
  const bounded = smin > -LIMIT && smax < LIMIT && before[0] > -LIMIT && before[1] < LIMIT;
  return bounded && by * rank.direction > 0;
}
