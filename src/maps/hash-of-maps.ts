// BPF_MAP_TYPE_HASH_OF_MAPS: a hash table whose values, hidden from programs, are two u32 words: handle and id of the inner map.
import type { HandleMap, MapContext, MapTypeRow, Status } from '../spec/map.ts';
import type { Address } from '../spec/memory.ts';
import type { MapSpec } from '../spec/object.ts';
import { EINVAL, ENOENT, ENOTSUPP, EOPNOTSUPP } from './attributes.ts';
import { u32At, u32Bytes } from './handle-array.ts';
import { checkHash, HashLike } from './hash-map.ts';
import { checkTemplate, innerMap } from './inner-map.ts';

class HashOfMaps extends HashLike implements HandleMap {
  constructor(spec: MapSpec, context: MapContext) {
    super(spec, context, { copies: 1, hidden: true });
  }

  override lookupElem(key: Address): Address {
    const value = super.lookupElem(key);
    return value === 0 ? 0 : this.memory.u32[value >>> 2];
  }

  handleAt(key: Address): number {
    const row = this.table.find(key);
    return row === 0 ? 0 : this.memory.u32[(this.table.value(row) + 4) >>> 2];
  }

  override updateElem(): Status {
    return EOPNOTSUPP;
  }

  protected override read(key: Address): Uint8Array | Status {
    const id = this.handleAt(key);
    return id === 0 ? ENOENT : u32Bytes(id);
  }

  protected override write(key: Address, value: Uint8Array, flags: number): Status {
    const id = u32At(value);
    const map = innerMap(this.context, this.spec, id);
    if (typeof map === 'number') return map;
    return this.put(
      key,
      flags,
      (to) => {
        this.memory.u32[to >>> 2] = map.handle;
        this.memory.u32[(to + 4) >>> 2] = id;
      },
      true,
    );
  }

  protected override take(): Status {
    return ENOTSUPP;
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
