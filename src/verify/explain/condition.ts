// What a conditional jump decided, in the instruction's own terms.
import { formatInsn } from '../../isa/disassembler.ts';
import { type Insn, slotsOf } from '../../isa/insn.ts';

/** `r1 > r3` of `if r1 > r3 goto +5`. */
const comparisonOf = (insn: Insn, slot: number): string => formatInsn(insn, slot).replace(/^if (.*) goto .*$/, '$1');

/** `r1 > r3 holds` or `r1 > r3 does not hold`, by where the path went on. */
export function condition(insn: Insn, slot: number, next: number): string {
  const falls = slot + slotsOf(insn.op);
  return `${comparisonOf(insn, slot)} ${next === falls ? 'does not hold' : 'holds'}`;
}
