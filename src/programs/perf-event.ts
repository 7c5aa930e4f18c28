import type { ProgramTypeRow } from '../spec/program.ts';
import { TRACING } from './families.ts';
import { field } from './fields.ts';
import { plainHarness } from './plain-context.ts';
import { PT_REGS } from './registers.ts';

/** kernel/trace/bpf_trace.c: pe_prog_is_valid_access. */
export const perfEvent: ProgramTypeRow = {
  type: 'perf_event',
  contexts: {
    linux: {
      name: 'struct bpf_perf_event_data',
      size: PT_REGS.size + 16,
      fields: {
        ...PT_REGS.fields,
        sample_period: field(PT_REGS.size, 8, 'read', { narrow: true }),
        addr: field(PT_REGS.size + 8, 8, 'read', { narrow: true }),
      },
    },
  },
  attachTypes: ['perf_event'],
  returns: [],
  verdicts: {},
  families: [...TRACING, 'perf-program'],
  harness: plainHarness(),
  doc: 'Samples of performance counters and clocks.',
};
