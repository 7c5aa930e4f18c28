// Every outside object links, and what comes out holds together.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { readElf } from '../../src/elf/read.ts';
import { linkObject } from '../../src/link/link.ts';
import { readSlot } from '../../src/link/slot.ts';
import { decodeProgram } from '../../src/isa/insn.ts';
import type { ObjectSpec, ProgramSpec } from '../../src/spec/object.ts';
import { requireCapability } from '../support/capability.ts';
import { corpusFolder, filesBelow } from '../support/shared.ts';

const folder = corpusFolder('objects');
if ('reason' in folder) console.warn(`skipped: ${folder.reason}`);
const root = 'path' in folder ? folder.path : '';
const FILES = 'reason' in folder ? [] : filesBelow(root, '.o');
const link = (file: string): ObjectSpec => linkObject(readFileSync(path.join(root, file)), { name: file });

/** Everything that must hold of a linked program, whatever it does. */
function checkProgram(p: ProgramSpec, spec: ObjectSpec): void {
  const slots = p.code.length / 8;
  expect(Number.isInteger(slots) && slots > 0).toBe(true);
  // The functions follow each other without a gap, the program's own first.
  let end = 0;
  for (const f of p.functions) {
    expect(f.slot).toBe(end);
    expect(f.length).toBeGreaterThan(0);
    end += f.length;
  }
  expect(end).toBe(slots);
  expect(p.functions[0].name).toBe(p.name);
  const starts = new Set(p.functions.map((f) => f.slot));
  const ordered = (places: readonly { readonly slot: number }[]): boolean =>
    places.every(({ slot }, i) => slot < slots && (i === 0 || slot >= places[i - 1].slot));
  expect(ordered(p.lines) && ordered(p.core)).toBe(true);
  if (p.unsupported !== undefined && p.type !== 'unspec') return;
  expect(() => decodeProgram(p.code)).not.toThrow();
  // Collected, because an expect for each of 100,000 instructions takes long.
  const wrong: string[] = [];
  for (let slot = 0; slot < slots; slot++) {
    const { opcode, src, imm } = readSlot(p.code, slot);
    const check = (holds: boolean, what: string): void => {
      if (!holds) wrong.push(`slot ${slot}: ${what} ${imm}`);
    };
    if (opcode === 0x85 && src === 1) check(starts.has(slot + 1 + imm), 'call of');
    if (opcode === 0x85 && src === 2) check(spec.externs[imm]?.kind === 'kfunc', 'kfunc');
    if (opcode !== 0x18) continue;
    // Maps are referred to by index only: no file descriptor, no unrelocated address.
    check([0, 3, 4, 5, 6].includes(src), `src ${src},`);
    if (src === 3) check(spec.externs[imm] !== undefined, 'extern');
    if (src === 4) check(starts.has(slot + 1 + imm), 'callback');
    if (src >= 5) check(spec.maps[imm] !== undefined, 'map');
    if (src === 6) check(readSlot(p.code, slot + 1).imm <= spec.maps[imm].valueSize, 'value of map');
    slot++;
  }
  expect(wrong).toEqual([]);
}

interface NamedRelocation {
  readonly offset: number;
  readonly target: string;
}

/** The relocations of objects by file and section, as another reader sees them. */
function relocationNames(files: readonly string[]): Map<string, Map<string, NamedRelocation[]>> {
  const { stdout } = spawnSync('llvm-objdump', ['-r', ...files], { encoding: 'utf8', maxBuffer: 1 << 28 });
  const found = new Map<string, Map<string, NamedRelocation[]>>();
  let sections = new Map<string, NamedRelocation[]>();
  let records: NamedRelocation[] = [];
  for (const line of stdout.split('\n')) {
    const file = /^(.*):\tfile format /.exec(line);
    const section = /^RELOCATION RECORDS FOR \[(.*)\]:$/.exec(line);
    const record = /^([0-9a-f]{16}) R_BPF_64_(?:64|32) +(\S+)$/.exec(line);
    if (file !== null) found.set(file[1], (sections = new Map()));
    else if (section !== null) sections.set(section[1], (records = []));
    else if (record !== null) records.push({ offset: Number.parseInt(record[1], 16), target: record[2] });
  }
  return found;
}

describe.skipIf(FILES.length === 0)('objects', () => {
  it.each(FILES)('%s', (file) => {
    const spec = link(file);
    expect(spec.programs.length).toBeGreaterThan(0);
    for (const program of spec.programs) checkProgram(program, spec);
    const programs = new Set(spec.programs.map((p) => p.name));
    const maps = new Set(spec.maps.map((m) => m.name));
    expect(maps.size).toBe(spec.maps.length);
    for (const map of spec.maps) {
      expect(map.unsupported).toBeUndefined();
      if (map.data !== undefined) expect(map.data.length).toBe(map.valueSize);
      for (const slot of map.slots) {
        expect(slot.index).toBeLessThan(map.maxEntries);
        // Programs of .text that are only referred to by a map's initial values are subprograms to libbpf.
        expect((slot.kind === 'map' ? maps : programs).has(slot.target), slot.target).toBe(true);
      }
    }
    expect(spec.diagnostics.filter((d) => d.severity === 'error')).toEqual([]);
  });

  it('has the programs of each object that its symbols say', () => {
    const specs = FILES.map(link);
    const count = (pick: (spec: ObjectSpec) => number): number => specs.reduce((sum, s) => sum + pick(s), 0);
    const totals = {
      programs: count((s) => s.programs.length),
      untyped: count((s) => s.programs.filter((p) => p.type === 'unspec').length),
      undefinedSymbols: count((s) => s.programs.filter((p) => p.unsupported?.code === 'link/undefined-symbol').length),
      maps: count((s) => s.maps.length),
      initialSlots: count((s) => s.maps.reduce((sum, m) => sum + m.slots.length, 0)),
    };
    console.info(`objects: ${FILES.length}, ${JSON.stringify(totals)}`);
    // `unspec` are those of .text and of sections named `test`: only their user knows what they are.
    const untyped = specs.flatMap((s) => s.programs.filter((p) => p.type === 'unspec').map((p) => p.section));
    expect(new Set(untyped)).toEqual(new Set(['.text', 'test']));
    const odd = specs
      .flatMap((s) => s.programs.filter((p) => p.unsupported !== undefined))
      .map((p) => p.unsupported?.code);
    expect(new Set(odd)).toEqual(new Set(['link/program-type', 'link/undefined-symbol']));
  });

  it.skipIf(requireCapability('llvm-objdump') !== undefined)(
    'refers to the maps and functions that llvm-objdump names',
    () => {
      let references = 0;
      const wrong: string[] = [];
      const names = relocationNames(FILES.map((file) => path.join(root, file)));
      expect(names.size).toBe(FILES.length);
      for (const file of FILES) {
        const spec = link(file);
        const maps = new Set(spec.maps.map((m) => m.name));
        const { symbols, sections } = readElf(readFileSync(path.join(root, file)));
        const places = new Map(symbols.filter((s) => typeof s.section === 'number').map((s) => [s.name, s]));
        const named = names.get(path.join(root, file));
        for (const { code, functions, name } of spec.programs) {
          for (const fn of functions) {
            const symbol = places.get(fn.name);
            if (typeof symbol?.section !== 'number') continue;
            for (const { offset, target } of named?.get(sections[symbol.section].name) ?? []) {
              const at = (offset - symbol.value) / 8;
              if (at < 0 || at >= fn.length) continue;
              const { opcode, src, imm } = readSlot(code, fn.slot + at);
              const isMap = maps.has(target);
              // Calls of undefined functions stay as they are.
              if (!isMap && !(opcode === 0x85 && src === 1 && imm !== -1)) continue;
              const found = isMap
                ? opcode === 0x18 && src === 5 && spec.maps[imm].name
                : functions.find((f) => f.slot === fn.slot + at + 1 + imm)?.name;
              if (found !== target) wrong.push(`${file} ${name} slot ${at}: ${found}, not ${target}`);
              references++;
            }
          }
        }
      }
      console.info(`objects: ${references} references as llvm-objdump names them`);
      expect(wrong).toEqual([]);
      expect(references).toBeGreaterThan(2000);
    },
  );

  it('gives a type to every program where the user does', () => {
    for (const file of FILES) {
      const spec = linkObject(readFileSync(path.join(root, file)), { programType: 'socket_filter' });
      expect(new Set(spec.programs.map((p) => p.type))).toEqual(new Set(['socket_filter']));
    }
  });
});
