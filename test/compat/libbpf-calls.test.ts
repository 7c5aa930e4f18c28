// Some 600 calls of libbpf on this machine's kernel, and the same of ours on a context: equal results, errors above all.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { createRuntime } from '../../src/context/create.ts';
import { LIBBPF_SECTIONS, rulePrefix } from '../../src/link/sections.ts';
import { served } from '../service/support.ts';
import { requireCapability } from '../support/capability.ts';
import { PROJECT_ROOT } from '../support/shared.ts';
import { exampleFile } from './bench.ts';
import { ourCalls } from './libbpf-calls.ts';

/** Where ours differs, with the reason. */
const DIFFERENT: Readonly<Record<string, string>> = {
  'prog-name:32': 'netfilter is younger than libbpf 1.1',
  'error:4006': 'libbpf has no text for LIBBPF_ERRNO__LOAD, and prints a null pointer',
};

const reason = requireCapability('libbpf-dev') ?? requireCapability('kernel-bpf');
const folder = mkdtempSync(path.join(tmpdir(), 'anybpf-compat-'));
const pins = `/sys/fs/bpf/${path.basename(folder)}`;

/** The lines of the C program by label; undefined where it cannot be built or run here. */
function kernelCalls(): Map<string, string> | undefined {
  const tool = path.join(folder, 'libbpf-calls');
  const source = path.join(PROJECT_ROOT, 'test/compat/libbpf-calls.c');
  const built = spawnSync('cc', ['-O1', '-o', tool, source, '-lbpf'], { encoding: 'utf8', timeout: 60_000 });
  if (built.status !== 0) throw new Error(`libbpf-calls.c does not build: ${built.stderr}`);
  mkdirSync(pins);
  const run = spawnSync(tool, [files.dropPort, files.sampler, files.counters, pins], {
    encoding: 'utf8',
    timeout: 60_000,
  });
  if (run.status === 2) {
    console.warn('skipped: no network namespace of its own');
    return undefined;
  }
  expect(run.status).toBe(0);
  const lines = run.stdout.split('\n').filter((line) => line !== '');
  return new Map(
    lines.map((line) => {
      const value =
        /^([a-z-]+:-?\d+) (.*)$/.exec(line) ??
        /^(.*) (-?\d+)$/.exec(line) ??
        /^(map|name|prog section) (.*)$/.exec(line);
      return [value?.[1] ?? line, value?.[2] ?? ''];
    }),
  );
}

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
  rmSync(pins, { recursive: true, force: true });
});

const files = {
  dropPort: exampleFile('dropPort'),
  sampler: exampleFile('sampler'),
  counters: exampleFile('counters'),
  pins,
};

describe('a session by a socket', () => {
  it('gives what the embedded one gives', async () => {
    const runtime = createRuntime();
    const service = await served();
    const session = await service.connect();
    try {
      const names = LIBBPF_SECTIONS.map(rulePrefix);
      expect(await ourCalls(session, files, names)).toEqual(await ourCalls(runtime, files, names));
    } finally {
      await session.close();
      runtime.context[Symbol.dispose]();
    }
  });
});

describe.skipIf(reason !== undefined)('calls of libbpf', () => {
  it('give what they give on the kernel', async () => {
    const kernel = kernelCalls();
    if (kernel === undefined) return;
    const sections = [...kernel.keys()].flatMap((label) => (label.startsWith('type:') ? [label.slice(5)] : []));
    const runtime = createRuntime();
    try {
      const ours = await ourCalls(runtime, files, sections);
      const wrong = [...kernel].flatMap(([label, value]) =>
        ours.get(label) === value || Object.hasOwn(DIFFERENT, label)
          ? []
          : [`${label}: ${ours.get(label)}, not ${value}`],
      );
      expect(kernel.size).toBeGreaterThan(550);
      expect(wrong).toEqual([]);
      const stale = Object.keys(DIFFERENT).filter((label) => ours.get(label) === kernel.get(label));
      expect(stale).toEqual([]);
    } finally {
      runtime.context[Symbol.dispose]();
    }
  });
});
