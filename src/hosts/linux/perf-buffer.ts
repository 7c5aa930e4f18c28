// Perf event arrays: a mapped buffer for each CPU (include/uapi/linux/perf_event.h: struct perf_event_mmap_page).
import { ERRNO } from '../../spec/errno.ts';
import type { Fd } from '../../spec/session.ts';
import { close, mapUpdate, possibleCpus } from './bpf.ts';
import { native } from './native.ts';
import { enablePerfEvent, openPerfEvent } from './perf-event.ts';
import type { KernelRecord } from './ring-buffer.ts';

const PAGE = 4096;
const PERF_TYPE_SOFTWARE = 1;
const PERF_COUNT_SW_BPF_OUTPUT = 10n;
const PERF_SAMPLE_RAW = 1n << 10n;
const RECORD = { lost: 2, sample: 9 } as const;
/** Offsets in the first page: data_head, data_tail. */
const HEAD = 1024 / 8;
const TAIL = 1032 / 8;
const HEADER = 8;
/** Where neither option nor caller says: 8 pages, as libbpf's tools. */
export const PER_CPU_BYTES = 8 * PAGE;

class CpuBuffer {
  readonly fd: Fd;
  readonly cpu: number;
  readonly #positions: BigUint64Array;
  readonly #data: Uint8Array;

  constructor(fd: Fd, cpu: number, memory: ArrayBuffer) {
    this.fd = fd;
    this.cpu = cpu;
    this.#positions = new BigUint64Array(memory, 0, PAGE / 8);
    this.#data = new Uint8Array(memory, PAGE);
  }

  /** @returns how many were lost */
  take(records: KernelRecord[], most: number): number {
    let lost = 0;
    const head = Atomics.load(this.#positions, HEAD);
    let tail = Atomics.load(this.#positions, TAIL);
    while (tail < head && records.length < most) {
      const at = Number(tail % BigInt(this.#data.length));
      const header = this.#view(at, HEADER);
      const size = header.getUint16(6, true);
      const type = header.getUint32(0, true);
      if (type === RECORD.sample) {
        const length = this.#view(at + HEADER, 4).getUint32(0, true);
        records.push({ cpu: this.cpu, data: this.#copy(at + HEADER + 4, length) });
      } else if (type === RECORD.lost) {
        // Its id, then the count.
        lost += Number(this.#view(at + HEADER + 8, 8).getBigUint64(0, true));
      }
      tail += BigInt(size);
    }
    Atomics.store(this.#positions, TAIL, tail);
    return lost;
  }

  #copy(from: number, length: number): Uint8Array {
    const size = this.#data.length;
    const start = from % size;
    if (start + length <= size) return this.#data.slice(start, start + length);
    const out = new Uint8Array(length);
    const first = size - start;
    out.set(this.#data.subarray(start));
    out.set(this.#data.subarray(0, length - first), first);
    return out;
  }

  #view(at: number, length: number): DataView {
    return new DataView(this.#copy(at, length).buffer);
  }
}

export class PerfBuffers {
  readonly #buffers: readonly CpuBuffer[];

  private constructor(buffers: readonly CpuBuffer[]) {
    this.#buffers = buffers;
  }

  /** A buffer for each CPU that is on, put into the map at the CPU's index. The negated errno where that fails. */
  static open(map: Fd, entries: number, perCpuBytes: number): PerfBuffers | number {
    let pages = 1;
    while (pages * PAGE < perCpuBytes) pages *= 2;
    const buffers: CpuBuffer[] = [];
    for (let cpu = 0; cpu < Math.min(possibleCpus(), entries); cpu++) {
      const fd = openPerfEvent(
        { type: PERF_TYPE_SOFTWARE, config: PERF_COUNT_SW_BPF_OUTPUT, sampleType: PERF_SAMPLE_RAW },
        -1,
        cpu,
      );
      // A CPU that is possible but not there.
      if (fd === -ERRNO.ENODEV) continue;
      const memory = fd < 0 ? fd : native().map(fd, (1 + pages) * PAGE, 0, true);
      const status = typeof memory === 'number' ? memory : putIn(map, cpu, fd);
      if (typeof memory === 'number' || status < 0) {
        if (fd >= 0) close(fd);
        for (const one of buffers) close(one.fd);
        return status;
      }
      enablePerfEvent(fd);
      buffers.push(new CpuBuffer(fd, cpu, memory));
    }
    return new PerfBuffers(buffers);
  }

  get fds(): readonly Fd[] {
    return this.#buffers.map(({ fd }) => fd);
  }

  take(most: number): { readonly records: KernelRecord[]; readonly lost: number } {
    const records: KernelRecord[] = [];
    let lost = 0;
    for (const buffer of this.#buffers) lost += buffer.take(records, most);
    return { records, lost };
  }

  /** The map lets go of the buffers with their descriptors. */
  close(): void {
    for (const { fd } of this.#buffers) close(fd);
  }
}

const putIn = (map: Fd, cpu: number, fd: Fd): number =>
  mapUpdate(map, new Uint8Array(Uint32Array.of(cpu).buffer), new Uint8Array(Int32Array.of(fd).buffer));
