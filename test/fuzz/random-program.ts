// Random programs that the kernel accepts by construction: straight lines with forward jumps and calls of one
// subprogram, over all ops of the table that work on numbers and the stack. Registers start with what the packet holds,
// so one program has many runs; at the end everything that it could have changed is hashed into r0.
import { encodeProgram, type Insn, makeInsn, slotsOf } from '../../src/isa/insn.ts';
import type { ProgramSpec } from '../../src/spec/object.ts';
import { type Format, OP_NAMES, OPS, type OpName, opRow } from '../../src/isa/opcodes.ts';
import type { Random } from '../support/random.ts';

/** Bytes of packet that a program reads: the starting values of r0 to r9. */
export const INPUT_SIZE = 80;
/** Stack that a program uses, r10-64 to r10-1; and the value of map 0, an array of one element. */
const STACK = 64;
/** Bytes in the value of map 0. */
export const VALUE_SIZE = STACK;

const CORNERS = [0, 1, 2, 7, 8, 15, 16, 31, 32, 63, 64, 127, 128, 255, 256, 0x7fff, 0x8000, 0xffff, 0x1_0000];
const CORNERS_32 = [...CORNERS, 0x7fff_ffff, -0x8000_0000, -1, -2, -128, -129, -0x8000, -0x8001];

function imm32(random: Random): number {
  if (random.chance(0.4)) return random.pick(CORNERS_32);
  if (random.chance(0.3)) return (random.pick(CORNERS_32) + random.below(5) - 2) | 0;
  return random.u32() | 0;
}

export function value64(random: Random): bigint {
  const corner = (): bigint => BigInt(random.pick(CORNERS_32)) << BigInt(random.pick([0, 0, 0, 16, 31, 32]));
  const value = random.chance(0.5) ? corner() + BigInt(random.below(3) - 1) : random.u64();
  return BigInt.asUintN(64, value);
}

/** Formats that a body may hold, with how often. The rest (helpers, maps, packet, exits) is no matter of arithmetic. */
const WEIGHTS: Partial<Record<Format, number>> = {
  alu_imm: 16,
  alu_reg: 22,
  mov_imm: 3,
  mov_reg: 3,
  movsx: 6,
  neg: 2,
  endian: 7,
  branch_imm: 10,
  branch_reg: 10,
  goto: 1,
  gotol: 1,
  call_local: 1,
  ld_imm64: 3,
  ldx: 9,
  st: 4,
  stx: 4,
  atomic: 3,
  atomic_fetch: 5,
  cmpxchg: 2,
  load_acquire: 1,
  store_release: 1,
};
const FORMAT_BAG = Object.entries(WEIGHTS).flatMap(([format, weight]) =>
  Array.from({ length: weight }, () => format as Format),
);
// Only an arena has pointers to cast.
const BY_FORMAT = new Map<Format, OpName[]>();
for (const op of OP_NAMES) BY_FORMAT.set(OPS[op].format, [...(BY_FORMAT.get(OPS[op].format) ?? []), op]);

const DIVISIONS = new Set(['div', 'mod', 'sdiv', 'smod']);
const SHIFTS = new Set(['lsh', 'rsh', 'arsh']);

/** Instructions that stay together: jumps lead only to the first of a step. */
interface Step {
  readonly insns: readonly Insn[];
  /** The last instruction is a jump over this many steps. */
  readonly skip?: number;
  /** The first instruction calls the subprogram. */
  readonly call?: true;
}

function immediateFor(op: OpName, random: Random): number {
  const { operation, width } = opRow(op);
  // The kernel refuses to divide by an immediate zero and to shift by the width or more.
  if (SHIFTS.has(operation)) return random.below(width);
  const imm = imm32(random);
  return DIVISIONS.has(operation) && imm === 0 ? 1 : imm;
}

const register = (random: Random): number => random.below(10);

function stackOffset(size: number, random: Random): number {
  return -STACK + size * random.below(STACK / size);
}

/**
 * Atomic operations that fetch work on the map's value: Linux 6.18 loses track of what such an operation fetched from the
 * stack (test/known/kernel-faults.ts). The register that held the pointer gets a number again.
 */
function atomicFetch(op: OpName, src: number, random: Random): Step {
  const pointer = (src + 1 + random.below(8)) % 9 || 9;
  const other = pointer === src ? (pointer % 9) + 1 : pointer;
  const value = BigInt(stackOffset(opRow(op).width / 8, random) + STACK);
  return {
    insns: [
      makeInsn('ld_map_idx_value', { dst: other, imm64: value << 32n }),
      makeInsn(op, { dst: other, src }),
      makeInsn('ldx64', { dst: other, src: 10, off: stackOffset(8, random) }),
      // The kernel forgets to clear the upper half of r0 after a 32-bit cmpxchg, unless it is read at once.
      makeInsn('mov64_reg', { dst: 0, src: 0 }),
    ],
  };
}

function randomStep(random: Random, left: number): Step {
  const op = random.pick(BY_FORMAT.get(random.pick(FORMAT_BAG)) ?? []);
  const { format, width } = opRow(op);
  const skip = random.below(Math.min(8, left) + 1);
  const dst = register(random);
  const src = register(random);
  const imm = immediateFor(op, random);
  const off = stackOffset(width / 8, random);
  switch (format) {
    case 'branch_imm':
    case 'branch_reg':
      return { insns: [makeInsn(op, { dst, src, imm })], skip };
    case 'goto':
    case 'gotol':
      // A jump that is always taken would leave dead code, which the kernel refuses.
      return { insns: [makeInsn('jslt64_imm', { dst, imm, off: 1 }), makeInsn(op)], skip };
    case 'call_local': {
      // r1 to r5 have no value afterwards.
      const again = [1, 2, 3, 4, 5].map((r) => makeInsn('mov64_reg', { dst: r, src: 6 + (r % 4) }));
      return { insns: [makeInsn(op), ...again], call: true };
    }
    case 'ld_imm64':
      return { insns: [makeInsn(op, { dst, imm64: value64(random) })] };
    case 'ldx':
    case 'load_acquire':
      return { insns: [makeInsn(op, { dst, src: 10, off })] };
    case 'st':
      return { insns: [makeInsn(op, { dst: 10, off, imm })] };
    case 'stx':
    case 'atomic':
    case 'store_release':
      return { insns: [makeInsn(op, { dst: 10, src, off })] };
    case 'atomic_fetch':
    case 'cmpxchg':
      return atomicFetch(op, src, random);
    default:
      return { insns: [makeInsn(op, { dst, src, imm })] };
  }
}

/** Bodies that can be shortened (see `shrink`): the main one and the subprogram's. */
export interface RandomProgram {
  readonly main: readonly Step[];
  readonly sub: readonly Step[];
}

function body(random: Random, size: number, calls: boolean): Step[] {
  const out: Step[] = [];
  while (out.length < size) {
    const next = randomStep(random, size - out.length - 1);
    if (calls || !next.call) out.push(next);
  }
  return out;
}

export const randomProgram = (random: Random, size: number): RandomProgram => ({
  main: body(random, size, true),
  sub: body(random, 10, false),
});

/** Turns distances in steps into distances in slots; `subAt` is the subprogram's first slot. */
function resolve(steps: readonly Step[], firstSlot: number, subAt: number): Insn[] {
  const starts = [firstSlot];
  for (const { insns } of steps) starts.push((starts.at(-1) ?? 0) + length(insns));
  return steps.flatMap(({ insns, skip, call }, i) => {
    if (call) return [{ ...insns[0], imm: subAt - starts[i] - 1 }, ...insns.slice(1)];
    if (skip === undefined) return insns;
    const jump = insns[insns.length - 1];
    const distance = starts[i + 1 + skip] - starts[i + 1];
    const field = opRow(jump.op).format === 'gotol' ? 'imm' : 'off';
    return [...insns.slice(0, -1), { ...jump, [field]: distance }];
  });
}

const length = (insns: readonly Insn[]): number => insns.reduce((sum, { op }) => sum + slotsOf(op), 0);
const bodyLength = (steps: readonly Step[]): number => length(steps.flatMap((step) => step.insns));

const MIX = 0x0100_0193;
const mix = (source: number): Insn[] => [
  makeInsn('mul64_imm', { dst: 0, imm: MIX }),
  makeInsn('xor64_reg', { dst: 0, src: source }),
];
const stackSlots = Array.from({ length: STACK / 8 }, (_, i) => -STACK + 8 * i);

/** XDP code: registers from the packet, the body, and a hash of registers, stack and map value, folded to 32 bits. */
export function programCode({ main, sub }: RandomProgram): Uint8Array<ArrayBuffer> {
  const prologue: Insn[] = [
    makeInsn('ldx32', { dst: 9, src: 1, off: 0 }),
    makeInsn('ldx32', { dst: 2, src: 1, off: 4 }),
    makeInsn('mov64_reg', { dst: 3, src: 9 }),
    makeInsn('add64_imm', { dst: 3, imm: INPUT_SIZE }),
    makeInsn('jle64_reg', { dst: 3, src: 2, off: 2 }),
    makeInsn('mov64_imm', { dst: 0, imm: 0 }),
    makeInsn('exit'),
    ...Array.from({ length: 10 }, (_, r) => makeInsn('ldx64', { dst: r, src: 9, off: 8 * r })),
    ...stackSlots.map((off, i) => makeInsn('stx64', { dst: 10, src: i, off })),
  ];
  const epilogue: Insn[] = [
    ...[1, 2, 3, 4, 5, 6, 7, 8, 9].flatMap(mix),
    ...stackSlots.flatMap((off) => [makeInsn('ldx64', { dst: 1, src: 10, off }), ...mix(1)]),
    makeInsn('ld_map_idx_value', { dst: 2, imm64: 0n }),
    ...stackSlots.flatMap((off) => [makeInsn('ldx64', { dst: 1, src: 2, off: off + STACK }), ...mix(1)]),
    makeInsn('mov64_reg', { dst: 1, src: 0 }),
    makeInsn('rsh64_imm', { dst: 1, imm: 32 }),
    makeInsn('xor32_reg', { dst: 0, src: 1 }),
    makeInsn('exit'),
  ];
  // The subprogram has no starting values but its arguments.
  const subPrologue: Insn[] = [
    makeInsn('mov64_reg', { dst: 0, src: 1 }),
    ...[6, 7, 8, 9].map((r) => makeInsn('mov64_reg', { dst: r, src: r - 4 })),
    ...stackSlots.map((off, i) => makeInsn('stx64', { dst: 10, src: 1 + (i % 5), off })),
  ];
  const subEpilogue: Insn[] = [...[1, 2, 3, 6, 7, 8, 9].flatMap(mix), makeInsn('exit')];
  const mainAt = length(prologue);
  const subAt = mainAt + bodyLength(main) + length(epilogue);
  const calls = main.some((step) => step.call);
  return encodeProgram([
    ...prologue,
    ...resolve(main, mainAt, subAt),
    ...epilogue,
    ...(calls ? [...subPrologue, ...resolve(sub, subAt + length(subPrologue), 0), ...subEpilogue] : []),
  ]);
}

const NOTHING: Step = { insns: [makeInsn('ja')] };

/** The smallest program found, by blanking instructions, for which `fails` still holds. */
export function shrink(program: RandomProgram, fails: (candidate: RandomProgram) => boolean): RandomProgram {
  let best = program;
  const attempt = (part: 'main' | 'sub', i: number): boolean => {
    if (best[part][i] === NOTHING) return false;
    const candidate = { ...best, [part]: best[part].map((step, j) => (j === i ? NOTHING : step)) };
    if (!fails(candidate)) return false;
    best = candidate;
    return true;
  };
  for (let changed = true; changed; ) {
    changed = false;
    for (const part of ['main', 'sub'] as const) {
      for (let i = best[part].length - 1; i >= 0; i--) changed = attempt(part, i) || changed;
    }
  }
  return best;
}

/** All of a program's spec but its code. */
export const RANDOM_SPEC: Omit<ProgramSpec, 'code'> = {
  name: 'random',
  section: 'xdp',
  type: 'xdp',
  license: 'GPL',
  dialect: 'linux',
  sleepable: false,
  fragments: false,
  autoload: true,
  functions: [],
  lines: [],
  core: [],
  tags: [],
};

const nothing = (): undefined => undefined;
/** An image's references, for programs that have none. */
export const NO_REFERENCES = {
  helper: nothing,
  kfunc: nothing,
  mapHandle: nothing,
  extern: nothing,
};
