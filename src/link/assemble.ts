// One program from its functions: its own code, then that of every function it reaches, each once, in the order that
// libbpf appends them (depth first, at the first reference).
import { type Diagnostic, fail } from '../base/diagnostic.ts';
import { programSize } from '../base/messages/link.ts';
import type { CoreRelocationSpec, FunctionSpec, LineSpec, MapSpec } from '../spec/object.ts';
import { OPS } from '../isa/opcodes.ts';
import { SLOT_SIZE } from '../isa/insn.ts';
import type { LinkFunction } from './functions.ts';
import type { LinkInput } from './input.ts';
import type { Reference } from './references.ts';
import { Slot, srcOf } from './slot.ts';

/** Linux takes no longer program (BPF_COMPLEXITY_LIMIT_INSNS). */
export const MAX_PROGRAM_SLOTS = 1_000_000;

export interface Assembled {
  readonly code: Uint8Array;
  readonly functions: readonly FunctionSpec[];
  readonly lines: readonly LineSpec[];
  readonly core: readonly CoreRelocationSpec[];
  /** The first reference reached that cannot be linked. */
  readonly refused?: Diagnostic;
}

export interface AssemblyTables {
  readonly input: LinkInput;
  readonly references: ReadonlyMap<LinkFunction, readonly Reference[]>;
  /** Index into ObjectSpec.maps. */
  readonly mapIndex: ReadonlyMap<MapSpec, number>;
}

/** Functions in their final order, with the slot at which each begins. */
function layOut(entry: LinkFunction, tables: AssemblyTables): Map<LinkFunction, number> {
  const starts = new Map<LinkFunction, number>();
  let end = 0;
  const place = (fn: LinkFunction): Iterator<Reference> => {
    starts.set(fn, end);
    end += fn.length;
    if (end > MAX_PROGRAM_SLOTS) {
      fail(
        programSize({ ...tables.input.place, section: entry.sectionName, program: entry.name }, end, MAX_PROGRAM_SLOTS),
      );
    }
    return (tables.references.get(fn) ?? [])[Symbol.iterator]();
  };
  // An explicit stack: call chains of an object can be longer than JavaScript's.
  const open = [place(entry)];
  for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
    const { value, done } = top.next();
    if (done === true) open.pop();
    else if ((value.kind === 'call' || value.kind === 'callback') && !starts.has(value.target)) {
      open.push(place(value.target));
    }
  }
  return starts;
}

/** Writes a reference into the code in its symbolic form (see ProgramSpec). `at` is its slot in the program. */
function patch(
  code: Uint8Array,
  at: number,
  reference: Reference,
  starts: ReadonlyMap<LinkFunction, number>,
  tables: AssemblyTables,
): void {
  const insn = new Slot(code, at);
  const set64 = (src: number, imm: number, next: number): void => {
    insn.src = src;
    insn.imm = imm;
    new Slot(code, at + 1).imm = next;
  };
  switch (reference.kind) {
    case 'map':
      return set64(srcOf('ld_map_idx'), tables.mapIndex.get(reference.map.spec) ?? -1, 0);
    case 'value': {
      const index = tables.mapIndex.get(reference.map.spec) ?? -1;
      return set64(srcOf('ld_map_idx_value'), index, reference.offset);
    }
    case 'extern':
      if (insn.opcode === OPS.ld_imm64.opcode) return set64(srcOf('ld_var_addr'), reference.extern, 0);
      insn.src = srcOf('call_kfunc');
      insn.imm = reference.extern;
      return;
    case 'call':
      insn.src = srcOf('call_local');
      insn.imm = (starts.get(reference.target) ?? 0) - at - 1;
      return;
    case 'callback':
      return set64(srcOf('ld_code_addr'), (starts.get(reference.target) ?? 0) - at - 1, 0);
    case 'refused':
      return;
  }
}

interface AtOffset {
  readonly offset: number;
}

/** The first of sorted records at or after a byte offset. */
function firstFrom(records: readonly AtOffset[], offset: number): number {
  let low = 0;
  let high = records.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (records[middle].offset < offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The records of a function, which are sorted by their byte offset in the section. */
function recordsOf<T extends AtOffset>(fn: LinkFunction, records: readonly T[] = []): readonly T[] {
  const from = fn.start * SLOT_SIZE;
  return records.slice(firstFrom(records, from), firstFrom(records, from + fn.length * SLOT_SIZE));
}

/** Links a program that begins with `entry`. Errors: link/program-size. */
export function assemble(entry: LinkFunction, tables: AssemblyTables): Assembled {
  const starts = layOut(entry, tables);
  const slots = [...starts.keys()].reduce((sum, fn) => sum + fn.length, 0);
  const code = new Uint8Array(slots * SLOT_SIZE);
  const functions: FunctionSpec[] = [];
  const lines: LineSpec[] = [];
  const core: CoreRelocationSpec[] = [];
  let refused: Diagnostic | undefined;
  const { ext } = tables.input;
  for (const [fn, start] of starts) {
    code.set(fn.code, start * SLOT_SIZE);
    functions.push({ name: fn.name, slot: start, length: fn.length, typeId: fn.typeId, global: fn.global });
    const moved = (record: AtOffset): number => record.offset / SLOT_SIZE - fn.start + start;
    for (const record of recordsOf(fn, ext?.lines.get(fn.sectionName))) {
      const { file, line, column, text } = record;
      lines.push({ slot: moved(record), file, line, column, text });
    }
    for (const relocation of recordsOf(fn, ext?.relocations.get(fn.sectionName))) {
      core.push({ slot: moved(relocation), relocation });
    }
    for (const reference of tables.references.get(fn) ?? []) {
      patch(code, start + reference.slot, reference, starts, tables);
      if (reference.kind === 'refused') refused ??= reference.reason;
    }
  }
  return { code, functions, lines, core, ...(refused === undefined ? {} : { refused }) };
}
