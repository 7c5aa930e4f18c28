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
 * that is not verified on its own must be static. Symbols of the kernel are integers, as libbpf makes them: nothing of theirs lies in the
 * object, and they may be declared as void.
 */
function forKernel(btf: Btf, types: readonly BtfType[], programs: readonly ProgramSpec[]): BtfType[] {
  const globals = new Set(programs.flatMap(({ functions }) => functions.filter((f) => f.global).map((f) => f.typeId)));
  const symbols = new Set(
    types.flatMap((type) => (type.kind === 'datasec' && type.name === KSYMS ? type.vars.map((one) => one.type) : [])),
  );
  const known = types.findIndex((type) => type.kind === 'int' && type.size === SYMBOL.size);
  const integer = (known < 0 ? types.length : known) + 1;
  const changed = types.map((type, i): BtfType => {
    const id = i + 1;
    if (type.kind === 'var') return { ...type, linkage: VAR_GLOBAL, ...(symbols.has(id) ? { type: integer } : {}) };
    if (type.kind === 'func') return { ...type, linkage: globals.has(id) ? FUNC_GLOBAL : FUNC_STATIC };
    if (type.kind !== 'datasec') return type;
    const vars = type.vars
      .filter((one) => btf.type(one.type).kind === 'var')
      .map((one, place) => (type.name === KSYMS ? { ...one, ...SYMBOL, offset: place * SYMBOL.size } : one));
    const end = vars.reduce((most, { offset, size }) => Math.max(most, offset + size), 1);
    return { ...type, vars, size: type.name === KSYMS ? end : Math.max(type.size, end) };
  });
  return known < 0 && symbols.size > 0 ? [...changed, INTEGER] : changed;
}

const KSYMS = '.ksyms';
const SYMBOL = { size: 4 } as const;
const INTEGER: BtfType = { kind: 'int', name: 'int', size: 4, encoding: 1, bits: 32, offset: 0 };

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
