// What hash_of_maps and sockhash share: a hash table whose values, hidden from programs, are two u32 words: what a program gets
// from a lookup, and the number that the application knows it by.
import type { HandleMap, MapContext, Status } from '../spec/map.ts';
import type { Address } from '../spec/memory.ts';
import type { MapSpec } from '../spec/object.ts';
import { ENOTSUPP, EOPNOTSUPP } from './attributes.ts';
import { HashLike } from './hash-map.ts';

export abstract class HandleHash extends HashLike implements HandleMap {
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

  /** Puts an element's two words, as the flags of the update allow. */
  protected putHandle(key: Address, flags: number, address: Address, handle: number): Status {
    return this.put(
      key,
      flags,
      (to) => {
        this.memory.u32[to >>> 2] = address;
        this.memory.u32[(to + 4) >>> 2] = handle;
      },
      true,
    );
  }

  protected override take(): Status {
    return ENOTSUPP;
  }
}
