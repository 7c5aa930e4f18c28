// Per-CPU values: `cpus` copies one after another, STRIDE bytes apart.
import type { Address, Memory } from '../spec/memory.ts';
import { round8 } from './layout.ts';

/** Bytes of a per-CPU value on the application side. */
export const perCpuSize = (valueSize: number, cpus: number): number => round8(valueSize) * cpus;

/** All copies, each padded to 8 bytes. Linux copies values in words, so that the padding keeps what an application put there. */
export const loadCopies = (memory: Memory, from: Address, size: number): Uint8Array =>
  memory.u8.slice(from, from + size);

/** Stores all copies, padding and all. */
export const storeCopies = (memory: Memory, to: Address, bytes: Uint8Array): void => memory.u8.set(bytes, to);
