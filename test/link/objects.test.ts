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
  for (let slot = 0; slot < slots; slot++) {
    const { opcode, src, imm } = readSlot(p.code, slot);
    if (opcode === 0x85 && src === 1) expect(starts).toContain(slot + 1 + imm);
    if (opcode === 0x85 && src === 2) expect(spec.externs[imm]?.kind).toBe('kfunc');
    if (opcode !== 0x18) continue;
    // Maps are referred to by index only: no file descriptor, no unrelocated address.
    expect([0, 3, 4, 5, 6]).toContain(src);
    if (src === 3) expect(spec.externs[imm]).toBeDefined();
    if (src === 4) expect(starts).toContain(slot + 1 + imm);
    if (src >= 5) expect(spec.maps[imm]).toBeDefined();
    if (src === 6) expect(readSlot(p.code, slot + 1).imm).toBeLessThanOrEqual(spec.maps[imm].valueSize);
    slot++;
  }
}

interface NamedRelocation {
  readonly offset: number;
  readonly target: string;
}

/** The relocations of an object by section, as another reader sees them. */
function relocationNames(file: string): Map<string, NamedRelocation[]> {
  const { stdout } = spawnSync('llvm-objdump', ['-r', file], { encoding: 'utf8', maxBuffer: 1 << 28 });
  const found = new Map<string, NamedRelocation[]>();
  let records: NamedRelocation[] = [];
  for (const line of stdout.split('\n')) {
    const section = /^RELOCATION RECORDS FOR \[(.*)\]:$/.exec(line);
    const record = /^([0-9a-f]{16}) R_BPF_64_(?:64|32) +(\S+)$/.exec(line);
    if (section !== null) found.set(section[1], (records = []));
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
      for (const file of FILES) {
        const spec = link(file);
        const symbols = readElf(readFileSync(path.join(root, file)));
        const named = relocationNames(path.join(root, file));
        for (const { code, functions, name } of spec.programs) {
          for (const fn of functions) {
            const symbol = symbols.symbols.find((s) => s.name === fn.name && typeof s.section === 'number');
            if (typeof symbol?.section !== 'number') continue;
            const records = named.get(symbols.sections[symbol.section].name) ?? [];
            for (const { offset, target } of records) {
              const at = (offset - symbol.value) / 8;
              if (at < 0 || at >= fn.length) continue;
              const { opcode, src, imm } = readSlot(code, fn.slot + at);
              const map = spec.maps.some((m) => m.name === target);
              const called = functions.find((f) => f.slot === fn.slot + at + 1 + imm)?.name;
              if (map) expect([opcode, src, spec.maps[imm]?.name], `${file} ${name} ${at}`).toEqual([0x18, 5, target]);
              else if (opcode === 0x85 && src === 1 && imm !== -1) expect(called, `${file} ${name} ${at}`).toBe(target);
              else continue;
              references++;
            }
          }
        }
      }
      console.info(`objects: ${references} references as llvm-objdump names them`);
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
