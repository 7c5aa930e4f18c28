// Makes every generated file again and compares: `--write` keeps the new text (npm run generate), otherwise a difference is a failure.
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { supportPage } from './support.mjs';

const root = join(import.meta.dirname, '..');
const write = process.argv.includes('--write');
let failures = 0;

const page = await supportPage();
const path = join(root, 'SUPPORT.md');
if (write) writeFileSync(path, page);
else if (readFileSync(path, 'utf8') !== page) {
  failures++;
  console.error('SUPPORT.md is not what scripts/support.mjs makes of the tables: run npm run generate');
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
