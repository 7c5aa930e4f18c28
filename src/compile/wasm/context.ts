// What compiling a function needs of its program and module, and why compiled code stops by itself.
import type { Insn } from '../../isa/insn.ts';
import type { HelperRow } from '../../spec/helper.ts';
import type { Dialect } from '../../spec/object.ts';
import type { Emitter } from './emitter.ts';
import type { GlobalName } from './machine.ts';
import type { MapConstants } from './map-lookup.ts';
import type { Signature } from './module.ts';
import type { PacketFields } from './packet-bytes.ts';

/** Why compiled code stops by itself; the host turns it into the message. */
export const ABORT = {
  BUDGET: 0,
  CALL_DEPTH: 1,
  MISSING_HELPER: 2,
  MISSING_KFUNC: 3,
  NO_ARENA: 4,
} as const;
export type AbortKind = (typeof ABORT)[keyof typeof ABORT];

/** The row of a helper and the index of the import that runs it. */
export interface HelperImport {
  readonly index: number;
  readonly row: HelperRow;
}

/** What a function needs of its program and module. */
export interface FunctionContext {
  readonly insns: readonly (Insn | undefined)[];
  /** Value of a symbolic immediate. */
  constant(insn: Insn): bigint;
  /** Index of the WebAssembly function that stands for the function at a slot. */
  functionAt(slot: number): number;
  /** Undefined where there is none with that number. */
  helper(number: number): HelperImport | undefined;
  /** The map that `map_by_idx(index)` names. */
  map(index: number): MapConstants | undefined;
  kfunc(index: number): HelperImport | undefined;
  readonly imports: {
    readonly abort: number;
    readonly admit: number;
    readonly asks: number;
    readonly refuse: number;
    readonly leave: number;
    readonly packet: number;
    readonly callx: number;
  };
  /** Index of a function that the module has besides the program's: made when its name is first asked for. */
  routine(name: string, signature: Signature, body: () => Emitter): number;
  readonly dialect: Dialect;
  readonly packet: PacketFields | undefined;
  /** No other thread reaches the memory: code may change maps without a lock. */
  readonly exclusive: boolean;
  /** Type index of a program's main function. */
  readonly mainType: number;
  readonly controlBlock: number;
  readonly stackLow: number;
  /** Ask before each access whether the program may do it: for code without a verdict. */
  readonly checked: boolean;
  /** Slots of accesses and calls that are checked all the same. */
  readonly checkedAt: ReadonlySet<number>;
  /** Zero the frame where a function begins: it may be read before it is written. */
  readonly clears: boolean;
  /** Windows are kept as checked code needs them: this code has checks, or may go on with a program that has. */
  readonly windows: boolean;
  /** What the code compiled so far looks at, or lets others look at, of the state of a run. */
  readonly uses: Set<GlobalName>;
}

/** In place of a slot: from this offset on, the code is no instruction's. */
export const NO_SLOT = -1;

/** A compiled body, and where in its code each instruction begins (for the place of a trap). */
export interface CompiledFunction {
  readonly emitter: Emitter;
  /** Ascending pairs: offset in the code, slot. */
  readonly offsets: readonly number[];
  /**
   * A main function that only ends by leaving its outermost block: where the code of that block is, and the locals (i64) that
   * are 0 where it begins, except for r1. Undefined where it may go on with another program, or has a loop: of such, what a call
   * costs is little, and V8 gives registers to the batch's loop that the inner one needs.
   */
  readonly body:
    | { readonly from: number; readonly to: number; readonly r1: number; readonly cleared: readonly number[] }
    | undefined;
}
