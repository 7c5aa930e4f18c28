import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { utf8 } from '../../src/base/bytes.ts';
import { anybpf } from './support.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'anybpf-'));
afterAll(() => rmSync(folder, { recursive: true }));

function vector(name: string, result: string): string {
  const file = path.join(folder, name);
  writeFileSync(file, `-- asm\nmov %r0, 7\nexit\n-- result\n${result}\n`);
  return file;
}

test('vectors: failures with their reason, then the count', async () => {
  const files = [vector('good.data', '0x7'), vector('bad.data', '0x8')];
  expect(await anybpf(['conformance', files[0]])).toEqual({
    code: 0,
    out: '1 passed, 0 failed\n',
    bytes: expect.anything(),
    err: '',
  });
  const both = await anybpf(['conformance', ...files]);
  expect(both.code).toBe(1);
  expect(both.out).toBe(`${files[1]}: r0 is 0x7, expected 0x8\n1 passed, 1 failed\n`);
  const json = JSON.parse((await anybpf(['conformance', ...files, '--json'])).out);
  expect(json).toMatchObject({ passed: 1, failed: 1, outcomes: [{ passed: true }, { passed: false }] });
});

test.each([
  ['without memory', [], 'b700000007000000 9500000000000000', 0, '7\n'],
  ['with memory', ['2a  00  00  00'], '6110000000000000 9500000000000000', 0, '2a\n'],
  ['that fails', [], '6100000000000000 9500000000000000', 1, expect.stringMatching(/\[run\//)],
  ['of broken digits', [], 'b7000', 1, expect.stringMatching(/hexadecimal/)],
])('plugin protocol: a program %s', async (_, words, program, code, out) => {
  const answer = await anybpf(['conformance', ...words], { stdin: utf8(program) });
  expect(answer).toMatchObject({ code, out, err: '' });
});

test('--elf belongs to the plugin protocol', async () => {
  const { code, err } = await anybpf(['conformance', vector('x.data', '0x7'), '--elf']);
  expect(code).toBe(2);
  expect(err).toContain('[cli/usage]');
});
