import type { MapTypeRow, Status } from '../spec/map.ts';
import { ENOTSUPP } from './attributes.ts';
import { checkHandleArray, EBADF, FdArray } from './handle-array.ts';

/** BPF_MAP_TYPE_CGROUP_ARRAY: cgroups by the host's handles. */
class CgroupArrayMap extends FdArray {
  protected resolve(handle: number): number {
    return handle === 0 ? EBADF : 0;
  }

  protected read(): Uint8Array | Status {
    return ENOTSUPP;
  }
}

export const cgroupArray: MapTypeRow = {
  type: 'cgroup_array',
  check: checkHandleArray,
  create: (spec, context) => new CgroupArrayMap(spec, context),
  doc: 'values are handles of the host, any number but 0',
};
