// Maps declared as structs of 32-bit words in the sections `maps` and `maps/NAME`: before BTF, and in iproute2's form.
import { ByteReader } from '../base/bytes.ts';
import { type Diagnostic, fail, type Place } from '../base/diagnostic.ts';
import { innerMap, mapDefinition, mapTail, unknownMapType } from '../base/messages/link.ts';
import { type ElfSection, STT } from '../elf/format.ts';
import type { Dialect, MapSpec } from '../spec/object.ts';
import { type LinkInput, namedSymbols, type PlacedMap } from './input.ts';
import { isMapInMap, mapTypeOf } from './map-type.ts';

type Field =
  | 'type'
  | 'keySize'
  | 'valueSize'
  | 'maxEntries'
  | 'flags'
  | 'innerIndex'
  | 'numaNode'
  | 'id'
  | 'pinning'
  | 'innerId'
  | 'innerSlot';

const COMMON = ['type', 'keySize', 'valueSize', 'maxEntries', 'flags'] as const satisfies Field[];

/**
 * The layouts, told apart by their length: libbpf's `struct bpf_map_def` (bpf_helpers.h), that of the kernel's samples
 * (samples/bpf/bpf_load.h), iproute2's `struct bpf_elf_map` (include/bpf_elf.h), and eBPF for Windows'
 * `ebpf_map_definition_in_file_t` (include/ebpf_structs.h). Any other length has the common words first, and the rest
 * must be zero.
 */
const LAYOUTS: { readonly [D in Dialect]: readonly (readonly Field[])[] } = {
  linux: [
    ['type', 'keySize', 'valueSize', 'maxEntries'],
    COMMON,
    [...COMMON, 'innerIndex', 'numaNode'],
    [...COMMON, 'id', 'pinning', 'innerId', 'innerSlot'],
  ],
  windows: [
    ['type', 'keySize', 'valueSize', 'maxEntries', 'innerIndex', 'pinning', 'id', 'innerId'],
    ['type', 'keySize', 'valueSize', 'maxEntries'],
  ],
};

type Words = { readonly [F in Field]?: number };

function readWords(bytes: Uint8Array, input: LinkInput, place: Place): Words {
  const layouts = LAYOUTS[input.dialect];
  const layout = layouts.find((fields) => 4 * fields.length === bytes.length) ?? COMMON;
  const known = 4 * layout.length;
  if (bytes.length < known) fail(mapDefinition(place, `has ${bytes.length} bytes, too few for a map`));
  if (bytes.subarray(known).some((b) => b !== 0)) fail(mapTail(place, bytes.length, known));
  const reader = new ByteReader(bytes, input.elf.endian, place);
  return Object.fromEntries(layout.map((field, i) => [field, reader.u32(4 * i)]));
}

interface Declared {
  readonly placed: PlacedMap;
  readonly words: Words;
  readonly place: Place;
}

function declare(input: LinkInput, section: ElfSection, name: string, offset: number, size: number): Declared {
  const place: Place = { ...input.place, section: section.name, map: name, offset };
  if (offset + size > section.data.length) fail(mapDefinition(place, 'ends after its section'));
  const words = readWords(section.data.subarray(offset, offset + size), input, place);
  const type = mapTypeOf(words.type ?? 0, input.dialect);
  const rejected: Diagnostic | undefined =
    type === undefined ? unknownMapType(place, words.type ?? 0, input.dialect) : undefined;
  const spec: MapSpec = {
    name,
    type: type ?? 'array',
    keySize: words.keySize ?? 0,
    valueSize: words.valueSize ?? 0,
    maxEntries: words.maxEntries ?? 0,
    flags: words.flags ?? 0,
    ...(words.numaNode ? { numaNode: words.numaNode } : {}),
    pinning: words.pinning ?? 0,
    kind: 'map',
    slots: [],
    frozen: false,
    tags: [],
  };
  const placed = { section: section.index, offset, size, spec, id: words.id ?? 0 };
  return { placed: rejected === undefined ? placed : { ...placed, rejected }, words, place };
}

/** Gives maps of maps their template, by index (kernel samples, Windows) or by id (iproute2, Windows). */
function withInner(declared: Declared, all: readonly Declared[]): PlacedMap {
  const { placed, words, place } = declared;
  if (placed.rejected !== undefined || !isMapInMap(placed.spec.type)) return placed;
  const byId = words.innerId ? all.filter((other) => other.words.id === words.innerId) : [];
  // An index of 0 is also what a definition without one holds: it means the first map, unless that is this one.
  const byIndex = words.innerIndex === undefined ? undefined : all[words.innerIndex];
  const inner = byId[0] ?? byIndex;
  if (inner === undefined) {
    if (words.innerId) fail(innerMap(place, `with the id ${words.innerId} does not exist`));
    if (words.innerIndex) fail(innerMap(place, `number ${words.innerIndex} does not exist`));
    return placed;
  }
  if (inner === declared) return placed;
  if (isMapInMap(inner.placed.spec.type)) fail(innerMap(place, `'${inner.placed.spec.name}' is itself a map of maps`));
  // iproute2 puts the inner maps that name a slot into it.
  const slots = byId
    .filter((other) => other.words.innerSlot !== undefined && other.words.innerSlot < placed.spec.maxEntries)
    .map((other) => ({
      index: other.words.innerSlot ?? 0,
      kind: 'map' as const,
      target: other.placed.spec.name,
    }));
  return { ...placed, spec: { ...placed.spec, inner: inner.placed.spec, slots } };
}

/**
 * The maps of the sections `maps` and `maps/NAME`, in the order of sections and places. The length of a definition is
 * its symbol's, or the distance to the next one where old compilers gave none. Errors: link/map-definition,
 * link/map-tail, link/inner-map.
 */
export function legacyMaps(input: LinkInput): PlacedMap[] {
  const declared: Declared[] = [];
  for (const section of input.elf.sections) {
    if (section.name !== 'maps' && !section.name.startsWith('maps/')) continue;
    const symbols = namedSymbols(input, section.index, (s) => s.type === STT.OBJECT || s.type === STT.NOTYPE);
    const starts = [...new Set(symbols.map((s) => s.value)), section.data.length];
    for (let i = 0; i + 1 < starts.length; i++) {
      const symbol = symbols.find((s) => s.value === starts[i]);
      if (symbol === undefined) continue;
      const size = symbol.size === 0 ? starts[i + 1] - starts[i] : symbol.size;
      declared.push(declare(input, section, symbol.name, symbol.value, size));
    }
  }
  return declared.map((d) => withInner(d, declared));
}
