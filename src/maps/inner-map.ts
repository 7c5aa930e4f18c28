// Which maps may stand in a map of maps (kernel/bpf/map_in_map.c).
import { ERRNO } from '../spec/errno.ts';
import type { BpfMap, MapContext, Status } from '../spec/map.ts';
import { MAP_FLAGS, type MapTypeName } from '../spec/map-types.ts';
import type { MapSpec } from '../spec/object.ts';
import { EINVAL, ENOTSUPP } from './attributes.ts';
import { EBADF } from './handle-array.ts';

/** Types without map_meta_equal: no map of maps takes them. */
const NEVER_INNER: ReadonlySet<MapTypeName> = new Set([
  'prog_array',
  'cgroup_storage',
  'percpu_cgroup_storage',
  'struct_ops',
]);
/** Types of which inner maps must have as many elements as the template: generated code holds the number. */
const SAME_LENGTH: ReadonlySet<MapTypeName> = new Set(['array', 'percpu_array', 'xskmap']);

/** bpf_map_meta_alloc: whether maps like this template may stand in a map of maps. */
export function checkTemplate(template: MapSpec | undefined): Status {
  if (template === undefined) return EBADF;
  if (template.type === 'array_of_maps' || template.type === 'hash_of_maps') return EINVAL;
  return NEVER_INNER.has(template.type) ? ENOTSUPP : 0;
}

/** bpf_map_meta_equal of the type. */
export function likeTemplate(template: MapSpec, inner: MapSpec): boolean {
  if (template.type !== inner.type || template.keySize !== inner.keySize || template.valueSize !== inner.valueSize) {
    return false;
  }
  if (template.flags !== inner.flags || JSON.stringify(template.special) !== JSON.stringify(inner.special))
    return false;
  if (!SAME_LENGTH.has(template.type) || (inner.flags & MAP_FLAGS.INNER_MAP) !== 0) return true;
  return template.maxEntries === inner.maxEntries;
}

/** The map with this id, or -EBADF, or -EINVAL where it is not like the template. */
export function innerMap(context: MapContext, outer: MapSpec, id: number): BpfMap | Status {
  const map = context.mapById(id);
  if (map === undefined) return EBADF;
  return outer.inner !== undefined && likeTemplate(outer.inner, map.spec) ? map : -ERRNO.EINVAL;
}
