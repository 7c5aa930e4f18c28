// Whether the pointer that was not checked is checked after all, but too late.
import { jumpTarget } from '../../flow/graph.ts';
import { registersWritten, slotsOf } from '../../isa/insn.ts';
import { OPS } from '../../isa/opcodes.ts';
import type { Trace } from '../trace.ts';
import type { Value } from '../value.ts';
import type { Walk } from '../walk.ts';

/** Instructions looked at. */
const FAR = 64;

const ends = (v: Value): boolean => v?.kind === 'pointer' && v.region === 'packetEnd';
const has = (mask: number, r: number): boolean => ((mask >>> r) & 1) !== 0;

/** The first comparison of the same pointer (with NULL, or of a packet pointer with its end) behind the refused instruction. */
export function lateCheck(
  walk: Walk,
  last: Trace | undefined,
  culprit: { readonly value: Value } | undefined,
): number | undefined {
  const p = culprit?.value;
  if (last === undefined || p?.kind !== 'pointer') return undefined;
  const { registers } = last.frames[last.frames.length - 1];
  const alike = (v: Value): boolean =>
    v?.kind === 'pointer' && v.region === p.region && v.id === p.id && (p.nullable || v.offset >= p.offset);
  let same = maskOf(registers, alike);
  let end = maskOf(registers, ends);
  let slot = last.slot;
  for (let n = 0; n < FAR; n++) {
    const insn = walk.program.insns[slot];
    if (insn === undefined) return undefined;
    const { format } = OPS[insn.op];
    if (p.nullable && format === 'branch_imm' && insn.imm === 0 && has(same, insn.dst)) return slot;
    if (!p.nullable && format === 'branch_reg') {
      if ((has(same, insn.dst) && has(end, insn.src)) || (has(same, insn.src) && has(end, insn.dst))) return slot;
    }
    const copies = format === 'mov_reg' && has(same, insn.src);
    const moves = format === 'alu_imm' && !p.nullable && has(same, insn.dst);
    const endCopies = format === 'mov_reg' && has(end, insn.src);
    for (const r of registersWritten(insn)) {
      same &= ~(1 << r);
      end &= ~(1 << r);
    }
    if (copies || moves) same |= 1 << insn.dst;
    if (endCopies) end |= 1 << insn.dst;
    if (format === 'exit') return undefined;
    const jump = format === 'goto' || format === 'gotol' ? jumpTarget(insn, slot) : undefined;
    if (jump !== undefined && jump <= slot) return undefined;
    slot = jump ?? slot + slotsOf(insn.op);
  }
  return undefined;
}

const maskOf = (registers: readonly Value[], test: (v: Value) => boolean): number =>
  registers.reduce((mask, v, r) => (test(v) ? mask | (1 << r) : mask), 0);
