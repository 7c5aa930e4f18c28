import type { MapContext, MapTypeRow, Status } from '../spec/map.ts';
import { MAP_FLAGS } from '../spec/map-types.ts';
import type { Address, Region } from '../spec/memory.ts';
import type { MapSpec } from '../spec/object.ts';
import { checkCommon, EINVAL } from './attributes.ts';
import type { Target } from './redirect-map.ts';
import { TargetArray } from './target-array.ts';

/** dev_map_alloc_check, for devmap_hash too. */
export function checkDevmap(spec: MapSpec): Status {
  const common = checkCommon(spec);
  if (common !== 0) return common;
  const allowed = MAP_FLAGS.NUMA_NODE | MAP_FLAGS.RDONLY | MAP_FLAGS.WRONLY;
  const valueFits = spec.valueSize === 4 || spec.valueSize === 8;
  return spec.maxEntries === 0 || spec.keySize !== 4 || !valueFits || (spec.flags & ~allowed) !== 0 ? EINVAL : 0;
}

/** BPF_MAP_TYPE_DEVMAP: interfaces by index. Programs may read an element's words. */
class Devmap extends TargetArray {
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

  protected refuses(_index: number, target: Target | Status): Status {
    // Interface 0 cannot have a program.
    return typeof target !== 'number' && target.target === 0 && target.program !== 0 ? EINVAL : 0;
  }
}

export const devmap: MapTypeRow = {
  type: 'devmap',
  check: checkDevmap,
  create: (spec, context) => new Devmap(spec, context),
  shared: true,
  doc: 'any interface index but 0 is taken: whether it exists shows when a packet is redirected there',
};
