// One function while it is compiled: its registers, frame and budget, and where operands are (the compiler's Site).
import { type Dominance, dominance } from '../../flow/dominators.ts';
import type { FlowGraph } from '../../flow/graph.ts';
import { flowGraph } from '../../flow/graph.ts';
import { withJumpTables } from '../../flow/jump-tables.ts';
import type { Insn } from '../../isa/insn.ts';
import { FORMATS, OP_NAMES, OPS, type OpName, type Width } from '../../isa/opcodes.ts';
import { frameUse } from '../frame-use.ts';
import { STACK_SIZE } from '../limits.ts';
import type { Access, Control, Site } from '../lower.ts';
import { ABORT, type AbortKind, type FunctionContext } from './context.ts';
import { Emitter } from './emitter.ts';
import { BATCH_LOCALS } from './entries.ts';
import { I32, I64, type ValueType, VOID } from './encoding.ts';
import { CONTROL, globalIndex, windowOffset } from './machine.ts';

/** Frames up to this many words are cleared by stores; memory.fill costs a call into the runtime. */
const MOST_STORES = 32;

/** Bytes of code to expect for an instruction, so that they need not be moved often. */
const CODE_OF_SLOT = 12;

/** Parameters before the frame base: r1 and r2 of a program as addresses, r1 to r5 of a subprogram. */
const parametersOf = (main: boolean): number => (main ? 2 : 5);

/** Instructions whose second operand is a register. */
const WITH_SOURCE: ReadonlySet<OpName> = new Set(
  OP_NAMES.filter((op) => (FORMATS[OPS[op].format].fields as readonly string[]).includes('src')),
);

export abstract class FunctionSite implements Site {
  readonly e: Emitter;
  readonly exclusive: boolean;
  abstract readonly control: Control;
  protected readonly context: FunctionContext;
  protected readonly graph: FlowGraph;
  protected readonly dominance: Dominance;
  /** The program itself, not a function that it calls. */
  protected readonly main: boolean;
  /** Local of each register r0 to r9. */
  protected readonly registers: number[] = [];
  /** Local of the frame's lowest address. */
  protected readonly base: number;
  /** Local that counts down the budget, where the function has a loop. */
  protected fuel: number | undefined;
  /** Whether the function may end by going on with another program. */
  protected goesOn = false;
  /** The instruction that is being lowered. */
  protected insn!: Insn;
  protected slot: number;

  constructor(context: FunctionContext, entry: number, main: boolean) {
    this.context = context;
    this.exclusive = context.exclusive;
    this.main = main;
    this.slot = entry;
    const graph = flowGraph(context.insns, entry);
    const dom = dominance(graph);
    const tabled = dom.reducible ? withJumpTables(graph, dom, context.insns) : undefined;
    this.graph = tabled ?? graph;
    this.dominance = tabled === undefined ? dom : dominance(tabled);
    const parameters = parametersOf(main);
    this.base = parameters;
    const slots = this.graph.blocks.reduce((sum, { start, end }) => sum + end - start, 0);
    this.e = new Emitter(parameters + 1, CODE_OF_SLOT * slots);
    if (main) for (let i = 0; i < BATCH_LOCALS; i++) this.e.local(I32);
    for (let r = 0; r < 10; r++) this.registers.push(!main && r >= 1 && r <= 5 ? r - 1 : this.e.local(I64));
  }

  // Budget and frame

  protected field(field: keyof typeof CONTROL): number {
    return this.context.controlBlock + CONTROL[field];
  }

  protected reloadFuel(): void {
    if (this.fuel === undefined) return;
    this.context.uses.add('FUEL');
    this.e.getGlobal(globalIndex('FUEL')).set(this.fuel);
  }

  protected flushFuel(): void {
    if (this.fuel !== undefined) this.e.get(this.fuel).setGlobal(globalIndex('FUEL'));
  }

  /** Ends the function with r0, by leaving its outermost block. */
  protected leave(): void {
    this.flushFuel();
    this.e.get(this.registers[0]).br(this.e.depth - 1);
  }

  /** Counts down; stops the run below zero. */
  protected spend(cost: number): void {
    const { e } = this;
    this.context.uses.add('FUEL');
    if (this.fuel !== undefined) e.get(this.fuel).i32(cost).op('i32.sub').tee(this.fuel);
    else {
      const left = this.temp(I32, 0);
      e.getGlobal(globalIndex('FUEL')).i32(cost).op('i32.sub').tee(left).setGlobal(globalIndex('FUEL')).get(left);
    }
    e.i32(0).op('i32.lt_s').if(VOID);
    this.abort(ABORT.BUDGET, 0);
    e.op('end');
  }

  protected abort(kind: AbortKind, detail: number): void {
    this.e.i32(kind).i32(this.slot).i32(detail).call(this.context.imports.abort).op('unreachable');
  }

  /** Zeros as far below r10 as the function looks: a run never sees what another left. */
  protected clearFrame(): void {
    const { e } = this;
    if (!this.context.clears) return;
    const size = frameUse(this.graph.blocks.flatMap(({ start, end }) => this.context.insns.slice(start, end)));
    if (size > MOST_STORES * 8) {
      e.get(this.base)
        .i32(STACK_SIZE - size)
        .op('i32.add')
        .i32(0)
        .i32(size)
        .memoryFill();
      return;
    }
    for (let at = -size; at < 0; at += 8)
      e.get(this.base)
        .i64Small(0)
        .memory('i64.store', STACK_SIZE + at);
  }

  // Operands (Site)

  get imm(): number {
    return this.insn.imm;
  }

  protected push64(register: number): void {
    if (register < 10) this.e.get(this.registers[register]);
    else this.e.get(this.base).i32(STACK_SIZE).op('i32.add').op('i64.extend_i32_u');
  }

  protected push32(register: number): void {
    if (register < 10) this.e.get(this.registers[register]).op('i32.wrap_i64');
    else this.e.get(this.base).i32(STACK_SIZE).op('i32.add');
  }

  protected get usesRegister(): boolean {
    return WITH_SOURCE.has(this.insn.op);
  }

  second64(): void {
    if (this.usesRegister) this.push64(this.insn.src);
    else this.e.i64Small(this.insn.imm);
  }

  second32(): void {
    if (this.usesRegister) this.push32(this.insn.src);
    else this.e.i32(this.insn.imm);
  }

  dst64(): void {
    this.push64(this.insn.dst);
  }

  dst32(): void {
    this.push32(this.insn.dst);
  }

  src64(): void {
    this.push64(this.insn.src);
  }

  src32(): void {
    this.push32(this.insn.src);
  }

  setDst(): void {
    this.e.set(this.registers[this.insn.dst]);
  }

  setSrc(): void {
    this.e.set(this.registers[this.insn.src]);
  }

  r0(): void {
    this.e.get(this.registers[0]);
  }

  setR0(): void {
    this.e.set(this.registers[0]);
  }

  storeValue(_width: Width): void {
    this.e.i64Small(this.insn.imm);
  }

  temp(type: ValueType, number: number): number {
    return this.e.temp(type, number);
  }

  get #asks(): boolean {
    return this.context.checked || this.context.checkedAt.has(this.slot);
  }

  address(base: 'dst' | 'src', size: number, access: Access): number {
    const { e } = this;
    const register = this.insn[base];
    const { off } = this.insn;
    if (register === 10) {
      // The frame is this function's own: only an access outside of it is a question.
      if (off >= -STACK_SIZE && off + size <= 0 && (access !== 'atomic' || off % size === 0)) {
        e.get(this.base);
        return STACK_SIZE + off;
      }
      if (this.#asks) return this.checkedAddress(register, off, size, access);
      e.get(this.base)
        .i32(STACK_SIZE + off)
        .op('i32.add');
      return 0;
    }
    if (this.#asks) return this.checkedAddress(register, off, size, access);
    e.get(this.registers[register]).op('i32.wrap_i64');
    if (off >= 0) return off;
    // A static offset is unsigned and its sum does not wrap.
    e.i32(off).op('i32.add');
    return 0;
  }

  /** Within the register's window no question is asked; otherwise the host answers, and aborts where the answer is no. */
  protected checkedAddress(register: number, off: number, size: number, access: Access): number {
    const { e } = this;
    const pointer = this.temp(I64, 9);
    const at = this.temp(I32, 9);
    const write = access === 'read' ? 0 : 1;
    this.push64(register);
    e.i64Small(off).op('i64.add').tee(pointer).op('i32.wrap_i64').set(at);
    // An address fits 32 bits, and atomic operations need a multiple of their size.
    const wrong = 0xffff_ffff_0000_0000n | (access === 'atomic' ? BigInt(size - 1) : 0n);
    e.get(pointer).i64(wrong).op('i64.and').op('i64.eqz').op('i32.eqz').if(VOID);
    e.i32(this.slot).get(pointer).i32(size).i32(write).call(this.context.imports.refuse).op('unreachable').op('end');
    // Below the window's start the difference wraps; an empty window is shorter than any access.
    const window = this.context.controlBlock + windowOffset(register % 10, write === 1);
    e.get(at).i32(0).memory('i32.load', window).op('i32.lt_u');
    // In 64 bits, as the end of the last bytes of all addresses does not fit 32.
    e.get(pointer)
      .i64Small(size)
      .op('i64.add')
      .i32(0)
      .memory('i64.load32_u', window + 4)
      .op('i64.gt_u')
      .op('i32.or')
      .if(VOID);
    e.i32(this.slot)
      .i32(register % 10)
      .get(at)
      .i32(size)
      .i32(write)
      .call(this.context.imports.admit)
      .op('end');
    e.get(at);
    return 0;
  }

  /**
   * Leaves the address in a register, which a helper takes as an argument. Checked code branches to the label `refused()` where
   * the program may not access that many bytes there: a number, or the local (i64) that has it.
   */
  protected argument(
    register: number,
    size: number | { readonly local: number },
    write: boolean,
    refused: () => number,
  ) {
    const { e } = this;
    if (this.context.checked) {
      const pushSize = (): Emitter => (typeof size === 'number' ? e.i64Small(size) : e.get(size.local));
      // Both fit 32 bits, so that their sum does not wrap.
      this.push64(register);
      if (typeof size !== 'number') e.get(size.local).op('i64.or');
      e.i64(0xffff_ffffn).op('i64.gt_u').brIf(refused());
      const window = this.context.controlBlock + windowOffset(register % 10, write);
      this.push64(register);
      e.i32(0).memory('i64.load32_u', window).op('i64.lt_u');
      this.push64(register);
      pushSize().op('i64.add');
      e.i32(0)
        .memory('i64.load32_u', window + 4)
        .op('i64.gt_u')
        .op('i32.or')
        .if(VOID);
      e.i32(register % 10);
      this.push32(register);
      pushSize()
        .op('i32.wrap_i64')
        .i32(write ? 1 : 0)
        .call(this.context.imports.asks)
        .op('i32.eqz')
        .brIf(refused());
      e.op('end');
    }
    this.push32(register);
  }
}
