// Makes every generated file again and compares: `--write` keeps the new text (npm run generate), otherwise a difference is a failure.
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { headerFiles } from './headers.mjs';
import { LOADER_TEXT, loaderText } from './loader-text.mjs';
import { supportPage } from './support.mjs';

const root = join(import.meta.dirname, '..');
const write = process.argv.includes('--write');
let failures = 0;

const texts = [
  [join(root, 'SUPPORT.md'), await supportPage(), 'scripts/support.mjs makes of the tables'],
  [LOADER_TEXT, loaderText(), 'scripts/loader-text.mjs makes of src/aot/loader'],
  ...(await headerFiles()).map(([path, text]) => [path, text, 'scripts/headers.mjs makes of the tables']),
];
for (const [path, text, made] of texts) {
  if (write) writeFileSync(path, text);
  else if (readFileSync(path, 'utf8') !== text) {
    failures++;
    console.error(`${relative(root, path)} is not what ${made}: run npm run generate`);
  }
}

// The committed example objects: only where the compiler is.
if (spawnSync('clang', ['--version']).status === 0) {
  try {
    execFileSync(process.execPath, ['scripts/build-examples.mjs', ...(write ? [] : ['--check'])], {
      cwd: root,
      stdio: 'inherit',
    });
  } catch {
    failures++;
  }
} else console.log('examples: not rebuilt, there is no clang');

console.log(`generated files: ${failures === 0 ? 'as committed' : `${failures} differ`}`);
process.exitCode = failures === 0 ? 0 : 1;
