import type { MapTypeRow } from '../spec/map.ts';
import { CgroupStorageBase, checkCgroupStorage } from './cgroup-storage-map.ts';

/** BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE. */
class PerCpuCgroupStorage extends CgroupStorageBase {}

export const percpuCgroupStorage: MapTypeRow = {
  type: 'percpu_cgroup_storage',
  check: checkCgroupStorage,
  create: (spec, context) => new PerCpuCgroupStorage(spec, context, context.cpus),
  doc: 'as cgroup_storage, with one copy of each value a CPU',
};
