// Reverse postorder, dominators and back edges of a flow graph (Cooper, Harvey, Kennedy: A Simple, Fast Dominance Algorithm).
import type { FlowGraph } from './graph.ts';

export interface Dominance {
  /** Blocks in reverse postorder, the entry first. */
  readonly order: readonly number[];
  /** Position of each block in `order`. */
  readonly position: ArrayLike<number>;
  /** Immediate dominator of each block; the entry's is itself. */
  readonly idom: ArrayLike<number>;
  /** Blocks that each block immediately dominates, in reverse postorder. */
  readonly children: readonly (readonly number[])[];
  /** Whether a block is entered by an edge from a block at or after it in `order`. */
  readonly loopHead: readonly boolean[];
  /** True where every such edge comes from a block that the head dominates: all loops have one entry. */
  readonly reducible: boolean;
  dominates(a: number, b: number): boolean;
}

const NONE: readonly number[] = [];

/** Postorder without recursion: programs may have thousands of blocks in a row. */
function reversePostorder({ blocks }: FlowGraph): number[] {
  const order: number[] = [];
  const seen = new Uint8Array(blocks.length);
  const stack = [0];
  // Successors of each block on the stack that were looked at.
  const next = new Uint8Array(blocks.length);
  seen[0] = 1;
  while (stack.length > 0) {
    const top = stack[stack.length - 1];
    const { successors } = blocks[top];
    if (next[top] < successors.length) {
      const successor = successors[next[top]++];
      if (seen[successor] === 0) {
        seen[successor] = 1;
        stack.push(successor);
      }
    } else {
      order.push(top);
      stack.pop();
    }
  }
  return order.reverse();
}

/** Immediate dominators, by a walk over all blocks until nothing changes: twice where the graph is reducible. */
function immediateDominators({ blocks }: FlowGraph, order: readonly number[], position: Int32Array): Int32Array {
  const idom = new Int32Array(blocks.length).fill(-1);
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
    for (let i = 1; i < order.length; i++) {
      const block = order[i];
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
  return idom;
}

function childrenOf(order: readonly number[], idom: Int32Array): (readonly number[])[] {
  const children: (readonly number[])[] = Array.from(idom, () => NONE);
  for (let i = 1; i < order.length; i++) {
    const parent = idom[order[i]];
    const siblings = children[parent];
    if (siblings === NONE) children[parent] = [order[i]];
    else (siblings as number[]).push(order[i]);
  }
  return children;
}

export function dominance(graph: FlowGraph): Dominance {
  const { blocks } = graph;
  const order = reversePostorder(graph);
  const position = new Int32Array(blocks.length).fill(-1);
  for (let i = 0; i < order.length; i++) position[order[i]] = i;
  const idom = immediateDominators(graph, order, position);
  const children = childrenOf(order, idom);
  // Depth-first numbers over the dominator tree answer "dominates" without a walk: a block's first, and its subtree's last.
  const enter = new Int32Array(blocks.length);
  const leave = new Int32Array(blocks.length);
  const sizes = new Int32Array(blocks.length).fill(1);
  for (let i = order.length - 1; i > 0; i--) sizes[idom[order[i]]] += sizes[order[i]];
  leave[0] = sizes[0] - 1;
  for (const block of order) {
    let at = enter[block] + 1;
    for (const child of children[block]) {
      enter[child] = at;
      at += sizes[child];
      leave[child] = at - 1;
    }
  }
  const dominates = (a: number, b: number): boolean => enter[a] <= enter[b] && enter[b] <= leave[a];
  const loopHead = blocks.map(() => false);
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
