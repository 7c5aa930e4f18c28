// The functions of the executable sections: their names, bounds and bytes.
import { fail } from '../base/diagnostic.ts';
import { functionOutside, sectionSize } from '../base/messages/link.ts';
import { funcAt } from '../btf/ext.ts';
import { type ElfSection, type ElfSymbol, SHF, SHT, STB, STT, type SymbolSection } from '../elf/format.ts';
import { SLOT_SIZE, toLittleEndian } from '../isa/insn.ts';
import { type LinkInput, namedSymbols } from './input.ts';

/** Where the compiler puts functions that have no section of their own. */
export const TEXT_SECTION = '.text';

/** One function of the object, before linking. Slots are counted from the start of its section. */
export interface LinkFunction {
  readonly name: string;
  /** ELF section index. */
  readonly section: number;
  readonly sectionName: string;
  readonly start: number;
  readonly length: number;
  /** Visible outside its file: not static, and not hidden. */
  readonly global: boolean;
  readonly static: boolean;
  /** BTF id of its FUNC, or 0. */
  readonly typeId: number;
  /** Its slots, in little-endian encoding. */
  readonly code: Uint8Array;
}

export interface CodeSection {
  readonly section: ElfSection;
  /** In order of their starts; they do not overlap. */
  readonly functions: readonly LinkFunction[];
}

/** Compilers before LLVM 8 gave functions no type; labels inside them are `LBB0_1` or begin with `.L`. */
const isFunctionSymbol = (s: ElfSymbol): boolean =>
  s.type === STT.FUNC || (s.type === STT.NOTYPE && !/^(\.L|LBB\d|Ltmp\d|Lfunc_)/.test(s.name));

/** Labels of inline assembler stand inside functions that have a type. */
function withoutLabels(symbols: readonly ElfSymbol[]): readonly ElfSymbol[] {
  const typed = symbols.filter((s) => s.type === STT.FUNC && s.size > 0);
  let at = 0;
  return symbols.filter((s) => {
    while (at < typed.length && typed[at].value + typed[at].size <= s.value) at++;
    return s.type === STT.FUNC || at === typed.length || s.value < typed[at].value;
  });
}

const isCode = (s: ElfSection): boolean =>
  s.type === SHT.PROGBITS && (s.flags & SHF.EXECINSTR) !== 0 && s.data.length > 0;

function functionsOf(input: LinkInput, section: ElfSection): LinkFunction[] {
  const place = { ...input.place, section: section.name };
  if (section.size % SLOT_SIZE !== 0) fail(sectionSize(place, `has ${section.size} bytes, no whole instructions`));
  const code = toLittleEndian(section.data, input.elf.endian, place);
  const symbols = withoutLabels(namedSymbols(input, section.index, isFunctionSymbol));
  const functions: LinkFunction[] = [];
  const add = (name: string, from: number, to: number, symbol: ElfSymbol | undefined): void => {
    const here = { ...place, program: name, offset: from };
    if (from % SLOT_SIZE !== 0 || to % SLOT_SIZE !== 0)
      fail(functionOutside(here, 'does not begin and end with slots'));
    if (to > code.length) fail(functionOutside(here, `ends at ${to}, after the ${code.length} bytes of its section`));
    if (to <= from) fail(functionOutside(here, 'is empty'));
    const typeId = (input.ext === undefined ? undefined : funcAt(input.ext, section.name, from)?.typeId) ?? 0;
    functions.push({
      name,
      section: section.index,
      sectionName: section.name,
      start: from / SLOT_SIZE,
      length: (to - from) / SLOT_SIZE,
      // clang marks `static` functions that it had to export, and __hidden ones, with a visibility: no entry points.
      global: symbol !== undefined && symbol.binding !== STB.LOCAL && symbol.visibility === 0,
      static: symbol !== undefined && symbol.binding === STB.LOCAL,
      typeId,
      code: code.subarray(from, to),
    });
  };
  // Several symbols may share a start (aliases): the first of namedSymbols' order names the function.
  const starts = symbols.filter((s, i) => i === 0 || s.value !== symbols[i - 1].value);
  for (const [i, symbol] of starts.entries()) {
    const next = i + 1 < starts.length ? starts[i + 1].value : code.length;
    const end = symbol.size === 0 ? next : symbol.value + symbol.size;
    if (end > next && i + 1 < starts.length) {
      fail(functionOutside({ ...place, program: symbol.name }, `reaches into '${starts[i + 1].name}'`));
    }
    add(symbol.name, symbol.value, end, symbol);
  }
  // Without any symbol the section is one function.
  if (starts.length === 0) add(section.name, 0, code.length, undefined);
  return functions;
}

/**
 * The executable sections with their functions. A function's length is its symbol's, or where old compilers gave none
 * the distance to the next one. Errors: link/function, link/section-size.
 */
export const codeSections = (input: LinkInput): CodeSection[] =>
  input.elf.sections.filter(isCode).map((section) => ({ section, functions: functionsOf(input, section) }));

/** Finds functions by their place. */
export class FunctionIndex {
  readonly #sections: ReadonlyMap<number, ReadonlyMap<number, LinkFunction>>;

  constructor(sections: readonly CodeSection[]) {
    this.#sections = new Map(
      sections.map(({ section, functions }) => [section.index, new Map(functions.map((f) => [f.start, f]))]),
    );
  }

  /** Whether the section holds code. */
  isCode(section: number): boolean {
    return this.#sections.has(section);
  }

  /** The function whose first slot is this. */
  at(section: SymbolSection, slot: number): LinkFunction | undefined {
    return typeof section === 'number' ? this.#sections.get(section)?.get(slot) : undefined;
  }
}
