// Objects compiled ahead of time, for tests: in this process, and from a folder without AnyBPF in a process of its own.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CompileOptions, compileAhead, type CompiledModule } from '../../src/aot/compile.ts';
import { moduleFiles } from '../../src/aot/files.ts';
import { type AotModule, type LoadOptions, loadModule } from '../../src/aot/loader.ts';
import { memoryHost } from '../../src/hosts/memory/host.ts';
import type { ObjectSpec } from '../../src/spec/object.ts';

export const example = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(join(import.meta.dirname, '../../examples', name)));

export const compiled = (
  source: Uint8Array | ObjectSpec,
  options: Omit<CompileOptions, 'host'> = {},
): Promise<CompiledModule> => compileAhead(source, { host: memoryHost(), ...options });

export const loaded = ({ wasm, record }: CompiledModule, options?: LoadOptions): Promise<AotModule> =>
  loadModule({ file: 'out.wasm', digest: record.digest ?? '', url: 'file:///nowhere/out.mjs' }, wasm, options);

/** A folder outside of the project with a module's files; gone when disposed of. */
export function bareFolder(module: CompiledModule): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), 'aot-'));
  const { wasm, loader, types } = moduleFiles(module, 'out.wasm');
  writeFileSync(join(path, 'out.wasm'), wasm);
  writeFileSync(join(path, 'out.mjs'), loader);
  writeFileSync(join(path, 'out.d.ts'), types);
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** What a script prints as JSON that runs in such a folder, in a process that knows nothing of the project. */
export function inFolder(
  path: string,
  script: string,
  program = process.execPath,
  args: readonly string[] = [],
): unknown {
  writeFileSync(join(path, 'script.mjs'), script);
  const output = execFileSync(program, [...args, join(path, 'script.mjs')], { cwd: path, encoding: 'utf8', env: {} });
  return JSON.parse(output);
}
