// Bytes -> ElfFile. Every offset, size and index of the file is checked before it is used.
import { ByteReader, type Endian, text } from '../base/bytes.ts';
import { fail, type Place } from '../base/diagnostic.ts';
import {
  badEntrySize,
  badLink,
  badName,
  badSectionIndex,
  badSymbolIndex,
  compressedSection,
  extendedIndex,
  notElf,
  raggedTable,
  relocationOutside,
  sectionsOverlap,
  symbolValue,
  tableOutside,
  twoSymbolTables,
} from '../base/messages/elf.ts';
import { tooLarge } from '../base/messages/input.ts';
import {
  ELF_SIZES,
  type ElfFile,
  type ElfHeader,
  type ElfRelocation,
  type ElfSection,
  type ElfSections,
  type ElfSymbol,
  SHF,
  SHN,
  SHT,
  STT,
  type SymbolSection,
} from './format.ts';

/** The largest object {@link readElf} takes, in bytes. */
export const MAX_OBJECT_BYTES = 64 << 20;
/** The largest file {@link readElfSections} takes, in bytes (a vmlinux with debug information fits). */
export const MAX_ELF_BYTES = 2 ** 31;

/** Longer names than this are no names. Mangled C++ and Rust names stay below. */
const MAX_NAME_BYTES = 4096;

interface Tables {
  readonly header: ElfHeader;
  readonly shoff: number;
  readonly shnum: number;
}

/** Whether the bytes begin with the ELF magic number. */
export const isElf = (bytes: Uint8Array): boolean =>
  bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46;

function readIdent(bytes: Uint8Array, place: Place): Endian {
  if (!isElf(bytes)) fail(notElf(place, 'the first four bytes are not 7f 45 4c 46'));
  if (bytes.length < ELF_SIZES.header) fail(notElf(place, `only ${bytes.length} bytes long`));
  if (bytes[4] !== 2) fail(notElf(place, `class ${bytes[4]}, not 2 (64 bits)`));
  if (bytes[5] !== 1 && bytes[5] !== 2) fail(notElf(place, `byte order ${bytes[5]}, not 1 or 2`));
  if (bytes[6] !== 1) fail(notElf(place, `version ${bytes[6]}, not 1`));
  return bytes[5] === 1 ? 'little' : 'big';
}

function readHeader(reader: ByteReader, place: Place): Tables {
  const ehsize = reader.u16(52);
  if (ehsize !== ELF_SIZES.header)
    fail(badEntrySize({ ...place, offset: 52 }, 'the ELF header', ehsize, ELF_SIZES.header));
  const shoff = reader.size64(40, 'section table offset');
  const shentsize = reader.u16(58);
  const shnum = reader.u16(60);
  if (shoff !== 0 || shnum !== 0) {
    if (shentsize !== ELF_SIZES.section) {
      fail(badEntrySize({ ...place, offset: 58 }, 'the section table', shentsize, ELF_SIZES.section));
    }
    if (shnum === 0) fail(extendedIndex({ ...place, offset: 60 }, 'the section table'));
    const size = shnum * ELF_SIZES.section;
    if (shoff < ELF_SIZES.header || shoff + size > reader.length) {
      fail(tableOutside(place, 'the section table', shoff, size, reader.length));
    }
  }
  const shstrndx = reader.u16(62);
  if (shstrndx === SHN.XINDEX) fail(extendedIndex({ ...place, offset: 62 }, 'the section name table'));
  if (shnum > 0 && shstrndx >= shnum) {
    fail(badSectionIndex({ ...place, offset: 62 }, 'the ELF header (e_shstrndx)', shstrndx, shnum));
  }
  const header: ElfHeader = {
    endian: reader.endian,
    type: reader.u16(16),
    machine: reader.u16(18),
    flags: reader.u32(48),
    nameTable: shstrndx,
  };
  return { header, shoff, shnum };
}

/** Reads names out of one string table, each offset once. The total work is bounded by the table's own size. */
class NameTable {
  readonly #data: Uint8Array;
  /** All names as one text, of which they are slices; undefined where some character has several bytes. */
  readonly #text: string | undefined;
  readonly #names = new Map<number, string>();
  readonly #place: Place;
  #budget: number;

  constructor(data: Uint8Array, place: Place) {
    this.#data = data;
    const all = text(data);
    this.#text = all.length === data.length ? all : undefined;
    this.#place = place;
    this.#budget = 16 * data.length + MAX_NAME_BYTES;
  }

  at(offset: number, what: string): string {
    const known = this.#names.get(offset);
    if (known !== undefined) return known;
    // An empty table can still be named by offset 0, which is the empty name.
    if (offset === 0 && this.#data.length === 0) return '';
    const refuse = (why: string): never => fail(badName(this.#place, what, offset, why));
    const data = this.#data;
    if (offset >= data.length) return refuse(`lies outside the table of ${data.length} bytes`);
    const most = Math.min(data.length, offset + MAX_NAME_BYTES + 1);
    let end = offset;
    while (end < most && data[end] !== 0) end++;
    if (end === most)
      return refuse(end - offset > MAX_NAME_BYTES ? `is longer than ${MAX_NAME_BYTES} bytes` : 'has no end');
    this.#budget -= end - offset;
    if (this.#budget < 0) return refuse('is one of overlapping names that are too long in total');
    const name = this.#text?.slice(offset, end) ?? text(data.subarray(offset, end));
    this.#names.set(offset, name);
    return name;
  }
}

function checkOverlap(sections: readonly ElfSection[], tables: Tables, place: Place): void {
  const ranges = sections
    .filter((s) => s.data.length > 0)
    .map((s) => ({ what: `section ${s.name === '' ? s.index : s.name}`, start: s.offset, end: s.offset + s.size }));
  ranges.push({ what: 'the ELF header', start: 0, end: ELF_SIZES.header });
  ranges.push({ what: 'the section table', start: tables.shoff, end: tables.shoff + tables.shnum * ELF_SIZES.section });
  ranges.sort((a, b) => a.start - b.start);
  for (let i = 1; i < ranges.length; i++) {
    if (ranges[i].start < ranges[i - 1].end) fail(sectionsOverlap(place, ranges[i - 1].what, ranges[i].what));
  }
}

function readSections(reader: ByteReader, place: Place): ElfSections {
  const tables = readHeader(reader, place);
  const { shoff, shnum } = tables;
  const named: { section: Omit<ElfSection, 'name'>; nameOffset: number }[] = [];
  for (let index = 0; index < shnum; index++) {
    const at = shoff + index * ELF_SIZES.section;
    const type = reader.u32(at + 4);
    const offset = reader.size64(at + 24, 'section offset');
    const size = reader.size64(at + 32, 'section size');
    const hasData = type !== SHT.NOBITS && type !== SHT.NULL;
    if (hasData && offset + size > reader.length) {
      fail(tableOutside(place, `section ${index}`, offset, size, reader.length));
    }
    const section = {
      index,
      type,
      flags: reader.size64(at + 8, 'section flags'),
      addr: reader.u64(at + 16),
      offset,
      size,
      link: reader.u32(at + 40),
      info: reader.u32(at + 44),
      align: reader.size64(at + 48, 'section alignment'),
      entsize: reader.size64(at + 56, 'section entry size'),
      data: hasData ? reader.slice(offset, size) : new Uint8Array(0),
    };
    named.push({ section, nameOffset: reader.u32(at) });
  }
  const names = new NameTable(shnum === 0 ? new Uint8Array(0) : named[tables.header.nameTable].section.data, place);
  const sections = named.map(
    ({ section, nameOffset }): ElfSection => ({ ...section, name: names.at(nameOffset, `section ${section.index}`) }),
  );
  checkOverlap(sections, tables, place);
  for (const s of sections) {
    if (s.type !== SHT.NULL && s.link >= shnum) {
      fail(badSectionIndex({ ...place, section: s.name }, 'its link', s.link, shnum));
    }
  }
  return { ...tables.header, sections };
}

/**
 * Reads the header and the sections only; symbols and relocations stay undecoded bytes. For files of which one section
 * is wanted, such as the .BTF of a vmlinux. Errors: `elf/*`, `input/*`.
 */
export function readElfSections(bytes: Uint8Array, place: Place = {}): ElfSections {
  if (bytes.length > MAX_ELF_BYTES) fail(tooLarge(place, 'the ELF file', bytes.length, MAX_ELF_BYTES));
  // A plain view: subclasses such as Node's Buffer slice differently, and must not leak into the data of sections.
  const plain = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return readSections(new ByteReader(plain, readIdent(plain, place), place), place);
}

function entries(section: ElfSection, size: number, place: Place): number {
  if (section.entsize !== size) fail(badEntrySize(place, 'the section', section.entsize, size));
  if (section.size % size !== 0) fail(raggedTable(place, 'the section', section.size, size));
  return section.size / size;
}

function readSymbols(file: ElfSections, place: Place): ElfSymbol[] {
  const tables = file.sections.filter((s) => s.type === SHT.SYMTAB);
  if (tables.length === 0) return [];
  if (tables.length > 1) fail(twoSymbolTables(place));
  const [table] = tables;
  const here = { ...place, section: table.name };
  const strings = file.sections[table.link];
  if (strings.type !== SHT.STRTAB) fail(badLink(here, 'the symbol table', table.link, 'a string table'));
  const names = new NameTable(strings.data, { ...place, section: strings.name });
  const reader = new ByteReader(table.data, file.endian, here);
  const count = entries(table, ELF_SIZES.symbol, here);
  const symbols: ElfSymbol[] = [];
  for (let index = 0; index < count; index++) {
    const at = index * ELF_SIZES.symbol;
    const info = reader.u8(at + 4);
    const type = info & 0xf;
    const section = symbolSection(reader.u16(at + 6), file.sections.length, here, at + 6);
    const ownName = names.at(reader.u32(at), `symbol ${index}`);
    const name =
      ownName === '' && type === STT.SECTION && typeof section === 'number' ? file.sections[section].name : ownName;
    const value = reader.number64(at + 8);
    const size = reader.number64(at + 16);
    const unsafe = Number.isSafeInteger(value) ? (Number.isSafeInteger(size) ? undefined : 16) : 8;
    if (unsafe !== undefined) fail(symbolValue({ ...here, offset: at + 8 }, name, reader.u64(at + unsafe)));
    symbols.push({
      index,
      name,
      value,
      size,
      type,
      binding: info >> 4,
      visibility: reader.u8(at + 5) & 3,
      section,
    });
  }
  return symbols;
}

function symbolSection(index: number, count: number, table: Place, offset: number): SymbolSection {
  if (index === SHN.UNDEF) return 'undef';
  if (index === SHN.ABS) return 'abs';
  if (index === SHN.COMMON) return 'common';
  if (index === SHN.XINDEX) fail(extendedIndex({ ...table, offset }, 'a symbol'));
  if (index >= count) fail(badSectionIndex({ ...table, offset }, 'a symbol', index, count));
  return index;
}

/** Checks a table of relocations. What it gives decodes them: a reader needs few of the tables of an object. */
function readRelocations(table: ElfSection, file: ElfSections, symbols: number, place: Place): () => ElfRelocation[] {
  const here = { ...place, section: table.name };
  const withAddend = table.type === SHT.RELA;
  const entry = withAddend ? ELF_SIZES.rela : ELF_SIZES.rel;
  const count = entries(table, entry, here);
  if (table.info >= file.sections.length) fail(badSectionIndex(here, 'its target', table.info, file.sections.length));
  // Tables without a target section are those of the dynamic linker; their offsets are addresses.
  const target = table.info === 0 ? undefined : file.sections[table.info];
  if (target !== undefined && (target.type === SHT.NOBITS || target.type === SHT.NULL)) {
    fail(badLink(here, 'the relocation table', table.info, 'a section with data'));
  }
  if (target !== undefined && count > 0 && file.sections[table.link].type !== SHT.SYMTAB) {
    fail(badLink(here, 'the relocation table', table.link, 'the symbol table'));
  }
  const reader = new ByteReader(table.data, file.endian, here);
  // r_info: the symbol in the high half, the type in the low half, in the file's byte order.
  const [high, low] = file.endian === 'little' ? [12, 8] : [8, 12];
  const size = target?.size ?? 0;
  const end = target === undefined ? 0 : count * entry;
  for (let at = 0; at < end; at += entry) {
    if (reader.number64(at) >= size) fail(relocationOutside({ ...here, offset: at }, reader.u64(at), size));
    const symbol = reader.u32(at + high);
    if (symbol >= symbols) fail(badSymbolIndex({ ...here, offset: at }, 'a relocation', symbol, symbols));
  }
  return () =>
    Array.from({ length: count }, (_, i): ElfRelocation => {
      const at = i * entry;
      const place = { offset: reader.number64(at), type: reader.u32(at + low), symbol: reader.u32(at + high) };
      return withAddend ? { ...place, addend: BigInt.asIntN(64, reader.u64(at + 16)) } : place;
    });
}

/** A table with its relocations, which are decoded when they are first asked for. */
function withRelocations(section: ElfSection, decode: () => ElfRelocation[]): ElfSection {
  let relocations: readonly ElfRelocation[] | undefined;
  return {
    ...section,
    get relocations() {
      return (relocations ??= decode());
    },
  };
}

/**
 * Reads a 64-bit ELF object of either byte order: header, sections, symbols and relocations. Section symbols without a
 * name carry their section's. Section data are views into `bytes`. Compressed sections, extended section numbering
 * and more than one symbol table are refused. Errors: `elf/*`, `input/*`.
 */
export function readElf(bytes: Uint8Array, place: Place = {}): ElfFile {
  if (bytes.length > MAX_OBJECT_BYTES) fail(tooLarge(place, 'the object', bytes.length, MAX_OBJECT_BYTES));
  const file = readElfSections(bytes, place);
  for (const s of file.sections) {
    if ((s.flags & SHF.COMPRESSED) !== 0) fail(compressedSection({ ...place, section: s.name }));
    if (s.type === SHT.SYMTAB_SHNDX) fail(extendedIndex({ ...place, section: s.name }, 'the symbol table'));
  }
  const symbols = readSymbols(file, place);
  const sections = file.sections.map((s) =>
    s.type === SHT.REL || s.type === SHT.RELA ? withRelocations(s, readRelocations(s, file, symbols.length, place)) : s,
  );
  return { ...file, sections, symbols };
}
