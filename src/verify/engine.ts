// The walk: depth first along all paths; where paths meet, a state that was verified before answers for the new one; loops
// that take many rounds are tried with the state of any number of rounds (abstract interpretation with widening).
import { AnyBpfError } from '../base/diagnostic.ts';
import { overBudget, stackLimit, unboundedLoop } from '../base/messages/verify.ts';
import type { Scalar } from './number/scalar.ts';
import { askAll, askAs } from './ask.ts';
import { forgetDead, forgetValues, own } from './keep.ts';
import { join, type Joined, widenTo } from './join.ts';
import { mayNotEnd, rank, type Trial } from './ranking.ts';
import { Rounds } from './rounds.ts';
import { Entry, type Frame, MAX_STACK, type State } from './state.ts';
import { answersFor, checksOf, subsumes } from './subsume.ts';
import { step } from './step.ts';
import { placeAt, refuse, type Walk } from './walk.ts';
import { widened } from './widen.ts';

/** Rounds of a loop after which any number of rounds is tried. */
const TRY_AT: ReadonlySet<number> = new Set([2, 12, 64, 512]);
/** Times that the state of any number of rounds is made wider. */
const MAX_WIDENINGS = 16;
/** Of these, how many go from one constant of the program to the next. */
const BY_CONSTANTS = 8;
/** Trials of one loop that may fail. */
const MAX_FAILURES = 3;
/** Instructions that may be visited in a trial in which kept states do not answer for others. */
const MOST_STRIDES = 20_000;
/** Trials within trials: each is a call of this program's own. */
const MAX_TRIALS = 64;
/** Instructions on a path before the next state is kept: fewer are quicker verified again than compared. */
const KEEP_AFTER = 8;
/** Instructions that a loop without a bound that is known may still take round by round. */
const MORE_ROUNDS = 100_000;
/** States kept for one place. */
const MAX_KEPT = 64;
/** Paths that may wait for their turn at once: twice Linux's BPF_COMPLEXITY_LIMIT_JMP_SEQ. */
const MOST_WAITING = 16_384;
/** Kept states on one path whose paths are not all at their end, as each round of a loop has that is walked round by round. */
const MOST_OPEN = 65_536;
/** States that a place keeps before the next ones are joined. */
const CROWD = 32;
/** States that a place keeps before another attempt to join where nothing could be joined. */
const NEXT_ATTEMPT = 16;
/** How many times as many after each join that failed there. */
const AFTER_FAILURE = 8;
/** Joins of one place that go from one constant of the program to the next. */
const JOINS_BY_CONSTANTS = 8;
/** Instructions that may be visited from a joined state in any case. */
const LEAST_ATTEMPT = 20_000;

export interface Limits {
  /** Instructions visited. */
  readonly visits: number;
  /** Milliseconds. */
  readonly time: number;
  /** What is refused though Linux lets programs with privileges do it: all that there are warnings for, or those of these codes. */
  readonly strict?: true | readonly string[];
  /** Instructions on a path before the next state is kept, for tests: the verdict does not depend on it. */
  readonly keepAfter?: number;
  /** False: states that were verified do not answer for others, for tests. Each path is followed to its end. */
  readonly answers?: boolean;
  /** States that a place keeps before the next ones are joined, for tests. */
  readonly crowd?: number;
}

/** Is shown the state before each instruction that is visited, on all paths, also those of attempts that are given up. */
export type Observe = (state: State, walk: Walk) => void;

/** The state of any number of rounds was not wide enough. */
class TooNarrow extends Error {
  readonly trial: Trial;
  readonly state: State;
  constructor(trial: Trial, state: State) {
    super('wider');
    this.trial = trial;
    this.state = state;
  }
}

/** The loop is bounded by nothing that is known. */
class NoEnd extends Error {}

/** Too much was visited from a joined state. */
class GivenUp extends Error {}

/** A state that stands for others, until all paths from it are at their end. */
interface Attempt {
  readonly entry: Entry;
  /** The state as it came. */
  readonly saved: State;
  /** Paths that waited before it. */
  readonly waiting: number;
  /** States that were done before it. */
  readonly done: number;
  /** #until before it. */
  readonly until: number;
}

/** What is walked from one state on. */
interface Exploration {
  readonly work: State[];
  readonly attempts: Attempt[];
}

const NONE: readonly number[] = [];

export class Engine {
  readonly walk: Walk;
  readonly #limits: Limits;
  /** Kept states whose paths are all at their end, by place. */
  readonly #entries = new Map<number, Entry[]>();
  readonly #trials: Trial[] = [];
  readonly #failures = new Map<number, number>();
  readonly #roots = new Set<Entry>();
  /** All of them, in the order of their end: what was found in a trial that failed is forgotten. */
  #done: Entry[] = [];
  /** The loop that could not be shown to end, for the message where the budget ends. */
  #endless: number | undefined;
  #deadline = 0;
  /** Instructions that may be visited. */
  #most: number;
  /** Instructions after which the last attempt with a joined state is given up. */
  #until = Number.POSITIVE_INFINITY;
  #exploration: Exploration = { work: [], attempts: [] };
  readonly #rounds: Rounds;
  /** By place: states kept, joins made and joins that failed. */
  readonly #crowds = new Map<number, { kept: number; joins: number; failures: number }>();
  #joins = 0;
  /** The state that was stepped last, for explanations. */
  current: State | undefined;
  readonly #observe: Observe | undefined;

  constructor(walk: Walk, limits: Limits, observe?: Observe) {
    this.walk = walk;
    this.#limits = limits;
    this.#observe = observe;
    this.#most = limits.visits;
    this.#rounds = new Rounds(walk.program);
  }

  /** @throws AnyBpfError verify/* where the program is refused */
  run(initial: State): void {
    this.#deadline = performance.now() + this.#limits.time;
    this.#explore(initial);
    this.#stackOfCalls();
  }

  /** States whose paths are all at their end, in the order of their end: what the verdict rests on (certify.ts). */
  get verified(): readonly Entry[] {
    return this.#done;
  }

  get keptStates(): number {
    let count = 0;
    for (const list of this.#entries.values()) count += list.length;
    return count;
  }

  #explore(first: State): void {
    const outer = this.#exploration;
    const until = this.#until;
    const work = [first];
    this.#exploration = { work, attempts: [] };
    let fresh = true;
    try {
      for (let state = work.pop(); state !== undefined; state = work.pop()) {
        try {
          this.#follow(state, work, fresh);
          fresh = false;
        } catch (error) {
          work.push(this.#withoutJoin(error));
          fresh = true;
        }
      }
    } finally {
      this.#exploration = outer;
      this.#until = until;
    }
  }

  /** Goes along one path to its end. */
  #follow(state: State, work: State[], fresh: boolean): void {
    const { walk } = this;
    const { insns, meets } = walk.program;
    let skip = fresh;
    for (;;) {
      this.current = state;
      if (!skip && meets[state.slot] === 1 && this.#arrive(state)) return;
      skip = false;
      this.#spend(state);
      const insn = insns[state.slot];
      if (insn === undefined) throw new Error(`slot ${state.slot} holds no instruction`);
      this.#observe?.(state, walk);
      const next = step(walk, state, insn);
      if (next === 'end') {
        this.#close(state.parent);
        return;
      }
      if (next !== 'on') {
        if (state.parent !== undefined) state.parent.open++;
        if (work.length >= MOST_WAITING) this.#giveUp(state, 'waiting paths', MOST_WAITING);
        // On trial it is the way back that tells whether the state is wide enough.
        if (this.#trials.length > 0 && next.fork.slot < state.slot) {
          work.push(state);
          state = next.fork;
        } else work.push(next.fork);
      }
    }
  }

  #spend(state: State): void {
    const { walk } = this;
    walk.visits++;
    state.steps++;
    const over = walk.visits > this.#most;
    if (!over) {
      if ((walk.visits & 1023) !== 0) return;
      if (performance.now() < this.#deadline) {
        if (walk.visits < this.#until) return;
        throw new GivenUp();
      }
    }
    if (over) this.#giveUp(state, 'instructions', this.#most);
    this.#giveUp(state, 'milliseconds', this.#limits.time);
  }

  /** The end of a loop that could not be shown is the likely reason. */
  #giveUp({ slot }: State, what: string, limit: number): never {
    const { walk } = this;
    if (this.#endless !== undefined) refuse(walk, unboundedLoop(placeAt(walk, this.#endless), this.#endless));
    throw new Budget(overBudget(placeAt(walk, slot), what, limit));
  }

  /** A path has ended. Where all paths from a kept state have, what its verdict rests on is known. */
  #close(entry: Entry | undefined): void {
    for (let e = entry; e !== undefined; e = e.parent) {
      e.open--;
      if (e.open > 0) return;
      this.#finish(e);
      if (this.#roots.has(e)) return;
    }
  }

  /** Comes to where paths meet. True where the path ends here. */
  #arrive(state: State): boolean {
    const { walk } = this;
    const { slot } = state;
    forgetDead(walk, state);
    const head = walk.program.loopHead[slot] === 1;
    const before = head ? this.#rounds.before(state) : undefined;
    const trial = before && this.#trials.findLast(({ entry }) => entry === before);
    if (trial !== undefined) {
      if (!subsumes(trial.entry, state, 'all')) throw new TooNarrow(trial, state);
      rank(trial, state);
      askAll(state);
      this.#close(state.parent);
      return true;
    }
    const list = this.#limits.answers === false ? [] : (this.#entries.get(slot) ?? []);
    const pinned =
      this.#trials.length === 0 ? NONE : this.#trials.flatMap((trial) => [...(trial.ranking?.values() ?? [])]);
    const since = this.#trials.find(({ sums }) => sums !== undefined)?.entry.visit ?? Number.POSITIVE_INFINITY;
    for (let i = list.length - 1; i >= 0; i--) {
      const entry = list[i];
      if (entry.visit >= since) continue;
      if (!answersFor(entry, state, pinned) || !this.#asksAgain(entry, state)) continue;
      askAs(entry, state);
      this.#close(state.parent);
      return true;
    }
    const round = before === undefined ? 0 : before.round + 1;
    if (before !== undefined && this.#loop(state, before, round)) return true;
    if (head || state.steps >= (this.#limits.keepAfter ?? KEEP_AFTER)) {
      if (!this.#join(state, round, pinned)) this.#keep(state, round);
    }
    return false;
  }

  /**
   * Whether a path has asked a bounded iteration for the next round since each head of a loop where the kept state's had: it is
   * what ends the loop.
   */
  #asksAgain(entry: Entry, state: State): boolean {
    if (entry.boundedAt <= state.boundedAt) return true;
    const { loopHead } = this.walk.program;
    for (let e = state.parent; e !== undefined && e.visit >= state.boundedAt; e = e.parent) {
      if (e.visit < entry.boundedAt && loopHead[e.slot] === 1) return false;
    }
    return true;
  }

  #keep(state: State, round: number): void {
    own(state);
    const entry = new Entry(state, round, this.walk.visits);
    if (entry.depth > MOST_OPEN) this.#giveUp(state, 'states on one path', MOST_OPEN);
    for (const frame of state.frames) frame.owner = undefined;
    state.parent = entry;
    state.steps = 0;
    state.written = new Int32Array(state.written.length);
  }

  /** Where too many paths come by: makes the state stand for another, too, that was verified before, and keeps it. */
  #join(state: State, round: number, pinned: readonly number[]): boolean {
    const { slot } = state;
    let crowd = this.#crowds.get(slot);
    if (crowd === undefined) this.#crowds.set(slot, (crowd = { kept: 0, joins: 0, failures: 0 }));
    crowd.kept++;
    const { visits } = this.walk;
    const most = this.#limits.crowd ?? CROWD;
    if (crowd.kept <= most * AFTER_FAILURE ** crowd.failures || this.#limits.answers === false) return false;
    const entries = this.#entries.get(slot) ?? [];
    if (entries.length === 0) return false;
    const thresholds = crowd.joins < JOINS_BY_CONSTANTS ? this.walk.program.thresholds : [];
    const rounds = this.#rounds.of(state, round);
    let best: Joined | undefined;
    let nearest: Entry | undefined;
    for (const entry of entries.toReversed()) {
      entry.rounds ??= this.#rounds.of(entry, entry.round);
      const joined = entry.rounds === rounds ? join(entry, state, thresholds, pinned, false) : undefined;
      if (joined !== undefined && (best === undefined || joined.lost < best.lost)) [best, nearest] = [joined, entry];
      if (best?.lost === 0) break;
    }
    best = nearest && join(nearest, state, thresholds, pinned, true);
    if (best === undefined) {
      crowd.kept -= NEXT_ATTEMPT;
      return false;
    }
    const saved = state.fork();
    widenTo(state, best);
    this.#keep(state, round);
    crowd.joins++;
    this.#joins++;
    const { work, attempts } = this.#exploration;
    attempts.push({
      entry: state.parent as Entry,
      saved,
      waiting: work.length,
      done: this.#done.length,
      until: this.#until,
    });
    this.#until = Math.min(this.#until, visits + Math.max(LEAST_ATTEMPT, (this.#most - visits) / 2));
    return true;
  }

  /** Where a path from a joined state is refused, that says nothing of the program: the state as it came is followed. */
  #withoutJoin(error: unknown): State {
    const { work, attempts } = this.#exploration;
    const attempt = attempts.at(-1);
    if (attempt === undefined || error instanceof Budget) throw error;
    if (!(error instanceof AnyBpfError || error instanceof GivenUp)) throw error;
    attempts.pop();
    const { saved, entry, waiting, done, until } = attempt;
    work.length = waiting;
    this.#until = until;
    this.#forgetSince(done);
    const crowd = this.#crowds.get(entry.slot);
    if (crowd !== undefined) crowd.failures++;
    this.#keep(saved, entry.round);
    return saved;
  }

  /** All is known that the kept state has to answer for: from here on it answers for others. */
  #finish(entry: Entry): void {
    const { attempts } = this.#exploration;
    const attempt = attempts.at(-1);
    if (attempt?.entry === entry) {
      attempts.pop();
      this.#until = attempt.until;
    }
    entry.checks = checksOf(entry);
    entry.frames.forEach(forgetValues);
    let list = this.#entries.get(entry.slot);
    if (list === undefined) {
      list = [];
      this.#entries.set(entry.slot, list);
    } else if (list.length >= MAX_KEPT) list.shift();
    list.push(entry);
    this.#done.push(entry);
  }

  /** Comes by the head of a loop again. True where all further rounds are verified. */
  #loop(state: State, before: Entry, round: number): boolean {
    const { walk } = this;
    const { slot } = state;
    const bounded = state.boundedAt > before.visit;
    if (subsumes(before, state, 'all')) {
      if (!bounded) refuse(walk, unboundedLoop(placeAt(walk, slot), slot));
      before.ranking ??= new Map();
      askAll(state);
      this.#close(state.parent);
      return true;
    }
    if (!TRY_AT.has(round) || (this.#failures.get(slot) ?? 0) >= MAX_FAILURES) return false;
    if (this.#trials.length >= MAX_TRIALS) return false;
    const { compared } = walk;
    walk.compared ??= new Map();
    const verified = this.#try(state, before, undefined);
    walk.compared = compared;
    if (verified) {
      this.#close(state.parent);
      return true;
    }
    this.#failures.set(slot, (this.#failures.get(slot) ?? 0) + 1);
    return false;
  }

  /** Verifies from a state that stands for any number of rounds. */
  #try(state: State, before: Entry, sums: Set<Scalar> | undefined): boolean {
    const { walk } = this;
    const outerSums = walk.sums;
    const outerUntil = this.#until;
    const joins = this.#joins;
    let endless = false;
    let old: { readonly frames: readonly Frame[]; readonly references: Entry['references'] } = before;
    let next = state;
    for (let n = 0; n < MAX_WIDENINGS; n++) {
      const wide = widened(old, next, n < BY_CONSTANTS ? walk.program.thresholds : [], walk.compared);
      if (wide === undefined) return false;
      wide.parent = state.parent;
      wide.written = state.written.slice();
      const entry = new Entry(wide, before.round, walk.visits);
      for (const frame of wide.frames) frame.owner = undefined;
      wide.parent = entry;
      wide.written = new Int32Array(wide.written.length);
      const trial: Trial = { entry, sums, arrivals: 0, bounded: true, ranking: undefined };
      const done = this.#done.length;
      this.#roots.add(entry);
      this.#trials.push(trial);
      if (sums !== undefined) {
        walk.sums = sums;
        this.#until = Math.min(this.#until, walk.visits + MOST_STRIDES);
      }
      try {
        this.#explore(wide);
        if (mayNotEnd(trial)) throw new NoEnd();
        entry.ranking = trial.ranking ?? new Map();
        this.#roots.delete(entry);
        return true;
      } catch (error) {
        this.#forgetSince(done);
        this.#roots.delete(entry);
        entry.abandoned = true;
        if (error instanceof TooNarrow && error.trial === trial) {
          old = entry;
          next = error.state;
          continue;
        }
        if (error instanceof GivenUp && walk.visits < outerUntil) return false;
        if (error instanceof NoEnd) {
          endless = true;
          break;
        }
        if (error instanceof Budget || !(error instanceof AnyBpfError)) throw error;
        return false;
      } finally {
        this.#trials.pop();
        walk.sums = outerSums;
        this.#until = outerUntil;
      }
    }
    if (!endless || sums !== undefined) return false;
    if (walk.sums === undefined && this.#try(state, before, new Set())) return true;
    // What a joined state has lost may have been the end.
    if (this.#joins > joins || this.#until < Number.POSITIVE_INFINITY) return false;
    this.#endless ??= state.slot;
    this.#most = Math.min(this.#most, walk.visits + MORE_ROUNDS);
    return false;
  }

  #forgetSince(count: number): void {
    for (const entry of this.#done.splice(count)) {
      const list = this.#entries.get(entry.slot);
      const index = list?.indexOf(entry) ?? -1;
      if (index >= 0) list?.splice(index, 1);
    }
  }

  /** Refuses chains of calls whose frames together are larger than the stack. */
  #stackOfCalls(): void {
    const { walk } = this;
    const sizeOf = (entry: number): number => Math.max(32, Math.ceil((walk.stackOf.get(entry) ?? 0) / 32) * 32);
    const callees = new Map<number, number[]>();
    for (const [from, to] of walk.calls.values()) {
      const list = callees.get(from) ?? [];
      list.push(to);
      callees.set(from, list);
    }
    const depth = (entry: number): number => sizeOf(entry) + Math.max(0, ...(callees.get(entry) ?? []).map(depth));
    const total = depth(0);
    // A program without calls is checked access by access.
    if (callees.size > 0 && total > MAX_STACK) refuse(walk, stackLimit(placeAt(walk, 0), total, MAX_STACK));
  }
}

/** Time or visits are used up: the program is neither accepted nor shown to be wrong. */
export class Budget extends AnyBpfError {}
