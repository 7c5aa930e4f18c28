// Bytes copied and cleared: few in a row of instructions, many by WebAssembly's own instructions, which cost a call.
import type { Emitter } from './emitter.ts';

/** Up to this many bytes are copied or cleared word by word. */
const MOST_WORDS = 64;

const PIECES = [
  [8, 'i64.load', 'i64.store'],
  [4, 'i32.load', 'i32.store'],
  [2, 'i32.load16_u', 'i32.store16'],
  [1, 'i32.load8_u', 'i32.store8'],
] as const;

/** Copies `size` bytes between the addresses in two locals, which may be the same. */
export function copyBytes(e: Emitter, to: number, from: number, size: number, toOffset = 0): void {
  if (size > MOST_WORDS) {
    e.get(to);
    if (toOffset !== 0) e.i32(toOffset).op('i32.add');
    e.get(from).i32(size).memoryCopy();
    return;
  }
  let at = 0;
  for (const [width, load, store] of PIECES) {
    for (; at + width <= size; at += width) {
      e.get(to)
        .get(from)
        .memory(load, at)
        .memory(store, toOffset + at);
    }
  }
}

/** As copyBytes, for ranges that may overlap: all is loaded before the first store. */
export function moveBytes(e: Emitter, to: number, from: number, size: number): void {
  if (size > MOST_WORDS) {
    e.get(to).get(from).i32(size).memoryCopy();
    return;
  }
  const stores: (() => void)[] = [];
  let at = 0;
  for (const [width, load, store] of PIECES) {
    for (; at + width <= size; at += width) {
      const offset = at;
      e.get(to).get(from).memory(load, offset);
      stores.push(() => e.memory(store, offset));
    }
  }
  for (const store of stores.reverse()) store();
}

/** Clears `size` bytes from the address in a local on. */
export function clearBytes(e: Emitter, at: number, size: number): void {
  if (size > MOST_WORDS) {
    e.get(at).i32(0).i32(size).memoryFill();
    return;
  }
  let offset = 0;
  for (const [width, , store] of PIECES) {
    for (; offset + width <= size; offset += width) {
      e.get(at);
      if (width === 8) e.i64Small(0);
      else e.i32(0);
      e.memory(store, offset);
    }
  }
}
