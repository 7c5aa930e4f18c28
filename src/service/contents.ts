// What maps hold, in an order in which an application could put it in. Some types hold nothing that could outlive a service: records that
// wait, sockets, owners that are processes' or the system's.
import type { ContextMap } from '../context/map-object.ts';
import { DESCRIPTOR, type DescriptorField } from '../spec/map-layout.ts';
import type { MapTypeName } from '../spec/map-types.ts';

export type Element = readonly [key: Uint8Array, value: Uint8Array];

/**
 * How the contents of a type are kept: by keys; as an array, of which zeros are not said; in the order in which they were pushed; as bits;
 * or not at all.
 */
const KEPT: { readonly [T in MapTypeName]: 'keys' | 'array' | 'order' | 'bits' | 'nothing' } = {
  hash: 'keys',
  percpu_hash: 'keys',
  lru_hash: 'keys',
  lru_percpu_hash: 'keys',
  lpm_trie: 'keys',
  hash_of_maps: 'keys',
  array_of_maps: 'keys',
  prog_array: 'keys',
  devmap: 'keys',
  devmap_hash: 'keys',
  cpumap: 'keys',
  array: 'array',
  percpu_array: 'array',
  queue: 'order',
  stack: 'order',
  bloom_filter: 'bits',
  ringbuf: 'nothing',
  user_ringbuf: 'nothing',
  perf_event_array: 'nothing',
  stack_trace: 'nothing',
  cgroup_array: 'nothing',
  sockmap: 'nothing',
  sockhash: 'nothing',
  xskmap: 'nothing',
  reuseport_sockarray: 'nothing',
  cgroup_storage: 'nothing',
  percpu_cgroup_storage: 'nothing',
  sk_storage: 'nothing',
  inode_storage: 'nothing',
  task_storage: 'nothing',
  cgrp_storage: 'nothing',
  struct_ops: 'nothing',
  arena: 'nothing',
  sample_hash_map: 'keys',
};

const NO_KEY = new Uint8Array(0);

/** Whether changes of its elements are worth a line of the journal. */
export const keepsElements = ({ raw: { type } }: ContextMap): boolean => KEPT[type] !== 'nothing';

/** @param whole the map is not made empty: what is zero is said, too */
export function* elementsOf(map: ContextMap, whole = false): Generator<Element> {
  const how = KEPT[map.raw.type];
  if (how === 'nothing' || how === 'bits') return;
  if (how === 'order') return yield* inOrder(map);
  for (let key = map.raw.nextKey(undefined); typeof key !== 'number'; key = map.raw.nextKey(key)) {
    const value = map.lookup(key);
    // Empty places, and what a map lets nobody read.
    if (typeof value === 'number') continue;
    if (how === 'array' && !whole && value.every((byte) => byte === 0)) continue;
    yield [key, value];
  }
}

/** Takes out what a map began with, so that what it held takes its place. Elements that are objects stay: they are made with it. */
export function emptied(map: ContextMap): void {
  const how = KEPT[map.raw.type];
  if (map.holds !== undefined) return;
  if (how === 'order') while (typeof map.raw.lookupAndDelete(NO_KEY) !== 'number');
  if (how !== 'keys') return;
  const keys: Uint8Array[] = [];
  for (let key = map.raw.nextKey(undefined); typeof key !== 'number'; key = map.raw.nextKey(key)) keys.push(key);
  for (const key of keys) map.raw.delete(key);
}

const word = ({ raw, runtime }: ContextMap, field: DescriptorField): number =>
  runtime.memory.u32[(raw.handle + DESCRIPTOR[field]) >>> 2];

/** Queues and stacks, oldest first: pushed again so, both are as they were. */
function* inOrder(map: ContextMap): Generator<Element> {
  const { maxEntries, valueSize } = map.raw.spec;
  const [data, tail, count] = [word(map, 'DATA'), word(map, 'TAIL'), word(map, 'COUNT')];
  for (let i = 0; i < count; i++) {
    const at = data + ((tail + i) % maxEntries) * valueSize;
    yield [NO_KEY, map.runtime.memory.u8.slice(at, at + valueSize)];
  }
}

/** Bits of a bloom filter, with the seed that they belong to; undefined for other types. */
export function bitsOf(map: ContextMap): { readonly seed: number; readonly bits: Uint8Array } | undefined {
  if (KEPT[map.raw.type] !== 'bits') return undefined;
  const at = word(map, 'DATA');
  const size = ((word(map, 'MASK') >>> 0) + 1) / 8;
  return { seed: word(map, 'SEED'), bits: map.runtime.memory.u8.slice(at, at + size) };
}

/** Puts the bits back into a filter that was made with their seed. */
export function putBits(map: ContextMap, bits: Uint8Array): void {
  const room = ((word(map, 'MASK') >>> 0) + 1) / 8;
  if (bits.length === room) map.runtime.memory.u8.set(bits, word(map, 'DATA'));
}
