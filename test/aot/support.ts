// Objects compiled ahead of time, for tests: in this process, and from a folder without AnyBPF in a process of its own.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CompileOptions, compileAhead, type CompiledModule } from '../../src/aot/compile.ts';
import { moduleFiles } from '../../src/aot/files.ts';
import { type LoadOptions, loadModule, type Module } from '../../src/aot/loader/module.ts';
import { memoryHost } from '../../src/hosts/memory/host.ts';
import type { ObjectSpec } from '../../src/spec/object.ts';

export const example = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(join(import.meta.dirname, '../../examples', name)));

/** UDP and TCP packets to several ports, some of them cut short. */
export const PACKETS = Array.from({ length: 64 }, (_, n) => {
  const packet = new Uint8Array(n % 9 === 8 ? 20 : 64 + n);
  packet.set([8, 0, 0x45], 12);
  if (packet.length < 40) return packet;
  const header = [n % 2 === 0 ? 17 : 6, 0, 0, 10, 0, n % 5, 1, 10, 0, 0, 2, 0x30, 0x39, 0, 50 + (n % 6)];
  packet.set(header, 23);
  return packet;
});

const BENCH = join(import.meta.dirname, '../../bench/programs');
const inputs = (await import(join(BENCH, 'inputs.mjs'))) as {
  readonly PROGRAMS: Readonly<Record<string, BenchInput>>;
};

interface BenchInput {
  readonly packets: readonly Uint8Array[];
  readonly maps?: Readonly<Record<string, readonly (readonly [Uint8Array, Uint8Array])[]>>;
}

/** A program of the bench, compiled by clang, with its packets and maps; undefined where there is no clang for bpf. */
export function benchProgram(name: string): (BenchInput & { readonly source: Uint8Array }) | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'aot-bench-'));
  try {
    const output = join(folder, 'out.o');
    const args = ['-target', 'bpf', '-mcpu=v3', '-O2', '-g', '-c', '-o', output, join(BENCH, `${name}.bpf.c`)];
    if (spawnSync('clang', args).status !== 0) return undefined;
    const { packets, maps } = inputs.PROGRAMS[name];
    return { source: new Uint8Array(readFileSync(output)), packets, ...(maps === undefined ? {} : { maps }) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export const compiled = (
  source: Uint8Array | ObjectSpec,
  options: Omit<CompileOptions, 'host'> = {},
): Promise<CompiledModule> => compileAhead(source, { host: memoryHost(), ...options });

export const loaded = ({ wasm, record }: CompiledModule, options?: LoadOptions): Promise<Module> =>
  loadModule({ file: 'out.wasm', digest: record.digest ?? '', url: 'file:///nowhere/out.mjs' }, wasm, options);

/** A folder outside of the project with a module's files; gone when disposed of. */
export function bareFolder(module: CompiledModule): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), 'aot-'));
  writeFileSync(join(path, 'out.wasm'), module.wasm);
  for (const [ending, text] of Object.entries(moduleFiles(module, 'out.wasm'))) {
    writeFileSync(join(path, `out${ending}`), text);
  }
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
