// How much of its stack a program can look at: what has to be zero when a function begins.
import { type Insn, registersWritten } from '../isa/insn.ts';
import { baseOf, FORMATS, opRow } from '../isa/opcodes.ts';
import { STACK_SIZE } from './limits.ts';

const uses = (insn: Insn, field: 'dst' | 'src', register: number): boolean =>
  (FORMATS[opRow(insn.op).format].fields as readonly string[]).includes(field) && insn[field] === register;

/**
 * Bytes below r10 that the instructions look at, a multiple of 8: the lowest offset of an access through r10 or through a
 * copy of it to which constants were added (how compilers pass the address of a variable). All of the frame where r10 goes
 * anywhere else: into memory, or into arithmetic with something that is not known.
 */
export function frameUse(insns: readonly (Insn | undefined)[]): number {
  let low = 0;
  for (let slot = 0; slot < insns.length; slot++) {
    const insn = insns[slot];
    if (insn === undefined) continue;
    const base = baseOf(insn.op);
    for (const field of ['dst', 'src'] as const) {
      if (!uses(insn, field, 10)) continue;
      if (field === base) low = Math.min(low, insn.off);
      else if (insn.op !== 'mov64_reg') return STACK_SIZE;
      else {
        const reach = copyReach(insns, slot + 1, insn.dst);
        if (reach === undefined) return STACK_SIZE;
        low = Math.min(low, reach);
      }
    }
  }
  return Math.min(STACK_SIZE, -(low & ~7));
}

/** Lowest offset from r10 that a fresh copy of it comes to stand for, until it is used up; undefined where that is not known. */
function copyReach(insns: readonly (Insn | undefined)[], from: number, register: number): number | undefined {
  let offset = 0;
  let low = 0;
  for (let slot = from; slot < insns.length; slot++) {
    const insn = insns[slot];
    if (insn === undefined) continue;
    if (insn.op === 'add64_imm' && insn.dst === register) {
      offset += insn.imm;
      // Constants are added at once or in a row; the last sum is what is used.
      low = Math.min(low, offset);
      continue;
    }
    const base = baseOf(insn.op);
    if (base !== undefined && insn[base] === register) low = Math.min(low, offset + insn.off);
    if (insn.op === 'mov64_reg' && insn.src === register) return undefined;
    if (uses(insn, 'src', register) && base !== 'src') return undefined;
    if (registersWritten(insn).includes(register))
      return uses(insn, 'dst', register) && opRow(insn.op).format.startsWith('alu') ? undefined : low;
    const { format } = opRow(insn.op);
    // Beyond a jump, the copy may be anywhere: it is only known where compilers use it, in a row.
    if (format.startsWith('branch') || format === 'goto' || format === 'gotol' || format === 'may_goto')
      return undefined;
    if (format === 'exit') return low;
  }
  return low;
}
