// ring_buffer__*, ring__*, perf_buffer__* and user_ring_buffer__*: records between programs and applications.
import { ERRNO } from '../../spec/errno.ts';
import { type Library, nothing, pointer, refuse, status } from './library.ts';

/** ring_buffer_sample_fn: below 0 ends consuming, with that as the result. */
export type RingSample = (ctx: unknown, data: Uint8Array, size: number) => number | void;
/** perf_buffer_sample_fn and perf_buffer_lost_fn. */
export type PerfSample = (ctx: unknown, cpu: number, data: Uint8Array, size: number) => void;
export type PerfLost = (ctx: unknown, cpu: number, count: number) => void;

interface Record {
  readonly cpu: number;
  readonly data: Uint8Array;
}

/** Largest number of records in one answer of the session. */
const MOST = 4096;

/** The records of one map that were taken out and not yet handed on: what a callback that ends consuming leaves, stays. */
class Source {
  readonly fd: number;
  #pending: Record[] = [];

  constructor(fd: number) {
    this.fd = fd;
  }

  /** Hands on up to `most` records (of one CPU, where it is given). Gives the number, or what the callback ended it with. */
  async drain(lib: Library, each: (record: Record) => number, options: DrainOptions = {}): Promise<number> {
    const { most = Number.POSITIVE_INFINITY, cpu, lost } = options;
    let count = 0;
    for (;;) {
      const rest: Record[] = [];
      const records = this.#pending;
      this.#pending = rest;
      for (const [i, record] of records.entries()) {
        if (count >= most) {
          rest.push(...records.slice(i));
          break;
        }
        if (cpu !== undefined && record.cpu !== cpu) {
          rest.push(record);
          continue;
        }
        const result = each(record);
        count++;
        if (result < 0) {
          rest.push(...records.slice(i + 1));
          return result;
        }
      }
      if (count >= most) return count;
      const taken = await lib.session.call('map.consume', { fd: this.fd, most: MOST });
      if (taken.lost > 0) lost?.(taken.lost);
      if (taken.records.length === 0) return count;
      this.#pending.push(...taken.records);
    }
  }
}

interface DrainOptions {
  readonly most?: number;
  readonly cpu?: number;
  readonly lost?: (count: number) => void;
}

/** One map of a ring_buffer: struct ring. */
export class Ring {
  readonly source: Source;
  readonly callback: RingSample;
  readonly ctx: unknown;
  constructor(fd: number, callback: RingSample, ctx: unknown) {
    this.source = new Source(fd);
    this.callback = callback;
    this.ctx = ctx;
  }
}

/** struct ring_buffer. */
export class RingBuffer {
  readonly rings: Ring[] = [];
}

/** struct perf_buffer. */
export class PerfBuffer {
  readonly source: Source;
  readonly sample: PerfSample | undefined;
  readonly lost: PerfLost | undefined;
  readonly ctx: unknown;
  readonly cpus: number;
  constructor(fd: number, cpus: number, sample?: PerfSample, lost?: PerfLost, ctx?: unknown) {
    this.source = new Source(fd);
    this.cpus = cpus;
    this.sample = sample;
    this.lost = lost;
    this.ctx = ctx;
  }
}

/** struct user_ring_buffer. */
export class UserRingBuffer {
  readonly fd: number;
  readonly size: number;
  /** In order of their reservation: records go out in that order. */
  readonly queue: { readonly sample: Uint8Array; done: 'submit' | 'discard' | undefined }[] = [];
  constructor(fd: number, size: number) {
    this.fd = fd;
    this.size = size;
  }
}

/**
 * Asks again until something is there or the time is over: a map's records can be taken by anybody who asks, so a subscription would
 * take them from who else consumes.
 */
async function poll(timeout: number, once: () => Promise<number>): Promise<number> {
  const end = timeout < 0 ? Number.POSITIVE_INFINITY : Date.now() + timeout;
  for (let wait = 1; ; wait = Math.min(wait * 2, 16)) {
    const count = await once();
    if (count !== 0 || Date.now() >= end) return count;
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, Math.min(wait, end - Date.now()))));
  }
}

export function ringFunctions(lib: Library) {
  const { session } = lib;

  const mapOf = async (fd: number, types: readonly string[]) => {
    const info = await session.call('object.info', { fd });
    return info.kind === 'map' && types.includes(info.type) ? info : undefined;
  };
  const consumeRing = (ring: Ring, most = Number.POSITIVE_INFINITY): Promise<number> =>
    ring.source.drain(lib, ({ data }) => ring.callback(ring.ctx, data, data.length) ?? 0, { most });
  const consumeAll = async (rb: RingBuffer, most = Number.POSITIVE_INFINITY): Promise<number> => {
    let count = 0;
    for (const ring of rb.rings) {
      const result = await consumeRing(ring, most - count);
      if (result < 0) return result;
      count += result;
    }
    return count;
  };
  const consumePerf = (pb: PerfBuffer, cpu?: number): Promise<number> =>
    pb.source.drain(
      lib,
      (record) => {
        pb.sample?.(pb.ctx, record.cpu, record.data, record.data.length);
        return 0;
      },
      { ...(cpu === undefined ? {} : { cpu }), lost: (count) => pb.lost?.(pb.ctx, 0, count) },
    );

  const produce = async (rb: UserRingBuffer): Promise<void> => {
    while (rb.queue[0]?.done !== undefined) {
      const { sample, done } = rb.queue[0];
      rb.queue.shift();
      if (done === 'submit') await session.call('map.produce', { fd: rb.fd, records: [sample] });
    }
  };
  const finish = (rb: UserRingBuffer, sample: Uint8Array, done: 'submit' | 'discard'): Promise<number> =>
    status(lib, async () => {
      const entry = rb.queue.find((e) => e.sample === sample);
      if (entry === undefined) return refuse(lib, 'EINVAL');
      entry.done = done;
      await produce(rb);
      return 0;
    });
  const reserve = (rb: UserRingBuffer, size: number): Uint8Array | null => {
    // A record has a header of 8 bytes and ends at a multiple of 8 (BPF_RINGBUF_HDR_SZ).
    const used = rb.queue.reduce((sum, { sample }) => sum + 8 + ((sample.length + 7) & -8), 0);
    const need = 8 + ((size + 7) & -8);
    if (need > rb.size) return nothing(lib, 'E2BIG');
    if (used + need > rb.size) return nothing(lib, 'ENOSPC');
    const sample = new Uint8Array(size);
    rb.queue.push({ sample, done: undefined });
    return sample;
  };

  const api = {
    ring_buffer__new: (map_fd: number, sample_cb: RingSample, ctx: unknown, _opts: null = null) =>
      pointer(lib, async () => {
        const rb = new RingBuffer();
        return (await api.ring_buffer__add(rb, map_fd, sample_cb, ctx)) < 0 ? null : rb;
      }),
    ring_buffer__add: (rb: RingBuffer, map_fd: number, sample_cb: RingSample, ctx: unknown) =>
      status(lib, async () => {
        if ((await mapOf(map_fd, ['ringbuf'])) === undefined) return refuse(lib, 'EINVAL');
        rb.rings.push(new Ring(map_fd, sample_cb, ctx));
        return 0;
      }),
    ring_buffer__free: (rb: RingBuffer | null): void => {
      rb?.rings.splice(0);
    },
    /** Takes what is there; waits up to `timeout_ms` (below 0: for ever) for the first. Gives the number of records. */
    ring_buffer__poll: (rb: RingBuffer, timeout_ms: number) =>
      status(lib, () => poll(timeout_ms, () => consumeAll(rb))),
    ring_buffer__consume: (rb: RingBuffer) => status(lib, () => consumeAll(rb)),
    ring_buffer__consume_n: (rb: RingBuffer, n: number) => status(lib, () => consumeAll(rb, n)),
    ring_buffer__ring: (rb: RingBuffer, idx: number): Ring | null => rb.rings[idx] ?? nothing(lib, 'ERANGE'),
    ring__consume: (r: Ring) => status(lib, () => consumeRing(r)),
    ring__consume_n: (r: Ring, n: number) => status(lib, () => consumeRing(r, n)),
    ring__map_fd: (r: Ring): number => r.source.fd,
    /** Bytes of the ring. */
    ring__size: (r: Ring) =>
      status(lib, async () => (await mapOf(r.source.fd, ['ringbuf']))?.maxEntries ?? refuse(lib, 'EINVAL')),

    perf_buffer__new: (
      map_fd: number,
      page_cnt: number,
      sample_cb: PerfSample | null,
      lost_cb: PerfLost | null = null,
      ctx: unknown = null,
      _opts: null = null,
    ) =>
      pointer(lib, async () => {
        if (page_cnt === 0 || (page_cnt & (page_cnt - 1)) !== 0) return nothing(lib, 'EINVAL');
        const info = await mapOf(map_fd, ['perf_event_array']);
        if (info === undefined) return nothing(lib, 'EINVAL');
        // Opens the queues of all CPUs; records that come before the first are not there (ENOENT to the program), as in C.
        await session.call('map.consume', { fd: map_fd, most: 0 });
        return new PerfBuffer(map_fd, info.maxEntries, sample_cb ?? undefined, lost_cb ?? undefined, ctx);
      }),
    perf_buffer__free: (_pb: PerfBuffer | null): void => {},
    perf_buffer__poll: (pb: PerfBuffer, timeout_ms: number) =>
      status(lib, () => poll(timeout_ms, () => consumePerf(pb))),
    /** 0, as libbpf; poll() gives the number. */
    perf_buffer__consume: (pb: PerfBuffer) =>
      status(lib, async () => {
        const result = await consumePerf(pb);
        return result < 0 ? result : 0;
      }),
    /** The records of one CPU; those of others stay. */
    perf_buffer__consume_buffer: (pb: PerfBuffer, buf_idx: number) =>
      status(lib, async () => {
        if (buf_idx < 0 || buf_idx >= pb.cpus) return refuse(lib, 'EINVAL');
        const result = await consumePerf(pb, buf_idx);
        return result < 0 ? result : 0;
      }),
    perf_buffer__buffer_cnt: (pb: PerfBuffer): number => pb.cpus,

    user_ring_buffer__new: (map_fd: number, _opts: null = null) =>
      pointer(lib, async () => {
        const info = await mapOf(map_fd, ['user_ringbuf']);
        return info === undefined ? nothing(lib, 'EINVAL') : new UserRingBuffer(map_fd, info.maxEntries);
      }),
    /** Bytes to fill, then to submit or discard. */
    user_ring_buffer__reserve: (rb: UserRingBuffer, size: number): Uint8Array | null => reserve(rb, size),
    user_ring_buffer__reserve_blocking: (
      rb: UserRingBuffer,
      size: number,
      timeout_ms: number,
    ): Promise<Uint8Array | null> =>
      pointer(lib, async () => {
        let sample = reserve(rb, size);
        await poll(timeout_ms, async () => {
          if (sample === null && lib.errno === ERRNO.ENOSPC) sample = reserve(rb, size);
          return sample === null && lib.errno === ERRNO.ENOSPC ? 0 : 1;
        });
        return sample;
      }),
    user_ring_buffer__submit: (rb: UserRingBuffer, sample: Uint8Array) => finish(rb, sample, 'submit'),
    user_ring_buffer__discard: (rb: UserRingBuffer, sample: Uint8Array) => finish(rb, sample, 'discard'),
    user_ring_buffer__free: (rb: UserRingBuffer | null): void => {
      rb?.queue.splice(0);
    },
  };
  return api;
}
