// A program of a loaded object, and its test-runs.
import { AnyBpfError, type Diagnostic, fail } from '../base/diagnostic.ts';
import { badOption, disposed, noTestRun } from '../base/messages/run.ts';
import type { Code, EngineName, ProgramImage } from '../spec/backend.ts';
import type { PacketArea, StateKey } from '../spec/helper.ts';
import type { Address } from '../spec/memory.ts';
import type { ProgramSpec } from '../spec/object.ts';
import type { Harness, ProgramTypeRow, TestRunInput, TestRunOutput } from '../spec/program.ts';
import { Batch, type BatchProgram, type LaidRun, runOnce } from './batch.ts';
import { ProgramInvocation } from './invocation.ts';
import type { Runtime } from './runtime.ts';
import type { Verdict } from '../verify/verify.ts';
import type { Verification } from './verification.ts';

/** Instructions that one run may execute unless the loader was told otherwise. */
export const DEFAULT_BUDGET = 10_000_000;
const MAX_REPEAT = 1_000_000_000;

export interface RunInput extends TestRunInput {
  /**
   * Runs in a row, 1 where absent. As the kernel does, the packet and context are laid once: each run goes on with what the
   * one before left.
   */
  readonly repeat?: number;
}

export interface RunResult extends TestRunOutput {
  /** Name of the return value (`XDP_DROP`), where the program type has names. */
  readonly verdict: string | undefined;
  /** Nanoseconds per run, by the machine's clock and not the host's. */
  readonly duration: number;
  /** What a helper family left of the run, e.g. the target of a redirect (helpers/redirect.ts: REDIRECT). */
  state<T>(key: StateKey<T>): T | undefined;
}

/** A packet or context that is laid, and how to run the program on it. */
export interface PreparedRun {
  /** Gives r0's low 32 bits, as a signed number. What it throws, LoadedProgram.explain makes a finding. */
  readonly enter: (ctx: Address) => number;
  readonly ctx: Address;
}

/** A program that is ready to run, or the reason why it is not. */
export class LoadedProgram {
  readonly name: string;
  readonly spec: ProgramSpec;
  /** Unique in its runtime; what prog_arrays hold. */
  readonly id: number;
  /** Why it could not be loaded; running it raises this. */
  readonly diagnostic: Diagnostic | undefined;
  readonly #runtime: Runtime;
  readonly #row: ProgramTypeRow | undefined;
  readonly #image: ProgramImage;
  readonly #budget: number;
  readonly #verification: Verification | undefined;
  /** Names by return value, as the low 32 bits. */
  readonly #verdicts: ReadonlyMap<number, string>;
  #disposed = false;
  /** For runBatch, as large as the largest yet. */
  #batch: Batch | undefined;
  #ready:
    | {
        readonly harness: Harness;
        readonly invocation: ProgramInvocation;
        readonly code: Code;
        readonly newHarness: () => Harness;
        /** The code's entry, where runs may have come in by it since the host last looked. */
        entry?: PreparedRun['enter'] | undefined;
      }
    | undefined;

  constructor(
    runtime: Runtime,
    image: ProgramImage,
    row: ProgramTypeRow | undefined,
    budget: number,
    diagnostic?: Diagnostic,
    verification?: Verification,
  ) {
    this.name = image.spec.name;
    this.spec = image.spec;
    this.id = image.id;
    this.diagnostic = diagnostic;
    this.#runtime = runtime;
    this.#row = row;
    this.#image = image;
    this.#budget = budget;
    this.#verification = verification;
    const names = Object.entries(row?.verdicts[image.spec.dialect] ?? {});
    this.#verdicts = new Map(names.map(([name, value]) => [Number(BigInt.asUintN(32, value)), name]));
  }

  /**
   * Runs the program once (or `repeat` times) on a packet or context, as BPF_PROG_TEST_RUN does; which of `data`, `ctx` and
   * `args` it takes depends on the program type.
   *
   * @throws AnyBpfError run/test-run-refused where the kernel would refuse the input, run/no-test-run where the type has
   *   none, the program's own diagnostic where it is not loaded, and run/... with program, instruction and source line where
   *   the run was aborted (a refused access, the budget, ...)
   */
  run(input: RunInput = {}): RunResult {
    const { repeat = 1 } = input;
    if (!Number.isInteger(repeat) || repeat < 0 || repeat > MAX_REPEAT) {
      fail(badOption({}, 'repeat', `must be 0 to ${MAX_REPEAT}, not ${repeat}`));
    }
    const { harness, invocation } = this.#prepare();
    const runs = Math.max(1, repeat);
    const { enter, ctx } = this.prepare(input, runs);
    let r0 = 0;
    const before = performance.now();
    try {
      for (let i = 0; i < runs; i++) r0 = enter(ctx);
    } catch (error) {
      throw this.explain(error);
    } finally {
      this.#settle();
    }
    const duration = Math.round(((performance.now() - before) * 1e6) / runs);
    const output = harness.finish(BigInt(r0 >>> 0));
    return {
      ...output,
      verdict: this.verdictOf(output.retval),
      duration,
      state: (key) => invocation.leftOf(key),
    };
  }

  /**
   * As `run`, without anything that a replay loop does not need: gives r0's low 32 bits. `lastPacket` is the packet after
   * the run, `lastState` what helpers left.
   */
  runRaw(input: TestRunInput): number {
    const { harness } = this.#prepare();
    this.#settle();
    const { ctx, packet } = harness.start(input);
    return this.#once(ctx, packet);
  }

  /**
   * The leanest way to run by single calls: lays packet and context once, and gives the context's address and a function that
   * runs the program on it, each time on what the run before left. Where the program is trusted and compiled, that function is
   * the code itself: `enter(ctx)` costs a call from JavaScript to WebAssembly, and the host does no work unless the program
   * calls it. Until another packet is laid.
   *
   * @param runs how many will follow, about: the engine `auto` chooses by it
   * @example const { enter, ctx } = program.prepare({ data }); for (;;) verdicts[enter(ctx) >>> 0]++;
   */
  prepare(input: TestRunInput, runs: number = MAX_REPEAT): PreparedRun {
    const ready = this.#prepare();
    const { harness, invocation, code } = ready;
    if (runs > 1) code.expect?.(runs);
    const budget = this.#budget;
    this.#settle();
    const { ctx, packet } = harness.start(input);
    // For what the code looks at of a run before it calls the host.
    invocation.begin(ctx, packet, budget);
    invocation.end();
    ready.entry = code.entry?.({ invocation, begin: (r1) => invocation.begin(r1, packet, budget) });
    const enter = ready.entry ?? ((r1) => this.#once(r1, packet) | 0);
    return { enter, ctx };
  }

  /** The finding behind what `PreparedRun.enter` threw: a trap of WebAssembly with its instruction; anything else as it is. */
  explain(error: unknown): unknown {
    return this.#ready?.code.explain?.(error) ?? error;
  }

  /** A place for `size` packets that run in one call (run/batch.ts); dispose of it before the program. */
  batch(size: number): Batch {
    return new Batch(this.#batchProgram(), size);
  }

  /** Runs this program in a batch of another one of the same runtime, type and attach type, on what is laid there. */
  takeOver(batch: Batch): void {
    batch.use(this.#batchProgram());
  }

  #batchProgram(): BatchProgram {
    const { invocation, code, newHarness } = this.#prepare();
    const { memory } = this.#runtime;
    const settle = (): void => this.#settle();
    return { memory, invocation, code, budget: this.#budget, harness: newHarness, settle };
  }

  /** A harness as those of its own runs; dispose of it. What it lays, `runOn` takes. */
  newHarness(): Harness {
    return this.#prepare().newHarness();
  }

  /**
   * As `runRaw`, on what a harness of a program of the same runtime, type and attach type has laid: a hook lays an event once for all
   * its programs.
   */
  runOn({ ctx, packet }: LaidRun): number {
    this.#settle();
    return this.#once(ctx, packet);
  }

  /** Runs each packet once, in one call; the lower 32 bits of each r0. For packets that are used again: `batch`. */
  runBatch(packets: readonly Uint8Array[]): Uint32Array {
    if (packets.length > (this.#batch?.size ?? 0)) {
      this.#batch?.[Symbol.dispose]();
      this.#batch = this.batch(packets.length);
    }
    const batch = this.#batch as Batch;
    packets.forEach((data, index) => {
      batch.lay(index, { data });
    });
    return batch.run(packets.length).slice();
  }

  /** What runs it: with the engine `auto`, at this time. Undefined where the program cannot be run. */
  get engine(): EngineName | undefined {
    return this.#image.code?.engine;
  }

  /** Bytes of what was made of it to run; 0 where it is interpreted. */
  get codeSize(): number {
    return this.#image.code?.size ?? 0;
  }

  /** What was made of it to run (WebAssembly); undefined where it is interpreted. */
  emitted(): Uint8Array | undefined {
    return this.diagnostic === undefined ? this.#runtime.emitted(this.#image) : undefined;
  }

  /**
   * What the verifier says of it, found at the first question. Undefined with `verify: 'off'`, and where the program could not be
   * loaded for another reason.
   */
  get verdict(): Verdict | undefined {
    return this.#verification?.verdict;
  }

  /** What a helper family left of the last run of this program. */
  lastState<T>(key: StateKey<T>): T | undefined {
    this.#settle();
    return this.#ready?.invocation.leftOf(key);
  }

  /** The packet of the last run as it is now, in linear memory. */
  get lastPacket(): Uint8Array | undefined {
    const packet = this.#ready?.invocation.packet;
    return packet === undefined ? undefined : this.#runtime.memory.u8.subarray(packet.data, packet.end);
  }

  /** Name of a return value, undefined where its program type gives it none. */
  verdictOf(retval: number): string | undefined {
    return this.#verdicts.get(retval) ?? this.#row?.otherVerdict?.[this.spec.dialect];
  }

  /** The lower 32 bits of r0: all that a hook or a test-run looks at. */
  #once(ctx: Address, packet: PacketArea | undefined): number {
    const { invocation, code } = this.#prepare();
    invocation.begin(ctx, packet, this.#budget);
    try {
      return runOnce(code, invocation, ctx);
    } finally {
      invocation.end();
    }
  }

  /** After runs through an entry: ends the last for the host, and forgets what earlier ones left where it did not call the host. */
  #settle(): void {
    const ready = this.#ready;
    if (ready?.entry === undefined) return;
    ready.entry = undefined;
    ready.invocation.end();
    if (ready.code.enteredHost !== true) ready.invocation.forget();
  }

  #prepare() {
    if (this.#ready !== undefined) return this.#ready;
    if (this.diagnostic !== undefined) throw new AnyBpfError(this.diagnostic);
    const { spec } = this;
    if (this.#disposed) fail(disposed({ program: spec.name }, 'a program'));
    const place = { program: spec.name, section: spec.section };
    const layout = this.#row?.contexts[spec.dialect];
    const harness = this.#row?.harness;
    if (layout === undefined || harness === undefined) return fail(noTestRun(place, spec.type, spec.dialect));
    const { memory, host } = this.#runtime;
    const { attachType, dialect } = spec;
    const newHarness = (): Harness => harness({ memory, host: host.services, layout, dialect, attachType });
    this.#ready = {
      code: this.#runtime.codeOf(this.#image),
      invocation: new ProgramInvocation(this.#runtime, this.#image, layout),
      harness: newHarness(),
      newHarness,
    };
    return this.#ready;
  }

  /** Gives back its memory; LoadedObject does this. */
  [Symbol.dispose](): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#batch?.[Symbol.dispose]();
    this.#ready?.harness.dispose();
    this.#ready = undefined;
    this.#runtime.removeProgram(this.#image);
  }
}
