// Mutants of programs: the same program without one of its checks.
//
// A check is a conditional jump that the verdict rests on: on the end of the packet, on NULL, or on a number that an address
// or size is made of (one whose bounds the walk marked as needed). It is taken out by going one way always: on, or to its
// target. One of the two ways goes on without what the check said; of both, what is accepted has to be safe.
import type { ProgramSpec } from '../../src/spec/object.ts';
import type { Platform } from '../../src/spec/platform.ts';
import type { ObjectSpec } from '../../src/spec/object.ts';
import type { Insn } from '../../src/isa/insn.ts';
import { OPS } from '../../src/isa/opcodes.ts';
import type { Observe } from '../../src/verify/engine.ts';
import { isExactly, type Scalar } from '../../src/verify/number/scalar.ts';
import type { State } from '../../src/verify/state.ts';
import type { Pointer, Value } from '../../src/verify/value.ts';
import { DEFAULT_LIMITS, type Verdict, verify } from '../../src/verify/verify.ts';

export type CheckKind = 'packet' | 'null' | 'bound';

export interface CheckSite {
  readonly slot: number;
  readonly kind: CheckKind;
  /** The way that runs go for which the check holds; undefined where both ways may be it. */
  readonly passes: Way | undefined;
}

const isEnd = (p: Pointer): boolean => p.region === 'packetEnd';
const isPacket = (p: Pointer): boolean => p.region === 'packet' || p.region === 'packetMeta';

/** What a comparison of pointers checks. */
function ofPointers(operation: string, a: Value, b: Value): Omit<CheckSite, 'slot'> | undefined {
  if (a?.kind === 'pointer' && b?.kind === 'pointer') {
    const direct = isPacket(a) && isEnd(b);
    if (!direct && !(isEnd(a) && isPacket(b))) return undefined;
    // The packet is long enough where the pointer is not above its end.
    const above = operation === 'jgt' || operation === 'jge';
    if (!above && operation !== 'jlt' && operation !== 'jle') return undefined;
    return { kind: 'packet', passes: above === direct ? 'on' : 'target' };
  }
  const pointer = a?.kind === 'pointer' ? a : b?.kind === 'pointer' ? b : undefined;
  const other = pointer === a ? b : a;
  if (pointer?.nullable !== true || other?.kind !== 'scalar' || !isExactly(other, 0)) return undefined;
  if (operation === 'jeq') return { kind: 'null', passes: 'on' };
  return operation === 'jne' ? { kind: 'null', passes: 'target' } : undefined;
}

/** The checks of a program, in order; and its verdict. */
export function checksIn(
  object: ObjectSpec,
  program: ProgramSpec,
  platform: Platform,
): { readonly verdict: Verdict; readonly checks: readonly CheckSite[] } {
  const sites = new Map<number, CheckSite>();
  const numbers = new Map<number, Scalar[]>();
  const note = (state: State, insn: Insn): void => {
    const { operation, format } = OPS[insn.op];
    const a = state.register(insn.dst);
    const b = format === 'branch_reg' ? state.register(insn.src) : undefined;
    const zero = format === 'branch_imm' && insn.imm === 0;
    if (a?.kind === 'scalar' && (b === undefined || b.kind === 'scalar')) {
      const seen = numbers.get(state.slot) ?? [];
      // A few paths tell; all would be kept alive by it.
      if (seen.length < 8) numbers.set(state.slot, [...seen, a, ...(b === undefined ? [] : [b])]);
      return;
    }
    const check =
      b === undefined && zero && a?.kind === 'pointer' && a.nullable
        ? { kind: 'null' as const, passes: operation === 'jeq' ? ('on' as const) : ('target' as const) }
        : ofPointers(operation, a, b);
    if (check !== undefined) sites.set(state.slot, { slot: state.slot, ...check });
  };
  const observe: Observe = (state, walk) => {
    const insn = walk.program.insns[state.slot];
    if (insn !== undefined && OPS[insn.op].format.startsWith('branch')) note(state, insn);
  };
  const verdict = verify(object, program, platform, DEFAULT_LIMITS, observe);
  for (const [slot, seen] of numbers) {
    if (!sites.has(slot) && seen.some((s) => s.precise)) sites.set(slot, { slot, kind: 'bound', passes: undefined });
  }
  return { verdict, checks: [...sites.values()].sort((a, b) => a.slot - b.slot) };
}

const JA = 0x05;
const JEQ_IMM = 0x15;
const JNE_IMM = 0x55;
const JSET_IMM = 0x45;
const JLE_IMM = 0xb5;
const R10 = 10;

function withJump(program: ProgramSpec, slot: number, opcode: number, register: number, imm: number): ProgramSpec {
  const code = program.code.slice();
  const view = new DataView(code.buffer);
  code[8 * slot] = opcode;
  code[8 * slot + 1] = register;
  view.setInt32(8 * slot + 4, imm, true);
  return { ...program, code };
}

export type Way = 'on' | 'target';

/** The program with a conditional jump that always goes one way. */
export function mutant(program: ProgramSpec, { slot }: CheckSite, way: Way): ProgramSpec {
  const made = withJump(program, slot, JA, 0, 0);
  if (way === 'on') made.code.fill(0, 8 * slot + 2, 8 * slot + 4);
  return made;
}

/**
 * The same for Linux, which refuses code that nothing leads to before it looks at the rest: a conditional jump that goes one
 * way. For numbers Linux knows it: no bit of 0 is set, and nothing is above the largest number. Pointers have no such
 * question; there it follows both ways, and what it then accepts is safe without the check all the more.
 */
export function mutantForLinux(program: ProgramSpec, { slot, kind }: CheckSite, way: Way): ProgramSpec {
  const register = program.code[8 * slot + 1] & 0x0f;
  if (kind !== 'bound') return withJump(program, slot, way === 'on' ? JEQ_IMM : JNE_IMM, R10, 0);
  return way === 'on' ? withJump(program, slot, JSET_IMM, register, 0) : withJump(program, slot, JLE_IMM, register, -1);
}

/** The ways that take a check out. */
export const waysOf = ({ passes }: CheckSite): readonly Way[] => (passes === undefined ? ['on', 'target'] : [passes]);
