// map.consume, map.subscribe, map.produce, map.write: rings, and perf event arrays.
import { ERRNO } from '../spec/errno.ts';
import type { PerfEventArrayMap, RingBufferMap, UserRingBufferMap } from '../spec/map.ts';
import type { Handlers } from '../spec/session.ts';
import { checked, refuse } from './errors.ts';
import { mapOf } from './map-methods.ts';
import type { ContextMap } from './map-object.ts';
import { Records } from './records.ts';
import type { ContextSession } from './session.ts';

type Names = 'map.consume' | 'map.subscribe' | 'map.produce' | 'map.write';

function recordsOf(operation: string, map: ContextMap): Records {
  const { type } = map.raw;
  if (type !== 'ringbuf' && type !== 'perf_event_array') {
    refuse(operation, 'EINVAL', `a map of type ${type} has no records`, { map: map.name });
  }
  return Records.of(map);
}

export const recordMethods: Pick<Handlers<ContextSession>, Names> = {
  'map.consume': (session, { fd, most }) => recordsOf('map.consume', mapOf(session, fd, 'map.consume')).take(most),
  'map.subscribe': (session, { fd, perCpuBytes }) => {
    const operation = 'map.subscribe';
    const records = recordsOf(operation, mapOf(session, fd, operation));
    if (perCpuBytes !== undefined && !(Number.isSafeInteger(perCpuBytes) && perCpuBytes > 0)) {
      refuse(operation, 'EINVAL', `a buffer does not have ${perCpuBytes} bytes`);
    }
    const end = records.subscribe(session, fd, perCpuBytes);
    session.onHandleClosed(fd, end);
    return {};
  },
  'map.produce': (session, { fd, records }) => {
    const map = mapOf(session, fd, 'map.produce');
    if (map.raw.type !== 'user_ringbuf')
      refuse('map.produce', 'EINVAL', `records go into a user_ringbuf, not into ${map.raw.type}`);
    const ring = map.raw as UserRingBufferMap;
    for (const [count, record] of records.entries()) {
      const status = ring.produce(record);
      if (status !== 0) return { count, errno: -status };
    }
    return { count: records.length };
  },
  'map.write': (session, { fd, data }) => {
    const map = mapOf(session, fd, 'map.write');
    checked('map.write', write(map, data), { map: map.name });
    return {};
  },
};

function write(map: ContextMap, data: Uint8Array): number {
  const { raw, runtime } = map;
  if (raw.type === 'perf_event_array') {
    const perf = raw as PerfEventArrayMap;
    return perf.outputTo(runtime.takeCpu(), data);
  }
  if (raw.type !== 'ringbuf') return -ERRNO.EINVAL;
  const ring = raw as RingBufferMap;
  const sample = ring.reserve(data.length, 0n);
  if (sample === 0) return -ERRNO.ENOSPC;
  runtime.memory.u8.set(data, sample);
  ring.submit(sample, 0n);
  return 0;
}
