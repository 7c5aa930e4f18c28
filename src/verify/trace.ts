// A path of the walk, instruction by instruction: what explanations are made of. Recorded only where one is asked for.
import type { Frame, Reference, State } from './state.ts';

/** The state before one instruction of a path. Linked to the one before it, as paths share where they come from. */
export interface Trace {
  readonly slot: number;
  readonly frames: readonly Frame[];
  readonly references: readonly Reference[];
  /** Instructions of the path up to here, without those that were not recorded. */
  readonly count: number;
  /** Whether instructions follow that were not recorded. */
  readonly gap: boolean;
  readonly before: Trace | undefined;
}

/** Instructions visited at the beginning and at the end of a walk that are recorded: where values come from, and how it ended. */
const RECORDED = 1 << 14;

/**
 * An observer of a walk (engine.ts) that has so many visits: notes in each state how it came to be, and leaves out the middle of long
 * walks, whose memory nothing would bound.
 */
export function recorder(visits: number): (state: State) => void {
  let visit = 0;
  return (state) => {
    visit++;
    if (visit <= RECORDED || visit > visits - RECORDED) record(state);
    else if (state.trace?.gap === false) state.trace = { ...state.trace, gap: true };
  };
}

function record(state: State): void {
  // The next to change a frame copies it, so that what is remembered stays as it is.
  for (const frame of state.frames) frame.owner = undefined;
  const { slot, references, trace } = state;
  const count = (trace?.count ?? 0) + 1;
  state.trace = { slot, frames: state.frames.slice(), references, count, gap: false, before: trace };
}

/** The path as a list, from its beginning. */
export function pathOf(last: Trace | undefined): Trace[] {
  const path: Trace[] = [];
  for (let node = last; node !== undefined; node = node.before) path.push(node);
  return path.reverse();
}
