// ring_buffer__*, ring__*, perf_buffer__*, user_ring_buffer__*: records that Windows' functions write, or that programs would.
import type { UserRingBuffer } from '../../src/compat/libbpf/rings.ts';
import { type Bench, need, row, type Rows, toU32, u32 } from './bench.ts';

const EINVAL = -22;

const ringMap = (b: Bench): Promise<number> => b.l.bpf_map_create(27, 'ring', 0, 0, 4096);
const perfMap = (b: Bench): Promise<number> => b.l.bpf_map_create(4, 'perf', 4, 4, 0x40);
const userMap = (b: Bench): Promise<number> => b.l.bpf_map_create(31, 'user', 0, 0, 4096);

/** A ring with records 1 to n, and what a callback saw of them. */
async function ring(b: Bench, n: number, callback?: (value: number) => number) {
  const fd = await ringMap(b);
  const seen: number[] = [];
  const rb = need(
    await b.l.ring_buffer__new(
      fd,
      (_ctx, data) => {
        seen.push(toU32(data));
        return callback?.(toU32(data)) ?? 0;
      },
      null,
    ),
    b.l,
  );
  for (let i = 1; i <= n; i++) await b.runtime.call('map.write', { fd, data: u32(i) });
  return { fd, rb, seen };
}

async function perf(b: Bench, n: number) {
  const fd = await perfMap(b);
  const seen: number[] = [];
  const pb = need(await b.l.perf_buffer__new(fd, 8, (_ctx, _cpu, data) => seen.push(toU32(data)), null, null), b.l);
  for (let i = 1; i <= n; i++) await b.runtime.call('map.write', { fd, data: u32(i) });
  return { fd, pb, seen };
}

const user = async (b: Bench): Promise<UserRingBuffer> => need(await b.l.user_ring_buffer__new(await userMap(b)), b.l);

export const RING_ROWS: Rows = {
  ring_buffer__new: row(
    async (b) => {
      const none = await b.l.ring_buffer__new(await b.hash(), () => 0, null);
      return [(await b.l.ring_buffer__new(await ringMap(b), () => 0, null)) !== null, none, b.l.errno];
    },
    [true, null, 22],
  ),
  ring_buffer__add: row(
    async (b) => {
      const { rb, seen } = await ring(b, 1);
      const other = await ringMap(b);
      const added = await b.l.ring_buffer__add(rb, other, (_ctx, data) => void seen.push(toU32(data) + 100), null);
      await b.runtime.call('map.write', { fd: other, data: u32(2) });
      return [
        added,
        await b.l.ring_buffer__add(rb, await b.hash(), () => 0, null),
        await b.l.ring_buffer__consume(rb),
        seen,
      ];
    },
    [0, EINVAL, 2, [1, 102]],
  ),
  ring_buffer__consume: row(
    async (b) => {
      const { rb, seen } = await ring(b, 3);
      const stopping = await ring(b, 3, (value) => (value === 2 ? -5 : 0));
      return [
        await b.l.ring_buffer__consume(rb),
        seen,
        await b.l.ring_buffer__consume(rb),
        await b.l.ring_buffer__consume(stopping.rb),
        await b.l.ring_buffer__consume(stopping.rb),
        stopping.seen,
      ];
    },
    [3, [1, 2, 3], 0, -5, 1, [1, 2, 3]],
  ),
  ring_buffer__consume_n: row(
    async (b) => {
      const { rb, seen } = await ring(b, 3);
      return [await b.l.ring_buffer__consume_n(rb, 2), [...seen], await b.l.ring_buffer__consume_n(rb, 2), seen];
    },
    [2, [1, 2], 1, [1, 2, 3]],
  ),
  ring_buffer__poll: row(
    async (b) => {
      const { fd, rb, seen } = await ring(b, 0);
      const empty = await b.l.ring_buffer__poll(rb, 0);
      setTimeout(() => void b.runtime.call('map.write', { fd, data: u32(9) }), 5);
      return [empty, await b.l.ring_buffer__poll(rb, 2000), seen];
    },
    [0, 1, [9]],
  ),
  ring_buffer__free: row(async (b) => {
    const { rb } = await ring(b, 1);
    b.l.ring_buffer__free(rb);
    return b.l.ring_buffer__consume(rb);
  }, 0),
  ring_buffer__ring: row(
    async (b) => {
      const { rb } = await ring(b, 0);
      return [b.l.ring_buffer__ring(rb, 0) !== null, b.l.ring_buffer__ring(rb, 1), b.l.errno];
    },
    [true, null, 34],
  ),
  ring__consume: row(async (b) => {
    const { rb } = await ring(b, 2);
    return b.l.ring__consume(need(b.l.ring_buffer__ring(rb, 0), b.l));
  }, 2),
  ring__consume_n: row(async (b) => {
    const { rb } = await ring(b, 2);
    return b.l.ring__consume_n(need(b.l.ring_buffer__ring(rb, 0), b.l), 1);
  }, 1),
  ring__map_fd: row(async (b) => {
    const { rb, fd } = await ring(b, 0);
    return b.l.ring__map_fd(need(b.l.ring_buffer__ring(rb, 0), b.l)) === fd;
  }, true),
  ring__size: row(async (b) => {
    const { rb } = await ring(b, 0);
    return b.l.ring__size(need(b.l.ring_buffer__ring(rb, 0), b.l));
  }, 4096),
  perf_buffer__new: row(
    async (b) => {
      const odd = await b.l.perf_buffer__new(await perfMap(b), 3, null);
      const none = await b.l.perf_buffer__new(await b.hash(), 8, null);
      return [odd, none, b.l.errno];
    },
    [null, null, 22],
  ),
  perf_buffer__poll: row(
    async (b) => {
      const { pb, seen } = await perf(b, 3);
      return [await b.l.perf_buffer__poll(pb, 100), seen.sort()];
    },
    [3, [1, 2, 3]],
  ),
  perf_buffer__consume: row(
    async (b) => {
      const { pb, seen } = await perf(b, 2);
      return [await b.l.perf_buffer__consume(pb), seen.length];
    },
    [0, 2],
  ),
  perf_buffer__consume_buffer: row(
    async (b) => {
      const { pb, seen } = await perf(b, 4);
      const results: number[] = [];
      for (let cpu = 0; cpu < 0x40; cpu++) results.push(await b.l.perf_buffer__consume_buffer(pb, cpu));
      return [results.every((r) => r === 0), seen.sort(), await b.l.perf_buffer__consume_buffer(pb, 0x40)];
    },
    [true, [1, 2, 3, 4], EINVAL],
  ),
  perf_buffer__buffer_cnt: row(async (b) => b.l.perf_buffer__buffer_cnt((await perf(b, 0)).pb), 0x40),
  perf_buffer__free: row(({ l }) => l.perf_buffer__free(null), undefined),
  user_ring_buffer__new: row(
    async (b) => [(await user(b)).size, await b.l.user_ring_buffer__new(await b.hash()), b.l.errno],
    [4096, null, 22],
  ),
  user_ring_buffer__reserve: row(
    async (b) => {
      const rb = await user(b);
      return [
        b.l.user_ring_buffer__reserve(rb, 8)?.length,
        b.l.user_ring_buffer__reserve(rb, 5000),
        b.l.errno,
        b.l.user_ring_buffer__reserve(rb, 4080),
        b.l.errno,
      ];
    },
    [8, null, 7, null, 28],
  ),
  user_ring_buffer__reserve_blocking: row(
    async (b) => {
      const rb = await user(b);
      const first = await b.l.user_ring_buffer__reserve_blocking(rb, 4000, 0);
      return [first?.length, await b.l.user_ring_buffer__reserve_blocking(rb, 4000, 5)];
    },
    [4000, null],
  ),
  user_ring_buffer__submit: row(
    async (b) => {
      const rb = await user(b);
      const first = need(b.l.user_ring_buffer__reserve(rb, 8), b.l);
      const second = need(b.l.user_ring_buffer__reserve(rb, 8), b.l);
      // In order of the reservations: nothing goes out before the first is decided on.
      return [
        await b.l.user_ring_buffer__submit(rb, second),
        rb.queue.length,
        await b.l.user_ring_buffer__submit(rb, first),
        rb.queue.length,
        await b.l.user_ring_buffer__submit(rb, first),
      ];
    },
    [0, 2, 0, 0, EINVAL],
  ),
  user_ring_buffer__discard: row(async (b) => {
    const rb = await user(b);
    return b.l.user_ring_buffer__discard(rb, need(b.l.user_ring_buffer__reserve(rb, 8), b.l));
  }, 0),
  user_ring_buffer__free: row(({ l }) => l.user_ring_buffer__free(null), undefined),

  // Windows' own.
  ebpf_ring_buffer__new: row(
    async (b) => (await b.w.ebpf_ring_buffer__new(await ringMap(b), () => 0, null)) !== null,
    true,
  ),
  ebpf_perf_buffer__new: row(
    async (b) => (await b.w.ebpf_perf_buffer__new(await perfMap(b), 8, null, null, null)) !== null,
    true,
  ),
  ebpf_ring_buffer_map_write: row(
    async (b) => {
      const { fd, rb, seen } = await ring(b, 0);
      const written = await b.w.ebpf_ring_buffer_map_write(fd, u32(5), 4);
      await b.l.ring_buffer__consume(rb);
      return [
        written,
        seen,
        await b.w.ebpf_ring_buffer_map_write(fd, new Uint8Array(5000), 5000),
        await b.w.ebpf_ring_buffer_map_write(999, u32(5), 4),
      ];
    },
    [0, [5], 29, 4],
  ),
  ebpf_perf_event_array_map_write: row(
    async (b) => {
      const { fd, pb, seen } = await perf(b, 0);
      const written = await b.w.ebpf_perf_event_array_map_write(fd, u32(6), 4);
      await b.l.perf_buffer__consume(pb);
      return [written, seen];
    },
    [0, [6]],
  ),
};
