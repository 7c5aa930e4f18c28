// Global variables: each data section becomes a one-element array whose value is the section.
import { fail } from '../base/diagnostic.ts';
import { arenaData, dataRelocation, sectionSize, structOps } from '../base/messages/link.ts';
import { type ElfSection, SHF, SHT } from '../elf/format.ts';
import { MAP_FLAGS } from '../spec/map-types.ts';
import type { MapSpec } from '../spec/object.ts';
import { datasecOf, type LinkInput, type PlacedMap, relocationsOf } from './input.ts';
import { specialOf } from './special-fields.ts';

/** The largest data section, in bytes: array values are no larger in Linux (KMALLOC limits aside, INT_MAX). */
const MAX_DATA_BYTES = 2 ** 31 - 1;

/** Names of at most 15 characters fit in the kernel (BPF_OBJ_NAME_LEN with its NUL). */
const MAX_NAME = 15;

type DataKind = 'data' | 'rodata' | 'bss';

const isNamed = (name: string, base: string): boolean => name === base || name.startsWith(`${base}.`);

/** What a section's name and form make of it, if it holds global variables. */
function dataKind(section: ElfSection): DataKind | undefined {
  if ((section.flags & SHF.ALLOC) === 0 || section.size === 0) return undefined;
  if (section.type === SHT.NOBITS) return isNamed(section.name, '.bss') ? 'bss' : undefined;
  if (section.type !== SHT.PROGBITS) return undefined;
  if (isNamed(section.name, '.rodata')) return 'rodata';
  return isNamed(section.name, '.data') ? 'data' : undefined;
}

/**
 * The name of a data section's map, as bpf_map__name() gives it: `.data`, `.rodata`, `.bss` and `.kconfig` carry up to 8
 * characters of the object's name (`my_objec.rodata`), sections with a second dot keep their own (`.rodata.config`).
 */
export function dataMapName(objectName: string, section: string): string {
  if (section.indexOf('.', 1) >= 0) return section;
  const suffix = Math.min(Math.max(7, section.length), MAX_NAME);
  const prefix = objectName.slice(0, MAX_NAME - suffix);
  return `${prefix}${section.slice(0, suffix)}`.replace(/[^A-Za-z0-9_.]/g, '_');
}

/** libbpf maps into the application what has variables that are visible outside their file. */
export function isMappable(input: LinkInput, section: string): boolean {
  const vars = datasecOf(input, section)?.vars ?? [];
  return vars.some((v) => {
    const type = input.btf?.type(v.type);
    return type?.kind === 'var' && type.linkage !== 0;
  });
}

/** The map of a data section. */
export function dataMap(
  input: LinkInput,
  section: string,
  kind: DataKind | 'kconfig',
  size: number,
  data: Uint8Array | undefined,
): MapSpec {
  const readOnly = kind === 'rodata' || kind === 'kconfig';
  const datasec = datasecOf(input, section);
  return {
    name: dataMapName(input.name, section),
    type: 'array',
    keySize: 4,
    valueSize: size,
    maxEntries: 1,
    flags: (readOnly ? MAP_FLAGS.RDONLY_PROG : 0) | (isMappable(input, section) ? MAP_FLAGS.MMAPABLE : 0),
    pinning: 0,
    ...(datasec === undefined ? {} : { valueTypeId: datasec.id }),
    ...specialOf(input.btf, datasec?.id),
    section,
    kind,
    ...(data === undefined ? {} : { data: data.slice() }),
    slots: [],
    frozen: readOnly,
    tags: [],
  };
}

/**
 * The maps of .data, .rodata, .bss and their named variants (`.rodata.config`, `.rodata.str1.1`), in section order.
 * Initial bytes are as in the file; a .bss has none and is zero. Pointers inside initialised data are not relocated, as
 * with libbpf: a warning says so.
 */
export function globalMaps(input: LinkInput): PlacedMap[] {
  const maps: PlacedMap[] = [];
  for (const section of input.elf.sections) {
    const kind = dataKind(section);
    if (kind === undefined) continue;
    const place = { ...input.place, section: section.name };
    if (section.size > MAX_DATA_BYTES) fail(sectionSize(place, `has ${section.size} bytes, above ${MAX_DATA_BYTES}`));
    const pointers = relocationsOf(input, section.index).length;
    if (pointers > 0) input.diagnostics.push(dataRelocation(place, pointers));
    const spec = dataMap(input, section.name, kind, section.size, kind === 'bss' ? undefined : section.data);
    maps.push({ section: section.index, offset: 0, size: section.size, spec, id: 0 });
  }
  return maps;
}

/** `.struct_ops` tables and arena globals: known, but not supported; what refers to them says so. */
export function unsupportedData(input: LinkInput): PlacedMap[] {
  const maps: PlacedMap[] = [];
  for (const section of input.elf.sections) {
    const place = { ...input.place, section: section.name };
    if (isNamed(section.name, '.struct_ops')) {
      const reason = structOps(place);
      input.diagnostics.push({ ...reason, severity: 'warning' });
      for (const v of datasecOf(input, section.name)?.vars ?? []) {
        const type = input.btf?.type(v.type);
        if (type?.kind !== 'var') continue;
        const spec: MapSpec = {
          ...dataMap(input, section.name, 'data', v.size, undefined),
          name: type.name,
          type: 'struct_ops',
          flags: 0,
          kind: 'map',
          unsupported: { ...reason, place: { ...place, map: type.name } },
        };
        maps.push({ section: section.index, offset: v.offset, size: v.size, spec, id: 0 });
      }
    } else if (isNamed(section.name, '.addr_space') || isNamed(section.name, '.arena')) {
      const reason = arenaData(place);
      input.diagnostics.push({ ...reason, severity: 'warning' });
      const spec = dataMap(input, section.name, 'bss', section.size, undefined);
      maps.push({ section: section.index, offset: 0, size: section.size, spec, id: 0, rejected: reason });
    }
  }
  return maps;
}
