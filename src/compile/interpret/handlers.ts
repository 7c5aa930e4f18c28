// The WebAssembly of the interpreter: a loop around a jump table with a handler for each op, from the rows of lower.ts.
import { FORMATS, OPS, type OpName, type Width } from '../../isa/opcodes.ts';
import { type Access, type Control, condition, lower, type Site } from '../lower.ts';
import { Emitter } from '../wasm/emitter.ts';
import { I32, I64, VOID } from '../wasm/encoding.ts';
import { MAX_FRAMES, MAY_GOTO_LIMIT, STACK_SIZE } from '../limits.ts';
import { MAX_TAIL_CALLS } from '../../spec/backend.ts';
import { ModuleBuilder, type Signature } from '../wasm/module.ts';
import { EXTRA_HANDLERS, type ExtraHandler, INSN_HANDLERS, type InsnHandler, SEQUENCES } from './handler-names.ts';
import {
  GRANULE_BITS,
  GRANULE_HASH,
  RANGE_BITS,
  RECORD,
  RECORD_SIZE,
  SAVE,
  SAVE_SIZE,
  STATE,
  STOP,
  type Stop,
  WINDOW,
  WINDOW_SIZE,
} from './layout.ts';

/** The exports of the module, besides `find` (FIND_CODE). All addresses are of the memory that it is given. */
export interface InterpreterExports {
  /** Goes on at a record with a share of the budget, and says why it stopped; the rest is in the state. */
  run(state: number, record: number, fuel: number): Stop;
  /** Begins a run: registers zero but r1 and r2, no function on the stack, as many tail calls and may_gotos as there may be. */
  start(state: number, record: number, fuel: number, r1: number, r2: number): Stop;
  /**
   * Begins a run for each context from `first` on and puts the lower half of its r0 into `results`; ends where one stops, with its
   * index in the state, or after the last, with STOP.DONE.
   */
  batch(
    state: number,
    record: number,
    fuel: number,
    contexts: number,
    results: number,
    first: number,
    count: number,
  ): Stop;
}

/** The state, a record, the address and size of an access, READ or WRITE: whether the record's window has it now. */
export const FIND_CODE: Signature = { params: [I32, I32, I64, I64, I32], results: [I32] };

/** Type of the functions that calls of helpers become: given the record of the call, the record to go on at, or 0 for the host. */
export const HELPER_CODE: Signature = { params: [I32], results: [I32] };

/** By whether the memory is this thread's only. */
const compiled = new Map<boolean, WebAssembly.Module>();

/** One module for all memories of the process, so that what the runtime has optimised serves each of them. */
export function interpreterModule(exclusive: boolean): WebAssembly.Module {
  let module = compiled.get(exclusive);
  if (module === undefined) {
    module = new WebAssembly.Module(interpreterBytes(exclusive));
    compiled.set(exclusive, module);
  }
  return module;
}

function interpreterBytes(exclusive: boolean): Uint8Array<ArrayBuffer> {
  const builder = new ModuleBuilder();
  if (exclusive) builder.importMemory('env', 'memory');
  else builder.importSharedMemory('env', 'memory');
  builder.importTable('env', 'table');
  const find = builder.declare(FIND_CODE);
  builder.define(find, findBody());
  builder.export('find', find);
  const run = builder.declare({ params: [I32, I32, I32], results: [I32] });
  builder.define(run, new LoopEmitter(exclusive, find, builder.type(HELPER_CODE)).emit());
  builder.export('run', run);
  const start = builder.declare({ params: [I32, I32, I32, I32, I32], results: [I32] });
  builder.define(start, startBody(run));
  builder.export('start', start);
  const batch = builder.declare({ params: [I32, I32, I32, I32, I32, I32, I32], results: [I32] });
  builder.define(batch, batchBody(start));
  builder.export('batch', batch);
  return builder.finish();
}

const cell = (register: number): number => STATE.REGISTERS + 8 * register;

function startBody(run: number): Emitter {
  const e = new Emitter(5);
  const [state, record, fuel, r1, r2] = [0, 1, 2, 3, 4];
  for (const register of [0, 3, 4, 5, 6, 7, 8, 9]) e.get(state).i64Small(0).memory('i64.store', cell(register));
  e.get(state).get(r1).op('i64.extend_i32_u').memory('i64.store', cell(1));
  e.get(state).get(r2).op('i64.extend_i32_u').memory('i64.store', cell(2));
  e.get(state).get(state).i32(STATE.SAVES).op('i32.add').memory('i32.store', STATE.SAVE);
  e.get(state).i32(MAY_GOTO_LIMIT).memory('i32.store', STATE.MAY_GOTO);
  e.get(state).i32(MAX_TAIL_CALLS).memory('i32.store', STATE.TAILS);
  e.get(state).get(r1).memory('i32.store', STATE.CTX);
  return e.get(state).get(record).get(fuel).call(run).op('end');
}

function batchBody(start: number): Emitter {
  const e = new Emitter(7);
  const [state, record, fuel, contexts, results, index, count] = [0, 1, 2, 3, 4, 5, 6];
  const stop = e.local(I32);
  const at = (base: number): Emitter => e.get(base).get(index).i32(2).op('i32.shl').op('i32.add');
  e.block(VOID).loop(VOID).get(index).get(count).op('i32.ge_u').brIf(1);
  e.get(state).get(record).get(fuel);
  at(contexts).memory('i32.load').i32(0).call(start).tee(stop).i32(STOP.DONE).op('i32.ne').if(VOID);
  e.get(state).get(index).memory('i32.store', STATE.INDEX).get(stop).op('return').op('end');
  at(results).get(state).memory('i32.load', cell(0)).memory('i32.store');
  e.get(index).i32(1).op('i32.add').set(index).br(0).op('end').op('end');
  return e.i32(STOP.DONE).op('end');
}

interface WindowAccess {
  /** Locals: the address (i64), the window (i32), and one for how far behind its start the access begins (i64). */
  readonly pointer: number;
  readonly window: number;
  readonly distance: number;
  /** Leaves how many bytes the window has, less the size of the access. */
  pushRest(): void;
}

/** Leaves whether an access is not in a window (layout.ts: WINDOW says what is). */
function outside(e: Emitter, { pointer, window, distance, pushRest }: WindowAccess): void {
  e.get(pointer).get(window).memory('i64.load32_u', WINDOW.FROM).op('i64.sub').tee(distance);
  pushRest();
  e.get(distance).op('i64.sub').op('i64.or').i64Small(0).op('i64.lt_s');
}

/**
 * Looks for a window that has an access which the instruction's last one has not: the frame of the function that runs, or those of
 * the address. Keeps it for the instruction; 0 where there is none.
 */
function findBody(): Emitter {
  const e = new Emitter(FIND_CODE.params.length);
  const [state, record, pointer, size, field] = [0, 1, 2, 3, 4];
  const window = e.local(I32);
  const distance = e.local(I64);
  const pushRest = (): void => {
    e.get(window).get(field).op('i32.add').memory('i64.load32_u').get(size).op('i64.sub');
  };
  const tryWindow = (): void => {
    e.set(window);
    outside(e, { pointer, window, distance, pushRest });
    e.op('i32.eqz').if(VOID);
    e.get(record).get(window).memory('i32.store', RECORD.WINDOW).i32(1).op('return').op('end');
  };
  e.get(state).memory('i32.load', STATE.SAVE).memory('i32.load', SAVE.WINDOW);
  tryWindow();
  for (const bits of Object.values(GRANULE_BITS)) {
    e.get(pointer).op('i32.wrap_i64').i32(bits).op('i32.shr_u').i32(GRANULE_HASH).op('i32.mul');
    e.i32(32 - RANGE_BITS)
      .op('i32.shr_u')
      .i32(WINDOW_SIZE)
      .op('i32.mul')
      .get(state)
      .op('i32.add');
    e.i32(STATE.WINDOWS + WINDOW_SIZE * (MAX_FRAMES + 1)).op('i32.add');
    tryWindow();
  }
  return e.i32(0).op('end');
}

const STATE_LOCAL = 0;
const PC = 1;
const FUEL = 2;

/** The loop, and the site of one handler after the other: operands come from the record at PC. */
class LoopEmitter implements Site {
  readonly e = new Emitter(3);
  readonly imm = undefined;
  readonly exclusive: boolean;
  readonly #stop = this.e.local(I32);
  readonly #temps = new Map<string, number>();
  /** Depths of the loop and of the block around it. */
  #loopDepth = 0;
  #stopDepth = 0;
  #op: OpName = 'exit';
  /** The access needs no check. */
  #free = false;
  readonly #find: number;
  readonly #helperCode: number;

  /** @param find index of the function that looks for windows @param helperCode type index of HELPER_CODE */
  constructor(exclusive: boolean, find: number, helperCode: number) {
    this.exclusive = exclusive;
    this.#find = find;
    this.#helperCode = helperCode;
  }

  emit(): Emitter {
    const { e } = this;
    e.block(VOID);
    this.#stopDepth = e.depth;
    e.loop(VOID);
    this.#loopDepth = e.depth;
    this.#spend();
    const handlers = [
      ...EXTRA_HANDLERS.map((name) => () => this.#extra(name)),
      ...[...INSN_HANDLERS.map((name) => [name]), ...SEQUENCES].map((names) => () => this.#sequence(names)),
    ];
    handlers.forEach(() => e.block(VOID));
    e.get(PC)
      .memory('i32.load', RECORD.HANDLER)
      .brTable(
        handlers.map((_, i) => i),
        0,
      );
    for (const handler of handlers) {
      e.op('end');
      handler();
    }
    e.op('end').op('end');
    e.get(STATE_LOCAL).get(PC).memory('i32.store', STATE.PC);
    e.get(STATE_LOCAL).get(FUEL).memory('i32.store', STATE.FUEL);
    return e.get(this.#stop).op('end');
  }

  #extra(name: ExtraHandler): void {
    switch (name) {
      case 'enter':
        return this.#call();
      case 'done':
        // No instruction of the program, which is why it costs nothing.
        this.e.get(FUEL).i32(1).op('i32.add').set(FUEL);
        return this.#stopFor(STOP.DONE);
      case 'fell_off':
        return this.#stopFor(STOP.FELL_OFF);
      case 'intrinsic':
        return this.#helper();
    }
  }

  /** One instruction after the other; each is counted, and stops or jumps, as if it had a handler of its own. */
  #sequence(names: readonly InsnHandler[]): void {
    names.forEach((name, i) => {
      if (i > 0) this.#spend();
      const [op, free] = name.split('@');
      this.#op = op as OpName;
      this.#free = free !== undefined;
      lower(this, this.#op);
      this.e.get(PC).i32(RECORD_SIZE).op('i32.add').set(PC);
    });
    this.#next();
  }

  /** Counts the instruction at PC, or stops before it. */
  #spend(): void {
    const { e } = this;
    e.get(FUEL).op('i32.eqz').if(VOID);
    this.#stopFor(STOP.BUDGET);
    e.op('end').get(FUEL).i32(1).op('i32.sub').set(FUEL);
  }

  #next(): void {
    this.e.br(this.e.depth - this.#loopDepth);
  }

  #stopFor(why: Stop): void {
    const { e } = this;
    e.i32(why)
      .set(this.#stop)
      .br(e.depth - this.#stopDepth);
  }

  /** A call of a helper that has become code. */
  #helper(): void {
    const { e } = this;
    const next = this.temp(I32, 0);
    e.get(PC).get(PC).memory('i32.load', RECORD.CODE).callIndirect(this.#helperCode).tee(next).op('i32.eqz').if(VOID);
    this.#stopFor(STOP.HELPER);
    e.op('end').get(next).set(PC);
    this.#next();
  }

  // Operands

  #cell(field: 'dst' | 'src'): Emitter {
    return this.e.get(PC).memory('i32.load', field === 'dst' ? RECORD.DST : RECORD.SRC);
  }

  #set(field: 'dst' | 'src'): void {
    const value = this.temp(I64, 8);
    this.e.set(value);
    this.#cell(field).get(value).memory('i64.store');
  }

  get #usesRegister(): boolean {
    return (FORMATS[OPS[this.#op].format].fields as readonly string[]).includes('src');
  }

  second64(): void {
    if (this.#usesRegister) this.src64();
    else this.e.get(PC).memory('i64.load', RECORD.IMM);
  }

  second32(): void {
    if (this.#usesRegister) this.src32();
    else this.e.get(PC).memory('i32.load', RECORD.IMM);
  }

  dst64(): void {
    this.#cell('dst').memory('i64.load');
  }

  dst32(): void {
    this.#cell('dst').memory('i32.load');
  }

  src64(): void {
    this.#cell('src').memory('i64.load');
  }

  src32(): void {
    this.#cell('src').memory('i32.load');
  }

  setDst(): void {
    this.#set('dst');
  }

  setSrc(): void {
    this.#set('src');
  }

  r0(): void {
    this.e.get(STATE_LOCAL).memory('i64.load', cell(0));
  }

  setR0(): void {
    const value = this.temp(I64, 8);
    this.e.set(value).get(STATE_LOCAL).get(value).memory('i64.store', cell(0));
  }

  storeValue(_width: Width): void {
    this.e.get(PC).memory('i64.load', RECORD.IMM);
  }

  temp(type: typeof I32 | typeof I64, number: number): number {
    const key = `${type}:${number}`;
    const known = this.#temps.get(key);
    if (known !== undefined) return known;
    const local = this.e.local(type);
    this.#temps.set(key, local);
    return local;
  }

  address(base: 'dst' | 'src', size: number, access: Access): number {
    const { e } = this;
    if (this.#free) {
      this.#cell(base).memory('i32.load').get(PC).memory('i32.load', RECORD.OFF).op('i32.add');
      return 0;
    }
    const pointer = this.temp(I64, 9);
    const distance = this.temp(I64, 7);
    const window = this.temp(I32, 9);
    const field = access === 'read' ? WINDOW.READ : WINDOW.WRITE;
    this.#cell(base).memory('i64.load').get(PC).memory('i64.load32_s', RECORD.OFF).op('i64.add').set(pointer);
    e.get(PC).memory('i32.load', RECORD.WINDOW).set(window);
    const pushRest = (): void => {
      e.get(window).memory('i64.load32_u', field).i64Small(size).op('i64.sub');
    };
    outside(e, { pointer, window, distance, pushRest });
    e.if(VOID).get(STATE_LOCAL).get(PC).get(pointer).i64Small(size).i32(field).call(this.#find).op('i32.eqz').if(VOID);
    this.#stopFor(STOP.WINDOW);
    e.op('end').op('end');
    if (access === 'atomic' && size > 1) {
      e.get(pointer)
        .i64Small(size - 1)
        .op('i64.and')
        .op('i64.eqz')
        .op('i32.eqz')
        .if(VOID);
      this.#stopFor(STOP.MISALIGNED);
      e.op('end');
    }
    e.get(pointer).op('i32.wrap_i64');
    return 0;
  }

  // Control

  readonly control: Control = {
    goto: () => this.#goto(),
    gotol: () => this.#goto(),
    branch: () => {
      condition(this, this.#op);
      this.e.if(VOID);
      this.#goto();
      this.e.op('end');
    },
    may_goto: () => {
      const { e } = this;
      const left = this.temp(I32, 0);
      e.get(STATE_LOCAL).get(STATE_LOCAL).memory('i32.load', STATE.MAY_GOTO).i32(1).op('i32.sub').tee(left);
      e.memory('i32.store', STATE.MAY_GOTO).get(left).i32(0).op('i32.lt_s').if(VOID);
      this.#goto();
      e.op('end');
    },
    exit: () => this.#exit(),
    ld_imm64: () => this.#loadImmediate(),
    ld_pseudo: () => this.#loadImmediate(),
    ld_pseudo_off: () => this.#loadImmediate(),
    cast: () => this.#stopFor(STOP.NO_ARENA),
    ld_abs: () => this.#stopFor(STOP.PACKET),
    ld_ind: () => this.#stopFor(STOP.PACKET),
    call_local: () => this.#call(),
    call_helper: () => this.#stopFor(STOP.HELPER),
    call_kfunc: () => this.#stopFor(STOP.HELPER),
    callx: () => this.#stopFor(STOP.CALL_REGISTER),
  };

  #loadImmediate(): void {
    this.#cell('dst').get(PC).memory('i64.load', RECORD.IMM).memory('i64.store');
  }

  #goto(): void {
    this.e.get(PC).memory('i32.load', RECORD.TARGET).set(PC);
    this.#next();
  }

  /** Enters the function at TARGET: the next save area and frame, r1 to r5 as they are. */
  #call(): void {
    const { e } = this;
    const save = this.temp(I32, 0);
    const top = this.temp(I32, 1);
    const at = this.temp(I32, 2);
    const last = STATE.SAVES + MAX_FRAMES * SAVE_SIZE;
    e.get(STATE_LOCAL).memory('i32.load', STATE.SAVE).tee(save).get(STATE_LOCAL).op('i32.sub').i32(last);
    e.op('i32.eq').if(VOID);
    this.#stopFor(STOP.CALL_DEPTH);
    e.op('end').get(save).i32(SAVE_SIZE).op('i32.add').set(save);
    e.get(STATE_LOCAL).get(save).memory('i32.store', STATE.SAVE);
    e.get(save).get(PC).i32(RECORD_SIZE).op('i32.add').memory('i32.store', SAVE.RETURN);
    for (let i = 0; i < 4; i++) {
      e.get(save)
        .get(STATE_LOCAL)
        .memory('i64.load', cell(6 + i));
      e.memory('i64.store', SAVE.REGISTERS + 8 * i);
    }
    this.#frameWindow(save, STACK_SIZE);
    e.get(STATE_LOCAL).get(save).memory('i64.load', SAVE.TOP).memory('i64.store', cell(10));
    // Linux leaves what was there; zeros make every run the same.
    e.get(save)
      .memory('i32.load', SAVE.TOP)
      .tee(top)
      .get(PC)
      .memory('i32.load', RECORD.FRAME_USE)
      .op('i32.sub')
      .set(at);
    e.block(VOID).loop(VOID).get(at).get(top).op('i32.ge_u').brIf(1).get(at).i64Small(0).memory('i64.store');
    e.get(at).i32(8).op('i32.add').set(at).br(0).op('end').op('end');
    this.#goto();
  }

  #exit(): void {
    const { e } = this;
    const save = this.temp(I32, 0);
    e.get(STATE_LOCAL).memory('i32.load', STATE.SAVE).tee(save).memory('i32.load', SAVE.RETURN).set(PC);
    this.#frameWindow(save, 0);
    for (let i = 0; i < 4; i++) {
      e.get(STATE_LOCAL)
        .get(save)
        .memory('i64.load', SAVE.REGISTERS + 8 * i);
      e.memory('i64.store', cell(6 + i));
    }
    e.get(save).i32(SAVE_SIZE).op('i32.sub').set(save);
    e.get(STATE_LOCAL).get(save).memory('i32.store', STATE.SAVE);
    e.get(STATE_LOCAL).get(save).memory('i64.load', SAVE.TOP).memory('i64.store', cell(10));
    this.#next();
  }

  /** Opens or closes the frame for accesses through pointers. */
  #frameWindow(save: number, size: number): void {
    const both = BigInt(size) | (BigInt(size) << 32n);
    this.e.get(save).memory('i32.load', SAVE.WINDOW).i64(both).memory('i64.store', WINDOW.READ);
  }
}
