// The part of a map's descriptor that comes from its spec. The whole layout: spec/map-layout.ts.
import { DESCRIPTOR } from '../spec/map-layout.ts';
import { MAP_TYPES, type MapTypeName } from '../spec/map-types.ts';
import type { Address, Memory } from '../spec/memory.ts';
import type { MapSpec } from '../spec/object.ts';

/** Rounds up to 8 bytes; right for sizes beyond 2^31. */
export const round8 = (size: number): number => Math.ceil(size / 8) * 8;

/** Copies of different CPUs are never in one line of a cache, where threads write them at the same time. */
const LINE = 128;

/** Bytes from one copy of a value to the next. */
export const valueStride = (memory: Memory, valueSize: number, copies: number): number =>
  memory.shared && copies > 1 ? Math.ceil(valueSize / LINE) * LINE : round8(valueSize);

const PAGE = 4096;

/**
 * As valueStride, for a hash table of so many elements: where threads share the memory, each CPU's copies lie together, in pages of
 * their own. With a line or two between the copies of one value, two threads counted 1.1 times as fast as one, and so 1.9 times
 * (bench/workers.mjs): a processor fetches lines near those that a program has used.
 */
export const areaStride = (memory: Memory, valueSize: number, copies: number, limit: number): number =>
  memory.shared && copies > 1 ? Math.ceil((limit * round8(valueSize)) / PAGE) * PAGE + LINE : round8(valueSize);

/** Linux' number; types without one are a provider's, which no code looks up by itself. */
function numberOf(type: MapTypeName): number {
  const row = MAP_TYPES[type];
  return 'linux' in row ? row.linux : 0;
}

/** Writes the fields of a descriptor that come from the spec; the type fills in the rest. */
export function writeDescriptor(memory: Memory, handle: Address, spec: MapSpec, id: number, cpus: number): void {
  const words = memory.u32;
  const at = handle >>> 2;
  words[at + (DESCRIPTOR.TYPE >> 2)] = numberOf(spec.type);
  words[at + (DESCRIPTOR.ID >> 2)] = id;
  words[at + (DESCRIPTOR.KEY_SIZE >> 2)] = spec.keySize;
  words[at + (DESCRIPTOR.VALUE_SIZE >> 2)] = spec.valueSize;
  words[at + (DESCRIPTOR.MAX_ENTRIES >> 2)] = spec.maxEntries;
  words[at + (DESCRIPTOR.FLAGS >> 2)] = spec.flags;
  words[at + (DESCRIPTOR.CPUS >> 2)] = cpus;
  words[at + (DESCRIPTOR.STRIDE >> 2)] = valueStride(memory, spec.valueSize, cpus);
  words[at + (DESCRIPTOR.SPECIAL >> 2)] = spec.special?.length ?? 0;
}
