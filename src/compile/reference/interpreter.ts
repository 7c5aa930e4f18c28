// The checked interpreter: steps through the reference meaning of each instruction and lets nothing pass unchecked.
import { fail } from '../../base/diagnostic.ts';
import {
  badAccess,
  badCallTarget,
  badPacketLoad,
  budgetSpent,
  callDepth,
  fellOff,
  misalignedAtomic,
  missingHelper,
  missingKfunc,
  noArena,
} from '../../base/messages/execute.ts';
import { U32_MAX } from '../../base/u64.ts';
import { type Insn, slotsOf } from '../../isa/insn.ts';
import type { AccessSize, Machine, Step } from '../../isa/reference.ts';
import type { Code, Invocation, ProgramImage } from '../../spec/backend.ts';
import type { HelperRow } from '../../spec/helper.ts';
import type { Address, Memory, Region } from '../../spec/memory.ts';
import { describeAddress, describeFrameAddress } from '../describe-address.ts';
import { invokeHelper } from '../helper-call.ts';
import { FRAME_STRIDE, MAX_FRAMES, MAY_GOTO_LIMIT, STACK_SIZE } from '../limits.ts';
import { loadPacket } from '../packet-load.ts';
import { type LoadedProgram, withPlace, slotOfCode } from '../load.ts';
import { SharedWords } from './shared-words.ts';

/** A program with the meaning of each instruction beside it, by slot. */
export interface SteppedProgram extends LoadedProgram {
  readonly steps: readonly (Step | undefined)[];
}

/** What a function's exit goes back to. */
export interface CallFrame {
  readonly program: SteppedProgram;
  readonly returnTo: number;
  /** Slot of the call, or of the helper that runs the function. */
  readonly callSite: number;
  /** r6 to r9 of the caller. */
  readonly saved: readonly bigint[];
}

/** Turns the image of a tail call's target into a program of this engine. */
export type Loader = (image: ProgramImage) => SteppedProgram;

/** One program's code with a stack of its own. */
export class InterpretedCode implements Code, Machine {
  readonly engine = 'reference';
  readonly program: SteppedProgram;
  readonly registers = new BigUint64Array(11);
  /** Is told the slot of each instruction before it runs. */
  watch: ((slot: number, program: SteppedProgram) => void) | undefined;
  #memory: Memory;
  /** Where other threads reach the memory. */
  readonly #words: SharedWords | undefined;
  #load: Loader;
  #stack: Address;
  #region: Region;
  // State of a run
  #current: SteppedProgram;
  #slot = 0;
  #next = 0;
  #frames: CallFrame[] = [];
  /** Functions on the stack, 0 between runs. */
  #depth = 0;
  #invocation: Invocation | undefined;
  #ctx = 0n;
  #mayGoto = 0;

  constructor(program: SteppedProgram, load: Loader) {
    const { memory, spec } = program.image;
    this.program = program;
    this.#current = program;
    this.#memory = memory;
    this.#words = memory.shared ? new SharedWords(memory) : undefined;
    this.#load = load;
    const size = MAX_FRAMES * FRAME_STRIDE;
    this.#stack = memory.alloc(size);
    this.#region = memory.addRegion({
      base: this.#stack,
      size,
      kind: 'stack',
      name: `stack of ${spec.name}`,
      writable: true,
      stride: FRAME_STRIDE,
      slot: STACK_SIZE,
    });
  }

  dispose(): void {
    this.#memory.removeRegion(this.#region);
    this.#memory.free(this.#stack);
  }

  run(invocation: Invocation, r1: bigint, r2 = 0n): bigint {
    this.#invocation = invocation;
    this.#current = this.program;
    this.#slot = 0;
    this.#next = 0;
    this.#frames = [];
    this.#depth = 0;
    this.#ctx = r1;
    this.#mayGoto = MAY_GOTO_LIMIT;
    this.registers.fill(0n);
    invocation.call = (callback, ...args) => this.#callback(callback, args);
    try {
      this.#enter(0);
      this.registers[1] = r1;
      this.registers[2] = r2;
      this.#interpret(invocation, 0);
      return this.registers[0];
    } catch (error) {
      throw withPlace(error, this.#current.image, this.#slot);
    } finally {
      this.#invocation = undefined;
      this.#depth = 0;
    }
  }

  /** Runs until the frame above `floor` has exited. */
  #interpret(invocation: Invocation, floor: number): void {
    while (this.#depth > floor) {
      const slot = this.#next;
      const { insns, steps } = this.#current;
      const insn = insns[slot];
      const step = steps[slot];
      if (insn === undefined || step === undefined) fail(fellOff({}));
      this.#slot = slot;
      if (invocation.budget <= 0) fail(budgetSpent({}));
      invocation.budget--;
      this.#next = slot + slotsOf(insn.op);
      this.watch?.(slot, this.#current);
      step(this, insn);
    }
  }

  /** Of the run that is under way. */
  get invocation(): Invocation | undefined {
    return this.#invocation;
  }

  /** The functions on the stack, the running one last. Frame i's r10 lies FRAME_STRIDE below that of the next. */
  get calls(): readonly CallFrame[] {
    return this.#frames;
  }

  // Functions

  #enter(slot: number): void {
    if (this.#depth >= MAX_FRAMES) fail(callDepth({}, MAX_FRAMES));
    const base = this.#stack + this.#depth * FRAME_STRIDE;
    // Linux leaves what was there; zeros make every run the same.
    this.#memory.u8.fill(0, base, base + STACK_SIZE);
    this.#frames.push({
      program: this.#current,
      returnTo: this.#next,
      callSite: this.#slot,
      saved: [this.registers[6], this.registers[7], this.registers[8], this.registers[9]],
    });
    this.#depth++;
    this.registers[10] = BigInt(base + STACK_SIZE);
    this.#next = slot;
  }

  exit(): void {
    const frame = this.#frames.pop();
    if (frame === undefined) throw new Error('exit without a function');
    this.#depth--;
    this.#current = frame.program;
    this.#next = frame.returnTo;
    frame.saved.forEach((value, i) => {
      this.registers[6 + i] = value;
    });
    this.registers[10] -= BigInt(FRAME_STRIDE);
  }

  /** What helpers use to run a function of the program: on the same stack, with up to five arguments. */
  #callback(address: bigint, args: readonly bigint[]): bigint {
    const invocation = this.#running();
    const slot = slotOfCode(this.#current.image, address) ?? fail(badCallTarget({}, address));
    const at = this.#slot;
    const floor = this.#depth;
    this.#enter(slot);
    for (let i = 0; i < 5; i++) this.registers[1 + i] = args[i] ?? 0n;
    this.#interpret(invocation, floor);
    this.#slot = at;
    return this.registers[0];
  }

  #running(): Invocation {
    if (this.#invocation === undefined) throw new Error('no run is under way');
    return this.#invocation;
  }

  jump(offset: number): void {
    this.#next += offset;
  }

  mayGotoSpent(): boolean {
    return this.#mayGoto-- <= 0;
  }

  callLocal(offset: number): void {
    this.#enter(this.#next + offset);
  }

  callHelper(number: number): void {
    const { image } = this.#current;
    this.#invoke(image.helper(number) ?? fail(missingHelper({}, number, image.spec.type)));
  }

  callKfunc(id: number): void {
    this.#invoke(this.#current.image.kfunc(id) ?? fail(missingKfunc({}, id)));
  }

  callRegister(target: bigint): void {
    const slot = slotOfCode(this.#current.image, target);
    if (slot !== undefined) return this.#enter(slot);
    if (target > U32_MAX) fail(badCallTarget({}, target));
    return this.callHelper(Number(target));
  }

  #invoke(row: HelperRow): void {
    const invocation = this.#running();
    const r = this.registers;
    r[0] = invokeHelper(row, invocation, [r[1], r[2], r[3], r[4], r[5]]);
    const image = invocation.tail;
    if (image === undefined) return;
    // The target takes the place of the function that called: same frame, fresh registers.
    invocation.tail = undefined;
    this.#current = this.#load(image);
    this.#next = 0;
    r[1] = this.#ctx;
  }

  // Memory

  load(address: bigint, size: AccessSize): bigint {
    const at = this.#check(address, size, 'read');
    const { view } = this.#memory;
    if (this.#words !== undefined && at % size === 0) return this.#words.load(at, size);
    switch (size) {
      case 1:
        return BigInt(view.getUint8(at));
      case 2:
        return BigInt(view.getUint16(at, true));
      case 4:
        return BigInt(view.getUint32(at, true));
      case 8:
        return view.getBigUint64(at, true);
    }
  }

  store(address: bigint, size: AccessSize, value: bigint): void {
    this.#write(this.#check(address, size, 'write'), size, value);
  }

  atomic(address: bigint, size: AccessSize, update: (old: bigint) => bigint): bigint {
    const at = this.#check(address, size, 'write');
    if (at % size !== 0) fail(misalignedAtomic({}, size, address));
    if (this.#words !== undefined) return this.#words.update(at, size, update);
    const old = this.load(address, size);
    this.#write(at, size, update(old));
    return old;
  }

  #write(at: Address, size: AccessSize, value: bigint): void {
    const { view } = this.#memory;
    if (this.#words !== undefined && at % size === 0) return this.#words.store(at, size, value);
    switch (size) {
      case 1:
        return view.setUint8(at, Number(value));
      case 2:
        return view.setUint16(at, Number(value), true);
      case 4:
        return view.setUint32(at, Number(value), true);
      case 8:
        return view.setBigUint64(at, value, true);
    }
  }

  /** The address, if the program may do this access; else the run is aborted. */
  #check(address: bigint, size: AccessSize, access: 'read' | 'write'): Address {
    if (address <= U32_MAX) {
      const at = Number(address);
      const inDeadFrame = at >= this.#stack + this.#depth * FRAME_STRIDE && at < this.#stack + this.#region.size;
      if (!inDeadFrame && this.#memory.accessible(at, size, access === 'write')) return at;
    }
    return fail(badAccess({}, access, size, address, this.#near(address, size, access)));
  }

  #near(address: bigint, size: number, access: 'read' | 'write'): string {
    const at = Number(address);
    if (address <= U32_MAX && this.#memory.regionAt(at) === this.#region) {
      return describeFrameAddress(at - Number(this.registers[10]));
    }
    return describeAddress(this.#memory, address, size, access);
  }

  loadPacket(offset: number, size: AccessSize): bigint | undefined {
    if (this.registers[6] !== this.#ctx) return fail(badPacketLoad({}, 'r6 does not hold the context'));
    return loadPacket(this.#running(), offset, size as 1 | 2 | 4);
  }

  resolve(insn: Insn): bigint {
    const value = this.#current.constants.get(insn);
    if (value === undefined) throw new Error(`${insn.op} was not resolved when the program was loaded`);
    return value;
  }

  castAddress(): bigint {
    return fail(noArena({}));
  }
}
