// What the relocations of code refer to: maps, values in maps, externs and other functions.
import { type Diagnostic, fail, type Place } from '../base/diagnostic.ts';
import { callTarget, relocationPlace, relocationTarget, undefinedSymbol } from '../base/messages/link.ts';
import { EM_BPF, type ElfRelocation, type ElfSymbol, RELOCATION } from '../elf/format.ts';
import { SLOT_SIZE } from '../isa/insn.ts';
import { OPS } from '../isa/opcodes.ts';
import type { Externs } from './externs.ts';
import { type CodeSection, FunctionIndex, type LinkFunction } from './functions.ts';
import { type LinkInput, mapAt, type PlacedMap, placeMaps, relocationsOf } from './input.ts';
import { Slot, srcOf } from './slot.ts';

/** What one instruction of a function refers to. `slot` counts from the function's start. */
export type Reference = { readonly slot: number } & (
  | { readonly kind: 'map'; readonly map: PlacedMap }
  /** Address of a byte in the value of a data section's map. */
  | { readonly kind: 'value'; readonly map: PlacedMap; readonly offset: number }
  /** Index into Externs.externs: the address of a variable, or a call of a kernel function. */
  | { readonly kind: 'extern'; readonly extern: number }
  | { readonly kind: 'call'; readonly target: LinkFunction }
  /** Address of a function, given to a helper as its callback. */
  | { readonly kind: 'callback'; readonly target: LinkFunction }
  /** Nothing that can be linked: the program that reaches it is refused with this. */
  | { readonly kind: 'refused'; readonly reason: Diagnostic }
);

/** What references are looked up in. */
interface Tables {
  readonly input: LinkInput;
  readonly functions: FunctionIndex;
  readonly maps: ReadonlyMap<number, readonly PlacedMap[]>;
  readonly externs: Externs;
}

const CALL = OPS.call_local.opcode;
const LD_IMM64 = OPS.ld_imm64.opcode;
/** src of a call: 0 a helper, 1 a function of the program. */
const PSEUDO_CALL = srcOf('call_local');

interface Site {
  readonly tables: Tables;
  readonly fn: LinkFunction;
  readonly slot: number;
  readonly insn: Slot;
  readonly symbol: ElfSymbol;
  readonly addend: bigint | undefined;
  readonly place: Place;
}

function refuse(site: Site, why: string): Reference {
  return { slot: site.slot, kind: 'refused', reason: relocationTarget(site.place, site.symbol.name, why) };
}

function toExtern({ tables, slot, symbol, place }: Site): Reference {
  const { externs } = tables;
  const extern = externs.byName.get(symbol.name);
  if (extern === undefined) return { slot, kind: 'refused', reason: undefinedSymbol(place, symbol.name) };
  const { kconfig } = externs.externs[extern];
  if (kconfig === undefined || externs.kconfig === undefined) return { slot, kind: 'extern', extern };
  return { slot, kind: 'value', map: externs.kconfig, offset: kconfig.offset };
}

/** R_BPF_64_32 on a call. The symbol is the function, or its section with the distance in the instruction. */
function toCall(site: Site): Reference {
  const { tables, slot, insn, symbol, addend } = site;
  if (symbol.section === 'undef') {
    const target = toExtern(site);
    const isFunction = target.kind === 'extern' && tables.externs.externs[target.extern].kind === 'kfunc';
    return isFunction || target.kind === 'refused' ? target : refuse(site, 'calls what is no function');
  }
  // Calls of a symbol have imm -1; those of a section the callee's slot - 1, like any call relative to the next slot.
  const distance = addend === undefined ? insn.imm + 1 : Number(addend) / SLOT_SIZE;
  const target = tables.functions.at(symbol.section, symbol.value / SLOT_SIZE + distance);
  return target === undefined ? refuse(site, 'is a call into no function') : { slot, kind: 'call', target };
}

/** R_BPF_64_64 on an ld_imm64. The symbol is the thing, or its section with the distance in the instruction. */
function toAddress(site: Site): Reference {
  const { tables, slot, insn, symbol, addend } = site;
  if (symbol.section === 'undef') return toExtern(site);
  if (typeof symbol.section === 'string') return refuse(site, `is to a symbol in no section (${symbol.section})`);
  const offset = symbol.value + Number(addend ?? BigInt(insn.imm));
  if (offset !== (offset | 0)) return refuse(site, 'is out of reach of a 32-bit offset');
  const inSection = tables.maps.get(symbol.section) ?? [];
  if (inSection.length > 0) {
    const map = mapAt(tables.maps, symbol.section, offset) ?? inSection[0];
    if (map.rejected !== undefined) return { slot, kind: 'refused', reason: map.rejected };
    // An address just after (or before) a variable's section is no bug of the object: `array[i - 1]` may be folded so.
    if (map.spec.kind !== 'map') return { slot, kind: 'value', map, offset };
    return offset === map.offset ? { slot, kind: 'map', map } : refuse(site, 'is to the inside of a map definition');
  }
  if (tables.functions.isCode(symbol.section)) {
    const target = tables.functions.at(symbol.section, offset / SLOT_SIZE);
    return target === undefined ? refuse(site, 'is to no function') : { slot, kind: 'callback', target };
  }
  const name = tables.input.elf.sections[symbol.section].name;
  return refuse(site, `is into section '${name}', which holds nothing that a program can use`);
}

function referenceOf(tables: Tables, fn: LinkFunction, relocation: ElfRelocation): Reference {
  const symbol = tables.input.elf.symbols[relocation.symbol];
  const slot = relocation.offset / SLOT_SIZE - fn.start;
  const place: Place = { ...tables.input.place, section: fn.sectionName, program: fn.name, insn: slot };
  if (!Number.isInteger(slot))
    fail(relocationPlace({ ...place, insn: undefined, offset: relocation.offset }, 'is not at a slot'));
  const insn = new Slot(fn.code, slot);
  const site: Site = { tables, fn, slot, insn, symbol, addend: relocation.addend, place };
  if (insn.opcode === CALL) {
    if (insn.src !== PSEUDO_CALL) fail(relocationPlace(place, 'stands on the call of a helper'));
    return toCall(site);
  }
  if (insn.opcode !== LD_IMM64) fail(relocationPlace(place, 'stands on an instruction that takes none'));
  if (slot + 1 >= fn.length) fail(relocationPlace(place, 'stands on a 64-bit load that its function cuts'));
  return toAddress(site);
}

/** Calls inside a section that the assembler resolved: relative to the next slot, without relocation. */
function* resolvedCalls(tables: Tables, fn: LinkFunction, relocated: ReadonlySet<number>): Generator<Reference> {
  const insn = new Slot(fn.code);
  for (let slot = 0; slot < fn.length; slot++) {
    insn.to(slot);
    if (insn.opcode === LD_IMM64) {
      slot++;
      continue;
    }
    if (insn.opcode !== CALL || insn.src !== PSEUDO_CALL || relocated.has(slot)) continue;
    const target = tables.functions.at(fn.section, fn.start + slot + insn.imm + 1);
    const place = { ...tables.input.place, section: fn.sectionName, program: fn.name, insn: slot };
    if (target !== undefined) yield { slot, kind: 'call', target };
    else
      yield {
        slot,
        kind: 'refused',
        reason: callTarget(place, `leads ${insn.imm + 1} slots on, where no function begins`),
      };
  }
}

/** All references of all functions, sorted by slot. Errors: link/relocation. */
export function findReferences(
  input: LinkInput,
  sections: readonly CodeSection[],
  maps: readonly PlacedMap[],
  externs: Externs,
): Map<LinkFunction, readonly Reference[]> {
  const tables: Tables = { input, functions: new FunctionIndex(sections), maps: placeMaps(maps), externs };
  const found = new Map<LinkFunction, readonly Reference[]>();
  for (const { section, functions } of sections) {
    const relocations = relocationsOf(input, section.index)
      // Compilers that wrote EM_NONE had no numbers for their relocations either; libbpf goes by the instruction alone.
      .filter((r) => r.type !== RELOCATION.R_BPF_NONE || input.elf.machine !== EM_BPF)
      .sort((a, b) => a.offset - b.offset);
    let next = 0;
    for (const fn of functions) {
      const end = (fn.start + fn.length) * SLOT_SIZE;
      const references: Reference[] = [];
      for (; next < relocations.length && relocations[next].offset < end; next++) {
        // Between functions there is only padding.
        if (relocations[next].offset >= fn.start * SLOT_SIZE)
          references.push(referenceOf(tables, fn, relocations[next]));
      }
      const relocated = new Set(references.map((r) => r.slot));
      for (const reference of resolvedCalls(tables, fn, relocated)) references.push(reference);
      found.set(
        fn,
        references.sort((a, b) => a.slot - b.slot),
      );
    }
  }
  return found;
}
