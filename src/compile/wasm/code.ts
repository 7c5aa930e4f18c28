// A compiled program as the run sees it: its entries, and the functions of the host that its code imports.
import { AnyBpfError, fail } from '../../base/diagnostic.ts';
import {
  badAccess,
  badCallTarget,
  badPacketLoad,
  budgetSpent,
  callDepth,
  misalignedAtomic,
  missingHelper,
  missingKfunc,
  noArena,
  trapped,
} from '../../base/messages/execute.ts';
import { U32_MAX, u64 } from '../../base/u64.ts';
import { opRow } from '../../isa/opcodes.ts';
import {
  type Code,
  type CodeBatch,
  type EnteredRun,
  identityOf,
  type Invocation,
  MAX_TAIL_CALLS,
  type ProgramImage,
} from '../../spec/backend.ts';
import type { HelperRow } from '../../spec/helper.ts';
import type { Address } from '../../spec/memory.ts';
import { describeAddress } from '../describe-address.ts';
import { helperCaller, invokeHelper, type Register } from '../helper-call.ts';
import { FRAME_STRIDE, MAX_FRAMES } from '../limits.ts';
import { insnAt, placeOf, slotOfCode, withPlace } from '../load.ts';
import { loadPacket } from '../packet-load.ts';
import { ABORT, type AbortKind, NO_SLOT } from './context.ts';
import { CONTROL, type Machine } from './machine.ts';
import type { HostImportName, ImportedFunction } from './program.ts';

/** The budget is counted in 32 signed bits. */
const MAX_FUEL = 2 ** 31 - 1;

type HostCall = (slot: number, ...registers: Register[]) => number;
type Subprogram = (r1: bigint, r2: bigint, r3: bigint, r4: bigint, r5: bigint, base: number) => bigint;

/** What a program's part of an instance exports (program.ts). */
export interface ProgramExports {
  /** The program itself, as tail calls enter it. */
  readonly main: unknown;
  run(r1: number, r2: number, base: number, fuel: number): bigint;
  run32(r1: number, r2: number, base: number, fuel: number): number;
  /** The entry without the host; only trusted code has it, as nobody looks after its windows. */
  enter?: (r1: number) => number;
  batch(contexts: number, results: number, count: number, fuel: number, base: number): void;
  /** The function at a slot, for callbacks. */
  functionAt(slot: number): unknown;
}

/** A program in an instance of a module, which is made with `imports` and then made known by `link`. */
export class CompiledCode implements Code {
  readonly engine = 'compile';
  readonly size: number;
  /** Its instructions are decoded again where an error needs one: most never are. */
  readonly #image: ProgramImage;
  readonly #identity: Invocation['program'];
  /** Code of a program that a tail call goes on with. */
  readonly #load: (image: ProgramImage) => Code;
  #disconnect!: () => void;
  #enteredAt: Address | undefined;
  #machine!: Machine;
  #exports!: ProgramExports;
  #run32!: ProgramExports['run32'];
  #batch!: ProgramExports['batch'];
  /** Where each instruction's code begins in the module, ascending: offset, slot (or NO_SLOT), offset, ... */
  #offsets: ArrayLike<number> = [];

  /** @param size bytes of its module, which may hold others too */
  constructor(image: ProgramImage, load: (image: ProgramImage) => Code, size: number) {
    this.size = size;
    this.#image = image;
    this.#identity = identityOf(image);
    this.#load = load;
  }

  /** The functions that the program's code imports, by name. */
  imports(wanted: readonly ImportedFunction[]): Record<string, (...args: never[]) => unknown> {
    return Object.fromEntries(
      wanted.map((item) => [item.name, item.row === undefined ? this.#host[item.name] : this.#hostCall(item.row)]),
    );
  }

  readonly #host: { readonly [N in HostImportName]: (...args: never[]) => unknown } = {
    abort: (kind: AbortKind, slot: number, detail: number) => this.#abort(kind, slot, detail),
    admit: (slot: number, register: number, address: number, size: number, write: number) =>
      this.#admit(slot, register, address >>> 0, size, write !== 0),
    asks: (register: number, address: number, size: number, write: number) =>
      this.#machine.admit(register, address >>> 0, size >>> 0, write !== 0) ? 1 : 0,
    refuse: (slot: number, address: bigint, size: number, write: number) =>
      this.#refuse(slot, u64(address), size, write === 0 ? 'read' : 'write'),
    leave: () => this.#machine.discardRecord(),
    packet: (slot: number, r6: bigint, offset: number, size: number) => this.#loadPacket(slot, r6, offset, size),
    callx: (slot: number, target: bigint, ...rest: unknown[]) => this.#callRegister(slot, target, rest),
  };

  /**
   * From here on it can run, and other programs can go on with it.
   *
   * @param enteredAt where its entry says what came in by it
   * @param disconnect gives back what its imports and entry take
   */
  link(
    machine: Machine,
    exports: ProgramExports,
    offsets: ArrayLike<number>,
    enteredAt?: Address,
    disconnect = (): void => undefined,
  ): void {
    this.#enteredAt = enteredAt;
    this.#disconnect = disconnect;
    this.#machine = machine;
    this.#exports = exports;
    this.#run32 = exports.run32;
    this.#batch = exports.batch;
    this.#offsets = offsets;
    machine.enter(this.#image.id, exports.main);
  }

  run(invocation: Invocation, r1: bigint, r2 = 0n): bigint {
    this.#begin(invocation);
    try {
      return u64(this.#exports.run(Number(r1), Number(r2), this.#machine.topFrame, fuelOf(invocation.budget)));
    } catch (error) {
      throw this.#placed(error);
    } finally {
      this.#end(invocation);
    }
  }

  run32(invocation: Invocation, r1: number): number {
    const machine = this.#machine;
    this.#begin(invocation);
    try {
      return this.#run32(r1, 0, machine.topFrame, fuelOf(invocation.budget)) >>> 0;
    } catch (error) {
      throw this.#placed(error);
    } finally {
      machine.discardRecord();
      machine.invocation = undefined;
    }
  }

  entry(run: EnteredRun): ((r1: number) => number) | undefined {
    const { enter } = this.#exports;
    const machine = this.#machine;
    if (enter === undefined || this.#enteredAt === undefined) return undefined;
    machine.open(this.#image.id, run, this.#enteredAt);
    machine.memory.u32[(machine.control + CONTROL.CPU) >>> 2] = run.invocation.cpu;
    return enter;
  }

  get enteredHost(): boolean {
    return this.#machine.hasSeen(this.#image.id);
  }

  explain(error: unknown): unknown {
    // Nothing has looked yet at what the run has left.
    this.#machine.discardEntered();
    return this.#placed(error);
  }

  runBatch(invocation: Invocation, batch: CodeBatch): void {
    const machine = this.#machine;
    this.#begin(invocation);
    machine.batch = batch;
    machine.selected = -1;
    try {
      this.#batch(batch.contexts, batch.results, batch.count, fuelOf(invocation.budget), machine.topFrame);
    } catch (error) {
      throw this.#placed(error);
    } finally {
      machine.discardRecord();
      machine.batch = undefined;
      machine.invocation = undefined;
    }
  }

  #begin(invocation: Invocation): void {
    const machine = this.#machine;
    machine.invocation = invocation;
    invocation.call = this.#call;
    machine.memory.u32[(machine.control + CONTROL.CPU) >>> 2] = invocation.cpu;
    machine.refreshWindows();
  }

  #end(invocation: Invocation): void {
    const left = this.#machine.read('FUEL') | 0;
    invocation.budget -= fuelOf(invocation.budget) - Math.max(0, left);
    this.#machine.discardRecord();
    this.#machine.invocation = undefined;
  }

  dispose(): void {
    this.#machine.enter(this.#image.id, null);
    this.#disconnect();
  }

  /** Runs a function of this program for a helper: below the frame of the function that called the helper. */
  readonly #call = (callback: bigint, ...args: readonly bigint[]): bigint => {
    const slot = slotOfCode(this.#image, u64(callback));
    const target = slot === undefined ? undefined : (this.#exports.functionAt(slot) as Subprogram | undefined);
    if (target === undefined) return fail(badCallTarget({}, u64(callback)));
    const machine = this.#machine;
    const frame = machine.read('FRAME');
    if (frame - FRAME_STRIDE < machine.stack) fail(callDepth({}, MAX_FRAMES));
    const [r1 = 0n, r2 = 0n, r3 = 0n, r4 = 0n, r5 = 0n] = args;
    const result = target(r1, r2, r3, r4, r5, frame - FRAME_STRIDE);
    machine.write('FRAME', frame);
    return u64(result);
  };

  /** The import for a helper: checks and runs it, and makes a tail call's target ready. */
  #hostCall(row: HelperRow): HostCall {
    const run = helperCaller(row);
    const call = (registers: readonly Register[]): number => {
      const invocation = this.#beforeHelper(row);
      const result = run(invocation, registers);
      this.#afterHelper(invocation);
      if (typeof result === 'number') return result;
      if (result === undefined) return 0;
      this.#machine.result = result as bigint;
      return Number.NaN;
    };
    return (slot, ...registers) => {
      try {
        return call(registers);
      } catch (error) {
        throw withPlace(error, this.#image, slot);
      }
    };
  }

  /** The invocation as a helper is to see it that this program calls now. */
  #beforeHelper({ returns }: HelperRow): Invocation {
    const machine = this.#machine;
    const invocation = machine.running();
    machine.select();
    // A program entered by a tail call runs its own callbacks, under its own name.
    invocation.call = this.#call;
    invocation.program = this.#identity;
    if (returns === 'integerOrNoReturn') {
      invocation.tailCalls = MAX_TAIL_CALLS - machine.read('TAILS');
      // That of an earlier call must not be taken for this one's, should it fail.
      machine.write('TAIL', 0);
    }
    return invocation;
  }

  /** Makes ready what the helper has asked for. */
  #afterHelper(invocation: Invocation): void {
    this.#machine.refreshWindows();
    const image = invocation.tail;
    if (image === undefined) return;
    invocation.tail = undefined;
    if (!(this.#load(image) instanceof CompiledCode)) throw new Error('a tail call into the code of another engine');
    this.#machine.write('TAIL', image.id);
    this.#machine.write('TAILS', MAX_TAIL_CALLS - invocation.tailCalls);
  }

  #callRegister(slot: number, target: bigint, rest: readonly unknown[]): bigint {
    try {
      const args = rest.slice(0, 5) as bigint[];
      const base = rest[5] as number;
      const to = u64(target);
      // What an earlier call has left is not this one's.
      this.#machine.write('TAIL', 0);
      if (slotOfCode(this.#image, to) !== undefined) {
        this.#machine.write('FRAME', base);
        return this.#call(to, ...args);
      }
      const row = to > U32_MAX ? undefined : this.#image.helper(Number(to));
      if (to > U32_MAX) return fail(badCallTarget({}, to));
      if (row === undefined) return fail(missingHelper({}, Number(to), this.#image.spec.type));
      const invocation = this.#beforeHelper(row);
      // It may call back.
      this.#machine.write('FRAME', base);
      const result = invokeHelper(row, invocation, args);
      this.#afterHelper(invocation);
      return result;
    } catch (error) {
      throw withPlace(error, this.#image, slot);
    }
  }

  #loadPacket(slot: number, r6: bigint, offset: number, size: number): bigint {
    try {
      const machine = this.#machine;
      const invocation = machine.running();
      machine.select();
      if (u64(r6) !== BigInt(invocation.ctx)) return fail(badPacketLoad({}, 'r6 does not hold the context'));
      return loadPacket(invocation, offset, size as 1 | 2 | 4) ?? -1n;
    } catch (error) {
      throw withPlace(error, this.#image, slot);
    }
  }

  /** Answers checked code that asks about an access; raises where the program may not do it. */
  #admit(slot: number, register: number, address: number, size: number, write: boolean): void {
    if (this.#machine.admit(register, address, size, write) && !this.#misaligned(slot, address, size)) return;
    this.#refuse(slot, BigInt(address >>> 0), size, write ? 'write' : 'read');
  }

  /** Only atomic operations need an address that is a multiple of their size. */
  #misaligned(slot: number, address: number, size: number): boolean {
    if (address % size === 0) return false;
    const { format } = opRow(insnAt(this.#image, slot)?.op ?? 'exit');
    return format.startsWith('atomic') || format === 'cmpxchg' || format === 'store_release';
  }

  #refuse(slot: number, address: bigint, size: number, access: 'read' | 'write'): void {
    const place = placeOf(this.#image, slot);
    const { memory } = this.#machine;
    // As the other engines: what may not be accessed at all is not called misaligned.
    if (
      address <= U32_MAX &&
      this.#misaligned(slot, Number(address), size) &&
      memory.accessible(Number(address), size, access === 'write')
    ) {
      fail(misalignedAtomic(place, size, address));
    }
    fail(badAccess(place, access, size, address, describeAddress(memory, address, size, access)));
  }

  #abort(kind: AbortKind, slot: number, detail: number): void {
    const place = placeOf(this.#image, slot);
    switch (kind) {
      case ABORT.BUDGET:
        this.#machine.write('FUEL', 0);
        return fail(budgetSpent(place));
      case ABORT.CALL_DEPTH:
        return fail(callDepth(place, MAX_FRAMES));
      case ABORT.MISSING_HELPER:
        return fail(missingHelper(place, detail, this.#image.spec.type));
      case ABORT.MISSING_KFUNC:
        return fail(missingKfunc(place, detail));
      case ABORT.NO_ARENA:
        return fail(noArena(place));
    }
  }

  /** A trap as a typed abort: with its instruction where the runtime's stack trace tells the offset in the module. */
  #placed(error: unknown): unknown {
    if (error instanceof AnyBpfError) return error;
    if (!(error instanceof WebAssembly.RuntimeError) && !(error instanceof RangeError)) return error;
    // The innermost function of the program: a routine of the module may lie between.
    const slot = [...(error.stack ?? '').matchAll(/wasm-function\[\d+\]:0x([0-9a-f]+)/g)]
      .map(([, offset]) => this.#slotAt(Number.parseInt(offset, 16)))
      .find((found) => found !== undefined);
    const image = this.#image;
    const place = slot === undefined ? { program: image.spec.name } : placeOf(image, slot);
    return new AnyBpfError(trapped(place, error.message), { cause: error });
  }

  #slotAt(offset: number): number | undefined {
    const pairs = this.#offsets;
    let low = 0;
    let high = pairs.length / 2;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (pairs[2 * middle] <= offset) low = middle + 1;
      else high = middle;
    }
    const slot = pairs[2 * low - 1];
    return slot === NO_SLOT ? undefined : slot;
  }
}

/** A budget as compiled code counts it. */
export const fuelOf = (budget: number): number => Math.min(budget, MAX_FUEL);
