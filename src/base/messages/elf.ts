// What the ELF reader and writer may refuse.
import { message } from '../diagnostic.ts';

export const notElf = message('elf/not-elf', (why: string) => `not an ELF64 object: ${why}`);

export const tableOutside = message(
  'elf/table-outside',
  (what: string, offset: number, size: number, length: number) =>
    `${what} at offset ${offset} of ${size} bytes lies outside the file of ${length} bytes`,
);

export const badEntrySize = message(
  'elf/entry-size',
  (what: string, found: number, expected: number) => `${what} has entries of ${found} bytes, expected ${expected}`,
);

export const raggedTable = message(
  'elf/ragged-table',
  (what: string, size: number, entry: number) =>
    `${what} has ${size} bytes, not a multiple of its ${entry}-byte entries`,
);

export const sectionsOverlap = message('elf/overlap', (a: string, b: string) => `${a} and ${b} overlap in the file`);

export const compressedSection = message('elf/compressed', () => 'compressed sections are not read', {
  hint: 'decompress it with `objcopy --decompress-debug-sections`',
});

export const badSectionIndex = message(
  'elf/section-index',
  (what: string, index: number, count: number) =>
    `${what} names section ${index}, but the object has ${count} sections`,
);

export const badLink = message(
  'elf/section-link',
  (what: string, index: number, wanted: string) => `${what} links to section ${index}, which is not ${wanted}`,
);

export const badSymbolIndex = message(
  'elf/symbol-index',
  (what: string, index: number, count: number) => `${what} names symbol ${index}, but the object has ${count} symbols`,
);

export const badName = message(
  'elf/name',
  (what: string, offset: number, why: string) => `the name of ${what} at string offset ${offset} ${why}`,
);

export const symbolValue = message(
  'elf/symbol-value',
  (name: string, value: bigint) => `symbol '${name}' has the value or size ${value}, which no object can hold`,
);

export const twoSymbolTables = message('elf/symbol-tables', () => 'the object has more than one symbol table');

export const extendedIndex = message(
  'elf/extended-index',
  (what: string) => `${what} uses extended section numbering, which is not read`,
);

export const relocationOutside = message(
  'elf/relocation-outside',
  (offset: bigint, size: number) => `a relocation at offset ${offset} lies outside its section of ${size} bytes`,
);

export const cannotWrite = message('elf/write', (why: string) => `the object cannot be written: ${why}`);
