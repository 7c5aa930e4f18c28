// Instructions as PREVAIL, eBPF for Windows' verifier, prints them: helpers with the kinds of their arguments, maps by number, jumps with
// the slot that they go to.
import { formatInsn } from '../../isa/disassembler.ts';
import { type Insn, upperImm } from '../../isa/insn.ts';
import { OPS } from '../../isa/opcodes.ts';
import { jumpTarget } from '../../flow/graph.ts';
import type { ArgKind, HelperRow } from '../../spec/helper.ts';
import type { ProgramSpec } from '../../spec/object.ts';
import type { Platform } from '../../spec/platform.ts';

/** PREVAIL's kinds of single arguments. Kinds that Windows' helpers do not have are numbers to it. */
const SINGLE: { readonly [K in ArgKind]?: string } = {
  map: 'map_fd',
  key: 'map_key',
  value: 'map_value',
  valueOrNull: 'map_value',
  valueOut: 'map_value',
  ctx: 'ctx',
  ctxOrNull: 'ctx',
};

/** Its kinds of memory, which the argument after it gives the size of. */
const MEMORY: { readonly [K in ArgKind]?: string } = {
  mem: 'mem',
  memOrNull: 'mem?',
  memOut: 'out',
  memOutOrNull: 'out?',
  memInOut: 'out',
};

/** Kinds of arguments as PREVAIL tells them apart, of one helper. */
export interface PrevailArgument {
  readonly register: number;
  readonly kind: string;
  /** The next register holds the size. */
  readonly pair: boolean;
}

export function argumentsOf({ name, args }: HelperRow): readonly PrevailArgument[] {
  const found: PrevailArgument[] = [];
  for (let i = 0; i < args.length; i++) {
    const kind = args[i];
    const register = i + 1;
    const memory = MEMORY[kind];
    if (memory !== undefined) {
      found.push({ register, kind: memory, pair: true });
      i++;
    } else if (kind === 'map' && name === 'tail_call') found.push({ register, kind: 'map_fd_programs', pair: false });
    else found.push({ register, kind: SINGLE[kind] ?? 'uint64_t', pair: false });
  }
  return found;
}

/** Windows' own helpers' names are without the prefix only where the extension's are. */
export const helperTitle = (row: HelperRow | undefined, number: number): string =>
  row === undefined ? `helper_${number}` : row.name.startsWith('sample_ext_') ? row.name : `bpf_${row.name}`;

function call(row: HelperRow | undefined, number: number): string {
  const shown = (row === undefined ? [] : argumentsOf(row)).map(({ register, kind, pair }) => {
    if (!pair) return `${kind} r${register}`;
    const size = register + 1;
    const open = row?.args[register] === 'sizeOrZero' ? '?' : '';
    return `${kind} r${register}[r${size}${open}], uint64_t r${size}`;
  });
  return `r0 = ${helperTitle(row, number)}:${number}(${shown.join(', ')})`;
}

/** One instruction. Maps are numbered from 1 in the object's order. */
export function prevailText(insn: Insn, slot: number, program: ProgramSpec, platform: Platform): string {
  switch (insn.op) {
    case 'call_helper':
      return call(platform.helper(insn.imm, program.type), insn.imm);
    case 'call_local': {
      const target = slot + 1 + insn.imm;
      return `call <${program.functions.find((f) => f.slot === target)?.name ?? target}>`;
    }
    case 'ld_map_idx':
      return `r${insn.dst} = map_fd ${insn.imm + 1}`;
    case 'ld_map_idx_value':
      return `r${insn.dst} = map_val(${insn.imm + 1}) + ${upperImm(insn)}`;
    default: {
      const text = formatInsn(insn, slot, {});
      const target = OPS[insn.op].format === 'may_goto' ? undefined : jumpTarget(insn, slot);
      return target === undefined ? text : `${text} <${target}>`;
    }
  }
}
