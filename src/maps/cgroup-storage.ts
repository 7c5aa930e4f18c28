import type { MapTypeRow } from '../spec/map.ts';
import { CgroupStorageBase, checkCgroupStorage } from './cgroup-storage-map.ts';

/** BPF_MAP_TYPE_CGROUP_STORAGE. */
class CgroupStorage extends CgroupStorageBase {}

export const cgroupStorage: MapTypeRow = {
  type: 'cgroup_storage',
  check: checkCgroupStorage,
  create: (spec, context) => new CgroupStorage(spec, context, 1),
  doc: 'values by cgroup, made when the host attaches a program there (storageOf)',
};
