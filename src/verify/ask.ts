// What a path that ended in a kept state rests on: what that state's verdict rests on.
import { type Entry, markPrecise, type State } from './state.ts';
import type { Slot, Value } from './value.ts';

const askValue = (value: Value): void => {
  if (value?.kind === 'scalar') markPrecise(value);
};

/** The verdict of an open state rests on all that the path that ended in it has. */
export function askAll(state: State): void {
  state.frames.forEach((frame, f) => {
    for (const value of frame.registers) askValue(value);
    frame.stack.forEach((slot, i) => {
      if (slot === undefined) return;
      state.markRead(f, i);
      if (slot.kind === 'bytes') {
        askValue(slot.low);
        askValue(slot.high);
      } else if (slot.kind === 'scalar') askValue(slot);
    });
  });
}

/** What the kept state's verdict rests on, the path that ended in it rests on too. */
export function askAs(entry: Entry, state: State): void {
  for (const { frame, place, value } of entry.checks ?? []) {
    const { registers, stack } = state.frames[frame];
    if (place >= 10) state.markRead(frame, place - 10);
    askSlot(value, place < 10 ? registers[place] : stack[place - 10]);
  }
}

function askSlot(old: Exclude<Slot, undefined>, next: Slot): void {
  // A number that stands for a pointer is NULL.
  if (old.kind === 'pointer' || (old.kind === 'scalar' && old.precise)) {
    if (next?.kind === 'scalar') askValue(next);
    else if (next?.kind === 'bytes') {
      askValue(next.low);
      askValue(next.high);
    }
  } else if (old.kind === 'bytes' && next?.kind === 'bytes') {
    if (old.low?.precise === true) askValue(next.low);
    if (old.high?.precise === true) askValue(next.high);
  }
}
