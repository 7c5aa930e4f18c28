import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { utf8 } from '../../src/base/bytes.ts';
import { linkObject } from '../../src/link/link.ts';
import { anybpf } from './support.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'anybpf-'));
afterAll(() => rmSync(folder, { recursive: true }));

const SOURCE = utf8('r1 = 5\ncall bpf_get_prandom_u32\nif r0 == 0 goto end\nr0 = 2\nend:\nexit\n');
const CODE = 'b70100000500000085000000070000001500010000000000b7000000020000009500000000000000';

test('digits, one slot a line', async () => {
  const { code, out } = await anybpf(['asm', '-'], { stdin: SOURCE });
  expect(code).toBe(0);
  expect(out.split('\n')[1]).toBe('85 00 00 00 07 00 00 00');
  expect(out.replace(/\s/g, '')).toBe(CODE);
});

test('bytes', async () => {
  expect(Buffer.from((await anybpf(['asm', '-', '--raw'], { stdin: SOURCE })).bytes).toString('hex')).toBe(CODE);
});

test('JSON', async () => {
  const { out } = await anybpf(['asm', '-', '--json'], { stdin: SOURCE });
  expect(JSON.parse(out)).toEqual({ code: CODE, labels: { end: 4 }, maps: [], lines: [1, 2, 3, 4, 6] });
});

test('an object that links, and that disasm prints back', async () => {
  const file = path.join(folder, 'out.o');
  const options = ['--section', 'tc', '--name', 'decide', '--license', 'GPL'];
  expect(await anybpf(['asm', '-', '-o', file, ...options], { stdin: SOURCE })).toMatchObject({ code: 0, out: '' });
  const spec = linkObject(readFileSync(file));
  expect(spec.license).toBe('GPL');
  expect(spec.programs).toMatchObject([{ name: 'decide', section: 'tc', type: 'sched_cls' }]);
  const listing = await anybpf(['disasm', file]);
  const again = await anybpf(['asm', '-'], { stdin: utf8(listing.out) });
  expect(again.out.replace(/\s/g, '')).toBe(CODE);
});

test('maps have no definition in text: no object is made', async () => {
  const stdin = utf8('r1 = map[m] ll\nr0 = 0\nexit\n');
  const { code, err } = await anybpf(['asm', '-', '-o', path.join(folder, 'maps.o')], { stdin });
  expect(code).toBe(2);
  expect(err).toContain('names the maps m');
});
