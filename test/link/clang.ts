// Compiles test/link/cases/*.bpf.c with the machine's clang, into a folder that close() removes.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PROJECT_ROOT } from '../support/shared.ts';

const CASES = path.join(PROJECT_ROOT, 'test/link/cases');
/** Where Debian keeps asm/*.h, which clang does not search for the target bpf. */
const MULTIARCH = `/usr/include/${{ x64: 'x86_64', arm64: 'aarch64' }[process.arch as string] ?? process.arch}-linux-gnu`;

export class Compiler {
  /** Removed by close(). */
  readonly folder = mkdtempSync(path.join(tmpdir(), 'anybpf-link-'));

  /** The object file of a case: `target` is `bpfel` or `bpfeb`. */
  compile(name: string, target: 'bpfel' | 'bpfeb' = 'bpfel'): { readonly file: string; readonly bytes: Uint8Array } {
    const file = path.join(this.folder, `${name}.${target}.o`);
    const source = path.join(CASES, `${name}.bpf.c`);
    const args = ['-target', target, '-O2', '-g', '-Wall', `-I${MULTIARCH}`, '-c', source, '-o', file];
    const run = spawnSync('clang', args, { encoding: 'utf8', timeout: 60_000 });
    if (run.status !== 0) throw new Error(`clang: ${run.error?.message ?? run.stderr}`);
    return { file, bytes: readFileSync(file) };
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
