// What is done to a state before it is kept, and to a kept one whose paths are all at their end.
import type { Scalar } from './number/scalar.ts';
import { copyScalar, type Frame, type State } from './state.ts';
import { Bytes } from './value.ts';
import type { Walk } from './walk.ts';

/** The checks say all that is still asked of a kept state. */
export function forgetValues(frame: Frame): void {
  frame.registers.length = 0;
  frame.stack.length = 0;
}

/** Registers that nothing reads any more hold nothing. */
export function forgetDead(walk: Walk, state: State): void {
  const live = walk.program.live[state.slot];
  const { registers } = state.frame;
  for (let r = 0; r < 10; r++) {
    if (((live >>> r) & 1) === 0 && registers[r] !== undefined) state.set(r, undefined);
  }
}

/** Numbers get copies of their own, so that what is asked of them from here on is told from what is asked elsewhere. */
export function own(state: State): void {
  const copies = new Map<Scalar, Scalar>();
  const copy = (s: Scalar): Scalar => {
    let made = copies.get(s);
    if (made === undefined) {
      made = copyScalar(s);
      copies.set(s, made);
    }
    return made;
  };
  for (let f = 0; f < state.frames.length; f++) {
    const { registers, stack } = state.own(f);
    for (let r = 0; r < registers.length; r++) {
      const value = registers[r];
      if (value?.kind === 'scalar') registers[r] = copy(value);
    }
    for (let i = 0; i < stack.length; i++) {
      const slot = stack[i];
      if (slot?.kind === 'scalar') stack[i] = copy(slot);
      else if (slot?.kind === 'bytes' && (slot.low !== undefined || slot.high !== undefined)) {
        stack[i] = new Bytes(slot.initialised, slot.low && copy(slot.low), slot.high && copy(slot.high));
      }
    }
  }
}
