// The WebAssembly of the interpreter: a loop around a jump table with a handler for each op, from the rows of lower.ts.
import { FORMATS, OPS, type OpName, type Width } from '../../isa/opcodes.ts';
import { type Access, type Control, condition, LOWER, type Site } from '../lower.ts';
import { Emitter } from '../wasm/emitter.ts';
import { I32, I64, VOID } from '../wasm/encoding.ts';
import { MAX_FRAMES } from '../limits.ts';
import { ModuleBuilder } from '../wasm/module.ts';
import { EXTRA_HANDLERS, type ExtraHandler, INSN_HANDLERS, type InsnHandler, SEQUENCES } from './handler-names.ts';
import { FRAME_LIMITS, RECORD, RECORD_SIZE, SAVE, SAVE_SIZE, STATE, STOP, type Stop, WINDOW } from './layout.ts';

/** The exports of the module. All addresses are of the memory that it is given. */
export interface InterpreterExports {
  /** Goes on at a record with a share of the budget, and says why it stopped; the rest is in the state. */
  run(state: number, record: number, fuel: number): Stop;
  /** Begins a run: registers zero but r1 and r2, no function on the stack, may_goto as often as given. */
  start(state: number, record: number, fuel: number, r1: number, r2: number, mayGoto: number): Stop;
}

let compiled: WebAssembly.Module | undefined;

/** One module for all memories of the process, so that what the runtime has optimised serves each of them. */
export function interpreterModule(): WebAssembly.Module {
  compiled ??= new WebAssembly.Module(interpreterBytes());
  return compiled;
}

function interpreterBytes(): Uint8Array<ArrayBuffer> {
  const builder = new ModuleBuilder();
  builder.importMemory('env', 'memory');
  const run = builder.declare({ params: [I32, I32, I32], results: [I32] });
  builder.define(run, new LoopEmitter().emit());
  builder.export('run', run);
  const start = builder.declare({ params: [I32, I32, I32, I32, I32, I32], results: [I32] });
  builder.define(start, startBody(run));
  builder.export('start', start);
  return builder.finish();
}

const cell = (register: number): number => STATE.REGISTERS + 8 * register;

function startBody(run: number): Emitter {
  const e = new Emitter(6);
  const [state, record, fuel, r1, r2, mayGoto] = [0, 1, 2, 3, 4, 5];
  for (const register of [0, 3, 4, 5, 6, 7, 8, 9]) e.get(state).i64Small(0).memory('i64.store', cell(register));
  e.get(state).get(r1).op('i64.extend_i32_u').memory('i64.store', cell(1));
  e.get(state).get(r2).op('i64.extend_i32_u').memory('i64.store', cell(2));
  e.get(state).get(state).i32(STATE.SAVES).op('i32.add').memory('i32.store', STATE.SAVE);
  e.get(state).get(mayGoto).memory('i32.store', STATE.MAY_GOTO);
  return e.get(state).get(record).get(fuel).call(run).op('end');
}

const STATE_LOCAL = 0;
const PC = 1;
const FUEL = 2;

/** The loop, and the site of one handler after the other: operands come from the record at PC. */
class LoopEmitter implements Site {
  readonly e = new Emitter(3);
  readonly imm = undefined;
  // Memory that is shared between threads has no interpreter yet.
  readonly #stop = this.e.local(I32);
  readonly #temps = new Map<string, number>();
  /** Depths of the loop and of the block around it. */
  #loopDepth = 0;
  #stopDepth = 0;
  #op: OpName = 'exit';
  #inFrame = false;

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
        this.#refund();
        return this.#call();
      case 'done':
        this.#refund();
        return this.#stopFor(STOP.DONE);
      case 'fell_off':
        return this.#stopFor(STOP.FELL_OFF);
    }
  }

  /** One instruction after the other; each is counted, and stops or jumps, as if it had a handler of its own. */
  #sequence(names: readonly InsnHandler[]): void {
    names.forEach((name, i) => {
      if (i > 0) this.#spend();
      const [op, frame] = name.split('@');
      this.#op = op as OpName;
      this.#inFrame = frame !== undefined;
      LOWER[this.#op](this);
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

  /** What is no instruction of the program costs nothing. */
  #refund(): void {
    this.e.get(FUEL).i32(1).op('i32.add').set(FUEL);
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
    if (this.#inFrame) {
      this.#cell(base).memory('i32.load').get(PC).memory('i32.load', RECORD.OFF).op('i32.add');
      return 0;
    }
    const pointer = this.temp(I64, 9);
    const window = this.temp(I32, 9);
    const limits = access === 'read' ? WINDOW.READ : WINDOW.WRITE;
    this.#cell(base).memory('i64.load').get(PC).memory('i64.load32_s', RECORD.OFF).op('i64.add').tee(pointer);
    e.get(PC).memory('i32.load', RECORD.WINDOW).tee(window).memory('i64.load32_u', WINDOW.FROM).op('i64.sub');
    e.get(window).memory('i64.load32_u', limits + 4 * Math.log2(size));
    e.op('i64.ge_u').if(VOID);
    this.#stopFor(STOP.WINDOW);
    e.op('end');
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
    const size = this.temp(I32, 1);
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
    this.#frameWindow(save, FRAME_LIMITS);
    e.get(STATE_LOCAL).get(save).memory('i64.load', SAVE.TOP).memory('i64.store', cell(10));
    // Linux leaves what was there; zeros make every run the same.
    e.get(PC).memory('i32.load', RECORD.FRAME_USE).tee(size).if(VOID);
    e.get(save).memory('i32.load', SAVE.TOP).get(size).op('i32.sub').i32(0).get(size).memoryFill().op('end');
    this.#goto();
  }

  #exit(): void {
    const { e } = this;
    const save = this.temp(I32, 0);
    e.get(STATE_LOCAL).memory('i32.load', STATE.SAVE).tee(save).memory('i32.load', SAVE.RETURN).set(PC);
    this.#frameWindow(save, [0n, 0n]);
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
  #frameWindow(save: number, limits: readonly bigint[]): void {
    const { e } = this;
    for (const part of [WINDOW.READ, WINDOW.WRITE]) {
      limits.forEach((value, i) => {
        e.get(save)
          .memory('i32.load', SAVE.WINDOW)
          .i64(value)
          .memory('i64.store', part + 8 * i);
      });
    }
  }
}
