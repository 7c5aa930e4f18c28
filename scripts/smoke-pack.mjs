// Packs the package, installs the tarball in an empty folder and does with it what a user would: the command, the library,
// the types. Fails on the first thing that does not work.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createRequire } from 'node:module';

const root = join(import.meta.dirname, '..');
const folder = mkdtempSync(join(tmpdir(), 'anybpf-smoke-'));
const run = (program, args, cwd = folder) =>
  execFileSync(program, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
const expect = (what, condition, seen) => {
  if (!condition) throw new Error(`${what}; saw: ${seen}`);
  console.log(`ok  ${what}`);
};

try {
  const [{ filename, files }] = JSON.parse(
    run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], root),
  );
  expect(
    'the tarball has no test or source file',
    !files.some((f) => /^(test|src|scripts|bench)\//.test(f.path)),
    files.length,
  );
  writeFileSync(join(folder, 'package.json'), '{"name":"smoke","private":true,"type":"module"}');
  run('npm', ['install', '--no-audit', '--no-fund', join(folder, filename)]);
  const version = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version;
  expect('anybpf --version', run('npx', ['anybpf', '--version']).trim() === version, version);

  const installed = join(folder, 'node_modules/anybpf');
  const object = join(installed, 'examples/drop-port/drop_port.bpf.o');
  const capture = join(installed, 'examples/captures/mixed.pcap');
  const replay = JSON.parse(run('npx', ['anybpf', 'run', object, '--pcap', capture, '--json']));
  expect(
    'anybpf run --json replays the example',
    replay.packets > 0 && replay.verdicts !== undefined,
    JSON.stringify(replay).slice(0, 200),
  );
  const wrong = spawnSync('npx', ['anybpf', 'run', capture, '--pcap', capture], { cwd: folder, encoding: 'utf8' });
  expect(
    'a capture is not an object: exit code 2 and one sentence',
    wrong.status === 2 && /^anybpf: .+\n$/.test(wrong.stderr),
    `${wrong.status} ${wrong.stderr}`,
  );

  writeFileSync(
    join(folder, 'use.ts'),
    `import { readFileSync } from 'node:fs';
import { loadObject } from 'anybpf';
import { memoryHost } from 'anybpf/hosts/memory';
using object = loadObject(readFileSync(process.argv[2]!), { host: memoryHost() });
const result = object.programs[0]!.run({ data: new Uint8Array(64) });
console.log(result.retval, result.verdict);
`,
  );
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({
      compilerOptions: {
        module: 'nodenext',
        target: 'es2022',
        lib: ['ESNext', 'DOM'],
        strict: true,
        types: ['node'],
        typeRoots: [join(root, 'node_modules/@types')],
        outDir: 'out',
        rootDir: '.',
      },
      files: ['use.ts'],
    }),
  );
  const typescript = dirname(createRequire(join(root, 'package.json')).resolve('typescript/package.json'));
  run(process.execPath, [join(typescript, 'bin/tsc'), '-p', '.']);
  const used = run(process.execPath, ['out/use.js', object]).trim();
  expect('the library runs a program, typed', /^\d+ \w+$/.test(used), used);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
