// Ring buffers and perf event arrays of a loaded skeleton.
import { type Codec, decode, encode } from './codec.ts';
import { AnyMap } from './maps.ts';

/** Records that wait for a slow consumer of RingMap.records; later ones count as lost. */
const MOST_WAITING = 1 << 20;

export interface RingRecord<T> {
  readonly value: T;
  readonly cpu: number;
}

/** What comes out of a ring; `lost` counts records since the last of these that did not fit. */
export type RingItem<T> = RingRecord<T> & { readonly lost: number };

/** A ring buffer, or a perf event array. What records are is the program's matter: each use gives their codec. */
export class RingMap extends AnyMap {
  /**
   * Calls for each record until the function that is given back is called, or the session ends. `lost`: records that were dropped, since
   * the ring or this session was full.
   */
  async subscribe<T>(
    codec: Codec<T, never>,
    listener: (value: T, cpu: number) => void,
    lost: (count: number) => void = () => undefined,
  ): Promise<() => Promise<void>> {
    const { session } = this;
    // A handle of its own: with it the events end.
    const { fd } = await session.call('object.duplicate', { fd: this.fd });
    const off = session.on('records', (event) => {
      if (event.fd !== fd) return;
      if (event.lost > 0) lost(event.lost);
      for (const { data, cpu } of event.records) listener(decode(codec, data), cpu);
    });
    const end = async (): Promise<void> => {
      off();
      await session.call('object.close', { fd });
    };
    try {
      await session.call('map.subscribe', { fd });
    } catch (error) {
      await end();
      throw error;
    }
    return end;
  }

  /** The records as they come, until the loop is left or the session ends. */
  async *records<T>(codec: Codec<T, never>): AsyncGenerator<RingItem<T>, void, undefined> {
    const waiting: RingItem<T>[] = [];
    let at = 0;
    let lost = 0;
    let wake: (() => void) | undefined;
    let closed = false;
    const off = this.session.on('closed', () => {
      closed = true;
      wake?.();
    });
    const end = await this.subscribe(
      codec,
      (value, cpu) => {
        if (waiting.length - at >= MOST_WAITING) lost++;
        else {
          waiting.push({ value, cpu, lost });
          lost = 0;
        }
        wake?.();
      },
      (count) => (lost += count),
    );
    try {
      for (;;) {
        while (at < waiting.length) yield waiting[at++];
        waiting.length = at = 0;
        if (closed) return;
        await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      off();
      if (!closed) await end();
    }
  }

  /** Takes out what is there now, oldest first. */
  async consume<T>(codec: Codec<T, never>, most?: number): Promise<{ records: RingRecord<T>[]; lost: number }> {
    const { records, lost } = await this.session.call('map.consume', {
      fd: this.fd,
      ...(most === undefined ? {} : { most }),
    });
    return { records: records.map(({ cpu, data }) => ({ cpu, value: decode(codec, data) })), lost };
  }
}

/** A ring that applications write and programs read. */
export class UserRingMap extends AnyMap {
  /** Adds records until one does not fit; gives how many went in. */
  async produce<In>(codec: Codec<unknown, In>, values: readonly In[]): Promise<number> {
    const records = values.map((value, i) => encode(codec, value, `record ${i} of ${this.name}`));
    return (await this.session.call('map.produce', { fd: this.fd, records })).count;
  }
}
