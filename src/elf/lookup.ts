// Questions asked of a read object.
import type { ElfFile, ElfRelocation, ElfSection, ElfSections, ElfSymbol } from './format.ts';

/** The first section of this name. */
export const sectionByName = (file: ElfSections, name: string): ElfSection | undefined =>
  file.sections.find((s) => s.name === name);

/** The first symbol of this name. */
export const symbolByName = (file: ElfFile, name: string): ElfSymbol | undefined =>
  file.symbols.find((s) => s.name === name);

/** The symbols defined in a section, in the order of their values. */
export const symbolsIn = (file: ElfFile, section: number): ElfSymbol[] =>
  file.symbols.filter((s) => s.section === section).sort((a, b) => a.value - b.value);

/** All relocations that patch a section, in file order. */
export const relocationsOf = (file: ElfFile, section: number): ElfRelocation[] =>
  file.sections.flatMap((s) => (s.info === section ? (s.relocations ?? []) : []));
