// Who reads the records of a ring buffer or perf event array: one at a time by map.consume, or a session as they come.
import type { PerfEventArrayMap, RingBufferMap } from '../spec/map.ts';
import type { Fd } from '../spec/session.ts';
import type { ContextMap } from './map-object.ts';
import type { ContextSession } from './session.ts';

interface Taken {
  readonly records: readonly { readonly cpu: number; readonly data: Uint8Array }[];
  readonly lost: number;
}

/** Records in one event at most; more follow in the next. */
const MOST_AT_ONCE = 4096;

const OF_MAPS = new WeakMap<ContextMap, Records>();

export class Records {
  readonly #map: ContextMap;
  /** Taken out of the map, and not yet given away: a ring hands over all that it has. */
  #ready: { readonly cpu: number; readonly data: Uint8Array }[] = [];
  #lost = 0;
  #opened = false;
  readonly #readers = new Set<Reader>();
  /** A perf event array does not tell when there is something. */
  #timer: ReturnType<typeof setTimeout> | undefined;
  #woken = false;

  constructor(map: ContextMap) {
    this.#map = map;
    map.onEnd(() => {
      for (const reader of this.#readers) reader.end();
    });
  }

  static of(map: ContextMap): Records {
    const known = OF_MAPS.get(map);
    if (known !== undefined) return known;
    const records = new Records(map);
    OF_MAPS.set(map, records);
    return records;
  }

  /** Up to `most` records, oldest first, taken out. The first call opens the queues of a perf event array. */
  take(most = Number.POSITIVE_INFINITY): Taken {
    this.#open();
    if (this.#ready.length < most) this.#fetch();
    const lost = this.#lost;
    this.#lost = 0;
    if (this.#ready.length <= most) {
      const records = this.#ready;
      this.#ready = [];
      return { records, lost };
    }
    return { records: this.#ready.splice(0, most), lost };
  }

  /** @returns ends it */
  subscribe(session: ContextSession, fd: Fd, perCpuBytes?: number): () => void {
    this.#open(perCpuBytes);
    const reader: Reader = { session, fd, end: () => this.#leave(reader, resumed) };
    const resumed = session.onResume(() => this.#wake());
    this.#readers.add(reader);
    const { raw } = this.#map;
    if (raw.type === 'ringbuf') (raw as RingBufferMap).onData = () => this.#wake();
    this.#wake();
    return reader.end;
  }

  #leave(reader: Reader, resumed: () => void): void {
    if (!this.#readers.delete(reader)) return;
    resumed();
    if (this.#readers.size > 0) return;
    const { raw } = this.#map;
    if (raw.type === 'ringbuf' && !this.#map.gone) (raw as RingBufferMap).onData = undefined;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #open(bytes?: number): void {
    const { raw } = this.#map;
    if (this.#opened || raw.type !== 'perf_event_array') return;
    (raw as PerfEventArrayMap).open(bytes);
    this.#opened = true;
  }

  #fetch(): void {
    const { raw } = this.#map;
    if (raw.type === 'ringbuf') {
      (raw as RingBufferMap).consume((data) => this.#ready.push({ cpu: 0, data }));
      return;
    }
    (raw as PerfEventArrayMap).consume(
      (cpu, data) => this.#ready.push({ cpu, data }),
      (_cpu, count) => {
        this.#lost += count;
      },
    );
  }

  /** Reads soon, outside of the run that has written: who hears of records may close what the run uses. */
  #wake(): void {
    if (this.#woken || this.#readers.size === 0) return;
    this.#woken = true;
    queueMicrotask(() => {
      this.#woken = false;
      this.#deliver();
    });
  }

  #deliver(): void {
    const readers = [...this.#readers].filter(({ session }) => !session.paused);
    if (readers.length > 0 && !this.#map.gone) {
      const { records, lost } = this.take(MOST_AT_ONCE);
      if (records.length > 0 || lost > 0)
        for (const { session, fd } of readers) session.emit('records', { fd, records, lost });
      if (records.length === MOST_AT_ONCE) this.#again(0);
    }
    if (this.#map.raw.type === 'perf_event_array' && this.#readers.size > 0) this.#again(PERF_INTERVAL);
  }

  #again(milliseconds: number): void {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#deliver();
    }, milliseconds);
    (this.#timer as { unref?: () => void }).unref?.();
  }
}

/** Milliseconds between two looks at a perf event array. */
const PERF_INTERVAL = 10;

interface Reader {
  readonly session: ContextSession;
  readonly fd: Fd;
  readonly end: () => void;
}
