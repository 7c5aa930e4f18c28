// `anybpf/compat/libbpf`: libbpf's names over a session.
export { WITHOUT_MEANING } from './absent.ts';
export { Arena } from './arena.ts';
export type { KprobeMultiOptions, KprobeOptions, MprogOptions, NetfilterOptions, UprobeOptions } from './attach.ts';
export type { DumpPrint, EmitTypeDeclOptions } from './btf-dump.ts';
export { BtfExtHandle, BtfHandle } from './btf-handle.ts';
export { ATTRS, BPF_COMMANDS, type BpfCommand } from '../../spec/bpf-attr.ts';
export { createLibbpf } from './create.ts';
export { LIBBPF_ERRNO } from './errors.ts';
export { BpfLink, BpfMap, BpfObject, BpfProgram } from './handles.ts';
export {
  LINUX_BTF_INFO,
  LINUX_LINK_INFO,
  LINUX_MAP_INFO,
  LINUX_PROG_INFO,
  WINDOWS_LINK_INFO,
  WINDOWS_MAP_INFO,
  WINDOWS_PROG_INFO,
} from '../../spec/bpf-info.ts';
export { type LibbpfOptions, type Out, out, PRINT_LEVEL, type PrintFunction } from './library.ts';
export type { MapBatchOptions, MapCreateOptions } from './map-calls.ts';
export type { LinkCreateOptions } from './object-calls.ts';
export type { ObjectOpenOptions } from './object.ts';
export type { ProgLoadOptions, ProgQueryOptions, TestRunOptions } from './prog-calls.ts';
export type { PerfLost, PerfSample, RingSample } from './rings.ts';
export type { MapSkeleton, ObjectSkeleton, ObjectSubskeleton, ProgSkeleton, VarSkeleton } from './skeleton.ts';
export { type Fields, type Layout, read, type Struct, struct, write } from '../../base/structs.ts';
export type { Libbpf } from './types.ts';
export { EBPF_OBJECT, EBPF_RESULT } from '../../spec/windows.ts';
export type { TcHook, TcOptions, XdpAttachOptions, XdpQueryOptions } from './xdp-tc.ts';
