// Programs as lines with labels: what generators write, and a shrinker takes away from.
import { encodeProgram, type Insn, makeInsn, slotsOf } from '../../src/isa/insn.ts';
import type { OpName } from '../../src/isa/opcodes.ts';
import type { Random } from '../support/random.ts';

/** An instruction, with the label that it leads to, or a label. */
export interface Line {
  readonly insn?: Insn;
  readonly to?: number;
  readonly label?: number;
}

/** What all generators of programs write with. */
export class LineWriter {
  readonly random: Random;
  lines: Line[] = [];
  #labels = 0;

  constructor(random: Random) {
    this.random = random;
  }

  /** A label that stands nowhere yet. */
  label(): number {
    return this.#labels++;
  }

  put(op: OpName, operands: Partial<Omit<Insn, 'op'>> = {}, to?: number): void {
    const { imm = 0, off = 0 } = operands;
    const insn = makeInsn(op, { ...operands, imm: imm | 0, off: (off << 16) >> 16 });
    this.lines.push({ insn, ...(to === undefined ? {} : { to }) });
  }

  mark(label: number): void {
    this.lines.push({ label });
  }
}

/** Undefined where a line leads to a label that is not there. */
export function codeOf(lines: readonly Line[]): Uint8Array<ArrayBuffer> | undefined {
  const at = new Map<number, number>();
  let slot = 0;
  for (const { insn, label } of lines) {
    if (label !== undefined) at.set(label, slot);
    if (insn !== undefined) slot += slotsOf(insn.op);
  }
  const insns: Insn[] = [];
  slot = 0;
  for (const { insn, to } of lines) {
    if (insn === undefined) continue;
    slot += slotsOf(insn.op);
    if (to === undefined) {
      insns.push(insn);
      continue;
    }
    const target = at.get(to);
    if (target === undefined) return undefined;
    const wide = slotsOf(insn.op) - 1;
    const inOff = insn.op !== 'call_local' && insn.op !== 'ld_code_addr';
    const distance = target - slot + (insn.op === 'ld_code_addr' ? wide : 0);
    insns.push(
      insn.op === 'ld_code_addr'
        ? makeInsn('ld_code_addr', { dst: insn.dst, imm: distance })
        : { ...insn, [inOff ? 'off' : 'imm']: distance },
    );
  }
  return encodeProgram(insns);
}

/** The fewest lines for which `fails` still holds. */
export function shrinkLines(lines: readonly Line[], fails: (candidate: readonly Line[]) => boolean): readonly Line[] {
  let best = lines;
  for (let size = Math.max(1, best.length >> 2); size >= 1; size = size >> 1) {
    for (let changed = true; changed; ) {
      changed = false;
      for (let i = best.length - size; i >= 0; i--) {
        const candidate = best.filter((line, j) => j < i || j >= i + size || line.label !== undefined);
        if (candidate.length < best.length && fails(candidate)) {
          best = candidate;
          changed = true;
          i = Math.min(i, best.length - size);
        }
      }
    }
  }
  return best;
}
