// What sk_storage, inode_storage, task_storage and cgrp_storage share (kernel/bpf/bpf_local_storage.c). The application's key
// is a u32: Linux takes a file descriptor of the owner there, this map the owner's number.
import { ERRNO } from '../spec/errno.ts';
import type { MapContext, MapTypeRow, Status } from '../spec/map.ts';
import { MAP_FLAGS, UPDATE_FLAGS } from '../spec/map-types.ts';
import type { Address } from '../spec/memory.ts';
import type { MapSpec } from '../spec/object.ts';
import { checkCommon, E2BIG, EINVAL, ENOENT, ENOTSUPP } from './attributes.ts';
import { checkExistence, existence } from './base-map.ts';
import { LARGEST_STORAGE, OwnedStorage } from './owned-storage.ts';

const OWNER_SIZE = 8;

/** bpf_local_storage_map_alloc_check; Linux wants BTF for these types because it prints them by owner. */
function checkLocalStorage(spec: MapSpec): Status {
  const common = checkCommon(spec);
  if (common !== 0) return common;
  const { flags } = spec;
  if ((flags & ~(MAP_FLAGS.NO_PREALLOC | MAP_FLAGS.CLONE)) !== 0 || (flags & MAP_FLAGS.NO_PREALLOC) === 0)
    return EINVAL;
  if (spec.maxEntries !== 0 || spec.keySize !== 4 || spec.valueSize === 0) return EINVAL;
  if (!spec.keyTypeId || !spec.valueTypeId) return EINVAL;
  return spec.valueSize > LARGEST_STORAGE ? E2BIG : 0;
}

class LocalStorage extends OwnedStorage {
  constructor(spec: MapSpec, context: MapContext) {
    super(spec, context, OWNER_SIZE, 1);
  }

  protected read(key: Address): Uint8Array | Status {
    const value = this.storageOf(this.#owner(key), false);
    return value === 0 ? ENOENT : this.loadValue(value);
  }

  protected write(key: Address, value: Uint8Array, flags: number): Status {
    const wish = existence(flags, true);
    if (wish === undefined) return EINVAL;
    const owner = this.#owner(key);
    const present = this.storageOf(owner, false);
    // A locked update writes in place, and so needs something to write to.
    const refused = checkExistence(present !== 0, (flags & UPDATE_FLAGS.LOCK) === 0 ? wish : UPDATE_FLAGS.EXIST);
    if (refused !== 0) return refused;
    const to = present === 0 ? this.storageOf(owner, true) : present;
    if (to === 0) return -ERRNO.ENOMEM;
    this.storeValue(to, value);
    return 0;
  }

  protected override remove(key: Address): Status {
    return this.removeStorage(this.#owner(key));
  }

  protected override next(): Status {
    return ENOTSUPP;
  }

  #owner(key: Address): bigint {
    return BigInt(this.memory.view.getUint32(key, true));
  }
}

type LocalStorageType = 'sk_storage' | 'inode_storage' | 'task_storage' | 'cgrp_storage';

/** The row of a type; they differ in who the owner is, which only the host knows. */
export const localStorageRow = (type: LocalStorageType, owner: string): MapTypeRow => ({
  type,
  check: checkLocalStorage,
  create: (spec, context) => new LocalStorage(spec, context),
  doc: `values by ${owner}, whose number the host gives`,
});
