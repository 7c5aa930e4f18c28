// Per-CPU values: `cpus` copies one after another, STRIDE bytes apart.
import type { Address, Memory } from '../spec/memory.ts';
import { round8 } from './layout.ts';

/** Bytes of a per-CPU value on the application side. */
export const perCpuSize = (valueSize: number, cpus: number): number => round8(valueSize) * cpus;

/** All copies, each padded to 8 bytes. */
export function loadCopies(memory: Memory, from: Address, size: number): Uint8Array {
  return memory.u8.slice(from, from + size);
}

/** Stores all copies. Only the value's own bytes: the padding stays zero, as Linux's copies do. */
export function storeCopies(memory: Memory, to: Address, bytes: Uint8Array, valueSize: number, cpus: number): void {
  const stride = round8(valueSize);
  for (let cpu = 0; cpu < cpus; cpu++) {
    memory.u8.set(bytes.subarray(cpu * stride, cpu * stride + valueSize), to + cpu * stride);
  }
}
