// Ahead of time: an object becomes one WebAssembly module that holds its programs, maps and initial data, with a record of what
// it was made of.
import { AnyBpfError, type Diagnostic, fail } from '../base/diagnostic.ts';
import { noPrograms } from '../base/messages/aot.ts';
import { type LoadedProgram as CheckedProgram, loadProgram } from '../compile/load.ts';
import { Emitter } from '../compile/wasm/emitter.ts';
import { I32, VOID } from '../compile/wasm/encoding.ts';
import { CONTROL, GLOBALS, Machine, WINDOWS_SIZE } from '../compile/wasm/machine.ts';
import { ModuleBuilder, type Signature } from '../compile/wasm/module.ts';
import { type AddedProgram, addProgram, declareImports, type ImportedFunction } from '../compile/wasm/program.ts';
import { linkObject } from '../link/link.ts';
import { type LoadOptions, loadObject } from '../run/loader.ts';
import { PAGE } from '../run/memory.ts';
import type { LoadedObject } from '../run/object.ts';
import { DEFAULT_BUDGET, type LoadedProgram } from '../run/program.ts';
import { DEFAULT_VERIFY, type VerifyMode } from '../run/verification.ts';
import type { Host } from '../spec/host.ts';
import { RING } from '../spec/map-layout.ts';
import type { Address } from '../spec/memory.ts';
import type { ObjectSpec } from '../spec/object.ts';
import { differences, externRecords, mapRecord, programRecord } from './describe.ts';
import type { ImportRecord, ModuleRecord } from './loader/record.ts';
import { addMapOperations } from './map-operations.ts';
import { sealed } from './record.ts';
import { fillMaps, type MapContents } from './contents.ts';
import { addSnapshot, memoryDigest, snapshotOf } from './snapshot.ts';
import { moduleHost } from './module-host.ts';
import { DEFAULT_LIMITS } from '../verify/verify.ts';

/** Milliseconds for a program's verification. */
const MOST_TIME = 60_000;

/** The budget is counted in 32 signed bits. */
const MAX_FUEL = 2 ** 31 - 1;

export interface CompileOptions
  extends Pick<LoadOptions, 'globals' | 'maps' | 'btf' | 'kconfig' | 'ksyms' | 'platform' | 'memoryLimit'> {
  /** Whose platform the object is compiled for; nothing else of it but the number of CPUs goes into the module. */
  readonly host: Host;
  /** Programs to compile, with those that they may go on with; all that load without being asked where absent. */
  readonly programs?: readonly string[];
  /** Contents of maps, by name, that the module begins with. */
  readonly entries?: MapContents;
  /** Verified elsewhere: accesses are not checked beyond the bounds of the memory. */
  readonly trusted?: boolean;
  /**
   * As LoadOptions.verify: what the verifier accepts becomes code without checks (`prefer`, the default), or nothing else becomes
   * code (`require`).
   */
  readonly verify?: VerifyMode;
  /** The record says of each program that is accepted what shows it (ProgramRecord.certificate). */
  readonly certificates?: boolean;
  /** Most instructions of one run. */
  readonly budget?: number;
  /** Name and version of who compiles, for the record. */
  readonly producer?: string;
}

export interface CompiledModule {
  readonly wasm: Uint8Array<ArrayBuffer>;
  readonly record: ModuleRecord;
  /** What of the object is not in the module, and why. */
  readonly diagnostics: readonly Diagnostic[];
}

/** A program of the object in the module. */
interface Part {
  readonly loaded: LoadedProgram;
  readonly checked: CheckedProgram;
}

/**
 * Compiles an object ahead of time. The same object and options give the same bytes.
 *
 * @throws AnyBpfError aot/no-programs, what loadObject raises, and the finding of a program that was asked for and cannot be
 *   loaded, or of the first one where none can
 */
export async function compileAhead(source: Uint8Array | ObjectSpec, options: CompileOptions): Promise<CompiledModule> {
  const linked = source instanceof Uint8Array ? linkObject(source) : source;
  const { spec, diagnostics } = loadable(linked, options);
  using object = load(spec, options);
  const { memory } = object.runtime;
  const parts = object.programs.map((loaded): Part => {
    const image = object.runtime.program(loaded.id);
    if (image === undefined) throw new AnyBpfError(loaded.diagnostic as Diagnostic);
    // What the loader has made for running it here takes memory that the module does not need.
    image.code?.dispose();
    image.code = undefined;
    return { loaded, checked: loadProgram(image) };
  });
  fillMaps(object, options.entries ?? {});
  // Without the machine's parts, which are made after the module where AnyBPF opens it.
  const least = Math.ceil(memory.u8.length / PAGE);
  const machine = Machine.of(memory);
  const { trusted = false, verify = DEFAULT_VERIFY, budget = DEFAULT_BUDGET } = options;
  const proofs = parts.map(({ checked: { image } }) => (trusted ? undefined : image.proof?.('now')));
  const pages = Math.ceil(memory.u8.length / PAGE);
  const maximum = Math.floor(memory.limit / PAGE);

  // Runs that are stopped may leave them.
  const leavesRecords = object.maps.some(({ spec: { type } }) => type === 'ringbuf');
  const openRecord = machine.control + CONTROL.RECORD;
  const build = (only?: readonly ReadonlySet<string>[]) => {
    const builder = new ModuleBuilder();
    builder.importMemory('anybpf', 'memory', least, maximum);
    for (const name of GLOBALS) builder.export(name, builder.defineGlobal(), 'global');
    builder.defineTable(parts.length + 1);
    builder.export('table', 0, 'table');
    builder.export('memory', 0, 'memory');
    const imports = parts.map(({ loaded, checked }, i) => declareImports(builder, loaded.name, checked, only?.[i]));
    const added = parts.map(({ loaded, checked }, i) => {
      const { control, stack } = machine;
      const checks = { trusted, proof: proofs[i] };
      const result = addProgram(builder, checked, imports[i], { control, stack, ...checks }, `${loaded.name}.`);
      builder.element(loaded.id, result.main);
      const fuel = Math.min(budget, MAX_FUEL);
      addEntries(builder, loaded.name, result, { frame: machine.topFrame, fuel, ...(leavesRecords && { openRecord }) });
      return result;
    });
    const operations = object.maps.map((map) => addMapOperations(builder, map, memory, machine.control));
    addSnapshot(builder, snapshotOf(memory));
    return { bytes: builder.finish(), imports, added, operations };
  };
  // Twice: only the first compilation tells what the code calls of all that it might import.
  const { bytes, imports, added, operations } = build(build().imports.map(({ called }) => called));

  const { control } = machine;
  const { bytes: wasm, record } = await sealed(bytes, {
    format: 1,
    producer: options.producer ?? 'anybpf',
    object: object.name,
    platform: {
      dialect: object.platform.dialect,
      imports: imports.flatMap(({ declared }, i) => declared.map((one) => importRecord(parts[i].loaded, one, object))),
    },
    options: { trusted, verify, budget, cpus: options.host.services.cpus },
    memory: {
      pages,
      maximum,
      top: memory.top,
      control,
      windows: [control + CONTROL.WINDOWS, control + CONTROL.WINDOWS + WINDOWS_SIZE],
      openRecord,
      openWindows: control + CONTROL.RECORD_WINDOWS,
      stack: machine.stack,
      digest: await memoryDigest(memory),
      regions: memory.regions.map(({ find: _find, ...region }) => region),
    },
    programs: parts.map(({ loaded }, i) => programRecord(loaded, object, proofs[i])),
    offsets: added.map(({ offsets }) => differences([...offsets()])),
    maps: spec.maps.map((map) => {
      const index = object.maps.findIndex(({ name }) => name === map.name);
      return mapRecord(map, object.maps[index], memory, operations[index] ?? [], options.entries?.[map.name]);
    }),
    externs: externRecords(spec, options),
  });
  return { wasm, record, diagnostics: [...diagnostics, ...object.diagnostics] };
}

function load(spec: ObjectSpec, options: CompileOptions): LoadedObject {
  const { producer: _producer, trusted: _trusted, certificates = false, ...rest } = options;
  const programs = spec.programs.map(({ name }) => name);
  // Visits decide, which are the same on every machine.
  const limits = { verifyLimits: { ...DEFAULT_LIMITS, time: MOST_TIME, certificate: certificates } };
  return loadObject(spec, { ...limits, ...rest, host: moduleHost(options.host), engine: 'reference', programs });
}

/** The object with those programs only that go into the module, all of which can be loaded. */
function loadable(
  spec: ObjectSpec,
  options: CompileOptions,
): Pick<CompiledModule, 'diagnostics'> & { spec: ObjectSpec } {
  if (spec.programs.length === 0) return fail(noPrograms({ file: spec.name }));
  const asked = options.programs ?? spec.programs.filter(({ autoload }) => autoload).map(({ name }) => name);
  const targets = spec.maps.flatMap(({ slots }) => slots.filter(({ kind }) => kind === 'program'));
  const wanted = new Set([...asked, ...targets.map(({ target }) => target)]);
  using object = load({ ...spec, programs: spec.programs.filter(({ name }) => wanted.has(name)) }, options);
  const refused = object.programs.flatMap(({ name, diagnostic }) =>
    diagnostic === undefined ? [] : { name, diagnostic },
  );
  const worst =
    refused.find(({ name }) => options.programs?.includes(name)) ??
    (refused.length === object.programs.length ? refused[0] : undefined);
  if (worst !== undefined) throw new AnyBpfError(worst.diagnostic);
  if (object.programs.length === 0) return fail(noPrograms({ file: spec.name }));
  const names = object.programs.filter(({ diagnostic }) => diagnostic === undefined).map(({ name }) => name);
  return {
    spec: { ...object.spec, programs: object.spec.programs.filter(({ name }) => names.includes(name)) },
    diagnostics: refused.map(({ diagnostic }) => diagnostic),
  };
}

/** What entries fill in; `openRecord`: where the address of a record is that a stopped run may have left open. */
interface EntryFacts {
  readonly frame: number;
  readonly fuel: number;
  readonly openRecord?: Address;
}

/** `run_NAME(ctx)` and `batch_NAME(contexts, results, count)`: with stack and budget filled in. */
function addEntries(
  builder: ModuleBuilder,
  name: string,
  { run32, batch }: AddedProgram,
  { frame, fuel, openRecord }: EntryFacts,
): void {
  const begin = (parameters: number): Emitter => {
    const e = new Emitter(parameters);
    if (openRecord === undefined) return e;
    return e.call(builder.routine('discardLeft', NOTHING, () => discardLeft(openRecord)));
  };
  const run = builder.declare({ params: [I32], results: [I32] });
  builder.define(run, begin(1).get(0).i32(0).i32(frame).i32(fuel).call(run32).op('end'));
  builder.export(`run_${name}`, run);
  const many = builder.declare({ params: [I32, I32, I32], results: [] });
  builder.define(many, begin(3).get(0).get(1).get(2).i32(fuel).i32(frame).call(batch).op('end'));
  builder.export(`batch_${name}`, many);
}

const NOTHING: Signature = { params: [], results: [] };

/** Discards the record that a run has left open which was stopped: who calls the exports need not know of it. */
function discardLeft(record: Address): Emitter {
  const e = new Emitter(0);
  const header = e.local(I32);
  e.i32(0).memory('i32.load', record).if(VOID);
  e.i32(0).memory('i32.load', record).i32(RING.DATA).op('i32.sub').tee(header);
  e.get(header).memory('i32.load', RING.LENGTH).i32(RING.LARGEST).op('i32.and').i32(RING.DISCARD).op('i32.or');
  e.memory('i32.store', RING.LENGTH).i32(0).i32(0).memory('i32.store', record).op('end');
  return e.op('end');
}

function importRecord(
  loaded: LoadedProgram,
  { name, row }: ImportedFunction,
  { platform }: LoadedObject,
): ImportRecord {
  const program = loaded.name;
  if (row === undefined) return { program, name };
  const { dialect } = platform;
  const number = (dialect === 'windows' ? row.programNumbers?.[loaded.spec.type] : undefined) ?? row.numbers[dialect];
  return {
    program,
    name,
    ...(number === undefined ? {} : { number }),
    args: row.args,
    returns: row.returns,
    ...(row.intrinsic === undefined ? {} : { intrinsic: true }),
  };
}
