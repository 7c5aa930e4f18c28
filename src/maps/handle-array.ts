// What the arrays share whose elements stand for objects of the host. An element is two u32 words at DATA + 8 * index, both 0
// where it is empty:
//   type                                 word 0                                     word 1
//   prog_array                           address that programById gives             program id
//   array_of_maps                        handle of the inner map                    map id
//   devmap                               interface index                            id of the program to run there, or 0
//   cpumap                               queue size                                 id of the program to run there, or 0
//   xskmap, sockmap, reuseport_sockarray address of the struct bpf_sock             the application's handle
//   cgroup_array, perf_event_array       0                                          the application's handle
import { fail } from '../base/diagnostic.ts';
import { mapTooLarge } from '../base/messages/map.ts';
import { ERRNO } from '../spec/errno.ts';
import type { HandleMap, MapContext, Status } from '../spec/map.ts';
import { MAP_FLAGS, UPDATE_FLAGS } from '../spec/map-types.ts';
import type { Address } from '../spec/memory.ts';
import type { MapSpec } from '../spec/object.ts';
import { checkArray, nextIndex } from './array-map.ts';
import { E2BIG, EINVAL, ENOENT } from './attributes.ts';
import { BaseMap } from './base-map.ts';

const MEMORY_LIMIT = 2 ** 32;
const ELEMENT = 8;

/** fd_array_map_alloc_check: program access flags mean nothing for elements that programs never see. */
export function checkHandleArray(spec: MapSpec): Status {
  if (spec.valueSize !== 4) return EINVAL;
  if ((spec.flags & (MAP_FLAGS.RDONLY_PROG | MAP_FLAGS.WRONLY_PROG)) !== 0) return EINVAL;
  return checkArray(spec);
}

export abstract class HandleArray extends BaseMap implements HandleMap {
  protected readonly data: Address;
  protected readonly length: number;

  constructor(spec: MapSpec, context: MapContext) {
    super(spec, context);
    this.length = spec.maxEntries;
    const size = ELEMENT * this.length;
    this.building(() => {
      if (size >= MEMORY_LIMIT) fail(mapTooLarge({ map: spec.name }, spec.type, size, MEMORY_LIMIT));
    });
    this.data = this.storage('DATA', size);
  }

  protected indexAt(key: Address): number {
    return this.memory.view.getUint32(key, true);
  }

  protected word(index: number, which: 0 | 1): number {
    return this.memory.u32[(this.data + index * ELEMENT + which * 4) >>> 2];
  }

  protected setWords(index: number, first: number, second: number): void {
    const at = (this.data + index * ELEMENT) >>> 2;
    this.memory.u32[at] = first;
    this.memory.u32[at + 1] = second;
  }

  protected filled(index: number): boolean {
    return this.word(index, 0) !== 0 || this.word(index, 1) !== 0;
  }

  handleAt(key: Address): number {
    const index = this.indexAt(key);
    return index < this.length ? this.word(index, 1) : 0;
  }

  protected override next(key: Address | undefined): Uint8Array | Status {
    return nextIndex(key === undefined ? undefined : this.indexAt(key), this.length);
  }
}

/** An array whose elements an application sets by id or handle: the types that Linux keeps as arrays of file descriptors. */
export abstract class FdArray extends HandleArray {
  /** Word 0 for this handle, or -errno where it means nothing. */
  protected abstract resolve(handle: number): number;

  protected write(key: Address, value: Uint8Array, flags: number): Status {
    const index = this.indexAt(key);
    if (flags !== UPDATE_FLAGS.ANY) return EINVAL;
    if (index >= this.length) return E2BIG;
    const handle = u32At(value);
    const word = this.resolve(handle);
    if (word < 0) return word;
    this.setWords(index, word, handle);
    return 0;
  }

  protected override remove(key: Address): Status {
    const index = this.indexAt(key);
    if (index >= this.length) return E2BIG;
    if (!this.filled(index)) return ENOENT;
    this.setWords(index, 0, 0);
    return 0;
  }

  /** The id, for the types that Linux lets applications read. */
  protected readId(key: Address): Uint8Array | Status {
    const handle = this.handleAt(key);
    return handle === 0 ? ENOENT : u32Bytes(handle);
  }
}

export const EBADF = -ERRNO.EBADF;

export const u32At = (bytes: Uint8Array, offset = 0): number =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(offset, true);

export function u32Bytes(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}
