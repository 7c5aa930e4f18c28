// Per-CPU values: `cpus` copies one after another, STRIDE bytes apart (layout.ts).
import type { Address, Memory } from '../spec/memory.ts';
import { round8 } from './layout.ts';

/** Bytes of a per-CPU value on the application side. */
export const perCpuSize = (valueSize: number, cpus: number): number => round8(valueSize) * cpus;

/** All copies, each padded to 8 bytes. Linux copies values in words, so that the padding keeps what an application put there. */
export function loadCopies(
  memory: Memory,
  from: Address,
  valueSize: number,
  copies: number,
  stride = round8(valueSize),
): Uint8Array {
  const size = round8(valueSize);
  if (stride === size) return memory.u8.slice(from, from + size * copies);
  const bytes = new Uint8Array(size * copies);
  for (let i = 0; i < copies; i++) bytes.set(memory.u8.subarray(from + i * stride, from + i * stride + size), i * size);
  return bytes;
}

/** Stores all copies, padding and all. */
export function storeCopies(
  memory: Memory,
  to: Address,
  valueSize: number,
  bytes: Uint8Array,
  stride = round8(valueSize),
): void {
  const size = round8(valueSize);
  const copies = bytes.length / size;
  if (stride === size) memory.u8.set(bytes, to);
  else for (let i = 0; i < copies; i++) memory.u8.set(bytes.subarray(i * size, (i + 1) * size), to + i * stride);
}
