// Wide loads that compilers have cut: where a field may not be aligned, C becomes narrow loads whose values are shifted and put
// together. WebAssembly needs no alignment, so one load does.
//
// The narrow loads stay, as parts of what was loaded: they are cut out of it where their registers are used on their own.
import type { FlowGraph } from '../flow/graph.ts';
import { type Insn, REGISTER_COUNT, registersWritten } from '../isa/insn.ts';
import { OP_NAMES, type OpName, opRow } from '../isa/opcodes.ts';

/** A load in place of several. */
export interface WideLoad {
  /** Offset from the address register of the first of them. */
  readonly off: number;
  readonly width: 16 | 32 | 64;
  /** Number of the place that keeps what was loaded. */
  readonly place: number;
}

/** A narrow load: its bytes are these bits of what a place keeps. */
export interface Part {
  readonly place: number;
  readonly shift: number;
}

export interface WideLoads {
  /** By slot of the first of the narrow loads, which is a part as well. */
  readonly loads: ReadonlyMap<number, WideLoad>;
  readonly parts: ReadonlyMap<number, Part>;
  /** By slot of the instruction after which dst holds all of what a place keeps: the place. */
  readonly whole: ReadonlyMap<number, number>;
}

/** A register that holds bytes of memory, in their order, from some bit on, and nothing else. */
interface Piece {
  /** Identity of the address register's value. */
  readonly base: number;
  /** Offset of its first byte, which is at bit `shift`. */
  readonly off: number;
  readonly bytes: number;
  readonly shift: number;
  /** Slots of the loads. */
  readonly loads: readonly number[];
}

/** Places of one block: each is a local, and V8's baseline compiler pays for every local where control flow meets. */
const MOST_PLACES = 16;

const JOINS: ReadonlySet<string> = new Set([
  'or64_reg',
  'or32_reg',
  'add64_reg',
  'add32_reg',
  'xor64_reg',
  'xor32_reg',
]);
/** Loads that may be part of a wide one. */
const NARROW: ReadonlySet<OpName> = new Set(
  OP_NAMES.filter((op) => {
    const { format, operation, width } = opRow(op);
    return format === 'ldx' && operation === 'ldx' && width < 64;
  }),
);
const WIDTHS: ReadonlySet<number> = new Set([16, 32, 64]);

/** Formats of instructions after which memory may not be what it was. */
const MEMORY_CHANGES: ReadonlySet<string> = new Set([
  'call_helper',
  'call_local',
  'call_kfunc',
  'callx',
  'st',
  'stx',
  'atomic',
  'atomic_fetch',
  'cmpxchg',
  'load_acquire',
  'store_release',
  'ld_abs',
  'ld_ind',
]);

class Pieces {
  readonly values = new Int32Array(REGISTER_COUNT);
  readonly pieces: (Piece | undefined)[] = new Array<Piece | undefined>(REGISTER_COUNT);
  #last = 0;

  forget(): void {
    for (let register = 0; register < REGISTER_COUNT; register++) this.fresh(register);
  }

  /** Memory may have changed: what was loaded before cannot be loaded together with what comes. */
  forgetPieces(): void {
    this.pieces.fill(undefined);
  }

  fresh(register: number): void {
    this.values[register] = ++this.#last;
    this.pieces[register] = undefined;
  }
}

/** Two pieces side by side as one. */
function joined(a: Piece, b: Piece): Piece | undefined {
  const [low, high] = a.off < b.off ? [a, b] : [b, a];
  if (low.base !== high.base || low.off + low.bytes !== high.off || low.shift + 8 * low.bytes !== high.shift) {
    return undefined;
  }
  return { ...low, bytes: low.bytes + high.bytes, loads: [...low.loads, ...high.loads] };
}

/**
 * Narrow loads of one block without a store, call or jump between them.
 *
 * @param single slots of loads that stay what they are
 */
export function findWideLoads(
  insns: readonly (Insn | undefined)[],
  { blocks }: FlowGraph,
  single: ReadonlySet<number> = new Set(),
): WideLoads {
  const loads = new Map<number, WideLoad>();
  const parts = new Map<number, Part>();
  const whole = new Map<number, number>();
  const state = new Pieces();
  for (const { start, end } of blocks) {
    if (!mayJoin(insns, start, end)) continue;
    state.forget();
    const found: { readonly slot: number; readonly piece: Piece }[] = [];
    for (let slot = start; slot < end; slot++) {
      const insn = insns[slot];
      if (insn === undefined) continue;
      const piece = step(state, insn, slot);
      if (single.has(slot)) for (const register of registersWritten(insn)) state.fresh(register);
      if (piece !== undefined && piece.shift === 0 && WIDTHS.has(8 * piece.bytes)) found.push({ slot, piece });
    }
    // The widest first: what is a part of it is no load of its own any more.
    found.sort((a, b) => b.piece.bytes - a.piece.bytes);
    let place = 0;
    for (const { slot, piece } of found) {
      if (place === MOST_PLACES || piece.loads.some((load) => parts.has(load))) continue;
      const first = Math.min(...piece.loads);
      loads.set(first, { off: piece.off, width: (8 * piece.bytes) as WideLoad['width'], place });
      for (const load of piece.loads) {
        parts.set(load, { place, shift: 8 * ((insns[load] as Insn).off - piece.off) });
      }
      whole.set(slot, place);
      place++;
    }
  }
  return { loads, parts, whole };
}

/** Whether there are narrow loads and what puts two together: in most blocks there is not. */
function mayJoin(insns: readonly (Insn | undefined)[], start: number, end: number): boolean {
  let loads = 0;
  for (let slot = start; slot < end; slot++) {
    const insn = insns[slot];
    if (insn === undefined) continue;
    if (NARROW.has(insn.op)) loads++;
    else if (loads > 1 && JOINS.has(insn.op)) return true;
  }
  return false;
}

/** What an instruction makes of the pieces; a new one of several loads, if it makes one. */
function step(state: Pieces, insn: Insn, slot: number): Piece | undefined {
  const { op, dst, src, imm, off } = insn;
  const { format, width } = opRow(op);
  const { pieces, values } = state;
  if (NARROW.has(op) && src !== 10) {
    const base = values[src];
    state.fresh(dst);
    pieces[dst] = { base, off, bytes: width / 8, shift: 0, loads: [slot] };
    return undefined;
  }
  if (op === 'mov64_reg') {
    values[dst] = values[src];
    pieces[dst] = pieces[src];
    return undefined;
  }
  const piece = pieces[dst];
  const other = pieces[src];
  for (const register of registersWritten(insn)) state.fresh(register);
  const bits = (held: Piece): number => held.shift + 8 * held.bytes;
  if (op === 'mov32_reg') {
    if (other !== undefined && bits(other) <= 32) pieces[dst] = other;
  } else if (op === 'lsh64_imm' || op === 'lsh32_imm') {
    const by = imm & (width - 1);
    if (piece !== undefined && bits(piece) + by <= width) pieces[dst] = { ...piece, shift: piece.shift + by };
  } else if (JOINS.has(op)) {
    if (piece === undefined || other === undefined || (width === 32 && Math.max(bits(piece), bits(other)) > 32))
      return undefined;
    const both = joined(piece, other);
    pieces[dst] = both;
    return both;
  } else if (MEMORY_CHANGES.has(format)) state.forgetPieces();
  return undefined;
}
