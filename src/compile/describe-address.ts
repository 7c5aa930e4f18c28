// What lies at an address that a program may not use: the second half of the message of a refused access.
import { U32_MAX } from '../base/u64.ts';
import type { Memory } from '../spec/memory.ts';
import { STACK_SIZE } from './limits.ts';

/** As describeAddress, for an address in the stack, by its distance from r10. */
export const describeFrameAddress = (fromTop: number): string =>
  `it is r10${fromTop < 0 ? '' : '+'}${fromTop}, and the stack of a function is r10-${STACK_SIZE} to r10-1`;

export function describeAddress(memory: Memory, address: bigint, size: number, access: 'read' | 'write'): string {
  if (address === 0n) return 'it is NULL';
  if (address > U32_MAX) return 'it is no address of memory';
  const at = Number(address);
  const region = memory.regionAt(at);
  if (region !== undefined) {
    if (access === 'write' && !region.writable) return `${region.kind} ${region.name} is read-only`;
    const offset = at - region.base;
    const inSlot = region.stride === undefined ? offset : offset % region.stride;
    return `it is byte ${inSlot} of ${region.kind} ${region.name}, which has ${region.slot ?? region.size} bytes`;
  }
  const before = memory.regionAt(at - 1) ?? memory.regionAt(Math.max(0, at - size));
  if (before === undefined) return 'it belongs to nothing that the program was given';
  return `it lies ${at - before.base - before.size} bytes past the end of ${before.kind} ${before.name}`;
}
