// Ahead of time: an object becomes one WebAssembly module that holds its programs, maps and initial data, with a record of what
// it was made of.
import { fail } from '../base/diagnostic.ts';
import { loadProgram, type LoadedProgram as CheckedProgram } from '../compile/load.ts';
import { Emitter } from '../compile/wasm/emitter.ts';
import { I32 } from '../compile/wasm/encoding.ts';
import { CONTROL, GLOBALS, Machine, WINDOWS_SIZE } from '../compile/wasm/machine.ts';
import { ModuleBuilder } from '../compile/wasm/module.ts';
import { type AddedProgram, addProgram, declareImports, type ImportedFunction } from '../compile/wasm/program.ts';
import { type LoadOptions, loadObject } from '../run/loader.ts';
import type { LoadedObject } from '../run/object.ts';
import type { LoadedProgram } from '../run/program.ts';
import { DEFAULT_BUDGET } from '../run/program.ts';
import type { Host } from '../spec/host.ts';
import type { ObjectSpec } from '../spec/object.ts';
import { noPrograms } from '../base/messages/aot.ts';
import type { ImportRecord, ModuleRecord } from './loader.ts';
import { mapRecord, programRecord } from './describe.ts';
import { sealed } from './record.ts';
import { runsOf } from './snapshot.ts';

const PAGE = 65_536;
const MAX_FUEL = 2 ** 31 - 1;

export interface CompileOptions
  extends Pick<LoadOptions, 'globals' | 'maps' | 'btf' | 'kconfig' | 'ksyms' | 'platform'> {
  /** Whose platform the object is compiled for; nothing else of it goes into the module. */
  readonly host: Host;
  /** Programs to compile, by function or section name; all that load without being asked where absent. */
  readonly programs?: readonly string[];
  /** Verified elsewhere: accesses are not checked beyond the bounds of the memory. */
  readonly trusted?: boolean;
  /** Most instructions of one run. */
  readonly budget?: number;
  /** Most bytes of the module's memory. */
  readonly memoryLimit?: number;
  /** Name and version of who compiles, for the record. */
  readonly producer?: string;
}

export interface CompiledModule {
  readonly wasm: Uint8Array<ArrayBuffer>;
  readonly record: ModuleRecord;
}

/** A program of the object in the module. */
interface Part {
  readonly loaded: LoadedProgram;
  readonly checked: CheckedProgram;
}

/**
 * Compiles an object ahead of time. The same object and options give the same bytes.
 *
 * @throws AnyBpfError aot/no-programs, and what loadObject raises; the first program's own finding where one cannot be loaded
 */
export async function compileAhead(source: Uint8Array | ObjectSpec, options: CompileOptions): Promise<CompiledModule> {
  using object = loadObject(source, { ...options, host: seeded(options.host), engine: 'reference' });
  const { runtime } = object;
  const { memory } = runtime;
  const machine = Machine.of(memory);
  const parts = partsOf(object);
  const { trusted = false, budget = DEFAULT_BUDGET } = options;

  const build = (only?: readonly ReadonlySet<string>[]) => {
    const builder = new ModuleBuilder();
    builder.importMemory('anybpf', 'memory', Math.ceil(memory.u8.length / PAGE), maximumPages(memory.limit));
    for (const name of GLOBALS) builder.export(name, builder.defineGlobal(), 'global');
    builder.defineTable(Math.max(...parts.map(({ loaded }) => loaded.id)) + 1);
    builder.export('table', 0, 'table');
    builder.export('memory', 0, 'memory');
    const imports = parts.map(({ loaded, checked }, i) => declareImports(builder, loaded.name, checked, only?.[i]));
    const added = parts.map(({ loaded, checked }, i) => {
      const { control, stack } = machine;
      const result = addProgram(builder, checked, imports[i], { control, stack, trusted }, `${loaded.name}.`);
      builder.element(loaded.id, result.main);
      addEntries(builder, loaded.name, result, machine.topFrame, Math.min(budget, MAX_FUEL));
      return result;
    });
    for (const { at, bytes } of runsOf(memory.u8, PAGE, memory.u8.length)) builder.data(at, bytes);
    return { bytes: builder.finish(), imports, added };
  };
  // Twice: only the first compilation tells what the code calls of all that it might import.
  const called = build().imports.map((one) => one.called);
  const { bytes, imports, added } = build(called);

  const from = machine.control + CONTROL.WINDOWS;
  const { bytes: wasm, record } = await sealed(bytes, {
    format: 1,
    producer: options.producer ?? 'anybpf',
    object: object.name,
    platform: {
      dialect: object.platform.dialect,
      imports: imports.flatMap(({ declared }, i) => declared.map((one) => importRecord(parts[i].loaded, one, object))),
    },
    options: { trusted, budget, cpus: options.host.services.cpus },
    memory: {
      pages: Math.ceil(memory.u8.length / PAGE),
      maximum: maximumPages(memory.limit),
      top: memory.top,
      control: machine.control,
      windows: [from, from + WINDOWS_SIZE],
      stack: machine.stack,
      regions: memory.regions.map((region) => ({ ...region })),
    },
    programs: parts.map(({ loaded }, i) => programRecord(loaded, added[i].offsets(), object)),
    maps: object.maps.map((map) => mapRecord(map, memory)),
    externs: [],
  });
  return { wasm, record };
}

const maximumPages = (limit: number): number => Math.floor(limit / PAGE);

/** The host with random numbers that are always the same: seeds of hashes are part of the code. */
function seeded(host: Host): Host {
  let state = 0x5eed;
  const random32 = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return (state ^ (state >>> 15)) >>> 0;
  };
  const services = Object.create(host.services, { random32: { value: random32 } }) as Host['services'];
  return { name: host.name, services, platform: (dialect) => host.platform(dialect) };
}

function partsOf(object: LoadedObject): Part[] {
  const parts: Part[] = [];
  for (const loaded of object.programs) {
    const image = object.runtime.program(loaded.id);
    if (image !== undefined) parts.push({ loaded, checked: loadProgram(image) });
  }
  return parts.length > 0 ? parts : fail(noPrograms({ file: object.name }));
}

/** `run_NAME(ctx)` and `batch_NAME(contexts, results, count)`: with stack and budget filled in. */
function addEntries(builder: ModuleBuilder, name: string, { run32, batch }: AddedProgram, frame: number, fuel: number) {
  const run = builder.declare({ params: [I32], results: [I32] });
  builder.define(run, new Emitter(1).get(0).i32(0).i32(frame).i32(fuel).call(run32).op('end'));
  builder.export(`run_${name}`, run);
  const many = builder.declare({ params: [I32, I32, I32], results: [] });
  builder.define(many, new Emitter(3).get(0).get(1).get(2).i32(fuel).i32(frame).call(batch).op('end'));
  builder.export(`batch_${name}`, many);
}

function importRecord(
  loaded: LoadedProgram,
  { name, row }: ImportedFunction,
  { platform }: LoadedObject,
): ImportRecord {
  const program = loaded.name;
  if (row === undefined) return { program, name };
  const number = row.programNumbers?.[loaded.spec.type] ?? row.numbers[platform.dialect];
  return {
    program,
    name,
    ...(number === undefined ? {} : { number }),
    args: row.args,
    returns: row.returns,
    ...(row.intrinsic === undefined ? {} : { intrinsic: true }),
  };
}
