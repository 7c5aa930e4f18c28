// What calls leave: a result, and pointers that are none any more.
import type { State } from './state.ts';
import type { Value } from './value.ts';
import { anyNumber } from './walk.ts';

/** Leaves r1 to r5 without values, and the result in r0. */
export function finish(state: State, result: Value): void {
  const { registers } = state.own();
  registers[0] = result;
  for (let r = 1; r <= 5; r++) registers[r] = undefined;
}

/** Pointers that stand for a reference are numbers without it. */
export function release(state: State, reference: number): void {
  state.references = state.references.filter((ref) => ref.id !== reference);
  const nothing = anyNumber(state);
  state.replace((value) => (value.kind === 'pointer' && value.reference === reference ? nothing : value));
}

/** The packet may be elsewhere now. */
export function invalidatePackets(state: State): void {
  const nothing = anyNumber(state);
  state.replace((value) =>
    value.kind === 'pointer' &&
    (value.region === 'packet' ||
      value.region === 'packetMeta' ||
      value.region === 'packetEnd' ||
      (value.region === 'memory' && value.target === 1))
      ? nothing
      : value,
  );
}
