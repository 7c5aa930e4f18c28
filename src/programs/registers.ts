// struct pt_regs of x86-64 (arch/x86/include/asm/ptrace.h), the context of kprobes, uprobes and perf events.
import { series } from './fields.ts';

const NAMES = [
  'r15',
  'r14',
  'r13',
  'r12',
  'bp',
  'bx',
  'r11',
  'r10',
  'r9',
  'r8',
  'ax',
  'cx',
  'dx',
  'si',
  'di',
  'orig_ax',
  'ip',
  'cs',
  'flags',
  'sp',
  'ss',
];

export const PT_REGS = { name: 'struct pt_regs', size: 8 * NAMES.length, fields: series(NAMES, 8) } as const;

/** Registers that hold a function's first arguments. */
export const ARGUMENT_REGISTERS = ['di', 'si', 'dx', 'cx', 'r8', 'r9'];
