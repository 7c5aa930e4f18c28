// The descriptor that a map's handle points at: what a program holds as `struct bpf_map *`, and what generated code reads to
// find elements without a host call. Programs cannot access it. All fields are u32, little-endian:
//
//   offset  field         meaning
//   0       TYPE          Linux's map type number
//   4       ID            BpfMap.id
//   8       KEY_SIZE      bytes
//   12      VALUE_SIZE    bytes of one value
//   16      MAX_ENTRIES
//   20      FLAGS         MAP_FLAGS
//   24      CPUS          number of copies of each value (1 unless the type is per-CPU)
//   28      STRIDE        bytes from one copy of a value to the next: VALUE_SIZE rounded up to 8
//   32      DATA          arrays: address of element 0; hash tables: address of the bucket heads; LPM: the root node;
//                         ring buffers: address of the first data byte
//   36      MASK          hash tables: number of buckets - 1; ring buffers: data bytes - 1
//   40      COUNT         elements in use
//   44      SEED          hash tables, bloom filters: start value of the hash
//   48      KEY_OFFSET    hash tables, LPM: where the key is in an element
//   52      HEAD, 56 TAIL queues: index of the next free and of the oldest element; ring buffers: producer and consumer position
//   60      EXTRA         bloom filter: number of hash functions; LRU: address of the list heads
//
// The value of an array element is at DATA + index * CPUS * STRIDE + cpu * STRIDE. Hash tables: hash-table.ts.
import { MAP_TYPES } from '../spec/map-types.ts';
import type { Address, Memory } from '../spec/memory.ts';
import type { MapSpec } from '../spec/object.ts';

/** Byte offsets of the fields of a map descriptor. */
export const DESCRIPTOR = {
  TYPE: 0,
  ID: 4,
  KEY_SIZE: 8,
  VALUE_SIZE: 12,
  MAX_ENTRIES: 16,
  FLAGS: 20,
  CPUS: 24,
  STRIDE: 28,
  DATA: 32,
  MASK: 36,
  COUNT: 40,
  SEED: 44,
  KEY_OFFSET: 48,
  HEAD: 52,
  TAIL: 56,
  EXTRA: 60,
} as const;

/** Bytes of a descriptor. */
export const DESCRIPTOR_SIZE = 64;

export type DescriptorField = keyof typeof DESCRIPTOR;

/** Rounds up to 8 bytes; right for sizes beyond 2^31. */
export const round8 = (size: number): number => Math.ceil(size / 8) * 8;

/** Writes the fields of a descriptor that come from the spec; the type fills in the rest. */
export function writeDescriptor(memory: Memory, handle: Address, spec: MapSpec, id: number, cpus: number): void {
  const words = memory.u32;
  const at = handle >>> 2;
  words[at + (DESCRIPTOR.TYPE >> 2)] = MAP_TYPES[spec.type].linux;
  words[at + (DESCRIPTOR.ID >> 2)] = id;
  words[at + (DESCRIPTOR.KEY_SIZE >> 2)] = spec.keySize;
  words[at + (DESCRIPTOR.VALUE_SIZE >> 2)] = spec.valueSize;
  words[at + (DESCRIPTOR.MAX_ENTRIES >> 2)] = spec.maxEntries;
  words[at + (DESCRIPTOR.FLAGS >> 2)] = spec.flags;
  words[at + (DESCRIPTOR.CPUS >> 2)] = cpus;
  words[at + (DESCRIPTOR.STRIDE >> 2)] = round8(spec.valueSize);
}
