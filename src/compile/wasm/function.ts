// Compiles one function of a program: structured control flow from the graph, one i64 local a register, the frame by its base.
import { dominance } from '../../flow/dominators.ts';
import type { Block } from '../../flow/graph.ts';
import { type Structured, structure } from '../../flow/structure.ts';
import type { Insn } from '../../isa/insn.ts';
import { OPS } from '../../isa/opcodes.ts';
import { condition, LOWER } from '../lower.ts';
import { FunctionCalls } from './calls.ts';
import type { CompiledFunction, FunctionContext } from './context.ts';
import { I32, I64, VOID } from './encoding.ts';

/** @param main true for the program itself, false for a function that it calls (which slot 0 may be too) */
export function compileFunction(context: FunctionContext, entry: number, main: boolean): CompiledFunction {
  return new FunctionCompiler(context, entry, main).compile();
}

class FunctionCompiler extends FunctionCalls {
  readonly #offsets: number[] = [];

  compile(): CompiledFunction {
    const { e } = this;
    const dom = dominance(this.graph);
    if (dom.loopHead.some(Boolean)) this.fuel = e.local(I32);
    if (this.main) {
      e.get(0).op('i64.extend_i32_u').set(this.registers[1]);
      e.get(1).op('i64.extend_i32_u').set(this.registers[2]);
    }
    e.block(I64);
    const from = e.code.length;
    this.clearFrame();
    this.reloadFuel();
    if (!this.main) this.spend(this.graph.blocks.reduce((sum, block) => sum + block.end - block.start, 0));
    if (dom.reducible) this.#structured(structure(this.graph, dom));
    else this.#dispatched();
    e.op('unreachable');
    const to = e.code.length;
    e.op('end').op('end');
    const body = this.main && !this.goesOn ? { from, to, registers: this.registers } : undefined;
    return { emitter: e, offsets: this.#offsets, body };
  }

  // Control flow

  #structured(code: readonly Structured[]): void {
    const { e } = this;
    const { blocks } = this.graph;
    for (const step of code) {
      switch (step.kind) {
        case 'code':
          this.#straight(blocks[step.block]);
          break;
        case 'exit':
          this.#exit(blocks[step.block]);
          break;
        case 'branch':
          if (step.back) this.spend(this.#loopCost(step.block, step.target));
          e.br(step.label);
          break;
        case 'branch-if':
          this.#condition(blocks[step.block]);
          if (step.negated) e.op('i32.eqz');
          if (!step.back) e.brIf(step.label);
          else {
            e.if(VOID);
            this.spend(this.#loopCost(step.block, step.target));
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
    const { blocks } = this.graph;
    const next = e.local(I32);
    const go = (from: Block, target: number, outer: number): void => {
      if (target <= from.index) this.spend(this.#loopCost(from.index, target));
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
    const { blocks } = this.graph;
    return Math.max(1, Math.abs(blocks[from].end - blocks[head].start));
  }

  /** The instructions of a block but the one that ends it by leading elsewhere. */
  #straight({ start, end, terminator }: Block): void {
    for (let slot = start; slot < end; slot++) {
      const insn = this.context.insns[slot];
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
    this.slot = slot;
    this.insn = insn;
    this.#offsets.push(this.e.code.length, slot);
  }

  #condition(block: Block): void {
    const { terminator } = block;
    if (terminator.kind !== 'branch') throw new Error(`block ${block.index} does not end in a branch`);
    const insn = this.context.insns[terminator.slot] as Insn;
    this.#at(terminator.slot, insn);
    if (insn.op === 'may_goto') this.control.may_goto(this);
    else condition(this, insn.op);
  }

  #exit(block: Block): void {
    let slot = block.end - 1;
    while (this.context.insns[slot] === undefined) slot--;
    this.#at(slot, this.context.insns[slot] as Insn);
    this.control.exit(this);
  }
}
