// What stands in the maps after a run, as data and as text.
import { AnyBpfError } from '../base/diagnostic.ts';
import type { Btf } from '../btf/btf.ts';
import type { BtfValue } from '../btf/value.ts';
import type { LoadedMap } from '../run/map.ts';
import type { LoadedObject } from '../run/object.ts';
import type { MapTypeName } from '../spec/map-types.ts';
import { valueData, valueText } from './show-value.ts';
import { plural } from './style.ts';

/** Entries that are looked at, and bytes that are kept: the largest maps have more than anyone reads. */
const MAX_SCANNED = 1_000_000;
const MAX_KEPT_BYTES = 256 << 20;

interface Entry {
  readonly key: Uint8Array;
  /** One value, or that of each CPU. */
  readonly values: readonly Uint8Array[];
}

interface Contents {
  readonly entries: readonly Entry[];
  /** Array elements that are all zero, which nobody may ever have written. */
  readonly zeros: number;
  /** More entries follow than were looked at. */
  readonly cut: boolean;
  /** Why entries could not be looked up: some map types show theirs to programs only. */
  readonly unreadable?: string;
}

const ARRAYS: ReadonlySet<MapTypeName> = new Set(['array', 'percpu_array']);
/** Values can only be taken out, which after the run harms nobody. */
const TAKEN: ReadonlySet<MapTypeName> = new Set(['queue', 'stack']);
/** Nothing to list: records are reported for themselves, filters and arenas have no entries. */
const WITHOUT_ENTRIES: ReadonlySet<MapTypeName> = new Set([
  'ringbuf',
  'user_ringbuf',
  'perf_event_array',
  'bloom_filter',
  'arena',
  'struct_ops',
]);

const allZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0);

function contentsOf(map: LoadedMap): Contents {
  try {
    return TAKEN.has(map.type) ? takenFrom(map) : lookedUp(map);
  } catch (error) {
    if (!(error instanceof AnyBpfError)) throw error;
    return { entries: [], zeros: 0, cut: false, unreadable: error.diagnostic.message };
  }
}

function takenFrom(map: LoadedMap): Contents {
  const entries: Entry[] = [];
  for (let value = map.pop(); value !== undefined; value = map.pop()) entries.push({ key: NO_KEY, values: [value] });
  return { entries, zeros: 0, cut: false };
}

function lookedUp(map: LoadedMap): Contents {
  const entries: Entry[] = [];
  let zeros = 0;
  let scanned = 0;
  let kept = 0;
  for (const key of map.keys()) {
    if (scanned++ === MAX_SCANNED || kept > MAX_KEPT_BYTES) return { entries, zeros, cut: true };
    const values = map.getPerCpu(key);
    if (values === undefined) continue;
    if (ARRAYS.has(map.type) && values.every(allZero)) zeros++;
    else {
      entries.push({ key, values });
      kept += key.length + map.valueSize;
    }
  }
  return { entries, zeros, cut: false };
}

const NO_KEY = new Uint8Array(0);

export interface MapData {
  readonly name: string;
  readonly type: MapTypeName;
  readonly entries: readonly {
    readonly key?: BtfValue | Uint8Array;
    readonly value?: BtfValue | Uint8Array;
    /** Per-CPU maps: the value of each CPU. */
    readonly values?: readonly (BtfValue | Uint8Array)[];
  }[];
  /** Array elements that are left out because they are all zero. */
  readonly zeroEntries?: number;
  /** True where the map has more entries than were looked at. */
  readonly cut?: true;
  /** Why the entries could not be looked up. */
  readonly unreadable?: string;
}

/** Slots of these hold ids: shown is the name of the program or map. */
const HOLDS_IDS: { readonly [M in MapTypeName]?: 'program' | 'map' } = {
  prog_array: 'program',
  array_of_maps: 'map',
  hash_of_maps: 'map',
};

const numeric = new Intl.Collator('en', { numeric: true });
/** More entries than these are not sorted for people, but by their bytes. */
const MAX_COLLATED = 10_000;

/** Keys and values of one map in words. */
class Words {
  readonly #object: LoadedObject;
  readonly #map: LoadedMap;

  constructor(object: LoadedObject, map: LoadedMap) {
    this.#object = object;
    this.#map = map;
  }

  get #btf(): Btf | undefined {
    return this.#object.spec.btf;
  }

  /** Array-like maps without key type count their slots. */
  #slot(key: Uint8Array): number | undefined {
    const { keySize, keyTypeId = 0 } = this.#map.spec;
    const view = new DataView(key.buffer, key.byteOffset, key.byteLength);
    return keyTypeId === 0 && keySize === 4 ? view.getUint32(0, true) : undefined;
  }

  /** The name of what a slot holds. */
  #reference(value: Uint8Array): string | undefined {
    const kind = HOLDS_IDS[this.#map.type];
    if (kind === undefined || value.length !== 4) return undefined;
    const id = new DataView(value.buffer, value.byteOffset, 4).getUint32(0, true);
    const list: readonly { readonly id: number; readonly name: string }[] =
      kind === 'program' ? this.#object.programs : this.#object.maps;
    return `${kind} ${list.find((item) => item.id === id)?.name ?? id}`;
  }

  keyData = (key: Uint8Array): BtfValue | Uint8Array =>
    this.#slot(key) ?? valueData(this.#btf, this.#map.spec.keyTypeId, key);

  keyText = (key: Uint8Array): string => `${this.#slot(key) ?? valueText(this.#btf, this.#map.spec.keyTypeId, key)}`;

  valueData = (value: Uint8Array): BtfValue | Uint8Array =>
    this.#reference(value) ?? valueData(this.#btf, this.#map.spec.valueTypeId, value);

  valueText = (value: Uint8Array): string =>
    this.#reference(value) ?? valueText(this.#btf, this.#map.spec.valueTypeId, value);

  /** Hash tables come in the order of their hashes, which tells nobody anything. */
  sorted(entries: readonly Entry[]): readonly Entry[] {
    if (ARRAYS.has(this.#map.type) || TAKEN.has(this.#map.type)) return entries;
    if (entries.length > MAX_COLLATED) return [...entries].sort((a, b) => Buffer.compare(a.key, b.key));
    return entries
      .map((entry) => ({ entry, text: this.keyText(entry.key) }))
      .sort((a, b) => numeric.compare(a.text, b.text))
      .map(({ entry }) => entry);
  }
}

/** All entries as data. */
export function mapData(object: LoadedObject, map: LoadedMap): MapData {
  const head = { name: map.name, type: map.type };
  if (WITHOUT_ENTRIES.has(map.type)) return { ...head, entries: [] };
  const { entries, zeros, cut, unreadable } = contentsOf(map);
  const words = new Words(object, map);
  return {
    ...head,
    entries: words.sorted(entries).map(({ key, values }) => {
      const shown = values.map(words.valueData);
      return {
        ...(key.length === 0 ? {} : { key: words.keyData(key) }),
        ...(map.perCpu ? { values: shown } : { value: shown[0] }),
      };
    }),
    ...(zeros === 0 ? {} : { zeroEntries: zeros }),
    ...(cut ? { cut } : {}),
    ...(unreadable === undefined ? {} : { unreadable }),
  };
}

/** A head and at most `rows` entries, one a line; nothing for maps without entries. */
export function mapLines(object: LoadedObject, map: LoadedMap, rows: number): string[] {
  if (WITHOUT_ENTRIES.has(map.type)) return [];
  const head = `Map ${map.name} (${map.type})`;
  const { entries, zeros, cut, unreadable } = contentsOf(map);
  if (map.spec.kind !== 'map') return globalLines(map, entries[0], object.spec.btf);
  if (unreadable !== undefined) return [`${head}: not shown, ${unreadable}`];
  if (entries.length === 0) return [`${head}: ${zeros === 0 ? 'empty' : 'all zero'}`];
  const words = new Words(object, map);
  const rest = entries.length - rows;
  const notes = [
    ...(rest > 0 ? [`${plural(rest, 'more entry', 'more entries')}, see --rows and --json`] : []),
    ...(zeros === 0 ? [] : [`${plural(zeros, 'entry', 'entries')} all zero`]),
    ...(cut ? ['further entries were not looked at'] : []),
  ];
  return [
    `${head}: ${plural(entries.length, 'entry', 'entries')}`,
    ...words
      .sorted(entries)
      .slice(0, rows)
      .map((entry) => `  ${entryText(words, entry)}`),
    ...notes.map((note) => `  (${note})`),
  ];
}

function entryText(words: Words, { key, values }: Entry): string {
  const shown = values.map(words.valueText);
  const text =
    values.length === 1
      ? shown[0]
      : shown.flatMap((v, cpu) => (allZero(values[cpu]) ? [] : [`cpu ${cpu} ${v}`])).join(', ') || 'all zero';
  return key.length === 0 ? text : `${words.keyText(key)}: ${text}`;
}

/** The variables of a data section, one a line. */
function globalLines({ spec }: LoadedMap, entry: Entry | undefined, btf: Btf | undefined): string[] {
  const bytes = entry?.values[0] ?? new Uint8Array(spec.valueSize);
  const head = `Globals in ${spec.section ?? spec.name}`;
  const section = btf === undefined || spec.valueTypeId === undefined ? undefined : btf.type(spec.valueTypeId);
  if (btf === undefined || section?.kind !== 'datasec') return [`${head}: ${plural(spec.valueSize, 'byte')}`];
  return [
    head,
    ...section.vars.flatMap(({ type, offset, size }) => {
      const variable = btf.type(type);
      // Compilers keep constant strings in read-only data under names of their own.
      if (variable.kind !== 'var' || offset + size > bytes.length) return [];
      return [`  ${variable.name} = ${valueText(btf, variable.type, bytes.subarray(offset, offset + size))}`];
    }),
  ];
}
