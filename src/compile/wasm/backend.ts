// The compiler as a back end: a program image becomes a WebAssembly module over the run's linear memory.
import type { Backend, CodeOptions, ProgramImage } from '../../spec/backend.ts';
import { loadProgram } from '../load.ts';
import { CompiledCode } from './code.ts';
import { GLOBALS, Machine } from './machine.ts';
import { ModuleBuilder } from './module.ts';
import { addProgram, declareImports, programExports } from './program.ts';

/** Compiles to WebAssembly. Needs no verdict: accesses are confined to the linear memory, pointers and calls are checked. */
export const compilerBackend: Backend = { name: 'compile', load };

function load(image: ProgramImage, options: CodeOptions = {}): CompiledCode {
  const program = loadProgram(image);
  const machine = Machine.of(image.memory);
  const builder = new ModuleBuilder();
  builder.importMemory('env', 'memory');
  builder.importTable('env', 'table');
  for (const name of GLOBALS) builder.importGlobal('env', name);
  const imports = declareImports(builder, 'env', program);
  const { control, stack, table, globals } = machine;
  const added = addProgram(builder, program, imports, { control, stack, trusted: options.trusted === true });
  const module = new WebAssembly.Module(builder.finish());
  const code = new CompiledCode(program, (other) => load(other, options));
  const memory = (image.memory as unknown as { wasm: WebAssembly.Memory }).wasm;
  const env = { memory, table, ...globals, ...code.imports(imports.declared) };
  const { exports } = new WebAssembly.Instance(module, { env });
  code.link(machine, programExports(exports), added.offsets());
  return code;
}
