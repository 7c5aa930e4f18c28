import type { MapTypeRow } from '../spec/map.ts';
import type { Address } from '../spec/memory.ts';
import { checkHash } from './hash-map.ts';
import { LruLike } from './lru-map.ts';

/** BPF_MAP_TYPE_LRU_PERCPU_HASH. */
class LruPerCpuHashMap extends LruLike {
  lookupPerCpuElem(key: Address, cpu: number): Address {
    return this.lookupCopy(key, cpu);
  }
}

export const lruPercpuHash: MapTypeRow = {
  type: 'lru_percpu_hash',
  check: checkHash,
  create: (spec, context) => new LruPerCpuHashMap(spec, context, context.cpus),
  shared: true,
  doc: 'as lru_hash, with one copy of each value a CPU',
};
