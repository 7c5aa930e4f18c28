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
  // Entered from more than one place going forward: such a block cannot be put in line with one of them.
  const isMerge = blocks.map(
    (block) => block.predecessors.filter((p) => dom.position[p] < dom.position[block.index]).length > 1,
  );
  // A branch whose sides are the same block enters it twice.
  for (const { terminator } of blocks) {
    if (terminator.kind === 'branch' && terminator.taken === terminator.otherwise) isMerge[terminator.taken] = true;
  }
  // Number of scopes around the `loop` and the `block` that stand for each block: labels are differences of depths.
  const loopDepth: number[] = [];
  const mergeDepth: number[] = [];

  function tree(block: number, depth: number): Structured[] {
    const merges = dom.children[block].filter((child) => isMerge[child]);
    if (!dom.loopHead[block]) return within(block, merges, merges.length, depth);
    loopDepth[block] = depth;
    return [{ kind: 'loop', head: block, body: within(block, merges, merges.length, depth + 1) }];
  }

  /** The block's own code with the first `count` of its merge children after it, the last in reverse postorder outermost. */
  function within(block: number, merges: readonly number[], count: number, depth: number): Structured[] {
    if (count === 0) return own(block, depth);
    const last = merges[count - 1];
    mergeDepth[last] = depth;
    return [{ kind: 'block', body: within(block, merges, count - 1, depth + 1) }, ...tree(last, depth)];
  }

  function own(block: number, depth: number): Structured[] {
    const { terminator } = blocks[block];
    const code: Structured = { kind: 'code', block };
    if (terminator.kind === 'exit') return [code, { kind: 'exit', block }];
    if (terminator.kind === 'goto') return [code, ...edge(block, terminator.target, depth)];
    // A side that only branches needs no scope, and what follows it none either.
    const out = jump(block, terminator.taken, depth);
    if (out !== undefined) {
      return [code, { ...out, kind: 'branch-if', negated: false }, ...edge(block, terminator.otherwise, depth)];
    }
    const stay = jump(block, terminator.otherwise, depth);
    if (stay !== undefined) {
      return [code, { ...stay, kind: 'branch-if', negated: true }, ...edge(block, terminator.taken, depth)];
    }
    const taken = edge(block, terminator.taken, depth + 1);
    const otherwise = edge(block, terminator.otherwise, depth + 1);
    return [code, { kind: 'if', block, taken, otherwise }];
  }

  function edge(from: number, to: number, depth: number): Structured[] {
    const out = jump(from, to, depth);
    return out === undefined ? tree(to, depth) : [{ ...out, kind: 'branch' }];
  }

  /** The branch that an edge is, undefined where the block can stand in line. */
  function jump(from: number, to: number, depth: number): Jump | undefined {
    const back = dom.position[to] <= dom.position[from];
    if (!back && !isMerge[to]) return undefined;
    return { block: from, target: to, label: depth - 1 - (back ? loopDepth[to] : mergeDepth[to]), back };
  }

  return tree(0, 0);
}
