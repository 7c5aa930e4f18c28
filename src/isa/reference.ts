// The meaning of every instruction, on BigInt, as RFC 9669 sections 4 and 5 state it. It is the oracle that back ends
// are compared with, and what the reference interpreter runs; clarity comes before speed.
import type { Insn } from './insn.ts';
import {
  type Format,
  OP_NAMES,
  OPS,
  type Operation,
  type OpName,
  type OpRow,
  type OpsOfFormat,
  type Width,
} from './opcodes.ts';

/** Bytes of one access. */
export type AccessSize = 1 | 2 | 4 | 8;

/**
 * What instructions act on. Registers hold 64 bits, unsigned; writing wraps. Before a step the machine has moved on to
 * the next instruction, and jumps are relative to that. Anything that a program must not do, the machine raises.
 */
export interface Machine {
  /** r0 to r10. */
  readonly registers: BigUint64Array;
  /** Unsigned value at an address, little-endian. */
  load(address: bigint, size: AccessSize): bigint;
  store(address: bigint, size: AccessSize, value: bigint): void;
  /** Replaces the value at an address by what `update` makes of it, in one go; gives the old value, unsigned. */
  atomic(address: bigint, size: AccessSize, update: (old: bigint) => bigint): bigint;
  /** Classic packet access at a signed offset, network byte order; undefined where the packet ends before. */
  loadPacket(offset: number, size: AccessSize): bigint | undefined;
  /** The value of a symbolic 64-bit immediate: address of a map, of a byte in its value, of a variable or function. */
  resolve(insn: Insn): bigint;
  /** Linux arenas: a pointer of address space `from` in address space `to`. */
  castAddress(pointer: bigint, to: number, from: number): bigint;
  /** Moves on by this many slots, counted from the next instruction. */
  jump(offset: number): void;
  /** True where the program's budget of may_goto is spent. */
  mayGotoSpent(): boolean;
  /** Helper by number: arguments in r1 to r5, result into r0. */
  callHelper(helper: number): void;
  /** Function of the program at this distance from the next instruction, with a stack frame of its own. */
  callLocal(offset: number): void;
  /** Function of the host by BTF id; `module` is the index of its BTF. */
  callKfunc(id: number, module: number): void;
  /** Helper number or function address held by a register. */
  callRegister(target: bigint): void;
  /** Ends the function, or the program where it is the outermost. */
  exit(): void;
}

/** Carries out one instruction. */
export type Step = (machine: Machine, insn: Insn) => void;

const signed = (value: bigint, width: Width): bigint => BigInt.asIntN(width, value);
/** Shift counts are taken modulo the width. */
const count = (value: bigint, width: Width): bigint => value & BigInt(width - 1);

/** Operands arrive unsigned in their width; the result is cut to the width by the caller. */
const BINARY: Readonly<
  Record<Operation<'alu_imm' | 'alu_reg' | 'mov_imm' | 'mov_reg'>, (a: bigint, b: bigint, width: Width) => bigint>
> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => (b === 0n ? 0n : a / b),
  sdiv: (a, b, w) => (b === 0n ? 0n : signed(a, w) / signed(b, w)),
  mod: (a, b) => (b === 0n ? a : a % b),
  smod: (a, b, w) => (b === 0n ? a : signed(a, w) % signed(b, w)),
  or: (a, b) => a | b,
  and: (a, b) => a & b,
  xor: (a, b) => a ^ b,
  lsh: (a, b, w) => a << count(b, w),
  rsh: (a, b, w) => a >> count(b, w),
  arsh: (a, b, w) => signed(a, w) >> count(b, w),
  mov: (_, b) => b,
};

/** Operands arrive unsigned in their width. */
const COMPARE: Readonly<
  Record<Operation<'branch_imm' | 'branch_reg'>, (a: bigint, b: bigint, width: Width) => boolean>
> = {
  jeq: (a, b) => a === b,
  jne: (a, b) => a !== b,
  jset: (a, b) => (a & b) !== 0n,
  jgt: (a, b) => a > b,
  jge: (a, b) => a >= b,
  jlt: (a, b) => a < b,
  jle: (a, b) => a <= b,
  jsgt: (a, b, w) => signed(a, w) > signed(b, w),
  jsge: (a, b, w) => signed(a, w) >= signed(b, w),
  jslt: (a, b, w) => signed(a, w) < signed(b, w),
  jsle: (a, b, w) => signed(a, w) <= signed(b, w),
};

/** New value in memory from the old one and the source register; cut to the width by the machine. */
const UPDATE: Readonly<Record<Operation<'atomic' | 'atomic_fetch'>, (old: bigint, operand: bigint) => bigint>> = {
  atomic_add: (old, v) => old + v,
  atomic_or: (old, v) => old | v,
  atomic_and: (old, v) => old & v,
  atomic_xor: (old, v) => old ^ v,
  atomic_fetch_add: (old, v) => old + v,
  atomic_fetch_or: (old, v) => old | v,
  atomic_fetch_and: (old, v) => old & v,
  atomic_fetch_xor: (old, v) => old ^ v,
  xchg: (_, v) => v,
};

function swapBytes(value: bigint, width: Width): bigint {
  let out = 0n;
  for (let bit = 0; bit < width; bit += 8) out = (out << 8n) | ((value >> BigInt(bit)) & 0xffn);
  return out;
}

/** The machine is little-endian, whatever the host. */
const BYTE_ORDER: Readonly<Record<Operation<'endian'>, (value: bigint, width: Width) => bigint>> = {
  le: (value, width) => BigInt.asUintN(width, value),
  be: swapBytes,
  bswap: swapBytes,
};

const EXTEND: Readonly<Record<Operation<'ldx'>, (value: bigint, width: Width) => bigint>> = {
  ldx: (value) => value,
  ldxs: signed,
};

const address = (base: bigint, offset: number): bigint => BigInt.asUintN(64, base + BigInt(offset));
const bytes = (width: Width): AccessSize => (width / 8) as AccessSize;

function loadPacket(machine: Machine, offset: number, size: AccessSize): void {
  const value = machine.loadPacket(offset, size);
  machine.registers[0] = value ?? 0n;
  if (value === undefined) machine.exit();
}

type RowOf<F extends Format> = (typeof OPS)[OpsOfFormat<F>];

/** For each format, how a row of that format becomes a step: every op has its row in one of the tables above. */
const STEPS: { readonly [F in Format]: (row: RowOf<F>) => Step } = {
  alu_imm: ({ operation, width }) => arithmetic(BINARY[operation], width, false),
  alu_reg: ({ operation, width }) => arithmetic(BINARY[operation], width, true),
  mov_imm: ({ operation, width }) => arithmetic(BINARY[operation], width, false),
  mov_reg: ({ operation, width }) => arithmetic(BINARY[operation], width, true),
  movsx:
    ({ width }) =>
    ({ registers: r }, { dst, src, off }) => {
      r[dst] = BigInt.asUintN(width, BigInt.asIntN(off, r[src]));
    },
  neg:
    ({ width }) =>
    ({ registers: r }, { dst }) => {
      r[dst] = BigInt.asUintN(width, -r[dst]);
    },
  endian:
    ({ operation, width }) =>
    ({ registers: r }, { dst }) => {
      r[dst] = BYTE_ORDER[operation](r[dst], width);
    },
  cast:
    () =>
    (machine, { dst, src, imm }) => {
      machine.registers[dst] = machine.castAddress(machine.registers[src], imm >>> 16, imm & 0xffff);
    },
  goto:
    () =>
    (machine, { off }) =>
      machine.jump(off),
  gotol:
    () =>
    (machine, { imm }) =>
      machine.jump(imm),
  may_goto:
    () =>
    (machine, { off }) => {
      if (machine.mayGotoSpent()) machine.jump(off);
    },
  branch_imm: ({ operation, width }) => branch(COMPARE[operation], width, false),
  branch_reg: ({ operation, width }) => branch(COMPARE[operation], width, true),
  call_helper:
    () =>
    (machine, { imm }) =>
      machine.callHelper(imm),
  call_local:
    () =>
    (machine, { imm }) =>
      machine.callLocal(imm),
  call_kfunc:
    () =>
    (machine, { imm, off }) =>
      machine.callKfunc(imm, off),
  callx:
    () =>
    (machine, { dst }) =>
      machine.callRegister(machine.registers[dst]),
  exit: () => (machine) => machine.exit(),
  ld_imm64:
    () =>
    ({ registers: r }, { dst, imm64 }) => {
      r[dst] = imm64 ?? 0n;
    },
  ld_pseudo: () => resolve,
  ld_pseudo_off: () => resolve,
  ld_abs:
    ({ width }) =>
    (machine, { imm }) =>
      loadPacket(machine, imm, bytes(width)),
  // The sum wraps at 32 bits, as in classic BPF.
  ld_ind:
    ({ width }) =>
    (machine, { src, imm }) =>
      loadPacket(machine, Number(BigInt.asIntN(32, machine.registers[src] + BigInt(imm))), bytes(width)),
  ldx:
    ({ operation, width }) =>
    (machine, { dst, src, off }) => {
      const value = machine.load(address(machine.registers[src], off), bytes(width));
      machine.registers[dst] = EXTEND[operation](value, width);
    },
  st:
    ({ width }) =>
    (machine, { dst, off, imm }) =>
      machine.store(address(machine.registers[dst], off), bytes(width), BigInt.asUintN(width, BigInt(imm))),
  stx:
    ({ width }) =>
    (machine, { dst, src, off }) =>
      machine.store(address(machine.registers[dst], off), bytes(width), BigInt.asUintN(width, machine.registers[src])),
  atomic: ({ operation, width }) => atomic(UPDATE[operation], width, false),
  atomic_fetch: ({ operation, width }) => atomic(UPDATE[operation], width, true),
  cmpxchg:
    ({ width }) =>
    (machine, { dst, src, off }) => {
      const r = machine.registers;
      const expected = BigInt.asUintN(width, r[0]);
      const replacement = BigInt.asUintN(width, r[src]);
      r[0] = machine.atomic(address(r[dst], off), bytes(width), (old) => (old === expected ? replacement : old));
    },
  // A machine that runs one instruction after the other has nothing to order.
  load_acquire:
    ({ width }) =>
    (machine, { dst, src, off }) => {
      machine.registers[dst] = machine.load(address(machine.registers[src], off), bytes(width));
    },
  store_release:
    ({ width }) =>
    (machine, { dst, src, off }) => {
      const value = BigInt.asUintN(width, machine.registers[src]);
      // Unlike a plain store, it needs an aligned address (Linux: check_atomic_store).
      machine.atomic(address(machine.registers[dst], off), bytes(width), () => value);
    },
};

function arithmetic(
  compute: (a: bigint, b: bigint, width: Width) => bigint,
  width: Width,
  fromRegister: boolean,
): Step {
  return ({ registers: r }, { dst, src, imm }) => {
    const b = BigInt.asUintN(width, fromRegister ? r[src] : BigInt(imm));
    r[dst] = BigInt.asUintN(width, compute(BigInt.asUintN(width, r[dst]), b, width));
  };
}

function branch(holds: (a: bigint, b: bigint, width: Width) => boolean, width: Width, fromRegister: boolean): Step {
  return (machine, { dst, src, imm, off }) => {
    const r = machine.registers;
    const b = BigInt.asUintN(width, fromRegister ? r[src] : BigInt(imm));
    if (holds(BigInt.asUintN(width, r[dst]), b, width)) machine.jump(off);
  };
}

function atomic(update: (old: bigint, operand: bigint) => bigint, width: Width, fetch: boolean): Step {
  return (machine, { dst, src, off }) => {
    const r = machine.registers;
    const operand = BigInt.asUintN(width, r[src]);
    const old = machine.atomic(address(r[dst], off), bytes(width), (value) =>
      BigInt.asUintN(width, update(value, operand)),
    );
    if (fetch) r[src] = old;
  };
}

function resolve(machine: Machine, insn: Insn): void {
  machine.registers[insn.dst] = machine.resolve(insn);
}

/** The meaning of every op: what its format does with the operation and width of its row. */
export const REFERENCE = Object.fromEntries(
  OP_NAMES.map((name) => {
    const row: OpRow = OPS[name];
    // The row belongs to its own format: TypeScript cannot follow this through the lookup.
    const step = STEPS[row.format] as (row: OpRow) => Step;
    return [name, step(row)];
  }),
) as Readonly<Record<OpName, Step>>;
