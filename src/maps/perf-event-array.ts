import { ERRNO } from '../spec/errno.ts';
import type { MapTypeRow, PerfEventArrayMap, Status } from '../spec/map.ts';
import type { Address } from '../spec/memory.ts';
import { E2BIG, ENOENT, ENOSPC, ENOTSUPP } from './attributes.ts';
import { checkHandleArray, FdArray } from './handle-array.ts';

/** perf_buffer's usual size: 64 pages a CPU. */
const DEFAULT_BYTES = 64 * 4096;
/** perf_event_header and the u32 size before each raw sample, all padded to 8. */
const sampleBytes = (size: number): number => 8 * Math.ceil((8 + 4 + size) / 8);

interface Queue {
  readonly bytes: number;
  readonly records: Uint8Array[];
  used: number;
  lost: number;
}

/**
 * BPF_MAP_TYPE_PERF_EVENT_ARRAY: bounded queues of records. They are not in linear memory: a program gives bytes away and
 * never sees them again.
 */
class PerfEventArray extends FdArray implements PerfEventArrayMap {
  readonly #queues = new Map<number, Queue>();

  open(bytes = DEFAULT_BYTES): void {
    for (let cpu = 0; cpu < Math.min(this.length, this.context.cpus); cpu++) this.#open(cpu, bytes);
  }

  outputTo(cpu: number, record: Uint8Array): Status {
    if (cpu >= this.length) return E2BIG;
    const queue = this.#queues.get(cpu);
    if (queue === undefined) return ENOENT;
    // Each CPU's buffer takes the events of that CPU only.
    if (cpu !== this.context.currentCpu()) return -ERRNO.EOPNOTSUPP;
    const size = sampleBytes(record.length);
    if (queue.used + size > queue.bytes) {
      queue.lost++;
      return ENOSPC;
    }
    queue.used += size;
    queue.records.push(record.slice());
    return 0;
  }

  consume(callback: (cpu: number, record: Uint8Array) => void, lost?: (cpu: number, count: number) => void): number {
    let count = 0;
    for (const [cpu, queue] of this.#queues) {
      const records = queue.records.splice(0);
      const missing = queue.lost;
      queue.used = 0;
      queue.lost = 0;
      for (const record of records) callback(cpu, record);
      if (missing > 0) lost?.(cpu, missing);
      count += records.length;
    }
    return count;
  }

  protected resolve(): number {
    return 0;
  }

  /** Any value opens the queue of that index; Linux wants a perf event's file descriptor. */
  protected override write(key: Address, value: Uint8Array, flags: number): Status {
    const status = super.write(key, value, flags);
    if (status === 0) this.#open(this.indexAt(key), DEFAULT_BYTES);
    return status;
  }

  protected override remove(key: Address): Status {
    const index = this.indexAt(key);
    if (index >= this.length) return E2BIG;
    this.setWords(index, 0, 0);
    return this.#queues.delete(index) ? 0 : ENOENT;
  }

  protected read(): Uint8Array | Status {
    return ENOTSUPP;
  }

  #open(cpu: number, bytes: number): void {
    if (!this.#queues.has(cpu)) this.#queues.set(cpu, { bytes, records: [], used: 0, lost: 0 });
  }
}

export const perfEventArray: MapTypeRow = {
  type: 'perf_event_array',
  check: checkHandleArray,
  create: (spec, context) => new PerfEventArray(spec, context),
  doc: 'a bounded queue a CPU after open() or an update; counters (bpf_perf_event_read) need a host that has them',
};
