// Structured control flow from a graph: WebAssembly has blocks, loops and branches out of them, no goto.
// Norman Ramsey, Beyond Relooper: Recursive Translation of Unstructured Control Flow to Structured Control Flow (ICFP 2022).
// A block with several forward predecessors is placed after a `block` that they branch out of; a loop head becomes a `loop`.
import type { Dominance } from './dominators.ts';
import type { FlowGraph } from './graph.ts';

/** An edge of the graph that leaves scopes. */
export interface Jump {
  readonly block: number;
  readonly target: number;
  readonly label: number;
  readonly back: boolean;
}

/** One step of structured code. Labels count outwards from the innermost enclosing scope, as WebAssembly's `br` does. */
export type Structured =
  /** The instructions of a basic block, without its terminator. */
  | { readonly kind: 'code'; readonly block: number }
  /** `br label` from the end of `block` to `target`; `back` where that is the head of an enclosing loop. */
  | ({ readonly kind: 'branch' } & Jump)
  /** The end of a basic block in exit. */
  | { readonly kind: 'exit'; readonly block: number }
  /** A scope that `br` leaves at its end. */
  | { readonly kind: 'block'; readonly body: readonly Structured[] }
  /** A scope that `br` enters again at its start. */
  | { readonly kind: 'loop'; readonly head: number; readonly body: readonly Structured[] }
  /** `br_if label` on the branch instruction that ends a basic block, where the branch is taken (or, `negated`, is not). */
  | ({ readonly kind: 'branch-if'; readonly negated: boolean } & Jump)
  /** `br_table` on the register of a switch: labels for the entries of its table, and the other two. */
  | {
      readonly kind: 'switch';
      readonly block: number;
      readonly table: readonly number[];
      readonly below: number;
      readonly otherwise: number;
    }
  /** Decides on the branch instruction that ends a basic block; both sides are scopes of their own. */
  | {
      readonly kind: 'if';
      readonly block: number;
      readonly taken: readonly Structured[];
      readonly otherwise: readonly Structured[];
    };

/**
 * The function as structured code. Only for reducible graphs (dominance.reducible).
 * The depth of the recursion is the depth of the dominator tree.
 */
export function structure(graph: FlowGraph, dom: Dominance): readonly Structured[] {
  if (!dom.reducible) throw new Error('an irreducible graph has no structured form');
  const { blocks } = graph;
  const { position, children, loopHead } = dom;
  // Entered from more than one place going forward: such a block cannot be put in line with one of them.
  const isMerge = new Uint8Array(blocks.length);
  for (const { index, predecessors, successors, terminator } of blocks) {
    let forward = 0;
    for (const predecessor of predecessors) if (position[predecessor] < position[index]) forward++;
    if (forward > 1) isMerge[index] = 1;
    // A table branches to all its targets. A branch whose sides are the same block enters it twice.
    if (terminator.kind === 'switch') for (const successor of successors) isMerge[successor] = 1;
    if (terminator.kind === 'branch' && terminator.taken === terminator.otherwise) isMerge[terminator.taken] = 1;
  }
  // Number of scopes around the `loop` and the `block` that stand for each block: labels are differences of depths.
  const loopDepth = new Int32Array(blocks.length);
  const mergeDepth = new Int32Array(blocks.length);

  // Each of these adds to the end of `out`.

  function tree(out: Structured[], block: number, depth: number): void {
    const last = children[block].length;
    if (!loopHead[block]) return within(out, block, last, depth);
    loopDepth[block] = depth;
    const body: Structured[] = [];
    out.push({ kind: 'loop', head: block, body });
    within(body, block, last, depth + 1);
  }

  /** The block's own code with the merges of its first `count` children after it, the last in reverse postorder outermost. */
  function within(out: Structured[], block: number, count: number, depth: number): void {
    const among = children[block];
    while (count > 0 && isMerge[among[count - 1]] === 0) count--;
    if (count === 0) return own(out, block, depth);
    const last = among[count - 1];
    mergeDepth[last] = depth;
    const body: Structured[] = [];
    out.push({ kind: 'block', body });
    within(body, block, count - 1, depth + 1);
    tree(out, last, depth);
  }

  function own(out: Structured[], block: number, depth: number): void {
    const { terminator } = blocks[block];
    out.push({ kind: 'code', block });
    if (terminator.kind === 'exit') {
      out.push({ kind: 'exit', block });
      return;
    }
    if (terminator.kind === 'switch') {
      const label = (target: number): number => jump(block, target, depth).label;
      const { table, below, otherwise } = terminator;
      out.push({ kind: 'switch', block, table: table.map(label), below: label(below), otherwise: label(otherwise) });
      return;
    }
    if (terminator.kind === 'goto') return edge(out, block, terminator.target, depth);
    const { taken, otherwise } = terminator;
    // A side that only branches needs no scope, and what follows it none either.
    const negated = !branches(block, taken);
    if (!negated || branches(block, otherwise)) {
      const target = negated ? otherwise : taken;
      const { label, back } = jump(block, target, depth);
      out.push({ kind: 'branch-if', negated, block, target, label, back });
      return edge(out, block, negated ? taken : otherwise, depth);
    }
    const step = { kind: 'if' as const, block, taken: [] as Structured[], otherwise: [] as Structured[] };
    out.push(step);
    edge(step.taken, block, taken, depth + 1);
    edge(step.otherwise, block, otherwise, depth + 1);
  }

  function edge(out: Structured[], from: number, to: number, depth: number): void {
    if (!branches(from, to)) return tree(out, to, depth);
    const { label, back } = jump(from, to, depth);
    out.push({ kind: 'branch', block: from, target: to, label, back });
  }

  const isBack = (from: number, to: number): boolean => position[to] <= position[from];

  /** Whether an edge is a branch: its target cannot stand in line. */
  const branches = (from: number, to: number): boolean => isMerge[to] !== 0 || isBack(from, to);

  function jump(from: number, to: number, depth: number): { readonly label: number; readonly back: boolean } {
    const back = isBack(from, to);
    return { label: depth - 1 - (back ? loopDepth[to] : mergeDepth[to]), back };
  }

  const out: Structured[] = [];
  tree(out, 0, 0);
  return out;
}
