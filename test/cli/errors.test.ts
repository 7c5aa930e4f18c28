import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { anybpf, CAPTURE, example } from './support.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'anybpf-'));
  writeFileSync(path.join(folder, 'empty'), '');
  writeFileSync(path.join(folder, 'text'), 'this is not an object, nor a capture\n');
  writeFileSync(path.join(folder, 'good.asm'), 'exit\n');
  writeFileSync(path.join(folder, 'bad.asm'), 'r0 = 1\nr0 += nothing\nexit\n');
});
afterAll(() => rmSync(folder, { recursive: true }));

/** `@` stands for the folder. */
const inFolder = (argv: readonly string[]): string[] => argv.map((word) => word.replace(/^@/, `${folder}/`));
const drop = example('drop-port');

describe.each<[string, readonly string[], number, string, RegExp]>([
  ['no verb that is known', ['frobnicate'], 2, 'cli/usage', /unknown command 'frobnicate'/],
  ['an option that is not known', ['dump', drop, '--colour'], 2, 'cli/usage', /unknown option '--colour'/],
  ['an argument too few', ['dump'], 2, 'cli/usage', /missing required argument 'object'/],
  ['an argument too many', ['dump', drop, drop], 2, 'cli/usage', /too many arguments/],
  ['a form that is not known', ['dump', drop, '--btf', 'xml'], 2, 'cli/usage', /Allowed choices are c, raw/],
  [
    'a file that is not there',
    ['dump', '@absent.o'],
    2,
    'cli/read',
    /absent\.o: cannot be read: there is no such file/,
  ],
  ['a folder', ['dump', '@.'], 2, 'cli/read', /it is a directory/],
  ['an empty file', ['dump', '@empty'], 2, 'cli/read', /the file is empty/],
  ['text for an object', ['disasm', '@text'], 2, 'elf/not-elf', /not an ELF64 object/],
  [
    'a program that is not there',
    ['disasm', drop, '--program', 'x'],
    2,
    'cli/program',
    /"x"; the object has drop_port/,
  ],
  ['text that is no assembly', ['asm', '@bad.asm'], 2, 'isa/', /bad\.asm:2/],
  [
    'an object that cannot be written',
    ['asm', '@good.asm', '-o', '@no/folder/x.o'],
    1,
    'cli/write',
    /no.folder.x\.o: cannot be written/,
  ],
  ['no capture', ['run', drop], 2, 'cli/usage', /required option '--pcap/],
  ['a capture that is not there', ['run', drop, '--pcap', '@absent.pcap'], 2, 'cli/read', /absent\.pcap/],
  ['an empty capture', ['run', drop, '--pcap', '@empty'], 2, 'capture/not-capture', /empty/],
  ['text for a capture', ['run', drop, '--pcap', '@text'], 2, 'capture/not-capture', /begins with 0x74686973/],
  ['an engine that is not known', ['run', drop, '--pcap', CAPTURE, '--engine', 'x'], 2, 'cli/usage', /choices are/],
  ['a limit that is no number', ['run', drop, '--pcap', CAPTURE, '--limit', 'many'], 2, 'cli/usage', /limit/],
  ['a budget of nothing', ['run', drop, '--pcap', CAPTURE, '--budget', '0'], 2, 'cli/usage', /budget/],
  ['several programs', ['run', example('tail-parser'), '--pcap', CAPTURE], 2, 'cli/program', /parse_ethernet/],
  [
    'a map that is not there',
    ['run', drop, '--pcap', CAPTURE, '--map', 'x={}'],
    2,
    'cli/map',
    /"x"; the object has blocked/,
  ],
  ['a preset without name', ['run', drop, '--pcap', CAPTURE, '--map', '{}'], 2, 'cli/option', /NAME=VALUE/],
  [
    'a preset that is no JSON',
    ['run', drop, '--pcap', CAPTURE, '--map', 'blocked={'],
    2,
    'cli/json',
    /blocked is not JSON/,
  ],
  ['null in a preset', ['run', drop, '--pcap', CAPTURE, '--map', 'blocked={"1": null}'], 2, 'cli/json', /null/],
  ['a key too large', ['run', drop, '--pcap', CAPTURE, '--map', 'blocked={"70000": {}}'], 2, 'cli/map', /70000/],
  [
    'a member that is not there',
    ['run', drop, '--pcap', CAPTURE, '--map', 'blocked={"1": {"x": 1}}'],
    2,
    'cli/map',
    /x/,
  ],
  ['an index outside an array', ['run', drop, '--pcap', CAPTURE, '--map', 'totals={"2": {}}'], 2, 'cli/map', /E2BIG/],
  ['a global that is not there', ['run', drop, '--pcap', CAPTURE, '--set', 'x=1'], 2, 'link/no-global', /'x'/],
  ['a global that is too large', ['run', drop, '--pcap', CAPTURE, '--set', 'port=70000'], 2, 'btf/value', /70000/],
])('%s', (_, argv, code, name, sentence) => {
  test('is one sentence on standard error', async () => {
    const { code: found, out, err } = await anybpf(inFolder(argv));
    expect(err).toMatch(sentence);
    expect(err).toMatch(/^anybpf: [^\n]+\n$/);
    expect(err).toContain(`[${name}`);
    expect(out).toBe('');
    expect(found).toBe(code);
  });

  test('is one object with --json', async () => {
    const { code: found, out, err } = await anybpf([...inFolder(argv), '--json']);
    expect(err).toBe('');
    const { error } = JSON.parse(out) as { error: { code: string; severity: string } };
    expect(error.code.startsWith(name)).toBe(true);
    expect(error.severity).toBe('error');
    expect(found).toBe(code);
  });
});

test('--json and --raw exclude each other', async () => {
  const { code, out } = await anybpf(inFolder(['asm', '@good.asm', '--raw', '--json']));
  expect(code).toBe(2);
  expect(JSON.parse(out).error.message).toContain('exclude each other');
});

test('help and version are no errors, and help alone is wrong use', async () => {
  const version = await anybpf(['--version']);
  expect(version).toMatchObject({ code: 0, err: '', out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
  const help = await anybpf(['--help']);
  expect(help.code).toBe(0);
  expect(help.out).toMatch(/Exit codes:\n {2}0 {2}done/);
  const none = await anybpf([]);
  expect(none).toMatchObject({ code: 2, out: '' });
  expect(none.err).toContain('Usage: anybpf');
});

test('errors are red on a terminal, but not with NO_COLOR', async () => {
  expect((await anybpf(['dump', 'absent'], { columns: 80 })).err).toContain('\u001b[31manybpf:\u001b[39m absent');
  expect((await anybpf(['dump', 'absent'], { columns: 80, env: { NO_COLOR: '1' } })).err).toMatch(/^anybpf: absent/);
});

test('a failed run leaves no file behind', async () => {
  const out = path.join(folder, 'out.pcapng');
  const before = readdirSync(folder);
  const cut = path.join(folder, 'cut.pcap');
  const { readFileSync } = await import('node:fs');
  writeFileSync(cut, readFileSync(CAPTURE).subarray(0, 20_000));
  const failed = await anybpf(['run', drop, '--pcap', cut, '--out', out]);
  expect(failed.code).toBe(2);
  expect(failed.err).toMatch(/record \d+, offset 0x[0-9a-f]+: the capture ends inside/);
  expect(readdirSync(folder).sort()).toEqual([...before, 'cut.pcap'].sort());
  const nowhere = await anybpf(['run', drop, '--pcap', CAPTURE, '--out', path.join(folder, 'no', 'out.pcapng')]);
  expect(nowhere.code).toBe(1);
  expect(nowhere.err).toContain('[cli/write]');
});
