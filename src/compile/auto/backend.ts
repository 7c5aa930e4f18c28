import type {
  Backend,
  Code,
  CodeBatch,
  CodeOptions,
  EnteredRun,
  EngineName,
  Invocation,
  ProgramImage,
} from '../../spec/backend.ts';
import type { Memory } from '../../spec/memory.ts';
import { interpretBackend } from '../interpret/backend.ts';
import { jumpTarget } from '../../flow/graph.ts';
import { loadProgram } from '../load.ts';
import { referenceBackend } from '../reference/backend.ts';
import { compilerBackend } from '../wasm/backend.ts';
import { COSTS, LOOP_TURNS, PROOF_SLOT } from './costs.ts';

/** Those to choose from, what starts soonest first. */
const BACKENDS: { readonly [E in EngineName]: Backend } = {
  reference: referenceBackend,
  interpret: interpretBackend,
  compile: compilerBackend,
};
const NAMES = Object.keys(BACKENDS) as readonly EngineName[];

/** Engines that have run anything yet. */
const inProcess = new Set<EngineName>();
const inMemory = new WeakMap<Memory, Set<EngineName>>();

/**
 * Chooses the engine by the work to expect: as much as a call announces (a batch, a repeat), and else as much again as there has
 * been. Changes between runs and never within one: all engines work on the same memory and maps. Where the host forbids to compile
 * WebAssembly, the reference interpreter runs everything.
 */
export const autoBackend: Backend = {
  name: 'auto',
  load: (image, options = {}) => new ChosenCode(image, options),
};

class ChosenCode implements Code {
  readonly #image: ProgramImage;
  readonly #options: CodeOptions;
  /** Instructions of the program, and those that its first run is thought to execute. */
  readonly #length: number;
  readonly #first: number;
  readonly #codes: { [E in EngineName]?: Code } = {};
  /** Engines that the host refused. */
  readonly #refused = new Set<EngineName>();
  #current: EngineName | undefined;
  /** Where no other engine can be better: nothing is counted any more. */
  #last: Code | undefined;
  #runs = 0;
  #executed = 0;

  constructor(image: ProgramImage, options: CodeOptions) {
    this.#image = image;
    this.#options = options;
    // All that can be wrong with a program is found when it is loaded, whatever will run it.
    const { insns } = loadProgram(image);
    this.#length = insns.length;
    const loops = insns.some((insn, slot) => insn !== undefined && (jumpTarget(insn, slot) ?? slot + 1) <= slot);
    this.#first = insns.length * (loops ? LOOP_TURNS : 1);
  }

  get engine(): EngineName {
    return this.#current ?? this.#cheapest(1);
  }

  get size(): number | undefined {
    return this.#current === undefined ? undefined : this.#codes[this.#current]?.size;
  }

  expect(runs: number): void {
    this.#choose(runs);
  }

  run(invocation: Invocation, r1: bigint, r2?: bigint): bigint {
    const code = this.#last ?? this.#choose(1);
    const { budget } = invocation;
    try {
      return code.run(invocation, r1, r2);
    } finally {
      this.#count(1, budget - invocation.budget);
    }
  }

  run32(invocation: Invocation, r1: number): number {
    if (this.#last?.run32 !== undefined) return this.#last.run32(invocation, r1);
    const code = this.#choose(1);
    const { budget } = invocation;
    try {
      return runOnce(code, invocation, r1);
    } finally {
      this.#count(1, budget - invocation.budget);
    }
  }

  runBatch(invocation: Invocation, batch: CodeBatch): void {
    const { contexts, results, count, select } = batch;
    const code = this.#last ?? this.#choose(count);
    if (code.runBatch !== undefined) {
      const each = this.#each;
      code.runBatch(invocation, batch);
      this.#count(count, count * each);
      return;
    }
    const { memory } = this.#image;
    for (let i = 0; i < count; i++) {
      if (i > 0) select(i);
      const { budget } = invocation;
      memory.u32[(results >>> 2) + i] = runOnce(code, invocation, memory.u32[(contexts >>> 2) + i]);
      this.#count(1, budget - invocation.budget);
    }
  }

  entry(run: EnteredRun): ((r1: number) => number) | undefined {
    return this.#last?.entry?.(run);
  }

  explain(error: unknown): unknown {
    return this.#last?.explain?.(error) ?? error;
  }

  get enteredHost(): boolean | undefined {
    return this.#last?.enteredHost;
  }

  dispose(): void {
    for (const name of NAMES) this.#drop(name);
  }

  /** Instructions of a run: as many as of those before it. */
  get #each(): number {
    return this.#runs === 0 ? this.#first : this.#executed / this.#runs;
  }

  #count(runs: number, executed: number): void {
    this.#runs += runs;
    this.#executed += executed;
  }

  #cheapest(announced: number): EngineName {
    const runs = Math.max(announced, this.#runs);
    const executed = runs * this.#each;
    let best: EngineName = 'reference';
    let least = Number.POSITIVE_INFINITY;
    for (const name of NAMES) {
      if (this.#refused.has(name)) continue;
      const { run, insn } = COSTS[name];
      const cost = this.#startCost(name) + runs * run + executed * insn;
      if (cost >= least) continue;
      least = cost;
      best = name;
    }
    return best;
  }

  /** Compiling will ask for a proof that nobody has made yet. */
  get #unproven(): boolean {
    const { proof } = this.#image;
    return this.#options.trusted !== true && proof !== undefined && proof('if-known') === undefined;
  }

  /** Of what is not there yet. */
  #startCost(name: EngineName): number {
    if (this.#codes[name] !== undefined) return 0;
    const { process, memory, program, slot } = COSTS[name];
    let cost = program + slot * this.#length;
    if (name === 'compile' && this.#unproven) cost += PROOF_SLOT * this.#length;
    if (!inProcess.has(name)) cost += process;
    if (inMemory.get(this.#image.memory)?.has(name) !== true) cost += memory;
    return cost;
  }

  #choose(announced: number): Code {
    for (;;) {
      const name = this.#cheapest(announced);
      const code = this.#startable(name);
      if (code === undefined) continue;
      if (name !== this.#current) {
        const before = this.#current;
        this.#current = name;
        if (before !== undefined) this.#drop(before);
        if (name === NAMES.at(-1)) this.#last = code;
      }
      return code;
    }
  }

  /** The program's code of an engine; undefined where it cannot be had, which is kept in mind. */
  #startable(name: EngineName): Code | undefined {
    try {
      return this.codeOf(name);
    } catch (error) {
      // Nothing of what the program can do wrong: no WebAssembly, or none that may be compiled, or no memory for the engine's own.
      if (name === 'reference') throw error;
      this.#refused.add(name);
      return undefined;
    }
  }

  codeOf(name: EngineName): Code {
    const known = this.#codes[name];
    if (known !== undefined) return known;
    const code = BACKENDS[name].load(this.#image, {
      ...this.#options,
      // Tail calls stay in the engine.
      codeOf: (image) => chosenCode(image, this.#options).codeOf(name),
    });
    this.#codes[name] = code;
    inProcess.add(name);
    const { memory } = this.#image;
    const engines = inMemory.get(memory);
    if (engines === undefined) inMemory.set(memory, new Set([name]));
    else engines.add(name);
    return code;
  }

  #drop(name: EngineName): void {
    this.#codes[name]?.dispose();
    delete this.#codes[name];
  }
}

function chosenCode(image: ProgramImage, options: CodeOptions): ChosenCode {
  const code = options.codeOf?.(image) ?? (image.code ??= autoBackend.load(image, options));
  if (!(code instanceof ChosenCode)) throw new Error('a tail call into the code of another engine');
  return code;
}

function runOnce(code: Code, invocation: Invocation, r1: number): number {
  return code.run32?.(invocation, r1) ?? Number(BigInt.asUintN(32, code.run(invocation, BigInt(r1))));
}
