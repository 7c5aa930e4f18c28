// Many packets in one call: contexts laid side by side in the linear memory, run one after the other without the host between.
import { fail } from '../base/diagnostic.ts';
import { badOption } from '../base/messages/run.ts';
import type { Code, CodeBatch } from '../spec/backend.ts';
import type { PacketArea, StateKey } from '../spec/helper.ts';
import type { Address, Memory } from '../spec/memory.ts';
import type { Harness, TestRunInput, TestRunOutput } from '../spec/program.ts';
import type { ProgramInvocation } from './invocation.ts';

/** Most packets of one batch. */
export const MAX_BATCH = 1024;

/** A context, and the packet that it points to, laid in memory by a harness. */
export type LaidRun = ReturnType<Harness['start']>;

/** What a batch needs of its program. */
export interface BatchProgram {
  readonly memory: Memory;
  readonly invocation: ProgramInvocation;
  readonly code: Code;
  readonly budget: number;
  harness(): Harness;
  /** Called before a batch runs: ends what runs of another kind left. */
  settle(): void;
}

/** Packets in memory of a driver. */
export interface Burst {
  /** What `at` are offsets in. */
  memory: Uint8Array;
  readonly at: Uint32Array;
  readonly length: Uint32Array;
  count: number;
}

/** In place of a result that no run has given. No program type has such a verdict. */
const NONE = 0xa5b7_1fed;

/** One run on a context: the lower 32 bits of r0, which is all that a hook or a test-run looks at. */
export function runOnce(code: Code, invocation: ProgramInvocation, ctx: Address): number {
  if (code.run32 !== undefined) return code.run32(invocation, ctx);
  return Number(BigInt.asUintN(32, code.run(invocation, BigInt(ctx))));
}

/**
 * A place for up to `size` packets and their contexts. Lay packets, run them, read verdicts; laid packets stay and can be run
 * again. Helpers see each packet's own state; tail calls and the budget count anew for each.
 */
export class Batch implements Disposable {
  readonly size: number;
  #program: BatchProgram;
  readonly #harnesses: Harness[] = [];
  readonly #packets: (PacketArea | undefined)[] = [];
  readonly #contexts: Address;
  readonly #results: Address;
  /** What engines get of it, made once: a batch of short runs takes less time than new objects for each would. */
  readonly #batch: { -readonly [F in keyof CodeBatch]: CodeBatch[F] };
  /** Index of the first packet of what runs. */
  #first = 0;
  #verdicts: Uint32Array = new Uint32Array(0);
  /** What #verdicts is a part of. */
  #memory: Uint32Array | undefined;
  #keep: StateKey<unknown> | undefined;
  #left: unknown[] = [];
  #selected = 0;

  constructor(program: BatchProgram, size: number) {
    if (!Number.isInteger(size) || size < 1 || size > MAX_BATCH) {
      fail(badOption({}, 'size', `must be 1 to ${MAX_BATCH} packets, not ${size}`));
    }
    this.size = size;
    this.#program = program;
    this.#contexts = program.memory.alloc(size * 4);
    this.#results = program.memory.alloc(size * 4);
    this.#batch = {
      contexts: this.#contexts,
      results: this.#results,
      count: 0,
      select: (index) => this.#select(index),
    };
  }

  /** Runs another program of the same runtime, type and attach type from here on, on what is laid. LoadedProgram.takeOver calls it. */
  use(program: BatchProgram): void {
    this.#program = program;
  }

  /** The context and packet at an index, for runs of another kind than the batch's own. */
  laid(index: number): LaidRun {
    return { ctx: this.#program.memory.u32[(this.#contexts >>> 2) + index], packet: this.#packets[index] };
  }

  /** Keeps what a helper family leaves of each run, for `leftOf`. */
  keep(key: StateKey<unknown>): void {
    this.#keep = key;
  }

  /** What the family of `keep` left of the last run of a packet; undefined where its program did not call it. */
  leftOf<T>(index: number): T | undefined {
    return this.#left[index] as T | undefined;
  }

  /** Before another run begins, and after the last. */
  #keepLeft(): void {
    if (this.#keep === undefined) return;
    const left = this.#program.invocation.leftOf(this.#keep);
    if (left !== undefined) this.#left[this.#selected] = left;
  }

  /** The run of the context with this index, after `#first`, begins. */
  #select(after: number): void {
    const { memory, invocation, budget } = this.#program;
    const index = this.#first + after;
    this.#keepLeft();
    this.#selected = index;
    invocation.end();
    invocation.begin(memory.u32[(this.#contexts >>> 2) + index], this.#packets[index], budget);
  }

  /** Lays the packet and context of one run; as program.run takes them. */
  lay(index: number, input: TestRunInput): void {
    if (!Number.isInteger(index) || index < 0 || index >= this.size) {
      fail(badOption({}, 'index', `must be 0 to ${this.size - 1}, not ${index}`));
    }
    this.#harnesses[index] ??= this.#program.harness();
    const { ctx, packet } = this.#harnesses[index].start(input);
    this.#packets[index] = packet;
    this.#program.memory.u32[(this.#contexts >>> 2) + index] = ctx;
  }

  /**
   * Lays the packets of a burst and runs them, each on its own: where a run is aborted, the others still run.
   *
   * @param ctx of all; as `lay` takes it
   * @param aborted the verdict of a run that was aborted; `report` is told why
   * @returns the verdicts; valid until the next run of this batch
   */
  burst(
    { memory, at, length, count }: Burst,
    ctx: TestRunInput['ctx'],
    aborted: number,
    report: (index: number, error: unknown) => void,
  ): Uint32Array {
    if (count > this.size) fail(badOption({}, 'count', `must be 0 to ${this.size}, not ${count}`));
    for (let i = 0; i < count; i++) {
      const harness = this.#harnesses[i];
      if (harness?.again !== undefined) harness.again(memory, at[i], length[i]);
      else
        this.lay(i, {
          data: memory.slice(at[i], at[i] + length[i]),
          limits: 'device',
          ...(ctx === undefined ? {} : { ctx }),
        });
    }
    if (this.#left.length > 0) this.#left = [];
    const results = (): Uint32Array => this.#results32(count);
    results().fill(NONE);
    for (let first = 0; first < count; ) {
      try {
        this.#run(first, count);
        break;
      } catch (error) {
        const failed = results().indexOf(NONE, first);
        // What fails behind the last run is no packet's.
        if (failed < 0) throw error;
        results()[failed] = aborted;
        report(failed, error);
        first = failed + 1;
      }
    }
    return results();
  }

  /**
   * Runs the first `count` packets, all of which must have been laid.
   *
   * @returns the lower 32 bits of each r0; valid until the next run of this batch
   * @throws AnyBpfError run/... where a run is aborted; the packets before it have run
   */
  run(count: number = this.size): Uint32Array {
    const laid = this.#packets.length;
    if (!Number.isInteger(count) || count < 0 || count > this.size || count > laid) {
      fail(badOption({}, 'count', `must be 0 to ${Math.min(this.size, laid)} laid packets, not ${count}`));
    }
    this.#run(0, count);
    return this.#results32(count);
  }

  /** Runs those from `first` on, before `end`. */
  #run(first: number, end: number): void {
    const { memory, invocation, code } = this.#program;
    this.#program.settle();
    // What an earlier run left is not these packets'.
    if (this.#keep !== undefined) invocation.forget();
    this.#first = this.#selected = first;
    const contexts = this.#contexts + first * 4;
    const results = this.#results + first * 4;
    const count = end - first;
    try {
      if (code.runBatch !== undefined) {
        if (count > 0) this.#select(0);
        this.#batch.contexts = contexts;
        this.#batch.results = results;
        this.#batch.count = count;
        code.runBatch(invocation, this.#batch);
      } else {
        for (let i = 0; i < count; i++) {
          this.#select(i);
          const r0 = runOnce(code, invocation, memory.u32[(contexts >>> 2) + i]);
          memory.u32[(results >>> 2) + i] = r0;
        }
      }
    } finally {
      this.#keepLeft();
      invocation.end();
    }
  }

  #results32(count: number): Uint32Array {
    const { u32 } = this.#program.memory;
    // A view costs as much as some runs do. The memory's own changes when it grows.
    if (this.#verdicts.length !== count || this.#memory !== u32) {
      this.#memory = u32;
      const at = this.#results >>> 2;
      this.#verdicts = u32.subarray(at, at + count);
    }
    return this.#verdicts;
  }

  /** Packet and context of one run as they are after it. */
  output(index: number): TestRunOutput {
    const harness = this.#harnesses[index];
    if (harness === undefined) return fail(badOption({}, 'index', `${index}: no packet was laid there`));
    return harness.finish(BigInt(this.#program.memory.u32[(this.#results >>> 2) + index]));
  }

  [Symbol.dispose](): void {
    for (const harness of this.#harnesses) harness.dispose();
    this.#harnesses.length = 0;
    this.#packets.length = 0;
    this.#program.memory.free(this.#contexts);
    this.#program.memory.free(this.#results);
  }
}
