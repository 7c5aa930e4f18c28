// A new object from its parts, as a compiler would write it.
import type { Endian } from '../base/bytes.ts';
import { fail } from '../base/diagnostic.ts';
import { cannotWrite } from '../base/messages/elf.ts';
import {
  ELF_SIZES,
  type ElfRelocation,
  type ElfSection,
  type ElfSymbol,
  EM_BPF,
  ET,
  SHF,
  SHT,
  STB,
  STT,
  STV,
} from './format.ts';
import { writeElf } from './write.ts';

export interface NewSection {
  readonly name: string;
  /** {@link SHT}; PROGBITS where not given. */
  readonly type?: number;
  /** {@link SHF}. */
  readonly flags?: number;
  readonly align?: number;
  readonly entsize?: number;
  readonly data?: Uint8Array;
  /** Of a NOBITS section. */
  readonly size?: number;
  /** `symbol` is an index into {@link NewElf.symbols}. */
  readonly relocations?: readonly ElfRelocation[];
}

export interface NewSymbol {
  readonly name: string;
  /** Name of a section of the object, or a special place. */
  readonly section: string | { readonly special: 'undef' | 'abs' | 'common' };
  readonly value?: number;
  readonly size?: number;
  /** {@link STT}; NOTYPE where not given. */
  readonly type?: number;
  /** {@link STB}; LOCAL where not given. */
  readonly binding?: number;
  /** {@link STV}. */
  readonly visibility?: number;
}

export interface NewElf {
  readonly endian?: Endian;
  readonly machine?: number;
  readonly sections: readonly NewSection[];
  readonly symbols?: readonly NewSymbol[];
}

/** Entry size and alignment of the tables that the builder adds. */
const TABLES = {
  [SHT.REL]: { entsize: ELF_SIZES.rel, align: 8 },
  [SHT.SYMTAB]: { entsize: ELF_SIZES.symbol, align: 8 },
  [SHT.STRTAB]: { entsize: 0, align: 1 },
} as const;

const EMPTY: Omit<ElfSection, 'index' | 'name' | 'type'> = {
  flags: 0,
  addr: 0n,
  offset: 0,
  size: 0,
  link: 0,
  info: 0,
  align: 0,
  entsize: 0,
  data: new Uint8Array(0),
};

/**
 * The bytes of a relocatable BPF object: the given sections from index 1 on, then a `.rel` section for each that has
 * relocations, `.symtab` and `.strtab`. Symbols are put in ELF's order, local ones first; relocations follow.
 * Raises elf/write.
 */
export function buildElf(parts: NewElf): Uint8Array<ArrayBuffer> {
  const { endian = 'little', machine = EM_BPF, symbols: given = [] } = parts;
  const withRelocations = parts.sections.flatMap((s, i) =>
    s.relocations === undefined ? [] : [{ name: s.name, target: i + 1, relocations: s.relocations }],
  );
  const symtab = 1 + parts.sections.length + withRelocations.length;
  const strtab = symtab + 1;

  const order = [...given.keys()].sort((a, b) => Number(isGlobal(given[a])) - Number(isGlobal(given[b])));
  const newIndex = new Map(order.map((old, i) => [old, i + 1]));
  const sections: ElfSection[] = [{ ...EMPTY, index: 0, name: '', type: SHT.NULL }];
  const add = (section: Omit<ElfSection, 'index'>): void => void sections.push({ ...section, index: sections.length });
  for (const s of parts.sections) {
    const { name, type = SHT.PROGBITS, flags = 0, align = 1, entsize = 0, data = EMPTY.data } = s;
    add({ ...EMPTY, name, type, flags, align, entsize, data, size: s.size ?? data.length });
  }
  for (const { name, target, relocations } of withRelocations) {
    const renumbered = relocations.map((r) => ({ ...r, symbol: symbolIndex(newIndex, r.symbol) }));
    const table = { ...EMPTY, ...TABLES[SHT.REL], flags: SHF.INFO_LINK, link: symtab, info: target };
    add({ ...table, name: `.rel${name}`, type: SHT.REL, relocations: renumbered });
  }
  const firstGlobal = 1 + given.filter((s) => !isGlobal(s)).length;
  add({ ...EMPTY, ...TABLES[SHT.SYMTAB], name: '.symtab', type: SHT.SYMTAB, link: strtab, info: firstGlobal });
  add({ ...EMPTY, ...TABLES[SHT.STRTAB], name: '.strtab', type: SHT.STRTAB });

  const symbols = [NO_SYMBOL, ...order.map((old, i) => newSymbol(given[old], i + 1, sections))];
  return writeElf({ endian, machine, type: ET.REL, flags: 0, nameTable: strtab, sections, symbols });
}

const isGlobal = (symbol: NewSymbol): boolean => (symbol.binding ?? STB.LOCAL) !== STB.LOCAL;

const NO_SYMBOL: ElfSymbol = {
  index: 0,
  name: '',
  value: 0,
  size: 0,
  type: STT.NOTYPE,
  binding: STB.LOCAL,
  visibility: STV.DEFAULT,
  section: 'undef',
};

function symbolIndex(indexes: ReadonlyMap<number, number>, symbol: number): number {
  return indexes.get(symbol) ?? fail(cannotWrite({}, `a relocation names symbol ${symbol}, which is not given`));
}

function newSymbol(symbol: NewSymbol, index: number, sections: readonly ElfSection[]): ElfSymbol {
  const {
    name,
    section,
    value = 0,
    size = 0,
    type = STT.NOTYPE,
    binding = STB.LOCAL,
    visibility = STV.DEFAULT,
  } = symbol;
  const found = typeof section === 'string' ? sections.find((s) => s.name === section)?.index : section.special;
  if (found === undefined) return fail(cannotWrite({}, `symbol '${name}' is in a section that is not given`));
  return { index, name, value, size, type, binding, visibility, section: found };
}
