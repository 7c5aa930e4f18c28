// How much of its stack a program can look at: what has to be zero when a function begins.
import type { Insn } from '../isa/insn.ts';
import { FORMATS, OPS } from '../isa/opcodes.ts';
import { STACK_SIZE } from './limits.ts';

/**
 * Bytes below r10 that the instructions can reach, a multiple of 8: the lowest offset of an access through r10, or all of the
 * frame where r10 goes into another register.
 */
export function frameUse(insns: readonly (Insn | undefined)[]): number {
  let low = 0;
  for (const insn of insns) {
    if (insn === undefined) continue;
    const { format } = OPS[insn.op];
    const fields: readonly string[] = FORMATS[format].fields;
    const base = format === 'ldx' || format === 'load_acquire' ? 'src' : 'dst';
    const isAccess = fields.includes('off') && fields.includes('dst') && !format.startsWith('branch');
    for (const field of ['dst', 'src'] as const) {
      if (!fields.includes(field) || insn[field] !== 10) continue;
      if (!isAccess || field !== base) return STACK_SIZE;
      low = Math.min(low, insn.off);
    }
  }
  return Math.min(STACK_SIZE, -(low & ~7));
}
