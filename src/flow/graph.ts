// Control-flow graphs of the functions of a program: what the compiler structures and the verifier walks.
import { fail } from '../base/diagnostic.ts';
import { badJump, endless } from '../base/messages/flow.ts';
import { type Insn, slotsOf } from '../isa/insn.ts';
import { OPS } from '../isa/opcodes.ts';

/** How a basic block ends. Targets are indices of blocks. */
export type Terminator =
  | { readonly kind: 'goto'; readonly target: number }
  /** The branch instruction is the block's last; `taken` where its condition holds. */
  | { readonly kind: 'branch'; readonly slot: number; readonly taken: number; readonly otherwise: number }
  | { readonly kind: 'exit' };

/** Straight-line code: entered at its first slot only, left at its last only. */
export interface Block {
  readonly index: number;
  /** First slot. */
  readonly start: number;
  /** Slot after the last instruction. */
  readonly end: number;
  readonly terminator: Terminator;
  readonly successors: readonly number[];
  readonly predecessors: readonly number[];
}

/** One function. Block 0 is its entry; blocks that cannot be reached are left out. */
export interface FlowGraph {
  /** First slot of the function. */
  readonly entry: number;
  /** By start slot. */
  readonly blocks: readonly Block[];
}

/** Slot that a jump goes to, undefined for an instruction that does not jump. */
export function jumpTarget(insn: Insn, slot: number): number | undefined {
  switch (OPS[insn.op].format) {
    case 'goto':
    case 'may_goto':
    case 'branch_imm':
    case 'branch_reg':
      return slot + 1 + insn.off;
    case 'gotol':
      return slot + 1 + insn.imm;
    default:
      return undefined;
  }
}

/** Whether control may go on at the next instruction. */
const fallsThrough = (insn: Insn): boolean => {
  const { format } = OPS[insn.op];
  return format !== 'goto' && format !== 'gotol' && format !== 'exit';
};

/** First slots of the functions that the instructions name (local calls and code addresses), and slot 0, in order. */
export function functionEntries(insns: readonly (Insn | undefined)[]): number[] {
  const entries = new Set([0]);
  insns.forEach((insn, slot) => {
    if (insn?.op === 'call_local' || insn?.op === 'ld_code_addr') entries.add(slot + 1 + insn.imm);
  });
  return [...entries].sort((a, b) => a - b);
}

/**
 * The graph of the function that begins at `entry`, following jumps and fall-through but not calls.
 *
 * @param insns by slot, as decodeProgram gives them
 * @throws AnyBpfError flow/bad-jump, flow/no-exit where control leaves the code or enters the middle of an instruction
 */
export function flowGraph(insns: readonly (Insn | undefined)[], entry: number): FlowGraph {
  const starts = new Set([entry]);
  const reached = new Set<number>();
  const work = [entry];
  for (let slot = work.pop(); slot !== undefined; slot = work.pop()) {
    for (let at: number | undefined = slot; at !== undefined && !reached.has(at); ) {
      const insn: Insn | undefined = insns[at];
      if (insn === undefined) fail(at >= insns.length ? endless({ insn: at }) : badJump({ insn: slot }, at));
      reached.add(at);
      const target = jumpTarget(insn, at);
      const next: number = at + slotsOf(insn.op);
      if (target !== undefined) {
        if (insns[target] === undefined) fail(badJump({ insn: at }, target));
        starts.add(target);
        work.push(target);
        if (fallsThrough(insn)) starts.add(next);
      }
      at = fallsThrough(insn) ? next : undefined;
    }
  }
  return { entry, blocks: cut(insns, entry, starts, reached) };
}

function cut(
  insns: readonly (Insn | undefined)[],
  entry: number,
  starts: ReadonlySet<number>,
  reached: ReadonlySet<number>,
): Block[] {
  // The entry comes first whatever its slot, so that block 0 is where every walk begins.
  const order = [entry, ...[...starts].filter((slot) => slot !== entry).sort((a, b) => a - b)];
  const indexOf = new Map(order.map((slot, index) => [slot, index]));
  const blockAt = (slot: number): number => {
    const index = indexOf.get(slot);
    if (index === undefined) throw new Error(`slot ${slot} begins no block`);
    return index;
  };
  const predecessors: number[][] = order.map(() => []);
  const blocks = order.map((start, index): Block => {
    let slot = start;
    let insn = insns[slot] as Insn;
    let next = slot + slotsOf(insn.op);
    while (jumpTarget(insn, slot) === undefined && fallsThrough(insn) && !starts.has(next) && reached.has(next)) {
      slot = next;
      insn = insns[slot] as Insn;
      next = slot + slotsOf(insn.op);
    }
    const target = jumpTarget(insn, slot);
    let terminator: Terminator;
    if (target === undefined)
      terminator = fallsThrough(insn) ? { kind: 'goto', target: blockAt(next) } : { kind: 'exit' };
    else if (!fallsThrough(insn)) terminator = { kind: 'goto', target: blockAt(target) };
    else terminator = { kind: 'branch', slot, taken: blockAt(target), otherwise: blockAt(next) };
    const successors =
      terminator.kind === 'goto'
        ? [terminator.target]
        : terminator.kind === 'branch'
          ? [...new Set([terminator.taken, terminator.otherwise])]
          : [];
    for (const successor of successors) predecessors[successor].push(index);
    return { index, start, end: next, terminator, successors, predecessors: predecessors[index] };
  });
  return blocks;
}
