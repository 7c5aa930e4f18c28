// A loop in words: where it begins, where it goes back, and what has to happen for it to be left.
import type { Block, FlowGraph } from '../../flow/graph.ts';
import { slotsOf } from '../../isa/insn.ts';
import type { Walk } from '../walk.ts';

export interface LoopExit {
  /** Slot of the branch. */
  readonly slot: number;
  /** Slot that the branch goes on at when the loop is left. */
  readonly to: number;
}

export interface Loop {
  readonly head: number;
  /** Slots of the last instructions of the ways back. */
  readonly back: readonly number[];
  /** Branches of which one way leaves the loop. */
  readonly exits: readonly LoopExit[];
}

/** The loop that begins at a slot: its blocks are those that come to it again without leaving what it dominates. */
export function loopAt(walk: Walk, head: number): Loop | undefined {
  for (const { graph, dominance } of walk.program.functions.values()) {
    const first = graph.blocks.find((b) => b.start === head);
    if (first === undefined) continue;
    const ends = first.predecessors.filter((p) => dominance.dominates(first.index, p));
    const body = bodyOf(graph, first.index, ends);
    const blocks = [...body].map((index) => graph.blocks[index]);
    return {
      head,
      back: ends.map((index) => lastSlot(walk, graph.blocks[index])),
      exits: blocks.flatMap((block) => exitOf(graph, block, body)),
    };
  }
  return undefined;
}

function bodyOf({ blocks }: FlowGraph, head: number, ends: readonly number[]): Set<number> {
  const body = new Set([head]);
  const work = [...ends];
  for (let index = work.pop(); index !== undefined; index = work.pop()) {
    if (body.has(index)) continue;
    body.add(index);
    work.push(...blocks[index].predecessors);
  }
  return body;
}

function exitOf({ blocks }: FlowGraph, { terminator }: Block, body: ReadonlySet<number>): LoopExit[] {
  if (terminator.kind !== 'branch') return [];
  const out = [terminator.taken, terminator.otherwise].find((index) => !body.has(index));
  return out === undefined ? [] : [{ slot: terminator.slot, to: blocks[out].start }];
}

function lastSlot(walk: Walk, block: Block): number {
  let last = block.start;
  for (let slot = block.start; slot < block.end; ) {
    last = slot;
    const insn = walk.program.insns[slot];
    slot += insn === undefined ? 1 : slotsOf(insn.op);
  }
  return last;
}
