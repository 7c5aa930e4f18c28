// The assembly language of uBPF and bpf_conformance: `ldxdw %r0, [%r10-8]`, `jne %r0, 5, label`.
import { fail } from '../base/diagnostic.ts';
import { unknownMnemonic } from '../base/messages/isa.ts';
import { makeInsn } from './insn.ts';
import { type Format, FORMATS, OP_NAMES, OPS, type OpName, type OpRow } from './opcodes.ts';
import { SIZE_LETTERS } from './syntax.ts';
import type { Cursor, Statement } from './tokens.ts';

/** Mnemonic of an instruction; instructions that differ only in the kind of an operand share one. */
const MNEMONIC: { readonly [F in Format]?: (row: OpRow) => string } = {
  alu_imm: arithmetic,
  alu_reg: arithmetic,
  mov_imm: arithmetic,
  mov_reg: arithmetic,
  neg: arithmetic,
  movsx: (row) => `movsx${row.fixed.off}${row.width}`,
  endian: (row) => `${row.operation}${row.width}`,
  goto: () => 'ja',
  gotol: () => 'ja32',
  may_goto: () => 'may_goto',
  branch_imm: arithmetic,
  branch_reg: arithmetic,
  ld_imm64: () => 'lddw',
  ld_abs: (row) => `ldabs${SIZE_LETTERS[row.width]}`,
  ld_ind: (row) => `ldind${SIZE_LETTERS[row.width]}`,
  ldx: sized,
  st: sized,
  stx: sized,
  atomic: (row) => `lock ${arithmetic({ ...row, operation: row.operation.slice('atomic_'.length) })}`,
  atomic_fetch: (row) => `lock ${arithmetic({ ...row, operation: row.operation.replace(/^atomic_fetch_/, 'fetch ') })}`,
  cmpxchg: (row) => `lock ${arithmetic(row)}`,
};

function arithmetic(row: OpRow): string {
  return `${row.operation}${row.width === 32 ? '32' : ''}`;
}

function sized(row: OpRow): string {
  return `${row.operation}${SIZE_LETTERS[row.width]}`;
}

const BY_MNEMONIC = new Map<string, OpName[]>();
for (const name of OP_NAMES) {
  const row: OpRow = OPS[name];
  const mnemonic = MNEMONIC[row.format]?.(row);
  if (mnemonic === undefined) continue;
  // `swap16` is another word for `bswap16`.
  const words = row.operation === 'bswap' ? [mnemonic, mnemonic.slice(1)] : [mnemonic];
  for (const word of words) BY_MNEMONIC.set(word, [...(BY_MNEMONIC.get(word) ?? []), name]);
}

/** True where the next words begin a statement of this language. */
export const isMnemonic = (cursor: Cursor): boolean =>
  cursor.peek() === 'lock' ? cursor.peek(1) !== '*' : BY_MNEMONIC.has(cursor.peek() ?? '');

/** Reads one statement. */
export function parseMnemonic(cursor: Cursor): Statement {
  let mnemonic = cursor.word('an instruction');
  if (mnemonic === 'lock') {
    mnemonic += ` ${cursor.name('an atomic operation')}`;
    if (mnemonic === 'lock fetch') mnemonic += ` ${cursor.name('an atomic operation')}`;
  }
  const candidates = BY_MNEMONIC.get(mnemonic) ?? fail(unknownMnemonic(cursor.place, mnemonic));
  return OPERANDS[OPS[candidates[0]].format]?.(cursor, candidates) ?? fail(unknownMnemonic(cursor.place, mnemonic));
}

const usesSrc = (name: OpName): boolean => (FORMATS[OPS[name].format].fields as readonly string[]).includes('src');

/** `%r1, 5` or `%r1, %r2`: the sibling with a register or the one with an immediate. */
function pick(cursor: Cursor, candidates: readonly OpName[]): { op: OpName; operands: { src?: number; imm?: number } } {
  const byRegister = cursor.isRegister();
  const op = candidates.find((name) => usesSrc(name) === byRegister) ?? cursor.wrong('an operand of the other kind');
  return { op, operands: byRegister ? { src: cursor.full() } : { imm: cursor.imm32(op) } };
}

function twoOperands(cursor: Cursor, candidates: readonly OpName[]): Statement {
  const dst = cursor.full();
  cursor.expect(',');
  const { op, operands } = pick(cursor, candidates);
  return { insn: makeInsn(op, { dst, ...operands }) };
}

function oneRegister(cursor: Cursor, [op]: readonly OpName[]): Statement {
  return { insn: makeInsn(op, { dst: cursor.full() }) };
}

function conditional(cursor: Cursor, candidates: readonly OpName[]): Statement {
  const dst = cursor.full();
  cursor.expect(',');
  const { op, operands } = pick(cursor, candidates);
  cursor.expect(',');
  return cursor.jump(op, { dst, ...operands }, 'off');
}

/** `[%r10-8]` */
function memory(cursor: Cursor, op: OpName): { base: number; off: number } {
  cursor.expect('[');
  const address = cursor.address(op);
  cursor.expect(']');
  return address;
}

function storeRegister(cursor: Cursor, [op]: readonly OpName[]): Statement {
  const { base, off } = memory(cursor, op);
  cursor.expect(',');
  return { insn: makeInsn(op, { dst: base, src: cursor.full(), off }) };
}

const OPERANDS: { readonly [F in Format]?: (cursor: Cursor, candidates: readonly OpName[]) => Statement } = {
  alu_imm: twoOperands,
  alu_reg: twoOperands,
  mov_imm: twoOperands,
  mov_reg: twoOperands,
  movsx: twoOperands,
  neg: oneRegister,
  endian: oneRegister,
  goto: (cursor, [op]) => cursor.jump(op, {}, 'off'),
  gotol: (cursor, [op]) => cursor.jump(op, {}, 'imm'),
  may_goto: (cursor, [op]) => cursor.jump(op, {}, 'off'),
  branch_imm: conditional,
  branch_reg: conditional,
  ld_imm64: (cursor, [op]) => {
    const dst = cursor.full();
    cursor.expect(',');
    return { insn: makeInsn(op, { dst, imm64: cursor.imm64(op) }) };
  },
  ld_abs: (cursor, [op]) => ({ insn: makeInsn(op, { imm: cursor.imm32(op) }) }),
  ld_ind: (cursor, [op]) => {
    const src = cursor.full();
    cursor.expect(',');
    return { insn: makeInsn(op, { src, imm: cursor.imm32(op) }) };
  },
  ldx: (cursor, [op]) => {
    const dst = cursor.full();
    cursor.expect(',');
    const { base, off } = memory(cursor, op);
    return { insn: makeInsn(op, { dst, src: base, off }) };
  },
  st: (cursor, [op]) => {
    const { base, off } = memory(cursor, op);
    cursor.expect(',');
    return { insn: makeInsn(op, { dst: base, off, imm: cursor.imm32(op) }) };
  },
  stx: storeRegister,
  atomic: storeRegister,
  atomic_fetch: storeRegister,
  cmpxchg: storeRegister,
};
