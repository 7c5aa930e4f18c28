// BPF_MAP_TYPE_USER_RINGBUF: the ring buffer the other way; layout as in ringbuf.ts. The application writes records, a program
// drains them and only reads, so the whole ring is one read-only region.
import type { MapContext, MapTypeRow, Status, UserRingBufferMap } from '../spec/map.ts';
import { MAP_FLAGS } from '../spec/map-types.ts';
import type { Address, Region } from '../spec/memory.ts';
import type { MapSpec } from '../spec/object.ts';
import { E2BIG, EBUSY, ENOSPC, ENOTSUPP } from './attributes.ts';
import { BaseMap } from './base-map.ts';
import { checkRing, HEADER, LENGTH, recordSize } from './ring-record.ts';

/** BPF_MAX_USER_RINGBUF_SAMPLES: most records of one drain. */
const MOST_SAMPLES = 128 * 1024;

class UserRingBuffer extends BaseMap implements UserRingBufferMap {
  readonly #data: Address;
  readonly #size: number;
  #producer = 0;
  #consumer = 0;
  #draining = false;

  constructor(spec: MapSpec, context: MapContext) {
    super(spec, context);
    this.#size = spec.maxEntries;
    this.#data = this.allocate(this.#size * 2);
    this.setField('DATA', this.#data);
    this.setField('MASK', this.#size - 1);
    const region: Region = {
      base: this.#data,
      size: this.#size * 2,
      kind: 'ring-record',
      name: spec.name,
      writable: false,
    };
    this.memory.addRegion(region);
    this.onDestroy(() => this.memory.removeRegion(region));
  }

  produce(record: Uint8Array): Status {
    const length = recordSize(record.length);
    if (length > this.#size) return E2BIG;
    if (this.#producer + length - this.#consumer > this.#size) return ENOSPC;
    const header = this.#at(this.#producer);
    this.memory.u32[header >>> 2] = record.length;
    this.memory.u32[(header + 4) >>> 2] = 0;
    this.memory.u8.set(record, header + HEADER);
    this.#producer += length;
    this.setField('HEAD', this.#producer % 2 ** 32);
    return 0;
  }

  drain(callback: (sample: Address, size: number) => number): Status {
    if (this.#draining) return EBUSY;
    this.#draining = true;
    try {
      let count = 0;
      while (this.#consumer < this.#producer && count < MOST_SAMPLES) {
        const header = this.#at(this.#consumer);
        const size = this.memory.u32[header >>> 2] & LENGTH;
        count++;
        const stop = callback(header + HEADER, size) !== 0;
        this.#consumer += recordSize(size);
        this.setField('TAIL', this.#consumer % 2 ** 32);
        if (stop) break;
      }
      return count;
    } finally {
      this.#draining = false;
    }
  }

  protected read(): Status {
    return ENOTSUPP;
  }
  protected write(): Status {
    return ENOTSUPP;
  }
  protected override remove(): Status {
    return ENOTSUPP;
  }
  protected override next(): Status {
    return ENOTSUPP;
  }

  #at(position: number): Address {
    return this.#data + (position % this.#size);
  }
}

export const userRingbuf: MapTypeRow = {
  type: 'user_ringbuf',
  check: (spec) => checkRing(spec, MAP_FLAGS.NUMA_NODE),
  create: (spec, context) => new UserRingBuffer(spec, context),
  doc: 'the application produces through produce(), a program drains; the producer pages are not shared by mmap',
};
