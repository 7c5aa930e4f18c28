// The application's end of ring buffers and perf event arrays.
import { fail } from '../base/diagnostic.ts';
import { noRecords } from '../base/messages/run.ts';
import type { PerfEventArrayMap, RingBufferMap } from '../spec/map.ts';
import type { LoadedMap } from './map.ts';

export interface RecordReaderOptions {
  /** Each record, in order; a perf event array also says the CPU. The bytes are the callback's to keep. */
  readonly record: (bytes: Uint8Array, cpu?: number) => void;
  /** Perf event arrays: records of a CPU that found no room since the last time. */
  readonly lost?: (cpu: number, count: number) => void;
  /** Perf event arrays: bytes of each CPU's queue, 256 KiB where absent. */
  readonly bytes?: number;
}

/**
 * Reads the records that programs send (ring_buffer__new, perf_buffer__new). A perf event array takes records only once a
 * reader is there. Records wait until `poll` is called.
 *
 * @throws AnyBpfError run/no-records where the map is of another type
 */
export class RecordReader implements Disposable {
  readonly map: LoadedMap;
  readonly #options: RecordReaderOptions;
  #done = false;

  constructor(map: LoadedMap, options: RecordReaderOptions) {
    this.map = map;
    this.#options = options;
    if (map.type === 'perf_event_array') (map.raw as PerfEventArrayMap).open(options.bytes);
    else if (map.type !== 'ringbuf') fail(noRecords({ map: map.name }, map.type));
  }

  /** Hands over all records that are complete; gives their number. */
  poll(): number {
    if (this.#done) return 0;
    const { record, lost } = this.#options;
    if (this.map.type === 'ringbuf') return (this.map.raw as RingBufferMap).consume((bytes) => record(bytes));
    return (this.map.raw as PerfEventArrayMap).consume((cpu, bytes) => record(bytes, cpu), lost);
  }

  [Symbol.dispose](): void {
    this.#done = true;
  }
}
