// Consumers of the kernel's ring buffers and perf event arrays, for comparing what programs put there.
import { mapUpdate } from './bpf.ts';
import { native } from './native.ts';

const PAGE = 4096;
const BUSY = 0x8000_0000;
const DISCARD = 0x4000_0000;
const RECORD_HEADER = 8;

/** Consumer side of a BPF_MAP_TYPE_RINGBUF (kernel/bpf/ringbuf.c: one page each for both positions, then the data twice). */
export class KernelRingBuffer {
  readonly #size: number;
  readonly #consumer: DataView;
  readonly #producer: DataView;
  readonly #data: Uint8Array;

  /** @param size the map's max_entries. Throws an Error with the errno where it cannot be mapped. */
  constructor(fd: number, size: number) {
    const consumer = native().map(fd, PAGE, 0, true);
    const rest = native().map(fd, PAGE + 2 * size, PAGE, false);
    if (typeof consumer === 'number' || typeof rest === 'number') throw new Error(`ring buffer: ${consumer} ${rest}`);
    this.#size = size;
    this.#consumer = new DataView(consumer);
    this.#producer = new DataView(rest, 0, PAGE);
    this.#data = new Uint8Array(rest, PAGE);
  }

  /** Every complete record that was not discarded, in order; the space is given back. */
  take(): Uint8Array[] {
    const records: Uint8Array[] = [];
    const end = this.#producer.getBigUint64(0, true);
    let at = this.#consumer.getBigUint64(0, true);
    const view = new DataView(this.#data.buffer, this.#data.byteOffset, this.#data.byteLength);
    while (at < end) {
      const offset = Number(at) & (this.#size - 1);
      const header = view.getUint32(offset, true);
      if (header >= BUSY) break;
      const length = header & (DISCARD - 1);
      if ((header & DISCARD) === 0) {
        records.push(this.#data.slice(offset + RECORD_HEADER, offset + RECORD_HEADER + length));
      }
      at += BigInt((length + RECORD_HEADER + 7) & ~7);
    }
    this.#consumer.setBigUint64(0, at, true);
    return records;
  }
}

const PERF_TYPE_SOFTWARE = 1;
const PERF_COUNT_SW_BPF_OUTPUT = 10n;
const PERF_SAMPLE_RAW = 1n << 10n;
const PERF_FLAG_FD_CLOEXEC = 8;
const PERF_EVENT_IOC_ENABLE = 0x2400;
const PERF_RECORD_SAMPLE = 9;
const PERF_PAGES = 64;

/** One CPU's buffer in a BPF_MAP_TYPE_PERF_EVENT_ARRAY (uapi/linux/perf_event.h). */
export class KernelPerfBuffer {
  readonly #control: DataView;
  readonly #data: Uint8Array;
  readonly #fd: number;

  /** Opens a buffer and puts it into the map at the CPU's index. Throws an Error with the errno where that fails. */
  constructor(map: number, cpu: number) {
    const lib = native();
    lib.reset();
    const attr = lib.room(64);
    attr.view.setUint32(0, PERF_TYPE_SOFTWARE, true);
    attr.view.setUint32(4, 64, true);
    attr.view.setBigUint64(8, PERF_COUNT_SW_BPF_OUTPUT, true);
    attr.view.setBigUint64(16, 1n, true);
    attr.view.setBigUint64(24, PERF_SAMPLE_RAW, true);
    attr.view.setUint32(48, 1, true);
    this.#fd = lib.syscall(lib.numbers.perfEventOpen, attr.address, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
    const mapped = this.#fd < 0 ? this.#fd : lib.map(this.#fd, (1 + PERF_PAGES) * PAGE, 0, true);
    if (typeof mapped === 'number') throw new Error(`perf buffer: ${mapped}`);
    this.#control = new DataView(mapped, 0, PAGE);
    this.#data = new Uint8Array(mapped, PAGE);
    lib.ioctl(this.#fd, PERF_EVENT_IOC_ENABLE, 0);
    const status = mapUpdate(
      map,
      new Uint8Array(Uint32Array.of(cpu).buffer),
      new Uint8Array(Int32Array.of(this.#fd).buffer),
    );
    if (status < 0) throw new Error(`perf buffer into the map: ${status}`);
  }

  /** Samples in order. The kernel pads each to 4 modulo 8 bytes: only as many as were written mean something. */
  take(): Uint8Array[] {
    const samples: Uint8Array[] = [];
    const head = this.#control.getBigUint64(1024, true);
    let tail = this.#control.getBigUint64(1032, true);
    while (tail < head) {
      const header = this.#copy(Number(tail) % this.#data.length, 12);
      const size = header.getUint16(6, true);
      if (header.getUint32(0, true) === PERF_RECORD_SAMPLE) {
        const raw = this.#copy((Number(tail) + 12) % this.#data.length, header.getUint32(8, true));
        samples.push(new Uint8Array(raw.buffer));
      }
      tail += BigInt(size);
    }
    this.#control.setBigUint64(1032, tail, true);
    return samples;
  }

  #copy(at: number, length: number): DataView {
    const out = new Uint8Array(length);
    for (let i = 0; i < length; i++) out[i] = this.#data[(at + i) % this.#data.length];
    return new DataView(out.buffer);
  }

  close(): void {
    native().close(this.#fd);
  }
}
