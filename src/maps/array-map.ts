// What array and percpu_array share: elements at DATA + index * copies * STRIDE (layout.ts), all of them present from the start.
// The whole range is one allocation; the system backs only the pages that are touched.
import { fail } from '../base/diagnostic.ts';
import { mapTooLarge } from '../base/messages/map.ts';
import type { MapContext, Status } from '../spec/map.ts';
import { MAP_FLAGS, UPDATE_FLAGS } from '../spec/map-types.ts';
import type { Address, Region } from '../spec/memory.ts';
import type { MapSpec } from '../spec/object.ts';
import {
  ACCESS,
  checkCommon,
  checkPerCpuValue,
  E2BIG,
  EEXIST,
  EINVAL,
  ENOENT,
  flagsWithin,
  hasNumaNode,
} from './attributes.ts';
import { BaseMap, existence } from './base-map.ts';
import { valueStride } from './layout.ts';

const ARRAY_FLAGS = MAP_FLAGS.NUMA_NODE | MAP_FLAGS.MMAPABLE | ACCESS | MAP_FLAGS.PRESERVE_ELEMS | MAP_FLAGS.INNER_MAP;
const MEMORY_LIMIT = 2 ** 32;

/** array_map_alloc_check (kernel/bpf/arraymap.c), for every type that is an array underneath. */
export function checkArray(spec: MapSpec): Status {
  const common = checkCommon(spec);
  if (common !== 0) return common;
  const perCpu = spec.type === 'percpu_array';
  const { flags } = spec;
  if (spec.maxEntries === 0 || spec.keySize !== 4 || spec.valueSize === 0) return EINVAL;
  if (!flagsWithin(spec, ARRAY_FLAGS) || (perCpu && hasNumaNode(spec))) return EINVAL;
  if (spec.type !== 'array' && (flags & (MAP_FLAGS.MMAPABLE | MAP_FLAGS.INNER_MAP)) !== 0) return EINVAL;
  if (spec.type !== 'perf_event_array' && (flags & MAP_FLAGS.PRESERVE_ELEMS) !== 0) return EINVAL;
  if (spec.valueSize > 0x7fff_ffff) return E2BIG;
  return perCpu ? checkPerCpuValue(spec) : 0;
}

/** The key after this one in an array of `length` elements, as array_map_get_next_key. */
export function nextIndex(index: number | undefined, length: number): Uint8Array | Status {
  if (index === length - 1) return ENOENT;
  const next = index === undefined || index >= length ? 0 : index + 1;
  const key = new Uint8Array(4);
  new DataView(key.buffer).setUint32(0, next, true);
  return key;
}

/** -EINVAL, -E2BIG, -EEXIST or 0 for an update of array element `index` with these flags. */
export function checkArrayUpdate(index: number, length: number, flags: number, lock: boolean): Status {
  const wish = existence(flags, lock);
  if (wish === undefined) return EINVAL;
  if (index >= length) return E2BIG;
  return wish === UPDATE_FLAGS.NOEXIST ? EEXIST : 0;
}

export abstract class ArrayLike extends BaseMap {
  /** Address of element 0. */
  protected readonly data: Address;
  /** Bytes of one element: all copies. */
  protected readonly element: number;
  protected readonly stride: number;
  protected readonly length: number;

  constructor(spec: MapSpec, context: MapContext, copies = 1) {
    super(spec, context, copies);
    this.length = spec.maxEntries;
    this.stride = valueStride(this.memory, spec.valueSize, copies);
    this.element = this.stride * copies;
    const size = this.element * spec.maxEntries;
    this.building(() => {
      if (size >= MEMORY_LIMIT) fail(mapTooLarge({ map: spec.name }, spec.type, size, MEMORY_LIMIT));
    });
    this.data = this.storage('DATA', size);
    const region: Region = {
      base: this.data,
      size,
      kind: 'map-value',
      name: spec.name,
      writable: this.writableByPrograms,
      stride: this.stride,
      slot: spec.valueSize,
    };
    this.memory.addRegion(region);
    this.onDestroy(() => this.memory.removeRegion(region));
  }

  protected indexAt(key: Address): number {
    return this.memory.view.getUint32(key, true);
  }

  override deleteElem(_key: Address): Status {
    return EINVAL;
  }

  protected override next(key: Address | undefined): Uint8Array | Status {
    return nextIndex(key === undefined ? undefined : this.indexAt(key), this.length);
  }

  forEachElem(callback: (key: Address, value: Address) => number): Status {
    const { memory } = this;
    // The index is each call's own, as in Linux: a callback may walk the same array.
    const key = memory.alloc(4);
    const region = memory.addRegion({ base: key, size: 4, kind: 'scratch', name: this.spec.name, writable: false });
    try {
      const offset = this.copies > 1 ? this.context.currentCpu() * this.stride : 0;
      for (let index = 0; index < this.length; index++) {
        memory.u32[key >>> 2] = index;
        if (callback(key, this.data + index * this.element + offset) !== 0) return index + 1;
      }
      return this.length;
    } finally {
      memory.removeRegion(region);
      memory.free(key);
    }
  }
}
