import type { HandleMap, MapTypeRow, Status } from '../spec/map.ts';
import { UPDATE_FLAGS } from '../spec/map-types.ts';
import type { Address } from '../spec/memory.ts';
import type { MapSpec } from '../spec/object.ts';
import { EINVAL, ENOTSUPP, EOPNOTSUPP } from './attributes.ts';
import { existence } from './base-map.ts';
import { checkDevmap } from './devmap.ts';
import { HashLike } from './hash-map.ts';
import { readTarget } from './redirect-map.ts';

/** BPF_MAP_TYPE_DEVMAP_HASH: interfaces by any u32. A hash table whose values programs may read. */
class DevmapHash extends HashLike implements HandleMap {
  protected override get writableByPrograms(): boolean {
    return false;
  }

  override updateElem(): Status {
    return EOPNOTSUPP;
  }

  handleAt(key: Address): number {
    return this.#word(key, 0);
  }

  programAt(key: Address): number {
    return this.spec.valueSize === 8 ? this.#word(key, 4) : 0;
  }

  #word(key: Address, offset: number): number {
    const row = this.table.find(key);
    return row === 0 ? 0 : this.memory.u32[(this.table.value(row) + offset) >>> 2];
  }

  protected override write(key: Address, value: Uint8Array, flags: number): Status {
    const wish = existence(flags, false);
    const target = readTarget(this.context, value);
    if (wish === undefined || typeof target === 'number' || target.target === 0) return EINVAL;
    // Linux does not ask whether the element exists for BPF_EXIST here.
    return super.write(key, value, wish === UPDATE_FLAGS.EXIST ? UPDATE_FLAGS.ANY : wish);
  }

  protected override take(): Status {
    return ENOTSUPP;
  }
}

function check(spec: MapSpec): Status {
  const status = checkDevmap(spec);
  return status === 0 && spec.maxEntries > 2 ** 31 ? EINVAL : status;
}

export const devmapHash: MapTypeRow = {
  type: 'devmap_hash',
  check,
  create: (spec, context) => new DevmapHash(spec, context, { copies: 1 }),
  shared: true,
  doc: 'as devmap, with keys of any value',
};
