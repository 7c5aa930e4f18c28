// Reverse postorder, dominators and back edges of a flow graph (Cooper, Harvey, Kennedy: A Simple, Fast Dominance Algorithm).
import type { FlowGraph } from './graph.ts';

export interface Dominance {
  /** Blocks in reverse postorder, the entry first. */
  readonly order: readonly number[];
  /** Position of each block in `order`. */
  readonly position: readonly number[];
  /** Immediate dominator of each block; the entry's is itself. */
  readonly idom: readonly number[];
  /** Blocks that each block immediately dominates, in reverse postorder. */
  readonly children: readonly (readonly number[])[];
  /** Whether a block is entered by an edge from a block at or after it in `order`. */
  readonly loopHead: readonly boolean[];
  /** True where every such edge comes from a block that the head dominates: all loops have one entry. */
  readonly reducible: boolean;
  dominates(a: number, b: number): boolean;
}

/** Postorder without recursion: programs may have thousands of blocks in a row. */
function reversePostorder({ blocks }: FlowGraph): number[] {
  const order: number[] = [];
  const seen = new Array<boolean>(blocks.length).fill(false);
  const stack: { block: number; next: number }[] = [{ block: 0, next: 0 }];
  seen[0] = true;
  while (stack.length > 0) {
    const top = stack[stack.length - 1];
    const { successors } = blocks[top.block];
    if (top.next < successors.length) {
      const successor = successors[top.next++];
      if (!seen[successor]) {
        seen[successor] = true;
        stack.push({ block: successor, next: 0 });
      }
    } else {
      order.push(top.block);
      stack.pop();
    }
  }
  return order.reverse();
}

export function dominance(graph: FlowGraph): Dominance {
  const { blocks } = graph;
  const order = reversePostorder(graph);
  const position = new Array<number>(blocks.length).fill(-1);
  order.forEach((block, index) => {
    position[block] = index;
  });
  const idom = new Array<number>(blocks.length).fill(-1);
  idom[0] = 0;
  const meet = (a: number, b: number): number => {
    while (a !== b) {
      while (position[a] > position[b]) a = idom[a];
      while (position[b] > position[a]) b = idom[b];
    }
    return a;
  };
  for (let changed = true; changed; ) {
    changed = false;
    for (const block of order) {
      if (block === 0) continue;
      let nearest = -1;
      for (const predecessor of blocks[block].predecessors) {
        if (idom[predecessor] < 0) continue;
        nearest = nearest < 0 ? predecessor : meet(predecessor, nearest);
      }
      if (idom[block] !== nearest) {
        idom[block] = nearest;
        changed = true;
      }
    }
  }
  const children: number[][] = blocks.map(() => []);
  for (const block of order) if (block !== 0) children[idom[block]].push(block);
  // Depth-first numbers over the dominator tree answer "dominates" without a walk.
  const enter = new Array<number>(blocks.length).fill(0);
  const leave = new Array<number>(blocks.length).fill(0);
  let clock = 0;
  const stack: { block: number; next: number }[] = [{ block: 0, next: 0 }];
  enter[0] = clock++;
  while (stack.length > 0) {
    const top = stack[stack.length - 1];
    if (top.next < children[top.block].length) {
      const child = children[top.block][top.next++];
      enter[child] = clock++;
      stack.push({ block: child, next: 0 });
    } else {
      leave[top.block] = clock++;
      stack.pop();
    }
  }
  const dominates = (a: number, b: number): boolean => enter[a] <= enter[b] && leave[b] <= leave[a];
  const loopHead = new Array<boolean>(blocks.length).fill(false);
  let reducible = true;
  for (const block of order) {
    for (const successor of blocks[block].successors) {
      if (position[successor] > position[block]) continue;
      loopHead[successor] = true;
      if (!dominates(successor, block)) reducible = false;
    }
  }
  return { order, position, idom, children, loopHead, reducible, dominates };
}
