import { expect, test } from 'vitest';
import { assemble } from '../../src/isa/assembler.ts';
import { anybpf, example, expectGolden, FOLDERS } from './support.ts';

test.each(FOLDERS)('dump of %s', async (folder) => {
  const { code, out, err } = await anybpf(['dump', example(folder)]);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  expectGolden(`dump-${folder}.txt`, out);
});

test.each(FOLDERS)('disasm of %s', async (folder) => {
  const { code, out, err } = await anybpf(['disasm', example(folder)]);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  expectGolden(`disasm-${folder}.txt`, out);
});

test('types as C and as records', async () => {
  const c = await anybpf(['dump', example('lpm-block'), '--btf']);
  expectGolden('btf-lpm-block.h', c.out);
  const raw = await anybpf(['dump', example('lpm-block'), '--btf', 'raw']);
  expect(raw.out).toMatch(/^\[1\] \w+ /);
});

test('dump as JSON holds what was asked for', async () => {
  const all = JSON.parse((await anybpf(['dump', example('tail-parser'), '--json'])).out);
  expect(Object.keys(all)).toEqual([
    'name',
    'dialect',
    'endian',
    'license',
    'diagnostics',
    'sections',
    'programs',
    'maps',
  ]);
  expect(all.programs.map((p: { name: string }) => p.name).sort()).toEqual([
    'parse_ethernet',
    'parse_ip4',
    'parse_ip6',
    'parse_transport',
    'parse_vlan',
  ]);
  const { maps, ...rest } = JSON.parse((await anybpf(['dump', example('tail-parser'), '--maps', '--json'])).out);
  expect(rest.sections).toBeUndefined();
  expect(maps[0].slots).toHaveLength(4);
  expect(maps[1]).toMatchObject({ name: 'flows', keyType: 'struct flow', valueType: '__u64' });
});

test('disasm: one program, without source, as JSON, and read back to the same code', async () => {
  const file = example('tail-parser');
  const one = await anybpf(['disasm', file, '--program', 'parse_ip6', '--no-source']);
  expect(one.out).toMatch(/^; program parse_ip6, xdp, section xdp\nparse_ip6:\n/);
  expect(one.out).not.toMatch(/^; \d+:/m);
  const json = JSON.parse((await anybpf(['disasm', file, '--program', 'parse_ip6', '--json'])).out);
  expect(json.programs).toHaveLength(1);
  expect(json.programs[0].instructions[0]).toMatchObject({
    slot: 0,
    label: 'parse_ip6',
    source: { line: expect.any(Number) },
  });
  const { maps } = JSON.parse((await anybpf(['dump', file, '--maps', '--json'])).out) as { maps: { name: string }[] };
  const [program] = JSON.parse((await anybpf(['dump', file, '--programs', '--json'])).out).programs;
  const listing = await anybpf(['disasm', file, '--program', program.name]);
  const again = assemble(listing.out, { maps: maps.map((m) => m.name) });
  expect(Buffer.from(again.code).toString('hex')).toBe(program.code);
});
