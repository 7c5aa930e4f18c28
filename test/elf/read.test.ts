import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import { buildElf, type NewElf } from '../../src/elf/build.ts';
import { EM_BPF, ET, RELOCATION, SHF, SHT, STB, STT } from '../../src/elf/format.ts';
import { isElf, readElf, readElfSections } from '../../src/elf/read.ts';
import { allObjects, exampleObjects } from './objects.ts';

const PARTS: NewElf = {
  sections: [
    {
      name: 'xdp',
      flags: SHF.ALLOC | SHF.EXECINSTR,
      align: 8,
      data: new Uint8Array(32),
      relocations: [{ offset: 8, type: 1, symbol: 1 }],
    },
    { name: '.bss', type: SHT.NOBITS, size: 134_217_728 },
  ],
  symbols: [
    { name: 'prog', section: 'xdp', size: 32, type: STT.FUNC, binding: STB.GLOBAL },
    { name: 'array', section: '.bss', value: 16, size: 8, type: STT.OBJECT },
  ],
};
const BYTES = { little: buildElf(PARTS), big: buildElf({ ...PARTS, endian: 'big' }) };

/** Where the section header of `index` stands, in a little-endian object. */
const headerOf = (bytes: Uint8Array, index: number): number =>
  Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(40, true)) + index * 64;

describe('readElf', () => {
  it.each(['little', 'big'] as const)('reads a %s-endian object', (endian) => {
    const file = readElf(BYTES[endian]);
    expect(file).toMatchObject({ endian, machine: EM_BPF, type: 1 });
    expect(file.sections.map((s) => s.name)).toEqual(['', 'xdp', '.bss', '.relxdp', '.symtab', '.strtab']);
    expect(file.sections[2]).toMatchObject({ size: 134_217_728, data: new Uint8Array(0) });
    expect(file.symbols.map((s) => [s.name, s.section, s.binding])).toEqual([
      ['', 'undef', STB.LOCAL],
      ['array', 2, STB.LOCAL],
      ['prog', 1, STB.GLOBAL],
    ]);
    expect(file.sections[3].relocations).toEqual([{ offset: 8, type: RELOCATION.R_BPF_64_64, symbol: 1 }]);
  });

  it('reads every object there is', () => {
    const objects = allObjects();
    expect(objects.length).toBeGreaterThanOrEqual(exampleObjects().length);
    for (const { bytes, name } of objects) {
      const file = readElf(bytes, { file: name });
      expect([EM_BPF, 0], name).toContain(file.machine);
      expect(file.symbols.length, name).toBeGreaterThan(0);
    }
  });

  it('gives section symbols the name of their section', () => {
    const named = exampleObjects().flatMap(({ bytes }) => {
      const file = readElf(bytes);
      return file.symbols.flatMap((s) =>
        s.type === STT.SECTION && typeof s.section === 'number' ? [[s.name, file.sections[s.section].name]] : [],
      );
    });
    expect(named.length).toBeGreaterThan(0);
    for (const [own, section] of named) expect(own).toBe(section);
  });

  it("does not hand out the caller's subclass of Uint8Array", () => {
    const file = readElf(Buffer.from(BYTES.little));
    expect(file.sections[1].data.constructor).toBe(Uint8Array);
  });
});

/** What to do to a good little-endian object, and how it is refused. */
const BROKEN: readonly [what: string, code: string, change: (bytes: Uint8Array, view: DataView) => void][] = [
  ['another magic number', 'elf/not-elf', (b) => (b[0] = 0)],
  ['32 bits', 'elf/not-elf', (b) => (b[4] = 1)],
  ['a byte order of 3', 'elf/not-elf', (b) => (b[5] = 3)],
  ['version 2', 'elf/not-elf', (b) => (b[6] = 2)],
  ['a header of 52 bytes', 'elf/entry-size', (_b, v) => v.setUint16(52, 52, true)],
  ['section headers of 40 bytes', 'elf/entry-size', (_b, v) => v.setUint16(58, 40, true)],
  ['a section table past the end', 'elf/table-outside', (b, v) => v.setBigUint64(40, BigInt(b.length), true)],
  ['a section table above 2^53', 'input/truncated', (_b, v) => v.setBigUint64(40, 2n ** 60n, true)],
  ['more section headers than bytes', 'elf/table-outside', (_b, v) => v.setUint16(60, 0x7000, true)],
  ['extended section numbering', 'elf/extended-index', (_b, v) => v.setUint16(60, 0, true)],
  ['a name table that is not there', 'elf/section-index', (_b, v) => v.setUint16(62, 99, true)],
  [
    'a section past the end',
    'elf/table-outside',
    (b, v) => v.setBigUint64(headerOf(b, 1) + 32, BigInt(b.length), true),
  ],
  ['overlapping sections', 'elf/overlap', (b, v) => v.setBigUint64(headerOf(b, 1) + 24, 32n, true)],
  ['a section name outside the table', 'elf/name', (b, v) => v.setUint32(headerOf(b, 1), 9999, true)],
  ['a link to no section', 'elf/section-index', (b, v) => v.setUint32(headerOf(b, 4) + 40, 99, true)],
  ['symbol names in no string table', 'elf/section-link', (b, v) => v.setUint32(headerOf(b, 4) + 40, 1, true)],
  ['compressed data', 'elf/compressed', (b, v) => v.setBigUint64(headerOf(b, 1) + 8, 0x806n, true)],
  ['symbols of 16 bytes', 'elf/entry-size', (b, v) => v.setBigUint64(headerOf(b, 4) + 56, 16n, true)],
  ['a symbol and a half', 'elf/ragged-table', (b, v) => v.setBigUint64(headerOf(b, 4) + 32, 36n, true)],
  ['relocations of no section', 'elf/section-index', (b, v) => v.setUint32(headerOf(b, 3) + 44, 99, true)],
  ['relocations of zeros', 'elf/section-link', (b, v) => v.setUint32(headerOf(b, 3) + 44, 2, true)],
  ['two symbol tables', 'elf/symbol-tables', (b, v) => v.setUint32(headerOf(b, 1) + 4, SHT.SYMTAB, true)],
];

/** File offset of a section's data. */
const dataOf = (bytes: Uint8Array, view: DataView, index: number): number =>
  Number(view.getBigUint64(headerOf(bytes, index) + 24, true));

const BROKEN_DATA: typeof BROKEN = [
  ['a symbol in no section', 'elf/section-index', (b, v) => v.setUint16(dataOf(b, v, 4) + 24 + 6, 50, true)],
  [
    'a symbol with an extended section',
    'elf/extended-index',
    (b, v) => v.setUint16(dataOf(b, v, 4) + 30, 0xffff, true),
  ],
  ['a symbol value above 2^53', 'elf/symbol-value', (b, v) => v.setBigUint64(dataOf(b, v, 4) + 32, 2n ** 63n, true)],
  ['a symbol name outside the table', 'elf/name', (b, v) => v.setUint32(dataOf(b, v, 4) + 24, 5000, true)],
  ['a relocation of no symbol', 'elf/symbol-index', (b, v) => v.setUint32(dataOf(b, v, 3) + 12, 77, true)],
  ['a relocation outside', 'elf/relocation-outside', (b, v) => v.setBigUint64(dataOf(b, v, 3), 32n, true)],
];

describe('readElfSections', () => {
  it('reads what a kernel image has: addresses and symbols in the upper half', () => {
    const bytes = BYTES.little.slice();
    const view = new DataView(bytes.buffer);
    view.setBigUint64(headerOf(bytes, 1) + 16, 0xffff_ffff_8100_0000n, true);
    view.setBigUint64(dataOf(bytes, view, 4) + 32, 0xffff_ffff_8100_0010n, true);
    view.setUint16(16, ET.EXEC, true);
    expect(readElfSections(bytes)).toMatchObject({ type: ET.EXEC, machine: EM_BPF });
    expect(readElfSections(bytes).sections[1]).toMatchObject({ name: 'xdp', addr: 0xffff_ffff_8100_0000n });
  });
});

describe('readElf refuses', () => {
  it.each([...BROKEN, ...BROKEN_DATA])('%s', (_what, code, change) => {
    const bytes = BYTES.little.slice();
    change(bytes, new DataView(bytes.buffer));
    expect(() => readElf(bytes, { file: 'x.o' })).toThrow(
      expect.objectContaining({
        code,
        diagnostic: expect.objectContaining({ place: expect.objectContaining({ file: 'x.o' }) }),
      }),
    );
  });

  it('an object above the limit, before reading it', () => {
    const bytes = new Uint8Array((64 << 20) + 1);
    bytes.set(BYTES.little);
    expect(() => readElf(bytes)).toThrow(expect.objectContaining({ code: 'input/too-large' }));
    expect(readElfSections(bytes).sections.length).toBe(6);
  });

  it('names without end, and names whose overlap makes them too long in total', () => {
    const long = 'a'.repeat(5000);
    expect(() => readElf(buildElf({ sections: [{ name: long }] }))).toThrow(
      expect.objectContaining({ code: 'elf/name' }),
    );
    expect(readElf(buildElf({ sections: [{ name: 'a'.repeat(4096) }] })).sections[1].name.length).toBe(4096);
  });

  it('any prefix of an object', () => {
    for (let length = 0; length < BYTES.little.length; length++) {
      const prefix = BYTES.little.subarray(0, length);
      expect(() => readElf(prefix), `${length} bytes`).toThrow(AnyBpfError);
      expect(isElf(prefix)).toBe(length >= 4);
    }
  });

  it('mutated objects with nothing but its own errors', () => {
    const seeds = [BYTES.little, BYTES.big, ...exampleObjects().map((o) => Uint8Array.from(o.bytes))];
    const mutation = fc.record({
      at: fc.nat({ max: 999_999 }).map((n) => n / 1_000_000),
      value: fc.oneof(fc.nat({ max: 255 }), fc.constantFrom(0, 0x7f, 0x80, 0xff)),
    });
    let refused = 0;
    fc.assert(
      fc.property(
        fc.constantFrom(...seeds),
        fc.array(mutation, { minLength: 1, maxLength: 12 }),
        fc.boolean(),
        (seed, changes, atHeaders) => {
          const bytes = seed.slice();
          // Half of the runs hit only the header and the section table, where most of the checks are.
          const table = bytes.length - Math.min(bytes.length, 64 * 12);
          for (const { at, value } of changes) {
            const where = atHeaders
              ? at < 0.5
                ? at * 128
                : table + (at - 0.5) * 2 * (bytes.length - table)
              : at * bytes.length;
            bytes[Math.floor(where)] = value;
          }
          try {
            readElf(bytes);
          } catch (error) {
            refused++;
            if (!(error instanceof AnyBpfError)) throw error;
          }
        },
      ),
      { numRuns: 600 },
    );
    expect(refused).toBeGreaterThan(100);
  });
});
