// The interpreter of one memory: runs records, and does for them what needs the host.
import { AnyBpfError, fail } from '../../base/diagnostic.ts';
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
  trapped,
} from '../../base/messages/execute.ts';
import { U32_MAX } from '../../base/u64.ts';
import type { Insn } from '../../isa/insn.ts';
import { baseOf, OPS } from '../../isa/opcodes.ts';
import { type CodeBatch, type Invocation, MAX_TAIL_CALLS, type Proof } from '../../spec/backend.ts';
import type { ArgKind, HelperRow } from '../../spec/helper.ts';
import type { Address, Memory } from '../../spec/memory.ts';
import { describeAddress, describeFrameAddress } from '../describe-address.ts';
import { invokeHelper } from '../helper-call.ts';
import { type LoadedProgram, placeOf, slotOfCode, withPlace } from '../load.ts';
import { loadPacket } from '../packet-load.ts';
import { FRAME_STRIDE, MAX_FRAMES, STACK_SIZE } from '../limits.ts';
import { handlerNumber } from './handler-names.ts';
import { interpreterModule, type InterpreterExports } from './handlers.ts';
import { RECORD, RECORD_SIZE, STATE, STATE_SIZE, STOP, type Stop } from './layout.ts';
import { HelperTable } from './helper-table.ts';
import { Records } from './records.ts';
import { Windows } from './windows.ts';

/**
 * Instructions between two returns to the host. A runtime that has optimised the loop meanwhile uses the better code from the
 * next entry on, so that one long run does not stay in what was compiled first.
 */
const SHARE = 1 << 16;

/** Arguments that code asks windows about. */
const BYTES: ReadonlySet<ArgKind> = new Set([
  'key',
  'value',
  'valueOrNull',
  'valueOut',
  'mem',
  'memOrNull',
  'memOut',
  'spinLock',
]);

const DONE = handlerNumber('done');
const FELL_OFF = handlerNumber('fell_off');
const INTRINSIC = handlerNumber('intrinsic');

export class Interpreter {
  readonly memory: Memory;
  readonly #state: Address;
  readonly #stack: Address;
  readonly #windows: Windows;
  // Kept here: a lookup in the exports of an instance is slow.
  readonly #runShare: InterpreterExports['run'];
  readonly #start: InterpreterExports['start'];
  readonly #startBatch: InterpreterExports['batch'];
  readonly #helpers: HelperTable;
  /** Sorted by address. */
  readonly #programs: Records[] = [];
  #last: Records | undefined;
  #invocation: Invocation | undefined;
  /** Program that called the helper which is running: the one whose functions it may call. */
  #calling: Records | undefined;

  private constructor(memory: Memory) {
    this.memory = memory;
    this.#state = memory.alloc(STATE_SIZE);
    const size = MAX_FRAMES * FRAME_STRIDE;
    this.#stack = memory.alloc(size);
    const stack = { kind: 'stack', name: 'stack', writable: true, stride: FRAME_STRIDE, slot: STACK_SIZE } as const;
    memory.addRegion({ ...stack, base: this.#stack, size });
    this.#windows = new Windows(memory, this.#state, this.#stack);
    memory.view.setUint32(this.#state + STATE.EXIT + RECORD.HANDLER, handlerNumber('exit'), true);
    this.#helpers = new HelperTable(memory, this.#state);
    const env = { memory: (memory as unknown as { wasm: WebAssembly.Memory }).wasm, table: this.#helpers.table };
    const instance = new WebAssembly.Instance(interpreterModule(!memory.shared), { env });
    const { run, start, batch } = instance.exports as unknown as InterpreterExports;
    this.#runShare = run;
    this.#start = start;
    this.#startBatch = batch;
    this.#helpers.find = instance.exports.find;
  }

  static readonly #interpreters = new WeakMap<Memory, Interpreter>();

  /** The interpreter of a memory. Never given back: it lives as long as the memory. */
  static of(memory: Memory): Interpreter {
    let interpreter = Interpreter.#interpreters.get(memory);
    if (interpreter === undefined) {
      interpreter = new Interpreter(memory);
      Interpreter.#interpreters.set(memory, interpreter);
    }
    return interpreter;
  }

  /** @param recordsOf gives the records of a tail call's target */
  add(program: LoadedProgram, proof: Proof | undefined, recordsOf: Records['recordsOf']): Records {
    const records = new Records(program, this.memory, this.#state, this.#windows.nothing, proof, recordsOf);
    const at = this.#programs.findIndex(({ base }) => base > records.base);
    this.#programs.splice(at === -1 ? this.#programs.length : at, 0, records);
    this.#helpers.setStart(program.image.id, records);
    return records;
  }

  remove(records: Records): void {
    const at = this.#programs.indexOf(records);
    if (at === -1) return;
    this.#programs.splice(at, 1);
    this.#last = undefined;
    this.#helpers.forget(records);
    records.dispose();
  }

  /** Runs a program; r0 is then in the state. */
  run(records: Records, invocation: Invocation, r1: number, r2: number): void {
    this.#begin(invocation);
    const { budget } = invocation;
    try {
      if (budget <= 0) fail(budgetSpent(placeOf(records.program.image, 0)));
      const share = budget < SHARE ? budget : SHARE;
      // The record that enters the program is counted too.
      const stop = this.#start(this.#state, records.base, share + 1, r1, r2);
      // Most runs need nothing of the host.
      if (stop === STOP.DONE) invocation.budget = budget - share + this.#read('FUEL');
      else this.#goOn(invocation, stop, share);
    } catch (error) {
      throw this.#aborted(error, records);
    } finally {
      this.#end();
    }
  }

  /** Runs a program once for each context. */
  runBatch(records: Records, invocation: Invocation, batch: CodeBatch): void {
    this.#begin(invocation);
    const { contexts, results, count } = batch;
    const { budget } = invocation;
    try {
      if (budget <= 0 && count > 0) fail(budgetSpent(placeOf(records.program.image, 0)));
      const share = budget < SHARE ? budget : SHARE;
      for (let next = 0; next < count; next++) {
        const stop = this.#startBatch(this.#state, records.base, share + 1, contexts, results, next, count);
        if (stop === STOP.DONE) break;
        next = this.#read('INDEX');
        // It stands for the first context from the beginning.
        if (next > 0) batch.select(next);
        this.#setCpu(invocation);
        this.#goOn(invocation, stop, share);
        this.memory.u32[(results >>> 2) + next] = this.r0Low;
      }
    } catch (error) {
      throw this.#aborted(error, records);
    } finally {
      this.#end();
    }
  }

  #begin(invocation: Invocation): void {
    if (this.#invocation !== undefined) throw new Error('a run inside of a run');
    this.#invocation = invocation;
    this.#windows.refresh();
    invocation.call = this.#call;
    this.#setCpu(invocation);
  }

  #end(): void {
    this.#invocation = undefined;
    this.#calling = undefined;
  }

  #setCpu({ cpu }: Invocation): void {
    this.memory.u32[(this.#state + STATE.CPU) >>> 2] = cpu;
  }

  /** A trap as a typed abort: of the program that was started, as nothing tells where it was. */
  #aborted(error: unknown, { program }: Records): unknown {
    this.#windows.closeFrames();
    if (!(error instanceof WebAssembly.RuntimeError)) return error;
    return new AnyBpfError(trapped({ program: program.image.spec.name }, error.message), { cause: error });
  }

  get r0(): bigint {
    return this.#register(0);
  }

  get r0Low(): number {
    return this.memory.view.getUint32(this.#cell(0), true);
  }

  #read(field: 'PC' | 'FUEL' | 'INDEX' | 'TAILS'): number {
    return this.memory.u32[(this.#state + STATE[field]) >>> 2];
  }

  #cell(register: number): Address {
    return this.#state + STATE.REGISTERS + 8 * register;
  }

  #register(register: number): bigint {
    return this.memory.view.getBigUint64(this.#cell(register), true);
  }

  #setRegister(register: number, value: bigint): void {
    this.memory.view.setBigUint64(this.#cell(register), value, true);
  }

  #running(): Invocation {
    if (this.#invocation === undefined) throw new Error('no run is under way');
    return this.#invocation;
  }

  /** After a stop: does what was asked for and goes on, until the function that the host called has returned. */
  #goOn(invocation: Invocation, first: Stop, firstShare: number): void {
    let stop = first;
    let share = firstShare;
    for (;;) {
      invocation.budget -= share - this.#read('FUEL');
      const record = this.#read('PC');
      if (stop === STOP.DONE) return;
      let next: Address | undefined;
      try {
        next = this.#serve(invocation, stop, record);
      } catch (error) {
        throw this.#placed(error, record);
      }
      if (next === undefined) return;
      share = Math.min(invocation.budget, SHARE);
      stop = this.#runShare(this.#state, next, share);
    }
  }

  /** The record to go on at; undefined where the function has returned. */
  #serve(invocation: Invocation, stop: Exclude<Stop, typeof STOP.DONE>, record: Address): Address | undefined {
    switch (stop) {
      case STOP.BUDGET:
        return this.#newShare(invocation, record);
      case STOP.WINDOW:
        this.#admit(record);
        // It was counted, and is carried out now.
        invocation.budget++;
        return record;
      case STOP.MISALIGNED: {
        const { address, size } = this.#access(record);
        // What may not be accessed at all is not called misaligned.
        this.#admit(record);
        return fail(misalignedAtomic({}, size, address));
      }
      case STOP.CALL_DEPTH:
        return fail(callDepth({}, MAX_FRAMES));
      case STOP.HELPER: {
        const records = this.#programAt(record);
        return this.#invoke(invocation, records, this.#target(records, record), record);
      }
      case STOP.CALL_REGISTER:
        return this.#callRegister(invocation, record);
      case STOP.PACKET:
        return this.#loadPacket(invocation, record);
      case STOP.NO_ARENA:
        return fail(noArena({}));
      case STOP.FELL_OFF:
        return fail(fellOff({}));
    }
  }

  #newShare(invocation: Invocation, record: Address): Address | undefined {
    if (invocation.budget > 0) return record;
    const handler = this.memory.view.getUint32(record + RECORD.HANDLER, true);
    if (handler === DONE) return undefined;
    return handler === FELL_OFF ? fail(fellOff({})) : fail(budgetSpent({}));
  }

  // Where a record belongs

  #programAt(record: Address): Records {
    const last = this.#last;
    if (last !== undefined && record >= last.base && record < last.end) return last;
    const programs = this.#programs;
    let low = 0;
    let high = programs.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (programs[middle].end <= record) low = middle + 1;
      else high = middle;
    }
    const found = programs[low];
    // Only a program that was wrongly trusted can have led anywhere else.
    if (found === undefined || record < found.base) return fail(trapped({}, 'it left its instructions'));
    this.#last = found;
    return found;
  }

  #insnAt(record: Address): Insn {
    const records = this.#programAt(record);
    const insn = records.program.insns[records.slotAt(record) as number];
    // Records lie in the memory: code that was not verified and is not checked can go anywhere in them.
    return insn ?? fail(trapped({ program: records.program.image.spec.name }, 'it went to where no instruction is'));
  }

  /** The error with the place of the instruction that was under way, where it has none yet. */
  #placed(error: unknown, record: Address): unknown {
    const records = this.#programs.find(({ base, end }) => record >= base && record < end);
    const slot = records?.slotAt(record);
    return records === undefined || slot === undefined ? error : withPlace(error, records.program.image, slot);
  }

  // Memory

  #access(record: Address): { address: bigint; size: number; write: boolean } {
    const insn = this.#insnAt(record);
    const { format, width } = OPS[insn.op];
    const base = baseOf(insn.op) ?? 'dst';
    const address = BigInt.asUintN(64, this.#register(insn[base]) + BigInt(insn.off));
    return { address, size: width / 8, write: format !== 'ldx' && format !== 'load_acquire' };
  }

  #admit(record: Address): void {
    const { address, size, write } = this.#access(record);
    if (address <= U32_MAX && this.#windows.admit(record, Number(address), size, write)) return;
    const access = write ? 'write' : 'read';
    fail(badAccess({}, access, size, address, this.#near(address, size, access)));
  }

  #near(address: bigint, size: number, access: 'read' | 'write'): string {
    const { memory } = this;
    if (address <= U32_MAX && memory.regionAt(Number(address))?.base === this.#stack) {
      return describeFrameAddress(Number(address - this.#register(10)));
    }
    return describeAddress(memory, address, size, access);
  }

  #loadPacket(invocation: Invocation, record: Address): Address {
    const insn = this.#insnAt(record);
    if (this.#register(6) !== BigInt(invocation.ctx)) fail(badPacketLoad({}, 'r6 does not hold the context'));
    const { format, width } = OPS[insn.op];
    const index = format === 'ld_ind' ? this.memory.view.getInt32(this.#cell(insn.src), true) : 0;
    const value = loadPacket(invocation, (index + insn.imm) | 0, (width / 8) as 1 | 2 | 4);
    this.#setRegister(0, value ?? 0n);
    if (value !== undefined) return record + RECORD_SIZE;
    // Past the end of the packet the function ends with 0; that is part of this instruction and costs nothing more.
    invocation.budget++;
    return this.#state + STATE.EXIT;
  }

  // Calls

  #target({ program }: Records, record: Address): HelperRow {
    const { op, imm } = this.#insnAt(record);
    const { image } = program;
    if (op === 'call_kfunc') return image.kfunc(imm) ?? fail(missingKfunc({}, imm));
    return image.helper(imm) ?? fail(missingHelper({}, imm, image.spec.type));
  }

  /** Runs a helper; the record to go on at is the next, or the start of a tail call's target. */
  #invoke(invocation: Invocation, records: Records, row: HelperRow, record: Address): Address {
    this.#calling = records;
    invocation.program = records.identity;
    const tailCalls = row.returns === 'integerOrNoReturn';
    if (tailCalls) invocation.tailCalls = MAX_TAIL_CALLS - this.#read('TAILS');
    const { view } = this.memory;
    const at = this.#cell(1);
    const r0 = invokeHelper(row, invocation, [
      view.getBigUint64(at, true),
      view.getBigUint64(at + 8, true),
      view.getBigUint64(at + 16, true),
      view.getBigUint64(at + 24, true),
      view.getBigUint64(at + 32, true),
    ]);
    this.#setRegister(0, r0);
    this.#windows.refresh();
    if (row.intrinsic !== undefined) this.#served(record, records, row);
    const image = invocation.tail;
    if (image === undefined) return record + RECORD_SIZE;
    // The target takes the place of the function that called: same frame.
    invocation.tail = undefined;
    this.memory.u32[(this.#state + STATE.TAILS) >>> 2] = MAX_TAIL_CALLS - invocation.tailCalls;
    view.setBigUint64(at, BigInt(view.getUint32(this.#state + STATE.CTX, true)), true);
    return records.recordsOf(image).start;
  }

  /** Next time, the call may need no host: as code, and with the windows that its arguments are in. */
  #served(record: Address, records: Records, { args, intrinsic }: HelperRow): void {
    if (intrinsic === undefined) return;
    const handler = this.memory.view.getUint32(record + RECORD.HANDLER, true);
    if (handler !== INTRINSIC) {
      if (!records.asksAt(record)) this.#helpers.count(record, records, intrinsic);
      return;
    }
    if (!records.checked) return;
    args.forEach((kind, i) => {
      const address = this.#register(1 + i);
      if (BYTES.has(kind) && address <= U32_MAX) this.#windows.open(Number(address));
    });
  }

  #callRegister(invocation: Invocation, record: Address): Address | undefined {
    const records = this.#programAt(record);
    const target = this.#register(this.#insnAt(record).dst);
    const slot = slotOfCode(records.program.image, target);
    if (slot !== undefined) {
      this.#callFunction(invocation, records, slot);
      return record + RECORD_SIZE;
    }
    if (target > U32_MAX) fail(badCallTarget({}, target));
    const { image } = records.program;
    const row = image.helper(Number(target)) ?? fail(missingHelper({}, Number(target), image.spec.type));
    return this.#invoke(invocation, records, row, record);
  }

  /** What helpers use to run a function of the program: on the same stack, with up to five arguments. */
  readonly #call = (callback: bigint, ...args: readonly bigint[]): bigint => {
    const records = this.#calling as Records;
    const target = BigInt.asUintN(64, callback);
    const slot = slotOfCode(records.program.image, target) ?? fail(badCallTarget({}, target));
    for (let i = 0; i < 5; i++) this.#setRegister(1 + i, BigInt.asUintN(64, args[i] ?? 0n));
    this.#windows.refresh();
    this.#callFunction(this.#running(), records, slot);
    this.#calling = records;
    return this.r0;
  };

  #callFunction(invocation: Invocation, records: Records, slot: number): void {
    if (invocation.budget <= 0) fail(budgetSpent(placeOf(records.program.image, slot)));
    const share = Math.min(invocation.budget, SHARE);
    const stop = this.#runShare(this.#state, records.entry(slot), share + 1);
    this.#goOn(invocation, stop, share);
  }
}
