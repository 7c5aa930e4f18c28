// Hash, compare and copy over linear memory, by 32-bit words where both sides are aligned.
import { HASH } from '../spec/map-layout.ts';
import type { Address, Memory } from '../spec/memory.ts';

/**
 * The hash of `size` bytes: each little-endian 32-bit word (the last one padded with zeros) is mixed in with one multiplication
 * and one shift, then the result once more. Chosen because it is few instructions in WebAssembly too: two multiplications for a word.
 */
export function hashBytes(memory: Memory, address: Address, size: number, seed: number): number {
  let h = seed ^ size;
  const whole = size & ~3;
  if ((address & 3) === 0) {
    const words = memory.u32;
    const end = (address >>> 2) + (whole >>> 2);
    for (let i = address >>> 2; i < end; i++) h = mix(h ^ words[i]);
  } else {
    const view = memory.view;
    for (let i = 0; i < whole; i += 4) h = mix(h ^ view.getInt32(address + i, true));
  }
  if (whole < size) {
    const bytes = memory.u8;
    let last = 0;
    for (let i = size - 1; i >= whole; i--) last = (last << 8) | bytes[address + i];
    h = mix(h ^ last);
  }
  h = Math.imul(h, HASH.FINAL);
  return (h ^ (h >>> HASH.FINAL_SHIFT)) >>> 0;
}

function mix(h: number): number {
  const m = Math.imul(h, HASH.WORD);
  return m ^ (m >>> HASH.WORD_SHIFT);
}

export function equalMemory(memory: Memory, a: Address, b: Address, size: number): boolean {
  let i = 0;
  if (((a | b) & 3) === 0) {
    const words = memory.u32;
    const x = a >>> 2;
    const y = b >>> 2;
    const whole = size >>> 2;
    for (let w = 0; w < whole; w++) if (words[x + w] !== words[y + w]) return false;
    i = whole << 2;
  }
  const bytes = memory.u8;
  for (; i < size; i++) if (bytes[a + i] !== bytes[b + i]) return false;
  return true;
}

/** Stores a word that other threads read without a lock: they see what was stored before it, too. */
export function publish(memory: Memory, address: Address, value: number): void {
  if (memory.shared) Atomics.store(memory.u32, address >>> 2, value);
  else memory.u32[address >>> 2] = value;
}

/** Below this, a loop is quicker than the call of copyWithin. */
const SHORT = 128;

export function copyMemory(memory: Memory, to: Address, from: Address, size: number): void {
  if (size > SHORT) {
    memory.u8.copyWithin(to, from, from + size);
    return;
  }
  let i = 0;
  if (((to | from) & 3) === 0) {
    const words = memory.u32;
    const x = to >>> 2;
    const y = from >>> 2;
    const whole = size >>> 2;
    for (let w = 0; w < whole; w++) words[x + w] = words[y + w];
    i = whole << 2;
  }
  const bytes = memory.u8;
  for (; i < size; i++) bytes[to + i] = bytes[from + i];
}
