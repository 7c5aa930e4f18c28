import type { ProgramTypeRow } from '../spec/program.ts';
import { TRACING } from './families.ts';
import { plainHarness } from './plain-context.ts';

/** PERF_MAX_TRACE_SIZE (include/linux/trace_events.h). */
const MAX_RECORD = 8192;

/**
 * kernel/trace/bpf_trace.c: tp_prog_is_valid_access. The record's first 8 bytes belong to the kernel; what follows is the
 * tracepoint's own `format`. The `ctx` of a test-run is the record, those 8 bytes included.
 */
export const tracepoint: ProgramTypeRow = {
  type: 'tracepoint',
  contexts: { linux: { name: 'tracepoint record', size: MAX_RECORD, fields: {}, raw: { access: 'read', from: 8 } } },
  attachTypes: [],
  returns: [],
  verdicts: {},
  families: TRACING,
  harness: plainHarness(),
  doc: 'Static tracepoints of the kernel, with their record as bytes.',
};
