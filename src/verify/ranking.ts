// Whether a loop ends: some number goes towards a bound that it never passes, each time the loop comes back to its head.
import { LIMIT, type Scalar } from './number/scalar.ts';
import type { Entry, State } from './state.ts';
import type { Pointer, Value } from './value.ts';

/** The attempt to verify a loop for any number of rounds. */
export interface Trial {
  readonly entry: Entry;
  /**
   * Where steps come from data: the sums made since. What a step adds is found by how the number was computed, which is not
   * compared: so kept states do not answer for others in such a trial.
   */
  readonly sums: ReadonlySet<Scalar> | undefined;
  /** Ways back to the head. */
  arrivals: number;
  /** Whether each way back asked a bounded iteration (may_goto, a callback's helper) for the next round. */
  bounded: boolean;
  /** Places (frame, register or slot, direction) whose value goes towards a bound on each way back, with the id that it has at the head. */
  ranking: ReadonlyMap<string, number> | undefined;
}

export const mayNotEnd = (trial: Trial): boolean =>
  trial.arrivals > 0 && !trial.bounded && (trial.ranking?.size ?? 0) === 0;

/** Sums that are followed back from a number to what it was at the head. */
const MOST_SUMS = 64;

/** How much a number is larger than another one that it was computed from, at least. Undefined where it was not, or that is not known. */
function climb(sums: ReadonlySet<Scalar>, old: Scalar, next: Scalar, depth = 0): number | undefined {
  let least = 0;
  for (let s = next; depth < MOST_SUMS; depth++) {
    if (s.id === old.id) return least + s.delta - old.delta;
    const { from, also } = s;
    if (from === undefined) return undefined;
    if (from.id === s.id) {
      // A copy, or bounds that became known, or a constant that was added.
      least += s.delta - from.delta;
      s = from;
    } else if (sums.has(s) && also !== undefined) {
      const rest = climb(sums, old, from, depth + 1);
      if (rest !== undefined) return least + rest + also.r64.smin;
      least += from.r64.smin;
      s = also;
    } else return undefined;
  }
  return undefined;
}

/** As `directions`, where the step is a number that was added. */
function stride(sums: ReadonlySet<Scalar>, old: Value, next: Value): readonly ('up' | 'down')[] {
  if (old?.kind === 'scalar' && next?.kind === 'scalar') return towards(climb(sums, old, next) ?? 0, old.r64);
  if (old?.kind !== 'pointer' || next?.kind !== 'pointer' || old.region !== next.region) return [];
  if (old.variable === undefined || next.variable === undefined) return [];
  const by = climb(sums, old.variable, next.variable);
  return by === undefined ? [] : towards(by + next.offset - old.offset, old.variable.r64);
}

/** Directions in which a value has moved towards a bound since the head of the loop. */
function directions(old: Value, next: Value): readonly ('up' | 'down')[] {
  if (old?.kind === 'pointer' && next?.kind === 'pointer') return ofPointers(old, next);
  if (old?.kind !== 'scalar' || next?.kind !== 'scalar' || old.id !== next.id) return [];
  const by = next.delta - old.delta;
  return towards(by, old.r64);
}

function towards(
  by: number,
  { smin, smax }: { readonly smin: number; readonly smax: number },
): readonly ('up' | 'down')[] {
  if (by > 0 && smax < LIMIT) return ['up'];
  return by < 0 && smin > -LIMIT ? ['down'] : [];
}

/** Moved by a constant, within what its varying part allows. */
function ofPointers(old: Pointer, next: Pointer): readonly ('up' | 'down')[] {
  const { variable } = old;
  if (variable === undefined || next.variable === undefined || old.id === 0 || old.id !== next.id) return [];
  if (variable.id !== next.variable.id || variable.delta !== next.variable.delta) return [];
  return towards(next.offset - old.offset, variable.r64);
}

/** Notes what has come nearer to a bound on this way back to the head. */
export function rank(trial: Trial, state: State): void {
  const { entry } = trial;
  trial.arrivals++;
  if (state.boundedAt <= entry.visit) trial.bounded = false;
  const nearer = new Map<string, number>();
  const note = (place: string, old: Value, next: Value): void => {
    const { sums } = trial;
    const found = sums === undefined ? directions(old, next) : stride(sums, old, next);
    for (const direction of found) nearer.set(`${place} ${direction}`, old?.id ?? 0);
  };
  entry.frames.forEach((frame, f) => {
    const now = state.frames[f];
    frame.registers.forEach((value, r) => {
      note(`${f}r${r}`, value, now.registers[r]);
    });
    frame.stack.forEach((slot, i) => {
      const next = now.stack[i];
      if (slot?.kind === 'bytes' && next?.kind === 'bytes') {
        note(`${f}l${i}`, slot.low, next.low);
        note(`${f}h${i}`, slot.high, next.high);
      } else if (slot?.kind === 'scalar' || slot?.kind === 'pointer') {
        note(`${f}s${i}`, slot, next?.kind === 'bytes' || next?.kind === 'special' ? undefined : next);
      }
    });
  });
  const { ranking } = trial;
  trial.ranking = ranking === undefined ? nearer : new Map([...ranking].filter(([place]) => nearer.has(place)));
}
