// The cases of eBPF for Windows' own bpftool tests (tests/bpftool_tests), with programs of the same behaviour: their literal text.
// Objects of the scenarios are test/windows' own; a device is named as this machine names it.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRuntime } from '../../../src/context/create.ts';
import { memoryHost } from '../../../src/hosts/memory/host.ts';
import { anybpf, expectGolden } from '../support.ts';

const PROGRAMS = 'test/windows/programs';

/** Lines of each case; `$P` is the id of the only program. What netsh is asked there is asked here. */
const CASES: Readonly<Record<string, readonly string[]>> = {
  help: ['bpftool help'],
  'prog-help': ['bpftool prog help'],
  'prog-load-map_in_map': [
    'bpftool prog show',
    `bpftool --legacy prog load ${PROGRAMS}/map_in_map_btf.bpf.o map_in_map type xdp`,
    'bpftool prog show',
    'bpftool prog pin id $P pin2',
    'netsh ebpf show pins',
    'netsh ebpf delete prog $P',
    'bpftool prog show',
  ],
  'prog-attach-by-interface-alias': [
    `bpftool --legacy prog load ${PROGRAMS}/droppacket.bpf.o droppacket`,
    'bpftool prog show',
    'bpftool net attach xdp id $P dev lo',
    'netsh ebpf delete prog $P',
    'bpftool prog show',
  ],
  'map-create': [
    'bpftool map create FileName type array key 4 value 4 entries 2 name Name',
    'bpftool map show',
    'bpftool map dump id 1',
  ],
  'map-show-pinned': [
    String.raw`bpftool map create \\test_map type hash key 4 value 4 entries 10 name testing`,
    'bpftool map show name testing',
    String.raw`bpftool map show pinned \\test_map`,
  ],
  'prog-show-id-1': ['bpftool prog show id 1'],
  'prog-run': [
    `bpftool --legacy prog load ${PROGRAMS}/droppacket.bpf.o droppacket`,
    'bpftool prog show',
    'bpftool prog run id $P data_in $T/data_in.txt data_out $T/data_out.txt repeat 100000',
    'netsh ebpf delete prog $P',
    'bpftool prog show',
  ],
};

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'anybpf-windows-'));
  writeFileSync(path.join(folder, 'data_in.txt'), 'a'.repeat(1000));
});
afterAll(() => rmSync(folder, { recursive: true }));

const streams = ({ out, err }: { readonly out: string; readonly err: string }): string => out + err;

/** Runs the lines on one context, as they would be typed, and gives what a terminal would show. */
async function transcript(lines: readonly string[]): Promise<string> {
  using runtime = createRuntime({ pinForm: 'windows', host: memoryHost() }).context;
  const setting = { session: async () => runtime.session() };
  const watcher = runtime.session();
  /** The id of the only program. */
  const program = async (): Promise<string> => `${(await watcher.call('object.nextId', { kind: 'prog', id: 0 })).id}`;
  let shown = '';
  for (const line of lines) {
    const words = line
      .replaceAll('$P', line.includes('$P') ? await program() : '')
      .replaceAll('$T', folder)
      .split(' ');
    const argv = words[0] === 'bpftool' ? ['bpftool', '--dialect', 'windows', ...words.slice(1)] : words;
    const outcome = await anybpf(argv, setting);
    const text = streams(outcome).replace(/(average\)): \d+ns/, '$1: 222ns');
    shown += `> ${line}\n${text}${outcome.code === 0 ? '' : `exit code ${outcome.code}\n`}`;
  }
  return shown;
}

describe("eBPF for Windows' cases of bpftool", () => {
  it.each(Object.entries(CASES))('%s', async (name, lines) => {
    const text = await transcript(lines);
    expect(text).not.toBe('');
    expectGolden(`bpftool-windows/${name}.txt`, text);
  });
});
