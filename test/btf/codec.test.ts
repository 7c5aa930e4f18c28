import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Btf } from '../../src/btf/btf.ts';
import { decodeBtf } from '../../src/btf/decode.ts';
import { encodeBtf, mergeBtf, StringTable } from '../../src/btf/encode.ts';
import { mapTypeIds } from '../../src/btf/references.ts';
import { KIND_NAMES, type BtfType } from '../../src/btf/format.ts';
import { formatRaw } from '../../src/btf/format-raw.ts';
import { sectionByName } from '../../src/elf/lookup.ts';
import { readElf } from '../../src/elf/read.ts';
import { allObjects, type TestObject } from '../elf/objects.ts';
import { requireCapability } from '../support/capability.ts';
import { corpusFolder, filesBelow } from '../support/shared.ts';
import { anyTypes, btfOf, endian } from './arbitrary.ts';

const typesOf = (btf: Btf): BtfType[] => [...btf.types()].map(([, type]) => type);

/** Objects that have BTF, with it. */
const withBtf: readonly (TestObject & { readonly btf: Btf })[] = allObjects().flatMap((object) => {
  const section = sectionByName(readElf(object.bytes), '.BTF');
  return section === undefined ? [] : [{ ...object, btf: decodeBtf(section.data) }];
});

describe('decodeBtf and encodeBtf', () => {
  it("are each other's inverse, for every kind and both byte orders", () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(anyTypes, endian, (types, order) => {
        for (const t of types) seen.add(t.kind);
        const btf = btfOf(types, order);
        expect(btf.endian).toBe(order);
        expect(typesOf(btf)).toEqual(types);
        types.forEach((t, i) => {
          expect(btf.kindOf(i + 1)).toBe(t.kind);
          expect(btf.nameOf(i + 1)).toBe('name' in t ? t.name : '');
        });
      }),
      { numRuns: 300 },
    );
    expect([...seen].sort()).toEqual(KIND_NAMES.filter((k) => k !== 'void').sort());
  });

  it('continue a base with a split BTF', () => {
    fc.assert(
      fc.property(anyTypes, anyTypes, endian, (first, second, order) => {
        const base = btfOf(first, order);
        const shifted = second.map((t) => mapTypeIds(t, (id) => (id === 0 ? 0 : id + first.length)));
        const split = btfOf(shifted, order, base);
        expect([split.firstId, split.count]).toEqual([base.count, base.count + second.length]);
        for (let id = 1; id < base.count; id++) expect(split.type(id)).toEqual(first[id - 1]);
        shifted.forEach((t, i) => expect(split.type(base.count + i)).toEqual(t));
        for (const [id, t] of split.types()) if ('name' in t) expect(split.idsByName(t.name)).toContain(id);
      }),
    );
  });

  it.runIf(withBtf.length > 0)('keep every type of every object, and write the other byte order', () => {
    for (const { btf, name } of withBtf) {
      const types = typesOf(btf);
      const other = btfOf(types, btf.endian === 'little' ? 'big' : 'little');
      expect(formatRaw(other), name).toBe(formatRaw(btf));
    }
  });

  it('keeps names that are not ASCII', () => {
    const btf = btfOf([
      { kind: 'typedef', name: 'größe_t', type: 0 },
      { kind: 'typedef', name: 'b', type: 1 },
    ]);
    expect([btf.nameOf(1), btf.nameOf(2), btf.findByName('größe_t')]).toEqual(['größe_t', 'b', 1]);
  });

  it('shares strings, and refuses what the format cannot hold', () => {
    const strings = new StringTable();
    expect([strings.add('a'), strings.add('bc'), strings.add('a'), strings.add('')]).toEqual([1, 3, 1, 0]);
    const member = { name: 'm', type: 1, bitOffset: 2 ** 24, bitSize: 0 };
    for (const type of [
      { kind: 'void' },
      { kind: 'struct', name: 's', size: 8, kindFlag: true, members: [member] },
      { kind: 'typedef', name: 'a\0b', type: 0 },
      {
        kind: 'enum',
        name: 'e',
        size: 4,
        signed: false,
        values: Array.from({ length: 65536 }, () => ({ name: 'a', value: 0n })),
      },
    ] satisfies BtfType[]) {
      expect(() => encodeBtf([type])).toThrow(expect.objectContaining({ code: 'btf/encode' }));
    }
  });
});

describe('mergeBtf', () => {
  it('puts one after the other', () => {
    fc.assert(
      fc.property(anyTypes, anyTypes, endian, (a, b, order) => {
        const merged = mergeBtf(btfOf(a, order), btfOf(b, order));
        expect(typesOf(merged)).toEqual([...a, ...b.map((t) => mapTypeIds(t, (id) => (id === 0 ? 0 : id + a.length)))]);
      }),
    );
  });
});

const U32 = (value: number): number[] => [value & 255, (value >> 8) & 255, (value >> 16) & 255, value >>> 24];
/** A little-endian BTF of these type words and this string part. */
const raw = (words: readonly number[], strings = '\0', header: Partial<Record<number, number>> = {}): Uint8Array => {
  const head = [0x0001eb9f, 24, 0, words.length * 4, words.length * 4, strings.length].map((w, i) => header[i] ?? w);
  return Uint8Array.from([...[...head, ...words].flatMap(U32), ...new TextEncoder().encode(strings)]);
};
const INT = [0, 0x01000000, 4, 0x01000020];

describe('decodeBtf refuses', () => {
  it.each([
    ['nothing', new Uint8Array(0), 'btf/not-btf'],
    ['another magic number', raw(INT, '\0', { 0: 0x00010000 }), 'btf/not-btf'],
    ['version 2', raw(INT, '\0', { 0: 0x0002eb9f }), 'btf/not-btf'],
    ['a short header', raw(INT, '\0', { 1: 20 }), 'btf/not-btf'],
    ['a header beyond the end', raw(INT, '\0', { 1: 4000 }), 'btf/not-btf'],
    ['types beyond the end', raw(INT, '\0', { 3: 4000 }), 'btf/section-outside'],
    ['strings beyond the end', raw(INT, '\0', { 5: 4000 }), 'btf/section-outside'],
    ['strings without end', raw(INT, '\0a'), 'btf/strings'],
    ['strings that begin with a name', raw(INT, 'a\0'), 'btf/strings'],
    ['kind 0', raw([0, 0, 0]), 'btf/unknown-kind'],
    ['kind 20', raw([0, 0x14000000, 0]), 'btf/unknown-kind'],
    ['half a type', raw([0, 0x01000000]), 'btf/type-truncated'],
    ['an int without its word', raw([0, 0x01000000, 4]), 'btf/type-truncated'],
    ['a struct with members that are not there', raw([0, 0x0400ffff, 4]), 'btf/type-truncated'],
    ['a pointer to no type', raw([0, 0x02000000, 2]), 'btf/type-id'],
    ['an array of no type', raw([0, 0x03000000, 0, 7, 0, 1]), 'btf/type-id'],
    ['a member of no type', raw([0, 0x04000001, 4, 0, 9, 0]), 'btf/type-id'],
    ['a name outside', raw([5, 0x01000000, 4, 0x20]), 'btf/string-offset'],
    ['a member name outside', raw([0, 0x04000001, 4, 5, 1, 0]), 'btf/string-offset'],
  ])('%s', (_what, bytes, code) => {
    expect(() => decodeBtf(bytes)).toThrow(expect.objectContaining({ code }));
  });

  it('any prefix', () => {
    const whole = raw([...INT, 1, 0x08000000, 1], '\0abc\0');
    expect(decodeBtf(whole).count).toBe(3);
    for (let length = 0; length < whole.length; length++) {
      expect(() => decodeBtf(whole.subarray(0, length))).toThrow(expect.objectContaining({ name: 'AnyBpfError' }));
    }
  });

  it('a split BTF in the other byte order', () => {
    const base = btfOf([], 'big');
    expect(() => decodeBtf(raw(INT), { base })).toThrow(expect.objectContaining({ code: 'btf/not-btf' }));
  });
});

describe('Btf', () => {
  const int: BtfType = { kind: 'int', name: 'int', size: 4, encoding: 1, bits: 32, offset: 0 };
  const btf = btfOf([
    int,
    { kind: 'typedef', name: 'a', type: 3 },
    { kind: 'typedef', name: 'b', type: 2 },
    { kind: 'const', type: 5 },
    { kind: 'typedef', name: 'number', type: 1 },
    { kind: 'array', element: 4, index: 1, length: 3 },
    {
      kind: 'struct',
      name: 's',
      size: 24,
      kindFlag: false,
      members: [
        { name: 'x', type: 6, bitOffset: 0, bitSize: 0 },
        { name: 'p', type: 8, bitOffset: 128, bitSize: 0 },
      ],
    },
    { kind: 'ptr', type: 7 },
    {
      kind: 'struct',
      name: 'packed',
      size: 5,
      kindFlag: false,
      members: [{ name: 'x', type: 1, bitOffset: 8, bitSize: 0 }],
    },
    {
      kind: 'struct',
      name: 'loop',
      size: 4,
      kindFlag: false,
      members: [{ name: 'x', type: 10, bitOffset: 0, bitSize: 0 }],
    },
    { kind: 'array', element: 12, index: 1, length: 2 ** 31 },
    { kind: 'array', element: 1, index: 1, length: 2 ** 31 },
    { kind: 'fwd', name: 's', union: false },
  ]);

  it('sizes and aligns as C does', () => {
    expect([1, 4, 5, 6, 7, 8, 9].map((id) => btf.sizeOf(id))).toEqual([4, 4, 4, 12, 24, 8, 5]);
    expect([1, 4, 5, 6, 7, 8, 9].map((id) => btf.alignOf(id))).toEqual([4, 4, 4, 4, 8, 8, 1]);
    expect(btf.resolve(4)).toBe(1);
  });

  it('finds by name and kind', () => {
    expect(btf.idsByName('s')).toEqual([7, 13]);
    expect(btf.findByName('s', 'fwd')).toBe(13);
    expect(btf.findByName('nothing')).toBeUndefined();
  });

  it.each([
    ['an id that is not there', () => btf.type(14), 'btf/type-id'],
    ['a negative id', () => btf.type(-1), 'btf/type-id'],
    ['a fraction', () => btf.kindOf(1.5), 'btf/type-id'],
    ['typedefs in a circle', () => btf.resolve(2), 'btf/too-deep'],
    ['the size of a circle', () => btf.sizeOf(3), 'btf/too-deep'],
    ['the alignment of a struct in itself', () => btf.alignOf(10), 'btf/too-deep'],
    ['a size above 4 GiB', () => btf.sizeOf(12), 'btf/too-big'],
    ['a size above 4 GiB twice over', () => btf.sizeOf(11), 'btf/too-big'],
    ['the size of a forward declaration', () => btf.sizeOf(13), 'btf/no-size'],
    ['a string outside', () => btf.string(4000), 'btf/string-offset'],
  ])('refuses %s', (_what, ask, code) => {
    expect(ask).toThrow(expect.objectContaining({ code }));
  });
});

/** BTF of whole kernels: the corpus's and this machine's. */
const kernels = (): { name: string; bytes: Uint8Array }[] => {
  const folder = corpusFolder('elf-fixtures');
  const stored = 'reason' in folder ? [] : filesBelow(folder.path, '.btf.gz').map((f) => path.join(folder.path, f));
  const own = requireCapability('vmlinux-btf') === undefined ? ['/sys/kernel/btf/vmlinux'] : [];
  return [...stored, ...own].map((name) => {
    const bytes = readFileSync(name);
    return { name, bytes: name.endsWith('.gz') ? gunzipSync(bytes) : bytes };
  });
};

describe('a whole kernel', () => {
  it('is opened, and a type found in it, without decoding the rest', () => {
    for (const { bytes, name } of kernels()) {
      const start = performance.now();
      const btf = decodeBtf(bytes);
      const id = btf.findByName('task_struct', 'struct');
      const took = performance.now() - start;
      expect(id, name).toBeGreaterThan(0);
      expect(btf.sizeOf(id ?? 0), name).toBeGreaterThan(1000);
      // About 60 ms on two slow cores; the bound only catches a change of the order of growth.
      expect(took, name).toBeLessThan(1500);
    }
  });
});

const noBpftool = requireCapability('bpftool');

describe.skipIf(noBpftool !== undefined || withBtf.length === 0)('formatRaw', () => {
  it('is what bpftool prints, for every object with BTF', () => {
    let compared = 0;
    for (const { path: file, btf, name } of withBtf) {
      const peer = execFileSync('bpftool', ['btf', 'dump', 'file', file], { encoding: 'utf8', maxBuffer: 1 << 28 });
      expect(formatRaw(btf), name).toBe(peer);
      compared++;
    }
    expect(compared).toBe(withBtf.length);
  });

  it.skipIf(requireCapability('vmlinux-btf') !== undefined)('is what bpftool prints, for the running kernel', () => {
    const file = '/sys/kernel/btf/vmlinux';
    const peer = execFileSync('bpftool', ['btf', 'dump', 'file', file], { encoding: 'utf8', maxBuffer: 1 << 28 });
    expect(formatRaw(decodeBtf(readFileSync(file))) === peer).toBe(true);
  });
});
