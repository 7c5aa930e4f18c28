// The compiler as a back end: a program image becomes a WebAssembly module over the run's linear memory.
import type { Backend, Code, CodeOptions, ProgramImage } from '../../spec/backend.ts';
import type { Address } from '../../spec/memory.ts';
import { forgetProgram, loadProgram } from '../load.ts';
import { CompiledCode, fuelOf } from './code.ts';
import { ENTRY, GLOBALS, Machine } from './machine.ts';
import { HostedModule } from './host-table.ts';
import { addProgram, checksOf, declareImports, mayGoOn, programExports } from './program.ts';

/**
 * Compiles to WebAssembly. Needs no verdict: accesses are confined to the linear memory, pointers and calls are checked. What was
 * proven of a program (ProgramImage.proof) is not checked again.
 */
export const compilerBackend: Backend = { name: 'compile', load, emit };

/** A program's module before it is instantiated. What it takes of the machine, `release` gives back. */
function build(image: ProgramImage, { trusted = false }: CodeOptions) {
  const program = loadProgram(image);
  const machine = Machine.of(image.memory);
  // Each instance gets a copy of each table that it imports (V8 of Node 20), so that only those are imported which are needed: that
  // of the programs is the first, as the code has it, and the host's comes last.
  const goesOn = mayGoOn(program);
  const builder = new HostedModule(machine.host, goesOn ? 1 : 0);
  if (image.memory.shared) builder.importSharedMemory('env', 'memory');
  else builder.importMemory('env', 'memory');
  if (goesOn) builder.importTable('env', 'table');
  for (const name of GLOBALS) builder.importGlobal('env', name);
  const proof = trusted ? undefined : image.proof?.('now');
  // Only for code that needs no windows: nobody looks after those of runs that the host does not begin.
  const alone = !checksOf(program, trusted, proof).windows;
  const at = alone && image.budget !== undefined ? image.memory.alloc(ENTRY.SIZE) : undefined;
  try {
    const imports = declareImports(builder, 'env', program);
    const { control, stack, topFrame } = machine;
    const added = addProgram(builder, program, imports, {
      control,
      stack,
      trusted,
      proof,
      ...(at === undefined ? {} : { enter: { at, base: topFrame, fuel: fuelOf(image.budget ?? 0) } }),
    });
    if (builder.places.length > 0) builder.importTable('env', 'host');
    const called = imports.declared.filter(({ name }) => imports.called.has(name));
    const bytes = builder.finish();
    const release = disconnecter(machine, builder.places, at);
    return { machine, builder, bytes, called, offsets: () => added.offsets(), at, release };
  } catch (error) {
    disconnecter(machine, builder.places, at)();
    throw error;
  } finally {
    forgetProgram(image);
  }
}

function load(image: ProgramImage, options: CodeOptions = {}): CompiledCode {
  const { machine, builder, bytes, called, offsets, at, release } = build(image, options);
  const code = new CompiledCode(image, loaderFor(options), bytes.length);
  try {
    const module = new WebAssembly.Module(bytes);
    builder.connect(code.imports(called));
    const memory = (image.memory as unknown as { wasm: WebAssembly.Memory }).wasm;
    const env = { memory, table: machine.table, host: machine.host.table, ...machine.globals };
    const { exports } = new WebAssembly.Instance(module, { env });
    code.link(machine, programExports(exports), offsets(), at, release);
    return code;
  } catch (error) {
    release();
    throw error;
  }
}

/** Made again each time: nobody keeps the bytes of modules that run. */
function emit(image: ProgramImage, options: CodeOptions = {}): Uint8Array {
  const { bytes, release } = build(image, options);
  release();
  return bytes;
}

// Made outside of `load`: a closure made there would keep all that compiling leaves behind for as long as the code lives.

const loaderFor =
  (options: CodeOptions) =>
  (image: ProgramImage): Code =>
    options.codeOf?.(image) ?? (image.code ??= load(image, options));

const disconnecter =
  ({ host, memory }: Machine, places: readonly number[], at: Address | undefined) =>
  (): void => {
    host.release(places);
    if (at !== undefined) memory.free(at);
  };
