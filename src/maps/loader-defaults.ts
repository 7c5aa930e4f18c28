// What libbpf changes in a map's attributes between the object file and BPF_MAP_CREATE (bpf_object__create_map, adjust_ringbuf_sz).
import type { MapSpec } from '../spec/object.ts';

const PAGE = 4096;
const LARGEST_RING = 0x8000_0000;

/**
 * The attributes to create the map with: perf event arrays without a size get an element for each CPU, ring buffers the next
 * size that the kernel takes (a power of two of pages).
 */
export function loaderDefaults(spec: MapSpec, cpus: number): MapSpec {
  if (spec.type === 'perf_event_array' && spec.maxEntries === 0) return { ...spec, maxEntries: cpus };
  if ((spec.type === 'ringbuf' || spec.type === 'user_ringbuf') && spec.maxEntries > 0) {
    let size = PAGE;
    while (size < spec.maxEntries && size < LARGEST_RING) size *= 2;
    return size < spec.maxEntries ? spec : { ...spec, maxEntries: size };
  }
  return spec;
}
