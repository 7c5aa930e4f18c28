// Objects from C source, for tests of skeletons.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PROJECT_ROOT } from '../support/shared.ts';

/** Whether there is a clang that makes eBPF objects. */
export function hasClang(): boolean {
  try {
    execFileSync('clang', ['--target=bpf', '--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** The object of some C, with BTF. */
export function buildObject(source: string): Uint8Array {
  const folder = mkdtempSync(path.join(tmpdir(), 'anybpf-c-'));
  try {
    const c = path.join(folder, 'source.bpf.c');
    writeFileSync(c, source);
    const o = path.join(folder, 'source.bpf.o');
    execFileSync('clang', ['-target', 'bpf', '-O2', '-g', '-c', c, '-o', o], { stdio: ['ignore', 'ignore', 'pipe'] });
    return new Uint8Array(readFileSync(o));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The module of a generated skeleton, run as it is but for where its imports come from. */
export async function importSkeleton(text: string, folder: string, name: string): Promise<Record<string, unknown>> {
  const source = path.join(PROJECT_ROOT, 'src/skeleton');
  const code = text
    .replaceAll("from 'anybpf/skeleton'", `from '${source}/skeleton.ts'`)
    .replaceAll(/from 'anybpf\/skeleton\/([\w-]+)'/g, `from '${source}/$1.ts'`);
  const file = path.join(folder, `${name}.ts`);
  writeFileSync(file, code);
  return (await import(/* @vite-ignore */ file)) as Record<string, unknown>;
}
