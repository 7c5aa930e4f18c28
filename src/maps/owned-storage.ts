// What the storage types share: values by the number of their owner, in a hash table (hash-table.ts) whose key is the owner's
// number as u64 and, for cgroup storage with long keys, the attach type after it.
import type { MapContext, Status, StorageMap } from '../spec/map.ts';
import { MAP_FLAGS } from '../spec/map-types.ts';
import type { Address } from '../spec/memory.ts';
import type { MapSpec } from '../spec/object.ts';
import { ENOENT } from './attributes.ts';
import { BaseMap } from './base-map.ts';
import { HashTable } from './hash-table.ts';
import { round8 } from './layout.ts';

/** BPF_LOCAL_STORAGE_MAX_VALUE_SIZE: the largest u16 less sizeof(struct bpf_local_storage_elem). */
export const LARGEST_STORAGE = 65_407;

const HEADER = 16;
/** More owners than there can be addresses. */
const NO_LIMIT = 2 ** 31;

export abstract class OwnedStorage extends BaseMap implements StorageMap {
  protected readonly table: HashTable;
  /** Scratch for keys of the table. */
  protected readonly ownerKey: Address;

  constructor(spec: MapSpec, context: MapContext, keySize: number, copies: number) {
    super(spec, context, copies);
    this.ownerKey = this.allocate(keySize);
    const shape = {
      name: spec.name,
      keySize,
      keyOffset: HEADER,
      valueSize: spec.valueSize,
      copies,
      limit: NO_LIMIT,
      spareValues: 0,
      access: (spec.flags & MAP_FLAGS.RDONLY_PROG) === 0 ? 'write' : 'read',
    } as const;
    const table = this.building(() => new HashTable(context.memory, this.handle, shape, context.random32() >>> 0));
    this.table = table;
    this.onDestroy(() => table.destroy());
  }

  protected override *blocks(): Iterable<Address> {
    yield* super.blocks();
    yield* this.table.blocks();
  }

  storageOf(owner: bigint, create: boolean, initial: Address = 0): Address {
    this.memory.view.setBigUint64(this.ownerKey, BigInt.asUintN(64, owner), true);
    const value = this.valueAt(this.ownerKey);
    if (value !== 0 || !create) return value;
    const made = this.create(this.ownerKey);
    if (made !== 0 && initial !== 0) this.copyValue(made, initial);
    return made;
  }

  removeStorage(owner: bigint): Status {
    this.memory.view.setBigUint64(this.ownerKey, BigInt.asUintN(64, owner), true);
    return this.removeAt(this.ownerKey);
  }

  /** The current CPU's copy. */
  protected valueAt(key: Address): Address {
    const row = this.table.find(key);
    if (row === 0) return 0;
    const cpu = this.copies === 1 ? 0 : this.context.currentCpu();
    return this.table.value(row) + cpu * round8(this.spec.valueSize);
  }

  /** A zeroed value for a key that has none; 0 where there is no memory. */
  protected create(key: Address): Address {
    const { table } = this;
    const row = table.create(key, table.hash(key));
    if (row === 0) return 0;
    const value = table.value(row);
    this.memory.u8.fill(0, value, value + table.slab.valueBytes);
    table.link(row);
    return this.valueAt(key);
  }

  protected removeAt(key: Address): Status {
    const row = this.table.find(key);
    if (row === 0) return ENOENT;
    this.table.remove(row);
    return 0;
  }
}
