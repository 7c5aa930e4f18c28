// The least number of instructions that lead from one block of a function to another.
import type { Insn } from '../isa/insn.ts';
import type { FlowGraph } from './graph.ts';

/**
 * Instructions executed from the start of block `from` to the end of the nearest block that `isEnd` names, on the shortest way;
 * undefined where none leads there.
 *
 * @param insns by slot
 */
export function shortestPath(
  { blocks }: FlowGraph,
  insns: readonly (Insn | undefined)[],
  from: number,
  isEnd: (block: number) => boolean,
): number | undefined {
  const lengthOf = (index: number): number => {
    let length = 0;
    for (let slot = blocks[index].start; slot < blocks[index].end; slot++) if (insns[slot] !== undefined) length++;
    return length;
  };
  const distances = new Map([[from, lengthOf(from)]]);
  const open = new Set([from]);
  // Dijkstra's algorithm; the ways asked for are short, so that the nearest is found by looking at all.
  while (open.size > 0) {
    let nearest = -1;
    for (const index of open) {
      if (nearest < 0 || (distances.get(index) as number) < (distances.get(nearest) as number)) nearest = index;
    }
    const distance = distances.get(nearest) as number;
    if (isEnd(nearest)) return distance;
    open.delete(nearest);
    for (const successor of blocks[nearest].successors) {
      const there = distance + lengthOf(successor);
      if (there >= (distances.get(successor) ?? Number.POSITIVE_INFINITY)) continue;
      distances.set(successor, there);
      open.add(successor);
    }
  }
  return undefined;
}
