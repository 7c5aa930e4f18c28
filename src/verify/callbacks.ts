// Helpers that run a function of the program: what the function gets, and what it may return.
import { MAX_LOOPS } from '../spec/helper.ts';
import { markPrecise, type State } from './state.ts';
import { type Pointer, pointer, type Value } from './value.ts';
import { loaded, number } from './walk.ts';
import { between, newId } from './number/scalar.ts';
import { writableByPrograms } from '../spec/map-types.ts';
import type { MapSpec } from '../spec/object.ts';

export interface CallbackRow {
  /** Argument (from 1) that names the function, and the one that is handed on to it. */
  readonly callback: number;
  readonly context: number;
  /** Registers r1 and on, without the context, which follows. */
  parameters(state: State, args: readonly Value[]): readonly Value[];
  /** Largest return value (0 or 1: whether to stop). */
  readonly returnsAtMost: number;
  /** Called at most once. */
  readonly once?: boolean;
}

/** A value of a map, of which a lock is not that of another. */
const element = (state: State, map: MapSpec | undefined): Pointer =>
  pointer('mapValue', state.slot, { map, id: newId(), writable: map === undefined || writableByPrograms(map) });

/** By helper name. */
export const CALLBACKS: Readonly<Record<string, CallbackRow>> = {
  loop: {
    callback: 2,
    context: 3,
    parameters: (state, args) => {
      const most = args[0]?.kind === 'scalar' ? args[0] : undefined;
      // What later rounds get is asked of the call that they belong to.
      markPrecise(most);
      const last = Math.min(most?.r32.umax ?? MAX_LOOPS, MAX_LOOPS) - 1;
      return [number(state, between(0, Math.max(0, last)), most)];
    },
    returnsAtMost: 1,
  },
  for_each_map_elem: {
    callback: 2,
    context: 3,
    parameters: (state, args) => {
      const map = (args[0] as Pointer).map;
      return [args[0], pointer('mapKey', state.slot, { map }), element(state, map)];
    },
    returnsAtMost: 1,
  },
  timer_set_callback: {
    callback: 2,
    context: 0,
    parameters: (state, args) => {
      const map = (args[0] as Pointer).map;
      return [pointer('map', state.slot, { map }), pointer('mapKey', state.slot, { map }), element(state, map)];
    },
    returnsAtMost: 0,
    once: true,
  },
  user_ringbuf_drain: {
    callback: 2,
    context: 3,
    parameters: (state) => [loaded(state, 8)],
    returnsAtMost: 1,
  },
  find_vma: {
    callback: 3,
    context: 4,
    parameters: (state) => [pointer('kernel', state.slot), pointer('kernel', state.slot)],
    returnsAtMost: 1,
    once: true,
  },
};
