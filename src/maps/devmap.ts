import type { MapContext, MapTypeRow, Status } from '../spec/map.ts';
import { MAP_FLAGS, UPDATE_FLAGS } from '../spec/map-types.ts';
import type { Address, Region } from '../spec/memory.ts';
import type { MapSpec } from '../spec/object.ts';
import { checkCommon, E2BIG, EEXIST, EINVAL, ENOENT } from './attributes.ts';
import { existence } from './base-map.ts';
import { HandleArray } from './handle-array.ts';
import { readTarget, targetBytes } from './redirect-map.ts';

/** dev_map_alloc_check, for devmap_hash too. */
export function checkDevmap(spec: MapSpec): Status {
  const common = checkCommon(spec);
  if (common !== 0) return common;
  const allowed = MAP_FLAGS.NUMA_NODE | MAP_FLAGS.RDONLY | MAP_FLAGS.WRONLY;
  const valueFits = spec.valueSize === 4 || spec.valueSize === 8;
  return spec.maxEntries === 0 || spec.keySize !== 4 || !valueFits || (spec.flags & ~allowed) !== 0 ? EINVAL : 0;
}

/** BPF_MAP_TYPE_DEVMAP: interfaces by index. Programs may read an element's words. Elements: handle-array.ts. */
class Devmap extends HandleArray {
  constructor(spec: MapSpec, context: MapContext) {
    super(spec, context);
    const region: Region = {
      base: this.data,
      size: 8 * this.length,
      kind: 'map-value',
      name: spec.name,
      writable: false,
      stride: 8,
      slot: spec.valueSize,
    };
    this.memory.addRegion(region);
    this.onDestroy(() => this.memory.removeRegion(region));
  }

  override lookupElem(key: Address): Address {
    const index = this.indexAt(key);
    return index < this.length && this.filled(index) ? this.data + index * 8 : 0;
  }

  override handleAt(key: Address): number {
    const index = this.indexAt(key);
    return index < this.length ? this.word(index, 0) : 0;
  }

  programAt(key: Address): number {
    const index = this.indexAt(key);
    return index < this.length ? this.word(index, 1) : 0;
  }

  protected read(key: Address): Uint8Array | Status {
    const index = this.indexAt(key);
    if (index >= this.length || !this.filled(index)) return ENOENT;
    return targetBytes(this.word(index, 0), this.word(index, 1), this.spec.valueSize);
  }

  protected write(key: Address, value: Uint8Array, flags: number): Status {
    const index = this.indexAt(key);
    const wish = existence(flags, false);
    if (wish === undefined) return EINVAL;
    if (index >= this.length) return E2BIG;
    if (wish === UPDATE_FLAGS.NOEXIST) return EEXIST;
    const target = readTarget(this.context, value);
    if (typeof target === 'number') return target;
    // Interface 0 empties the element, and cannot have a program.
    if (target.target === 0 && target.program !== 0) return EINVAL;
    this.setWords(index, target.target, target.program);
    return 0;
  }

  protected override remove(key: Address): Status {
    const index = this.indexAt(key);
    if (index >= this.length) return EINVAL;
    this.setWords(index, 0, 0);
    return 0;
  }
}

export const devmap: MapTypeRow = {
  type: 'devmap',
  check: checkDevmap,
  create: (spec, context) => new Devmap(spec, context),
  doc: 'any interface index but 0 is taken: whether it exists shows when a packet is redirected there',
};
