// What a program's section says to attach it to, as libbpf's bpf_program__attach() reads it.
import type { ProgramSpec } from '../../spec/object.ts';
import type { AttachTypeName, ProgramTypeName } from '../../spec/program-types.ts';
import type { AttachTarget } from '../../spec/session.ts';

export interface Attachment {
  readonly attachType: AttachTypeName;
  readonly target: AttachTarget;
}

/** The attach types of program types whose sections name no attach type of their own. */
const TYPE_OF: Partial<Record<ProgramTypeName, AttachTypeName>> = {
  kprobe: 'perf_event',
  tracepoint: 'perf_event',
  raw_tracepoint: 'trace_raw_tp',
  raw_tracepoint_writable: 'trace_raw_tp',
};

/** Types that are attached by the name in their section. The others need a device, a cgroup, a map. */
const BY_NAME: ReadonlySet<ProgramTypeName> = new Set([
  'kprobe',
  'tracepoint',
  'raw_tracepoint',
  'raw_tracepoint_writable',
  'tracing',
  'lsm',
]);

/** undefined where the section says no target. */
export function attachSpec(program: ProgramSpec): Attachment | undefined {
  const { type, attachTarget: name } = program;
  const attachType = program.attachType ?? TYPE_OF[type];
  if (!BY_NAME.has(type) || name === undefined || name === '' || attachType === undefined) return undefined;
  return { attachType, target: { name } };
}
