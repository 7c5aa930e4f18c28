// An object compiled ahead of time, in every runtime: compiled here, loaded by the loader's own text, altered and refused.
import { expect, test } from 'vitest';
import { compileAhead } from '../../src/aot/compile.ts';
import { moduleFiles } from '../../src/aot/files.ts';
import { anybpf } from '../../src/aot/helpers.ts';
import type { LoadOptions, Module } from '../../src/aot/loader/module.ts';
import { readCapture } from '../../src/capture/read.ts';
import { memoryHost } from '../../src/hosts/memory/host.ts';
import { fixture } from './fixture.ts';

const compiled = await compileAhead(await fixture('examples/drop-port/drop_port.bpf.o'), { host: memoryHost() });

/** The loader as the compiler writes it, from an address that holds it: no import of the project reaches it. */
async function load(source: Uint8Array, options?: LoadOptions): Promise<Module> {
  const { '.mjs': loader } = moduleFiles(compiled, 'out.wasm');
  // A module of such an address has no folder, which only a load without a source asks for.
  const address = `data:text/javascript;base64,${btoa(loader.replace('import.meta.url', "'file:///'"))}`;
  const made = (await import(/* @vite-ignore */ address)) as {
    load(source: Uint8Array, options?: LoadOptions): Promise<Module>;
  };
  return made.load(source, options);
}

test.each([{}, { helpers: anybpf({ host: memoryHost() }) }])('verdicts of the committed capture', async (options) => {
  const { programs } = await load(compiled.wasm, options);
  const seen: Record<string, number> = {};
  for (const { data } of readCapture(await fixture('examples/captures/mixed.pcap'))) {
    if (data.length < 14) continue;
    const { verdict = '?' } = programs.drop_port.run(data);
    seen[verdict] = (seen[verdict] ?? 0) + 1;
  }
  expect(seen).toEqual({ XDP_DROP: 46, XDP_PASS: 152 });
});

test('an altered module is refused', async () => {
  const altered = compiled.wasm.slice();
  altered[altered.length >> 1] ^= 1;
  await expect(load(altered)).rejects.toMatchObject({ name: 'AotError', code: 'aot/altered' });
});
