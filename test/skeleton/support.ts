// Objects from C source, for tests of skeletons.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

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
