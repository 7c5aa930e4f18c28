// Compiles one function of a program: structured control flow from the graph, one i64 local a register, the frame by its base.
import { dominance } from '../../flow/dominators.ts';
import { type Block, type FlowGraph, flowGraph } from '../../flow/graph.ts';
import { type Structured, structure } from '../../flow/structure.ts';
import type { Insn } from '../../isa/insn.ts';
import { FORMATS, OPS, type Width } from '../../isa/opcodes.ts';
import type { HelperRow } from '../../spec/helper.ts';
import { HANDLE_ELEMENT } from '../../spec/map-layout.ts';
import { frameUse } from '../frame-use.ts';
import { argumentForm } from '../helper-call.ts';
import { knownMaps } from '../known-maps.ts';
import { FRAME_STRIDE, STACK_SIZE } from '../limits.ts';
import { type Access, type Control, condition, LOWER, type Site } from '../lower.ts';
import { Emitter } from './emitter.ts';
import { F64, I32, I64, type ValueType, VOID } from './encoding.ts';
import { lookupFor, type MapConstants } from './map-lookup.ts';
import { CONTROL, windowOffset } from './machine.ts';

/** Why compiled code stops by itself; the host turns it into the message. */
export const ABORT = {
  BUDGET: 0,
  CALL_DEPTH: 1,
  POINTER: 2,
  MISSING_HELPER: 3,
  MISSING_KFUNC: 4,
  NO_ARENA: 5,
} as const;
export type AbortKind = (typeof ABORT)[keyof typeof ABORT];

/** What a function needs of its program and module. */
export interface FunctionContext {
  readonly insns: readonly (Insn | undefined)[];
  /** Value of a symbolic immediate. */
  constant(insn: Insn): bigint;
  /** Index of the WebAssembly function that stands for the function at a slot. */
  functionAt(slot: number): number;
  /** The row of a helper number and the index of the import that runs it, undefined where there is none. */
  helper(number: number): { readonly index: number; readonly row: HelperRow } | undefined;
  /** The map that `map_by_idx(index)` names. */
  map(index: number): MapConstants | undefined;
  kfunc(index: number): { readonly index: number; readonly row: HelperRow } | undefined;
  readonly imports: {
    readonly abort: number;
    readonly admit: number;
    readonly refuse: number;
    readonly packet: number;
    readonly callx: number;
  };
  /** Type index of a program's main function. */
  readonly mainType: number;
  readonly controlBlock: number;
  readonly stackLow: number;
  /** Ask before each access whether the program may do it: for code without a verdict. */
  readonly checked: boolean;
  readonly atomic: boolean;
}

/** A compiled body, and where in its code each instruction begins (for the place of a trap). */
export interface CompiledFunction {
  readonly emitter: Emitter;
  /** Ascending pairs: offset in the code, slot. */
  readonly offsets: readonly number[];
}

/** Frames up to this many words are cleared by stores; memory.fill costs a call into the runtime. */
const MOST_STORES = 32;

/** Parameters before the frame base: r1 and r2 of a program as addresses, r1 to r5 of a subprogram. */
const parametersOf = (main: boolean): number => (main ? 2 : 5);

/** @param main true for the program itself, false for a function that it calls (which slot 0 may be too) */
export function compileFunction(context: FunctionContext, entry: number, main: boolean): CompiledFunction {
  return new FunctionCompiler(context, entry, main).compile();
}

class FunctionCompiler implements Site {
  readonly e: Emitter;
  readonly atomic: boolean;
  readonly #context: FunctionContext;
  readonly #graph: FlowGraph;
  readonly #main: boolean;
  /** Local of each register r0 to r9. */
  readonly #registers: number[] = [];
  readonly #base: number;
  readonly #temps = new Map<string, number>();
  readonly #offsets: number[] = [];
  readonly #knownMaps: ReturnType<typeof knownMaps>;
  /** Local that counts down the budget, where the function has a loop. */
  #fuel: number | undefined;
  #insn!: Insn;
  #slot = 0;

  constructor(context: FunctionContext, entry: number, main: boolean) {
    this.#context = context;
    this.atomic = context.atomic;
    this.#main = main;
    this.#graph = flowGraph(context.insns, entry);
    this.#knownMaps = knownMaps(context.insns, this.#graph);
    const parameters = parametersOf(this.#main);
    this.#base = parameters;
    this.e = new Emitter(parameters + 1);
    for (let r = 0; r < 10; r++) this.#registers.push(!this.#main && r >= 1 && r <= 5 ? r - 1 : this.e.local(I64));
  }

  compile(): CompiledFunction {
    const { e } = this;
    const dom = dominance(this.#graph);
    if (dom.loopHead.some(Boolean)) this.#fuel = e.local(I32);
    if (this.#main) {
      e.get(0).op('i64.extend_i32_u').set(this.#registers[1]);
      e.get(1).op('i64.extend_i32_u').set(this.#registers[2]);
    }
    this.#clearFrame();
    this.#reloadFuel();
    if (!this.#main) this.#spend(this.#graph.blocks.reduce((sum, block) => sum + block.end - block.start, 0));
    if (dom.reducible) this.#structured(structure(this.#graph, dom));
    else this.#dispatched();
    e.op('unreachable').op('end');
    return { emitter: e, offsets: this.#offsets };
  }

  // Control flow

  #structured(code: readonly Structured[]): void {
    const { e } = this;
    const { blocks } = this.#graph;
    for (const step of code) {
      switch (step.kind) {
        case 'code':
          this.#straight(blocks[step.block]);
          break;
        case 'exit':
          this.#exit(blocks[step.block]);
          break;
        case 'branch':
          if (step.back) this.#spend(this.#loopCost(step.block, step.target));
          e.br(step.label);
          break;
        case 'branch-if':
          this.#condition(blocks[step.block]);
          if (step.negated) e.op('i32.eqz');
          if (!step.back) e.brIf(step.label);
          else {
            e.if(VOID);
            this.#spend(this.#loopCost(step.block, step.target));
            e.br(step.label + 1).op('end');
          }
          break;
        case 'block':
          e.block(VOID);
          this.#structured(step.body);
          e.op('end');
          break;
        case 'loop':
          e.loop(VOID);
          this.#structured(step.body);
          e.op('end');
          break;
        case 'if':
          this.#condition(blocks[step.block]);
          e.if(VOID);
          this.#structured(step.taken);
          e.op('else');
          this.#structured(step.otherwise);
          e.op('end');
          break;
      }
    }
  }

  /** A loop around a jump table: for graphs that no nesting of scopes expresses. */
  #dispatched(): void {
    const { e } = this;
    const { blocks } = this.#graph;
    const next = e.local(I32);
    const go = (from: Block, target: number, outer: number): void => {
      if (target <= from.index) this.#spend(this.#loopCost(from.index, target));
      e.i32(target).set(next).br(outer);
    };
    e.loop(VOID);
    for (let i = 0; i < blocks.length; i++) e.block(VOID);
    e.get(next).brTable(
      blocks.map((_, i) => i),
      0,
    );
    blocks.forEach((block, i) => {
      e.op('end');
      const outer = blocks.length - 1 - i;
      this.#straight(block);
      const { terminator } = block;
      if (terminator.kind === 'exit') this.#exit(block);
      else if (terminator.kind === 'goto') go(block, terminator.target, outer);
      else {
        this.#condition(block);
        e.if(VOID);
        go(block, terminator.taken, outer + 1);
        e.op('end');
        go(block, terminator.otherwise, outer);
      }
    });
    e.op('end');
  }

  /** What going back to a head costs: the instructions between the two, the price of one round of most loops. */
  #loopCost(from: number, head: number): number {
    const { blocks } = this.#graph;
    return Math.max(1, Math.abs(blocks[from].end - blocks[head].start));
  }

  /** The instructions of a block but the one that ends it by leading elsewhere. */
  #straight({ start, end, terminator }: Block): void {
    for (let slot = start; slot < end; slot++) {
      const insn = this.#context.insns[slot];
      if (insn === undefined) continue;
      const { format } = OPS[insn.op];
      const ends =
        format === 'goto' || format === 'gotol' || (terminator.kind === 'branch' && slot === terminator.slot);
      if (ends || format === 'exit') continue;
      this.#at(slot, insn);
      LOWER[insn.op](this);
    }
  }

  #at(slot: number, insn: Insn): void {
    this.#slot = slot;
    this.#insn = insn;
    this.#offsets.push(this.e.code.length, slot);
  }

  #condition(block: Block): void {
    const { terminator } = block;
    if (terminator.kind !== 'branch') throw new Error(`block ${block.index} does not end in a branch`);
    const insn = this.#context.insns[terminator.slot] as Insn;
    this.#at(terminator.slot, insn);
    if (insn.op === 'may_goto') this.control.may_goto(this);
    else condition(this, insn.op);
  }

  #exit(block: Block): void {
    let slot = block.end - 1;
    while (this.#context.insns[slot] === undefined) slot--;
    this.#at(slot, this.#context.insns[slot] as Insn);
    this.control.exit(this);
  }

  // Budget and frame

  #field(field: keyof typeof CONTROL): number {
    return this.#context.controlBlock + CONTROL[field];
  }

  #reloadFuel(): void {
    if (this.#fuel !== undefined) this.e.i32(0).memory('i32.load', this.#field('FUEL')).set(this.#fuel);
  }

  #flushFuel(): void {
    if (this.#fuel !== undefined) this.e.i32(0).get(this.#fuel).memory('i32.store', this.#field('FUEL'));
  }

  /** Counts down; stops the run below zero. */
  #spend(cost: number): void {
    const { e } = this;
    if (this.#fuel !== undefined) e.get(this.#fuel).i32(cost).op('i32.sub').tee(this.#fuel);
    else {
      const left = this.temp(I32, 0);
      e.i32(0).i32(0).memory('i32.load', this.#field('FUEL')).i32(cost).op('i32.sub').tee(left);
      e.memory('i32.store', this.#field('FUEL')).get(left);
    }
    e.i32(0).op('i32.lt_s').if(VOID);
    this.#abort(ABORT.BUDGET, 0);
    e.op('end');
  }

  #abort(kind: AbortKind, detail: number): void {
    this.e.i32(kind).i32(this.#slot).i32(detail).call(this.#context.imports.abort).op('unreachable');
  }

  /** Zeros as far below r10 as the function looks: a run never sees what another left. */
  #clearFrame(): void {
    const { e } = this;
    if (!this.#context.checked) return;
    const size = frameUse(this.#graph.blocks.flatMap(({ start, end }) => this.#context.insns.slice(start, end)));
    if (size > MOST_STORES * 8) {
      e.get(this.#base)
        .i32(STACK_SIZE - size)
        .op('i32.add')
        .i32(0)
        .i32(size)
        .memoryFill();
      return;
    }
    for (let at = -size; at < 0; at += 8)
      e.get(this.#base)
        .i64Small(0)
        .memory('i64.store', STACK_SIZE + at);
  }

  // Operands (Site)

  get imm(): number {
    return this.#insn.imm;
  }

  #push64(register: number): void {
    if (register < 10) this.e.get(this.#registers[register]);
    else this.e.get(this.#base).i32(STACK_SIZE).op('i32.add').op('i64.extend_i32_u');
  }

  #push32(register: number): void {
    if (register < 10) this.e.get(this.#registers[register]).op('i32.wrap_i64');
    else this.e.get(this.#base).i32(STACK_SIZE).op('i32.add');
  }

  get #usesRegister(): boolean {
    return (FORMATS[OPS[this.#insn.op].format].fields as readonly string[]).includes('src');
  }

  second64(): void {
    if (this.#usesRegister) this.#push64(this.#insn.src);
    else this.e.i64Small(this.#insn.imm);
  }

  second32(): void {
    if (this.#usesRegister) this.#push32(this.#insn.src);
    else this.e.i32(this.#insn.imm);
  }

  dst64(): void {
    this.#push64(this.#insn.dst);
  }

  dst32(): void {
    this.#push32(this.#insn.dst);
  }

  src64(): void {
    this.#push64(this.#insn.src);
  }

  src32(): void {
    this.#push32(this.#insn.src);
  }

  setDst(): void {
    this.e.set(this.#registers[this.#insn.dst]);
  }

  setSrc(): void {
    this.e.set(this.#registers[this.#insn.src]);
  }

  r0(): void {
    this.e.get(this.#registers[0]);
  }

  setR0(): void {
    this.e.set(this.#registers[0]);
  }

  storeValue(_width: Width): void {
    this.e.i64Small(this.#insn.imm);
  }

  temp(type: ValueType, number: number): number {
    const key = `${type}:${number}`;
    let local = this.#temps.get(key);
    if (local === undefined) {
      local = this.e.local(type);
      this.#temps.set(key, local);
    }
    return local;
  }

  address(base: 'dst' | 'src', size: number, access: Access): number {
    const { e } = this;
    const register = this.#insn[base];
    const { off } = this.#insn;
    if (register === 10) {
      // The frame is this function's own: only an access outside of it is a question.
      if (off >= -STACK_SIZE && off + size <= 0 && (access !== 'atomic' || off % size === 0)) {
        e.get(this.#base);
        return STACK_SIZE + off;
      }
      if (this.#context.checked) return this.#checkedAddress(register, off, size, access);
      e.get(this.#base)
        .i32(STACK_SIZE + off)
        .op('i32.add');
      return 0;
    }
    if (this.#context.checked) return this.#checkedAddress(register, off, size, access);
    e.get(this.#registers[register]).op('i32.wrap_i64');
    if (off >= 0) return off;
    // A static offset is unsigned and its sum does not wrap.
    e.i32(off).op('i32.add');
    return 0;
  }

  /** Within the register's window no question is asked; otherwise the host answers, and aborts where the answer is no. */
  #checkedAddress(register: number, off: number, size: number, access: Access): number {
    const { e } = this;
    const pointer = this.temp(I64, 9);
    const at = this.temp(I32, 9);
    const write = access === 'read' ? 0 : 1;
    this.#push64(register);
    e.i64Small(off).op('i64.add').tee(pointer).op('i32.wrap_i64').set(at);
    // An address fits 32 bits, and atomic operations need a multiple of their size.
    const wrong = 0xffff_ffff_0000_0000n | (access === 'atomic' ? BigInt(size - 1) : 0n);
    e.get(pointer).i64(wrong).op('i64.and').op('i64.eqz').op('i32.eqz').if(VOID);
    e.i32(this.#slot).get(pointer).i32(size).i32(write).call(this.#context.imports.refuse).op('unreachable').op('end');
    // Below the window's start the difference wraps; an empty window is shorter than any access.
    const window = this.#context.controlBlock + windowOffset(register % 10, write === 1);
    e.get(at).i32(0).memory('i32.load', window).op('i32.lt_u');
    e.get(at)
      .i32(size)
      .op('i32.add')
      .i32(0)
      .memory('i32.load', window + 4)
      .op('i32.gt_u')
      .op('i32.or')
      .if(VOID);
    e.i32(this.#slot)
      .i32(register % 10)
      .get(at)
      .i32(size)
      .i32(write)
      .call(this.#context.imports.admit)
      .op('end');
    e.get(at);
    return 0;
  }

  // Control

  readonly control: Control = {
    goto: () => undefined,
    gotol: () => undefined,
    branch: () => undefined,
    may_goto: () => {
      const { e } = this;
      const left = this.temp(I32, 0);
      e.i32(0).i32(0).memory('i32.load', this.#field('MAY_GOTO')).i32(1).op('i32.sub').tee(left);
      e.memory('i32.store', this.#field('MAY_GOTO')).get(left).i32(0).op('i32.lt_s');
    },
    exit: () => {
      this.#flushFuel();
      this.e.get(this.#registers[0]).op('return');
    },
    ld_imm64: () => {
      this.e.i64(this.#insn.imm64 ?? 0n);
      this.setDst();
    },
    ld_pseudo: () => this.#loadConstant(),
    ld_pseudo_off: () => this.#loadConstant(),
    cast: () => this.#abort(ABORT.NO_ARENA, 0),
    ld_abs: () => this.#loadPacket(false),
    ld_ind: () => this.#loadPacket(true),
    call_local: () => this.#callLocal(),
    call_helper: () => this.#callHelper(),
    call_kfunc: () => {
      const kfunc = this.#context.kfunc(this.#insn.imm);
      if (kfunc === undefined) return this.#abort(ABORT.MISSING_KFUNC, this.#insn.imm);
      this.#callHost(kfunc);
    },
    callx: () => {
      this.#beforeHost();
      this.e.i32(this.#slot).get(this.#registers[this.#insn.dst]);
      this.#pushArguments();
      this.e.get(this.#base).call(this.#context.imports.callx);
      this.setR0();
      this.#reloadFuel();
    },
  };

  #loadConstant(): void {
    this.e.i64(this.#context.constant(this.#insn));
    this.setDst();
  }

  #pushArguments(): void {
    for (let r = 1; r <= 5; r++) this.e.get(this.#registers[r]);
  }

  #callLocal(): void {
    const { e } = this;
    const frame = this.temp(I32, 0);
    this.#flushFuel();
    this.#pushArguments();
    e.get(this.#base)
      .i32(FRAME_STRIDE)
      .op('i32.sub')
      .tee(frame)
      .get(frame)
      .i32(this.#context.stackLow)
      .op('i32.lt_u')
      .if(VOID);
    this.#abort(ABORT.CALL_DEPTH, 0);
    e.op('end').call(this.#context.functionAt(this.#slot + 1 + this.#insn.imm));
    this.setR0();
    this.#reloadFuel();
  }

  #callHelper(): void {
    const { e } = this;
    const helper = this.#context.helper(this.#insn.imm);
    if (helper === undefined) return this.#abort(ABORT.MISSING_HELPER, this.#insn.imm);
    const { row } = helper;
    if (row.intrinsic === 'mapLookup' && this.#lookup()) return;
    const tailCalls = row.returns === 'integerOrNoReturn';
    const callsBack = row.args.includes('callback');
    if (callsBack || tailCalls) this.#beforeHost();
    if (row.intrinsic === 'tailCall') this.#tailCall();
    this.#callHost(helper);
    if (callsBack) this.#reloadFuel();
    if (!tailCalls) return;
    e.i32(0).memory('i32.load', this.#field('TAIL')).if(VOID);
    this.#goOn(() => e.i32(0).memory('i32.load', this.#field('TAIL')));
    e.op('end');
  }

  /** A lookup in a map that is known here; false where the host has to do it. */
  #lookup(): boolean {
    const { e } = this;
    const index = this.#knownMaps.get(this.#slot)?.[0];
    const map = index === undefined ? undefined : this.#context.map(index);
    const lookup = map && lookupFor(map);
    if (map === undefined || lookup === undefined) return false;
    const key = this.temp(I32, 5);
    if (this.#context.checked) this.#checkedAddress(2, 0, map.keySize, 'read');
    else e.get(this.#registers[2]).op('i32.wrap_i64');
    e.set(key);
    lookup({ e, key, cpu: this.#field('CPU'), temp: (type, number) => this.temp(type, number) }, map);
    e.op('i64.extend_i32_u');
    this.setR0();
    return true;
  }

  /** Goes on with a program that is compiled, without the host; all else, errors included, is left to the host's row. */
  #tailCall(): void {
    const { e } = this;
    const index = this.#knownMaps.get(this.#slot)?.[1];
    const map = index === undefined ? undefined : this.#context.map(index);
    if (map?.type !== 'prog_array') return;
    const id = this.temp(I32, 1);
    const left = this.temp(I32, 2);
    e.block(VOID);
    e.get(this.#registers[3]).op('i32.wrap_i64').tee(id).i32(map.maxEntries).op('i32.ge_u').brIf(0);
    e.get(id)
      .i32(HANDLE_ELEMENT)
      .op('i32.mul')
      .memory('i32.load', map.data + 4)
      .tee(id)
      .op('i32.eqz')
      .brIf(0);
    e.i32(0).memory('i32.load', this.#field('TAILS')).tee(left).op('i32.eqz').brIf(0);
    e.get(id).tableSize().op('i32.ge_u').brIf(0);
    e.get(id).tableGet().refIsNull().brIf(0);
    e.i32(0).get(left).i32(1).op('i32.sub').memory('i32.store', this.#field('TAILS'));
    this.#goOn(() => e.get(id));
    e.op('end');
  }

  /** Leaves for another program: r1 is the context, and the target takes this function's frame. */
  #goOn(pushId: () => void): void {
    this.e.get(this.#registers[1]).op('i32.wrap_i64').i32(0).get(this.#base);
    pushId();
    this.e.returnCallIndirect(this.#context.mainType);
  }

  /** What the host must see while it runs: the budget, and the frame that callbacks go below. */
  #beforeHost(): void {
    this.#flushFuel();
    this.e.i32(0).get(this.#base).memory('i32.store', this.#field('FRAME'));
  }

  /** Calls the import that runs a helper, with its arguments in their forms; its result into r0. */
  #callHost({ index, row }: { readonly index: number; readonly row: HelperRow }): void {
    const { e } = this;
    e.i32(this.#slot);
    row.args.forEach((kind, i) => {
      e.get(this.#registers[1 + i]);
      const form = argumentForm(kind);
      if (form === 'i32') e.op('i32.wrap_i64');
      else if (form === 'f64') e.op('f64.convert_i64_u');
    });
    const result = this.temp(F64, 0);
    e.call(index).tee(result).get(result).op('f64.eq').if(I64);
    e.get(result).op('i64.trunc_f64_s').op('else');
    e.i32(0).memory('i64.load', this.#field('RESULT')).op('end');
    this.setR0();
  }

  #loadPacket(indirect: boolean): void {
    const { e } = this;
    const { op, imm } = this.#insn;
    e.i32(this.#slot).get(this.#registers[6]);
    if (indirect) e.get(this.#registers[this.#insn.src]).op('i32.wrap_i64').i32(imm).op('i32.add');
    else e.i32(imm);
    e.i32(OPS[op].width / 8)
      .call(this.#context.imports.packet)
      .tee(this.#registers[0]);
    // Past the end of the packet the function ends with 0.
    e.i64Small(0).op('i64.lt_s').if(VOID).i64Small(0).set(this.#registers[0]);
    this.control.exit(this);
    e.op('end');
  }
}
