// `npm run bench [-- NAME ... [--node PATH] [options]]`: the benchmarks, one file a claim; each prints one table with its peers in
// the same run. --node: another runtime for them; all other options are the claims' own.
// Builds dist/ (what a user runs), and compiles src/ with the kernel binding of the tests into .cache/bench first.
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const root = join(import.meta.dirname, '..');
const CLAIMS = readdirSync(import.meta.dirname)
  .filter((name) => name.endsWith('.mjs') && name !== 'run.mjs' && name !== 'support.mjs')
  .map((name) => name.replace('.mjs', ''));

const args = process.argv.slice(2);
const nodeAt = args.indexOf('--node');
const [, node = process.execPath] = nodeAt < 0 ? [] : args.splice(nodeAt, 2);
const firstOption = args.findIndex((arg) => arg.startsWith('-'));
const asked = firstOption < 0 ? args : args.slice(0, firstOption);
const options = firstOption < 0 ? [] : args.slice(firstOption);
const unknown = asked.filter((name) => !CLAIMS.includes(name));
if (unknown.length > 0) {
  console.error(`no benchmark called ${unknown.join(', ')}; there are ${CLAIMS.join(', ')}`);
  process.exit(2);
}

execFileSync(process.execPath, ['scripts/build.mjs'], { cwd: root, stdio: 'inherit' });
const typescript = dirname(createRequire(import.meta.url).resolve('typescript/package.json'));
execFileSync(process.execPath, [join(typescript, 'bin', 'tsc'), '-p', 'tsconfig.bench.json'], {
  cwd: root,
  stdio: 'inherit',
});
for (const name of asked.length > 0 ? asked : CLAIMS) {
  execFileSync(node, [join(import.meta.dirname, `${name}.mjs`), ...options], { cwd: root, stdio: 'inherit' });
}
