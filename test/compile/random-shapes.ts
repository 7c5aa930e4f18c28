// Random programs in the shapes that the compiler looks for, and nearly in them: rotations, bytes of the stack written and read
// in part, addresses of the stack, wide values put together of narrow loads, switches. A verifier would pass them all, but for
// reads of stack that was never written: all of it is written first.
import { makeInsn, type Insn, encodeProgram, slotsOf } from '../../src/isa/insn.ts';
import type { OpName } from '../../src/isa/opcodes.ts';
import type { Random } from '../support/random.ts';

/** Bytes of input that a program reads, at r9. */
export const INPUT = 64;
/** Bytes of stack that it uses. */
const STACK = 48;

type Step = { readonly insns: readonly Insn[]; readonly skip?: number };

/** r0 to r5; r6 to r8 hold addresses, r9 that of the input. */
const number = (random: Random): number => random.below(6);

function rotate(random: Random): Insn[] {
  const width = random.pick([32, 64] as const);
  const by = 1 + random.below(width - 1);
  const right = random.chance(0.85) ? width - by : 1 + random.below(width - 1);
  const [value, left, half] = distinct(random, 3);
  const mov: OpName = random.chance(0.7) ? 'mov64_reg' : 'mov32_reg';
  const shifts = [
    makeInsn(`lsh${width}_imm`, { dst: left, imm: by }),
    makeInsn(`rsh${width}_imm`, { dst: half, imm: right }),
  ];
  if (random.chance(0.5)) shifts.reverse();
  const joins: OpName[] = ['or64_reg', 'or32_reg', 'xor64_reg', 'add64_reg', 'add32_reg', 'sub64_reg'];
  const [dst, src] = random.chance(0.5) ? [left, half] : [half, left];
  return [
    makeInsn(mov, { dst: left, src: value }),
    makeInsn(mov, { dst: half, src: value }),
    ...between(random, value),
    shifts[0],
    ...between(random, value),
    shifts[1],
    ...(random.chance(0.2) ? between(random, left) : []),
    makeInsn(random.pick(joins), { dst, src }),
  ];
}

function distinct(random: Random, count: number): number[] {
  const chosen = new Set<number>();
  while (chosen.size < count) chosen.add(number(random));
  return [...chosen];
}

const between = (random: Random, register: number): Insn[] =>
  random.chance(0.3) ? [makeInsn('xor64_imm', { dst: register, imm: random.u32() | 0 })] : [];

const SIZES = [8, 16, 32, 64] as const;

function stackAccess(random: Random): Insn[] {
  const width = random.pick([...SIZES, 64, 64] as const);
  const size = width / 8;
  const aligned = random.chance(0.8);
  const off = -STACK + (aligned ? size * random.below(STACK / size) : random.below(STACK - size + 1));
  const register = number(random);
  if (random.chance(0.45)) return [makeInsn(`ldx${width}`, { dst: register, src: 10, off })];
  if (random.chance(0.2) && width < 64) return [makeInsn(`ldxs${width}` as OpName, { dst: register, src: 10, off })];
  if (random.chance(0.3)) return [makeInsn(`st${width}`, { dst: 10, off, imm: random.u32() | 0 })];
  return [makeInsn(`stx${width}`, { dst: 10, src: register, off })];
}

/** An access by another register that holds an address of the stack. */
function pointer(random: Random): Insn[] {
  const width = random.pick(SIZES);
  const at = -STACK + random.below(STACK - width / 8 + 1);
  const off = random.below(9) - 4;
  const register = 6 + random.below(3);
  const access = random.chance(0.5)
    ? makeInsn(`ldx${width}`, { dst: number(random), src: register, off })
    : makeInsn(`stx${width}`, { dst: register, src: number(random), off });
  return [
    makeInsn('mov64_reg', { dst: register, src: 10 }),
    makeInsn('add64_imm', { dst: register, imm: at - off }),
    access,
  ];
}

/** A value of two or four narrow loads, from the input. */
function narrowLoads(random: Random): Insn[] {
  const width = random.pick([8, 16] as const);
  const parts = random.pick(width === 8 ? [2, 4] : [2, 4]);
  const at = random.below(INPUT - 8);
  const base = 9;
  const alu = random.pick([32, 64] as const);
  const [sum, part] = distinct(random, 2);
  const order = Array.from({ length: parts }, (_, i) => i);
  if (random.chance(0.4)) order.reverse();
  const wrong = random.chance(0.15) ? 1 : 0;
  return order.flatMap((index, i): Insn[] => {
    const dst = i === 0 ? sum : part;
    const shift = (width * index + (wrong && i === parts - 1 ? 8 : 0)) % alu;
    return [
      makeInsn(`ldx${width}`, { dst, src: base, off: at + (index * width) / 8 }),
      ...(shift === 0 ? [] : [makeInsn(`lsh${alu}_imm`, { dst, imm: shift })]),
      ...(i > 0 && random.chance(0.1) ? [makeInsn('stx8', { dst: base, src: number(random), off: at })] : []),
      ...(i === 0
        ? []
        : [makeInsn(random.pick([`or${alu}_reg`, `or${alu}_reg`, `add${alu}_reg`] as const), { dst, src: sum })]),
      ...(i === 0 ? [] : [makeInsn('mov64_reg', { dst: sum, src: part })]),
    ];
  });
}

/** Comparisons of one register with constants, each over some steps. */
function compares(random: Random): Step[] {
  const dst = number(random);
  const width = random.pick([32, 64] as const);
  const first = random.below(100) - 5;
  const steps: Step[] = [
    { insns: [makeInsn('and64_imm', { dst, imm: 15 }), makeInsn('add64_imm', { dst, imm: first })] },
  ];
  const count = 3 + random.below(10);
  for (let i = 0; i < count; i++) {
    const imm = first + (random.chance(0.8) ? i : random.below(16));
    steps.push({ insns: [makeInsn(`jeq${width}_imm`, { dst, imm })], skip: count - i + random.below(6) });
  }
  return steps;
}

const ALU: readonly OpName[] = [
  'add64_reg',
  'add32_reg',
  'sub64_reg',
  'mul64_reg',
  'xor32_reg',
  'and64_reg',
  'mov32_reg',
  'lsh32_imm',
  'rsh64_imm',
  'be16',
  'be32',
  'le16',
];

function steps(random: Random): Step[] {
  switch (random.below(7)) {
    case 0:
      return [{ insns: rotate(random) }];
    case 1:
    case 2:
      return [{ insns: stackAccess(random) }];
    case 3:
      return random.chance(0.3) ? [{ insns: pointer(random) }] : [{ insns: stackAccess(random) }];
    case 4:
      return [{ insns: narrowLoads(random) }];
    case 5:
      return random.chance(0.3)
        ? compares(random)
        : [{ insns: [makeInsn('jgt64_imm', { dst: number(random), imm: random.u32() | 0 })], skip: random.below(8) }];
    default:
      return [
        { insns: [makeInsn(random.pick(ALU), { dst: number(random), src: number(random), imm: random.below(32) })] },
      ];
  }
}

/** All eight bytes, by one store or several. */
function written(random: Random, word: number): Insn[] {
  const widths = random.pick([[64], [64], [32, 32], [16, 16, 32], [32, 8, 8, 16]] as const);
  let off = word;
  return widths.map((width) => {
    const insn = makeInsn(`stx${width}`, { dst: 10, src: random.below(6), off });
    off += width / 8;
    return insn;
  });
}

const mix = (src: number): Insn[] => [
  makeInsn('mul64_imm', { dst: 0, imm: 0x0100_0193 }),
  makeInsn('xor64_reg', { dst: 0, src }),
];

const length = (insns: readonly Insn[]): number => insns.reduce((sum, { op }) => sum + slotsOf(op), 0);

/** Code of a program: r1 is the address of its input. */
export function shapedProgram(random: Random, size: number): Uint8Array {
  const body: Step[] = [];
  while (body.length < size) body.push(...steps(random));
  const words = Array.from({ length: STACK / 8 }, (_, i) => -STACK + 8 * i);
  const prologue = [
    makeInsn('mov64_reg', { dst: 9, src: 1 }),
    ...[6, 7, 8].map((dst) => makeInsn('mov64_imm', { dst, imm: dst })),
    ...[0, 1, 2, 3, 4, 5].map((dst) => makeInsn('ldx64', { dst, src: 9, off: 8 * dst })),
    ...words.flatMap((word) => written(random, word)),
  ];
  const epilogue = [
    ...[1, 2, 3, 4, 5].flatMap(mix),
    // Reads that no pointer makes: those of whole words would keep all in memory.
    ...(random.chance(0.3) ? words.flatMap((off) => [makeInsn('ldx64', { dst: 1, src: 10, off }), ...mix(1)]) : []),
    makeInsn('exit'),
  ];
  const starts = [0];
  for (const { insns } of body) starts.push(starts[starts.length - 1] + length(insns));
  const resolved = body.flatMap(({ insns, skip }, i) => {
    if (skip === undefined) return insns;
    const to = starts[Math.min(body.length, i + 1 + skip)];
    const last = insns[insns.length - 1];
    return [...insns.slice(0, -1), { ...last, off: to - starts[i + 1] }];
  });
  return encodeProgram([...prologue, ...resolved, ...epilogue]);
}
