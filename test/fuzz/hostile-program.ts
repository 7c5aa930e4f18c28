// Random programs that no verifier would pass: wild pointers, wild jumps and calls, loops without end, helpers with garbage.
import { encodeProgram, type Insn, makeInsn, slotsOf } from '../../src/isa/insn.ts';
import { type Format, OP_NAMES, OPS, type OpName } from '../../src/isa/opcodes.ts';
import type { Random } from '../support/random.ts';

/** What a program may name: numbers of maps and of helpers. */
export interface HostileSetting {
  readonly maps: number;
  readonly helpers: readonly number[];
  /**
   * Programs that behave alike wherever the memory's parts lie: pointers (r6 to r9) are not used as numbers, lead a little out
   * of what they point to or out of the memory, and what a call leaves in r1 to r5 is not looked at.
   */
  readonly portable: boolean;
}

const WEIGHTS: Partial<Record<Format, number>> = {
  alu_imm: 8,
  alu_reg: 8,
  mov_imm: 3,
  mov_reg: 4,
  movsx: 1,
  neg: 1,
  endian: 1,
  goto: 2,
  gotol: 1,
  may_goto: 1,
  branch_imm: 5,
  branch_reg: 4,
  call_helper: 8,
  call_local: 3,
  call_kfunc: 1,
  callx: 2,
  exit: 1,
  ld_imm64: 8,
  ld_pseudo: 4,
  ld_abs: 1,
  ld_ind: 1,
  ldx: 12,
  st: 8,
  stx: 12,
  atomic: 5,
  atomic_fetch: 5,
  cmpxchg: 3,
  load_acquire: 2,
  store_release: 2,
  cast: 1,
};
const BAG = Object.entries(WEIGHTS).flatMap(([format, weight]) =>
  Array.from({ length: weight }, () => format as Format),
);
const UNLINKED: ReadonlySet<OpName> = new Set(['ld_map_fd']);
const BY_FORMAT = new Map<Format, OpName[]>();
for (const op of OP_NAMES) {
  if (!UNLINKED.has(op)) BY_FORMAT.set(OPS[op].format, [...(BY_FORMAT.get(OPS[op].format) ?? []), op]);
}

const FROM_SRC: ReadonlySet<Format> = new Set<Format>(['ldx', 'load_acquire']);

/** Around every border of an address: of the first page, of signed and unsigned 32 bits, of 64 bits, of code addresses. */
const BORDERS = [
  0n,
  0x1_0000n,
  0x8000_0000n,
  0xffff_0000n,
  0x1_0000_0000n,
  1n << 63n,
  0xffff_0000_0000_0000n,
  1n << 64n,
];

function wildAddress(random: Random, portable: boolean): bigint {
  const near = (border: bigint): bigint => border + BigInt(random.below(64) - 32);
  // The first page belongs to nobody in every engine, and no memory here reaches 2^31.
  if (portable) return BigInt.asUintN(64, near(random.pick(BORDERS.filter((border) => border !== 0x1_0000n))));
  if (random.chance(0.5)) return BigInt.asUintN(64, near(random.pick(BORDERS)));
  // Anywhere in a small memory, or with rubbish above the 32 bits that count.
  const low = BigInt(random.below(8 << 20));
  return random.chance(0.5) ? low : (BigInt(random.u32()) << 32n) | low;
}

function offset(random: Random, portable: boolean, base: number): number {
  if (!portable) {
    const border = [-0x8000, -513, -512, -8, -1, 0, 1, 8, 512, 0x7fff];
    return random.chance(0.4) ? random.pick(border) : random.below(0x1_0000) - 0x8000;
  }
  // What is farther from a context or packet than the gap of the allocator differs.
  const near = [-8, -7, -4, -1, 0, 1, 4, 8, 12, 20];
  return random.pick(base === 10 ? [...near, -520, -513, -512, -505, -64, -16] : near);
}

/** The registers that an instruction of this format may name. */
function operands(format: Format, random: Random, portable: boolean): Pick<Insn, 'dst' | 'src'> {
  const any = (): number => random.below(10);
  const number = (): number => (portable ? random.below(6) : any());
  const pointer = (): number => (random.chance(0.3) ? 10 : portable ? 6 + random.below(4) : any());
  switch (format) {
    case 'ldx':
    case 'load_acquire': {
      const src = pointer();
      // The context holds addresses.
      return { dst: portable && src === 6 ? 7 + random.below(3) : number(), src };
    }
    case 'st':
    case 'stx':
    case 'atomic':
    case 'atomic_fetch':
    case 'cmpxchg':
    case 'store_release':
      return { dst: pointer(), src: number() };
    case 'ld_imm64':
    case 'ld_pseudo':
      return { dst: portable ? 7 + random.below(3) : any(), src: 0 };
    default:
      return { dst: number(), src: number() };
  }
}

/** r1 to r5 as a helper could want them, or not. */
function helperArguments(random: Random, { maps, portable }: HostileSetting): Insn[] {
  const one = (dst: number): Insn => {
    if (random.chance(0.2)) return makeInsn('ld_map_idx', { dst, imm: random.below(maps) });
    if (random.chance(0.3)) return makeInsn('mov64_reg', { dst, src: portable ? 6 : random.below(11) });
    if (random.chance(0.3)) return makeInsn('mov64_reg', { dst, src: 10 });
    if (random.chance(0.2)) return makeInsn('ld_imm64', { dst, imm64: wildAddress(random, portable) });
    if (!portable && random.chance(0.2)) return makeInsn('ld_code_addr', { dst, imm: 1 });
    return makeInsn('mov64_imm', { dst, imm: random.pick([0, 1, 4, 8, 64, -1, 0x7fff_ffff]) });
  };
  const args = [1, 2, 3, 4, 5].map(one);
  if (random.chance(0.7)) args[0] = makeInsn('ld_map_idx', { dst: 1, imm: random.below(maps) });
  if (random.chance(0.5))
    args.splice(1, 1, makeInsn('mov64_reg', { dst: 2, src: 10 }), makeInsn('add64_imm', { dst: 2, imm: -8 }));
  return args;
}

/** Every register that a function may look at before it writes it; r1 is the context where a program starts. */
const PROLOGUE: readonly Insn[] = [
  makeInsn('mov64_reg', { dst: 6, src: 1 }),
  ...[7, 8, 9].map((dst) => makeInsn('mov64_reg', { dst, src: 10 })),
  ...[0, 1, 2, 3, 4, 5].map((dst) => makeInsn('mov64_imm', { dst, imm: dst })),
];
const NUMBERS_AGAIN: readonly Insn[] = [0, 1, 2, 3, 4, 5].map((dst) => makeInsn('mov64_imm', { dst, imm: 3 * dst }));

const length = (insns: readonly Insn[]): number => insns.reduce((sum, { op }) => sum + slotsOf(op), 0);

/** A jump or call to the step with this index, to be told in slots. */
interface Step {
  readonly insns: readonly Insn[];
  readonly to?: number;
}

function step(random: Random, count: number, setting: HostileSetting): Step {
  const { portable } = setting;
  const op = random.pick(BY_FORMAT.get(random.pick(BAG)) ?? []);
  const { format } = OPS[op];
  const { dst, src } = operands(format, random, portable);
  const imm = random.chance(0.5) ? random.below(64) - 16 : random.u32() | 0;
  const to = random.below(count);
  const jump = makeInsn(op, { dst, src, imm });
  // What a call leaves in the registers is the callee's affair.
  const after = portable ? NUMBERS_AGAIN : [];
  switch (format) {
    case 'goto':
    case 'gotol':
    case 'may_goto':
    case 'branch_imm':
    case 'branch_reg':
      return { insns: [jump], to };
    case 'call_local':
      // The first step sets every register, so that a function is one wherever it begins.
      return { insns: [jump, ...after], to: portable ? 0 : to };
    case 'ld_pseudo':
      if (op === 'ld_map_idx') return { insns: [makeInsn(op, { dst, imm: random.below(setting.maps) })] };
      return portable ? { insns: [makeInsn('mov64_imm', { dst: 0, imm })] } : { insns: [jump], to };
    case 'ld_imm64':
      return { insns: [makeInsn(op, { dst, imm64: wildAddress(random, portable) })] };
    case 'call_helper': {
      const number = random.chance(0.05) ? random.u32() | 0 : random.pick(setting.helpers);
      return { insns: [...helperArguments(random, setting), makeInsn(op, { imm: number }), ...after] };
    }
    case 'callx': {
      const target = random.chance(0.3) ? BigInt(random.pick(setting.helpers)) : wildAddress(random, portable);
      const register = portable ? 9 : dst;
      const set = random.chance(0.7) || portable ? [makeInsn('ld_imm64', { dst: register, imm64: target })] : [];
      const args = portable ? helperArguments(random, setting) : [];
      return { insns: [...args, ...set, makeInsn(op, { dst: register }), ...after] };
    }
    default:
      return {
        insns: [
          makeInsn(op, { dst, src, imm, off: offset(random, portable, FROM_SRC.has(format) ? src : dst) }),
          ...(format === 'ld_abs' || format === 'ld_ind' ? after : []),
        ],
      };
  }
}

/** The code of one program, of up to 16 steps. */
export function hostileProgram(random: Random, setting: HostileSetting): Uint8Array {
  const count = 3 + random.below(13);
  const steps: Step[] = [{ insns: PROLOGUE }];
  while (steps.length < count) steps.push(step(random, count, setting));
  steps.push({ insns: [makeInsn('exit')] });
  const starts = [0];
  for (const { insns } of steps) starts.push(starts[starts.length - 1] + length(insns));
  const insns = steps.flatMap(({ insns: own, to }, i) => {
    if (to === undefined) return own;
    const [jump, ...rest] = own;
    const distance = starts[to] - starts[i] - 1;
    const { format } = OPS[jump.op];
    const inOff = format !== 'gotol' && format !== 'call_local' && format !== 'ld_pseudo';
    return [{ ...jump, [inOff ? 'off' : 'imm']: distance }, ...rest];
  });
  return encodeProgram(insns);
}
