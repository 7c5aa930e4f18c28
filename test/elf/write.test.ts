import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildElf, type NewSymbol } from '../../src/elf/build.ts';
import { type ElfFile, SHT, STB } from '../../src/elf/format.ts';
import { relocationsOf, sectionByName, symbolByName, symbolsIn } from '../../src/elf/lookup.ts';
import { readElf } from '../../src/elf/read.ts';
import { writeElf } from '../../src/elf/write.ts';
import { newElf } from './arbitrary.ts';
import { allObjects } from './objects.ts';

const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

const text = (value: unknown): string =>
  JSON.stringify(value, (_key, part) => (typeof part === 'bigint' ? `${part}n` : part));

/**
 * All that writing keeps, as text: everything but the layout and the bytes of the tables made anew. (A runner's deep
 * comparison of megabytes takes seconds.)
 */
function kept(file: ElfFile): string[] {
  const names = new Set([file.nameTable, ...file.sections.filter((s) => s.type === SHT.SYMTAB).map((s) => s.link)]);
  const { sections, symbols, ...header } = file;
  const plain = sections.map(({ offset: _offset, data, size, ...s }) => {
    const isTable = names.has(s.index) || s.type === SHT.SYMTAB || s.relocations !== undefined;
    return text(isTable ? s : { ...s, size, data: digest(data) });
  });
  return [text(header), ...plain, ...symbols.map(text)];
}

type SymbolFields = Pick<NewSymbol, 'name' | 'value' | 'size' | 'type' | 'binding'>;

/** What the builder must keep of a symbol, whatever its index becomes. */
const essence = (s: SymbolFields): string => JSON.stringify([s.name, s.value, s.size, s.type, s.binding]);

/** Symbols and relocations as llvm-readelf lists them, without the file offsets of tables. */
const listing = (file: string): string =>
  execFileSync('llvm-readelf', ['--symbols', '--relocations', '--wide', file], {
    encoding: 'utf8',
    stdio: 'pipe',
    maxBuffer: 64 << 20,
  }).replaceAll(/at offset 0x[0-9a-f]+ /g, '');

describe('writeElf', () => {
  it('writes what it reads, byte for byte, where it wrote it', () => {
    fc.assert(
      fc.property(newElf, (parts) => {
        const bytes = buildElf(parts);
        expect(writeElf(readElf(bytes))).toEqual(bytes);
      }),
    );
  });

  it('keeps sections, symbols and relocations as given, in both byte orders', () => {
    fc.assert(
      fc.property(newElf, (parts) => {
        const file = readElf(buildElf(parts));
        expect(file.endian).toBe(parts.endian);
        expect(file.machine).toBe(parts.machine);
        parts.sections.forEach((given, i) => {
          const found = file.sections[i + 1];
          expect([found.name, found.type, found.flags, found.align]).toEqual([
            given.name,
            given.type,
            given.flags,
            given.align ?? 1,
          ]);
          expect(found.data).toEqual(given.data ?? new Uint8Array(0));
          expect(found.size).toBe(given.size ?? given.data?.length);
          const relocations = relocationsOf(file, found.index).map((r) => [
            r.offset,
            r.type,
            file.symbols[r.symbol].name,
          ]);
          const wanted = (given.relocations ?? []).map((r) => [r.offset, r.type, parts.symbols?.[r.symbol].name]);
          expect(relocations).toEqual(wanted);
        });
        const locals = file.symbols.filter((s) => s.binding === STB.LOCAL).length;
        expect(file.symbols.slice(0, locals).every((s) => s.binding === STB.LOCAL)).toBe(true);
        expect(file.symbols.slice(1).map(essence).sort()).toEqual((parts.symbols ?? []).map(essence).sort());
      }),
    );
  });

  it.each(allObjects())('keeps everything of $name', ({ bytes }) => {
    const file = readElf(bytes);
    const again = readElf(writeElf(file));
    expect(kept(again)).toEqual(kept(file));
    expect(digest(writeElf(again))).toBe(digest(writeElf(file)));
  });

  it.each([
    ['a symbol in a section that is not there', { sections: [], symbols: [{ name: 'a', section: 'x' }] }],
    [
      'a relocation of a symbol that is not there',
      { sections: [{ name: 'a', data: new Uint8Array(8), relocations: [{ offset: 0, type: 1, symbol: 0 }] }] },
    ],
    ['a name with a NUL', { sections: [{ name: 'a\0b' }] }],
  ])('refuses %s', (_what, parts) => {
    expect(() => buildElf(parts)).toThrow(expect.objectContaining({ code: 'elf/write' }));
  });
});

describe('lookups', () => {
  const file = readElf(
    buildElf({
      sections: [
        { name: 'text', data: new Uint8Array(32) },
        { name: 'bss', type: SHT.NOBITS, size: 8 },
      ],
      symbols: [
        { name: 'second', section: 'text', value: 16 },
        { name: 'first', section: 'text', value: 0 },
        { name: 'zero', section: 'bss' },
      ],
    }),
  );
  it('finds by name, and lists symbols by value', () => {
    expect(sectionByName(file, 'bss')).toMatchObject({ index: 2, size: 8 });
    expect(sectionByName(file, 'none')).toBeUndefined();
    expect(symbolByName(file, 'zero')).toMatchObject({ section: 2 });
    expect(symbolsIn(file, 1).map((s) => s.name)).toEqual(['first', 'second']);
  });
});

const readelf = spawnSync('llvm-readelf', ['--version']).status === 0;
if (!readelf) console.warn('skipped: llvm-readelf is not installed');

describe.skipIf(!readelf)('llvm-readelf', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'anybpf-elf-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('sees the same symbols and relocations in what is written', () => {
    for (const { bytes, path: original, name } of allObjects().filter((_, i) => i % 8 === 0)) {
      const copy = path.join(folder, 'copy.o');
      writeFileSync(copy, writeElf(readElf(bytes)));
      expect(listing(copy), name).toBe(listing(original));
    }
  });

  it('reads a built object without a complaint', () => {
    const parts = fc.sample(newElf, { numRuns: 20, seed: 1 });
    for (const part of parts) {
      const file = path.join(folder, 'built.o');
      writeFileSync(file, buildElf({ ...part, machine: 247 }));
      const run = spawnSync('llvm-readelf', ['--all', file], { encoding: 'utf8' });
      expect([run.status, run.stderr.replaceAll(/.*(NOTE|note|addrsig|address-significance).*\n/g, '')]).toEqual([
        0,
        '',
      ]);
    }
  });
});
