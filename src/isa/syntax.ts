// Words and signs of the two assembly languages, shared by assembler and disassembler.
import type { Operation, Width } from './opcodes.ts';

/** C-like operator of each two-operand arithmetic instruction. */
export const ARITHMETIC_SIGN: Readonly<Record<Operation<'alu_imm' | 'alu_reg' | 'mov_imm' | 'mov_reg'>, string>> = {
  add: '+=',
  sub: '-=',
  mul: '*=',
  div: '/=',
  sdiv: 's/=',
  mod: '%=',
  smod: 's%=',
  or: '|=',
  and: '&=',
  xor: '^=',
  lsh: '<<=',
  rsh: '>>=',
  arsh: 's>>=',
  mov: '=',
};

/** C-like operator of each conditional jump. */
export const COMPARE_SIGN: Readonly<Record<Operation<'branch_imm' | 'branch_reg'>, string>> = {
  jeq: '==',
  jne: '!=',
  jset: '&',
  jgt: '>',
  jge: '>=',
  jlt: '<',
  jle: '<=',
  jsgt: 's>',
  jsge: 's>=',
  jslt: 's<',
  jsle: 's<=',
};

/** C-like operator of each atomic update without a result (`lock *(u64 *)(r1 + 0) += r2`). */
export const ATOMIC_SIGN: Readonly<Record<Operation<'atomic'>, string>> = {
  atomic_add: '+=',
  atomic_or: '|=',
  atomic_and: '&=',
  atomic_xor: '^=',
};

/** RFC 9669 section 5.4: how a symbolic 64-bit immediate is written without names; map values inside `map_val()`. */
export const PSEUDO_FUNCTION: Readonly<Record<Operation<'ld_pseudo' | 'ld_pseudo_off'>, string>> = {
  ld_map_fd: 'map_by_fd',
  ld_map_idx: 'map_by_idx',
  ld_map_value: 'map_by_fd',
  ld_map_idx_value: 'map_by_idx',
  ld_var_addr: 'var_addr',
  ld_code_addr: 'code_addr',
};

/** Size letter of the mnemonics: ldxb, sth, stxdw. */
export const SIZE_LETTERS: Readonly<Record<Width, string>> = { 8: 'b', 16: 'h', 32: 'w', 64: 'dw' };

/** Prefix of a register name in the C-like language: w is the lower half. */
export const registerName = (register: number, width: Width): string => `${width === 32 ? 'w' : 'r'}${register}`;

/** The key of a value in a table of this file. */
export function keyOf<K extends string>(table: Readonly<Record<K, string>>, value: string): K | undefined {
  return (Object.keys(table) as K[]).find((key) => table[key] === value);
}
