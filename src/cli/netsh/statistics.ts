// What PREVAIL counts of a program before it verifies it. Its graph has an instruction for each of the program's, one before the first
// and one after the last, and two for each condition, one on either way.
import { graphsOf } from './graphs.ts';
import { decodeProgram, type Insn } from '../../isa/insn.ts';
import { type Format, OPS } from '../../isa/opcodes.ts';
import type { HelperRow } from '../../spec/helper.ts';
import type { ObjectSpec, ProgramSpec } from '../../spec/object.ts';
import type { Platform } from '../../spec/platform.ts';
import { argumentsOf } from './prevail-text.ts';

const KINDS = [
  'arith',
  'arith32',
  'arith64',
  'assign',
  'call_1',
  'call_mem',
  'call_nomem',
  'instructions',
  'joins',
  'jumps',
  'load',
  'load_store',
  'map_in_map',
  'other',
  'packet_access',
  'reallocate',
  'store',
] as const;

/** Counters in the order in which netsh prints them. */
export type Statistics = { [K in (typeof KINDS)[number]]: number };

/** The counter of instructions of a format; helpers have their own, and the rest is `other`. */
const BY_FORMAT: { readonly [F in Format]?: keyof Statistics } = {
  alu_imm: 'arith',
  alu_reg: 'arith',
  mov_imm: 'assign',
  mov_reg: 'assign',
  movsx: 'assign',
  ld_pseudo: 'assign',
  ld_pseudo_off: 'assign',
  ld_imm64: 'assign',
  ldx: 'load',
  st: 'store',
  stx: 'store',
  ld_abs: 'packet_access',
  ld_ind: 'packet_access',
  atomic: 'load_store',
  atomic_fetch: 'load_store',
  cmpxchg: 'load_store',
};

const BINARY: ReadonlySet<Format> = new Set(['alu_imm', 'alu_reg', 'mov_imm', 'mov_reg', 'movsx']);

function callKind(row: HelperRow | undefined): 'call_1' | 'call_mem' | 'call_nomem' {
  if (row?.returns === 'mapValueOrNull') return 'call_1';
  const takesMemory = row !== undefined && argumentsOf(row).some(({ kind }) => kind !== 'uint64_t');
  return takesMemory ? 'call_mem' : 'call_nomem';
}

export function statisticsOf(object: ObjectSpec, program: ProgramSpec, platform: Platform): Statistics {
  const counts = Object.fromEntries(KINDS.map((kind) => [kind, 0])) as Statistics;
  const count = (insn: Insn): void => {
    const { format, width } = OPS[insn.op];
    counts.instructions++;
    if (BINARY.has(format)) counts[width === 64 ? 'arith64' : 'arith32']++;
    if (insn.op === 'call_helper') {
      const row = platform.helper(insn.imm, program.type);
      counts[callKind(row)]++;
      if (row?.changesPacket === true) counts.reallocate = 1;
      return;
    }
    if (insn.op === 'ld_map_idx' && object.maps[insn.imm]?.inner !== undefined) counts.map_in_map = 1;
    counts[BY_FORMAT[format] ?? 'other']++;
  };
  for (const insn of decodeProgram(program.code)) if (insn !== undefined) count(insn);
  // Before the first instruction and after the last.
  counts.instructions += 2;
  counts.other += 2;
  for (const block of graphsOf(program).flatMap(({ blocks }) => blocks)) {
    if (block.terminator.kind === 'branch') {
      counts.jumps++;
      counts.instructions += 2;
    }
    if (block.predecessors.length > 1) counts.joins++;
  }
  return counts;
}

export const statisticsLines = (counts: Statistics): readonly (readonly [string, number])[] =>
  KINDS.map((kind) => [kind, counts[kind]]);
