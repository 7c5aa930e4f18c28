// Who answers bpftool's grammar: a context in this process, the service, and the real bpftool on the kernel.
import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import path from 'node:path';
import { connect } from '../../../src/client/connect.ts';
import { ExecutionContext } from '../../../src/context/context.ts';
import { createRuntime } from '../../../src/context/create.ts';
import { memoryHost } from '../../../src/hosts/memory/host.ts';
import { linuxSession } from '../../../src/hosts/linux/session.ts';
import { serve } from '../../../src/service/server.ts';
import { contextCounts } from '../../../src/service/start.ts';
import type { Session } from '../../../src/spec/session.ts';
import { anybpf } from '../support.ts';

export interface Answered {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** One that commands are sent to. `$D` in their words is a folder of pins that belongs to it alone, `$T` one of files. */
export interface Client {
  readonly name: string;
  readonly pins: string;
  readonly files: string;
  /** On the kernel, beside other processes. */
  readonly shared?: true;
  run(words: readonly string[]): Promise<Answered>;
  close(): Promise<void>;
}

const fill = (client: Pick<Client, 'pins' | 'files'>, words: readonly string[]): string[] =>
  words.map((word) => word.replaceAll('$D', client.pins).replaceAll('$T', client.files));

/** As the kernel's: values of per-CPU maps are shown for each. */
const CPUS = cpus().length;

const temporary = (): string => mkdtempSync(path.join(tmpdir(), 'anybpf-bpftool-'));

/** The command over sessions that `open` gives, one for each line. */
export function commandClient(name: string, open: () => Promise<Session>, close: () => Promise<void>): Client {
  const files = temporary();
  const folders = { pins: '/sys/fs/bpf/clients', files };
  return {
    name,
    ...folders,
    run: (words) => anybpf(['bpftool', ...fill(folders, words)], { session: open }),
    close: async () => {
      await close();
      rmSync(files, { recursive: true });
    },
  };
}

/** A context in this process; each line has a session of its own, as each run of the command has. */
export function embeddedClient(): Client {
  const session = createRuntime({ host: memoryHost({ cpus: CPUS }) });
  return commandClient(
    'embedded',
    async () => session.context.session(),
    () => session.close(),
  );
}

/** A service in this process on a context in memory; each line connects to its socket. */
export async function serviceClient(): Promise<Client> {
  const folder = temporary();
  const context = new ExecutionContext({ host: memoryHost({ cpus: CPUS }) });
  const service = await serve({
    socket: path.join(folder, 'service.sock'),
    version: 'test',
    open: () => ({ context: { session: (caller) => context.session(caller), counts: () => contextCounts(context) } }),
  });
  return commandClient(
    'service',
    () => connect({ socket: service.socket }),
    async () => {
      await service.stop();
      context[Symbol.dispose]();
      rmSync(folder, { recursive: true });
    },
  );
}

/** Where Debian keeps asm/*.h, which clang does not search for the target bpf. */
const MULTIARCH = `/usr/include/${{ x64: 'x86_64', arm64: 'aarch64' }[process.arch as string] ?? process.arch}-linux-gnu`;

/** Compiles a program of this folder; undefined where there is no clang that can. */
export function compiled(source: string, folder: string): string | undefined {
  const object = path.join(folder, source.replace('.c', '.o'));
  const file = path.join(import.meta.dirname, source);
  const run = spawnSync('clang', ['-target', 'bpf', '-O2', '-g', `-I${MULTIARCH}`, '-c', file, '-o', object]);
  return run.status === 0 ? object : undefined;
}

const binary = 'bpftool';

/** Why bpftool cannot be compared with here; undefined where it can. */
export function noBpftool(): string | undefined {
  if (process.getuid?.() !== 0) return 'bpftool needs root';
  const found = spawnSync(binary, ['-j', 'map', 'show'], { encoding: 'utf8' });
  if (found.error !== undefined || found.status !== 0) return `no bpftool that works: ${found.stderr ?? found.error}`;
  return undefined;
}

/** What a client on the kernel has for itself: a file system of pins, and a network. */
function kernelPlaces() {
  const files = temporary();
  const pins = path.join(files, 'bpf');
  mkdirSync(pins);
  execFileSync('mount', ['-t', 'bpf', 'bpf', pins]);
  const network = `anybpf-${path.basename(files)}`;
  execFileSync('ip', ['netns', 'add', network]);
  const close = async (): Promise<void> => {
    execFileSync('ip', ['netns', 'delete', network]);
    execFileSync('umount', [pins]);
    rmSync(files, { recursive: true });
  };
  return { folders: { pins, files }, network: `/run/netns/${network}`, close };
}

/** The command with `--host linux`: on the running kernel by our own calls. */
export function linuxClient(): Client {
  const { folders, network, close } = kernelPlaces();
  const open = async (): Promise<Session> => linuxSession({ netns: network });
  return {
    name: 'linux',
    shared: true,
    ...folders,
    run: (words) => anybpf(['bpftool', ...fill(folders, words)], { session: open }),
    close,
  };
}

/** The real one, on the running kernel, with a file system of pins and a network of its own. */
export function kernelClient(): Client {
  const { folders, network, close } = kernelPlaces();
  return {
    name: 'bpftool',
    shared: true,
    ...folders,
    run: async (words) => {
      const inside = [`--net=${network}`, binary, ...fill(folders, words)];
      return new Promise((resolve) => {
        execFile('nsenter', inside, (error, out, err) => {
          resolve({ code: typeof error?.code === 'number' ? error.code : error === null ? 0 : -1, out, err });
        });
      });
    },
    close,
  };
}
