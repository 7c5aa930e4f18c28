// `npm run bench [-- NAME ...]`: the benchmarks, one file a claim; each prints one table with its peers in the same run.
// Builds dist/ (what a user runs), and compiles src/ with the kernel binding of the tests into .cache/bench first.
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const root = join(import.meta.dirname, '..');
const CLAIMS = readdirSync(import.meta.dirname)
  .filter((name) => name.endsWith('.mjs') && name !== 'run.mjs' && name !== 'support.mjs')
  .map((name) => name.replace('.mjs', ''));

const asked = process.argv.slice(2);
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
  execFileSync(process.execPath, [join(import.meta.dirname, `${name}.mjs`)], { cwd: root, stdio: 'inherit' });
}
