// One call of a helper while it is compiled: what the emitters of intrinsics (intrinsics.ts) have to work with.
import type { Address } from '../../spec/memory.ts';
import type { Dialect } from '../../spec/object.ts';
import type { KnownValue } from '../known-values.ts';
import type { Emitter } from './emitter.ts';
import type { ValueType } from './encoding.ts';
import type { MapConstants } from './map-lookup.ts';
import type { Signature } from './module.ts';
import type { PacketFields } from './packet-bytes.ts';

/** Calls of the program's own functions for a helper that calls back. */
export interface FunctionCalling {
  /** Emits calls: what they spend of the budget counts here too. */
  around(calls: () => void): void;
  /** Puts the base of the frame that they get into a local (i32); stops the run where there is none left. */
  setFrame(local: number): void;
  /** Pops r1 to r5 (i64) and the frame's base (i32), leaves r0: the function at a slot. */
  call(slot: number): void;
}

export interface CallSite {
  readonly e: Emitter;
  /** Arguments have to be checked as the host does before it runs the helper (compile/helper-call.ts). */
  readonly checked: boolean;
  /** The compiler's windows (CONTROL.WINDOWS) are kept as checked code needs them, whether or not this call is checked. */
  readonly windows?: boolean;
  /** Local (i32) of the address of the run's context, where the function has it. */
  readonly ctx?: number | undefined;
  /** Of the program: what convention errors are given in. */
  readonly dialect: Dialect;
  /** No other thread reaches the memory: code may change maps without a lock. */
  readonly exclusive: boolean;
  /** Index of a function that the module has besides the program's: made when its name is first asked for. */
  routine(name: string, signature: Signature, body: () => Emitter): number;
  /** Address of the control block (CONTROL). */
  readonly control: Address;
  /** Address of the word that holds the CPU of the run. */
  readonly cpu: Address;
  /** Where the context that verified code gets says where its packet is, if it does. */
  readonly packet?: PacketFields | undefined;
  /** Local (i64) of a register r0 to r9. */
  register(number: number): number;
  /** A local for intermediate values: always the same one for a type and number, so nothing lasts beyond the call. */
  temp(type: ValueType, number: number): number;
  /** What an argument in r1 to r5 certainly is. */
  known(register: number): KnownValue | undefined;
  /** The map that an argument in r1 or r2 certainly is. */
  map(register: 1 | 2): MapConstants | undefined;
  /**
   * Leaves the address in a register on the stack as an i32. Checked code branches to the label `host()` first where the program
   * may not access that many bytes there (a number, or a local that has it as an i64): the row's check says why.
   */
  pushAddress(
    register: number,
    size: number | { readonly local: number },
    access: 'read' | 'write',
    host: () => number,
  ): void;
  /** Undefined where only the host can call functions. */
  readonly functions?: FunctionCalling;
  /**
   * Leaves the value of the four bytes behind r2 on the stack, an i32, and gives true where they are in a local (`takesWord` of
   * map-lookup.ts); else does nothing. Absent where they never are.
   */
  pushWord?(): boolean;
  /**
   * Local (i32) for whether a lookup finds something, where the next instruction branches on just that. Who asks sets it, and may
   * leave anything in r0 where nothing is found.
   */
  found?(): number | undefined;
  /** Pops r0, an i64. */
  setR0(): void;
  /** Leaves this function for the program whose id `pushId` leaves on the stack. */
  goOn(pushId: () => void): void;
  /**
   * Emits the call in code, with the call of the host beside it: branching to the label that `host()` gives (at the depth where
   * it is asked) hands over to the helper's row, which must find everything as before the call.
   *
   * @param raises whether the row, where it is handed over to, always ends in an error
   */
  orHost(direct: (host: () => number) => void, raises?: boolean): void;
}
