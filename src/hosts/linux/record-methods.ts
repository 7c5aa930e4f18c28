// map.consume, map.subscribe, map.produce, map.write: ring buffers and perf event arrays.
import type { Fd, Result } from '../../spec/session.ts';
import { checked, refuse } from './errors.ts';
import type { KernelMap } from './kernel-map.ts';
import type { LinuxHandlers } from './methods.ts';
import { native } from './native.ts';
import { PER_CPU_BYTES, PerfBuffers } from './perf-buffer.ts';
import { RingBuffer, UserRingBuffer } from './ring-buffer.ts';
import { writeRing } from './ring-write.ts';
import type { LinuxSession } from './session.ts';

type Names = 'map.consume' | 'map.subscribe' | 'map.produce' | 'map.write';
type Taken = Result<'map.consume'>;

/** Where a handle's records come from: open as long as the handle. */
interface Source {
  take(most: number): Taken;
  /** What becomes readable when there is something. */
  readonly fds: readonly Fd[];
  subscribed: boolean;
}

const SOURCES = new WeakMap<KernelMap, Source>();
const PRODUCERS = new WeakMap<KernelMap, UserRingBuffer>();

/** Records of one event at most. */
const MOST_AT_ONCE = 4096;

function sourceOf(session: LinuxSession, fd: Fd, operation: string, perCpuBytes = PER_CPU_BYTES): Source {
  const map = session.map(fd, operation);
  const known = SOURCES.get(map);
  if (known !== undefined) return known;
  const source = open(session, fd, map, operation, perCpuBytes);
  SOURCES.set(map, source);
  return source;
}

function open(session: LinuxSession, fd: Fd, map: KernelMap, operation: string, perCpuBytes: number): Source {
  if (map.type === 'ringbuf') {
    const ring = RingBuffer.open(fd, map.maxEntries);
    if (typeof ring === 'number') return checked(operation, ring) as never;
    return { fds: [fd], subscribed: false, take: (most) => ({ records: ring.take(most), lost: 0 }) };
  }
  if (map.type !== 'perf_event_array') refuse(operation, 'EINVAL', `a map of type ${map.type} has no records`);
  const buffers = PerfBuffers.open(fd, map.maxEntries, perCpuBytes);
  if (typeof buffers === 'number') return checked(operation, buffers) as never;
  session.onHandleClosed(fd, () => buffers.close());
  return { fds: buffers.fds, subscribed: false, take: (most) => buffers.take(most) };
}

function subscribe(session: LinuxSession, fd: Fd, source: Source): void {
  if (source.subscribed) return;
  source.subscribed = true;
  let ended = false;
  const deliver = (): void => {
    for (;;) {
      if (ended) return;
      const { records, lost } = source.take(MOST_AT_ONCE);
      if (records.length > 0 || lost > 0) session.emit('records', { fd, records, lost });
      if (records.length < MOST_AT_ONCE) return;
    }
  };
  // Whoever watches must be held: the handle's end holds these.
  const watches = source.fds.map((one) => native().watch(one, deliver));
  session.onHandleClosed(fd, () => {
    ended = true;
    for (const watch of watches) watch.close();
  });
  // What was there before.
  queueMicrotask(deliver);
}

export const recordMethods: Pick<LinuxHandlers, Names> = {
  'map.consume': (session, { fd, most = Number.POSITIVE_INFINITY }) => sourceOf(session, fd, 'map.consume').take(most),
  'map.subscribe': (session, { fd, perCpuBytes }) => {
    const operation = 'map.subscribe';
    if (perCpuBytes !== undefined && !(Number.isSafeInteger(perCpuBytes) && perCpuBytes > 0))
      refuse(operation, 'EINVAL', `a buffer does not have ${perCpuBytes} bytes`);
    subscribe(session, fd, sourceOf(session, fd, operation, perCpuBytes));
    return {};
  },
  'map.produce': (session, { fd, records }) => {
    const operation = 'map.produce';
    const map = session.map(fd, operation);
    if (map.type !== 'user_ringbuf')
      refuse(operation, 'EINVAL', `records go into a user_ringbuf, not into ${map.type}`);
    let ring = PRODUCERS.get(map);
    if (ring === undefined) {
      const opened = UserRingBuffer.open(fd, map.maxEntries);
      if (typeof opened === 'number') return checked(operation, opened) as never;
      ring = opened;
      PRODUCERS.set(map, ring);
    }
    for (const [count, record] of records.entries()) {
      const status = ring.produce(record);
      if (status !== 0) return { count, errno: -status };
    }
    return { count: records.length };
  },
  'map.write': (session, { fd, data }) => {
    const map = session.map(fd, 'map.write');
    if (map.type !== 'ringbuf') refuse('map.write', 'EINVAL', `a map of type ${map.type} has no records to write`);
    writeRing(fd, data);
    return {};
  },
};
