/**
 * AnyBPF's front door: load an object, run its programs, look at its maps.
 *
 * ```ts
 * import { loadObject, memoryHost } from 'anybpf';
 *
 * using object = loadObject(bytes, { host: memoryHost() });
 * const { verdict } = object.program('drop_port').run({ data: packet });
 * for (const [key, value] of object.map('counters').values()) console.log(key, value);
 * ```
 *
 * Each stage has its own entry for those who need one part: `anybpf/isa/...`, `anybpf/elf/...`, `anybpf/btf/...`,
 * `anybpf/link`, `anybpf/maps`, `anybpf/helpers`, `anybpf/programs`, `anybpf/run`, `anybpf/hosts/memory`,
 * `anybpf/hosts/node`, `anybpf/capture/...`, `anybpf/spec/...`.
 *
 * @module
 */
export { AnyBpfError, type Diagnostic, formatDiagnostic, type Place, type Severity } from './base/diagnostic.ts';
export { createRuntime, type EmbeddedOptions } from './context/create.ts';
export type { ContextSession } from './context/session.ts';
export { type MemoryHost, type MemoryHostOptions, memoryHost } from './hosts/memory/host.ts';
export { type LoadOptions, loadObject } from './run/loader.ts';
export type { LoadedMap } from './run/map.ts';
export type { LoadedObject } from './run/object.ts';
export type { LoadedProgram, RunInput, RunResult } from './run/program.ts';
export { RecordReader, type RecordReaderOptions } from './run/records.ts';
export { Runtime } from './run/runtime.ts';
export type { SharedObject } from './run/share.ts';
export type { Host, HostServices } from './spec/host.ts';
export type { MapSpec, ObjectSpec, ProgramSpec } from './spec/object.ts';
export type { Platform } from './spec/platform.ts';
export type {
  ContextObserver,
  Events,
  MethodName,
  Methods,
  Params,
  Result,
  Role,
  Session,
} from './spec/session.ts';
