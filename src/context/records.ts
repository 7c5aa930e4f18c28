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
/** Events one after the other, before others have a turn. */
const MOST_EVENTS = 64;

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
    if (this.#ready.length < most) this.#fetch(most - this.#ready.length);
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
    this.#wake();
    return reader.end;
  }

  #leave(reader: Reader, resumed: () => void): void {
    if (!this.#readers.delete(reader)) return;
    resumed();
    if (this.#readers.size > 0) return;
    this.#listen(undefined);
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #open(bytes?: number): void {
    const { raw } = this.#map;
    if (this.#opened || raw.type !== 'perf_event_array') return;
    (raw as PerfEventArrayMap).open(bytes);
    this.#opened = true;
  }

  #fetch(most: number): void {
    const { raw } = this.#map;
    if (raw.type === 'ringbuf') {
      for (const data of (raw as RingBufferMap).takeAll(most)) this.#ready.push({ cpu: 0, data });
      return;
    }
    (raw as PerfEventArrayMap).consume(
      (cpu, data) => this.#ready.push({ cpu, data }),
      (_cpu, count) => {
        this.#lost += count;
      },
    );
  }

  /** A ring tells when there is something. */
  #listen(heard: (() => void) | undefined): void {
    const { raw, gone } = this.#map;
    if (raw.type === 'ringbuf' && !gone) (raw as RingBufferMap).onData = heard;
  }

  /** Until what is there is read, the ring need not tell of more: compiled code submits records by itself while nobody listens. */
  readonly #heard = (): void => {
    this.#listen(undefined);
    this.#wake();
  };

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
    let full = true;
    for (let event = 0; full && event < MOST_EVENTS; event++) full = this.#deliverOnce();
    if (full) this.#again(0);
    else if (this.#map.raw.type === 'perf_event_array' && this.#readers.size > 0) this.#again(PERF_INTERVAL);
  }

  /** Gives the next records to all that take some. True where there may be more of them. */
  #deliverOnce(): boolean {
    const readers = [...this.#readers].filter(({ session }) => !session.paused);
    if (readers.length === 0 || this.#map.gone) return false;
    this.#listen(this.#heard);
    const { records, lost } = this.take(MOST_AT_ONCE);
    if (records.length > 0 || lost > 0)
      for (const { session, fd } of readers) session.emit('records', { fd, records, lost });
    return records.length === MOST_AT_ONCE;
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
