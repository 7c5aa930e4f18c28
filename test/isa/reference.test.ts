// The meaning of every instruction: arithmetic and jumps over a grid of corner operands against a second formulation,
// all else by its effect on memory and on the machine.
import { describe, expect, test } from 'vitest';
import { makeInsn } from '../../src/isa/insn.ts';
import { type Format, OP_NAMES, OPS, type OpName, type Operation, opRow, type Width } from '../../src/isa/opcodes.ts';
import { REFERENCE } from '../../src/isa/reference.ts';
import { MEMORY_BASE, step, TestMachine } from './machine.ts';
import * as oracle from './oracle.ts';
import type { Pair } from './oracle.ts';

// Around every power of two that a width or a sign ends at, and some patterns.
const CORNERS: readonly bigint[] = [
  ...new Set(
    [0n, 7n, 8n, 15n, 16n, 31n, 32n, 33n, 63n, 64n]
      .flatMap((shift) => [(1n << shift) - 1n, 1n << shift, (1n << shift) + 1n])
      .flatMap((value) => [value, -value])
      .concat([3n, 13n, -7n, 0x0123_4567_89ab_cdefn, 0xdead_beef_cafe_f00dn, 0xffff_ffff_0000_0000n])
      .map((value) => BigInt.asUintN(64, value)),
  ),
];
const IMMEDIATES = [...new Set(CORNERS.map((value) => Number(BigInt.asIntN(32, value))))];

const opsOf = (...formats: Format[]): OpName[] => OP_NAMES.filter((op) => formats.includes(OPS[op].format));
const tested = new Set<OpName>();
function testEach(ops: readonly OpName[], body: (op: OpName) => void): void {
  for (const op of ops) tested.add(op);
  test.each(ops)('%s', body);
}

const shiftCount = (b: Pair, w: Width): number => b.lo % w;
/** Operands in 64 bits: zero-extended from 32 where the instruction is a 32-bit one, so that signs need extending. */
const BINARY: Record<Operation<'alu_imm' | 'mov_imm'>, (a: Pair, b: Pair, w: Width) => Pair> = {
  add: oracle.add,
  sub: oracle.sub,
  mul: oracle.mul,
  div: oracle.div,
  mod: oracle.mod,
  sdiv: (a, b, w) => oracle.sdiv(oracle.signExtend(a, w), oracle.signExtend(b, w)),
  smod: (a, b, w) => oracle.smod(oracle.signExtend(a, w), oracle.signExtend(b, w)),
  or: (a, b) => oracle.bitwise(a, b, (x, y) => x | y),
  and: (a, b) => oracle.bitwise(a, b, (x, y) => x & y),
  xor: (a, b) => oracle.bitwise(a, b, (x, y) => x ^ y),
  lsh: (a, b, w) => oracle.lsh(a, shiftCount(b, w)),
  rsh: (a, b, w) => oracle.rsh(a, shiftCount(b, w)),
  arsh: (a, b, w) => oracle.arsh(oracle.signExtend(a, w), shiftCount(b, w)),
  mov: (_, b) => b,
};

const COMPARE: Record<Operation<'branch_imm'>, (a: Pair, b: Pair, w: Width) => boolean> = {
  jeq: (a, b) => a.lo === b.lo && a.hi === b.hi,
  jne: (a, b) => a.lo !== b.lo || a.hi !== b.hi,
  jset: (a, b) => !oracle.isZero(oracle.bitwise(a, b, (x, y) => x & y)),
  jgt: (a, b) => oracle.lessThan(b, a),
  jge: (a, b) => !oracle.lessThan(a, b),
  jlt: oracle.lessThan,
  jle: (a, b) => !oracle.lessThan(b, a),
  jsgt: (a, b, w) => oracle.signedLessThan(oracle.signExtend(b, w), oracle.signExtend(a, w)),
  jsge: (a, b, w) => !oracle.signedLessThan(oracle.signExtend(a, w), oracle.signExtend(b, w)),
  jslt: (a, b, w) => oracle.signedLessThan(oracle.signExtend(a, w), oracle.signExtend(b, w)),
  jsle: (a, b, w) => !oracle.signedLessThan(oracle.signExtend(b, w), oracle.signExtend(a, w)),
};

/** Runs an instruction of two operands over the grid. */
function overGrid(op: OpName, check: (a: Pair, b: Pair, machine: TestMachine, what: string) => void): void {
  const { format, width } = OPS[op];
  const fromRegister = format.endsWith('_reg');
  const machine = new TestMachine();
  for (const a of CORNERS) {
    for (const b of fromRegister ? CORNERS : IMMEDIATES.map((imm) => BigInt.asUintN(64, BigInt(imm)))) {
      machine.registers[3] = a;
      machine.registers[4] = b;
      machine.events.length = 0;
      const imm = fromRegister ? 0 : Number(BigInt.asIntN(32, b));
      REFERENCE[op](machine, makeInsn(op, { dst: 3, src: 4, imm, off: 7 }));
      const narrow = (value: bigint): Pair => oracle.zeroExtend(oracle.toPair(value), width);
      check(narrow(a), narrow(b), machine, `${op} of 0x${a.toString(16)} and 0x${b.toString(16)}`);
    }
  }
}

describe('two-operand arithmetic over corner operands', () => {
  testEach(opsOf('alu_imm', 'alu_reg', 'mov_imm', 'mov_reg'), (op) => {
    const { operation, width } = opRow(op);
    const expected = BINARY[operation as Operation<'alu_imm' | 'mov_imm'>];
    overGrid(op, (a, b, machine, what) => {
      const wanted = oracle.fromPair(oracle.zeroExtend(expected(a, b, width), width));
      if (machine.registers[3] !== wanted) expect(machine.registers[3], what).toBe(wanted);
    });
  });
});

describe('conditional jumps over corner operands', () => {
  testEach(opsOf('branch_imm', 'branch_reg'), (op) => {
    const { operation, width } = opRow(op);
    const expected = COMPARE[operation as Operation<'branch_imm'>];
    overGrid(op, (a, b, machine, what) => {
      const wanted = expected(a, b, width) ? 'jump 7' : '';
      if (machine.events.join() !== wanted) expect(machine.events.join(), what).toBe(wanted);
    });
  });
});

describe('one-operand arithmetic over corner operands', () => {
  const UNARY: Record<string, (a: Pair, op: OpName) => Pair> = {
    neg: oracle.negate,
    movsx: (a, op) => oracle.signExtend(a, opRow(op).fixed.off ?? 0),
    le: (a) => a,
    be: (a, op) => oracle.swapBytes(a, OPS[op].width),
    bswap: (a, op) => oracle.swapBytes(a, OPS[op].width),
  };
  testEach(opsOf('neg', 'movsx', 'endian'), (op) => {
    const { operation, width, format } = opRow(op);
    for (const a of CORNERS) {
      const machine = step(op, { dst: 3, src: format === 'movsx' ? 4 : 3 }, format === 'movsx' ? { 4: a } : { 3: a });
      const wanted = oracle.fromPair(oracle.zeroExtend(UNARY[operation](oracle.toPair(a), op), width));
      expect(machine.registers[3], `${op} of 0x${a.toString(16)}`).toBe(wanted);
    }
  });
});

/** The value as the DataView of the host reads it. */
function peek(view: DataView, at: number, width: Width, signed: boolean): bigint {
  const kind = signed ? 'Int' : 'Uint';
  if (width === 64) return signed ? view.getBigInt64(at, true) : view.getBigUint64(at, true);
  if (width === 8) return BigInt(view[`get${kind}8`](at));
  return BigInt(width === 16 ? view[`get${kind}16`](at, true) : view[`get${kind}32`](at, true));
}

const PATTERN = Uint8Array.from({ length: 32 }, (_, i) => (i * 37 + 0x85) & 0xff);

function onMemory(
  op: OpName,
  operands: Parameters<typeof makeInsn>[1],
  registers: Record<number, bigint>,
): TestMachine {
  const machine = new TestMachine();
  machine.bytes.set(PATTERN);
  for (const [register, value] of Object.entries(registers)) machine.registers[Number(register)] = value;
  REFERENCE[op](machine, makeInsn(op, operands));
  return machine;
}

describe('loads', () => {
  testEach(opsOf('ldx', 'load_acquire'), (op) => {
    const { operation, width } = opRow(op);
    for (const off of [0, 1, 5, 8]) {
      const machine = onMemory(op, { dst: 3, src: 4, off: off - 8 }, { 4: MEMORY_BASE + 8n });
      const wanted = peek(new DataView(PATTERN.buffer), off, width, operation === 'ldxs');
      expect(machine.registers[3]).toBe(BigInt.asUintN(64, wanted));
      expect(machine.events).toEqual([`load ${width / 8}`]);
    }
  });
});

describe('stores', () => {
  const VALUE = 0xf1e2_d3c4_b5a6_9788n;
  testEach(opsOf('st', 'stx', 'store_release'), (op) => {
    const { width, format } = OPS[op];
    const imm = -0x1234_5678;
    const machine = onMemory(op, { dst: 3, src: 4, off: 3, imm }, { 3: MEMORY_BASE, 4: VALUE });
    const wanted = new DataView(PATTERN.slice().buffer);
    const value = format === 'st' ? BigInt(imm) : VALUE;
    for (let i = 0; i < width / 8; i++) wanted.setUint8(3 + i, Number(BigInt.asUintN(8, value >> BigInt(8 * i))));
    expect(machine.bytes).toEqual(new Uint8Array(wanted.buffer));
    expect(machine.registers[3]).toBe(MEMORY_BASE);
  });
});

describe('atomic operations', () => {
  const UPDATE: Record<Operation<'atomic' | 'atomic_fetch'>, (a: Pair, b: Pair) => Pair> = {
    atomic_add: oracle.add,
    atomic_or: BINARY.or as (a: Pair, b: Pair) => Pair,
    atomic_and: BINARY.and as (a: Pair, b: Pair) => Pair,
    atomic_xor: BINARY.xor as (a: Pair, b: Pair) => Pair,
    atomic_fetch_add: oracle.add,
    atomic_fetch_or: BINARY.or as (a: Pair, b: Pair) => Pair,
    atomic_fetch_and: BINARY.and as (a: Pair, b: Pair) => Pair,
    atomic_fetch_xor: BINARY.xor as (a: Pair, b: Pair) => Pair,
    xchg: (_, b) => b,
  };
  testEach(opsOf('atomic', 'atomic_fetch'), (op) => {
    const { operation, width, format } = opRow(op);
    for (const value of CORNERS) {
      const machine = onMemory(op, { dst: 3, src: 4, off: 8 }, { 3: MEMORY_BASE, 4: value });
      const old = peek(new DataView(PATTERN.buffer), 8, width, false);
      const updated = UPDATE[operation as keyof typeof UPDATE](oracle.toPair(old), oracle.toPair(value));
      expect(peek(machine.view, 8, width, false)).toBe(oracle.fromPair(oracle.zeroExtend(updated, width)));
      expect(machine.registers[4]).toBe(format === 'atomic' ? value : old);
      expect(machine.events).toEqual([`atomic ${width / 8}`]);
      expect(machine.bytes.subarray(8 + width / 8)).toEqual(PATTERN.subarray(8 + width / 8));
    }
  });

  describe('compare and exchange', () => {
    testEach(opsOf('cmpxchg'), (op) => {
      const { width } = OPS[op];
      const old = peek(new DataView(PATTERN.buffer), 8, width, false);
      // Above the width, r0 does not take part in the comparison.
      const upper = width === 32 ? 0xffff_0000_0000_0000n : 0n;
      const equal = onMemory(op, { dst: 3, src: 4, off: 8 }, { 0: old | upper, 3: MEMORY_BASE, 4: 0x55n });
      expect([equal.registers[0], peek(equal.view, 8, width, false)]).toEqual([old, 0x55n]);
      const other = onMemory(op, { dst: 3, src: 4, off: 8 }, { 0: old + 1n, 3: MEMORY_BASE, 4: 0x55n });
      expect([other.registers[0], peek(other.view, 8, width, false)]).toEqual([old, old]);
    });
  });
});

describe('what the machine is asked', () => {
  /** Instruction, registers before, and what must be seen: events and registers after. */
  const CASES: {
    op: OpName;
    operands?: object;
    before?: Record<number, bigint>;
    events: string[];
    after?: Record<number, bigint>;
  }[] = [
    { op: 'ja', operands: { off: -3 }, events: ['jump -3'] },
    { op: 'ja32', operands: { imm: 0x1_0000 }, events: ['jump 65536'] },
    { op: 'may_goto', operands: { off: 4 }, events: [] },
    { op: 'call_helper', operands: { imm: 12 }, events: ['helper 12'] },
    { op: 'call_local', operands: { imm: -9 }, events: ['local -9'] },
    { op: 'call_kfunc', operands: { imm: 77, off: 2 }, events: ['kfunc 77 2'] },
    { op: 'callx', operands: { dst: 5 }, before: { 5: 99n }, events: ['register 99'] },
    { op: 'exit', events: ['exit'] },
    {
      op: 'ld_imm64',
      operands: { dst: 2, imm64: 0xfedc_ba98_7654_3210n },
      events: [],
      after: { 2: 0xfedc_ba98_7654_3210n },
    },
    ...opsOf('ld_pseudo', 'ld_pseudo_off').map((op) => ({
      op,
      operands: { dst: 2 },
      events: [`resolve ${op}`],
      after: { 2: 0xabcdn },
    })),
    {
      op: 'addr_space_cast',
      operands: { dst: 1, src: 2, imm: 1 },
      before: { 2: 8n },
      events: ['cast 0 1'],
      after: { 1: 9n },
    },
    ...opsOf('ld_abs').map((op) => ({
      op,
      operands: { imm: 14 },
      before: { 0: 5n },
      events: [`packet 14 ${OPS[op].width / 8}`],
      after: { 0: 0n },
    })),
    // The sum of register and immediate wraps at 32 bits and is signed
    ...opsOf('ld_ind').map((op) => ({
      op,
      operands: { src: 7, imm: -20 },
      before: { 7: 0xf_0000_000an },
      events: [`packet -10 ${OPS[op].width / 8}`],
    })),
  ];
  for (const { op } of CASES) tested.add(op);
  test.each(CASES)('$op', ({ op, operands = {}, before = {}, events, after = {} }) => {
    const machine = step(op, operands, before);
    expect(machine.events).toEqual(events);
    for (const [register, value] of Object.entries(after)) expect(machine.registers[Number(register)]).toBe(value);
  });

  test('a spent may_goto jumps', () => {
    const machine = new TestMachine();
    machine.spent = true;
    REFERENCE.may_goto(machine, makeInsn('may_goto', { off: 4 }));
    expect(machine.events).toEqual(['jump 4']);
  });

  test('a packet load past the end makes r0 zero and exits', () => {
    const machine = new TestMachine();
    machine.packet = undefined;
    machine.registers[0] = 5n;
    REFERENCE.ld_abs16(machine, makeInsn('ld_abs16', { imm: 3 }));
    expect(machine.events).toEqual(['packet 3 2', 'exit']);
    expect(machine.registers[0]).toBe(0n);
  });
});

test('every instruction of the table is tested above', () => {
  expect(OP_NAMES.filter((op) => !tested.has(op))).toEqual([]);
});
