import { toHex } from '../base/bytes.ts';
import type { Place } from '../base/diagnostic.ts';
import { decodeProgram, type Insn, SLOT_SIZE, slotsOf, upperImm } from './insn.ts';
import { type Format, OPS, type OpRow, type OpsOfFormat, type Width } from './opcodes.ts';
import { ARITHMETIC_SIGN, ATOMIC_SIGN, COMPARE_SIGN, PSEUDO_FUNCTION, registerName } from './syntax.ts';

/** Names and lines that only the caller knows. Each may give undefined: then the number is printed. */
export interface Annotations {
  /** Map that a symbolic immediate (ld_map_*) refers to. */
  mapName?(insn: Insn, slot: number): string | undefined;
  /** Function or variable that a call or an address load at `slot` refers to; `target` is its slot, where it has one. */
  symbolName?(insn: Insn, slot: number, target: number | undefined): string | undefined;
  /** What a relocation puts into the plain 64-bit immediate at this slot, in code that is not linked yet. */
  relocation?(slot: number): string | undefined;
  /** Helper with this number, e.g. `bpf_map_lookup_elem`. */
  helperName?(helper: number): string | undefined;
  /** Label that stands before the instruction: the name of a function that begins here. */
  label?(slot: number): string | undefined;
  /** Source text that stands before the instruction. */
  source?(slot: number): string | undefined;
}

export interface DisassembleOptions extends Annotations {
  /** `llvm` (the default) prints as llvm-objdump does, `kernel` as the verifier's log and `bpftool prog dump xlated`. */
  readonly style?: 'llvm' | 'kernel';
  /** As llvm-objdump's --print-imm-hex; only in the style `llvm`. */
  readonly hexImmediates?: boolean;
  /** Slot numbers and encoded bytes before each instruction (kernel: slot and opcode). */
  readonly columns?: boolean;
}

/** Where the two styles differ. */
interface Style {
  number(value: number | bigint): string;
  /** Immediate of a conditional jump. */
  compared(value: number): string;
  wide(value: bigint): string;
  memory(base: string, offset: number): string;
  target(offset: number): string;
  helper(number: number, name: string | undefined): string;
  /** Ends a 64-bit immediate load. */
  readonly wideSuffix: string;
  fetch(operation: string, width: Width, at: string, values: readonly string[]): string;
}

const signedText = (value: number | bigint, digits: (value: number | bigint) => string): string =>
  value < 0 ? `-${digits(-value)}` : digits(value);
const hexDigits = (value: number | bigint): string => `0x${value.toString(16)}`;
const withSign = (value: number, text: (value: number) => string): string => `${value < 0 ? '' : '+'}${text(value)}`;

function llvmStyle(hexImmediates: boolean): Style {
  const number = (value: number | bigint): string => (hexImmediates ? signedText(value, hexDigits) : value.toString());
  return {
    number,
    compared: number,
    wide: (value) => number(BigInt.asIntN(64, value)),
    memory: (base, offset) => `(${base} ${offset < 0 ? '-' : '+'} ${number(Math.abs(offset))})`,
    target: (offset) => withSign(offset, number),
    helper: (id, name) => (name === undefined ? number(id) : `${number(id)} ; ${name}`),
    wideSuffix: ' ll',
    fetch: (operation, width, at, values) => {
      const name = operation.startsWith('atomic_') ? operation : `${operation}${width === 32 ? '32_32' : '_64'}`;
      // llvm writes the type only in the atomic_fetch_* forms
      const place = operation.startsWith('atomic_') ? `(u${width} *)${at}` : at.slice(1, -1);
      return `${name}(${[place, ...values].join(', ')})`;
    },
  };
}

const KERNEL: Style = {
  number: (value) => value.toString(),
  compared: (value) => hexDigits(value >>> 0),
  wide: hexDigits,
  memory: (base, offset) => `(${base} ${withSign(offset, String)})`,
  target: (offset) => `pc${withSign(offset, String)}`,
  helper: (id, name) => `${name ?? 'unknown'}#${id}`,
  wideSuffix: '',
  fetch: (operation, width, at, values) => {
    const name = `atomic${width === 64 ? '64' : ''}_${operation.replace('atomic_', '')}`;
    return `${name}(${[`(u${width} *)${at}`, ...values].join(', ')})`;
  },
};

interface Line {
  readonly insn: Insn;
  readonly slot: number;
  readonly style: Style;
  readonly names: Annotations;
}

type RowOf<F extends Format> = (typeof OPS)[OpsOfFormat<F>];
type Printers = { readonly [F in Format]: (row: RowOf<F>, line: Line) => string };

const PRINTERS: Printers = {
  alu_imm: (row, { insn, style }) =>
    `${registerName(insn.dst, row.width)} ${ARITHMETIC_SIGN[row.operation]} ${style.number(insn.imm)}`,
  alu_reg: (row, { insn }) =>
    `${registerName(insn.dst, row.width)} ${ARITHMETIC_SIGN[row.operation]} ${registerName(insn.src, row.width)}`,
  mov_imm: (row, { insn, style }) => `${registerName(insn.dst, row.width)} = ${style.number(insn.imm)}`,
  mov_reg: (row, { insn }) => `${registerName(insn.dst, row.width)} = ${registerName(insn.src, row.width)}`,
  movsx: (row, { insn }) => `${registerName(insn.dst, row.width)} = (s${insn.off})${registerName(insn.src, row.width)}`,
  neg: (row, { insn }) => `${registerName(insn.dst, row.width)} = -${registerName(insn.dst, row.width)}`,
  endian: (row, { insn }) => `r${insn.dst} = ${row.operation}${row.width} r${insn.dst}`,
  cast: (_, { insn, style }) =>
    `r${insn.dst} = addr_space_cast(r${insn.src}, ${style.number(insn.imm >>> 16)}, ${style.number(insn.imm & 0xffff)})`,
  goto: (_, { insn, style }) => `goto ${style.target(insn.off)}`,
  gotol: (_, { insn, style }) => `gotol ${style.target(insn.imm)}`,
  may_goto: (_, { insn, style }) => `may_goto ${style.target(insn.off)}`,
  branch_imm: (row, { insn, style }) =>
    `if ${registerName(insn.dst, row.width)} ${COMPARE_SIGN[row.operation]} ${style.compared(insn.imm)} goto ${style.target(insn.off)}`,
  branch_reg: (row, { insn, style }) =>
    `if ${registerName(insn.dst, row.width)} ${COMPARE_SIGN[row.operation]} ${registerName(insn.src, row.width)} goto ${style.target(insn.off)}`,
  call_helper: (_, { insn, style, names }) => `call ${style.helper(insn.imm, names.helperName?.(insn.imm))}`,
  call_local: (_, { insn, slot, names }) => {
    const name = names.symbolName?.(insn, slot, slot + 1 + insn.imm);
    return `call ${name ?? `pc${withSign(insn.imm, String)}`}`;
  },
  call_kfunc: (_, { insn, slot, names }) => {
    const name = names.symbolName?.(insn, slot, undefined);
    return name === undefined ? `call kfunc(${insn.imm}, ${insn.off})` : `call ${name}`;
  },
  callx: (_, { insn }) => `callx r${insn.dst}`,
  exit: () => 'exit',
  ld_imm64: (_, { insn, slot, style, names }) =>
    `r${insn.dst} = ${names.relocation?.(slot) ?? style.wide(insn.imm64 ?? 0n)}${style.wideSuffix}`,
  ld_pseudo: (row, { insn, slot, style, names }) => {
    const name =
      row.operation === 'ld_code_addr'
        ? names.symbolName?.(insn, slot, slot + 1 + insn.imm)
        : wrap(names.mapName?.(insn, slot), (map) => `map[${map}]`);
    return `r${insn.dst} = ${name ?? `${PSEUDO_FUNCTION[row.operation]}(${insn.imm})`}${style.wideSuffix}`;
  },
  ld_pseudo_off: (row, { insn, slot, style, names }) => {
    const upper = upperImm(insn);
    const inner = `${PSEUDO_FUNCTION[row.operation]}(${insn.imm})`;
    const isVariable = row.operation === 'ld_var_addr';
    const plain = (isVariable ? inner : `map_val(${inner})`) + offsetText(upper, String);
    const name = isVariable
      ? names.symbolName?.(insn, slot, undefined)
      : wrap(names.mapName?.(insn, slot), (map) => `map[${map}][0]${withSign(upper, String)}`);
    return `r${insn.dst} = ${name ?? plain}${style.wideSuffix}`;
  },
  ld_abs: (row, { insn, style }) => `r0 = *(u${row.width} *)skb[${style.number(insn.imm)}]`,
  ld_ind: (row, { insn, style }) =>
    `r0 = *(u${row.width} *)skb[r${insn.src}${style === KERNEL ? ` + ${insn.imm}` : offsetText(insn.imm, style.number)}]`,
  ldx: (row, { insn, style }) =>
    `r${insn.dst} = *(${row.operation === 'ldxs' ? 's' : 'u'}${row.width} *)${style.memory(`r${insn.src}`, insn.off)}`,
  st: (row, { insn, style }) =>
    `*(u${row.width} *)${style.memory(`r${insn.dst}`, insn.off)} = ${style.number(insn.imm)}`,
  stx: (row, { insn, style }) => `*(u${row.width} *)${style.memory(`r${insn.dst}`, insn.off)} = r${insn.src}`,
  atomic: (row, { insn, style }) =>
    `lock *(u${row.width} *)${style.memory(`r${insn.dst}`, insn.off)} ${ATOMIC_SIGN[row.operation]} ${style === KERNEL ? `r${insn.src}` : registerName(insn.src, row.width)}`,
  atomic_fetch: (row, { insn, style }) => {
    const value = style === KERNEL ? `r${insn.src}` : registerName(insn.src, row.width);
    return `${value} = ${style.fetch(row.operation, row.width, style.memory(`r${insn.dst}`, insn.off), [value])}`;
  },
  cmpxchg: (row, { insn, style }) => {
    const width = style === KERNEL ? 64 : row.width;
    const values = [registerName(0, width), registerName(insn.src, width)];
    return `${values[0]} = ${style.fetch(row.operation, row.width, style.memory(`r${insn.dst}`, insn.off), values)}`;
  },
  load_acquire: (row, { insn, style }) =>
    `r${insn.dst} = load_acquire((u${row.width} *)${style.memory(`r${insn.src}`, insn.off)})`,
  store_release: (row, { insn, style }) =>
    `store_release((u${row.width} *)${style.memory(`r${insn.dst}`, insn.off)}, r${insn.src})`,
};

/** ` + 8`, ` - 8` or nothing. */
const offsetText = (offset: number, text: (value: number) => string): string =>
  offset === 0 ? '' : ` ${offset < 0 ? '-' : '+'} ${text(Math.abs(offset))}`;

const wrap = (name: string | undefined, form: (name: string) => string): string | undefined =>
  name === undefined ? undefined : form(name);

const styleOf = (options: DisassembleOptions): Style =>
  options.style === 'kernel' ? KERNEL : llvmStyle(options.hexImmediates ?? false);

/** One instruction as text, without columns. `slot` is where it stands: call targets are given from there. */
export function formatInsn(insn: Insn, slot = 0, options: DisassembleOptions = {}): string {
  const row: OpRow = OPS[insn.op];
  // The row belongs to its own format: TypeScript cannot follow this through the lookup.
  const print = PRINTERS[row.format] as (row: OpRow, line: Line) => string;
  return print(row, { insn, slot, style: styleOf(options), names: options });
}

/** One line of a listing. */
export interface DisassembledLine {
  /** First slot of the instruction. */
  readonly slot: number;
  readonly insn: Insn;
  readonly text: string;
}

/** The instructions of a program as text. Raises as {@link decodeProgram}. */
export function disassembleLines(
  code: Uint8Array,
  options: DisassembleOptions = {},
  place: Place = {},
): DisassembledLine[] {
  return decodeProgram(code, place).flatMap((insn, slot) =>
    insn === undefined ? [] : [{ slot, insn, text: formatInsn(insn, slot, options) }],
  );
}

const opcodeColumn = (opcode: number): string => `(${opcode.toString(16).padStart(2, '0')})`;

function columns(code: Uint8Array, { slot, insn }: DisassembledLine, kernel: boolean): string {
  if (kernel) return `${String(slot).padStart(4)}: ${opcodeColumn(OPS[insn.op].opcode)} `;
  const bytes = code.subarray(slot * SLOT_SIZE, (slot + slotsOf(insn.op)) * SLOT_SIZE);
  return `${String(slot).padStart(8)}:\t${toHex(bytes).replace(/..(?=.)/g, '$& ')}\t`;
}

/**
 * A listing of a program in little-endian encoding: labels and source lines (as `; text`) on lines of their own, and
 * what {@link assemble} reads back to the same code. Raises as {@link decodeProgram}.
 */
export function disassemble(code: Uint8Array, options: DisassembleOptions = {}, place: Place = {}): string {
  const out: string[] = [];
  for (const line of disassembleLines(code, options, place)) {
    const label = options.label?.(line.slot);
    const source = options.source?.(line.slot);
    if (label !== undefined) out.push(`${label}:`);
    if (source !== undefined) out.push(...source.split('\n').map((part) => `; ${part}`));
    out.push((options.columns ? columns(code, line, options.style === 'kernel') : '') + line.text);
  }
  return out.map((text) => `${text}\n`).join('');
}
