// BPF_MAP_TYPE_HASH_OF_MAPS: a hash table whose values are inner maps, by handle and id.
import type { MapTypeRow, Status } from '../spec/map.ts';
import type { Address } from '../spec/memory.ts';
import type { MapSpec } from '../spec/object.ts';
import { EINVAL, ENOENT } from './attributes.ts';
import { u32At, u32Bytes } from './handle-array.ts';
import { HandleHash } from './handle-hash.ts';
import { checkHash } from './hash-map.ts';
import { checkTemplate, innerMap } from './inner-map.ts';

class HashOfMaps extends HandleHash {
  protected override read(key: Address): Uint8Array | Status {
    const id = this.handleAt(key);
    return id === 0 ? ENOENT : u32Bytes(id);
  }

  protected override write(key: Address, value: Uint8Array, flags: number): Status {
    const id = u32At(value);
    const map = innerMap(this.context, this.spec, id);
    if (typeof map === 'number') return map;
    return this.putHandle(key, flags, map.handle, id);
  }
}

function check(spec: MapSpec): Status {
  if (spec.valueSize !== 4) return EINVAL;
  const status = checkHash(spec);
  return status === 0 ? checkTemplate(spec.inner) : status;
}

export const hashOfMaps: MapTypeRow = {
  type: 'hash_of_maps',
  check,
  create: (spec, context) => new HashOfMaps(spec, context),
  doc: 'values are map ids; an inner map must outlive its place here',
};
