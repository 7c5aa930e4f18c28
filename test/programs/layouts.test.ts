// Offsets and sizes of the contexts against the C compiler and this system's <linux/bpf.h>.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { FLOW_KEYS } from '../../src/programs/flow-dissector.ts';
import { PROGRAM_TYPE_ROWS } from '../../src/programs/index.ts';
import { readElfSections } from '../../src/elf/read.ts';
import { BPF_SOCK } from '../../src/spec/sockets.ts';
import type { ContextLayout } from '../../src/spec/program.ts';
import { requireCapability } from '../support/capability.ts';

const uapi = [...PROGRAM_TYPE_ROWS.flatMap(({ contexts }) => contexts.linux ?? []), FLOW_KEYS, BPF_SOCK].filter(
  ({ name }) => /^struct (xdp_md|__sk_buff|bpf_(?!nf|raw|perf)|sk_)/.test(name),
);
const layouts = new Map<string, ContextLayout>(
  uapi.map((layout) => [`${layout.name} ${Object.keys(layout.fields).length}`, layout]),
);

const missing = requireCapability('clang');

interface Compiled {
  readonly errors: string;
  readonly words: readonly number[];
}

/** The size of a struct, then offset and size of each field, as the compiler sees them. */
function compile(folder: string, name: string, fields: readonly string[]): Compiled {
  const numbers = fields.map((field) => `__builtin_offsetof(${name}, ${field}), sizeof(((${name} *)0)->${field})`);
  const input = `#include <linux/bpf.h>\nunsigned int words[] = { sizeof(${name}), ${numbers.join(', ')} };\n`;
  const object = path.join(folder, 'layout.o');
  const options = ['-target', 'bpf', '-O2', `-I/usr/include/x86_64-linux-gnu`, '-x', 'c', '-c', '-', '-o', object];
  const { status, stderr } = spawnSync('clang', options, { input, encoding: 'utf8' });
  if (status !== 0) return { errors: stderr, words: [] };
  const data = readElfSections(readFileSync(object)).sections.find((section) => section.name === '.data')?.data;
  if (data === undefined) return { errors: 'no .data section', words: [] };
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  return { errors: '', words: Array.from({ length: data.length / 4 }, (_, i) => view.getUint32(4 * i, true)) };
}

describe.skipIf(missing !== undefined)('layouts of <linux/bpf.h>', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'anybpf-layouts-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  test.each([...layouts.values()].map((layout) => ({ name: layout.name, layout })))('$name', ({ name, layout }) => {
    const all = Object.keys(layout.fields);
    const first = compile(folder, name, all);
    // An older header lacks the newest fields; those cannot be compared, nor the size.
    const lacking = new Set([...first.errors.matchAll(/no member named '(\w+)'/g)].map(([, field]) => field));
    expect(lacking.size).toBeLessThan(2);
    const names = all.filter((field) => !lacking.has(field));
    const { errors, words } = lacking.size > 0 ? compile(folder, name, names) : first;
    expect(errors).toBe('');
    const size = lacking.size > 0 ? words[0] : layout.size;
    // remote_port is a port of two bytes with padding that may be loaded with it.
    const sizeOf = (field: string) =>
      name === 'struct bpf_sk_lookup' && field === 'remote_port' ? 2 : layout.fields[field].size;
    expect(words).toEqual([size, ...names.flatMap((field) => [layout.fields[field].offset, sizeOf(field)])]);
  });
});
