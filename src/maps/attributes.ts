// Checks of BPF_MAP_CREATE's attributes that several types share, in the order in which Linux makes them.
import { ERRNO } from '../spec/errno.ts';
import type { Status } from '../spec/map.ts';
import { MAP_FLAGS } from '../spec/map-types.ts';
import type { MapSpec } from '../spec/object.ts';
import { round8 } from './layout.ts';

export const EINVAL = -ERRNO.EINVAL;
export const ENOENT = -ERRNO.ENOENT;
export const E2BIG = -ERRNO.E2BIG;
export const EEXIST = -ERRNO.EEXIST;
export const EPERM = -ERRNO.EPERM;
export const EBUSY = -ERRNO.EBUSY;
export const ENOSPC = -ERRNO.ENOSPC;
export const ENOTSUPP = -ERRNO.ENOTSUPP;
export const EOPNOTSUPP = -ERRNO.EOPNOTSUPP;

/** BPF_F_ACCESS_MASK. */
export const ACCESS = MAP_FLAGS.RDONLY | MAP_FLAGS.WRONLY | MAP_FLAGS.RDONLY_PROG | MAP_FLAGS.WRONLY_PROG;

/** KMALLOC_MAX_SIZE: the largest key and value that Linux's allocator gives in one piece. */
export const LARGEST_ELEMENT = 4 << 20;
/** PCPU_MIN_UNIT_SIZE: the largest per-CPU value. */
export const LARGEST_PER_CPU_VALUE = 32 << 10;

const U32 = 2 ** 32;
const isU32 = (value: number): boolean => Number.isInteger(value) && value >= 0 && value < U32;

/** What BPF_MAP_CREATE checks for every type: field widths, map_extra, NUMA node, RDONLY with WRONLY. */
export function checkCommon(spec: MapSpec): Status {
  const { keySize, valueSize, maxEntries, flags } = spec;
  if (!isU32(keySize) || !isU32(valueSize) || !isU32(maxEntries) || !isU32(flags)) return EINVAL;
  if ((flags & MAP_FLAGS.RDONLY) !== 0 && (flags & MAP_FLAGS.WRONLY) !== 0) return EINVAL;
  if (spec.type !== 'bloom_filter' && spec.type !== 'arena' && BigInt(spec.extra ?? 0) !== 0n) return EINVAL;
  if (hasNumaNode(spec) && (spec.numaNode ?? 0) !== 0) return EINVAL;
  return 0;
}

/** True where a node is asked for. There is one memory, node 0; the wish is accepted and means nothing. */
export const hasNumaNode = (spec: MapSpec): boolean => (spec.flags & MAP_FLAGS.NUMA_NODE) !== 0;

/** True where every flag is in `allowed` and programs are not shut out both ways. */
export function flagsWithin(spec: MapSpec, allowed: number): boolean {
  const { flags } = spec;
  const both = MAP_FLAGS.RDONLY_PROG | MAP_FLAGS.WRONLY_PROG;
  return (flags & ~allowed) === 0 && (flags & both) !== both;
}

/** E2BIG where the value is larger than a per-CPU allocation may be. */
export const checkPerCpuValue = (spec: MapSpec): Status => (round8(spec.valueSize) > LARGEST_PER_CPU_VALUE ? E2BIG : 0);
