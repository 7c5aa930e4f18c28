import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concatBytes } from '../../src/base/bytes.ts';
import { decodeBtf } from '../../src/btf/decode.ts';
import { encodeBtf, StringTable } from '../../src/btf/encode.ts';
import { type BtfExt, CORE_KINDS, decodeBtfExt, encodeBtfExt, funcAt, lineAt } from '../../src/btf/ext.ts';
import type { BtfType } from '../../src/btf/format.ts';
import { declTags } from '../../src/btf/tags.ts';
import { sectionByName } from '../../src/elf/lookup.ts';
import { readElf } from '../../src/elf/read.ts';
import { allObjects } from '../elf/objects.ts';
import { btfOf, endian } from './arbitrary.ts';

const INT: BtfType = { kind: 'int', name: 'int', size: 4, encoding: 1, bits: 32, offset: 0 };
const text = fc.string({ maxLength: 12 }).filter((s) => !s.includes('\0'));
const offset = fc.nat({ max: 2 ** 20 }).map((n) => n * 8);

/** Records by section, sorted by offset, without two at one offset. */
const bySection = <T extends { readonly offset: number }>(record: fc.Arbitrary<T>): fc.Arbitrary<Map<string, T[]>> =>
  fc
    .uniqueArray(
      fc.tuple(
        text,
        fc
          .uniqueArray(record, { minLength: 1, maxLength: 5, selector: (r) => r.offset })
          .map((list) => list.sort((a, b) => a.offset - b.offset)),
      ),
      { maxLength: 3, selector: ([name]) => name },
    )
    .map((entries) => new Map(entries));

const anyExt: fc.Arbitrary<BtfExt> = fc.record({
  funcs: bySection(fc.record({ offset, typeId: fc.constantFrom(0, 1) })),
  lines: bySection(
    fc.record({ offset, file: text, line: fc.nat({ max: 2 ** 22 - 1 }), column: fc.nat({ max: 1023 }), text }),
  ),
  relocations: bySection(
    fc.record({ offset, typeId: fc.constantFrom(0, 1), access: text, kind: fc.constantFrom(...CORE_KINDS) }),
  ),
});

/** .BTF.ext and the .BTF whose strings it uses. */
function encodeBoth(ext: BtfExt, order: 'little' | 'big') {
  const strings = new StringTable();
  const bytes = encodeBtfExt(ext, strings, order);
  return { bytes, btf: decodeBtf(encodeBtf([INT], { strings, endian: order })) };
}

/** Little-endian words. */
const W = (...list: number[]) => new Uint8Array(Uint32Array.from(list).buffer);

describe('decodeBtfExt and encodeBtfExt', () => {
  it("are each other's inverse in both byte orders", () => {
    fc.assert(
      fc.property(anyExt, endian, (ext, order) => {
        const { bytes, btf } = encodeBoth(ext, order);
        expect(decodeBtfExt(bytes, btf)).toEqual(ext);
      }),
    );
  });

  it('keep everything of every object', () => {
    for (const { bytes, name } of allObjects()) {
      const file = readElf(bytes);
      const [types, section] = [sectionByName(file, '.BTF'), sectionByName(file, '.BTF.ext')];
      if (types === undefined || section === undefined) continue;
      const ext = decodeBtfExt(section.data, decodeBtf(types.data));
      const again = encodeBoth({ ...ext, funcs: new Map(), relocations: new Map() }, 'big');
      const lines = decodeBtfExt(again.bytes, again.btf).lines;
      expect(JSON.stringify([...lines]) === JSON.stringify([...ext.lines]), name).toBe(true);
      for (const sectionName of [...ext.funcs.keys(), ...ext.lines.keys(), ...ext.relocations.keys()]) {
        expect(sectionByName(file, sectionName), `${name}: ${sectionName}`).toBeDefined();
      }
    }
  });

  it('take records longer than they know, and headers without a CO-RE part', () => {
    const types = decodeBtf(encodeBtf([INT]));
    const magic = 0x0001eb9f;
    const longer = concatBytes([W(magic, 24, 0, 24, 24, 0), W(12, 0, 1, 8, 1, 999)]);
    expect(decodeBtfExt(longer, types)).toEqual({
      funcs: new Map([['', [{ offset: 8, typeId: 1 }]]]),
      lines: new Map(),
      relocations: new Map(),
    });
  });
});

const HEADER = [0x0001eb9f, 32];

describe('decodeBtfExt refuses', () => {
  it.each([
    ['nothing', new Uint8Array(0), 'btf/ext'],
    ['another magic number', W(1, 32, 0, 0, 0, 0, 0, 0), 'btf/ext'],
    ['version 2', W(0x0002eb9f, 32, 0, 0, 0, 0, 0, 0), 'btf/ext'],
    ['a short header', W(0x0001eb9f, 16, 0, 0, 0, 0, 0, 0), 'btf/ext'],
    ['a header beyond the end', W(0x0001eb9f, 64, 0, 0, 0, 0, 0, 0), 'btf/ext'],
    ['functions beyond the end', W(...HEADER, 0, 8, 0, 0, 0, 0), 'btf/section-outside'],
    ['records of 4 bytes', W(...HEADER, 0, 4, 0, 0, 0, 0, 4), 'btf/ext'],
    ['records of 9 bytes', W(...HEADER, 0, 4, 0, 0, 0, 0, 9), 'btf/ext'],
    ['a section without records', W(...HEADER, 0, 12, 0, 0, 0, 0, 8, 0, 0), 'btf/ext'],
    ['more records than bytes', W(...HEADER, 0, 12, 0, 0, 0, 0, 8, 0, 0x7fffffff), 'btf/ext'],
    ['half a section header', W(...HEADER, 0, 8, 0, 0, 0, 0, 8, 0), 'input/truncated'],
    ['a section name outside', W(...HEADER, 0, 12, 0, 0, 0, 0, 8, 99, 1), 'btf/string-offset'],
    ['a function of no type', W(...HEADER, 0, 20, 0, 0, 0, 0, 8, 0, 1, 0, 77), 'btf/ext'],
    ['an unknown CO-RE kind', W(...HEADER, 0, 0, 0, 0, 0, 28, 16, 0, 1, 0, 1, 0, 13), 'btf/ext'],
  ])('%s', (_what, bytes, code) => {
    const btf = decodeBtf(encodeBtf([INT]));
    expect(() => decodeBtfExt(bytes, btf)).toThrow(expect.objectContaining({ code }));
  });
});

const line = (at: number, number: number) => ({ offset: at, file: 'a.c', line: number, column: 1, text: '' });

describe('lineAt and funcAt', () => {
  const ext: BtfExt = {
    funcs: new Map([
      [
        'xdp',
        [
          { offset: 0, typeId: 1 },
          { offset: 32, typeId: 2 },
        ],
      ],
    ]),
    lines: new Map([['xdp', [line(8, 10), line(24, 12), line(40, 9)]]]),
    relocations: new Map(),
  };
  it.each([
    [0, undefined],
    [8, 10],
    [16, 10],
    [24, 12],
    [39, 12],
    [4000, 9],
  ])('byte %d is on line %s', (at, expected) => expect(lineAt(ext, 'xdp', at)?.line).toBe(expected));
  it('functions begin at their offset only', () => {
    expect([0, 8, 32].map((at) => funcAt(ext, 'xdp', at)?.typeId)).toEqual([1, undefined, 2]);
    expect(funcAt(ext, 'tc', 0)).toBeUndefined();
  });
});

describe('declTags', () => {
  const types: BtfType[] = [
    INT,
    {
      kind: 'struct',
      name: 's',
      size: 4,
      kindFlag: false,
      members: [{ name: 'a', type: 1, bitOffset: 0, bitSize: 0 }],
    },
    { kind: 'decl_tag', name: 'whole', type: 2, component: -1, attribute: false },
    { kind: 'decl_tag', name: 'member', type: 2, component: 0, attribute: false },
    { kind: 'decl_tag', name: 'again', type: 2, component: -1, attribute: false },
  ];
  const base = btfOf(types);
  it('gives those of the type, or of a part', () => {
    expect(declTags(base, 2)).toEqual(['whole', 'again']);
    expect(declTags(base, 2, 0)).toEqual(['member']);
    expect(declTags(base, 1)).toEqual([]);
  });
  it('gives those that a split BTF adds to the base', () => {
    const split = btfOf([{ kind: 'decl_tag', name: 'more', type: 2, component: -1, attribute: false }], 'little', base);
    expect(declTags(split, 2)).toEqual(['whole', 'again', 'more']);
  });
});
