// Programs whose context is an array of a kernel function's arguments, 8 bytes each: raw tracepoints, fentry and fexit, LSM hooks,
// iterators, extensions and struct_ops (kernel/trace/bpf_trace.c: raw_tp_prog_is_valid_access, tracing_prog_is_valid_access).
import type { ContextLayout, ProgramTypeRow, TestRunInput } from '../spec/program.ts';
import type { AttachTypeName, ProgramTypeName } from '../spec/program-types.ts';
import { refuse } from './context-input.ts';
import { TRACING } from './families.ts';
import { series } from './fields.ts';
import { plainHarness } from './plain-context.ts';

/** MAX_BPF_FUNC_ARGS (include/linux/bpf.h). */
const MAX_ARGS = 12;
const ARGS = Array.from({ length: MAX_ARGS }, (_, i) => `arg${i}`);

const numbers: ContextLayout = {
  name: 'struct bpf_raw_tracepoint_args',
  size: 8 * MAX_ARGS,
  fields: series(ARGS, 8, 'read', { narrow: true }),
};

/** Arguments that BTF gives types: pointers among them are the host's. */
const typed: ContextLayout = {
  name: 'arguments',
  size: 8 * MAX_ARGS,
  fields: series(ARGS, 8, 'read', { kind: 'btfPointer' }),
};

/** bpf_prog_test_run_raw_tp takes the arguments as context, without a packet, and gives only the return value. */
function withoutData(_image: Uint8Array, { data, args }: TestRunInput): void {
  if (data !== undefined) refuse('EINVAL', 'a raw tracepoint takes no packet');
  if (args !== undefined && args.length > MAX_ARGS)
    refuse('EINVAL', `a raw tracepoint has at most ${MAX_ARGS} arguments`);
}

const rawTestRun = plainHarness({ args: ARGS, keepsContext: true, prepare: withoutData });

export const rawTracepoint: ProgramTypeRow = {
  type: 'raw_tracepoint',
  contexts: { linux: numbers },
  attachTypes: ['trace_raw_tp'],
  returns: [],
  verdicts: {},
  families: TRACING,
  harness: rawTestRun,
  doc: 'Tracepoints with the arguments that the kernel passes, as numbers.',
};

export const rawTracepointWritable: ProgramTypeRow = {
  ...rawTracepoint,
  type: 'raw_tracepoint_writable',
  doc: 'As raw_tracepoint, for the few tracepoints whose first argument points to a buffer that may be written.',
};

export const tracing: ProgramTypeRow = {
  type: 'tracing',
  contexts: { linux: typed },
  attachTypes: ['trace_raw_tp', 'trace_fentry', 'trace_fexit', 'modify_return', 'trace_iter'],
  returns: [
    { attach: ['trace_fentry', 'trace_fexit'], min: 0n, max: 0n },
    { attach: ['trace_iter'], min: 0n, max: 1n },
  ],
  verdicts: {},
  families: [...TRACING, 'socket-storage', 'inode-storage'],
  harness: plainHarness({ args: ARGS }),
  doc: 'Entry and exit of kernel functions, BTF tracepoints and iterators, with typed arguments.',
};

/** Types that hang on kernel functions: their layout is known here, but nothing of the kernel's to run them on. */
const hook = (type: ProgramTypeName, attachTypes: readonly AttachTypeName[], doc: string): ProgramTypeRow => ({
  type,
  contexts: { linux: typed },
  attachTypes,
  returns: [],
  verdicts: {},
  families: [...TRACING, 'socket-storage', 'inode-storage', 'socket-option', 'socket-cookie', 'netns-cookie'],
  doc,
});

export const lsm = hook('lsm', ['lsm_mac', 'lsm_cgroup'], 'Hooks of the Linux security modules.');
export const ext = hook('ext', [], 'Replaces a global function of another program.');
export const structOps = hook('struct_ops', ['struct_ops'], 'Functions of a kernel operations table.');
