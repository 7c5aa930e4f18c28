// A pair of interfaces, a context whose programs run on the near end, and what the far end sends.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { createRuntime } from '../../src/context/create.ts';
import type { Diagnostic } from '../../src/base/diagnostic.ts';
import { LiveInterfaces, type LiveOptions } from '../../src/live/interfaces.ts';
import type { Fd } from '../../src/spec/session.ts';
import { requireCapability } from '../support/capability.ts';
import { Pair } from '../support/netns.ts';

/** Why live interfaces cannot be tested here. */
export const missing = (): string | undefined =>
  requireCapability('netns') ??
  requireCapability('clang') ??
  requireCapability('libbpf-dev') ??
  requireCapability('live');

/** Keys of the program's counters. */
export const SEEN = { others: 0, dropped: 1, sentBack: 2, toDevice: 3, aborted: 5, toCpu: 6, replaced: 7 } as const;

const MULTIARCH = `/usr/include/${{ x64: 'x86_64', arm64: 'aarch64' }[process.arch as string] ?? process.arch}-linux-gnu`;
const PEER = path.join(import.meta.dirname, 'peer.py');
let compiled: Uint8Array | undefined;

/** verdicts.bpf.c, compiled. */
export function verdicts(): Uint8Array {
  if (compiled !== undefined) return compiled;
  const folder = mkdtempSync(path.join(tmpdir(), 'anybpf-live-'));
  try {
    const out = path.join(folder, 'verdicts.bpf.o');
    const source = path.join(import.meta.dirname, 'verdicts.bpf.c');
    const { status, stderr } = spawnSync(
      'clang',
      ['-target', 'bpf', '-O2', '-g', `-I${MULTIARCH}`, '-c', source, '-o', out],
      { encoding: 'utf8' },
    );
    if (status !== 0) throw new Error(stderr);
    compiled = new Uint8Array(readFileSync(out));
    return compiled;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export class Bench implements AsyncDisposable {
  readonly session = createRuntime();
  readonly live: LiveInterfaces;
  readonly findings: Diagnostic[] = [];
  readonly #fds = new Map<string, Fd>();

  constructor() {
    this.live = new LiveInterfaces(this.session.context, {
      report: (_, finding) => void this.findings.push(finding),
    });
  }

  async load(): Promise<this> {
    const { programs, maps } = await this.session.call('object.load', { object: verdicts(), name: 'verdicts' });
    for (const { name, fd } of [...programs, ...maps]) this.#fds.set(name, fd);
    return this;
  }

  fd(name: string): Fd {
    const fd = this.#fds.get(name);
    if (fd === undefined) throw new Error(`nothing is called ${name}`);
    return fd;
  }

  /** Attaches a program by a link; gives its handle. */
  async attach(ifindex: number, program = 'verdicts'): Promise<Fd> {
    const { fd } = await this.session.call('link.create', {
      fd: this.fd(program),
      attachType: 'xdp',
      target: { ifindex },
    });
    return fd;
  }

  /** Makes an interface live with a program. */
  async open(device: string, options: LiveOptions) {
    const info = this.live.open(device, options);
    return { info, link: await this.attach(info.ifindex) };
  }

  async seen(what: keyof typeof SEEN): Promise<number> {
    const key = Uint8Array.of(SEEN[what], 0, 0, 0);
    const { value } = await this.session.call('map.lookup', { fd: this.fd('seen'), key });
    return Number(new DataView(value.buffer, value.byteOffset).getBigUint64(0, true));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.live.closeAll();
    this.session.context[Symbol.dispose]();
  }
}

/** Runs peer.py at the far end; gives what it printed. The event loop goes on meanwhile. */
export async function peer({ far: { namespace } }: Pair, ...args: readonly (string | number)[]): Promise<string> {
  const child = namespace?.start('python3', PEER, ...args.map(String));
  if (child === undefined) throw new Error('the far end has no namespace');
  return outputOf(child);
}

export async function outputOf(child: import('node:child_process').ChildProcess): Promise<string> {
  let text = '';
  child.stdout?.on('data', (data: Buffer) => {
    text += data.toString();
  });
  child.stderr?.on('data', (data: Buffer) => {
    text += data.toString();
  });
  await new Promise((resolve) => child.once('close', resolve));
  return text.trim();
}

export { PEER };

/** Waits until something holds. */
export async function until(what: () => boolean | Promise<boolean>, milliseconds = 3000): Promise<void> {
  const end = Date.now() + milliseconds;
  while (!(await what())) {
    if (Date.now() > end) throw new Error('that did not come to hold');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
