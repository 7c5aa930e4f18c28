// Runs the programs of a chain on one event: context and packet are laid once, and each program goes on with what the one before left.
import { fail } from '../../base/diagnostic.ts';
import { noTestRun } from '../../base/messages/run.ts';
import type { LaidRun } from '../../run/batch.ts';
import type { Runtime } from '../../run/runtime.ts';
import type { Harness, TestRunInput, TestRunOutput } from '../../spec/program.ts';
import type { Id } from '../../spec/session.ts';
import type { ExecutionContext } from '../context.ts';
import { refuse } from '../errors.ts';
import type { ContextProgram } from '../program-object.ts';
import { type ChainRun, finalVerdict } from './chains.ts';
import type { Chain } from './hook.ts';
import type { HookRow } from './rows.ts';

/** A program that has run, for those who ask. */
export interface Ran {
  readonly progId: Id;
  readonly linkId: Id;
  readonly retval: number;
}

/** Place of a field in the context. */
interface Field {
  readonly offset: number;
  readonly size: number;
}

export class Runner implements ChainRun {
  ended = false;
  first = true;
  readonly #context: ExecutionContext;
  #row: HookRow;
  /** By what their layout depends on: the runtime, and the program type where a hook takes several. */
  readonly #harnesses = new Map<Runtime, Map<string, Harness>>();
  #laid: LaidRun | undefined;
  #program: ContextProgram | undefined;
  #before: Uint8Array = new Uint8Array(0);
  #busy = false;

  constructor(context: ExecutionContext, row: HookRow) {
    this.#context = context;
    this.#row = row;
  }

  /** Lays an event and runs a chain on it; gives the verdict. */
  run(chain: Chain, input: TestRunInput, ran?: Ran[]): number {
    const { attachments } = chain;
    if (attachments.length === 0) return this.#row.verdict;
    const harness = this.harness(attachments[0].program);
    return this.runLaid(chain, harness.start(input), ran, input, harness);
  }

  /** As `run`, and the event as the programs left it. */
  runWhole(chain: Chain, input: TestRunInput, ran: Ran[]): TestRunOutput {
    const verdict = this.run(chain, input, ran);
    const last = this.#program;
    if (ran.length === 0 || last === undefined) return { retval: verdict };
    const output = this.harness(last).finish(BigInt(verdict));
    return { ...output, retval: verdict };
  }

  /** The harness of a program's events here. */
  harness(program: ContextProgram): Harness {
    const { runtime, loaded } = program;
    const { type, attachType, dialect } = loaded.spec;
    let known = this.#harnesses.get(runtime);
    if (known === undefined) {
      known = new Map();
      this.#harnesses.set(runtime, known);
      // A module's runtime goes with its last object.
      if (runtime !== this.#context.runtime) program.onEnd(() => this.#forget(runtime));
    }
    let harness = known.get(type);
    if (harness === undefined) {
      const row = this.#context.platform(dialect).programType(type);
      const layout = row?.contexts[dialect];
      if (row?.harness === undefined || layout === undefined)
        return fail(noTestRun({ program: loaded.name }, type, dialect));
      const { memory, host } = runtime;
      harness = row.harness({
        memory,
        host: host.services,
        layout,
        dialect,
        attachType: attachType ?? this.#row.attachType,
      });
      known.set(type, harness);
    }
    return harness;
  }

  /**
   * Runs a chain on a context that is laid in the runtime of its first program. Programs of other runtimes (ahead-of-time modules have
   * their own) get a copy of it, where `input` says what else the event is.
   */
  runLaid(chain: Chain, laid: LaidRun, ran?: Ran[], input: TestRunInput = {}, harness?: Harness): number {
    if (this.#busy) refuse('hook.fire', 'EBUSY', 'a program of this hook is running');
    const { reclaimer } = this.#context;
    const epoch = reclaimer.enter();
    this.#busy = true;
    this.#laid = laid;
    this.ended = false;
    this.first = true;
    this.#program = chain.attachments[0].program;
    try {
      let verdict = this.#row.verdict;
      let { runtime } = this.#program;
      let current = harness;
      const { keeps = [] } = this.#row;
      const kept = keeps.length > 0 ? this.#fields(keeps) : undefined;
      for (const { program, linkId } of chain.attachments) {
        if (program.runtime !== runtime) {
          const left = (current ?? this.harness(this.#program ?? program)).finish(0n);
          current = this.harness(program);
          this.#laid = current.start({ ...input, ...left });
          runtime = program.runtime;
        }
        this.#program = program;
        if (this.#row.rewrites !== undefined) this.#before = this.#fields(this.#row.rewrites);
        const retval = this.#runOne(program, this.#laid);
        ran?.push({ progId: program.id, linkId, retval });
        verdict = chain.rule(verdict, retval, this);
        this.first = false;
        if (this.ended) break;
      }
      if (kept !== undefined) this.#restore(keeps, kept);
      return finalVerdict(verdict);
    } finally {
      this.#busy = false;
      reclaimer.leave(epoch);
    }
  }

  #runOne(program: ContextProgram, laid: LaidRun): number {
    if (!this.#context.counts) return program.loaded.runOn(laid) >>> 0;
    const before = performance.now();
    try {
      return program.loaded.runOn(laid) >>> 0;
    } finally {
      program.count(1, (performance.now() - before) * 1e6);
    }
  }

  // What rules ask of the program that has just run.

  rewritten(): boolean {
    const { rewrites } = this.#row;
    if (rewrites === undefined || rewrites.length === 0) return false;
    const now = this.#fields(rewrites);
    return now.some((byte, i) => byte !== this.#before[i]);
  }

  selected(): boolean {
    return this.#fields(['sk']).some((byte) => byte !== 0);
  }

  /** The bytes of context fields, one after the other. */
  #fields(names: readonly string[]): Uint8Array {
    const places = this.#places(names);
    const bytes = new Uint8Array(places.reduce((sum, { size }) => sum + size, 0));
    const { u8 } = this.#memory();
    let to = 0;
    for (const { offset, size } of places) {
      const at = (this.#laid?.ctx ?? 0) + offset;
      bytes.set(u8.subarray(at, at + size), to);
      to += size;
    }
    return bytes;
  }

  #restore(names: readonly string[], bytes: Uint8Array): void {
    const { u8 } = this.#memory();
    let from = 0;
    for (const { offset, size } of this.#places(names)) {
      u8.set(bytes.subarray(from, from + size), (this.#laid?.ctx ?? 0) + offset);
      from += size;
    }
  }

  #places(names: readonly string[]): Field[] {
    const { types, dialect } = this.#row;
    const fields = this.#context.platform(dialect).programType(types[0])?.contexts[dialect]?.fields ?? {};
    return names.flatMap((name) => (Object.hasOwn(fields, name) ? [fields[name]] : []));
  }

  #memory() {
    return (this.#program?.runtime ?? this.#context.runtime).memory;
  }

  /** A provider has come back: contexts may be laid in another way. */
  follow(row: HookRow): void {
    this.#row = row;
    for (const runtime of this.#harnesses.keys()) this.#forget(runtime);
  }

  #forget(runtime: Runtime): void {
    const known = this.#harnesses.get(runtime);
    if (known === undefined) return;
    this.#harnesses.delete(runtime);
    // A run that is under way still uses them.
    this.#context.reclaimer.defer(() => {
      for (const harness of known.values()) harness.dispose();
    });
  }
}
