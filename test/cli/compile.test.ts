import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { buildElf } from '../../src/elf/build.ts';
import { inFolder } from '../aot/support.ts';
import { anybpf, example } from './support.ts';

const root = mkdtempSync(path.join(tmpdir(), 'anybpf-'));
afterAll(() => rmSync(root, { recursive: true }));

let folders = 0;
/** A new folder, and the module's path in it. */
function place(): { readonly folder: string; readonly out: string } {
  const folder = path.join(root, String(folders++));
  mkdirSync(folder);
  return { folder, out: path.join(folder, 'out.wasm') };
}

const RUN = `
import { load } from './out.mjs';
const { programs, record } = await load();
const packet = new Uint8Array(64);
packet.set([8, 0, 0x45], 12);
packet.set([17], 23);
packet.set([PORT >> 8, PORT & 255], 36);
console.log(JSON.stringify([Object.keys(programs), programs.drop_port.run(packet).verdict, record.options]));
`;

test('files that run by themselves, and what they are', async () => {
  const { folder, out } = place();
  const { code, out: text, err } = await anybpf(['compile', example('drop-port'), '-o', out]);
  expect([code, err]).toEqual([0, '']);
  expect(text).toMatch(
    /out\.wasm: \d+ bytes, drop_port\n {2}programs with checks of accesses: none, all are verified\n {2}helpers it asks its host for: none\n {2}digest [0-9a-f]{64}\n$/,
  );
  expect(readdirSync(folder).toSorted()).toEqual(['out.d.mts', 'out.d.ts', 'out.mjs', 'out.wasm']);
  const options = { trusted: false, verify: 'prefer', budget: 10_000_000, cpus: 1 };
  expect(inFolder(folder, RUN.replaceAll('PORT', '53'))).toEqual([['drop_port'], 'XDP_DROP', options]);
  expect(inFolder(folder, RUN.replaceAll('PORT', '54'))).toEqual([['drop_port'], 'XDP_PASS', options]);
});

test('options are in the record, which --json prints', async () => {
  const { folder, out } = place();
  const options = ['--trusted', '--budget', '77', '--cpus', '3', '--set', 'port=54', '--json'];
  const { code, out: text } = await anybpf(['compile', example('drop-port'), '-o', out, ...options]);
  const record = JSON.parse(text) as { readonly options: unknown; readonly programs: unknown[] };
  expect([code, record.options]).toEqual([0, { trusted: true, verify: 'prefer', budget: 77, cpus: 3 }]);
  expect(record.programs).toHaveLength(1);
  expect(inFolder(folder, RUN.replaceAll('PORT', '54'))).toMatchObject([['drop_port'], 'XDP_DROP', record.options]);
});

test('a program alone, with those that it goes on with', async () => {
  const { out } = place();
  const { out: text } = await anybpf(['compile', example('tail-parser'), '-o', out, '--program', 'xdp', '--json']);
  const { programs } = JSON.parse(text) as { readonly programs: readonly { readonly name: string }[] };
  expect(programs.length).toBeGreaterThan(1);
});

test('the same again is the same', async () => {
  const [first, second] = [place(), place()];
  await anybpf(['compile', example('counters'), '-o', first.out]);
  await anybpf(['compile', example('counters'), '-o', second.out]);
  for (const name of readdirSync(first.folder)) {
    expect(readFileSync(path.join(first.folder, name))).toEqual(readFileSync(path.join(second.folder, name)));
  }
});

const failing = async (argv: readonly string[]) => {
  const { code, err } = await anybpf(['compile', ...argv]);
  return { code, finding: /\[([a-z]+\/[a-z-]+)\]$/m.exec(err)?.[1] };
};

test('what cannot be is said, and leaves no file', async () => {
  const { folder, out } = place();
  const empty = path.join(root, 'empty.o');
  writeFileSync(
    empty,
    buildElf({ sections: [{ name: 'license', data: Uint8Array.from([71, 80, 76, 0]) }], symbols: [] }),
  );
  const object = example('drop-port');
  expect(await failing([empty, '-o', out])).toEqual({ code: 1, finding: 'aot/no-programs' });
  expect(await failing([object, '-o', out, '--program', 'no_such'])).toEqual({ code: 2, finding: 'cli/program' });
  expect(await failing([object, '-o', path.join(folder, 'out')])).toEqual({ code: 2, finding: 'cli/option' });
  expect(await failing([object, '-o', path.join(folder, '.wasm')])).toEqual({ code: 2, finding: 'cli/option' });
  expect(await failing([object, '-o', path.join(folder, 'none', 'x.wasm')])).toEqual({ code: 1, finding: 'cli/write' });
  expect(await failing([object, '-o', out, '--cpus', '0'])).toEqual({ code: 2, finding: 'cli/usage' });
  expect(await failing([object, '-o', out, '--cpus', '5000'])).toEqual({ code: 1, finding: 'run/option' });
  expect(await failing([object, '-o', out, '--set', 'no_such=1'])).toMatchObject({ code: 2 });
  expect(await failing([object, '-o', out, '--sorry'])).toEqual({ code: 2, finding: 'cli/usage' });
  expect(await failing([object])).toEqual({ code: 2, finding: 'cli/usage' });
  expect(await failing([path.join(root, 'none.o'), '-o', out])).toEqual({ code: 2, finding: 'cli/read' });
  expect(readdirSync(folder)).toEqual([]);
});

test('a file that cannot take its place leaves the module that was there', async () => {
  const { folder, out } = place();
  writeFileSync(out, 'old');
  mkdirSync(path.join(folder, 'out.mjs'));
  expect(await failing([example('drop-port'), '-o', out])).toEqual({ code: 1, finding: 'cli/write' });
  expect(readFileSync(out, 'utf8')).toBe('old');
  expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([]);
});
