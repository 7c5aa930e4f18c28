// The compiler as a back end: a program image becomes a WebAssembly module over the run's linear memory.
import { AnyBpfError, fail } from '../../base/diagnostic.ts';
import {
  badCallTarget,
  badPacketLoad,
  badAccess,
  misalignedAtomic,
  budgetSpent,
  callDepth,
  missingHelper,
  missingKfunc,
  noArena,
  trapped,
} from '../../base/messages/execute.ts';
import { helperMemory, helperPointer } from '../../base/messages/helper.ts';
import { U32_MAX, u64 } from '../../base/u64.ts';
import { functionEntries } from '../../flow/graph.ts';
import { OPS } from '../../isa/opcodes.ts';
import {
  type Backend,
  type Code,
  type CodeBatch,
  type CodeOptions,
  type Invocation,
  MAX_TAIL_CALLS,
  type ProgramImage,
} from '../../spec/backend.ts';
import type { HelperRow } from '../../spec/helper.ts';
import { describeAddress } from '../describe-address.ts';
import { argumentForm, helperCaller, invokeHelper, type Register } from '../helper-call.ts';
import { FRAME_STRIDE, MAX_FRAMES, MAY_GOTO_LIMIT } from '../limits.ts';
import { type LoadedProgram, loadProgram, placeOf, slotOfCode, withPlace } from '../load.ts';
import { loadPacket } from '../packet-load.ts';
import { Emitter } from './emitter.ts';
import { F64, I32, I64, VOID } from './encoding.ts';
import { ABORT, type AbortKind } from './context.ts';
import { compileFunction } from './function.ts';
import { CONTROL, GLOBALS, globalIndex, Machine } from './machine.ts';
import { mapConstants } from './map-lookup.ts';
import { ModuleBuilder, type Signature } from './module.ts';

/** The budget is counted in 32 signed bits. */
const MAX_FUEL = 2 ** 31 - 1;

/** r1 and r2, which hold addresses and sizes, and the base of the frame. */
const MAIN: Signature = { params: [I32, I32, I32], results: [I64] };
const SUBPROGRAM: Signature = { params: [I64, I64, I64, I64, I64, I32], results: [I64] };
/** Slot, register, address, size, whether it writes. */
const ADMIT_CALL: Signature = { params: [I32, I32, I32, I32, I32], results: [] };
/** Slot, address, size, whether it writes. */
const REFUSE_CALL: Signature = { params: [I32, I64, I32, I32], results: [] };
const ABORT_CALL: Signature = { params: [I32, I32, I32], results: [] };
const PACKET_LOAD: Signature = { params: [I32, I64, I32, I32], results: [I64] };
const REGISTER_CALL: Signature = { params: [I32, I64, I64, I64, I64, I64, I64, I32], results: [I64] };

const FORMS = { i32: I32, f64: F64, i64: I64 } as const;

/** Slot, then the arguments in their forms; the result is a number, or NaN where CONTROL.RESULT has it. */
const hostSignature = ({ args }: HelperRow): Signature => ({
  params: [I32, ...args.map((kind) => FORMS[argumentForm(kind)])],
  results: [F64],
});

/** Contexts, results, count, budget, base of the frame. */
const BATCH: Signature = { params: [I32, I32, I32, I32, I32], results: [] };

type HostCall = (slot: number, ...registers: Register[]) => number;
type Subprogram = (r1: bigint, r2: bigint, r3: bigint, r4: bigint, r5: bigint, base: number) => bigint;

/** Compiles to WebAssembly. Needs no verdict: accesses are confined to the linear memory, pointers and calls are checked. */
export const compilerBackend: Backend = {
  name: 'compile',
  load: (image, options = {}) => new CompiledCode(loadProgram(image), options),
};

class CompiledCode implements Code {
  readonly #program: LoadedProgram;
  readonly #options: CodeOptions;
  readonly #machine: Machine;
  readonly #exports: Record<string, Subprogram>;
  readonly #main: (r1: number, r2: number, base: number, fuel: number) => bigint;
  readonly #batch: (contexts: number, results: number, count: number, fuel: number, base: number) => void;
  readonly #main32: (r1: number, r2: number, base: number, fuel: number) => number;
  /** Where each instruction's code begins in the module, ascending: offset, slot, offset, slot, ... */
  readonly #offsets: readonly number[];

  constructor(program: LoadedProgram, options: CodeOptions) {
    this.#program = program;
    this.#options = options;
    const { image } = program;
    this.#machine = Machine.of(image.memory);
    const builder = new ModuleBuilder();
    const env: Record<string, unknown> = {
      memory: (image.memory as unknown as { wasm: WebAssembly.Memory }).wasm,
      table: this.#machine.table,
      abort: (kind: AbortKind, slot: number, detail: number) => this.#abort(kind, slot, detail),
      admit: (slot: number, register: number, address: number, size: number, write: number) =>
        this.#admit(slot, register, address >>> 0, size, write !== 0),
      refuse: (slot: number, address: bigint, size: number, write: number) =>
        this.#refuse(slot, u64(address), size, write === 0 ? 'read' : 'write'),
      packet: (slot: number, r6: bigint, offset: number, size: number) => this.#loadPacket(slot, r6, offset, size),
      callx: (slot: number, target: bigint, ...rest: unknown[]) => this.#callRegister(slot, target, rest),
    };
    builder.importMemory('env', 'memory');
    builder.importTable('env', 'table');
    for (const name of GLOBALS) {
      env[name] = this.#machine.globals[name];
      builder.importGlobal('env', name);
    }
    const imports = {
      abort: builder.importFunction('env', 'abort', ABORT_CALL),
      admit: builder.importFunction('env', 'admit', ADMIT_CALL),
      refuse: builder.importFunction('env', 'refuse', REFUSE_CALL),
      packet: builder.importFunction('env', 'packet', PACKET_LOAD),
      callx: builder.importFunction('env', 'callx', REGISTER_CALL),
    };
    // Imports come first in the index space: every helper that is called, before any function.
    const importRow = (name: string, row: HelperRow | undefined): { index: number; row: HelperRow } | undefined => {
      if (row === undefined) return undefined;
      env[name] = this.#hostCall(row);
      return { index: builder.importFunction('env', name, hostSignature(row)), row };
    };
    const helpers = new Map<number, ReturnType<typeof importRow>>();
    const kfuncs = new Map<number, ReturnType<typeof importRow>>();
    for (const insn of program.insns) {
      if (insn?.op === 'call_helper' && !helpers.has(insn.imm)) {
        helpers.set(insn.imm, importRow(`helper${insn.imm}`, image.helper(insn.imm)));
      }
      if (insn?.op === 'call_kfunc' && !kfuncs.has(insn.imm)) {
        kfuncs.set(insn.imm, importRow(`kfunc${insn.imm}`, image.kfunc(insn.imm)));
      }
    }
    // Slot 0 is compiled a second time where it is also called as a function, which has another signature.
    const called = new Set(functionEntries(program.insns).filter((entry) => entry > 0 || callsItself(program)));
    const main = builder.declare(MAIN);
    const indexOf = new Map([...called].map((entry) => [entry, builder.declare(SUBPROGRAM)]));
    const bodies = [
      { index: main, entry: 0, isMain: true },
      ...[...indexOf].map(([entry, index]) => ({ index, entry, isMain: false })),
    ];
    const compiled = bodies.map(({ index, entry, isMain }) => {
      const result = compileFunction(
        {
          insns: program.insns,
          constant: (insn) => program.constants.get(insn) ?? 0n,
          functionAt: (slot) => indexOf.get(slot) as number,
          helper: (number) => helpers.get(number),
          map: (index) => {
            const handle = image.mapHandle(index);
            return handle === undefined ? undefined : mapConstants(image.memory, handle);
          },
          kfunc: (index) => kfuncs.get(index),
          imports,
          mainType: builder.type(MAIN),
          controlBlock: this.#machine.control,
          stackLow: this.#machine.stack,
          checked: options.trusted !== true,
        },
        entry,
        isMain,
      );
      builder.define(index, result.emitter);
      builder.export(isMain ? 'main' : `f${entry}`, index);
      return { index, offsets: result.offsets };
    });
    for (const [name, results] of [
      ['run', [I64]],
      ['run32', [I32]],
    ] as const) {
      const entry = builder.declare({ params: [I32, I32, I32, I32], results });
      builder.define(entry, entryCode(main, results[0] === I32));
      builder.export(name, entry);
    }
    const batch = builder.declare(BATCH);
    builder.define(batch, batchCode(main));
    builder.export('batch', batch);
    const bytes = builder.finish();
    this.#offsets = compiled.flatMap(({ index, offsets }) => {
      const start = builder.codeOffsets.get(index) as number;
      return offsets.map((value, i) => (i % 2 === 0 ? start + value : value));
    });
    const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env } as WebAssembly.Imports);
    this.#exports = instance.exports as Record<string, Subprogram>;
    this.#main = instance.exports.run as (r1: number, r2: number, base: number, fuel: number) => bigint;
    this.#main32 = instance.exports.run32 as (r1: number, r2: number, base: number, fuel: number) => number;
    this.#batch = instance.exports.batch as (
      contexts: number,
      results: number,
      count: number,
      fuel: number,
      base: number,
    ) => void;
    this.#machine.enter(image.id, instance.exports.main);
  }

  run(invocation: Invocation, r1: bigint, r2 = 0n): bigint {
    this.#begin(invocation);
    try {
      return u64(this.#main(Number(r1), Number(r2), this.#machine.topFrame, fuelOf(invocation)));
    } catch (error) {
      throw this.#placed(error);
    } finally {
      this.#end(invocation);
    }
  }

  run32(invocation: Invocation, r1: number): number {
    this.#begin(invocation);
    try {
      return this.#main32(r1, 0, this.#machine.topFrame, fuelOf(invocation)) >>> 0;
    } catch (error) {
      throw this.#placed(error);
    } finally {
      this.#end(invocation);
    }
  }

  runBatch(invocation: Invocation, batch: CodeBatch): void {
    const machine = this.#machine;
    this.#begin(invocation);
    machine.batch = batch;
    machine.selected = -1;
    try {
      this.#batch(batch.contexts, batch.results, batch.count, fuelOf(invocation), machine.topFrame);
    } catch (error) {
      throw this.#placed(error);
    } finally {
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
    invocation.budget -= fuelOf(invocation) - Math.max(0, left);
    this.#machine.invocation = undefined;
  }

  dispose(): void {
    this.#machine.enter(this.#program.image.id, null);
  }

  /** Runs a function of this program for a helper: below the frame of the function that called the helper. */
  readonly #call = (callback: bigint, ...args: readonly bigint[]): bigint => {
    const slot = slotOfCode(this.#program, u64(callback));
    const target = slot === undefined ? undefined : this.#exports[`f${slot}`];
    if (target === undefined) return fail(badCallTarget({}, u64(callback)));
    const machine = this.#machine;
    const frame = machine.read('FRAME');
    if (frame - FRAME_STRIDE < machine.stack) fail(callDepth({}, MAX_FRAMES));
    const [r1 = 0n, r2 = 0n, r3 = 0n, r4 = 0n, r5 = 0n] = args;
    const result = target(r1, r2, r3, r4, r5, frame - FRAME_STRIDE);
    machine.write('FRAME', frame);
    return u64(result);
  };

  #running(): Invocation {
    const { invocation } = this.#machine;
    if (invocation === undefined) throw new Error('no run is under way');
    return invocation;
  }

  /** The import for a helper: checks and runs it, and makes a tail call's target ready. */
  #hostCall(row: HelperRow): HostCall {
    const { id, spec } = this.#program.image;
    const identity = { id, name: spec.name, type: spec.type };
    const machine = this.#machine;
    const run = helperCaller(row);
    const tailCalls = row.returns === 'integerOrNoReturn';
    const call = (registers: readonly Register[]): number => {
      const invocation = this.#running();
      if (machine.batch !== undefined) machine.select();
      // A program entered by a tail call runs its own callbacks, under its own name.
      invocation.call = this.#call;
      invocation.program = identity;
      if (tailCalls) invocation.tailCalls = MAX_TAIL_CALLS - machine.read('TAILS');
      const result = run(invocation, registers);
      machine.refreshWindows();
      if (invocation.tail !== undefined) this.#takeTail(invocation);
      if (typeof result === 'number') return result;
      if (result === undefined) return 0;
      machine.result = result as bigint;
      return Number.NaN;
    };
    return (slot, ...registers) => {
      try {
        return call(registers);
      } catch (error) {
        throw withPlace(error, this.#program.image, slot);
      }
    };
  }

  #takeTail(invocation: Invocation): void {
    const image = invocation.tail as ProgramImage;
    invocation.tail = undefined;
    image.code ??= compilerBackend.load(image, this.#options);
    if (!(image.code instanceof CompiledCode)) throw new Error('a tail call into the code of another engine');
    this.#machine.write('TAIL', image.id);
    this.#machine.write('TAILS', MAX_TAIL_CALLS - invocation.tailCalls);
  }

  #callRegister(slot: number, target: bigint, rest: readonly unknown[]): bigint {
    try {
      const args = rest.slice(0, 5) as bigint[];
      const base = rest[5] as number;
      const to = u64(target);
      if (slotOfCode(this.#program, to) !== undefined) {
        this.#machine.write('FRAME', base);
        return this.#call(to, ...args);
      }
      const row = to > U32_MAX ? undefined : this.#program.image.helper(Number(to));
      if (to > U32_MAX) return fail(badCallTarget({}, to));
      if (row === undefined) return fail(missingHelper({}, Number(to), this.#program.image.spec.type));
      return invokeHelper(row, this.#running(), args);
    } catch (error) {
      throw withPlace(error, this.#program.image, slot);
    }
  }

  #loadPacket(slot: number, r6: bigint, offset: number, size: number): bigint {
    try {
      const invocation = this.#running();
      if (u64(r6) !== BigInt(invocation.ctx)) return fail(badPacketLoad({}, 'r6 does not hold the context'));
      return loadPacket(invocation, offset, size as 1 | 2 | 4) ?? -1n;
    } catch (error) {
      throw withPlace(error, this.#program.image, slot);
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
    const format = OPS[this.#program.insns[slot]?.op ?? 'exit'].format;
    return format.startsWith('atomic') || format === 'cmpxchg' || format === 'store_release';
  }

  #refuse(slot: number, address: bigint, size: number, access: 'read' | 'write'): void {
    const { image, insns } = this.#program;
    const place = placeOf(image, slot);
    const { memory } = this.#machine;
    const insn = insns[slot];
    if (insn?.op === 'call_helper') {
      // The key of a lookup that needs no host, told as the helper's own check does.
      const name = image.helper(insn.imm)?.name ?? '';
      if (address === 0n || address > U32_MAX) fail(helperPointer(place, name, 2, address));
      fail(helperMemory(place, name, 2, address, size, 'read'));
    }
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
    const place = placeOf(this.#program.image, slot);
    switch (kind) {
      case ABORT.BUDGET:
        this.#machine.write('FUEL', 0);
        return fail(budgetSpent(place));
      case ABORT.CALL_DEPTH:
        return fail(callDepth(place, MAX_FRAMES));
      case ABORT.MISSING_HELPER:
        return fail(missingHelper(place, detail, this.#program.image.spec.type));
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
    const offset = /wasm-function\[\d+\]:0x([0-9a-f]+)/.exec(error.stack ?? '')?.[1];
    const slot = offset === undefined ? undefined : this.#slotAt(Number.parseInt(offset, 16));
    const { image } = this.#program;
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
    return low === 0 ? undefined : pairs[2 * low - 1];
  }
}

/** The state of a run, set anew. */
function beginCode(e: Emitter, fuel: number): void {
  e.get(fuel).setGlobal(globalIndex('FUEL'));
  e.i32(MAX_TAIL_CALLS).setGlobal(globalIndex('TAILS'));
  e.i32(MAY_GOTO_LIMIT).setGlobal(globalIndex('MAY_GOTO'));
  e.i32(0).setGlobal(globalIndex('TAIL'));
}

/** One run from outside: r1, r2, base of the frame, budget. `short` keeps the lower half, so that no BigInt crosses. */
function entryCode(main: number, short: boolean): Emitter {
  const e = new Emitter(4);
  beginCode(e, 3);
  e.get(0).get(1).get(2).call(main);
  if (short) e.op('i32.wrap_i64');
  return e.op('end');
}

/** Runs main once for each context and keeps the lower half of each result. */
function batchCode(main: number): Emitter {
  const [contexts, results, count, fuel, base] = [0, 1, 2, 3, 4];
  const e = new Emitter(5);
  const index = e.local(I32);
  e.block(VOID).get(count).op('i32.eqz').brIf(0).loop(VOID);
  beginCode(e, fuel);
  e.get(index).setGlobal(globalIndex('INDEX'));
  e.get(results).get(contexts).memory('i32.load').i32(0).get(base).call(main).op('i32.wrap_i64').memory('i32.store');
  e.get(contexts).i32(4).op('i32.add').set(contexts).get(results).i32(4).op('i32.add').set(results);
  e.get(index).i32(1).op('i32.add').tee(index).get(count).op('i32.lt_u').brIf(0).op('end').op('end').op('end');
  return e;
}

const fuelOf = (invocation: Invocation): number => Math.min(invocation.budget, MAX_FUEL);

function callsItself({ insns }: LoadedProgram): boolean {
  return insns.some((insn, slot) => {
    const calls = insn?.op === 'call_local' || insn?.op === 'ld_code_addr';
    return calls && slot + 1 + insn.imm === 0;
  });
}
