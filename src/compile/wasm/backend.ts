// The compiler as a back end: a program image becomes a WebAssembly module over the run's linear memory.
import type { Backend, Code, CodeOptions, ProgramImage } from '../../spec/backend.ts';
import type { Address } from '../../spec/memory.ts';
import { loadProgram } from '../load.ts';
import { CompiledCode, fuelOf } from './code.ts';
import { ENTRY, GLOBALS, Machine } from './machine.ts';
import { HostedModule } from './host-table.ts';
import { addProgram, checksOf, declareImports, programExports } from './program.ts';

/** Index of the table with the host's functions; that of the programs is the first. */
const HOST_TABLE = 1;

/**
 * Compiles to WebAssembly. Needs no verdict: accesses are confined to the linear memory, pointers and calls are checked. What was
 * proven of a program (ProgramImage.proof) is not checked again.
 */
export const compilerBackend: Backend = { name: 'compile', load };

function load(image: ProgramImage, options: CodeOptions = {}): CompiledCode {
  const program = loadProgram(image);
  const machine = Machine.of(image.memory);
  const builder = new HostedModule(machine.host, HOST_TABLE);
  if (image.memory.shared) builder.importSharedMemory('env', 'memory');
  else builder.importMemory('env', 'memory');
  builder.importTable('env', 'table');
  builder.importTable('env', 'host');
  for (const name of GLOBALS) builder.importGlobal('env', name);
  const code = new CompiledCode(image, loaderFor(options));
  const trusted = options.trusted === true;
  const proof = trusted ? undefined : image.proof?.('now');
  // Only for code that needs no windows: nobody looks after those of runs that the host does not begin.
  const alone = !checksOf(program, trusted, proof).windows;
  const at = alone && image.budget !== undefined ? image.memory.alloc(ENTRY.SIZE) : undefined;
  try {
    const imports = declareImports(builder, 'env', program);
    const { control, stack, topFrame, table, globals } = machine;
    const added = addProgram(builder, program, imports, {
      control,
      stack,
      trusted,
      proof,
      ...(at === undefined ? {} : { enter: { at, base: topFrame, fuel: fuelOf(image.budget ?? 0) } }),
    });
    const module = new WebAssembly.Module(builder.finish());
    const called = imports.declared.filter(({ name }) => imports.called.has(name));
    builder.connect(code.imports(called));
    const memory = (image.memory as unknown as { wasm: WebAssembly.Memory }).wasm;
    const env = { memory, table, host: machine.host.table, ...globals };
    const { exports } = new WebAssembly.Instance(module, { env });
    code.link(machine, programExports(exports), added.offsets(), at, disconnecter(machine, builder.places, at));
    return code;
  } catch (error) {
    disconnecter(machine, builder.places, at)();
    throw error;
  }
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
