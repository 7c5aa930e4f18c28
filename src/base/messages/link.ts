// What linking may refuse or report: maps, globals, externs, functions, relocations.
import { message } from '../diagnostic.ts';

export const notBpf = message('link/not-bpf', (why: string) => `not a relocatable eBPF object: ${why}`);

export const badBtf = message('link/btf', (what: string) => `${what} does not fit the object's symbols`);

// Maps.

export const mapDefinition = message('link/map-definition', (why: string) => `the map definition ${why}`);

export const mapTail = message(
  'link/map-tail',
  (size: number, known: number) =>
    `the map definition has ${size} bytes, and those after byte ${known}, whose meaning is not known, are not zero`,
);

export const unknownMapType = message(
  'link/map-type',
  (type: number, dialect: string) => `map type ${type} is none that ${dialect} defines`,
);

export const mapFlags = message(
  'link/map-flags',
  (what: string) => `maps of Windows have no flags and no NUMA node, and this one has ${what}`,
);

export const innerMap = message('link/inner-map', (why: string) => `the inner map ${why}`);

export const slotTarget = message('link/slot', (why: string) => `an initial value of the map ${why}`);

export const structOps = message(
  'link/struct-ops',
  () => 'struct_ops tables are kernel data structures; they can be read, but not registered',
);

export const arenaData = message('link/arena-data', () => 'global variables of an arena are not supported');

// Sections.

export const skippedSection = message('link/section-skipped', () => 'the section has no meaning to a loader; skipped', {
  severity: 'note',
});

export const dataRelocation = message(
  'link/data-relocation',
  (count: number) =>
    count === 1
      ? 'a pointer in initialised data is not relocated and keeps its file contents'
      : `${count} pointers in initialised data are not relocated and keep their file contents`,
  { severity: 'warning' },
);

export const sectionSize = message('link/section-size', (why: string) => `the section ${why}`);

export const unknownType = message(
  'link/program-type',
  (section: string) => `the section name '${section}' does not say a program type`,
  { hint: 'give the type yourself (option programType)' },
);

export const inferredType = message(
  'link/type-inferred',
  (section: string, type: string, helper: string) =>
    `section '${section}' is taken for ${type}: the object calls ${helper}, which no other candidate has`,
  { severity: 'note' },
);

// Functions and code.

export const functionOutside = message('link/function', (why: string) => `the function ${why}`);

export const noProgram = message('link/no-program', () => 'the object has no program', { severity: 'note' });

export const relocationPlace = message('link/relocation', (why: string) => `the relocation ${why}`);

export const relocationTarget = message(
  'link/relocation-target',
  (symbol: string, why: string) => `the reference to '${symbol}' ${why}`,
);

export const undefinedSymbol = message(
  'link/undefined-symbol',
  (symbol: string) => `'${symbol}' is not defined, and the object does not declare it in .ksyms or .kconfig`,
);

export const callTarget = message('link/call-target', (why: string) => `the call ${why}`);

export const programSize = message(
  'link/program-size',
  (slots: number, limit: number) =>
    `the program has ${slots} instruction slots with its subprograms, above the limit of ${limit}`,
);

export const badExtern = message('link/extern', (why: string) => `the extern ${why}`);

// CO-RE and constants.

export const coreUnsatisfied = message(
  'link/core',
  (relocation: string, why: string) => `CO-RE relocation ${relocation} cannot be satisfied: ${why}`,
  { severity: 'warning', hint: 'the instruction is poisoned: only a run that reaches it fails' },
);

export const noGlobal = message(
  'link/no-global',
  (name: string) => `the object has no global variable '${name}' in a data section with BTF`,
);

export const globalValue = message(
  'link/global-value',
  (name: string, why: string) => `the value for '${name}' does not fit: ${why}`,
);
