// Which handlers the interpreter has, and their numbers.
import { baseOf, OP_NAMES, type OpName } from '../../isa/opcodes.ts';

/**
 * The handler of one instruction. `op@free`: an access that needs no check, as it lies in the frame for certain or the program was
 * verified elsewhere.
 */
export type InsnHandler = OpName | `${OpName}@free`;

/** Handlers that stand for no instruction of a program, and for a call of a helper that has become code (helper-code.ts). */
export const EXTRA_HANDLERS = ['enter', 'done', 'fell_off', 'intrinsic'] as const;
export type ExtraHandler = (typeof EXTRA_HANDLERS)[number];

const isAccess = (name: InsnHandler): name is OpName => !name.includes('@') && baseOf(name as OpName) !== undefined;
const free = (name: InsnHandler): InsnHandler => (isAccess(name) ? `${name}@free` : name);

export const INSN_HANDLERS: readonly InsnHandler[] = [...OP_NAMES, ...OP_NAMES.filter(isAccess).map(free)];

/**
 * Neighbours that have a handler together, which saves the jump from one to the next: what stands side by side most often in
 * programs that clang compiled, and what arithmetic and checks of packet bounds are made of. By the first; then what follows.
 * Pairs and rotations only: with other sequences of three, loops became slower (the processor foresaw the jumps less well).
 */
const FOLLOWERS: Partial<Record<InsnHandler, readonly (readonly InsnHandler[])[]>> = {
  mov64_reg: [
    ['add64_imm'],
    ['mov64_imm'],
    ['mov64_reg'],
    ['and64_imm'],
    ['add64_reg'],
    ['xor64_reg'],
    ['lsh64_imm'],
    ['rsh64_imm'],
    // Rotations
    ['rsh64_imm', 'lsh64_imm', 'or64_reg'],
    ['lsh64_imm', 'rsh64_imm', 'or64_reg'],
    ['rsh64_imm', 'mov64_reg', 'lsh64_imm', 'or64_reg'],
    ['lsh64_imm', 'mov64_reg', 'rsh64_imm', 'or64_reg'],
  ],
  mov32_reg: [
    ['add32_imm'],
    ['and32_imm'],
    ['xor32_reg'],
    ['rsh32_imm'],
    ['rsh32_imm', 'lsh32_imm', 'or32_reg'],
    ['lsh32_imm', 'rsh32_imm', 'or32_reg'],
    ['rsh32_imm', 'mov32_reg', 'lsh32_imm', 'or32_reg'],
    ['lsh32_imm', 'mov32_reg', 'rsh32_imm', 'or32_reg'],
  ],
  mov64_imm: [['mov64_imm'], ['mov64_reg'], ['exit'], ['jgt64_reg'], ['jeq64_imm'], ['stx32@free']],
  add64_imm: [['mov64_reg'], ['mov64_imm'], ['jgt64_reg'], ['jne64_imm'], ['ld_map_idx'], ['stx64']],
  add64_reg: [['mov64_reg'], ['xor64_reg'], ['add64_imm']],
  xor64_reg: [['mov64_reg'], ['add64_reg'], ['mul64_reg'], ['mul64_imm']],
  or64_reg: [['mov64_reg'], ['xor64_reg'], ['add64_reg'], ['lsh64_imm']],
  lsh64_imm: [['or64_reg'], ['rsh64_imm'], ['arsh64_imm']],
  add32_reg: [['mov32_reg'], ['xor32_reg']],
  sub32_reg: [['mov32_reg'], ['xor32_reg']],
  xor32_reg: [['mov32_reg'], ['sub32_reg'], ['add32_reg']],
  jgt64_reg: [['ldx8'], ['ldx16'], ['ldx32'], ['mov64_imm'], ['mov64_reg'], ['add64_imm']],
  jne64_imm: [['mov64_reg'], ['mov64_imm'], ['ldx32'], ['jne64_imm']],
  jeq64_imm: [['jeq64_imm'], ['jne64_imm'], ['mov64_imm'], ['ldx64'], ['ldx32'], ['ja']],
  jeq32_imm: [['jeq32_imm'], ['mov64_imm']],
  ldx8: [['lsh64_imm'], ['stx8'], ['xor64_reg'], ['mov64_reg'], ['jeq64_imm'], ['jne64_imm']],
  ldx16: [['jeq64_imm'], ['jne64_imm'], ['mov64_reg']],
  ldx32: [['ldx32'], ['mov64_reg'], ['mov64_imm'], ['jeq64_imm'], ['jne64_imm']],
  ldx64: [['add64_imm'], ['mov64_reg'], ['xor64_reg']],
  'ldx64@free': [['mov64_reg'], ['jgt64_reg'], ['add64_reg'], ['xor64_reg']],
  'stx32@free': [['mov64_reg']],
  'stx64@free': [['stx64@free'], ['mov64_reg'], ['ld_imm64']],
  ld_map_idx: [['mov64_reg'], ['mov64_imm']],
};

const LISTED = Object.entries(FOLLOWERS).flatMap(([first, rests]) =>
  rests.map((rest) => [first as InsnHandler, ...rest]),
);

/** The longest first; those with accesses also without checks. */
export const SEQUENCES: readonly (readonly InsnHandler[])[] = [
  ...new Map([...LISTED, ...LISTED.map((names) => names.map(free))].map((names) => [names.join(), names])).values(),
].sort((a, b) => b.length - a.length);

const FIRST_INSN = EXTRA_HANDLERS.length;
const FIRST_SEQUENCE = FIRST_INSN + INSN_HANDLERS.length;

const NUMBERS = new Map<InsnHandler | ExtraHandler, number>(
  [...EXTRA_HANDLERS, ...INSN_HANDLERS].map((name, number) => [name, number]),
);

/** What RECORD.HANDLER holds for the handler of one instruction. Numbers go: the extra ones, instructions, SEQUENCES. */
export const handlerNumber = (name: InsnHandler | ExtraHandler): number => NUMBERS.get(name) as number;

const STARTING_WITH = new Map<InsnHandler, { readonly rest: readonly InsnHandler[]; readonly number: number }[]>();
SEQUENCES.forEach(([first, ...rest], i) => {
  const row = { rest, number: FIRST_SEQUENCE + i };
  const rows = STARTING_WITH.get(first);
  if (rows === undefined) STARTING_WITH.set(first, [row]);
  else rows.push(row);
});

/** What RECORD.HANDLER holds for the instruction at an index: the longest sequence that begins there, or its own handler. */
export function sequenceNumber(handlers: readonly InsnHandler[], index: number): number {
  const fits = STARTING_WITH.get(handlers[index])?.find(({ rest }) =>
    rest.every((handler, i) => handlers[index + 1 + i] === handler),
  );
  return fits?.number ?? handlerNumber(handlers[index]);
}
