// Compiles one function of a program: structured control flow from the graph, one i64 local a register, the frame by its base.
import type { Block } from '../../flow/graph.ts';
import { shortestPath } from '../../flow/shortest-path.ts';
import { type Structured, structure } from '../../flow/structure.ts';
import type { Insn } from '../../isa/insn.ts';
import { OP_NAMES, type OpName, opRow } from '../../isa/opcodes.ts';
import { frameSlots, type FrameSlots } from '../frame-slots.ts';
import { condition, cutLoaded, loadOf, lower } from '../lower.ts';
import { findWideLoads, type WideLoad, type WideLoads } from '../wide-loads.ts';
import { findRotates, type Rotate, type Rotates } from '../rotates.ts';
import type { ArgKind } from '../../spec/helper.ts';
import { FunctionCalls } from './calls.ts';
import type { CompiledFunction, FunctionContext } from './context.ts';
import { I32, I64, VOID } from './encoding.ts';
import { takesWord } from './map-lookup.ts';

/** Numbers of temporary locals from here on keep values for rotations, and wide loads. */
const FIRST_PLACE = 32;
const FIRST_WIDE = 64;
/** Number of the temporary local that says whether a lookup has found something. */
const FOUND = 31;

/** Instructions that only say where control goes. */
const LEAVES: ReadonlySet<OpName> = new Set(
  OP_NAMES.filter((op) => {
    const { format } = opRow(op);
    return format === 'goto' || format === 'gotol' || format === 'exit';
  }),
);

/** @param main true for the program itself, false for a function that it calls (which slot 0 may be too) */
export function compileFunction(context: FunctionContext, entry: number, main: boolean): CompiledFunction {
  return new FunctionCompiler(context, entry, main).compile();
}

class FunctionCompiler extends FunctionCalls {
  readonly #offsets: number[] = [];
  readonly #rotates: Rotates;
  readonly #slots: FrameSlots | undefined;
  readonly #wide: WideLoads | undefined;
  /** Locals that stand for bytes of the frame. */
  readonly #cells: readonly number[];

  /** Not 0 for slots of which an analysis has found anything. */
  readonly #found: Uint8Array;

  /** Control flow is in nested scopes. */
  #nested = false;
  /** The block that is being lowered. */
  #block: Block | undefined;
  /** Blocks whose branch is on whether a lookup has found something. */
  readonly #decided = new Set<number>();

  constructor(context: FunctionContext, entry: number, main: boolean) {
    super(context, entry, main);
    this.#rotates = findRotates(context.insns, this.graph);
    // Unverified code may reach its frame by a number, and the check of a load is made for that load.
    if (!context.checked) {
      this.#wide = findWideLoads(context.insns, this.graph, context.checkedAt);
      this.#slots = frameSlots(context.insns, this.graph, {
        helper: (number) => context.helper(number)?.row,
        size: (slot, register, kind) => this.#argumentSize(slot, register, kind),
        takesWord: (slot, register) => register === 2 && this.#takesWord(slot),
      });
    }
    this.#found = new Uint8Array(context.insns.length);
    const { kept, rotates } = this.#rotates;
    for (const of of [kept, rotates, this.#wide?.loads, this.#wide?.parts, this.#wide?.whole, this.#slots?.accesses]) {
      if (of !== undefined) for (const slot of of.keys()) this.#found[slot] = 1;
    }
    this.#cells = Array.from({ length: this.#slots?.cells ?? 0 }, () => this.e.local(I64));
  }

  /** Whether a call is a lookup in code that needs no more than the value of its key. */
  #takesWord(slot: number): boolean {
    if (this.context.checkedAt.has(slot)) return false;
    const row = this.context.helper(this.context.insns[slot]?.imm ?? 0)?.row;
    const known = this.known.get(slot)?.[0];
    const map = known?.kind === 'map' ? this.context.map(known.value) : undefined;
    return row?.intrinsic === 'mapLookup' && map !== undefined && takesWord(map);
  }

  protected keyWord(): number | undefined {
    const access = this.#slots?.accesses.get(this.slot);
    return access === undefined ? undefined : this.#cells[access.cell];
  }

  /** Bytes that a helper may look at behind an argument, where that is known. */
  #argumentSize(slot: number, register: number, kind: ArgKind): number | undefined {
    const known = this.known.get(slot);
    const map = known?.[0]?.kind === 'map' ? this.context.map(known[0].value) : undefined;
    switch (kind) {
      case 'key':
        return map?.keySize;
      case 'value':
      case 'valueOrNull':
      case 'valueOut':
        return map?.valueSize;
      case 'mem':
      case 'memOrNull':
      case 'memOut':
      case 'memOutOrNull':
      case 'memInOut': {
        const size = known?.[register];
        return size?.kind === 'number' && size.value >= 0 ? size.value : undefined;
      }
      case 'out4':
      case 'inOut4':
        return 4;
      case 'out8':
        return 8;
      default:
        return undefined;
    }
  }

  compile(): CompiledFunction {
    const { e } = this;
    const dom = this.dominance;
    const loops = dom.loopHead.some(Boolean);
    if (loops) this.fuel = e.local(I32);
    if (this.main) {
      e.get(0).op('i64.extend_i32_u').set(this.registers[1]);
      e.get(1).op('i64.extend_i32_u').set(this.registers[2]);
    }
    e.block(I64);
    const from = e.code.length;
    this.clearFrame();
    this.reloadFuel();
    if (!this.main) this.spend(this.#least(0, (index) => this.graph.blocks[index].terminator.kind === 'exit'));
    this.#nested = dom.reducible;
    if (dom.reducible) this.#structured(structure(this.graph, dom));
    else this.#dispatched();
    e.op('unreachable');
    const to = e.code.length;
    e.op('end').op('end');
    const body =
      this.main && !this.goesOn && !loops
        ? { from, to, r1: this.registers[1], cleared: [...this.registers, ...this.#cells] }
        : undefined;
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
          this.#branchIf(step);
          break;
        case 'switch':
          this.#switch(step);
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
          this.#clearMissed(blocks[step.block], 'taken');
          this.#structured(step.taken);
          e.op('else');
          this.#clearMissed(blocks[step.block], 'otherwise');
          this.#structured(step.otherwise);
          e.op('end');
          break;
      }
    }
  }

  #branchIf({ block: from, target, label, back, negated }: Structured & { readonly kind: 'branch-if' }): void {
    const { e } = this;
    const block = this.graph.blocks[from];
    const [side, other] = negated ? (['otherwise', 'taken'] as const) : (['taken', 'otherwise'] as const);
    this.#condition(block);
    if (negated) e.op('i32.eqz');
    if (!back && this.#missed(block) !== side) e.brIf(label);
    else {
      e.if(VOID);
      this.#clearMissed(block, side);
      if (back) this.spend(this.#loopCost(from, target));
      e.br(label + 1).op('end');
    }
    this.#clearMissed(block, other);
  }

  #switch({ block, table, below, otherwise }: Structured & { readonly kind: 'switch' }): void {
    const { e } = this;
    const { terminator } = this.graph.blocks[block];
    if (terminator.kind !== 'switch') throw new Error(`block ${block} does not end in a switch`);
    const { slot, register, width, low } = terminator;
    this.#at(slot, this.context.insns[slot] as Insn);
    if (below !== otherwise) {
      if (width === 64) e.get(this.registers[register]).i64(BigInt(low)).op('i64.lt_s').brIf(below);
      else e.get(this.registers[register]).op('i32.wrap_i64').i32(low).op('i32.lt_s').brIf(below);
    }
    e.get(this.registers[register]);
    if (width === 64) {
      const at = this.temp(I64, 0);
      if (low !== 0) e.i64(BigInt(low)).op('i64.sub');
      e.tee(at).i64Small(table.length).op('i64.ge_u').brIf(otherwise);
      e.get(at).op('i32.wrap_i64');
    } else {
      e.op('i32.wrap_i64');
      if (low !== 0) e.i32(low).op('i32.sub');
    }
    e.brTable(table, otherwise);
  }

  /** The side of a block's branch on which a lookup has found nothing, where the branch is on what the lookup was decided by. */
  #missed({ index, terminator }: Block): 'taken' | 'otherwise' | undefined {
    if (!this.#decided.has(index) || terminator.kind !== 'branch') return undefined;
    return this.context.insns[terminator.slot]?.op === 'jeq64_imm' ? 'taken' : 'otherwise';
  }

  /** r0 where nothing was found; until then it has what the address would have been. */
  #clearMissed(block: Block, side: 'taken' | 'otherwise'): void {
    if (this.#missed(block) === side) this.e.i64Small(0).set(this.registers[0]);
  }

  protected found(): number | undefined {
    const block = this.#block;
    const next = this.context.insns[this.slot + 1];
    const tests = (next?.op === 'jeq64_imm' || next?.op === 'jne64_imm') && next.dst === 0 && next.imm === 0;
    if (!this.#nested || block?.terminator.kind !== 'branch') return undefined;
    if (!tests || block.terminator.slot !== this.slot + 1) return undefined;
    this.#decided.add(block.index);
    return this.temp(I32, FOUND);
  }

  /** A loop around a jump table: for graphs that no nesting of scopes expresses. */
  #dispatched(): void {
    const { e } = this;
    const { blocks } = this.graph;
    const next = e.local(I32);
    const go = (from: Block, target: number, outer: number): void => {
      // Such a loop may have been entered anywhere: all that was certainly executed for this jump is the block that ends in it.
      if (target <= from.index) this.spend(this.#loopCost(from.index, from.index));
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
      else if (terminator.kind === 'switch') throw new Error('a jump table in a graph that is not reducible');
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

  /** What going back to a head costs. */
  #loopCost(from: number, head: number): number {
    return this.#least(head, (index) => index === from);
  }

  /**
   * The instructions of the shortest way: never more than were executed, so that no run is stopped which would end within its
   * budget by the instruction, as the interpreters count it.
   */
  #least(from: number, isEnd: (block: number) => boolean): number {
    return shortestPath(this.graph, this.context.insns, from, isEnd) ?? 1;
  }

  /** The instructions of a block but the one that ends it by leading elsewhere. */
  #straight(block: Block): void {
    const { start, end, terminator } = block;
    this.#block = block;
    const decides = terminator.kind === 'branch' || terminator.kind === 'switch';
    for (let slot = start; slot < end; slot++) {
      const insn = this.context.insns[slot];
      if (insn === undefined || LEAVES.has(insn.op) || (decides && slot === terminator.slot)) continue;
      this.#at(slot, insn);
      if (this.#found[slot] === 0) {
        lower(this, insn.op);
        continue;
      }
      const kept = this.#rotates.kept.get(slot);
      if (kept !== undefined) this.e.get(this.registers[insn.dst]).set(this.#place(kept));
      const rotate = this.#rotates.rotates.get(slot);
      if (rotate !== undefined) this.#rotate(rotate);
      else if (!this.#slotAccess(slot, insn) && !this.#wideLoad(slot, insn)) lower(this, insn.op);
    }
  }

  #place(number: number): number {
    return this.temp(I64, FIRST_PLACE + number);
  }

  #rotate({ width, by, place }: Rotate): void {
    const { e } = this;
    e.get(this.#place(place));
    if (width === 64) e.i64Small(by).op('i64.rotl');
    else e.op('i32.wrap_i64').i32(by).op('i32.rotl').op('i64.extend_i32_u');
    this.setDst();
  }

  /** A load that is part of a wide one, or the instruction that puts the last of its parts to the others. */
  #wideLoad(slot: number, insn: Insn): boolean {
    const { e } = this;
    const load = this.#wide?.loads.get(slot);
    if (load !== undefined) this.#load(load, insn);
    const part = this.#wide?.parts.get(slot);
    const place = part?.place ?? this.#wide?.whole.get(slot);
    if (place === undefined) return false;
    e.get(this.#widePlace(place));
    if (part !== undefined) {
      if (part.shift > 0) e.i64Small(part.shift).op('i64.shr_u');
      cutLoaded(this, insn.op);
    }
    this.setDst();
    return true;
  }

  #load({ off, width, place }: WideLoad, insn: Insn): void {
    this.insn = { ...insn, off };
    const offset = this.address('src', width / 8, 'read');
    this.e.memory(loadOf(width), offset).set(this.#widePlace(place));
    this.insn = insn;
  }

  #widePlace(number: number): number {
    return this.temp(I64, FIRST_WIDE + number);
  }

  /** A load or store of bytes of the frame that a local stands for; false where it is none. */
  #slotAccess(slot: number, insn: Insn): boolean {
    const access = this.#slots?.accesses.get(slot);
    if (access === undefined || insn.op === 'call_helper') return false;
    const { e } = this;
    const local = this.#cells[access.cell];
    const { format, width } = opRow(insn.op);
    if (format === 'st') this.storeValue(width);
    else if (format === 'stx') this.src64();
    else {
      e.get(local);
      if (access.shift > 0) e.i64Small(access.shift).op('i64.shr_u');
      cutLoaded(this, insn.op);
      this.setDst();
      return true;
    }
    e.set(local);
    return true;
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
    const missed = this.#missed(block);
    if (missed !== undefined) {
      this.e.get(this.temp(I32, FOUND));
      if (missed === 'taken') this.e.op('i32.eqz');
    } else if (insn.op === 'may_goto') this.control.may_goto(this);
    else condition(this, insn.op);
  }

  #exit(block: Block): void {
    let slot = block.end - 1;
    while (this.context.insns[slot] === undefined) slot--;
    this.#at(slot, this.context.insns[slot] as Insn);
    this.control.exit(this);
  }
}
