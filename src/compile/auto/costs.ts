// What each engine costs, in nanoseconds: what `auto` chooses by. Measured on the machine of bench/README.md; only the relations matter,
// and those within a factor of two, as a choice that is late by a factor costs about as much again (`npm run bench -- engines` has
// what `auto` takes beside each engine by itself).
import type { EngineName } from '../../spec/backend.ts';

export interface EngineCost {
  /** Once in a process: WebAssembly made of JavaScript that nothing has optimised yet. */
  readonly process: number;
  /** Once in a memory. */
  readonly memory: number;
  /** Each program, whatever its size, and each of its instructions. */
  readonly program: number;
  readonly slot: number;
  /** Each run, and each instruction that it executes. */
  readonly run: number;
  readonly insn: number;
}

export const COSTS: { readonly [E in EngineName]: EngineCost } = {
  /** Nothing to prepare but a stack. JavaScript on BigInt, and cold for as long as it is chosen here. */
  reference: { process: 0, memory: 0, program: 10_000, slot: 50, run: 20_000, insn: 600 },
  /** One module for all programs, an instance of it and its state in each memory, a record an instruction. */
  interpret: { process: 2_500_000, memory: 100_000, program: 20_000, slot: 200, run: 200, insn: 3 },
  /** A module a program. What the runtime optimises later, it does beside. */
  compile: { process: 4_000_000, memory: 20_000, program: 120_000, slot: 900, run: 60, insn: 0.5 },
};

/** What proving takes, before compiled code can do without checks: for each instruction of the program. */
export const PROOF_SLOT = 3_000;

/** How often an instruction of a program with a loop runs, before one run has shown it. */
export const LOOP_TURNS = 10;
