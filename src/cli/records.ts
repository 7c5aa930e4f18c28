// Records that programs put into ring buffers and perf event arrays: taken out during the run, so that rings do not fill.
import { fail } from '../base/diagnostic.ts';
import { badOption } from '../base/messages/cli.ts';
import type { Btf } from '../btf/btf.ts';
import type { BtfValue } from '../btf/value.ts';
import type { BpfMap, PerfEventArrayMap, RingBufferMap } from '../spec/map.ts';
import type { LoadedMap } from '../run/map.ts';
import { valueData, valueText } from './show-value.ts';
import { plural } from './style.ts';

/** Records that are kept of each map; all are counted. */
const MAX_KEPT = 100_000;
/** perf_event_output pads to 8 bytes. */
const PADDING = 8;

const isRing = (map: BpfMap): map is RingBufferMap => map.type === 'ringbuf';
const isPerf = (map: BpfMap): map is PerfEventArrayMap => map.type === 'perf_event_array';

/** The struct of this name. Raises cli/option. */
export function recordStruct(btf: Btf | undefined, argument: string, name: string): number {
  const id = btf?.findByName(name, 'struct') ?? btf?.findByName(name, 'typedef');
  return id ?? fail(badOption({}, '--type', argument, `the object has no struct ${name}`));
}

/**
 * The type of records of this size where nobody says it: maps of records carry none, but programs keep it in their BTF by
 * a global pointer to it. Undefined unless exactly one such struct fits.
 */
function guessStruct(btf: Btf, size: number): number | undefined {
  const found = new Set<number>();
  for (const [, type] of btf.types()) {
    if (type.kind !== 'var') continue;
    const pointer = btf.resolved(type.type);
    if (pointer.kind !== 'ptr') continue;
    const target = btf.resolve(pointer.type);
    if (btf.kindOf(target) === 'struct' && size >= btf.sizeOf(target) && size - btf.sizeOf(target) < PADDING)
      found.add(target);
  }
  return found.size === 1 ? [...found][0] : undefined;
}

interface Kept {
  readonly cpu?: number;
  readonly bytes: Uint8Array;
}

export interface RecordData {
  readonly map: string;
  readonly count: number;
  readonly lost: number;
  /** At most 100,000. */
  readonly records: readonly { readonly cpu?: number; readonly value: BtfValue | Uint8Array }[];
}

/** The records of one map. */
export class RecordLog {
  readonly name: string;
  readonly #map: RingBufferMap | PerfEventArrayMap;
  readonly #btf: Btf | undefined;
  readonly #type: number | undefined;
  readonly #keep: number;
  readonly #kept: Kept[] = [];
  #count = 0;
  #lost = 0;

  private constructor(name: string, map: RingBufferMap | PerfEventArrayMap, options: RecordOptions) {
    this.name = name;
    this.#map = map;
    this.#btf = options.btf;
    this.#type = options.types.get(this.name);
    this.#keep = Math.min(options.keep, MAX_KEPT);
  }

  /** One log for each map that holds records. */
  static of(maps: Iterable<LoadedMap>, options: RecordOptions): RecordLog[] {
    return [...maps].flatMap(({ name, raw }) =>
      isRing(raw) || isPerf(raw) ? [new RecordLog(name, raw, options)] : [],
    );
  }

  /** Takes out what is there. */
  drain(): void {
    const { type } = this.#map;
    if (type === 'ringbuf') (this.#map as RingBufferMap).consume((bytes) => this.#add({ bytes }));
    else {
      (this.#map as PerfEventArrayMap).consume(
        (cpu, bytes) => this.#add({ cpu, bytes }),
        (_cpu, count) => {
          this.#lost += count;
        },
      );
    }
  }

  #add(record: Kept): void {
    this.#count++;
    if (this.#kept.length < this.#keep) this.#kept.push({ ...record, bytes: record.bytes.slice() });
  }

  #typeOf(bytes: Uint8Array): number | undefined {
    return this.#type ?? (this.#btf === undefined ? undefined : guessStruct(this.#btf, bytes.length));
  }

  data(): RecordData {
    const records = this.#kept.map(({ bytes, ...cpu }) => ({
      ...cpu,
      value: valueData(this.#btf, this.#typeOf(bytes), bytes),
    }));
    return { map: this.name, count: this.#count, lost: this.#lost, records };
  }

  lines(rows: number): string[] {
    const shown = this.#kept.slice(0, rows);
    const types = new Set(shown.map(({ bytes }) => this.#typeOf(bytes)));
    const [type] = types;
    const of = types.size === 1 && type !== undefined ? ` of struct ${this.#btf?.nameOf(type)}` : '';
    const lost = this.#lost === 0 ? '' : `, ${this.#lost} lost`;
    return [
      `Records in ${this.name}: ${plural(this.#count, 'record')}${of}${lost}`,
      ...shown.map(
        ({ cpu, bytes }) =>
          `  ${cpu === undefined ? '' : `cpu ${cpu} `}${valueText(this.#btf, this.#typeOf(bytes), bytes)}`,
      ),
      ...(this.#count > shown.length
        ? [`  (${plural(this.#count - shown.length, 'more record')}, see --rows and --json)`]
        : []),
    ];
  }
}

export interface RecordOptions {
  readonly btf: Btf | undefined;
  /** BTF ids of records by map name, where the user gives them. */
  readonly types: ReadonlyMap<string, number>;
  /** Records to keep of each map. */
  readonly keep: number;
}
