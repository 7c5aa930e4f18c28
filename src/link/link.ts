// ELF and BTF -> ObjectSpec. Pure: the same bytes give the same spec on every machine.
import { ByteReader } from '../base/bytes.ts';
import { fail } from '../base/diagnostic.ts';
import { noProgram, programSize, skippedSection } from '../base/messages/link.ts';
import type { Btf } from '../btf/btf.ts';
import { decodeBtf } from '../btf/decode.ts';
import { SHF, SHT } from '../elf/format.ts';
import { sectionByName } from '../elf/lookup.ts';
import { SLOT_SIZE } from '../isa/insn.ts';
import type { MapSpec, ObjectSpec, ProgramSpec } from '../spec/object.ts';
import { type Assembled, assemble } from './assemble.ts';
import { layOutDatasecs } from './datasec.ts';
import { type Externs, findExterns } from './externs.ts';
import { type CodeSection, codeSections } from './functions.ts';
import { globalMaps, unsupportedData } from './globals.ts';
import { type LinkInput, type PlacedMap, readInput, sectionText, tagsOf } from './input.ts';
import { btfMaps } from './maps-btf.ts';
import { legacyMaps } from './maps-legacy.ts';
import { type Entry, findEntries, type ProgramTypeOption } from './program-type.ts';
import { findReferences } from './references.ts';
import { tailSlot } from './sections.ts';

export interface LinkOptions {
  /** File name, for messages and for the names of data maps; `object` where there is none. */
  readonly name?: string;
  /**
   * Types of programs whatever their sections say: one for all (bpftool's `type`), or by program or section name.
   */
  readonly programType?: ProgramTypeOption;
}

/** All programs of an object together, in slots and their records: subprograms are copied into each that reaches them. */
const MAX_LINKED_SLOTS = 16_000_000;

function toProgram(input: LinkInput, entry: Entry, assembled: Assembled, license: string): ProgramSpec {
  const { fn, match } = entry;
  const { code, functions, lines, core, refused } = assembled;
  const unsupported = entry.unsupported ?? refused;
  return {
    name: fn.name,
    section: fn.sectionName,
    type: entry.type,
    ...(match?.rule.attachType === undefined ? {} : { attachType: match.rule.attachType }),
    ...(match?.target === undefined ? {} : { attachTarget: match.target }),
    sleepable: match?.rule.sleepable ?? false,
    fragments: match?.rule.fragments ?? false,
    autoload: entry.autoload,
    license,
    dialect: input.dialect,
    code,
    functions,
    lines,
    core,
    tags: tagsOf(input, fn.typeId),
    ...(unsupported === undefined ? {} : { unsupported }),
  };
}

/** Where a program asks to be put into a program array: Cilium's decl tag `tail:MAP/SLOT`, iproute2's section `ID/SLOT`. */
function tailSlots(
  programs: readonly ProgramSpec[],
  placed: readonly PlacedMap[],
): Map<string, MapSpec['slots'][number][]> {
  const found = new Map<string, MapSpec['slots'][number][]>();
  const byId = new Map(placed.filter((m) => m.id !== 0).map((m) => [m.id, m.spec.name]));
  const add = (map: string | undefined, index: number, target: string): void => {
    if (map === undefined) return;
    const slots = found.get(map) ?? [];
    slots.push({ index, kind: 'program', target });
    found.set(map, slots);
  };
  for (const program of programs) {
    for (const tag of program.tags) {
      const parsed = /^tail:([^/]+)\/(\d{1,9})$/.exec(tag);
      if (parsed !== null) add(parsed[1], Number(parsed[2]), program.name);
    }
    const tail = tailSlot(program.section);
    if (tail !== undefined) {
      add(byId.get(tail.mapId), tail.slot, program.name);
    }
  }
  return found;
}

/** Sections that loaders read by name, or that say nothing to them. */
const KNOWN_SECTIONS = new Set(['license', 'version', '.eh_frame']);

function reportSkipped(input: LinkInput, used: ReadonlySet<number>): void {
  const reported = new Set(input.diagnostics.map((d) => d.place.section));
  for (const s of input.elf.sections) {
    const loaded = (s.flags & SHF.ALLOC) !== 0 && s.size > 0 && (s.type === SHT.PROGBITS || s.type === SHT.NOBITS);
    if (!loaded || used.has(s.index) || KNOWN_SECTIONS.has(s.name) || reported.has(s.name)) continue;
    input.diagnostics.push(skippedSection({ ...input.place, section: s.name }));
  }
}

function linkPrograms(
  input: LinkInput,
  sections: readonly CodeSection[],
  maps: readonly PlacedMap[],
  externs: Externs,
  options: LinkOptions,
): ProgramSpec[] {
  const license = sectionText(input, 'license') ?? '';
  const references = findReferences(input, sections, maps, externs);
  const kept = maps.filter((m) => m.rejected === undefined);
  const mapIndex = new Map(kept.map((m, i) => [m.spec, i]));
  let slots = 0;
  return findEntries(input, sections, references, options.programType).map((entry) => {
    const assembled = assemble(entry.fn, { input, references, mapIndex });
    slots += assembled.code.length / SLOT_SIZE + assembled.lines.length + assembled.core.length;
    if (slots > MAX_LINKED_SLOTS)
      fail(programSize({ ...input.place, program: entry.fn.name }, slots, MAX_LINKED_SLOTS));
    return toProgram(input, entry, assembled, license);
  });
}

/** LINUX_VERSION_CODE: 32 bits in the file's byte order. */
function kernelVersion(input: LinkInput): number | undefined {
  const section = sectionByName(input.elf, 'version');
  if (section === undefined || section.data.length !== 4) return undefined;
  return new ByteReader(section.data, input.elf.endian, { ...input.place, section: 'version' }).u32(0);
}

/** The object's BTF with the layout of .kconfig, which only linking decides. */
function finishedBtf(input: LinkInput, { externs, kconfig }: Externs): Btf | undefined {
  const { btf, btfBytes } = input;
  if (btf === undefined || btfBytes === undefined || kconfig === undefined) return btf;
  const offsets = new Map(
    externs.flatMap(({ name, kconfig: place }) => (place === undefined ? [] : [[name, place.offset] as const])),
  );
  const layouts = new Map([['.kconfig', { size: kconfig.size, offsets }]]);
  return decodeBtf(layOutDatasecs(btfBytes, btf, layouts), { place: btf.place });
}

/**
 * Links an eBPF object file (clang's or GCC's output, `bpftool gen object`, eBPF for Windows' objects; either byte
 * order). A broken file raises AnyBpfError as a whole; what is well-formed but cannot be supported stands in
 * `unsupported` of the program or map, or in `diagnostics`, and the rest of the object is whole.
 *
 * Of big-endian objects the code is turned to little-endian encoding; initial data keep the file's bytes. CO-RE
 * relocations stay to be applied (link/core.ts), externs to be given (hosts).
 *
 * Errors: elf/*, btf/*, input/*, link/*.
 */
export function linkObject(bytes: Uint8Array, options: LinkOptions = {}): ObjectSpec {
  const input = readInput(bytes, options.name ?? 'object');
  const sections = codeSections(input);
  const externs = findExterns(input);
  const placed = [...legacyMaps(input), ...btfMaps(input), ...globalMaps(input), ...unsupportedData(input)];
  if (externs.kconfig !== undefined) placed.push(externs.kconfig);
  const programs = linkPrograms(input, sections, placed, externs, options);
  const tails = tailSlots(programs, placed);
  const maps = placed
    .filter((m) => m.rejected === undefined)
    .map(({ spec }) => {
      const slots = tails.get(spec.name);
      return slots === undefined || spec.type !== 'prog_array' ? spec : { ...spec, slots: [...spec.slots, ...slots] };
    });
  for (const { rejected } of placed) if (rejected !== undefined) input.diagnostics.push(rejected);
  reportSkipped(input, new Set([...sections.map((s) => s.section.index), ...placed.map((m) => m.section)]));
  if (programs.length === 0) input.diagnostics.push(noProgram(input.place));
  const version = kernelVersion(input);
  const btf = finishedBtf(input, externs);
  return {
    name: input.name,
    dialect: input.dialect,
    endian: input.elf.endian,
    license: sectionText(input, 'license') ?? '',
    ...(version === undefined ? {} : { version }),
    programs,
    maps,
    externs: externs.externs,
    ...(btf === undefined ? {} : { btf }),
    diagnostics: input.diagnostics,
  };
}
