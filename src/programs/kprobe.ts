import type { ProgramTypeRow } from '../spec/program.ts';
import { TRACING } from './families.ts';
import { narrowed } from './fields.ts';
import { plainHarness } from './plain-context.ts';
import { ARGUMENT_REGISTERS, PT_REGS } from './registers.ts';

/** kernel/trace/bpf_trace.c: kprobe_prog_is_valid_access. `args` of a test-run are the function's arguments. */
export const kprobe: ProgramTypeRow = {
  type: 'kprobe',
  contexts: { linux: { ...PT_REGS, fields: narrowed(PT_REGS.fields) } },
  attachTypes: ['trace_kprobe_multi', 'trace_uprobe_multi', 'trace_kprobe_session', 'trace_uprobe_session'],
  returns: [{ attach: ['trace_kprobe_session', 'trace_uprobe_session'], min: 0n, max: 1n }],
  verdicts: {},
  families: [...TRACING, 'kprobe'],
  harness: plainHarness({ args: ARGUMENT_REGISTERS }),
  doc: 'Entry and return of kernel functions (kprobe) and of functions in user programs (uprobe, USDT).',
};
