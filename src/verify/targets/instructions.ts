// Since which version Linux has instructions that were added after eBPF's first: by level (clang's -mcpu), and those that no level has.
// Versions: https://docs.ebpf.io/linux/timeline/ and the instructions' commits (cpu=v4: Linux 6.6; may_goto and addr_space_cast: 6.9;
// load_acquire and store_release: 6.15). Earlier levels are older than the oldest target.
import { OPS, type OpName } from '../../isa/opcodes.ts';
import { OLDEST_LINUX } from './version.ts';

const OWN: Readonly<Record<string, string>> = {
  may_goto: '6.9',
  cast: '6.9',
  load_acquire: '6.15',
  store_release: '6.15',
};

/** `callx`, a call of the address in a register, no version of Linux has. */
const NEVER: ReadonlySet<OpName> = new Set(['callx']);

/** Undefined where no version has it. */
export function linuxHasOp(op: OpName): string | undefined {
  if (NEVER.has(op)) return undefined;
  const { format, cpu, group } = OPS[op];
  return (group === 'linux' ? OWN[format] : undefined) ?? (cpu === 'v4' ? '6.6' : OLDEST_LINUX);
}
