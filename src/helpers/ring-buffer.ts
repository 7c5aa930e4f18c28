import { fail } from '../base/diagnostic.ts';
import { helperKind } from '../base/messages/helper.ts';
import { helper, type HelperEnv, type HelperFamily, type StateKey } from '../spec/helper.ts';
import type { RingBufferMap } from '../spec/map.ts';
import type { Address } from '../spec/memory.ts';
import { ringBuffer } from './map-access.ts';
import { status } from './status.ts';

/** Records that bodies of this run have reserved and that none has given back, with their ring buffer. */
export const RESERVED_RECORDS: StateKey<Map<Address, RingBufferMap>> = {
  name: 'reserved-records',
  create: () => new Map(),
  // Only an aborted run leaves any; what follows in the ring would wait for them for ever.
  end: (records) => {
    for (const [record, ring] of records) ring.discard(record, 0n);
    records.clear();
  },
};

/** Reserves a record and notes whose it is. 0 where the ring is full or the size is not allowed. */
export function reserveRecord(env: HelperEnv, ring: RingBufferMap, size: number, flags: bigint): Address {
  const record = ring.reserve(size, flags);
  if (record !== 0) env.state(RESERVED_RECORDS).set(record, ring);
  return record;
}

/** Hands a record of this run to its consumer, or drops it. */
export function releaseRecord(
  env: HelperEnv,
  name: string,
  record: Address,
  flags: bigint,
  how: 'submit' | 'discard',
): void {
  env.state(RESERVED_RECORDS).delete(record);
  // The second word of a record's header (maps/ringbuf.ts); compiled code reserves records too, which no state of the run knows.
  const ring = env.mapAt(env.memory.u32[(record - 4) >>> 2]);
  if (ring?.type !== 'ringbuf') return fail(helperKind({}, name, 1, BigInt(record), 'a record of a ring buffer'));
  (ring as RingBufferMap)[how](record, flags);
}

export const ringBufferHelpers: HelperFamily = {
  family: 'ring-buffer',
  doc: 'Records for applications, in the order of all CPUs',
  helpers: [
    helper({
      name: 'ringbuf_output',
      numbers: { linux: 130, windows: 11 },
      args: ['map', 'mem', 'sizeOrZero', 'scalar'],
      returns: 'integer',
      intrinsic: 'ringOutput',
      doc: 'Copies a record into a ring buffer; 0, -EAGAIN where it is full, -EINVAL for unknown flags.',
      body: (env, map, data, size, flags) => status(env, ringBuffer('ringbuf_output', map).output(data, size, flags)),
    }),
    helper({
      name: 'ringbuf_reserve',
      numbers: { linux: 131 },
      args: ['map', 'allocSize', 'scalar'],
      returns: 'ringRecordOrNull',
      acquires: 'ringRecord',
      intrinsic: 'ringReserve',
      doc: 'Address of room for a record of this many bytes, or NULL. It must be submitted or discarded. Flags: 0.',
      body: (env, map, size, flags) => reserveRecord(env, ringBuffer('ringbuf_reserve', map), size, flags),
    }),
    helper({
      name: 'ringbuf_submit',
      numbers: { linux: 132 },
      args: ['ringRecord', 'scalar'],
      returns: 'void',
      releases: 'ringRecord',
      intrinsic: 'ringSubmit',
      doc: 'Hands a reserved record to the consumer. Flags: BPF_RB_NO_WAKEUP, BPF_RB_FORCE_WAKEUP.',
      body: (env, record, flags) => releaseRecord(env, 'ringbuf_submit', record, flags, 'submit'),
    }),
    helper({
      name: 'ringbuf_discard',
      numbers: { linux: 133 },
      args: ['ringRecord', 'scalar'],
      returns: 'void',
      releases: 'ringRecord',
      intrinsic: 'ringDiscard',
      doc: 'Drops a reserved record.',
      body: (env, record, flags) => releaseRecord(env, 'ringbuf_discard', record, flags, 'discard'),
    }),
    helper({
      name: 'ringbuf_query',
      numbers: { linux: 134 },
      args: ['map', 'scalar'],
      returns: 'integer',
      intrinsic: 'ringQuery',
      doc: 'Bytes not consumed (flags 0), size (1), consumer (2) or producer position (3) of a ring buffer; else 0.',
      body: (_env, map, flags) => ringBuffer('ringbuf_query', map).query(flags),
    }),
  ],
};
