import type { MapTypeRow } from '../spec/map.ts';
import type { Address } from '../spec/memory.ts';
import { checkHash, HashLike } from './hash-map.ts';

/** BPF_MAP_TYPE_PERCPU_HASH. */
class PerCpuHashMap extends HashLike {
  lookupPerCpuElem(key: Address, cpu: number): Address {
    return this.lookupCopy(key, cpu);
  }
}

export const percpuHash: MapTypeRow = {
  type: 'percpu_hash',
  check: checkHash,
  create: (spec, context) => new PerCpuHashMap(spec, context, { copies: context.cpus }),
  shared: true,
  doc: 'complete; applications see all copies',
};
