// ElfFile -> bytes. Symbol, relocation and name tables are made anew from the decoded entries.
import { ByteWriter, type Endian, utf8 } from '../base/bytes.ts';
import { fail } from '../base/diagnostic.ts';
import { cannotWrite } from '../base/messages/elf.ts';
import {
  ELF_SIZES,
  type ElfFile,
  type ElfRelocation,
  type ElfSection,
  type ElfSymbol,
  SHN,
  SHT,
  STT,
  type SymbolSection,
} from './format.ts';

/** Sections start at multiples of their alignment, up to this: a file is not memory. */
const MAX_FILE_ALIGN = 16;

/** A string table under construction. */
class Names {
  readonly #out = new ByteWriter().u8(0);
  readonly #offsets = new Map([['', 0]]);

  add(name: string): number {
    let offset = this.#offsets.get(name);
    if (offset === undefined) {
      if (name.includes('\0')) fail(cannotWrite({}, 'a name contains a NUL'));
      offset = this.#out.length;
      this.#offsets.set(name, offset);
      this.#out.bytes(utf8(name)).u8(0);
    }
    return offset;
  }

  finish(): Uint8Array {
    return this.#out.finish();
  }
}

const SPECIAL = { undef: SHN.UNDEF, abs: SHN.ABS, common: SHN.COMMON } as const;

function sectionNumber(section: SymbolSection, count: number, name: string): number {
  if (typeof section !== 'number') return SPECIAL[section];
  if (section <= 0 || section >= count) fail(cannotWrite({}, `symbol '${name}' is in section ${section} of ${count}`));
  return section;
}

/** Section symbols are written without a name, as compilers do: they carry their section's. */
const writtenName = (symbol: ElfSymbol, sections: readonly ElfSection[]): string =>
  symbol.type === STT.SECTION && typeof symbol.section === 'number' && sections[symbol.section]?.name === symbol.name
    ? ''
    : symbol.name;

function encodeSymbols(file: ElfFile, names: Names): Uint8Array {
  const out = new ByteWriter(file.endian);
  for (const symbol of file.symbols) {
    out
      .u32(names.add(writtenName(symbol, file.sections)))
      .u8((symbol.binding << 4) | symbol.type)
      .u8(symbol.visibility)
      .u16(sectionNumber(symbol.section, file.sections.length, symbol.name))
      .u64(BigInt(symbol.value))
      .u64(BigInt(symbol.size));
  }
  return out.finish();
}

function encodeRelocations(relocations: readonly ElfRelocation[], type: number, endian: Endian): Uint8Array {
  const out = new ByteWriter(endian);
  for (const r of relocations) {
    out.u64(BigInt(r.offset)).u64((BigInt(r.symbol) << 32n) | BigInt(r.type));
    if (type === SHT.RELA) out.u64(BigInt.asUintN(64, r.addend ?? 0n));
  }
  return out.finish();
}

/** The bytes of every section, tables regenerated. */
function contents(file: ElfFile): { readonly data: Uint8Array[]; readonly names: Names } {
  const tables = new Map<number, Names>();
  const table = (index: number, what: string): Names => {
    if (file.sections[index]?.type !== SHT.STRTAB) fail(cannotWrite({}, `${what} section ${index} is no string table`));
    let names = tables.get(index);
    if (names === undefined) tables.set(index, (names = new Names()));
    return names;
  };
  const names = table(file.nameTable, 'the section names');
  for (const section of file.sections) names.add(section.name);
  const data = file.sections.map((s) => {
    if (s.type === SHT.SYMTAB) return encodeSymbols(file, table(s.link, 'the symbol names'));
    if (s.relocations !== undefined) return encodeRelocations(s.relocations, s.type, file.endian);
    return s.type === SHT.NOBITS || s.type === SHT.NULL ? new Uint8Array(0) : s.data;
  });
  for (const [index, made] of tables) data[index] = made.finish();
  return { data, names };
}

/**
 * Writes an object: header, sections in order, section table. Offsets, sizes and the contents of the symbol table, of
 * relocation tables and of the two name tables follow from the rest; what the file says of them is ignored. Reading
 * the result gives the same file but for those. Raises elf/write.
 */
export function writeElf(file: ElfFile): Uint8Array<ArrayBuffer> {
  const { sections, endian } = file;
  if (sections[0]?.type !== SHT.NULL) fail(cannotWrite({}, 'its first section is not the null section'));
  if (sections.length >= SHN.LORESERVE) fail(cannotWrite({}, `it has ${sections.length} sections`));
  if (file.symbols.length > 0 && !sections.some((s) => s.type === SHT.SYMTAB)) {
    fail(cannotWrite({}, 'it has symbols but no symbol table'));
  }
  const { data, names } = contents(file);
  const body = new ByteWriter(endian);
  body.bytes(new Uint8Array(ELF_SIZES.header));
  const offsets = sections.map((s, i) => {
    if (s.type === SHT.NULL) return 0;
    const power = s.align > 0 && Number.isInteger(Math.log2(s.align));
    body.align(power ? Math.min(s.align, MAX_FILE_ALIGN) : 1);
    const at = body.length;
    body.bytes(data[i]);
    return at;
  });
  body.align(8);
  const tableAt = body.length;
  for (const [i, s] of sections.entries()) {
    body
      .u32(names.add(s.name))
      .u32(s.type)
      .u64(BigInt(s.flags))
      .u64(s.addr)
      .u64(BigInt(offsets[i]))
      .u64(BigInt(s.type === SHT.NOBITS || s.type === SHT.NULL ? s.size : data[i].length))
      .u32(s.link)
      .u32(s.info)
      .u64(BigInt(s.align))
      .u64(BigInt(s.entsize));
  }
  const out = body.finish();
  out.set(encodeHeader(file, tableAt), 0);
  return out;
}

function encodeHeader(file: ElfFile, tableAt: number): Uint8Array {
  return new ByteWriter(file.endian)
    .bytes(Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, 2, file.endian === 'little' ? 1 : 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0))
    .u16(file.type)
    .u16(file.machine)
    .u32(1)
    .u64(0n)
    .u64(0n)
    .u64(BigInt(tableAt))
    .u32(file.flags)
    .u16(ELF_SIZES.header)
    .u16(0)
    .u16(0)
    .u16(ELF_SIZES.section)
    .u16(file.sections.length)
    .u16(file.nameTable)
    .finish();
}
