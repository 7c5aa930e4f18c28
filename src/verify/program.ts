// A program as the walk goes through it: decoded, cut into functions, with what can be said of it without walking.
import { AnyBpfError } from '../base/diagnostic.ts';
import { type Dominance, dominance } from '../flow/dominators.ts';
import { type FlowGraph, flowGraph, functionEntries } from '../flow/graph.ts';
import { decodeProgram, type Insn, registersRead, registersWritten } from '../isa/insn.ts';
import { FORMATS, OPS, type OpName } from '../isa/opcodes.ts';
import type { ProgramSpec } from '../spec/object.ts';
import type { Platform } from '../spec/platform.ts';

export interface PreparedFunction {
  readonly graph: FlowGraph;
  readonly dominance: Dominance;
}

export interface PreparedProgram {
  readonly spec: ProgramSpec;
  readonly insns: readonly (Insn | undefined)[];
  /** Slots at which states are kept: where paths meet, and where calls come back to. 1 where kept. */
  readonly meets: Uint8Array;
  /** 1 at the first slot of a loop. */
  readonly loopHead: Uint8Array;
  /** Registers whose values may still be read, as bits, at `meets`. */
  readonly live: Uint16Array;
  /** By first slot; functions that no reachable code names are left out. */
  readonly functions: ReadonlyMap<number, PreparedFunction>;
  /** Constants of the program in ascending order: where bounds of loops are likely to end. */
  readonly thresholds: readonly number[];
}

/** Bytes of a packet and what lies before it: more than any host hands over. */
export const MAX_PACKET = 2 ** 20;

/** @throws AnyBpfError isa/*, flow/* for code that cannot be decoded or that control leaves */
export function prepare(spec: ProgramSpec, platform: Platform): PreparedProgram {
  const insns = decodeProgram(spec.code, { program: spec.name });
  const meets = new Uint8Array(insns.length);
  const loopHead = new Uint8Array(insns.length);
  const live = new Uint16Array(insns.length);
  const functions = new Map<number, PreparedFunction>();
  const effects = effectsOf(insns, (number) => platform.helper(number, spec.type)?.args.length ?? 5);
  for (const entry of functionEntries(insns)) {
    if (insns[entry] === undefined) continue;
    let graph: FlowGraph;
    try {
      graph = flowGraph(insns, entry);
    } catch (error) {
      // Only the functions that are called have to be right.
      if (entry === 0 || !(error instanceof AnyBpfError)) throw error;
      continue;
    }
    const dom = dominance(graph);
    functions.set(entry, { graph, dominance: dom });
    for (const block of graph.blocks) {
      if (block.predecessors.length > 1) meets[block.start] = 1;
      if (dom.loopHead[block.index]) {
        meets[block.start] = 1;
        loopHead[block.start] = 1;
      }
    }
    liveness(insns, effects, graph, meets, live);
  }
  // Callbacks come by their first instruction once a round.
  insns.forEach((insn, slot) => {
    const target = slot + 1 + (insn?.imm ?? 0);
    if (insn?.op !== 'ld_code_addr' || !functions.has(target)) return;
    meets[target] = 1;
    loopHead[target] = 1;
  });
  let known: readonly number[] | undefined;
  return {
    spec,
    insns,
    meets,
    loopHead,
    live,
    functions,
    // Only loops and joins ask for them.
    get thresholds() {
      return (known ??= thresholds(insns));
    },
  };
}

const mask = (registers: readonly number[]): number => registers.reduce((bits, r) => bits | (1 << r), 0);

/** Registers that each instruction reads (lower half) and writes (upper half), as bits. */
function effectsOf(insns: readonly (Insn | undefined)[], argumentsOf: (helper: number) => number): Uint32Array {
  const effects = new Uint32Array(insns.length);
  insns.forEach((insn, slot) => {
    if (insn === undefined) return;
    const reads = insn.op === 'call_helper' ? ((1 << argumentsOf(insn.imm)) - 1) << 1 : mask(registersRead(insn));
    effects[slot] = reads | (mask(registersWritten(insn)) << 16);
  });
  return effects;
}

function liveness(
  insns: readonly (Insn | undefined)[],
  effects: Uint32Array,
  graph: FlowGraph,
  meets: Uint8Array,
  live: Uint16Array,
): void {
  const { blocks } = graph;
  const before = new Uint16Array(blocks.length);
  const work = blocks.map((_, index) => index);
  const queued = new Uint8Array(blocks.length).fill(1);
  for (let index = work.pop(); index !== undefined; index = work.pop()) {
    queued[index] = 0;
    const block = blocks[index];
    let bits = 0;
    for (const successor of block.successors) bits |= before[successor];
    bits = backward(insns, effects, block.start, block.end, bits, undefined);
    if (bits === before[index]) continue;
    before[index] = bits;
    for (const predecessor of block.predecessors) {
      if (queued[predecessor] === 0) {
        queued[predecessor] = 1;
        work.push(predecessor);
      }
    }
  }
  for (const block of blocks) {
    let bits = 0;
    for (const successor of block.successors) bits |= before[successor];
    backward(insns, effects, block.start, block.end, bits, (slot, at) => {
      live[slot] = at;
      if (isAfterCall(insns, slot)) meets[slot] = 1;
    });
  }
}

const isAfterCall = (insns: readonly (Insn | undefined)[], slot: number): boolean => {
  const before = insns[slot - 1];
  return before?.op === 'call_local' || before?.op === 'callx';
};

function backward(
  insns: readonly (Insn | undefined)[],
  effects: Uint32Array,
  start: number,
  end: number,
  bits: number,
  visit: ((slot: number, bits: number) => void) | undefined,
): number {
  for (let slot = end - 1; slot >= start; slot--) {
    if (insns[slot] === undefined) continue;
    const effect = effects[slot];
    bits = (bits & ~(effect >>> 16)) | (effect & 0xffff);
    visit?.(slot, bits);
  }
  return bits;
}

function thresholds(insns: readonly (Insn | undefined)[]): number[] {
  const found = new Set([-1, 0, 1, 255, 65_535, MAX_PACKET, 2 ** 32 - 1]);
  for (const insn of insns) {
    if (insn === undefined) continue;
    const fields: readonly string[] = FORMATS[OPS[insn.op as OpName].format].fields;
    if (!fields.includes('imm')) continue;
    found.add(insn.imm);
    found.add(insn.imm - 1);
    found.add(insn.imm + 1);
  }
  return [...found].sort((a, b) => a - b);
}
