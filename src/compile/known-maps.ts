// Which registers certainly hold which map, instruction by instruction: what lets a call to a map helper become code.
import type { FlowGraph } from '../flow/graph.ts';
import { type Insn, registersWritten } from '../isa/insn.ts';

const REGISTERS = 10;
/** Not one certain map. */
const UNKNOWN = -1;
/** No path has reached this yet. */
const UNREACHED = -2;

const known = (value: number): number | undefined => (value < 0 ? undefined : value);

function step(state: Int32Array, insn: Insn): void {
  if (insn.op === 'ld_map_idx') {
    state[insn.dst] = insn.imm;
    return;
  }
  if (insn.op === 'mov64_reg') {
    state[insn.dst] = insn.src < REGISTERS ? state[insn.src] : UNKNOWN;
    return;
  }
  for (const register of registersWritten(insn)) if (register < REGISTERS) state[register] = UNKNOWN;
}

/**
 * For each call of a helper: the index of the map in r1 and, for tail calls, in r2, where it is the same on every path.
 *
 * @param insns by slot
 * @returns by slot of the call: [map in r1, map in r2], each undefined where not known
 */
export function knownMaps(
  insns: readonly (Insn | undefined)[],
  { blocks }: FlowGraph,
): ReadonlyMap<number, readonly [number | undefined, number | undefined]> {
  const entry = blocks.map(() => new Int32Array(REGISTERS).fill(UNREACHED));
  entry[0].fill(UNKNOWN);
  const state = new Int32Array(REGISTERS);
  const work = [0];
  const found = new Map<number, readonly [number | undefined, number | undefined]>();
  for (let index = work.pop(); index !== undefined; index = work.pop()) {
    const block = blocks[index];
    state.set(entry[index]);
    for (let slot = block.start; slot < block.end; slot++) {
      const insn = insns[slot];
      if (insn === undefined) continue;
      // Later passes over the block only know less: what they find replaces what was found before.
      if (insn.op === 'call_helper') found.set(slot, [known(state[1]), known(state[2])]);
      step(state, insn);
    }
    for (const successor of block.successors) {
      const target = entry[successor];
      let changed = false;
      for (let r = 0; r < REGISTERS; r++) {
        const met = target[r] === UNREACHED || target[r] === state[r] ? state[r] : UNKNOWN;
        if (met !== target[r]) {
          target[r] = met;
          changed = true;
        }
      }
      if (changed) work.push(successor);
    }
  }
  return found;
}
