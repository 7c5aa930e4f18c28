// What libbpf changes in a map's attributes between the object file and BPF_MAP_CREATE (bpf_object__create_map, adjust_ringbuf_sz).
import type { MapTypeName } from '../spec/map-types.ts';
import type { MapSpec } from '../spec/object.ts';

const PAGE = 4096;
const LARGEST_RING = 0x8000_0000;

/** Sizes that the kernel asks for; objects made for cilium/ebpf declare the type of the records there. */
const RECORD_MAPS: { readonly [T in MapTypeName]?: Pick<MapSpec, 'keySize' | 'valueSize'> } = {
  ringbuf: { keySize: 0, valueSize: 0 },
  perf_event_array: { keySize: 4, valueSize: 4 },
};

/**
 * The attributes to create the map with: perf event arrays without a size get an element for each CPU, ring buffers the next
 * size that the kernel takes (a power of two of pages). The key and value of both are what the kernel asks for.
 */
export function loaderDefaults(declared: MapSpec, cpus: number): MapSpec {
  const spec = { ...declared, ...RECORD_MAPS[declared.type] };
  if (spec.type === 'perf_event_array' && spec.maxEntries === 0) return { ...spec, maxEntries: cpus };
  if ((spec.type === 'ringbuf' || spec.type === 'user_ringbuf') && spec.maxEntries > 0) {
    let size = PAGE;
    while (size < spec.maxEntries && size < LARGEST_RING) size *= 2;
    return size < spec.maxEntries ? spec : { ...spec, maxEntries: size };
  }
  return spec;
}
