// Where a program uses its context: which instructions go through a pointer to it, however it was moved between registers. By a walk over
// all paths that is simple and gives up early: what it cannot follow it names, so that what it does tell is certain.
import { jumpTarget } from '../../flow/graph.ts';
import { decodeProgram, type Insn, registersWritten, slotsOf } from '../../isa/insn.ts';
import { OPS } from '../../isa/opcodes.ts';

/** What a register holds: the context; a number below 65,536; anything else; the context on some paths only. */
const OTHER = 0;
const CONTEXT = 1;
const SMALL = 2;
const MIXED = 3;
type Value = typeof OTHER | typeof CONTEXT | typeof SMALL | typeof MIXED;

const REGISTERS = 11;
const SMALL_LIMIT = 0xffff;

/** An access to the context. */
export interface ContextAccess {
  readonly slot: number;
  readonly insn: Insn;
  /** Bytes. */
  readonly size: number;
  readonly store: boolean;
  /** The value that is stored has its upper bits zero: it may be stored to a wider field. */
  readonly small: boolean;
}

export type ContextUse =
  | { readonly accesses: readonly ContextAccess[] }
  /** What could not be followed, and where. */
  | { readonly slot: number; readonly why: string };

const join = (a: Value, b: Value): Value =>
  a === b ? a : [a, b].some((one) => one === CONTEXT || one === MIXED) ? MIXED : OTHER;

/** What the walk stumbles over. */
class Lost {
  readonly slot: number;
  readonly why: string;

  constructor(slot: number, why: string) {
    this.slot = slot;
    this.why = why;
  }
}

/** Of a whole program: its functions, too, where they are given the context. */
export function contextUse(code: Uint8Array): ContextUse {
  const insns = decodeProgram(code);
  const states: (Value[] | undefined)[] = Array.from({ length: insns.length });
  const waiting: number[] = [];
  const reach = (slot: number, state: readonly Value[]): void => {
    const known = states[slot];
    const next = known === undefined ? [...state] : known.map((value, i) => join(value, state[i]));
    if (known !== undefined && known.every((value, i) => value === next[i])) return;
    states[slot] = next;
    waiting.push(slot);
  };
  const entry = Array.from({ length: REGISTERS }, (_, i): Value => (i === 1 ? CONTEXT : OTHER));
  try {
    reach(0, entry);
    for (let slot = waiting.pop(); slot !== undefined; slot = waiting.pop()) {
      const insn = insns[slot];
      const state = states[slot];
      if (insn === undefined || state === undefined) continue;
      checkMoves(insn, state, slot);
      const { format } = OPS[insn.op];
      const after = [...state];
      for (const register of registersWritten(insn)) after[register] = valueOf(insn, state);
      if (format === 'call_local') reach(slot + 1 + insn.imm, calleeState(state));
      if (format === 'exit') continue;
      const target = jumpTarget(insn, slot);
      if (target !== undefined) reach(target, after);
      if (format !== 'goto' && format !== 'gotol') reach(slot + slotsOf(insn.op), after);
    }
    return { accesses: accessesOf(insns, states) };
  } catch (error) {
    if (error instanceof Lost) return { slot: error.slot, why: error.why };
    throw error;
  }
}

/** A function has its arguments, and nothing of its caller's. */
const calleeState = (state: readonly Value[]): Value[] => state.map((value, i) => (i >= 1 && i <= 5 ? value : OTHER));

/** What an instruction leaves in the register that it writes. */
function valueOf(insn: Insn, state: readonly Value[]): Value {
  const { format, operation, width } = OPS[insn.op];
  const isSmall = insn.imm >= 0 && insn.imm <= SMALL_LIMIT;
  if (format === 'mov_reg') return width === 64 || state[insn.src] === SMALL ? state[insn.src] : OTHER;
  if (format === 'mov_imm') return isSmall ? SMALL : OTHER;
  if (format === 'ldx') return width <= 16 && operation === 'ldx' ? SMALL : OTHER;
  if (format === 'endian') return width === 16 ? SMALL : OTHER;
  if (format === 'alu_imm' && operation === 'and') return isSmall ? SMALL : OTHER;
  return OTHER;
}

const touches = (value: Value): boolean => value === CONTEXT || value === MIXED;

/** What would take the context where it is not followed. */
function checkMoves(insn: Insn, state: readonly Value[], slot: number): void {
  const { format, width } = OPS[insn.op];
  const [dst, src] = [state[insn.dst], state[insn.src]];
  // What is called later may be given the context by whoever calls it.
  if (insn.op === 'ld_code_addr' || format === 'callx') throw new Lost(slot, 'it calls functions by their address');
  if (format === 'mov_reg' && width === 32 && touches(src))
    throw new Lost(slot, 'half of the pointer to its context is taken');
  if ((format === 'alu_imm' || format === 'neg' || format === 'endian') && touches(dst))
    throw new Lost(slot, 'it computes with the pointer to its context');
  if (format === 'alu_reg' && (touches(dst) || touches(src)))
    throw new Lost(slot, 'it computes with the pointer to its context');
  if ((format === 'stx' || ATOMIC.has(format)) && touches(src))
    throw new Lost(slot, 'it keeps the pointer to its context in memory');
  if (ATOMIC.has(format) && touches(dst)) throw new Lost(slot, 'it changes its context atomically');
  if (
    (format === 'ld_abs' || format === 'ld_ind' || format === 'cast' || format === 'movsx') &&
    (touches(src) || format.startsWith('ld_'))
  )
    throw new Lost(slot, 'it has an instruction that only some contexts have');
}

const ATOMIC: ReadonlySet<string> = new Set(['atomic', 'atomic_fetch', 'cmpxchg', 'load_acquire', 'store_release']);

const BITS = 8;

function accessesOf(
  insns: readonly (Insn | undefined)[],
  states: readonly (readonly Value[] | undefined)[],
): ContextAccess[] {
  return insns.flatMap((insn, slot): ContextAccess[] => {
    const state = states[slot];
    if (insn === undefined || state === undefined) return [];
    const { format, width } = OPS[insn.op];
    const store = format === 'st' || format === 'stx';
    if (!store && format !== 'ldx') return [];
    const base = state[store ? insn.dst : insn.src];
    if (base === MIXED) throw new Lost(slot, 'it reads through a pointer that is its context on some paths only');
    if (base !== CONTEXT) return [];
    const small =
      format === 'st' ? insn.imm >= 0 && insn.imm <= SMALL_LIMIT : format === 'stx' && state[insn.src] === SMALL;
    return [{ slot, insn, size: width / BITS, store, small }];
  });
}
