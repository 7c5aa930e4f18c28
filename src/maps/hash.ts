import type { MapTypeRow } from '../spec/map.ts';
import { checkHash, HashLike } from './hash-map.ts';

/** BPF_MAP_TYPE_HASH. */
class HashMap extends HashLike {}

export const hash: MapTypeRow = {
  type: 'hash',
  check: checkHash,
  create: (spec, context) => new HashMap(spec, context, { copies: 1 }),
  shared: true,
  doc: 'complete; memory grows with the elements in use, preallocated or not',
};
