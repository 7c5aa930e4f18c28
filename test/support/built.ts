// The project as it is built, for tests that start processes of it: made once for all test files of a run, at the first question.
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';
import { PROJECT_ROOT } from './shared.ts';

/** Of one run of vitest, whose process is the parent of those that run test files. */
const folderOf = (runner: number): string => path.join(tmpdir(), `anybpf-built-${runner}`);

/** Milliseconds that a file waits for another that builds. */
const PATIENCE = 120_000;

let folder: string | undefined;

/** The folder with package.json, bin, dist and node_modules. */
export function builtFolder(): string {
  if (folder !== undefined) return folder;
  const made = folderOf(process.ppid);
  const done = path.join(made, 'done');
  try {
    mkdirSync(made);
  } catch {
    waitFor(done);
    folder = made;
    return made;
  }
  for (const name of ['package.json', 'bin'])
    cpSync(path.join(PROJECT_ROOT, name), path.join(made, name), { recursive: true });
  symlinkSync(path.join(PROJECT_ROOT, 'node_modules'), path.join(made, 'node_modules'));
  try {
    const tsc = path.join(PROJECT_ROOT, 'node_modules/.bin/tsc');
    const args = ['-p', 'tsconfig.build.json', '--outDir', path.join(made, 'dist')];
    execFileSync(tsc, args, { cwd: PROJECT_ROOT, stdio: 'ignore' });
  } catch {
    // Errors of types are another test's.
  }
  writeFileSync(done, '');
  folder = made;
  return made;
}

function waitFor(file: string): void {
  const end = Date.now() + PATIENCE;
  const clock = new Int32Array(new SharedArrayBuffer(4));
  while (!existsSync(file)) {
    if (Date.now() > end) throw new Error(`${file} has not come`);
    Atomics.wait(clock, 0, 0, 100);
  }
}

/** A built module: `built('hosts/node/verify-child.js')`. */
export const built = (file: string): URL => pathToFileURL(path.join(builtFolder(), 'dist', file));

/** The command: `spawn(process.execPath, [builtCommand(), ...])`. */
export const builtCommand = (): string => path.join(builtFolder(), 'bin', 'anybpf.mjs');

/** Takes away what a run has built; for vitest's own process. */
export const removeBuilt = (): void => rmSync(folderOf(process.pid), { recursive: true, force: true });
