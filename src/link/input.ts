// The object as all stages of linking see it: sections, symbols, types, dialect.
import { cString } from '../base/bytes.ts';
import { type Diagnostic, fail, type Place } from '../base/diagnostic.ts';
import { notBpf } from '../base/messages/link.ts';
import type { Btf } from '../btf/btf.ts';
import { decodeBtf } from '../btf/decode.ts';
import { type BtfExt, decodeBtfExt } from '../btf/ext.ts';
import type { BtfDatasec } from '../btf/format.ts';
import { EM_BPF, ET, type ElfFile, type ElfRelocation, type ElfSection, type ElfSymbol, SHT } from '../elf/format.ts';
import { sectionByName } from '../elf/lookup.ts';
import { readElf } from '../elf/read.ts';
import type { Dialect, MapSpec } from '../spec/object.ts';
import { layOutDatasecs, sectionLayouts } from './datasec.ts';

export interface LinkInput {
  readonly elf: ElfFile;
  /** With its DATASEC types laid out (link/datasec.ts). */
  readonly btf?: Btf;
  /** The bytes of `btf`. */
  readonly btfBytes?: Uint8Array;
  readonly ext?: BtfExt;
  readonly dialect: Dialect;
  /** File name without folders and from its first `.` on, as libbpf names objects. */
  readonly name: string;
  readonly place: Place;
  /** The symbols of each section, by section index. */
  readonly symbols: ReadonlyMap<number, readonly ElfSymbol[]>;
  /** The tables of relocations that patch each section, by its index. */
  readonly relocationTables: ReadonlyMap<number, readonly ElfSection[]>;
  /** Decl tags by the id of the type that they tag as a whole. */
  readonly tags: ReadonlyMap<number, readonly string[]>;
  /** Findings so far; stages add to it. */
  readonly diagnostics: Diagnostic[];
}

/** A map with its place in the file, for the references to it. */
export interface PlacedMap {
  /** ELF section index. */
  readonly section: number;
  /** Bytes from the section's start, and length. */
  readonly offset: number;
  readonly size: number;
  readonly spec: MapSpec;
  /** iproute2's and Windows' number of the map: what `inner_id` and `ID/SLOT` sections refer to; 0 for none. */
  readonly id: number;
  /** The map is left out of the object (its type has no name here), and what refers to it is refused with this. */
  readonly rejected?: Diagnostic;
}

/** Marks the objects of eBPF for Windows. */
const WINDOWS_MARK = '.ebpf_for_windows';

function decodeTags(btf: Btf | undefined): Map<number, string[]> {
  const tags = new Map<number, string[]>();
  if (btf === undefined) return tags;
  for (let id = btf.firstId; id < btf.count; id++) {
    if (btf.kindOf(id) !== 'decl_tag') continue;
    const tag = btf.type(id);
    if (tag.kind !== 'decl_tag' || tag.component !== -1) continue;
    const known = tags.get(tag.type);
    if (known === undefined) tags.set(tag.type, [tag.name]);
    else known.push(tag.name);
  }
  return tags;
}

/** Lists by key, in order. */
export function groupBy<T, K>(items: Iterable<T>, key: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const item of items) {
    const k = key(item);
    const group = groups.get(k);
    if (group === undefined) groups.set(k, [item]);
    else group.push(item);
  }
  return groups;
}

function indexSymbols(elf: ElfFile): Map<number, ElfSymbol[]> {
  const placed = new Map<number, ElfSymbol[]>();
  for (const [section, symbols] of groupBy(elf.symbols, (s) => s.section)) {
    if (typeof section === 'number') placed.set(section, symbols);
  }
  return placed;
}

const relocationTables = (elf: ElfFile): Map<number, ElfSection[]> =>
  groupBy(
    elf.sections.filter((s) => s.type === SHT.REL || s.type === SHT.RELA),
    (s) => s.info,
  );

/** The relocations that patch a section. */
export const relocationsOf = (input: LinkInput, section: number): readonly ElfRelocation[] =>
  (input.relocationTables.get(section) ?? []).flatMap((table) => table.relocations ?? []);

/** Reads ELF, .BTF and .BTF.ext. Errors: elf/*, btf/*, input/*, link/not-bpf. */
export function readInput(bytes: Uint8Array, fileName: string): LinkInput {
  const place: Place = { file: fileName };
  const elf = readElf(bytes, place);
  if (elf.type !== ET.REL) fail(notBpf(place, `ELF type ${elf.type}, not ${ET.REL} (relocatable)`));
  // EM_NONE: what compilers wrote before the machine had its number.
  if (elf.machine !== EM_BPF && elf.machine !== 0) fail(notBpf(place, `machine ${elf.machine}, not ${EM_BPF} (eBPF)`));
  const btfSection = sectionByName(elf, '.BTF');
  const btfPlace = { ...place, section: '.BTF' };
  const raw = btfSection === undefined || btfSection.data.length === 0 ? undefined : btfSection.data;
  // Decoded first to check the bytes, then again with its sections laid out.
  const laidOut =
    raw === undefined ? undefined : layOutDatasecs(raw, decodeBtf(raw, { place: btfPlace }), sectionLayouts(elf));
  const btf = laidOut === undefined ? undefined : decodeBtf(laidOut, { place: btfPlace });
  const extSection = sectionByName(elf, '.BTF.ext');
  const ext =
    btf === undefined || extSection === undefined || extSection.data.length === 0
      ? undefined
      : decodeBtfExt(extSection.data, btf, { ...place, section: '.BTF.ext' });
  const base = fileName.slice(fileName.lastIndexOf('/') + 1);
  const dot = base.indexOf('.');
  return {
    elf,
    btf,
    btfBytes: laidOut,
    ext,
    dialect: sectionByName(elf, WINDOWS_MARK) === undefined ? 'linux' : 'windows',
    name: dot < 0 ? base : base.slice(0, dot),
    place,
    symbols: indexSymbols(elf),
    relocationTables: relocationTables(elf),
    tags: decodeTags(btf),
    diagnostics: [],
  };
}

/** The DATASEC of a section, with its BTF id. */
export function datasecOf(input: LinkInput, section: string): (BtfDatasec & { readonly id: number }) | undefined {
  const id = input.btf?.findByName(section, 'datasec');
  const type = id === undefined ? undefined : input.btf?.type(id);
  return id === undefined || type?.kind !== 'datasec' ? undefined : { ...type, id };
}

/** Text of a section that holds one C string (`license`). */
export function sectionText(input: LinkInput, name: string): string | undefined {
  const section = sectionByName(input.elf, name);
  return section === undefined ? undefined : cString(section.data);
}

/** The tags of a type. */
export const tagsOf = (input: LinkInput, id: number): readonly string[] => input.tags.get(id) ?? [];

/** Symbols that can name something in a section: sorted by place, the global ones first where several share one. */
export function namedSymbols(input: LinkInput, section: number, accept: (symbol: ElfSymbol) => boolean): ElfSymbol[] {
  return (input.symbols.get(section) ?? [])
    .filter((s) => s.name !== '' && accept(s))
    .sort((a, b) => a.value - b.value || Number(b.binding !== 0) - Number(a.binding !== 0) || a.index - b.index);
}

/** The maps that references can meet, by section; each section's in the order of their places. */
export function placeMaps(maps: readonly PlacedMap[]): Map<number, PlacedMap[]> {
  const bySection = groupBy(maps, (m) => m.section);
  for (const list of bySection.values()) list.sort((a, b) => a.offset - b.offset);
  return bySection;
}

/** The map at a byte offset of a section. */
export function mapAt(
  maps: ReadonlyMap<number, readonly PlacedMap[]>,
  section: number,
  offset: number,
): PlacedMap | undefined {
  const list = maps.get(section) ?? [];
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (list[middle].offset <= offset) low = middle + 1;
    else high = middle;
  }
  const found = list[low - 1];
  return found !== undefined && offset < found.offset + found.size ? found : undefined;
}
