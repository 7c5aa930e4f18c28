import type { ProgramTypeRow } from '../spec/program.ts';
import { TRACING } from './families.ts';
import { plainHarness } from './plain-context.ts';

/** kernel/bpf/syscall.c: syscall_prog_is_valid_access. The context is the caller's buffer and is given back. */
const MAX_CONTEXT = 65_535;

export const syscall: ProgramTypeRow = {
  type: 'syscall',
  contexts: { linux: { name: 'argument', size: MAX_CONTEXT, fields: {}, raw: { access: 'read-write', from: 0 } } },
  attachTypes: [],
  returns: [],
  verdicts: {},
  families: [...TRACING, 'socket-cookie', 'socket-storage'],
  harness: plainHarness(),
  doc: 'Programs that are only ever run by BPF_PROG_TEST_RUN, with a buffer of the caller’s.',
};
