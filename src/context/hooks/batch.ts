// Events of a hook in batches: laid beside each other, run in one call by the program that is attached when the batch begins.
import { fail } from '../../base/diagnostic.ts';
import { badOption } from '../../base/messages/run.ts';
import { type Batch, type Burst, type LaidRun, MAX_BATCH } from '../../run/batch.ts';
import type { Runtime } from '../../run/runtime.ts';
import type { StateKey } from '../../spec/helper.ts';
import type { Memory } from '../../spec/memory.ts';
import type { TestRunInput, TestRunOutput } from '../../spec/program.ts';
import type { ContextProgram } from '../program-object.ts';
import type { Epochs } from './epochs.ts';
import type { Chain } from './hook.ts';
import type { PreparedHook } from './hooks.ts';
import type { Runner } from './runner.ts';

/** Of the events of a burst. */
export interface BurstOptions {
  /** Context of all, as TestRunInput.ctx: what is no part of the packet. */
  readonly ctx?: TestRunInput['ctx'];
  /** The verdict of one whose run is aborted. */
  readonly aborted: number;
  /** What a helper family leaves, to be kept for `leftOf`. */
  readonly keep?: StateKey<unknown>;
  /** Told why a run was aborted. */
  report(index: number, error: unknown): void;
}

/** A place for up to `size` events. What is laid is kept over changes of what is attached. */
export class HookBatch implements Disposable {
  readonly size: number;
  readonly #hook: PreparedHook;
  readonly #runner: Runner;
  readonly #epochs: Epochs;
  readonly #inputs: TestRunInput[] = [];
  readonly #verdicts: Uint32Array;
  #batch: Batch | undefined;
  /** What the batch's contexts were laid for. */
  #runtime: Runtime | undefined;
  #type = '';
  #program: ContextProgram | undefined;

  readonly #counts: () => boolean;

  /** Use PreparedHook.batch. @param counts whether runs are counted and timed */
  constructor(hook: PreparedHook, runner: Runner, epochs: Epochs, size: number, counts: () => boolean) {
    if (!Number.isInteger(size) || size < 1 || size > MAX_BATCH)
      fail(badOption({}, 'size', `must be 1 to ${MAX_BATCH} events, not ${size}`));
    this.size = size;
    this.#hook = hook;
    this.#runner = runner;
    this.#epochs = epochs;
    this.#counts = counts;
    this.#verdicts = new Uint32Array(size);
  }

  /** Lays one event; it stays, and is run again, until another is laid in its place. Do not change its bytes meanwhile. */
  lay(index: number, input: TestRunInput): void {
    if (!Number.isInteger(index) || index < 0 || index >= this.size)
      fail(badOption({}, 'index', `must be 0 to ${this.size - 1}, not ${index}`));
    this.#inputs[index] = input;
    this.#batch?.lay(index, input);
  }

  /**
   * Runs the first `count` events, all of which must have been laid.
   *
   * @returns the verdicts; valid until the next run of this batch
   * @throws AnyBpfError run/... where a run is aborted; the events before it have run
   */
  run(count: number = this.size): Uint32Array {
    if (!Number.isInteger(count) || count < 0 || count > this.#inputs.length)
      fail(badOption({}, 'count', `must be 0 to ${this.#inputs.length} laid events, not ${count}`));
    const { chain } = this.#hook;
    const { attachments } = chain;
    if (attachments.length === 0) return this.#verdicts.fill(this.#hook.nothing, 0, count).subarray(0, count);
    const epoch = this.#epochs.enter();
    try {
      const batch = this.#for(attachments[0].program);
      return attachments.length === 1 && chain.whole ? batch.run(count) : this.#each(chain, batch, count);
    } finally {
      this.#epochs.leave(epoch);
    }
  }

  /**
   * Lays the packets of a burst (their bytes may go afterwards) and runs them, in place of all that was laid; a run that is aborted does
   * not hold up the others. What each packet is then, `laid` tells.
   *
   * @returns the verdicts, valid until the next run; undefined where nothing is attached, and so nothing was laid
   */
  burst(burst: Burst, options: BurstOptions): Uint32Array | undefined {
    const { chain } = this.#hook;
    const { attachments } = chain;
    const { count } = burst;
    this.#inputs.length = 0;
    if (attachments.length === 0) return undefined;
    if (attachments.length > 1 || !chain.whole)
      return fail(badOption({}, 'burst', 'is for hooks of one program, whose verdict is the hook'));
    const { ctx, aborted, keep, report } = options;
    const epoch = this.#epochs.enter();
    try {
      const { program } = attachments[0];
      const batch = this.#for(program);
      if (keep !== undefined) batch.keep(keep);
      if (!this.#counts()) return batch.burst(burst, ctx, aborted, report);
      const before = performance.now();
      const verdicts = batch.burst(burst, ctx, aborted, report);
      program.count(count, (performance.now() - before) * 1e6);
      return verdicts;
    } finally {
      this.#epochs.leave(epoch);
    }
  }

  /** A packet of the last burst as its program left it: addresses in `memory`. */
  laid(index: number): LaidRun | undefined {
    return this.#batch?.laid(index);
  }

  /** The memory that packets of the last burst are laid in; undefined where none was. */
  get memory(): Memory | undefined {
    return this.#runtime?.memory;
  }

  /** What BurstOptions.keep left of a packet's run. */
  leftOf<T>(index: number): T | undefined {
    return this.#batch?.leftOf<T>(index);
  }

  /** Several programs, or one whose verdict means something else than it says. */
  #each(chain: Chain, batch: Batch, count: number): Uint32Array {
    for (let i = 0; i < count; i++)
      this.#verdicts[i] = this.#runner.runLaid(chain, batch.laid(i), undefined, this.#inputs[i]);
    return this.#verdicts.subarray(0, count);
  }

  /** The batch with what was laid, for a program: that of the one before where both are alike. */
  #for(program: ContextProgram): Batch {
    const { loaded, runtime } = program;
    if (this.#batch === undefined || runtime !== this.#runtime || loaded.spec.type !== this.#type) {
      this.#batch?.[Symbol.dispose]();
      const batch = loaded.batch(this.size);
      this.#inputs.forEach((input, index) => batch.lay(index, input));
      this.#batch = batch;
      this.#runtime = runtime;
      this.#type = loaded.spec.type;
    } else if (program !== this.#program) loaded.takeOver(this.#batch);
    this.#program = program;
    return this.#batch;
  }

  /** Packet and context of an event as they are after it; what was laid where nothing is attached. */
  output(index: number): TestRunOutput {
    if (this.#batch === undefined) return { retval: this.#hook.nothing, ...laidBytes(this.#inputs[index]) };
    return this.#batch.output(index);
  }

  [Symbol.dispose](): void {
    this.#batch?.[Symbol.dispose]();
    this.#batch = undefined;
    this.#inputs.length = 0;
  }
}

const laidBytes = ({ data, ctx }: TestRunInput = {}): Pick<TestRunOutput, 'data' | 'ctx'> => ({
  ...(data === undefined ? {} : { data }),
  ...(ctx instanceof Uint8Array ? { ctx } : {}),
});
