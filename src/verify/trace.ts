// A path of the walk, instruction by instruction: what explanations are made of. Recorded only where one is asked for.
import type { Frame, Reference, State } from './state.ts';

/** The state before one instruction of a path. Linked to the one before it, as paths share where they come from. */
export interface Trace {
  readonly slot: number;
  readonly frames: readonly Frame[];
  readonly references: readonly Reference[];
  /** Instructions of the path up to here. */
  readonly count: number;
  before: Trace | undefined;
}

/** Instructions of a path that are remembered at least; twice as many at most. */
const KEPT = 1 << 14;

/** Notes the state before the instruction that it stands at. An observer of the walk (engine.ts). */
export function record(state: State): void {
  // The next to change a frame copies it, so that what is remembered stays as it is.
  for (const frame of state.frames) frame.owner = undefined;
  const { slot, references, trace } = state;
  const count = (trace?.count ?? 0) + 1;
  const node: Trace = { slot, frames: state.frames.slice(), references, count, before: trace };
  if (count % KEPT === 0) cut(node);
  state.trace = node;
}

function cut(last: Trace): void {
  let node: Trace | undefined = last;
  for (let n = 0; n < KEPT && node !== undefined; n++) node = node.before;
  if (node !== undefined) node.before = undefined;
}

/** The path as a list, from its beginning. */
export function pathOf(last: Trace | undefined): Trace[] {
  const path: Trace[] = [];
  for (let node = last; node !== undefined; node = node.before) path.push(node);
  return path.reverse();
}
