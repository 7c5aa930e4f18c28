// One class of socket events refused after the other, on the same Node program: registered, and in a control group with the same object in the
// kernel. What the program sees, and how often each class was asked about, is the same.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { linuxSession } from '../../src/hosts/linux/session.ts';
import { superviseByCgroup } from '../../src/sockets/cgroup.ts';
import { attachPolicy, type PolicyEntry } from '../../src/sockets/policy.ts';
import type { Fd, Session } from '../../src/spec/session.ts';
import { u32 } from '../context/support.ts';
import { served } from '../service/support.ts';
import { built } from '../support/built.ts';
import { requireCapability } from '../support/capability.ts';

const at = (path: string): string => fileURLToPath(new URL(`../sockets/${path}`, import.meta.url));
const OBJECT = new Uint8Array(readFileSync(at('programs/socket_classes.linux.bpf.o')));
const NAME = 'socket_classes.linux.bpf.o';

/** The example's classes, by number; those of one host's own are left out. */
const CLASSES = { bind: 0, bound: 1, connect: 4, send: 6, connected: 8, accepted: 9 } as const;
type Class = keyof typeof CLASSES;

/** Ports that the tests of this process have for themselves. */
const PORT = 33_000 + (process.pid % 2000) * 2;
const DEEDS = [at('apps/sockets.mjs'), 'pair,tls,datagram', String(PORT), String(PORT)];

/** What the program prints where a class is refused. */
const OUTCOMES: Readonly<Record<string, string>> = {
  nothing: 'pair: welcome, tls: reached, datagram: hello',
  bind: 'pair: EPERM, tls: EPERM, datagram: EPERM',
  bound: 'pair: EPERM, tls: EPERM, datagram: EPERM',
  connect: 'pair: EPERM, tls: EPERM, datagram: hello',
  send: 'pair: welcome, tls: reached, datagram: EPERM',
};

interface Run {
  readonly output: string;
  readonly seen: Readonly<Record<string, number>>;
}

async function seenOf(session: Session, maps: ReadonlyMap<string, Fd>): Promise<Run['seen']> {
  const fd = maps.get('seen') ?? -1;
  const counts = Object.entries(CLASSES).map(async ([name, key]) => {
    const { value } = await session.call('map.lookup', { fd, key: u32(key) });
    return [name, Number(new DataView(value.buffer, value.byteOffset).getBigUint64(0, true))] as const;
  });
  return Object.fromEntries(await Promise.all(counts));
}

const joined = (output: string): string => output.trim().split('\n').join(', ');

async function registered(entries: readonly PolicyEntry[]): Promise<Run> {
  const { socket, connect } = await served();
  const session = await connect();
  const { maps } = await attachPolicy(session, NAME, OBJECT, entries);
  const args = ['--no-warnings', `--import=${built('sockets/register.js').href}`, ...DEEDS];
  const output = await new Promise<string>((resolve) => {
    execFile(process.execPath, args, { env: { ...process.env, ANYBPF_SOCKET: socket } }, (_error, stdout, stderr) =>
      resolve(stdout + stderr),
    );
  });
  return { output: joined(output), seen: await seenOf(session, maps) };
}

async function inKernel(entries: readonly PolicyEntry[]): Promise<Run> {
  const session = linuxSession();
  try {
    const command = { command: process.execPath, args: ['--no-warnings', ...DEEDS], stdio: 'pipe' } as const;
    const { child, ended, attached } = await superviseByCgroup({
      session,
      name: NAME,
      object: OBJECT,
      entries,
      ...command,
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (data) => (output += String(data)));
    const closed = new Promise((resolve) => child.once('close', resolve));
    await Promise.all([ended, closed]);
    return { output: joined(output), seen: await seenOf(session, attached.maps) };
  } finally {
    await session.close();
  }
}

const missing = requireCapability('cgroup-bpf');

describe.skipIf(missing !== undefined)('classes of socket events', () => {
  test.each(Object.keys(OUTCOMES))('%s is refused', async (refused) => {
    const entries =
      refused === 'nothing' ? [] : [{ map: 'refused', key: u32(CLASSES[refused as Class]), value: Uint8Array.of(1) }];
    const kernel = await inKernel(entries);
    const engine = await registered(entries);
    expect(kernel.output).toBe(OUTCOMES[refused]);
    expect(engine).toEqual(kernel);
  });
});
