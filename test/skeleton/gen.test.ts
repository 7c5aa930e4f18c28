// The command `anybpf gen`: what it prints, and what it refuses.
import { expect, it } from 'vitest';
import { anybpf, example } from '../cli/support.ts';

const OBJECT = example('sampler');

it('prints a skeleton under its own name or another, with the object or without', async () => {
  const whole = await anybpf(['gen', 'skeleton', OBJECT]);
  expect(whole).toMatchObject({ code: 0, err: '' });
  expect(whole.out).toContain('export const sampler_bpf = skeleton({');
  expect(whole.out).toContain('const OBJECT = `');
  const named = await anybpf(['gen', 'skeleton', OBJECT, 'name', 'sampler', 'external']);
  expect(named.code).toBe(0);
  expect(named.out).toContain('export const sampler = skeleton({');
  expect(named.out).not.toContain('OBJECT');
  // Words may be cut short, and JSON has the text as a member.
  const json = await anybpf(['gen', '-j', 's', OBJECT, 'n', 'sampler', 'e']);
  expect(JSON.parse(json.out)).toEqual({ file: 'sampler.bpf.o', skeleton: named.out });
});

it.each([
  ['no file', ['skeleton'], "'skeleton' needs at least 1 arguments"],
  ['a file that is not there', ['skeleton', '/nowhere.o'], 'there is no such file'],
  ['no ELF file', ['skeleton', 'package.json'], 'elf/'],
  ['a name that is none', ['skeleton', OBJECT, 'name', 'a-b'], 'is no identifier'],
  ['a name that is too long', ['skeleton', OBJECT, 'name', 'x'.repeat(64)], 'is too long'],
  ['a word that it does not know', ['skeleton', OBJECT, 'nonsense'], "what is 'nonsense'?"],
  ['object', ['object', 'out.o', OBJECT], 'gen object is not there'],
  ['subskeleton', ['subskeleton', OBJECT], 'gen subskeleton is not there'],
])('refuses %s', async (_, words, sentence) => {
  const { code, out, err } = await anybpf(['gen', ...words]);
  expect(code).toBeGreaterThan(0);
  expect(out).toBe('');
  expect(err).toContain(sentence);
});
