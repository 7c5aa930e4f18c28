// What queue and stack share (kernel/bpf/queue_stack_maps.c): a ring of COUNT values from DATA on, VALUE_SIZE bytes apart,
// the oldest at index TAIL, the next to be written at HEAD. Programs get copies, never addresses, so it is no region.
import { fail } from '../base/diagnostic.ts';
import { mapTooLarge } from '../base/messages/map.ts';
import type { MapContext, Status } from '../spec/map.ts';
import { MAP_FLAGS, UPDATE_FLAGS } from '../spec/map-types.ts';
import type { Address } from '../spec/memory.ts';
import type { MapSpec } from '../spec/object.ts';
import { ACCESS, checkCommon, E2BIG, EINVAL, ENOENT, flagsWithin, LARGEST_ELEMENT } from './attributes.ts';
import { BaseMap, flagsNumber } from './base-map.ts';
import { copyMemory } from './words.ts';

const MEMORY_LIMIT = 2 ** 32;

export function checkQueueStack(spec: MapSpec): Status {
  const common = checkCommon(spec);
  if (common !== 0) return common;
  if (spec.maxEntries === 0 || spec.keySize !== 0 || spec.valueSize === 0) return EINVAL;
  if (!flagsWithin(spec, MAP_FLAGS.NUMA_NODE | ACCESS)) return EINVAL;
  return spec.valueSize > LARGEST_ELEMENT ? E2BIG : 0;
}

export abstract class QueueStackMap extends BaseMap {
  readonly #data: Address;

  constructor(spec: MapSpec, context: MapContext) {
    super(spec, context);
    const size = spec.maxEntries * spec.valueSize;
    this.building(() => {
      if (size >= MEMORY_LIMIT) fail(mapTooLarge({ map: spec.name }, spec.type, size, MEMORY_LIMIT));
    });
    this.#data = this.storage('DATA', size);
  }

  /** True for a queue: the oldest value comes out first. */
  protected abstract readonly oldestFirst: boolean;

  pushElem(value: Address, flags: bigint): Status {
    return this.#push(flagsNumber(flags), (to) => copyMemory(this.memory, to, value, this.spec.valueSize));
  }

  popElem(value: Address): Status {
    const status = this.peekElem(value);
    if (status === 0) this.#drop();
    return status;
  }

  peekElem(value: Address): Status {
    const { valueSize } = this.spec;
    if (this.field('COUNT') === 0) {
      this.memory.u8.fill(0, value, value + valueSize);
      return ENOENT;
    }
    copyMemory(this.memory, value, this.#first(), valueSize);
    return 0;
  }

  override updateElem(): Status {
    return EINVAL;
  }

  override deleteElem(): Status {
    return EINVAL;
  }

  protected read(): Uint8Array | Status {
    if (this.field('COUNT') === 0) return ENOENT;
    const from = this.#first();
    return this.memory.u8.slice(from, from + this.spec.valueSize);
  }

  protected write(_key: Address, value: Uint8Array, flags: number): Status {
    return this.#push(flags, (to) => this.memory.u8.set(value, to));
  }

  protected override take(): Uint8Array | Status {
    const value = this.read();
    if (typeof value !== 'number') this.#drop();
    return value;
  }

  protected override next(): Status {
    return EINVAL;
  }

  #push(wish: number, fill: (to: Address) => void): Status {
    if (wish === UPDATE_FLAGS.NOEXIST || wish > UPDATE_FLAGS.EXIST) return EINVAL;
    const { maxEntries } = this.spec;
    if (this.field('COUNT') === maxEntries) {
      if (wish !== UPDATE_FLAGS.EXIST) return E2BIG;
      // The oldest gives way, in a stack too.
      this.#step('TAIL', 1);
      this.setField('COUNT', maxEntries - 1);
    }
    fill(this.#at(this.field('HEAD')));
    this.#step('HEAD', 1);
    this.setField('COUNT', this.field('COUNT') + 1);
    return 0;
  }

  #at(index: number): Address {
    return this.#data + index * this.spec.valueSize;
  }

  #first(): Address {
    const { maxEntries } = this.spec;
    return this.#at(this.oldestFirst ? this.field('TAIL') : (this.field('HEAD') + maxEntries - 1) % maxEntries);
  }

  #drop(): void {
    if (this.oldestFirst) this.#step('TAIL', 1);
    else this.#step('HEAD', this.spec.maxEntries - 1);
    this.setField('COUNT', this.field('COUNT') - 1);
  }

  #step(end: 'HEAD' | 'TAIL', by: number): void {
    this.setField(end, (this.field(end) + by) % this.spec.maxEntries);
  }
}
