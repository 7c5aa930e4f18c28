// Whether the pointer that was not checked is checked after all: too late, or on another path.
import { jumpTarget } from '../../flow/graph.ts';
import { registersWritten, slotsOf } from '../../isa/insn.ts';
import { OPS } from '../../isa/opcodes.ts';
import type { Trace } from '../trace.ts';
import type { Pointer, Value } from '../value.ts';
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
  return comparisonFrom(walk, last.slot, last, p, new Set());
}

/** Branches looked at for other paths, from the last back. */
const MOST_BRANCHES = 32;

export interface OtherPath {
  readonly comparison: number;
  /** Slot of the branch by which the path went past it. */
  readonly branch: number;
}

/** A comparison of the same pointer on a way that the path did not take, before both ways meet again. */
export function otherPathCheck(
  walk: Walk,
  path: readonly Trace[],
  culprit: { readonly value: Value } | undefined,
): OtherPath | undefined {
  const p = culprit?.value;
  const last = path.at(-1);
  if (last === undefined || p?.kind !== 'pointer') return undefined;
  const passed = new Set([last.slot]);
  let branches = 0;
  for (let i = path.length - 2; i >= 0 && branches < MOST_BRANCHES; i--) {
    const { slot } = path[i];
    const insn = walk.program.insns[slot];
    const target = insn === undefined ? undefined : jumpTarget(insn, slot);
    if (insn !== undefined && target !== undefined && !path[i].gap && OPS[insn.op].format.startsWith('branch')) {
      branches++;
      const falls = slot + slotsOf(insn.op);
      const found = comparisonFrom(walk, path[i + 1].slot === falls ? target : falls, path[i], p, passed);
      if (found !== undefined) return { comparison: found, branch: slot };
    }
    passed.add(slot);
  }
  return undefined;
}

/** Straight on from a slot with the registers of a state, until where it must stop. */
function comparisonFrom(
  walk: Walk,
  from: number,
  { frames }: Trace,
  p: Pointer,
  stop: ReadonlySet<number>,
): number | undefined {
  const { registers } = frames[frames.length - 1];
  const alike = (v: Value): boolean =>
    v?.kind === 'pointer' && v.region === p.region && v.id === p.id && (p.nullable || v.offset >= p.offset);
  let same = maskOf(registers, alike);
  let end = maskOf(registers, ends);
  let slot = from;
  for (let n = 0; n < FAR && !stop.has(slot); n++) {
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
