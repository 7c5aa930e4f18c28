// How each instruction becomes WebAssembly: one row an op. The compiler and the WebAssembly interpreter share the rows and
// differ only in where operands come from (Site): constants and locals there, the fields of a decoded instruction here.
// The meaning is isa/reference.ts's; what WebAssembly does differently is handled here and nowhere else:
//   - division by zero and INT_MIN / -1 trap there, and give 0 (or the dividend) and INT_MIN here
//   - shift counts are taken modulo the width by both
//   - where no other thread reaches the memory, atomic operations are a load and a store, and nothing needs an order
import {
  type Format,
  OP_NAMES,
  OPS,
  type Operation,
  type OpName,
  opRow,
  type OpsOfFormat,
  type Width,
} from '../isa/opcodes.ts';
import type { Emitter } from './wasm/emitter.ts';
import { type AtomicOp, I32, I64, type MemoryOp, type PlainOp } from './wasm/encoding.ts';

/** What is done at an address; atomic operations read and write, and need it to be a multiple of the size. */
export type Access = 'read' | 'write' | 'atomic';

/** Where one instruction is being lowered, and where its operands are. */
export interface Site {
  readonly e: Emitter;
  /** No other thread reaches the memory. */
  readonly exclusive: boolean;
  /** The immediate, where it is known while code is emitted. */
  readonly imm: number | undefined;
  /** The second operand of arithmetic and jumps: a register or the immediate. Pushes i64 (sign-extended) or i32. */
  second64(): void;
  second32(): void;
  dst64(): void;
  dst32(): void;
  src64(): void;
  src32(): void;
  /** Pops an i64 into dst. */
  setDst(): void;
  setSrc(): void;
  r0(): void;
  setR0(): void;
  /** Pushes the i32 address that the register and `off` give, and returns what is left to add as the static offset. */
  address(base: 'dst' | 'src', size: number, access: Access): number;
  /** Pushes the immediate of a store. */
  storeValue(width: Width): void;
  /** A local for intermediate values; each call gives the same one for a type and number. */
  temp(type: typeof I32 | typeof I64, number: number): number;
  /** What leads elsewhere, or needs the host: the owner of the control flow does it. */
  readonly control: Control;
}

export type ControlFormat =
  | 'goto'
  | 'gotol'
  | 'may_goto'
  | 'call_helper'
  | 'call_local'
  | 'call_kfunc'
  | 'callx'
  | 'exit'
  | 'ld_imm64'
  | 'ld_pseudo'
  | 'ld_pseudo_off'
  | 'ld_abs'
  | 'ld_ind'
  | 'cast';

export type Control = { readonly [F in ControlFormat | 'branch']: (site: Site) => void };

/** Emits one instruction. */
export type Lowering = (site: Site) => void;

const suffix = (width: Width): 'i32' | 'i64' => (width === 64 ? 'i64' : 'i32');

function first(site: Site, width: Width): void {
  if (width === 64) site.dst64();
  else site.dst32();
}

function second(site: Site, width: Width): void {
  if (width === 64) site.second64();
  else site.second32();
}

/** The result on the stack into dst; 32-bit results zero-extend. */
function result(site: Site, width: Width): void {
  if (width !== 64) site.e.op('i64.extend_i32_u');
  site.setDst();
}

const zero = (site: Site, width: Width): Emitter => (width === 64 ? site.e.i64Small(0) : site.e.i32(0));

function plain(operation: 'add' | 'sub' | 'mul' | 'and' | 'or' | 'xor' | 'shl' | 'shr_u' | 'shr_s'): Arithmetic {
  // Made here: a name put together for each instruction would have to be looked up by its letters.
  const [short, long]: readonly PlainOp[] = [`i32.${operation}`, `i64.${operation}`];
  return (site, width) => {
    first(site, width);
    second(site, width);
    site.e.op(width === 64 ? long : short);
  };
}

/** Leaves the result on the stack. */
type Arithmetic = (site: Site, width: Width) => void;

/**
 * Division and remainder. With a divisor of zero, a quotient is 0 and a remainder the dividend; signed division by -1 is
 * negation, which wraps where WebAssembly would trap.
 */
function divide(operation: 'div_u' | 'div_s' | 'rem_u' | 'rem_s', fromRegister: boolean): Arithmetic {
  const quotient = operation.startsWith('div');
  return (site, width) => {
    const { e } = site;
    const type = width === 64 ? I64 : I32;
    const name = suffix(width);
    const negate = (): void => {
      zero(site, width);
      first(site, width);
      e.op(`${name}.sub`);
    };
    const known = fromRegister ? undefined : site.imm;
    if (known === 0) {
      if (quotient) zero(site, width);
      else first(site, width);
      return;
    }
    if (known === -1 && operation === 'div_s') return negate();
    if (known !== undefined) {
      first(site, width);
      second(site, width);
      e.op(`${name}.${operation}`);
      return;
    }
    const divisor = site.temp(type, 0);
    second(site, width);
    e.tee(divisor).op(`${name}.eqz`).if(type);
    if (quotient) zero(site, width);
    else first(site, width);
    e.op('else');
    if (operation === 'div_s') {
      e.get(divisor);
      if (width === 64) e.i64Small(-1);
      else e.i32(-1);
      e.op(`${name}.eq`).if(type);
      negate();
      e.op('else');
    }
    first(site, width);
    e.get(divisor).op(`${name}.${operation}`);
    if (operation === 'div_s') e.op('end');
    e.op('end');
  };
}

const BINARY: {
  readonly [O in Operation<'alu_imm' | 'alu_reg' | 'mov_imm' | 'mov_reg'>]: (fromRegister: boolean) => Arithmetic;
} = {
  add: () => plain('add'),
  sub: () => plain('sub'),
  mul: () => plain('mul'),
  div: (r) => divide('div_u', r),
  sdiv: (r) => divide('div_s', r),
  mod: (r) => divide('rem_u', r),
  smod: (r) => divide('rem_s', r),
  or: () => plain('or'),
  and: () => plain('and'),
  xor: () => plain('xor'),
  lsh: () => plain('shl'),
  rsh: () => plain('shr_u'),
  arsh: () => plain('shr_s'),
  mov: () => second,
};

const COMPARE: { readonly [O in Operation<'branch_imm' | 'branch_reg'>]: string } = {
  jeq: 'eq',
  jne: 'ne',
  jset: 'and',
  jgt: 'gt_u',
  jge: 'ge_u',
  jlt: 'lt_u',
  jle: 'le_u',
  jsgt: 'gt_s',
  jsge: 'ge_s',
  jslt: 'lt_s',
  jsle: 'le_s',
};

/** By operation, of 32 bits and of 64. */
const COMPARES: ReadonlyMap<string, readonly [PlainOp, PlainOp]> = new Map(
  Object.entries(COMPARE).map(([operation, name]) => [operation, [`i32.${name}` as PlainOp, `i64.${name}` as PlainOp]]),
);

/** Pushes whether the branch is taken, as an i32 that is zero or not. */
export function condition(site: Site, op: OpName): void {
  const { operation, width } = opRow(op);
  const [short, long] = COMPARES.get(operation) as readonly [PlainOp, PlainOp];
  first(site, width);
  second(site, width);
  site.e.op(width === 64 ? long : short);
  if (long === 'i64.and' && width === 64) site.e.i64Small(0).op('i64.ne');
}

const LOAD: { readonly [W in Width]: { readonly [O in Operation<'ldx'>]: MemoryOp } } = {
  8: { ldx: 'i64.load8_u', ldxs: 'i64.load8_s' },
  16: { ldx: 'i64.load16_u', ldxs: 'i64.load16_s' },
  32: { ldx: 'i64.load32_u', ldxs: 'i64.load32_s' },
  64: { ldx: 'i64.load', ldxs: 'i64.load' },
};

const STORE: { readonly [W in Width]: MemoryOp } = {
  8: 'i64.store8',
  16: 'i64.store16',
  32: 'i64.store32',
  64: 'i64.store',
};

const RELEASE: { readonly [W in Width]: AtomicOp } = {
  8: 'i64.atomic.store8',
  16: 'i64.atomic.store16',
  32: 'i64.atomic.store32',
  64: 'i64.atomic.store',
};

const CUT: { readonly [W in Width]: { readonly [O in Operation<'ldx'>]: (e: Emitter) => void } } = {
  8: { ldx: (e) => e.i64Small(0xff).op('i64.and'), ldxs: (e) => e.op('i64.extend8_s') },
  16: { ldx: (e) => e.i64Small(0xffff).op('i64.and'), ldxs: (e) => e.op('i64.extend16_s') },
  32: { ldx: (e) => e.op('i32.wrap_i64').op('i64.extend_i32_u'), ldxs: (e) => e.op('i64.extend32_s') },
  64: { ldx: () => undefined, ldxs: () => undefined },
};

/** Loads so many bits into an i64, zero-extended. */
export const loadOf = (width: Width): MemoryOp => LOAD[width].ldx;

/** Cuts the i64 on the stack to what the load gives whose bytes are the lowest of it. */
export function cutLoaded({ e }: Site, op: OpName): void {
  const row = OPS[op];
  if (row.format === 'ldx') CUT[row.width][row.operation](e);
}

/** How the old value and the source register make the new one; xchg: the register is it. */
const UPDATE: { readonly [O in Operation<'atomic' | 'atomic_fetch'>]: 'add' | 'or' | 'and' | 'xor' | 'xchg' } = {
  atomic_add: 'add',
  atomic_or: 'or',
  atomic_and: 'and',
  atomic_xor: 'xor',
  atomic_fetch_add: 'add',
  atomic_fetch_or: 'or',
  atomic_fetch_and: 'and',
  atomic_fetch_xor: 'xor',
  xchg: 'xchg',
};

/** WebAssembly's instruction that does all of it at once. */
const atOnce = (name: string, width: Width): AtomicOp =>
  (width === 64 ? `i64.atomic.rmw.${name}` : `i64.atomic.rmw32.${name}_u`) as AtomicOp;

function update(operation: Operation<'atomic' | 'atomic_fetch'>, width: Width, fetch: boolean): Lowering {
  const name = UPDATE[operation];
  const combine = name === 'xchg' ? undefined : (`i64.${name}` as const);
  return (site) => {
    const { e } = site;
    if (!site.exclusive) {
      const offset = site.address('dst', width / 8, 'atomic');
      site.src64();
      e.atomic(atOnce(name, width), offset);
      if (fetch) site.setSrc();
      else e.op('drop');
      return;
    }
    const at = site.temp(I32, 0);
    const old = site.temp(I64, 0);
    const offset = site.address('dst', width / 8, 'atomic');
    e.tee(at).get(at).memory(LOAD[width].ldx, offset);
    if (fetch) e.tee(old);
    if (combine === undefined) e.op('drop');
    site.src64();
    if (combine !== undefined) e.op(combine);
    e.memory(STORE[width], offset);
    if (fetch) {
      e.get(old);
      site.setSrc();
    }
  };
}

function compareExchange(width: Width): Lowering {
  return (site) => {
    const { e } = site;
    // 32 bits: what is compared is the lower half of r0; the old value zero-extends into r0.
    const expected = (): void => {
      site.r0();
      if (width === 32) e.op('i32.wrap_i64').op('i64.extend_i32_u');
    };
    const offset = site.address('dst', width / 8, 'atomic');
    if (!site.exclusive) {
      expected();
      site.src64();
      e.atomic(atOnce('cmpxchg', width), offset);
      site.setR0();
      return;
    }
    const at = site.temp(I32, 0);
    const old = site.temp(I64, 0);
    e.tee(at).memory(LOAD[width].ldx, offset).tee(old);
    expected();
    e.op('i64.eq').if(0x40).get(at);
    site.src64();
    e.memory(STORE[width], offset).op('end').get(old);
    site.setR0();
  };
}

/** Swaps the bytes of the i32 on the stack. */
function swap32(site: Site): void {
  const { e } = site;
  const value = site.temp(I32, 0);
  e.set(value);
  e.get(value).i32(8).op('i32.rotl').i32(0x00ff00ff).op('i32.and');
  e.get(value).i32(24).op('i32.rotl').i32(0xff00ff00).op('i32.and');
  e.op('i32.or');
}

/** Leaves dst with its bytes swapped, cut to the width, as an i64. */
const SWAP: { readonly [W in Width]: (site: Site) => void } = {
  8: (site) => site.dst64(),
  16: (site) => {
    site.dst32();
    // Of two bytes b1 b0 the product is b0 b1 b0 0, without a carry.
    site.e.i32(0xffff).op('i32.and').i32(0x0100_0100).op('i32.mul').i32(16).op('i32.shr_u').op('i64.extend_i32_u');
  },
  32: (site) => {
    site.dst32();
    swap32(site);
    site.e.op('i64.extend_i32_u');
  },
  64: (site) => {
    const { e } = site;
    const value = site.temp(I64, 0);
    const odd = 0x00ff00ff00ff00ffn;
    const pairs = 0x0000ffff0000ffffn;
    site.dst64();
    e.tee(value).i64(odd).op('i64.and').i64Small(8).op('i64.shl');
    e.get(value).i64Small(8).op('i64.shr_u').i64(odd).op('i64.and').op('i64.or');
    e.tee(value).i64(pairs).op('i64.and').i64Small(16).op('i64.shl');
    e.get(value).i64Small(16).op('i64.shr_u').i64(pairs).op('i64.and').op('i64.or');
    e.i64Small(32).op('i64.rotl');
  },
};

const BYTE_ORDER: { readonly [O in Operation<'endian'>]: (site: Site, width: Width) => void } = {
  le: (site, width) => {
    site.dst64();
    if (width === 16) site.e.i64Small(0xffff).op('i64.and');
    if (width === 32) site.e.op('i32.wrap_i64').op('i64.extend_i32_u');
  },
  be: (site, width) => SWAP[width](site),
  bswap: (site, width) => SWAP[width](site),
};

const EXTEND = { 8: 'i64.extend8_s', 16: 'i64.extend16_s', 32: 'i64.extend32_s' } as const;

type RowOf<F extends Format> = (typeof OPS)[OpsOfFormat<F>];

const control =
  <F extends ControlFormat>(format: F) =>
  (): Lowering =>
  (site) =>
    site.control[format](site);

function arithmetic(row: RowOf<'alu_imm' | 'alu_reg' | 'mov_imm' | 'mov_reg'>, fromRegister: boolean): Lowering {
  const { operation, width } = row;
  const compute = BINARY[operation](fromRegister);
  return (site) => {
    compute(site, width);
    result(site, width);
  };
}

/** For each format, how a row of that format is lowered: every op has its row in one of the tables above. */
const LOWERINGS: { readonly [F in Format]: (row: RowOf<F>) => Lowering } = {
  alu_imm: (row) => arithmetic(row, false),
  alu_reg: (row) => arithmetic(row, true),
  mov_imm: (row) => arithmetic(row, false),
  mov_reg: (row) => arithmetic(row, true),
  movsx: ({ width, fixed }) => {
    const extend = EXTEND[fixed.off as keyof typeof EXTEND];
    return (site) => {
      site.src64();
      site.e.op(extend);
      if (width === 32) site.e.op('i32.wrap_i64').op('i64.extend_i32_u');
      site.setDst();
    };
  },
  neg:
    ({ width }) =>
    (site) => {
      zero(site, width);
      first(site, width);
      site.e.op(`${suffix(width)}.sub`);
      result(site, width);
    },
  endian:
    ({ operation, width }) =>
    (site) => {
      BYTE_ORDER[operation](site, width);
      site.setDst();
    },
  cast: control('cast'),
  goto: control('goto'),
  gotol: control('gotol'),
  may_goto: control('may_goto'),
  branch_imm: () => (site) => site.control.branch(site),
  branch_reg: () => (site) => site.control.branch(site),
  call_helper: control('call_helper'),
  call_local: control('call_local'),
  call_kfunc: control('call_kfunc'),
  callx: control('callx'),
  exit: control('exit'),
  ld_imm64: control('ld_imm64'),
  ld_pseudo: control('ld_pseudo'),
  ld_pseudo_off: control('ld_pseudo_off'),
  ld_abs: control('ld_abs'),
  ld_ind: control('ld_ind'),
  ldx:
    ({ operation, width }) =>
    (site) => {
      const offset = site.address('src', width / 8, 'read');
      site.e.memory(LOAD[width][operation], offset);
      site.setDst();
    },
  st:
    ({ width }) =>
    (site) => {
      const offset = site.address('dst', width / 8, 'write');
      site.storeValue(width);
      site.e.memory(STORE[width], offset);
    },
  stx:
    ({ width }) =>
    (site) => {
      const offset = site.address('dst', width / 8, 'write');
      site.src64();
      site.e.memory(STORE[width], offset);
    },
  atomic: ({ operation, width }) => update(operation, width, false),
  atomic_fetch: ({ operation, width }) => update(operation, width, true),
  cmpxchg: ({ width }) => compareExchange(width),
  load_acquire:
    ({ width }) =>
    (site) => {
      const offset = site.address('src', width / 8, 'read');
      // The address may be any; an atomic load needs a multiple of the size.
      site.e.memory(LOAD[width].ldx, offset);
      if (!site.exclusive) site.e.fence();
      site.setDst();
    },
  store_release:
    ({ width }) =>
    (site) => {
      const offset = site.address('dst', width / 8, 'atomic');
      site.src64();
      if (site.exclusive) site.e.memory(STORE[width], offset);
      else site.e.atomic(RELEASE[width], offset);
    },
};

/** How each instruction is lowered. */
const LOWER: ReadonlyMap<OpName, Lowering> = new Map(
  OP_NAMES.map((name) => [name, (LOWERINGS[OPS[name].format] as (row: unknown) => Lowering)(OPS[name])]),
);

/** Lowers one instruction. */
export const lower = (site: Site, op: OpName): void => (LOWER.get(op) as Lowering)(site);
