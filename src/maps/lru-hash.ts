import type { MapTypeRow } from '../spec/map.ts';
import { checkHash } from './hash-map.ts';
import { LruLike } from './lru-map.ts';

/** BPF_MAP_TYPE_LRU_HASH. */
class LruHashMap extends LruLike {}

export const lruHash: MapTypeRow = {
  type: 'lru_hash',
  check: checkHash,
  create: (spec, context) => new LruHashMap(spec, context, 1),
  shared: true,
  doc: 'evicts exactly when full, oldest unreferenced first; BPF_F_NO_COMMON_LRU; lookups by applications do not refresh',
};
