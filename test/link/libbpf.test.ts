// Linked code and maps equal libbpf's: for every object that the installed libbpf opens, and with CO-RE for the running
// kernel. libbpf 1.x refuses maps before BTF and static programs: those objects are counted, not compared.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { toHex } from '../../src/base/bytes.ts';
import type { Btf } from '../../src/btf/btf.ts';
import { decodeBtf } from '../../src/btf/decode.ts';
import { sectionByName } from '../../src/elf/lookup.ts';
import { readElf } from '../../src/elf/read.ts';
import { relocateProgram } from '../../src/link/core.ts';
import { linkObject } from '../../src/link/link.ts';
import { MAP_TYPES } from '../../src/spec/map-types.ts';
import type { ObjectSpec, ProgramSpec } from '../../src/spec/object.ts';
import { requireCapability } from '../support/capability.ts';
import { corpusFolder, filesBelow } from '../support/shared.ts';
import { Compiler } from './clang.ts';
import { LibbpfDump, type LibbpfObject } from './libbpf-dump.ts';

const libbpf = new LibbpfDump();
afterAll(() => libbpf.close());

interface Case {
  readonly name: string;
  readonly file: string;
  readonly spec: ObjectSpec;
}

const compiler = new Compiler();
afterAll(() => compiler.close());

function link(file: string): Case[] {
  const name = path.basename(file);
  try {
    return [{ name, file, spec: linkObject(readFileSync(file), { name }) }];
  } catch {
    // What may not link is fixtures.test.ts' and objects.test.ts' matter.
    return [];
  }
}

function corpus(): string[] {
  return (['objects', 'elf-fixtures'] as const).flatMap((name) => {
    const folder = corpusFolder(name);
    if ('reason' in folder) return [];
    return filesBelow(folder.path, name === 'objects' ? '.o' : '-el.elf').map((f) => path.join(folder.path, f));
  });
}

const OWN =
  requireCapability('libbpf-dev') === undefined ? ['programs', 'core'].map((name) => compiler.compile(name).file) : [];
const CORPUS = requireCapability('shared-corpus') === undefined ? corpus() : [];
const CASES = [...OWN, ...CORPUS].flatMap(link);

interface Target {
  readonly name: string;
  /** Undefined for the running kernel. */
  readonly file: string | undefined;
  readonly types: Btf;
}

/** The running kernel, a stored one, and those fixtures that are about CO-RE or hold nothing but types. */
function targets(): Target[] {
  const found: Target[] = [];
  if (libbpf.reason !== undefined || CASES.length === 0) return found;
  if (requireCapability('vmlinux-btf') === undefined) {
    found.push({ name: 'this kernel', file: undefined, types: decodeBtf(readFileSync('/sys/kernel/btf/vmlinux')) });
  }
  const folder = corpusFolder('elf-fixtures');
  if ('reason' in folder) return found;
  for (const packed of filesBelow(folder.path, '.btf.gz')) {
    const bytes = gunzipSync(readFileSync(path.join(folder.path, packed)));
    const file = path.join(compiler.folder, path.basename(packed, '.gz'));
    writeFileSync(file, bytes);
    found.push({ name: path.basename(file), file, types: decodeBtf(bytes) });
  }
  for (const { name: object, file, spec } of CASES) {
    const isTarget = spec.programs.length === 0 || spec.programs.some((p) => p.core.length > 0);
    if (!isTarget || !file.startsWith(folder.path)) continue;
    const section = sectionByName(readElf(readFileSync(file)), '.BTF');
    if (section === undefined || section.size === 0) continue;
    found.push({ name: object, file, types: decodeBtf(section.data) });
  }
  return found;
}

const LD_IMM64 = 0x18;
const CALL = 0x85;
const src = (code: Uint8Array, slot: number): number => code[8 * slot + 1] >> 4;

/**
 * One line an instruction slot. Maps are named instead of numbered, because libbpf numbers them in another order;
 * kernel symbols are masked, because libbpf needs the kernel for them.
 */
function normalise(
  code: Uint8Array,
  mapName: (index: number) => string | undefined,
  masked: ReadonlySet<number>,
): string[] {
  const view = new DataView(code.buffer, code.byteOffset, code.byteLength);
  const lines: string[] = [];
  for (let slot = 0; 8 * slot < code.length; slot++) {
    const hex = toHex(code.subarray(8 * slot, 8 * slot + 8));
    const isMap = code[8 * slot] === LD_IMM64 && (src(code, slot) === 5 || src(code, slot) === 6);
    if (masked.has(slot)) lines.push('extern');
    else if (isMap) lines.push(`${hex.slice(0, 8)} map ${mapName(view.getInt32(8 * slot + 4, true))}`);
    else lines.push(hex);
  }
  return lines;
}

const noName = (): undefined => undefined;

/** Slots that call a kernel function, or load its address or that of a kernel variable. */
function externSlots({ code }: ProgramSpec): Set<number> {
  const slots = new Set<number>();
  for (let slot = 0; 8 * slot < code.length; slot++) {
    if (code[8 * slot] === CALL && src(code, slot) === 2) slots.add(slot);
    if (code[8 * slot] === LD_IMM64 && src(code, slot) === 3) slots.add(slot).add(slot + 1);
  }
  return slots;
}

function expectSameCode(spec: ObjectSpec, program: ProgramSpec, theirs: LibbpfObject): void {
  const expected = theirs.code.get(program.name);
  if (expected === undefined) throw new Error(`libbpf printed no ${program.name}`);
  const masked = externSlots(program);
  const ours = normalise(program.code, (i) => spec.maps[i]?.name, masked);
  expect(ours, program.name).toEqual(normalise(expected, (i) => theirs.maps[i]?.name, masked));
}

describe.skipIf(libbpf.reason !== undefined || CASES.length === 0)('libbpf', () => {
  it('makes the same code and maps of every object that it opens', () => {
    const compared = { objects: 0, programs: 0, maps: 0 };
    const refused: string[] = [];
    for (const { name, file, spec } of CASES) {
      const theirs = libbpf.generate(file, spec);
      // It can fail after the programs, at initial slots, which it does not generate.
      if (theirs.exit !== 0 && theirs.code.size === 0) {
        refused.push(`${name}: ${theirs.messages.split('\n')[0]}`);
        continue;
      }
      compared.objects++;
      for (const map of theirs.maps) {
        const own = spec.maps.find((m) => m.name === map.name);
        const row = own && {
          name: own.name,
          type: (MAP_TYPES[own.type] as { linux?: number }).linux,
          keySize: own.keySize,
          valueSize: own.valueSize,
          maxEntries: own.maxEntries,
          flags: own.flags,
          extra: BigInt(own.extra ?? 0),
          numaNode: own.numaNode ?? 0,
        };
        expect(row, name).toEqual(map);
        compared.maps++;
      }
      for (const program of spec.programs) {
        if (!theirs.code.has(program.name)) continue;
        expectSameCode(spec, program, theirs);
        compared.programs++;
      }
      // libbpf prints what is in .text of an object without other programs only where it is the single function.
      const missing = theirs.opened.filter(
        (p) => p.section !== '.text' && !spec.programs.some((o) => o.name === p.name),
      );
      expect(missing, name).toEqual([]);
    }
    console.info(`libbpf: ${JSON.stringify(compared)} equal, ${refused.length} objects refused by libbpf`);
    expect(compared.objects).toBeGreaterThanOrEqual(CORPUS.length > 0 ? 70 : OWN.length);
    expect(compared.programs).toBeGreaterThanOrEqual(CORPUS.length > 0 ? 100 : 8);
  });

  it('lays out the data sections in BTF alike', () => {
    let compared = 0;
    for (const { name, file, spec } of CASES) {
      const raw = libbpf.generate(file, spec).btf;
      if (raw === undefined) continue;
      const theirs = decodeBtf(raw);
      for (const [id, type] of theirs.types()) {
        // What libbpf makes of externs (dummy variables in .ksyms and .kconfig) is its own way to load them.
        if (type.kind !== 'datasec' || type.name === '.ksyms' || type.name === '.kconfig') continue;
        expect(spec.btf?.type(id), `${name} ${type.name}`).toEqual(type);
        compared++;
      }
    }
    console.info(`libbpf: ${compared} data sections equal in BTF`);
    expect(compared).toBeGreaterThan(OWN.length > 0 ? 5 : 0);
  });

  it.each(targets())('applies CO-RE for $name alike', ({ name: targetName, file: targetFile, types }) => {
    let programs = 0;
    let relocations = 0;
    for (const { name, file, spec } of CASES) {
      for (const program of spec.programs) {
        if (program.core.length === 0 || spec.btf === undefined) continue;
        const what = `${name} ${program.name} for ${targetName}`;
        const theirs = libbpf.relocate(file, spec, program.name, targetFile);
        const expected = theirs.code.get(program.name);
        const ours = relocateProgram(program, spec.btf, [types]);
        if (expected === undefined) {
          // Maps of before BTF and static programs say nothing; a relocation that libbpf refuses we refuse too.
          if (theirs.messages.includes('failed to relocate')) expect(ours.unsupported, what).toBeDefined();
          continue;
        }
        expect(ours.unsupported, what).toBeUndefined();
        programs++;
        relocations += program.core.length;
        // Not generated: maps are file descriptors there, so their slots are masked on both sides.
        const masked = externSlots(ours);
        for (let slot = 0; 8 * slot < ours.code.length; slot++) {
          if (ours.code[8 * slot] === LD_IMM64 && src(ours.code, slot) >= 5) masked.add(slot);
        }
        expect(normalise(ours.code, noName, masked), what).toEqual(normalise(expected, noName, masked));
      }
    }
    console.info(`libbpf: CO-RE of ${programs} programs, ${relocations} relocations for ${targetName} equal`);
    expect(programs).toBeGreaterThanOrEqual(OWN.length > 0 ? 4 : 0);
  });
});
