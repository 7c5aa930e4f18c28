// Runs the command in this process, with streams that are kept.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'vitest';
import type { Io } from '../../src/cli/io.ts';
import { main } from '../../src/cli/main.ts';
import { PROJECT_ROOT } from '../support/shared.ts';

export interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly bytes: Uint8Array;
  readonly err: string;
}

export interface Setting {
  readonly stdin?: Uint8Array;
  /** Both streams are terminals of this width. */
  readonly columns?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** What the clock reads, call by call; it stays at the last. A run reads it twice before and once after. */
  readonly times?: readonly number[];
  /** Who answers verbs that speak to a context. */
  readonly session?: Io['session'];
}

export async function anybpf(argv: readonly string[], setting: Setting = {}): Promise<Outcome> {
  const out: Uint8Array[] = [];
  const err: Uint8Array[] = [];
  const sink = (into: Uint8Array[]) => ({
    write: (chunk: string | Uint8Array) => into.push(typeof chunk === 'string' ? Buffer.from(chunk) : chunk),
    isTTY: setting.columns !== undefined,
    columns: setting.columns,
  });
  const times = [...(setting.times ?? [0, 0, 1000])];
  const io: Io = {
    stdout: sink(out),
    stderr: sink(err),
    stdin: (async function* () {
      if (setting.stdin !== undefined) yield setting.stdin;
    })(),
    env: setting.env ?? {},
    now: () => (times.length > 1 ? (times.shift() as number) : times[0]),
    ...(setting.session === undefined ? {} : { session: setting.session }),
  };
  const code = await main(argv, io);
  const bytes = Buffer.concat(out);
  return { code, out: bytes.toString('utf8'), bytes, err: Buffer.concat(err).toString('utf8') };
}

/** The example object of this folder, by a path relative to the project: messages and listings show it. */
export const example = (folder: string): string => `examples/${folder}/${folder.replace('-', '_')}.bpf.o`;
export const CAPTURE = 'examples/captures/mixed.pcap';
export const FOLDERS = ['drop-port', 'counters', 'sampler', 'tail-parser', 'lpm-block'] as const;

/** Compares with test/cli/golden/NAME; with UPDATE_GOLDEN=1 in the environment writes it instead. */
export function expectGolden(name: string, text: string): void {
  const file = path.join(PROJECT_ROOT, 'test', 'cli', 'golden', name);
  if (process.env.UPDATE_GOLDEN === '1') {
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, text);
    return;
  }
  if (!existsSync(file)) throw new Error(`${file} is missing: run with UPDATE_GOLDEN=1`);
  expect(text).toBe(readFileSync(file, 'utf8'));
}
