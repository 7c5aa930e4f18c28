// libbpf's calls (compat/libbpf) on a session with the kernel, beside those on a context in memory, which are compared with the real
// library elsewhere.
import { mkdirSync } from 'node:fs';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createRuntime } from '../../src/context/create.ts';
import { LIBBPF_SECTIONS, rulePrefix } from '../../src/link/sections.ts';
import { exampleFile } from '../compat/bench.ts';
import { ourCalls } from '../compat/libbpf-calls.ts';
import { requireCapability } from '../support/capability.ts';
import { Namespace } from '../support/netns.ts';
import { ownBpffs, ownSession } from './support.ts';

const missing = requireCapability('kernel-bpf') ?? requireCapability('netns');

describe.skipIf(missing !== undefined)('libbpf on the kernel', () => {
  test('gives what it gives on a context', async () => {
    const bpffs = ownBpffs();
    const network = new Namespace();
    onTestFinished(() => network[Symbol.dispose]());
    const session = ownSession({ netns: network.path, bpffs });
    const runtime = createRuntime();
    onTestFinished(() => runtime.context[Symbol.dispose]());
    mkdirSync(`${bpffs}/calls`);
    const files = {
      dropPort: exampleFile('dropPort'),
      sampler: exampleFile('sampler'),
      counters: exampleFile('counters'),
      pins: '/sys/fs/bpf/calls',
    };
    const names = LIBBPF_SECTIONS.map(rulePrefix);
    const expected = await ourCalls(runtime, files, names);
    const found = await ourCalls(session, files, names);
    expect(found.size).toBe(expected.size);
    const wrong = [...expected].flatMap(([label, value]) =>
      found.get(label) === value ? [] : [`${label}: ${found.get(label)}, not ${value}`],
    );
    expect(wrong).toEqual([]);
  });
});
