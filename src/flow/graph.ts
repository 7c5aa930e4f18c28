// Control-flow graphs of the functions of a program: what the compiler structures and the verifier walks.
import { fail } from '../base/diagnostic.ts';
import { badJump, endless } from '../base/messages/flow.ts';
import { type Insn, slotsOf } from '../isa/insn.ts';
import { type Format, OP_NAMES, OPS, type OpName } from '../isa/opcodes.ts';

/** How a basic block ends. Targets are indices of blocks. */
export type Terminator =
  | { readonly kind: 'goto'; readonly target: number }
  /** The branch instruction is the block's last; `taken` where its condition holds. */
  | { readonly kind: 'branch'; readonly slot: number; readonly taken: number; readonly otherwise: number }
  | SwitchTerminator
  | { readonly kind: 'exit' };

/** Only in graphs where jump-tables.ts has put it: decides by the value of a register, as a signed number of `width` bits. */
export interface SwitchTerminator {
  readonly kind: 'switch';
  /** The branch instruction in whose place it is, the block's last. */
  readonly slot: number;
  readonly register: number;
  readonly width: 32 | 64;
  /** The value that the first target of the table is for; the others follow. */
  readonly low: number;
  readonly table: readonly number[];
  /** For values less than `low`, and above those of the table. */
  readonly below: number;
  readonly otherwise: number;
}

/** Straight-line code: entered at its first slot only, left at its last only. */
export interface Block {
  readonly index: number;
  /** First slot. */
  readonly start: number;
  /** Slot after the last instruction. */
  readonly end: number;
  readonly terminator: Terminator;
  readonly successors: readonly number[];
  readonly predecessors: readonly number[];
}

/** One function. Block 0 is its entry; blocks that cannot be reached are left out. */
export interface FlowGraph {
  /** First slot of the function. */
  readonly entry: number;
  /** By start slot. */
  readonly blocks: readonly Block[];
}

/** How control leaves an instruction. */
interface Leaving {
  /** Field that holds the distance of a jump. */
  readonly jump: 'off' | 'imm' | undefined;
  /** Whether control may go on at the next instruction. */
  readonly falls: boolean;
  readonly slots: 1 | 2;
}

const JUMPS: { readonly [F in Format]?: 'off' | 'imm' } = {
  goto: 'off',
  may_goto: 'off',
  branch_imm: 'off',
  branch_reg: 'off',
  gotol: 'imm',
};

/** By op, as graphs are made of all instructions of a program, one by one. */
const LEAVING: ReadonlyMap<OpName, Leaving> = new Map(
  OP_NAMES.map((op) => {
    const { format } = OPS[op];
    const falls = format !== 'goto' && format !== 'gotol' && format !== 'exit';
    return [op, { jump: JUMPS[format], falls, slots: slotsOf(op) }];
  }),
);

const leaving = (insn: Insn): Leaving => LEAVING.get(insn.op) as Leaving;

/** Slot that a jump goes to, undefined for an instruction that does not jump. */
export function jumpTarget(insn: Insn, slot: number): number | undefined {
  const { jump } = leaving(insn);
  return jump === undefined ? undefined : slot + 1 + insn[jump];
}

/** First slots of the functions that the instructions name (local calls and code addresses), and slot 0, in order. */
export function functionEntries(insns: readonly (Insn | undefined)[]): number[] {
  const entries = new Set([0]);
  insns.forEach((insn, slot) => {
    if (insn?.op === 'call_local' || insn?.op === 'ld_code_addr') entries.add(slot + 1 + insn.imm);
  });
  return [...entries].sort((a, b) => a - b);
}

/**
 * The graph of the function that begins at `entry`, following jumps and fall-through but not calls.
 *
 * @param insns by slot, as decodeProgram gives them
 * @throws AnyBpfError flow/bad-jump, flow/no-exit where control leaves the code or enters the middle of an instruction
 */
export function flowGraph(insns: readonly (Insn | undefined)[], entry: number): FlowGraph {
  const marks = new Uint8Array(insns.length);
  const work = [entry];
  for (let slot = work.pop(); slot !== undefined; slot = work.pop()) {
    for (let at = slot; at >= insns.length || (marks[at] & REACHED) === 0; ) {
      const insn = insns[at];
      if (insn === undefined) return fail(at >= insns.length ? endless({ insn: at }) : badJump({ insn: slot }, at));
      marks[at] |= REACHED;
      const { jump, falls, slots } = leaving(insn);
      const next = at + slots;
      if (jump !== undefined) {
        const target = at + 1 + insn[jump];
        if (insns[target] === undefined) fail(badJump({ insn: at }, target));
        if ((marks[target] & START) === 0) {
          marks[target] |= START;
          work.push(target);
        }
        if (falls && next < insns.length) marks[next] |= START;
      }
      if (!falls) break;
      at = next;
    }
  }
  return { entry, blocks: cut(insns, entry, marks) };
}

/** Marks of a slot. */
const REACHED = 1;
const START = 2;

function cut(insns: readonly (Insn | undefined)[], entry: number, marks: Uint8Array): Block[] {
  // The entry comes first whatever its slot, so that block 0 is where every walk begins.
  marks[entry] &= ~START;
  const starts = [entry];
  for (let slot = 0; slot < marks.length; slot++) if ((marks[slot] & START) !== 0) starts.push(slot);
  marks[entry] |= START;
  const indexOf = new Int32Array(marks.length);
  const predecessors: number[][] = [];
  for (let index = 0; index < starts.length; index++) {
    indexOf[starts[index]] = index;
    predecessors.push([]);
  }
  return starts.map((start, index): Block => {
    let slot = start;
    let insn = insns[slot] as Insn;
    let { jump, falls, slots } = leaving(insn);
    while (jump === undefined && falls && (marks[slot + slots] & START) === 0) {
      slot += slots;
      insn = insns[slot] as Insn;
      ({ jump, falls, slots } = leaving(insn));
    }
    const next = slot + slots;
    const taken = jump === undefined ? -1 : indexOf[slot + 1 + insn[jump]];
    const otherwise = falls ? indexOf[next] : -1;
    let terminator: Terminator;
    let successors: readonly number[];
    if (taken >= 0 && otherwise >= 0) {
      terminator = { kind: 'branch', slot, taken, otherwise };
      successors = taken === otherwise ? [taken] : [taken, otherwise];
    } else if (taken < 0 && otherwise < 0) {
      terminator = { kind: 'exit' };
      successors = [];
    } else {
      terminator = { kind: 'goto', target: Math.max(taken, otherwise) };
      successors = [terminator.target];
    }
    for (const successor of successors) predecessors[successor].push(index);
    return { index, start, end: next, terminator, successors, predecessors: predecessors[index] };
  });
}
