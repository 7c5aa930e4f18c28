// Which bytes of a function's stack can be kept in locals: those that only loads and stores through r10 itself reach. Compilers
// put there what finds no register.
//
// Only for code that a verifier has passed: a pointer that it made of a number could reach any byte. An address of the frame is
// followed through registers. Where it goes to a helper, the bytes that the helper may look at stay in memory, from that address
// upwards; where it goes to memory, to another function, or into arithmetic with what is not known, all of them do.
// Bytes that are read and never written, or read across the border of what was written, stay in memory as well.
import type { FlowGraph } from '../flow/graph.ts';
import { type Insn, registersWritten } from '../isa/insn.ts';
import { baseOf, FORMATS, type Field, OP_NAMES, type OpName, opRow } from '../isa/opcodes.ts';
import type { ArgKind, HelperRow } from '../spec/helper.ts';
import { STACK_SIZE } from './limits.ts';

/** A load or store of a local that stands for bytes of the frame. */
export interface SlotAccess {
  /** Number of the local. */
  readonly cell: number;
  /** Bits of the local below those that are loaded; 0 in a store. */
  readonly shift: number;
}

export interface FrameSlots {
  readonly cells: number;
  /** By slot of the load or store, or of the call that takes a word of the frame as its key. */
  readonly accesses: ReadonlyMap<number, SlotAccess>;
}

/** What is known of the calls in a function. */
export interface CallFacts {
  helper(number: number): HelperRow | undefined;
  /** Bytes behind the argument in that register of the call at that slot, undefined where that is not known. */
  size(slot: number, register: number, kind: ArgKind): number | undefined;
  /** Whether the call's code takes the value of the four bytes behind that argument, and has no other use for the address. */
  takesWord(slot: number, register: number): boolean;
}

/** Times that what a block is entered with may grow: an address that a loop moves on would grow for long. */
const MOST_GROWTH = 8;

/** More locals cost V8's baseline compiler more than they save. */
const MOST_CELLS = 24;

const NONE: FrameSlots = { cells: 0, accesses: new Map() };

/** Offsets from r10, which an address of the frame may have: lowest and highest. */
interface Range {
  readonly low: number;
  readonly high: number;
  /** On every path. */
  readonly certain: boolean;
}
type State = (Range | undefined)[];

interface Direct {
  readonly slot: number;
  /** From the lowest byte of the frame. */
  readonly at: number;
  readonly size: number;
  readonly store: boolean;
}

const REGISTERS = 10;
const WORD = 4;
const FIELDS: ReadonlyMap<OpName, readonly Field[]> = new Map(
  OP_NAMES.map((op) => [op, FORMATS[opRow(op).format].fields]),
);

/** Instructions that read and write no register but those that they name. */
const PLAIN: ReadonlySet<OpName> = new Set(
  OP_NAMES.filter((op) => {
    const { reads, writes } = FORMATS[opRow(op).format];
    return [...reads, ...writes].every((register) => register === 'dst' || register === 'src');
  }),
);

const fieldsOf = (insn: Insn): readonly Field[] => FIELDS.get(insn.op) as readonly Field[];

/** @param insns by slot */
export function frameSlots(insns: readonly (Insn | undefined)[], graph: FlowGraph, calls: CallFacts): FrameSlots {
  const direct = directAccesses(insns, graph);
  if (!direct.some(({ store }) => store)) return NONE;
  const reach = new Reach(insns, graph, calls);
  const inMemory = reach.bytes();
  if (inMemory === undefined) return NONE;
  for (const [slot, low] of reach.words) direct.push({ slot, at: STACK_SIZE + low, size: WORD, store: false });
  return choose(direct, inMemory);
}

/** Plain loads and stores through r10 within the frame. */
function directAccesses(insns: readonly (Insn | undefined)[], { blocks }: FlowGraph): Direct[] {
  const direct: Direct[] = [];
  for (const { start, end } of blocks) {
    for (let slot = start; slot < end; slot++) {
      const insn = insns[slot];
      if (insn === undefined || !isDirect(insn)) continue;
      const { format, width } = opRow(insn.op);
      direct.push({ slot, at: STACK_SIZE + insn.off, size: width / 8, store: format !== 'ldx' });
    }
  }
  return direct;
}

function isDirect(insn: Insn): boolean {
  const { format, width } = opRow(insn.op);
  if (format !== 'ldx' && format !== 'st' && format !== 'stx') return false;
  return insn[format === 'ldx' ? 'src' : 'dst'] === 10 && insn.off >= -STACK_SIZE && insn.off + width / 8 <= 0;
}

/** Follows the addresses of the frame through a function. */
class Reach {
  readonly #insns: readonly (Insn | undefined)[];
  readonly #graph: FlowGraph;
  readonly #calls: CallFacts;
  readonly #bytes = new Uint8Array(STACK_SIZE);
  #everywhere = false;
  /** By slot of a call that takes a word: the offset of that word. */
  readonly words = new Map<number, number>();

  constructor(insns: readonly (Insn | undefined)[], graph: FlowGraph, calls: CallFacts) {
    this.#insns = insns;
    this.#graph = graph;
    this.#calls = calls;
  }

  /** Not 0 for each byte that others than direct accesses reach; undefined: all of them. */
  bytes(): Uint8Array | undefined {
    const { blocks } = this.#graph;
    const entry: (State | undefined)[] = blocks.map(() => undefined);
    const growth = new Uint8Array(blocks.length);
    entry[0] = new Array<Range | undefined>(REGISTERS + 1).fill(undefined);
    entry[0][10] = { low: 0, high: 0, certain: true };
    const work = [0];
    for (let index = work.pop(); index !== undefined && !this.#everywhere; index = work.pop()) {
      const state = [...(entry[index] as State)];
      const { start, end, successors } = blocks[index];
      for (let slot = start; slot < end; slot++) {
        const insn = this.#insns[slot];
        if (insn !== undefined) this.#step(state, insn, slot);
      }
      for (const successor of successors) {
        const merged = merge(entry[successor], state);
        if (merged === undefined) continue;
        if (++growth[successor] > MOST_GROWTH) this.#everywhere = true;
        entry[successor] = merged;
        work.push(successor);
      }
    }
    return this.#everywhere ? undefined : this.#bytes;
  }

  #touch(from: number, to: number): void {
    this.#bytes.fill(1, Math.max(0, STACK_SIZE + from), Math.max(0, STACK_SIZE + Math.min(0, to)));
  }

  #step(state: State, insn: Insn, slot: number): void {
    const { op, dst, src, imm, off } = insn;
    // Most instructions have to do with no address of the frame.
    if (state[dst] === undefined && state[src] === undefined && PLAIN.has(op)) return;
    const { format, width } = opRow(op);
    const range = state[dst];
    if (op === 'mov64_reg') {
      state[dst] = state[src];
      return;
    }
    if ((op === 'add64_imm' || op === 'sub64_imm') && range !== undefined) {
      const by = op === 'add64_imm' ? imm : -imm;
      state[dst] = { ...range, low: range.low + by, high: range.high + by };
      return;
    }
    if (format === 'call_helper') this.#callHelper(state, imm, slot);
    else if (format === 'call_local' || format === 'call_kfunc' || format === 'callx') {
      if (state.some((held, register) => held !== undefined && register >= 1 && register <= 5)) this.#everywhere = true;
    } else if (!format.startsWith('branch')) {
      const base = baseOf(insn.op);
      if (base !== undefined && !isDirect(insn)) {
        const at = state[insn[base]];
        if (at !== undefined) this.#touch(at.low + off, at.high + off + width / 8);
      }
      // All other uses of an address: what becomes of it is not known.
      for (const field of ['dst', 'src'] as const) {
        const reads = (FORMATS[format].reads as readonly (string | number)[]).includes(field);
        if (field !== base && reads && fieldsOf(insn).includes(field) && state[insn[field]] !== undefined)
          this.#everywhere = true;
      }
    }
    for (const register of registersWritten(insn)) state[register] = undefined;
  }

  #callHelper(state: State, number: number, slot: number): void {
    const row = this.#calls.helper(number);
    // What an earlier pass found may not hold on all paths.
    this.words.delete(slot);
    row?.args.forEach((kind, i) => {
      const at = state[i + 1];
      if (at === undefined) return;
      // What gets the address for longer than the call, or gives it to a function of the program.
      if (kind === 'callbackContext' || kind === 'callback' || kind === 'btfPointer') this.#everywhere = true;
      if (at.certain && at.low === at.high && -at.low >= WORD && this.#calls.takesWord(slot, i + 1)) {
        this.words.set(slot, at.low);
        return;
      }
      const size = this.#calls.size(slot, i + 1, kind);
      this.#touch(at.low, size === undefined ? 0 : at.high + size);
    });
  }
}

/** What a block may be entered with, one more state counted in; undefined where that adds nothing. */
function merge(known: State | undefined, state: State): State | undefined {
  if (known === undefined) return [...state];
  let changed = false;
  const merged = known.map((was, register): Range | undefined => {
    const now = state[register];
    if (was === undefined && now === undefined) return undefined;
    const low = Math.min(was?.low ?? Infinity, now?.low ?? Infinity);
    const high = Math.max(was?.high ?? -Infinity, now?.high ?? -Infinity);
    const certain = was?.certain === true && now?.certain === true;
    if (was !== undefined && was.low === low && was.high === high && was.certain === certain) return was;
    changed = true;
    return { low, high, certain };
  });
  return changed ? merged : undefined;
}

/** Bytes that are always written as one become a local, the most used first. */
function choose(direct: readonly Direct[], inMemory: Uint8Array): FrameSlots {
  const owner = new Int32Array(STACK_SIZE);
  /** Store of these bytes, as a number that no other bytes have. */
  const keyOf = ({ at, size }: Direct): number => at * 16 + size;
  for (let changed = true; changed; ) {
    changed = false;
    const leave = ({ at, size }: Direct): void => {
      for (let byte = at; byte < at + size; byte++) {
        if (inMemory[byte] === 0) changed = true;
        inMemory[byte] = 1;
      }
    };
    const bytesOf = (access: Direct, array: Uint8Array | Int32Array) =>
      array.subarray(access.at, access.at + access.size);
    owner.fill(0);
    for (const access of direct) {
      if (bytesOf(access, inMemory).some((kept) => kept !== 0)) leave(access);
      else if (!access.store) continue;
      else if (bytesOf(access, owner).some((other) => other !== 0 && other !== keyOf(access))) leave(access);
      else owner.fill(keyOf(access), access.at, access.at + access.size);
    }
    for (const access of direct) {
      const first = owner[access.at];
      if (!access.store && bytesOf(access, owner).some((other) => other !== first || other === 0)) leave(access);
    }
  }
  const uses = new Map<number, number>();
  for (const { at } of direct) if (inMemory[at] === 0) uses.set(owner[at], (uses.get(owner[at]) ?? 0) + 1);
  const chosen = [...uses].sort((a, b) => b[1] - a[1]).slice(0, MOST_CELLS);
  const cells = new Map(chosen.map(([key], cell) => [key, cell]));
  const accesses = new Map<number, SlotAccess>();
  for (const { slot, at } of direct) {
    const cell = inMemory[at] === 0 ? cells.get(owner[at]) : undefined;
    if (cell !== undefined) accesses.set(slot, { cell, shift: 8 * (at - (owner[at] >> 4)) });
  }
  return { cells: cells.size, accesses };
}
