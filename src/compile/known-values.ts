// What registers certainly hold where a helper is called: what lets the call become code.
import type { FlowGraph } from '../flow/graph.ts';
import { type Insn, registersWritten } from '../isa/insn.ts';

const REGISTERS = 10;
/** Not one certain value. */
const UNKNOWN = -1;
/** No path has reached this yet. */
const UNREACHED = -2;

/** A map by its index in the image, a function of the program by its slot, or a number. */
export interface KnownValue {
  readonly kind: 'map' | 'function' | 'number';
  readonly value: number;
}

/** For r1 to r5: what each holds on every path, undefined where that is not known. */
export type KnownArguments = readonly (KnownValue | undefined)[];

/** What an instruction loads that is known when the program is compiled. */
function loaded({ op, imm }: Insn, slot: number): KnownValue | undefined {
  switch (op) {
    case 'ld_map_idx':
      return { kind: 'map', value: imm };
    case 'ld_code_addr':
      return { kind: 'function', value: slot + 1 + imm };
    case 'mov64_imm':
      return { kind: 'number', value: imm };
    case 'mov32_imm':
      return { kind: 'number', value: imm >>> 0 };
    default:
      return undefined;
  }
}

function calls(insns: readonly (Insn | undefined)[], start: number, end: number): boolean {
  for (let slot = start; slot < end; slot++) if (insns[slot]?.op === 'call_helper') return true;
  return false;
}

/**
 * For each call of a helper: what its arguments are.
 *
 * @param insns by slot
 * @returns by slot of the call
 */
export function knownValues(
  insns: readonly (Insn | undefined)[],
  { blocks }: FlowGraph,
): ReadonlyMap<number, KnownArguments> {
  /** Each value once; states have their indices. */
  const values: KnownValue[] = [];
  const indices = new Map<string, number>();
  const indexOf = (known: KnownValue): number => {
    const key = `${known.kind} ${known.value}`;
    let index = indices.get(key);
    if (index === undefined) {
      index = values.push(known) - 1;
      indices.set(key, index);
    }
    return index;
  };
  const step = (state: Int32Array, insn: Insn, slot: number): void => {
    const known = loaded(insn, slot);
    if (known !== undefined) state[insn.dst] = indexOf(known);
    else if (insn.op === 'mov64_reg') state[insn.dst] = insn.src < REGISTERS ? state[insn.src] : UNKNOWN;
    else for (const register of registersWritten(insn)) if (register < REGISTERS) state[register] = UNKNOWN;
  };

  if (!blocks.some(({ start, end }) => calls(insns, start, end))) return new Map();
  // Of all blocks in one array: to make one takes as long as to look at a block.
  const entry = new Int32Array(REGISTERS * blocks.length).fill(UNREACHED);
  entry.fill(UNKNOWN, 0, REGISTERS);
  const state = new Int32Array(REGISTERS);
  const work = [0];
  const found = new Map<number, KnownArguments>();
  for (let index = work.pop(); index !== undefined; index = work.pop()) {
    const block = blocks[index];
    for (let r = 0; r < REGISTERS; r++) state[r] = entry[REGISTERS * index + r];
    for (let slot = block.start; slot < block.end; slot++) {
      const insn = insns[slot];
      if (insn === undefined) continue;
      // Later passes over the block only know less: what they find replaces what was found before.
      if (insn.op === 'call_helper') {
        found.set(
          slot,
          [1, 2, 3, 4, 5].map((register) => values[state[register]]),
        );
      }
      step(state, insn, slot);
    }
    for (const successor of block.successors) {
      const target = REGISTERS * successor;
      let changed = false;
      for (let r = 0; r < REGISTERS; r++) {
        const known = entry[target + r];
        const met = known === UNREACHED || known === state[r] ? state[r] : UNKNOWN;
        if (met !== known) {
          entry[target + r] = met;
          changed = true;
        }
      }
      if (changed) work.push(successor);
    }
  }
  return found;
}
