// An object's BTF as the kernel takes it, and the tables of functions and lines that go with its programs (libbpf's
// bpf_object__sanitize_and_load_btf and bpf_program__fixup of them).
import type { Btf } from '../../btf/btf.ts';
import { encodeBtf, StringTable } from '../../btf/encode.ts';
import type { BtfType } from '../../btf/format.ts';
import { SLOT_SIZE } from '../../isa/insn.ts';
import type { ObjectSpec, ProgramSpec } from '../../spec/object.ts';

const FUNC_GLOBAL = 1;
const FUNC_STATIC = 0;
const VAR_GLOBAL = 1;
/** Columns have ten bits. */
const COLUMNS = 1024;

export interface ObjectBtf {
  /** For BPF_BTF_LOAD. */
  readonly bytes: Uint8Array;
  /** struct bpf_func_info, 8 bytes each; undefined where a function has no type. */
  functions(program: ProgramSpec): Uint8Array | undefined;
  /** struct bpf_line_info, 16 bytes each; undefined where the kernel would refuse them. */
  lines(program: ProgramSpec): Uint8Array | undefined;
}

/** `programs` are those that will be loaded. */
export function objectBtf(btf: Btf, { programs }: Pick<ObjectSpec, 'programs'>): ObjectBtf {
  const strings = new StringTable();
  const types = Array.from({ length: btf.count - 1 }, (_, i) => btf.type(i + 1));
  const lineTables = new Map(programs.map((program) => [program.name, lineInfo(program, strings)]));
  const bytes = encodeBtf(forKernel(btf, types, programs), { strings });
  return {
    bytes,
    functions: ({ functions }) =>
      functions.every(({ typeId }) => typeId > 0)
        ? words(functions.flatMap(({ slot, typeId }) => [slot, typeId]))
        : undefined,
    lines: ({ name }) => lineTables.get(name),
  };
}

const words = (values: readonly number[]): Uint8Array => new Uint8Array(Uint32Array.from(values).buffer);

/**
 * What of the types is the linker's business and not the kernel's: linkage of externs, functions that stand among variables. A function
 * that is not verified on its own must be static.
 */
function forKernel(btf: Btf, types: readonly BtfType[], programs: readonly ProgramSpec[]): BtfType[] {
  const globals = new Set(programs.flatMap(({ functions }) => functions.filter((f) => f.global).map((f) => f.typeId)));
  return types.map((type, i): BtfType => {
    if (type.kind === 'var') return { ...type, linkage: VAR_GLOBAL };
    if (type.kind === 'func') return { ...type, linkage: globals.has(i + 1) ? FUNC_GLOBAL : FUNC_STATIC };
    if (type.kind !== 'datasec') return type;
    const vars = type.vars.filter(({ type: id }) => btf.type(id).kind === 'var');
    // Kernel symbols lie nowhere in the object.
    const placed = type.name === '.ksyms' ? oneAfterTheOther(vars) : vars;
    const end = placed.reduce((most, { offset, size }) => Math.max(most, offset + size), 1);
    return { ...type, vars: placed, size: Math.max(type.size, end) };
  });
}

function oneAfterTheOther<V extends { readonly offset: number; readonly size: number }>(vars: readonly V[]): V[] {
  let at = 0;
  return vars.map((variable) => {
    const placed = { ...variable, offset: at };
    at += Math.max(variable.size, 1);
    return { ...placed, size: Math.max(variable.size, 1) };
  });
}

/** Rising slots, one of them the first of each function, none of them the second half of a wide load (check_btf_line). */
function lineInfo({ lines, functions, code }: ProgramSpec, strings: StringTable): Uint8Array | undefined {
  const rows = lines.filter(({ slot }, i) => slot !== lines[i - 1]?.slot && code[slot * SLOT_SIZE] !== 0);
  const begun = new Set(rows.map(({ slot }) => slot));
  if (rows.length === 0 || !functions.every(({ slot }) => begun.has(slot))) return undefined;
  return words(
    rows.flatMap(({ slot, file, text, line, column }) => [
      slot,
      strings.add(file),
      strings.add(text),
      ((line << 10) | Math.min(column, COLUMNS - 1)) >>> 0,
    ]),
  );
}
