// The C-like assembly language of the kernel's verifier log, bpftool and llvm: `r1 = *(u32 *)(r2 + 4)`.
import { fail } from '../base/diagnostic.ts';
import { noSuchForm, unknownFunction } from '../base/messages/isa.ts';
import { makeInsn } from './insn.ts';
import { type Format, findOp, type OpName, type Operation, type Width } from './opcodes.ts';
import { ARITHMETIC_SIGN, ATOMIC_SIGN, COMPARE_SIGN, keyOf, PSEUDO_FUNCTION } from './syntax.ts';
import type { Cursor, Names, Register, Statement } from './tokens.ts';

/** PREVAIL's signs for an exchange (`lock *(u64 *)(r1 + 0) x= r2`). */
const EXCHANGE_SIGN = { xchg: 'x=', cmpxchg: 'cx=' } as const;

const widthOf = (register: Register): Width => (register.half ? 32 : 64);

function op(cursor: Cursor, text: string, format: Format, operation: string, width: number, off?: number): OpName {
  return findOp(format, operation, width, off) ?? fail(noSuchForm(cursor.place, text));
}

/** A register for a value of `width` bits: r always (of which the lower half is meant), w where the value fits. */
function operand(cursor: Cursor, width: Width, what: string): number {
  const register = cursor.register();
  if (register.half && width === 64) fail(noSuchForm(cursor.place, `${what} 64 bits with w${register.number}`));
  return register.number;
}

/** `(u32 *)`: width, and whether signed. */
function pointerType(cursor: Cursor): { width: Width; signed: boolean } {
  cursor.expect('(');
  const match = /^([us])(8|16|32|64)$/.exec(cursor.peek() ?? '');
  if (match === null) return cursor.wrong('a type: u8 to u64, s8 to s32');
  cursor.take(match[0]);
  cursor.expect('*');
  cursor.expect(')');
  return { width: Number(match[2]) as Width, signed: match[1] === 's' };
}

function unsignedType(cursor: Cursor, what: string): Width {
  const { width, signed } = pointerType(cursor);
  if (signed) fail(noSuchForm(cursor.place, `${what} s${width}`));
  return width;
}

/** `(r2 + 4)` */
function memory(cursor: Cursor): { base: number; off: number } {
  cursor.expect('(');
  const address = cursor.address('a memory operand');
  cursor.expect(')');
  return address;
}

/** Reads one statement. */
export function parseC(cursor: Cursor, names: Names): Statement {
  if (cursor.isRegister()) return assignment(cursor);
  if (cursor.take('*')) return store(cursor);
  switch (cursor.word('an instruction')) {
    case 'exit':
      return { insn: makeInsn('exit') };
    case 'goto':
      return cursor.jump('ja', {}, 'off');
    case 'gotol':
      return cursor.jump('ja32', {}, 'imm');
    case 'may_goto':
      return cursor.jump('may_goto', {}, 'off');
    case 'call':
      return call(cursor, names);
    case 'callx':
      return { insn: makeInsn('callx', { dst: cursor.full() }) };
    case 'if':
      return conditional(cursor);
    case 'lock':
      return lock(cursor);
    case 'store_release': {
      cursor.expect('(');
      const width = unsignedType(cursor, 'store_release');
      const { base, off } = memory(cursor);
      cursor.expect(',');
      const src = operand(cursor, width, 'store_release of');
      cursor.expect(')');
      const name = op(cursor, 'store_release', 'store_release', 'store_release', width);
      return { insn: makeInsn(name, { dst: base, src, off }) };
    }
    default:
      return cursor.wrong('an instruction');
  }
}

function call(cursor: Cursor, names: Names): Statement {
  if (cursor.isRegister()) return { insn: makeInsn('callx', { dst: cursor.full() }) };
  if (cursor.isNumber()) return { insn: makeInsn('call_helper', { imm: cursor.imm32('call') }) };
  if (cursor.peek() === 'kfunc' && cursor.peek(1) === '(') {
    cursor.take('kfunc');
    cursor.expect('(');
    const imm = cursor.imm32('call');
    cursor.expect(',');
    const off = cursor.off16('call');
    cursor.expect(')');
    return { insn: makeInsn('call_kfunc', { imm, off }) };
  }
  // The kernel prints helpers as name#number; then the number counts.
  if (cursor.peek(1) === '#') {
    cursor.name('a function');
    cursor.expect('#');
    return { insn: makeInsn('call_helper', { imm: cursor.imm32('call') }) };
  }
  const local = cursor.take('local');
  const name = cursor.peek() ?? '';
  const helper = local ? undefined : names.helper(name);
  if (helper === undefined) return cursor.jump('call_local', {}, 'imm');
  cursor.name('a function');
  return { insn: makeInsn('call_helper', { imm: helper }) };
}

function conditional(cursor: Cursor): Statement {
  const left = cursor.register();
  const sign = cursor.word('a comparison');
  const operation = keyOf(COMPARE_SIGN, sign === '&==' ? '&' : sign);
  if (operation === undefined) return fail(noSuchForm(cursor.place, `if ${sign}`));
  const width = widthOf(left);
  const dst = left.number;
  if (cursor.isRegister()) {
    const src = operand(cursor, width, `if ${sign} on`);
    cursor.expect('goto');
    return cursor.jump(op(cursor, sign, 'branch_reg', operation, width), { dst, src }, 'off');
  }
  const imm = cursor.imm32('a comparison');
  cursor.expect('goto');
  return cursor.jump(op(cursor, sign, 'branch_imm', operation, width), { dst, imm }, 'off');
}

function store(cursor: Cursor): Statement {
  const width = unsignedType(cursor, 'a store as');
  const { base, off } = memory(cursor);
  cursor.expect('=');
  if (cursor.isRegister()) {
    const name = op(cursor, 'a store', 'stx', 'stx', width);
    return { insn: makeInsn(name, { dst: base, src: operand(cursor, width, 'a store of'), off }) };
  }
  const name = op(cursor, 'a store', 'st', 'st', width);
  return { insn: makeInsn(name, { dst: base, off, imm: cursor.imm32('a store') }) };
}

/** `lock *(u64 *)(r1 + 0) += r2`, also with PREVAIL's `fetch` and exchange signs. */
function lock(cursor: Cursor): Statement {
  cursor.expect('*');
  const width = unsignedType(cursor, 'lock');
  const { base, off } = memory(cursor);
  const sign = cursor.word('an operator');
  const src = operand(cursor, width, 'lock on');
  const fetch = cursor.take('fetch');
  const text = `lock u${width} ${sign}`;
  const update = keyOf(ATOMIC_SIGN, sign);
  const exchange = keyOf(EXCHANGE_SIGN, sign);
  let name: OpName;
  if (update !== undefined && fetch) name = op(cursor, text, 'atomic_fetch', update.replace('_', '_fetch_'), width);
  else if (update !== undefined) name = op(cursor, text, 'atomic', update, width);
  else if (exchange === 'xchg') name = op(cursor, text, 'atomic_fetch', exchange, width);
  else if (exchange === 'cmpxchg') name = op(cursor, text, 'cmpxchg', exchange, width);
  else return fail(noSuchForm(cursor.place, text));
  return { insn: makeInsn(name, { dst: base, src, off }) };
}

/** Statements that begin with a register. */
function assignment(cursor: Cursor): Statement {
  const to = cursor.register();
  const width = widthOf(to);
  const dst = to.number;
  const sign = cursor.word('an operator');
  const extended = /^s(\d+)=$/.exec(sign);
  if (extended !== null) return signExtension(cursor, to, Number(extended[1]));
  const operation = keyOf(ARITHMETIC_SIGN, sign);
  if (operation === undefined) return fail(noSuchForm(cursor.place, sign));
  if (operation !== 'mov') {
    if (!cursor.isRegister()) {
      const imm = cursor.imm32(sign);
      return { insn: makeInsn(op(cursor, sign, 'alu_imm', operation, width), { dst, imm }) };
    }
    const src = operand(cursor, width, `${sign} on`);
    return { insn: makeInsn(op(cursor, sign, 'alu_reg', operation, width), { dst, src }) };
  }
  if (cursor.isRegister()) {
    const src = operand(cursor, width, '= of');
    return { insn: makeInsn(op(cursor, '=', 'mov_reg', 'mov', width, 0), { dst, src }) };
  }
  if (cursor.isNumber()) return constant(cursor, to);
  if (cursor.take('-')) {
    if (operand(cursor, width, '- of') !== dst) {
      fail(noSuchForm(cursor.place, '- of another register'));
    }
    return { insn: makeInsn(op(cursor, '-', 'neg', 'neg', width), { dst }) };
  }
  if (cursor.take('*')) return load(cursor, to);
  if (cursor.take('(')) {
    const type = /^s(8|16|32)$/.exec(cursor.peek() ?? '');
    if (type === null) return cursor.wrong('s8, s16 or s32');
    cursor.take(type[0]);
    cursor.expect(')');
    return signExtension(cursor, to, Number(type[1]));
  }
  return named(cursor, to);
}

/** `5`, or `5 ll` for 64 bits. */
function constant(cursor: Cursor, to: Register): Statement {
  const value = cursor.imm64('=');
  if (cursor.take('ll')) {
    if (to.half) fail(noSuchForm(cursor.place, 'a 64-bit immediate into a 32-bit register'));
    return { insn: makeInsn('ld_imm64', { dst: to.number, imm64: value }) };
  }
  const name = to.half ? 'mov32_imm' : 'mov64_imm';
  const signed = BigInt.asIntN(64, value);
  if (signed < -(2n ** 31n) || signed >= 2n ** 32n) fail(noSuchForm(cursor.place, `= ${signed} without "ll"`));
  return { insn: makeInsn(name, { dst: to.number, imm: Number(BigInt.asIntN(32, signed)) }) };
}

/** `r1 = (s8)r2`, in PREVAIL's words `r1 s8= r2`. */
function signExtension(cursor: Cursor, to: Register, bits: number): Statement {
  const width = widthOf(to);
  const src = operand(cursor, width, `(s${bits}) in`);
  const name = op(cursor, `(s${bits}) in ${width} bits`, 'movsx', 'movsx', width, bits);
  return { insn: makeInsn(name, { dst: to.number, src }) };
}

/** `*(u8 *)(r2 + 4)` or `*(u8 *)skb[...]` */
function load(cursor: Cursor, to: Register): Statement {
  const { width, signed } = pointerType(cursor);
  if (to.half && (width === 64 || signed)) fail(noSuchForm(cursor.place, 'a 64-bit load into a 32-bit register'));
  if (cursor.take('skb')) {
    if (to.number !== 0 || to.half || signed) fail(noSuchForm(cursor.place, 'a packet load that is not into r0'));
    return packetLoad(cursor, width);
  }
  const { base, off } = memory(cursor);
  const name = op(cursor, `a load of s${width}`, 'ldx', signed ? 'ldxs' : 'ldx', width);
  return { insn: makeInsn(name, { dst: to.number, src: base, off }) };
}

function packetLoad(cursor: Cursor, width: Width): Statement {
  const text = `a packet load of u${width}`;
  cursor.expect('[');
  const src = cursor.isRegister() ? cursor.full() : undefined;
  const imm = src === undefined || cursor.isNumber() ? cursor.imm32(text) : 0;
  cursor.expect(']');
  if (src === undefined) return { insn: makeInsn(op(cursor, text, 'ld_abs', 'ld_abs', width), { imm }) };
  return { insn: makeInsn(op(cursor, text, 'ld_ind', 'ld_ind', width), { src, imm }) };
}

/** Right sides that begin with a name. */
function named(cursor: Cursor, to: Register): Statement {
  const name = cursor.name('an operand');
  const dst = to.number;
  const swap = /^(le|be|bswap|swap)(16|32|64)$/.exec(name);
  if (swap !== null && cursor.isRegister()) {
    const operation = swap[1] === 'swap' ? 'bswap' : swap[1];
    if (to.half || cursor.full() !== dst) fail(noSuchForm(cursor.place, `${name} of another register`));
    return { insn: makeInsn(op(cursor, name, 'endian', operation, Number(swap[2])), { dst }) };
  }
  if (cursor.peek() === '(') {
    if (name === 'load_acquire') return loadAcquire(cursor, to);
    if (name === 'addr_space_cast') return addrSpaceCast(cursor, to);
    const exchange = /^(?:atomic(64)?_)?((?:cmp)?xchg|fetch_(?:add|or|and|xor))(?:32)?(?:_(32|64))?$/.exec(name);
    if (exchange !== null) return fetchUpdate(cursor, to, exchange[2], Number(exchange[3] ?? (exchange[1] ? 64 : 32)));
  }
  if (to.half) fail(noSuchForm(cursor.place, 'an address in a 32-bit register'));
  const statement = symbolic(cursor, dst, name);
  cursor.take('ll');
  return statement;
}

function loadAcquire(cursor: Cursor, to: Register): Statement {
  cursor.expect('(');
  const width = unsignedType(cursor, 'load_acquire');
  const { base, off } = memory(cursor);
  cursor.expect(')');
  if (to.half && width === 64) fail(noSuchForm(cursor.place, 'a 64-bit load into a 32-bit register'));
  return {
    insn: makeInsn(op(cursor, 'load_acquire', 'load_acquire', 'load_acquire', width), {
      dst: to.number,
      src: base,
      off,
    }),
  };
}

function addrSpaceCast(cursor: Cursor, to: Register): Statement {
  if (to.half) fail(noSuchForm(cursor.place, 'an address in a 32-bit register'));
  const space = (): number => Number(cursor.ranged('addr_space_cast', 'imm', 0n, 0xffffn, '0 to 65535'));
  cursor.expect('(');
  const src = cursor.full();
  cursor.expect(',');
  const target = space();
  cursor.expect(',');
  const source = space();
  cursor.expect(')');
  return { insn: makeInsn('addr_space_cast', { dst: to.number, src, imm: (target << 16) | source }) };
}

/**
 * `r0 = atomic_fetch_add((u64 *)(r1 + 0), r0)`, `w0 = xchg32_32(r1 + 0, w0)`, `r0 = cmpxchg_64(r1 + 0, r0, r2)`, and the
 * kernel's `atomic64_...`. A type given counts more than the name's width.
 */
function fetchUpdate(cursor: Cursor, to: Register, what: string, nameWidth: number): Statement {
  cursor.expect('(');
  const typed = cursor.peek() === '(';
  const width = typed ? unsignedType(cursor, what) : (nameWidth as Width);
  const { base: dst, off } = typed ? memory(cursor) : cursor.address(what);
  if (to.half && width === 64) fail(noSuchForm(cursor.place, `${what} of 64 bits into a 32-bit register`));
  cursor.expect(',');
  const first = operand(cursor, width, what);
  // The result goes where the first value came from; of cmpxchg that is r0.
  if (first !== to.number || (what === 'cmpxchg' && first !== 0)) {
    fail(noSuchForm(cursor.place, `${what} with these registers`));
  }
  if (what === 'cmpxchg') {
    cursor.expect(',');
    const src = operand(cursor, width, what);
    cursor.expect(')');
    return { insn: makeInsn(op(cursor, what, 'cmpxchg', 'cmpxchg', width), { dst, src, off }) };
  }
  cursor.expect(')');
  const operation = what === 'xchg' ? what : `atomic_${what}`;
  return { insn: makeInsn(op(cursor, what, 'atomic_fetch', operation, width), { dst, src: first, off }) };
}

/** `map[name]`, `map[name][0]+8`, `map_by_fd(5)`, `map_val(map_by_idx(0)) + 8`, `code_addr(3)`, or a function's label. */
function symbolic(cursor: Cursor, dst: number, name: string): Statement {
  if (name === 'map' && cursor.take('[')) {
    const map = cursor.name('the name of a map');
    cursor.expect(']');
    if (!cursor.take('[')) {
      if (!cursor.isNumber()) return { insn: makeInsn('ld_map_idx', { dst }), map };
    } else {
      cursor.expect('0');
      cursor.expect(']');
    }
    const offset = cursor.isNumber() ? cursor.imm32('map[]') : 0;
    return { insn: makeInsn('ld_map_idx_value', { dst, imm64: BigInt.asUintN(32, BigInt(offset)) << 32n }), map };
  }
  const ofValue = name === 'map_val' && cursor.take('(');
  // PREVAIL writes the descriptor alone: `map_val(1) + 8`
  const bare = ofValue && cursor.isNumber();
  const inner = bare ? PSEUDO_FUNCTION.ld_map_value : ofValue ? cursor.name('map_by_fd or map_by_idx') : name;
  const pseudo = PSEUDO_OP[ofValue ? 'value' : 'plain'].get(inner);
  if (pseudo === undefined || (!bare && cursor.peek() !== '(')) {
    if (ofValue || cursor.peek() === '(') fail(unknownFunction(cursor.place, inner));
    return { insn: makeInsn('ld_code_addr', { dst }), target: name };
  }
  if (!bare) cursor.expect('(');
  const imm = cursor.imm32(inner);
  cursor.expect(')');
  if (ofValue && !bare) cursor.expect(')');
  if (!ofValue && pseudo !== 'ld_var_addr') return { insn: makeInsn(pseudo, { dst, imm }) };
  const upper = cursor.isNumber() ? cursor.imm32(inner) : 0;
  const imm64 = (BigInt.asUintN(32, BigInt(upper)) << 32n) | BigInt.asUintN(32, BigInt(imm));
  return { insn: makeInsn(pseudo, { dst, imm64 }) };
}

/** The op of a symbolic immediate by the function that it is written with, inside `map_val()` and outside. */
const PSEUDO_OP = {
  value: opsByFunction(['ld_map_value', 'ld_map_idx_value']),
  plain: opsByFunction(['ld_map_fd', 'ld_map_idx', 'ld_var_addr', 'ld_code_addr']),
};

type SymbolicOp = Operation<'ld_pseudo' | 'ld_pseudo_off'>;

function opsByFunction(ops: readonly SymbolicOp[]): ReadonlyMap<string, SymbolicOp> {
  return new Map(ops.map((name) => [PSEUDO_FUNCTION[name], name]));
}
