// Loads from and stores to the stack: values that were spilled come back as they were.
import {
  misaligned,
  spilledPointerPart,
  stackAccess,
  stackBounds,
  uninitialisedStack,
} from '../base/messages/verify.ts';
import * as N from './number/scalar.ts';
import { type Scalar, zeroExtended } from './number/scalar.ts';
import * as T from './number/tnum.ts';
import { MAX_STACK, markPrecise, type State, STACK_SLOTS, slotIndex } from './state.ts';
import { Bytes, type Pointer, type Slot, Special, type Value } from './value.ts';
import { anyNumber, number, placeAt, refuse, signedText, type Walk, warn } from './walk.ts';

const ALL = 0xff;

/** Bytes of a slot that hold something, as bits from the lowest address. */
const initialised = (slot: Slot): number =>
  slot === undefined || slot.kind === 'special' ? 0 : slot.kind === 'bytes' ? slot.initialised : ALL;

/** Bits of the bytes of slot `index` that lie in [from, from + size) below the frame's top. */
function bitsOf(index: number, from: number, size: number): number {
  const base = -8 * (index + 1);
  const low = Math.max(from - base, 0);
  const high = Math.min(from + size - base, 8);
  return high <= low ? 0 : ((1 << (high - low)) - 1) << low;
}

/** First and last offset that a pointer with an access may mean. */
export function stackSpan(p: Pointer, off: number): readonly [number, number] {
  const at = p.offset + off;
  const v = p.variable;
  return v === undefined ? [at, at] : [at + v.r64.smin, at + v.r64.smax];
}

function inFrame(
  walk: Walk,
  state: State,
  p: Pointer,
  off: number,
  size: number,
  register: number,
): readonly [number, number] {
  const [from, to] = stackSpan(p, off);
  if (from < -MAX_STACK || to + size > 0) {
    const where = from === to ? signedText(from) : `${signedText(from)} to r10${signedText(to)}`;
    refuse(walk, stackBounds(placeAt(walk, state.slot), where, size, to + size, MAX_STACK), register, p);
  }
  const { entry } = state.frames[p.target];
  if (-from > (walk.stackOf.get(entry) ?? 0)) walk.stackOf.set(entry, -from);
  return [from, to];
}

/** It works here; Linux wants the stack aligned on all machines. */
function aligned(walk: Walk, state: State, p: Pointer, from: number, size: number, register: number): void {
  if (from % size !== 0)
    warn(walk, misaligned(placeAt(walk, state.slot), size, 'a stack access in Linux'), register, p);
}

/** Loads `size` bytes. */
export function loadStack(walk: Walk, state: State, p: Pointer, off: number, size: number, register: number): Value {
  const [from, to] = inFrame(walk, state, p, off, size, register);
  const frame = state.frames[p.target];
  if (from !== to) {
    readable(walk, state, p, from, to + size - from, register);
    return number(state, zeroExtended(size * 8));
  }
  aligned(walk, state, p, from, size, register);
  const index = slotIndex(from);
  const slot = frame.stack[index];
  const at = from + 8 * (index + 1);
  if (at + size <= 8) state.markRead(p.target, index);
  if (size === 8 && at === 0 && slot !== undefined && slot.kind !== 'bytes' && slot.kind !== 'special') return slot;
  readable(walk, state, p, from, size, register);
  if (slot?.kind === 'scalar' && at + size <= 8) return part(state, slot, at, size);
  if (slot?.kind === 'bytes') {
    const half = at < 4 ? slot.low : slot.high;
    const within = at & 3;
    if (half !== undefined && within + size <= 4) return size === 4 ? half : part(state, half, within, size);
    if (size === 8 && slot.low !== undefined && slot.high !== undefined) {
      const bits = T.concat(slot.low.bits, T.lsh(slot.high.bits, 32));
      return number(state, N.settled(N.ANY.r64, N.ANY.r32, bits), slot.low, slot.high);
    }
  }
  return number(state, zeroExtended(size * 8));
}

/** Bytes `at` to `at + size` of a number in memory (little-endian). */
function part(state: State, whole: Scalar, at: number, size: number): Scalar {
  const bits = T.truncate(T.rsh(whole.bits, 8 * at), 8 * size);
  if (T.isConstant(bits)) return number(state, N.exactly(bits), whole);
  if (at === 0 && size === 4) return number(state, N.low32(whole), whole);
  if (at === 0 && whole.r64.umax < 2 ** (8 * size)) return number(state, whole, whole);
  const wide = zeroExtended(8 * size);
  return number(state, N.settled(wide.r64, wide.r32, bits), whole);
}

/** Refuses bytes of the stack that hold nothing, or part of a pointer. Marks them as looked at. */
export function readable(walk: Walk, state: State, p: Pointer, from: number, size: number, register: number): void {
  const { stack } = state.frames[p.target];
  for (let index = slotIndex(from + size - 1); index <= slotIndex(from); index++) {
    const wanted = bitsOf(index, from, size);
    const slot = stack[index];
    state.markRead(p.target, index);
    if ((initialised(slot) & wanted) !== wanted) {
      const place = placeAt(walk, state.slot);
      if (slot?.kind === 'special')
        refuse(walk, stackAccess(place, signedText(from), size, `a ${slot.name} lies there`), register, p);
      warn(walk, uninitialisedStack(place, from, size), register, p, [from, size]);
    }
    if (slot?.kind === 'pointer' && wanted !== ALL) {
      refuse(walk, spilledPointerPart(placeAt(walk, state.slot), -8 * (index + 1)), register, p);
    }
  }
}

/** Stores `size` bytes of a value. */
export function storeStack(
  walk: Walk,
  state: State,
  p: Pointer,
  off: number,
  size: number,
  value: Value,
  register: number,
): void {
  const [from, to] = inFrame(walk, state, p, off, size, register);
  if (from !== to) {
    blur(walk, state, p, from, to + size - from, register, false);
    return;
  }
  aligned(walk, state, p, from, size, register);
  const index = slotIndex(from);
  const at = from + 8 * (index + 1);
  if (value?.kind === 'pointer' && value.region === 'stack' && value.target > p.target) {
    const why = 'a function may not leave pointers to its stack in that of its caller';
    refuse(walk, stackAccess(placeAt(walk, state.slot), signedText(from), size, why), register, p);
  }
  if (value?.kind === 'pointer' && (size !== 8 || at !== 0)) {
    refuse(
      walk,
      stackAccess(placeAt(walk, state.slot), signedText(from), size, 'a pointer is stored in whole, 8-aligned slots'),
      register,
      p,
    );
  }
  if (at === 0 && size === 8) {
    forget(walk, state, p.target, index);
    state.markWritten(p.target, index);
    put(state, p.target, index, value);
    return;
  }
  for (let i = slotIndex(from + size - 1); i <= index; i++) {
    forget(walk, state, p.target, i);
    put(
      state,
      p.target,
      i,
      withBytes(
        state,
        state.frames[p.target].stack[i],
        bitsOf(i, from, size),
        i === index && at + size <= 8 ? { at, size, value } : undefined,
      ),
    );
  }
}

/** A slot after some of its bytes were stored to. */
function withBytes(
  state: State,
  slot: Slot,
  bits: number,
  stored: { readonly at: number; readonly size: number; readonly value: Value } | undefined,
): Slot {
  let low: Scalar | undefined;
  let high: Scalar | undefined;
  if (slot?.kind === 'bytes') ({ low, high } = slot);
  else if (slot?.kind === 'scalar') {
    low = part(state, slot, 0, 4);
    high = part(state, slot, 4, 4);
  }
  if ((bits & 0x0f) !== 0) low = undefined;
  if ((bits & 0xf0) !== 0) high = undefined;
  if (stored?.size === 4 && stored.value?.kind === 'scalar' && (stored.at === 0 || stored.at === 4)) {
    const half = stored.value.r64.umax < 2 ** 32 ? stored.value : number(state, N.low32(stored.value), stored.value);
    if (stored.at === 0) low = half;
    else high = half;
  }
  return new Bytes(initialised(slot) | bits, low, high);
}

/** What an unknown store leaves: numbers where there was something; `init`: all bytes hold something afterwards. */
export function blur(
  walk: Walk,
  state: State,
  p: Pointer,
  from: number,
  size: number,
  register: number,
  init: boolean,
): void {
  if (from < -MAX_STACK || from + size > 0) {
    refuse(walk, stackBounds(placeAt(walk, state.slot), signedText(from), size, from + size, MAX_STACK), register, p);
  }
  for (let index = slotIndex(from + size - 1); index <= slotIndex(from); index++) {
    const bits = bitsOf(index, from, size);
    const slot = state.frames[p.target].stack[index];
    if (slot?.kind === 'special') {
      refuse(
        walk,
        stackAccess(placeAt(walk, state.slot), signedText(from), size, `a ${slot.name} lies there`),
        register,
        p,
      );
    }
    if (init && bits === ALL) state.markWritten(p.target, index);
    // A store that may go elsewhere leaves what was there, so that it still has to answer for it.
    if (!init) state.markRead(p.target, index);
    const before = initialised(slot);
    if (init) put(state, p.target, index, bits === ALL ? anyNumber(state) : withBytes(state, slot, bits, undefined));
    else put(state, p.target, index, before === 0 ? undefined : withBytes(state, slot, bits & before, undefined));
  }
}

/** Objects that only helpers may touch go when they are stored over; those that must be given back may not. */
function forget(walk: Walk, state: State, frame: number, index: number): void {
  const slot = state.frames[frame].stack[index];
  if (slot?.kind !== 'special') return;
  if (state.references.some((ref) => ref.id === slot.id)) {
    refuse(
      walk,
      stackAccess(
        placeAt(walk, state.slot),
        signedText(-8 * (index + 1)),
        8,
        `a ${slot.name} that must be given back lies there`,
      ),
    );
  }
  if (slot.name === 'iterator') {
    refuse(walk, stackAccess(placeAt(walk, state.slot), signedText(-8 * (index + 1)), 8, 'an iterator lies there'));
  }
  const own = state.own(frame);
  for (let i = 0; i < own.stack.length; i++) {
    const other = own.stack[i];
    if (other?.kind === 'special' && other.id === slot.id) own.stack[i] = undefined;
  }
  // Pointers to its bytes go with it.
  const nothing = anyNumber(state);
  state.replace((value) => (value.kind === 'pointer' && value.reference === slot.id ? nothing : value));
}

export function put(state: State, frame: number, index: number, slot: Slot): void {
  const own = state.own(frame);
  while (own.stack.length <= index && own.stack.length < STACK_SLOTS) own.stack.push(undefined);
  own.stack[index] = slot;
}

/** Puts an object that only helpers may touch on the stack. */
export function putSpecial(
  walk: Walk,
  state: State,
  p: Pointer,
  name: Special['name'],
  id: number,
  slots: number,
  register: number,
  type: string,
): void {
  const [from, to] = inFrame(walk, state, p, 0, 8 * slots, register);
  if (from !== to || from % 8 !== 0) {
    refuse(
      walk,
      stackAccess(
        placeAt(walk, state.slot),
        signedText(from),
        8 * slots,
        `a ${name} needs a constant, 8-aligned place`,
      ),
      register,
      p,
    );
  }
  const first = slotIndex(from);
  for (let i = 0; i < slots; i++) {
    forget(walk, state, p.target, first - i);
    state.markWritten(p.target, first - i);
    put(state, p.target, first - i, new Special(name, id, i, type));
  }
}

/** The constant number in bytes of the stack, as keys of array maps are. */
export function constantAt(state: State, p: Pointer, size: number): number | undefined {
  if (p.variable !== undefined || (size !== 4 && size !== 8)) return undefined;
  const index = slotIndex(p.offset);
  const at = p.offset + 8 * (index + 1);
  const slot = state.frames[p.target]?.stack[index];
  const value =
    slot?.kind === 'scalar' && at === 0
      ? slot
      : slot?.kind === 'bytes'
        ? at === 0
          ? slot.low
          : at === 4
            ? slot.high
            : undefined
        : undefined;
  if (value === undefined || !N.isConstant(value)) return undefined;
  if (size === 4 || value.r64.umax < 2 ** 32) {
    markPrecise(value);
    return value.bits.valueLow >>> 0;
  }
  return undefined;
}
