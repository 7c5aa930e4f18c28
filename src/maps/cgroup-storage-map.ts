// What cgroup_storage and percpu_cgroup_storage share (kernel/bpf/local_storage.c). Keys are struct bpf_cgroup_storage_key
// (u64 cgroup id, u32 attach type, 16 bytes) or the u64 alone. Applications change values but neither make nor delete them.
import type { MapContext, Status } from '../spec/map.ts';
import { MAP_FLAGS, UPDATE_FLAGS } from '../spec/map-types.ts';
import type { Address } from '../spec/memory.ts';
import type { MapSpec } from '../spec/object.ts';
import { ACCESS, checkCommon, E2BIG, EINVAL, ENOENT, flagsWithin, LARGEST_PER_CPU_VALUE } from './attributes.ts';
import { LARGEST_STORAGE, OwnedStorage } from './owned-storage.ts';
import { loadCopies, perCpuSize, storeCopies } from './per-cpu.ts';

const LONG_KEY = 16;
const SHORT_KEY = 8;

export function checkCgroupStorage(spec: MapSpec): Status {
  const common = checkCommon(spec);
  if (common !== 0) return common;
  const largest = spec.type === 'percpu_cgroup_storage' ? LARGEST_PER_CPU_VALUE : LARGEST_STORAGE;
  if ((spec.keySize !== LONG_KEY && spec.keySize !== SHORT_KEY) || spec.valueSize === 0) return EINVAL;
  if (spec.valueSize > largest) return E2BIG;
  if (!flagsWithin(spec, MAP_FLAGS.NUMA_NODE | ACCESS)) return EINVAL;
  return spec.maxEntries === 0 ? 0 : EINVAL;
}

export abstract class CgroupStorageBase extends OwnedStorage {
  constructor(spec: MapSpec, context: MapContext, copies: number) {
    super(spec, context, spec.keySize, copies);
  }

  override get userValueSize(): number {
    return this.#perCpu ? perCpuSize(this.spec.valueSize, this.copies) : this.spec.valueSize;
  }

  get #perCpu(): boolean {
    return this.type === 'percpu_cgroup_storage';
  }

  override deleteElem(): Status {
    return EINVAL;
  }

  protected read(key: Address): Uint8Array | Status {
    const row = this.table.find(key);
    if (row === 0) return ENOENT;
    const value = this.table.value(row);
    return this.#perCpu ? loadCopies(this.memory, value, this.spec.valueSize, this.copies) : this.loadValue(value);
  }

  protected write(key: Address, value: Uint8Array, flags: number): Status {
    const allowed = this.#perCpu ? UPDATE_FLAGS.EXIST : UPDATE_FLAGS.EXIST | UPDATE_FLAGS.LOCK;
    if ((flags & ~allowed) !== 0) return EINVAL;
    const row = this.table.find(key);
    if (row === 0) return ENOENT;
    const to = this.table.value(row);
    if (this.#perCpu) storeCopies(this.memory, to, this.spec.valueSize, value);
    else this.storeValue(to, value);
    return 0;
  }

  protected override next(key: Address | undefined): Uint8Array | Status {
    let row: Address = 0;
    if (key !== undefined) {
      row = this.table.find(key);
      if (row === 0) return ENOENT;
    }
    const following = this.table.next(row);
    return following === 0 ? ENOENT : this.loadKey(this.table.keyOf(following));
  }
}
