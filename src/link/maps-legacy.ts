// Maps declared as structs of 32-bit words in the sections `maps` and `maps/NAME`: before BTF, and in iproute2's form.
import { ByteReader } from '../base/bytes.ts';
import { fail, type Place } from '../base/diagnostic.ts';
import { innerMap, mapDefinition, mapTail, unknownMapType } from '../base/messages/link.ts';
import { type ElfSection, STT } from '../elf/format.ts';
import { MAP_FLAGS } from '../spec/map-types.ts';
import type { Dialect, MapSpec } from '../spec/object.ts';
import { groupBy, type LinkInput, namedSymbols, type PlacedMap } from './input.ts';
import { isMapInMap, mapTypeOf, refusedAttributes } from './map-type.ts';

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

type Layout = readonly Field[];

/** `struct bpf_map_def` of the kernel's samples (samples/bpf/bpf_load.h). */
const SAMPLES: Layout = [...COMMON, 'innerIndex', 'numaNode'];
/** iproute2's `struct bpf_elf_map` (include/bpf_elf.h) before it knew maps of maps: as long as {@link SAMPLES}. */
const IPROUTE2_SHORT: Layout = [...COMMON, 'id', 'pinning'];

/**
 * The layouts, told apart by their length: libbpf's `struct bpf_map_def` (bpf_helpers.h) and its first form, the
 * samples', iproute2's, and eBPF for Windows' `ebpf_map_definition_in_file_t` (include/ebpf_structs.h). Any other length
 * has the common words first, and the rest must be zero.
 */
const LAYOUTS: { readonly [D in Dialect]: readonly Layout[] } = {
  linux: [
    ['type', 'keySize', 'valueSize', 'maxEntries'],
    COMMON,
    SAMPLES,
    [...COMMON, 'id', 'pinning', 'innerId', 'innerSlot'],
  ],
  windows: [
    ['type', 'keySize', 'valueSize', 'maxEntries', 'innerIndex', 'pinning', 'id', 'innerId'],
    ['type', 'keySize', 'valueSize', 'maxEntries'],
  ],
};

type Words = { readonly [F in Field]?: number };

/** A definition's place in the file. */
interface Site {
  readonly name: string;
  readonly section: ElfSection;
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly place: Place;
}

function read(bytes: Uint8Array, layout: Layout, input: LinkInput, place: Place): Words {
  const known = 4 * layout.length;
  if (bytes.length < known) fail(mapDefinition(place, `has ${bytes.length} bytes, too few for a map`));
  if (bytes.subarray(known).some((b) => b !== 0)) fail(mapTail(place, bytes.length, known));
  const reader = new ByteReader(bytes, input.elf.endian, place);
  return Object.fromEntries(layout.map((field, i) => [field, reader.u32(4 * i)]));
}

/**
 * Whether an object's definitions of the samples' length are iproute2's: read as the samples' they hold what has no
 * meaning there, an inner map of what is no map of maps, or a NUMA node without its flag.
 */
function looksLikeIproute2(sites: readonly Site[], input: LinkInput): boolean {
  return sites.some(({ bytes, place }) => {
    if (bytes.length !== 4 * SAMPLES.length) return false;
    const words = read(bytes, SAMPLES, input, place);
    const type = mapTypeOf(words.type ?? 0, input.dialect);
    const noInner = type === undefined || !isMapInMap(type);
    const noNode = ((words.flags ?? 0) & MAP_FLAGS.NUMA_NODE) === 0;
    return (noInner && words.innerIndex !== 0) || (noNode && words.numaNode !== 0);
  });
}

interface Declared {
  readonly placed: PlacedMap;
  readonly words: Words;
  readonly place: Place;
}

function declare(input: LinkInput, site: Site, iproute2: boolean): Declared {
  const { name, section, offset, bytes, place } = site;
  const layout = LAYOUTS[input.dialect].find((fields) => 4 * fields.length === bytes.length) ?? COMMON;
  const words = read(bytes, layout === SAMPLES && iproute2 ? IPROUTE2_SHORT : layout, input, place);
  const type = mapTypeOf(words.type ?? 0, input.dialect);
  const rejected =
    type === undefined
      ? unknownMapType(place, words.type ?? 0, input.dialect)
      : refusedAttributes(words, input.dialect, place);
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
  const placed = { section: section.index, offset, size: bytes.length, spec, id: words.id ?? 0 };
  return { placed: rejected === undefined ? placed : { ...placed, rejected }, words, place };
}

/** Gives maps of maps their template, by index (kernel samples, Windows) or by id (iproute2, Windows). */
function withInner(
  declared: Declared,
  all: readonly Declared[],
  ids: ReadonlyMap<number | undefined, readonly Declared[]>,
): PlacedMap {
  const { placed, words, place } = declared;
  if (placed.rejected !== undefined || !isMapInMap(placed.spec.type)) return placed;
  const byId = words.innerId ? (ids.get(words.innerId) ?? []) : [];
  // An index of 0 is also what a definition without one holds: it means the first map, unless that is this one.
  const byIndex = words.innerIndex === undefined ? undefined : all[words.innerIndex];
  const inner = byId[0] ?? byIndex;
  if (inner === undefined) {
    if (words.innerId) fail(innerMap(place, `with the id ${words.innerId} does not exist`));
    if (words.innerIndex) fail(innerMap(place, `number ${words.innerIndex} does not exist`));
    return placed;
  }
  if (inner === declared) return placed;
  if (inner.placed.rejected !== undefined) return { ...placed, rejected: inner.placed.rejected };
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
  const sites: Site[] = [];
  for (const section of input.elf.sections) {
    if (section.name !== 'maps' && !section.name.startsWith('maps/')) continue;
    const symbols = namedSymbols(input, section.index, (s) => s.type === STT.OBJECT || s.type === STT.NOTYPE);
    // Several symbols may share a place (aliases): the first one names the map.
    const named = symbols.filter((s, i) => i === 0 || s.value !== symbols[i - 1].value);
    for (const [i, symbol] of named.entries()) {
      const { name, value: offset } = symbol;
      const next = i + 1 < named.length ? named[i + 1].value : section.data.length;
      const end = symbol.size === 0 ? next : offset + symbol.size;
      const place: Place = { ...input.place, section: section.name, map: name, offset };
      if (end > section.data.length) fail(mapDefinition(place, 'ends after its section'));
      sites.push({ name, section, offset, bytes: section.data.subarray(offset, end), place });
    }
  }
  const iproute2 = looksLikeIproute2(sites, input);
  const declared = sites.map((site) => declare(input, site, iproute2));
  const ids = groupBy(declared, (d) => d.words.id);
  return declared.map((d) => withInner(d, declared, ids));
}
