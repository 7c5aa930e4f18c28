// Open-coded iterators: bpf_iter_*_new, _next and _destroy, which keep an object on the stack that only they may touch.
import { helperArgument } from '../base/messages/verify.ts';
import { describeValue } from './access.ts';
import { finish, release } from './after-call.ts';
import { type KfuncCall, resultOf } from './kfunc-call.ts';
import { newId } from './number/scalar.ts';
import type { Next } from './step.ts';
import { put, putSpecial } from './stack.ts';
import { type State, slotIndex } from './state.ts';
import { type Pointer, Special, type Value } from './value.ts';
import { constantNumber, placeAt, refuse } from './walk.ts';

const wrong = ({ walk, state, name }: KfuncCall, wanted: string, value: Value): never =>
  refuse(walk, helperArgument(placeAt(walk, state.slot), name, 1, wanted, describeValue(value)), 1, value);

/** Its struct, which all of its functions are named after. */
function structOf({ name, row }: KfuncCall): { readonly name: string; readonly slots: number } {
  return { name: name.replace(/_(new|next|destroy)$/, ''), slots: row.words ?? 1 };
}

export function newIterator(call: KfuncCall): Value {
  const { walk, state, args } = call;
  const [p] = args;
  const { name, slots } = structOf(call);
  if (p?.kind !== 'pointer' || p.region !== 'stack') return wrong(call, `${8 * slots} bytes of the stack`, p);
  const id = newId();
  putSpecial(walk, state, p, 'iterator', id, slots, 1, name);
  state.references = [...state.references, { id, what: 'iterator', at: state.slot }];
  return resultOf(call);
}

/** The iterator that the first argument points to. */
function iteratorAt(call: KfuncCall): { readonly p: Pointer; readonly found: Special; readonly slots: number } {
  const { state, args } = call;
  const [p] = args;
  const { name, slots } = structOf(call);
  const wanted = `an iterator ${name} on the stack`;
  if (p?.kind !== 'pointer' || p.region !== 'stack' || p.variable !== undefined || p.offset % 8 !== 0)
    return wrong(call, wanted, p);
  const found = state.frames[p.target].stack[slotIndex(p.offset)];
  if (found?.kind !== 'special' || found.name !== 'iterator' || found.type !== name || found.part !== 0)
    return wrong(call, wanted, p);
  return { p, found, slots };
}

/** As one that gives elements or one that has given all. */
function become(state: State, p: Pointer, old: Special, slots: number, now: Special['state']): void {
  const first = slotIndex(p.offset);
  for (let i = 0; i < slots; i++) put(state, p.target, first - i, new Special(old.name, old.id, i, old.type, now));
}

/** Goes on with an element, and with none where all may have been given. */
export function nextOfIterator(call: KfuncCall): { readonly next: Next } {
  const { walk, state } = call;
  const { p, found, slots } = iteratorAt(call);
  const ended = found.state === 'active' ? state.fork() : state;
  become(ended, p, found, slots, 'drained');
  finish(ended, constantNumber(ended, 0));
  ended.slot += 1;
  if (ended === state) return { next: 'on' };
  // All iterators end: each round of a loop asks for the next element.
  state.boundedAt = walk.visits;
  const element = resultOf(call);
  const lives = element?.kind === 'pointer' ? element.with({ reference: found.id, nullable: false }) : element;
  finish(state, lives);
  state.slot += 1;
  return { next: { fork: ended } };
}

export function destroyIterator(call: KfuncCall): Value {
  const { state } = call;
  const { p, found, slots } = iteratorAt(call);
  release(state, found.id);
  const first = slotIndex(p.offset);
  for (let i = 0; i < slots; i++) put(state, p.target, first - i, undefined);
  return undefined;
}
