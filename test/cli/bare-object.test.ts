// Objects without type information, made by hand: what the command shows and takes then, and refusals at load.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ByteWriter, utf8 } from '../../src/base/bytes.ts';
import { buildElf } from '../../src/elf/build.ts';
import { RELOCATION, SHF, STB, STT } from '../../src/elf/format.ts';
import { assemble } from '../../src/isa/assembler.ts';
import { MAP_TYPES, type MapTypeName } from '../../src/spec/map-types.ts';
import { anybpf, CAPTURE } from './support.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'anybpf-'));
afterAll(() => rmSync(folder, { recursive: true }));

const MAPS: readonly (readonly [name: string, type: MapTypeName, key: number, value: number, entries: number])[] = [
  ['table', 'hash', 2, 4, 8],
  ['slots', 'array', 4, 4, 4],
  ['line', 'queue', 0, 4, 8],
  ['sockets', 'xskmap', 4, 4, 4],
];
const MAP_BYTES = 20;
const LICENSE = { name: 'license', flags: SHF.ALLOC | SHF.WRITE, data: utf8('GPL\0') };

/** A program that passes all, with old-style maps beside it. */
function withMaps(): Uint8Array {
  const code = assemble('r0 = 2\nexit\n').code;
  const maps = new ByteWriter();
  for (const [, type, key, value, entries] of MAPS) {
    maps
      .u32((MAP_TYPES[type] as { linux: number }).linux)
      .u32(key)
      .u32(value)
      .u32(entries)
      .u32(0);
  }
  return buildElf({
    sections: [
      { name: 'xdp', flags: SHF.ALLOC | SHF.EXECINSTR, align: 8, data: code },
      { name: 'maps', flags: SHF.ALLOC | SHF.WRITE, align: 4, data: maps.finish() },
      LICENSE,
    ],
    symbols: [
      { name: 'pass', section: 'xdp', size: code.length, type: STT.FUNC, binding: STB.GLOBAL },
      ...MAPS.map(([name], i) => ({
        name,
        section: 'maps',
        value: i * MAP_BYTES,
        size: MAP_BYTES,
        type: STT.OBJECT,
        binding: STB.GLOBAL,
      })),
    ],
  });
}

/** A program that calls what no object defines. */
function withUndefined(): Uint8Array {
  // call -1 as compilers write it before linking: src 1, imm -1.
  const code = Uint8Array.of(0x85, 0x10, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x95, 0, 0, 0, 0, 0, 0, 0);
  return buildElf({
    sections: [
      {
        name: 'xdp',
        flags: SHF.ALLOC | SHF.EXECINSTR,
        align: 8,
        data: code,
        relocations: [{ offset: 0, type: RELOCATION.R_BPF_64_32, symbol: 1 }],
      },
      LICENSE,
    ],
    symbols: [
      { name: 'main', section: 'xdp', size: code.length, type: STT.FUNC, binding: STB.GLOBAL },
      { name: 'elsewhere', section: { special: 'undef' }, binding: STB.GLOBAL },
    ],
  });
}

const maps = path.join(folder, 'maps.o');
const undefinedCall = path.join(folder, 'undefined.o');
beforeAll(() => {
  writeFileSync(maps, withMaps());
  writeFileSync(undefinedCall, withUndefined());
});
const run = (...options: readonly string[]) => anybpf(['run', maps, '--pcap', CAPTURE, ...options]);

test('entries go in and come out as digits', async () => {
  const presets = [
    'table={"0x0100": "0a0b0c0d", "0200": 7}',
    'slots={"02000000": 65536}',
    'line=[{"value": 1}, {"value": 2}]',
  ];
  const { code, out, err } = await run(...presets.flatMap((preset) => ['--map', preset]));
  expect({ code, err }).toEqual({ code: 0, err: '' });
  expect(out).toContain('Map table (hash): 2 entries\n  0100: 0a0b0c0d\n  0200: 07000000\n');
  expect(out).toContain('Map slots (array): 1 entry\n  2: 00000100\n  (3 entries all zero)\n');
  expect(out).toContain('Map line (queue): 2 entries\n  01000000\n  02000000\n');
});

test('a map whose entries only programs can look up says so', async () => {
  expect((await run()).out).toMatch(/Map sockets \(xskmap\): (empty|not shown, lookup failed: EOPNOTSUPP)\n/);
});

test.each([
  ['table={"01": 1}', /2 bytes as hexadecimal digits/],
  ['table={"0100": "xy"}', /4 bytes as hexadecimal digits/],
  ['table={"0100": 4294967296}', /4294967296 is no integer of 4 bytes/],
  ['table={"0100": -1}', /-1 is no integer of 4 bytes/],
  ['table=[1]', /expected \{"key": \.\.\., "value": \.\.\.\}/],
  ['table=[{"key": "0100"}]', /lacks a key or a value/],
  ['table=7', /expected an object or an array/],
])('refuses %s', async (preset, sentence) => {
  const { code, err } = await run('--map', preset);
  expect(err).toMatch(sentence);
  expect(code).toBe(2);
});

describe('a program that cannot be loaded', () => {
  test('is refused by run', async () => {
    const { code, err, out } = await anybpf(['run', undefinedCall, '--pcap', CAPTURE]);
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toMatch(/undefined\.o.*'elsewhere' is not defined.*\[link\/undefined-symbol\]/);
  });

  test('is shown with its reason by dump', async () => {
    const { code, out } = await anybpf(['dump', undefinedCall, '--programs']);
    expect(code).toBe(0);
    expect(out).toMatch(/main +xdp +xdp +2 +not supported/);
    expect(out).toMatch(/Notes\n {2}.*'elsewhere' is not defined/);
  });
});

test('types are refused where there are none', async () => {
  const { code, err } = await anybpf(['dump', maps, '--btf']);
  expect(code).toBe(2);
  expect(err).toContain('the object has no BTF (compile with -g) [cli/no-btf]');
});
