import type { ProgramTypeRow } from '../spec/program.ts';
import { BASE, WINDOWS_GLOBAL } from './families.ts';
import { field, packet } from './fields.ts';
import { plainHarness } from './plain-context.ts';

/** eBPF for Windows, undocked/tests/sample/ext/inc: sample_program_context_t. */
export const sample: ProgramTypeRow = {
  type: 'sample',
  contexts: {
    windows: {
      name: 'struct _sample_program_context',
      size: 32,
      fields: {
        data_start: packet(0, 8, 'packet'),
        data_end: packet(8, 8, 'packetEnd'),
        uint32_data: field(16, 4, 'read-write'),
        uint16_data: field(20, 2, 'read-write'),
        helper_data_1: field(24, 4, 'read-write'),
        helper_data_2: field(28, 4, 'read-write'),
      },
    },
  },
  attachTypes: ['sample'],
  returns: [],
  verdicts: { windows: {} },
  families: [...BASE, ...WINDOWS_GLOBAL, 'sample'],
  harness: plainHarness({ writableData: true }),
  doc: 'Windows: the program type of the sample extension.',
};
