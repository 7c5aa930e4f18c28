// The contract between run and the back ends of compile (reference interpreter, later WebAssembly and interpreter).
import type { HelperEnv, HelperRow } from './helper.ts';
import type { Address, Memory } from './memory.ts';
import type { ProgramSpec } from './object.ts';
import type { ContextLayout } from './program.ts';

/** What runs programs. */
export type EngineName = 'reference' | 'interpret' | 'compile';

/** What `--engine` takes: an engine, or the choice by what there is to do. */
export type EngineChoice = EngineName | 'auto';

/** A program whose references have been given values: what a back end turns into code. */
export interface ProgramImage {
  readonly id: number;
  readonly spec: ProgramSpec;
  readonly memory: Memory;
  /** Handle of the map that `map_by_idx(index)` names; undefined where there is none. */
  mapHandle(index: number): Address | undefined;
  /** Address of byte `offset` in that map's value; undefined where the map has no direct values or the offset is outside. */
  mapValue(index: number, offset: number): Address | undefined;
  /** Value of the extern variable (address, or the kconfig value's address); undefined where the host has none. */
  extern(index: number): bigint | undefined;
  /** The kfunc of that extern, with the same row form as a helper; undefined where the host has none. */
  kfunc(index: number): HelperRow | undefined;
  helper(number: number): HelperRow | undefined;
  /** Of the program's context, where it is known. */
  readonly layout?: ContextLayout | undefined;
  /** Instructions that one run may execute where nobody says another number. */
  readonly budget?: number;
  /**
   * What was proven of the program; undefined where nothing was, and `proof` itself is absent where nobody asks. Proving takes
   * time: `if-known` gives only what was found before.
   */
  proof?(wanted: 'now' | 'if-known'): Proof | undefined;
  /** Made by the back end at first use. */
  code: Code | undefined;
  /** The back end that made `code`, where it was chosen for this program. */
  backend?: EngineChoice;
}

/** What a verdict allows a back end to leave out: the checks of all accesses but these. */
export interface Proof {
  /** Slots of instructions whose addresses nobody knows: accesses to kernel objects, which Linux lets pass and a fault ends. */
  readonly checkedAt: ReadonlySet<number>;
  /**
   * The program reads bytes of its stack that it has not written, as Linux allows: they have to be zeroed, or a run would see what
   * another left.
   */
  readonly readsUnwritten: boolean;
}

/** What helpers see of a program that runs. */
export const identityOf = ({ id, spec: { name, type, attachType } }: ProgramImage): HelperEnv['program'] => ({
  id,
  name,
  type,
  attachType,
});

/** MAX_TAIL_CALL_CNT (include/linux/bpf.h), the same on Windows. */
export const MAX_TAIL_CALLS = 33;

/** One run: what helpers see, plus what the back end itself reads and sets. */
export interface Invocation extends HelperEnv {
  /** Instructions that may still be executed; the back end counts it down and aborts at 0 (run/budget). */
  budget: number;
  /** The program that runs now; a back end that goes on with another by itself says so here before a helper runs. */
  program: HelperEnv['program'];
  /** Tail calls that this run has made, by `tailCall` or by the back end itself; at most MAX_TAIL_CALLS. */
  tailCalls: number;
  /** Set by `tailCall`: the program to go on with. The back end takes it (sets undefined) after the helper returned. */
  tail: ProgramImage | undefined;
  /** Set by the back end before the first instruction: runs a callback. */
  call: (callback: bigint, ...args: readonly bigint[]) => bigint;
}

/** Loaded code. Aborts as AnyBpfError with a `run/...` code and the place (program, insn, source). */
export interface Code {
  /** What runs the program: with `auto`, at this time. */
  readonly engine: EngineName;
  /** Bytes of what was made of the program; absent where it is interpreted. */
  readonly size?: number | undefined;
  /** So many runs are about to follow, one by one: for back ends that choose by the work to expect. */
  expect?(runs: number): void;
  /** Runs with r1 and r2 as given and a fresh stack; gives r0. Not re-entrant but through `Invocation.call`. */
  run(invocation: Invocation, r1: bigint, r2?: bigint): bigint;
  /**
   * As `run`, with and for the lower 32 bits only: the lean path of replay loops, where the back end has one. What is left of
   * the budget is then not told by every back end.
   */
  run32?(invocation: Invocation, r1: number): number;
  /** Runs once for each context of a batch, in one call, where the back end can. Fills `results`. */
  runBatch?(invocation: Invocation, batch: CodeBatch): void;
  /**
   * The code's entry without the host, where it has one: a function that takes r1 and gives the lower 32 bits of r0, signed. The
   * run begins for the host at the first call to it, if there is one: with `run.begin`, and on behalf of `run.invocation`. It has
   * the image's budget. What it throws, `explain` makes a finding. A later call of `entry` takes the place of this one.
   */
  entry?(run: EnteredRun): ((r1: number) => number) | undefined;
  /** The finding behind what an entry threw; anything else as it is. */
  explain?(error: unknown): unknown;
  /** Whether the last run through an entry has called the host. */
  readonly enteredHost?: boolean;
  dispose(): void;
}

/** The host's side of runs through Code.entry. */
export interface EnteredRun {
  readonly invocation: Invocation;
  begin(r1: Address): void;
}

/** Contexts to run one after the other. */
export interface CodeBatch {
  /** Address of `count` u32 context addresses. */
  readonly contexts: Address;
  /** Address of room for `count` u32 results: the lower 32 bits of each r0. */
  readonly results: Address;
  readonly count: number;
  /** Called before a helper runs for the context with this index, when it is not the one of the last call. */
  select(index: number): void;
}

export interface CodeOptions {
  /**
   * All programs of the memory were verified elsewhere: accesses are not checked against the memory's regions, whatever
   * `ProgramImage.proof` says. They stay confined to the linear memory. Back ends that always check may ignore it.
   */
  readonly trusted?: boolean;
  /** Gives the code of a program that a tail call goes on with, of the same engine; else it is the image's, made at first use. */
  readonly codeOf?: (image: ProgramImage) => Code;
}

export interface Backend {
  readonly name: EngineChoice;
  /**
   * @throws AnyBpfError for code that cannot be decoded, jumps outside, or names a map or extern that is missing. A helper or
   * kfunc that is missing aborts the run that calls it: Linux accepts such calls in code that is never reached (CO-RE guards).
   */
  load(image: ProgramImage, options?: CodeOptions): Code;
  /** What `load` makes of a program, for a person to look at (WebAssembly); absent where it is interpreted. */
  emit?(image: ProgramImage, options?: CodeOptions): Uint8Array;
}
