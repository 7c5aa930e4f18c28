// A bpffs of a test's own, and sessions with the kernel that have their pins there.
import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import { mounts } from '../../src/hosts/linux/mounts.ts';
import { type LinuxOptions, type LinuxSession, linuxSession } from '../../src/hosts/linux/session.ts';
import { linkObject } from '../../src/link/link.ts';
import { errnoName } from '../../src/spec/errno.ts';

/** Mounts a bpffs for the test, and takes it away after it. */
export function ownBpffs(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'anybpf-linux-'));
  const mount = path.join(folder, 'bpf');
  mkdirSync(mount);
  execFileSync('mount', ['-t', 'bpf', 'bpf', mount]);
  onTestFinished(() => {
    execFileSync('umount', [mount]);
    rmSync(folder, { recursive: true });
  });
  return mount;
}

/** A session that ends with the test. */
export function ownSession(options: LinuxOptions = {}): LinuxSession {
  const session = linuxSession(options);
  onTestFinished(() => session.close());
  return session;
}

/** Where Debian keeps asm/*.h, which clang does not search for the target bpf. */
const MULTIARCH = `/usr/include/${{ x64: 'x86_64', arm64: 'aarch64' }[process.arch as string] ?? process.arch}-linux-gnu`;

/** A program of this folder, compiled. */
export function compiled(source: string): Uint8Array {
  const folder = mkdtempSync(path.join(tmpdir(), 'anybpf-linux-'));
  try {
    const object = path.join(folder, 'out.o');
    const file = path.join(import.meta.dirname, source);
    execFileSync('clang', ['-target', 'bpf', '-O2', '-g', `-I${MULTIARCH}`, '-c', file, '-o', object]);
    return new Uint8Array(readFileSync(object));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Changes that set constants of an object: the whole value of its .rodata. */
export function constants(object: Uint8Array, name: string, values: Readonly<Record<string, number>>) {
  const spec = linkObject(object, { name });
  const map = spec.maps.find(({ section }) => section === '.rodata');
  const { btf } = spec;
  if (map?.data === undefined || map.valueTypeId === undefined || btf === undefined) throw new Error('no .rodata');
  const section = btf.type(map.valueTypeId);
  if (section.kind !== 'datasec') throw new Error('no DATASEC');
  const data = map.data.slice();
  const view = new DataView(data.buffer);
  for (const { type, offset } of section.vars) {
    const value = values[btf.nameOf(type)];
    if (value !== undefined) view.setUint32(offset, value, true);
  }
  return { [map.name]: { data } };
}

export interface OwnCgroup {
  /** Below the root. */
  readonly path: string;
  /** Runs a command in it to its end; what it printed. */
  run(...command: readonly string[]): string;
  /** As `run`, while this process goes on. */
  start(...command: readonly string[]): Promise<string>;
}

/** A control group of a test's own; it goes with the test. */
export function ownCgroup(): OwnCgroup {
  const [root] = mounts('cgroup2');
  const name = `anybpf-${process.pid}-${made++}`;
  const folder = path.join(root.path, name);
  mkdirSync(folder);
  onTestFinished(() => rmdirSync(folder));
  const enter = ['-c', `echo $$ > ${folder}/cgroup.procs && exec "$@"`, 'sh'];
  const options = { encoding: 'utf8', timeout: 30_000 } as const;
  return {
    path: `/${name}`,
    run: (...command) => {
      const done = spawnSync('sh', [...enter, ...command], options);
      return `${done.stdout}${done.stderr}`;
    },
    start: (...command) =>
      new Promise((done) => {
        execFile('sh', [...enter, ...command], options, (_, out, error) => done(out + error));
      }),
  };
}
let made = 0;

/** What an operation gives, or the name of its errno. */
export async function outcome<T>(operation: Promise<T>): Promise<T | string> {
  try {
    return await operation;
  } catch (error) {
    if (!(error instanceof AnyBpfError)) throw error;
    return errnoName(-(error.diagnostic.errno ?? 0));
  }
}
