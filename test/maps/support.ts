// Maps in a fresh linear memory, for tests.
import { createMap } from '../../src/maps/create.ts';
import { MAP_TYPE_ROWS } from '../../src/maps/index.ts';
import { LinearMemory } from '../../src/run/memory.ts';
import type { BpfMap, MapContext } from '../../src/spec/map.ts';
import type { MapTypeName } from '../../src/spec/map-types.ts';
import type { Address } from '../../src/spec/memory.ts';
import type { MapSpec } from '../../src/spec/object.ts';
import { mapSpec } from '../support/map-spec.ts';

export const spec = (
  type: MapTypeName,
  keySize: number,
  valueSize: number,
  maxEntries: number,
  flags = 0,
  more: Partial<MapSpec> = {},
): MapSpec => mapSpec(`test_${type}`, type, { keySize, valueSize, maxEntries, flags, ...more });

export interface Place extends MapContext {
  readonly memory: LinearMemory;
  cpu: number;
  readonly programs: Map<number, Address>;
  make(spec: MapSpec): BpfMap;
  /** Puts bytes into scratch memory and gives their address. */
  put(bytes: Uint8Array): Address;
  at(address: Address, size: number): Uint8Array;
}

export function place(cpus = 2, limit?: number): Place {
  const memory = new LinearMemory(limit);
  const maps = new Map<number, BpfMap>();
  let ids = 0;
  let state = 0x12345678;
  const context: Place = {
    memory,
    cpus,
    cpu: 0,
    programs: new Map(),
    currentCpu: () => context.cpu,
    random32() {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return state;
    },
    mapById: (id) => maps.get(id),
    programById(id) {
      const address = context.programs.get(id);
      return address === undefined ? undefined : { id, address };
    },
    nextMapId: () => ++ids,
    make(mapSpec) {
      const map = createMap(MAP_TYPE_ROWS[mapSpec.type], mapSpec, context);
      maps.set(map.id, map);
      return map;
    },
    put(bytes) {
      const address = memory.alloc(bytes.length);
      memory.u8.set(bytes, address);
      return address;
    },
    at: (address, size) => memory.u8.slice(address, address + size),
  };
  return context;
}

export function u32(...values: number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 4);
  const view = new DataView(bytes.buffer);
  values.forEach((value, index) => view.setUint32(index * 4, value, true));
  return bytes;
}

export const u32At = (bytes: Uint8Array, offset = 0): number =>
  new DataView(bytes.buffer, bytes.byteOffset).getUint32(offset, true);

const NO_PREALLOC = 1;
const inner = spec('array', 4, 8, 3);

/** Attributes that are right for each type, of few bytes. */
export const TYPICAL: {
  readonly [Name in Exclude<MapTypeName, 'struct_ops' | 'arena' | 'sample_hash_map'>]: MapSpec;
} & Record<string, MapSpec> = {
  hash: spec('hash', 4, 8, 8),
  array: inner,
  prog_array: spec('prog_array', 4, 4, 4),
  perf_event_array: spec('perf_event_array', 4, 4, 2),
  percpu_hash: spec('percpu_hash', 4, 8, 8),
  percpu_array: spec('percpu_array', 4, 12, 3),
  stack_trace: spec('stack_trace', 4, 64, 16),
  cgroup_array: spec('cgroup_array', 4, 4, 2),
  lru_hash: spec('lru_hash', 4, 8, 8),
  lru_percpu_hash: spec('lru_percpu_hash', 4, 8, 8),
  lpm_trie: spec('lpm_trie', 8, 8, 8, NO_PREALLOC),
  array_of_maps: spec('array_of_maps', 4, 4, 4, 0, { inner }),
  hash_of_maps: spec('hash_of_maps', 4, 4, 4, 0, { inner }),
  devmap: spec('devmap', 4, 4, 4),
  sockmap: spec('sockmap', 4, 4, 4),
  cpumap: spec('cpumap', 4, 4, 4),
  xskmap: spec('xskmap', 4, 4, 4),
  sockhash: spec('sockhash', 4, 4, 4),
  cgroup_storage: spec('cgroup_storage', 8, 8, 0),
  reuseport_sockarray: spec('reuseport_sockarray', 4, 8, 4),
  percpu_cgroup_storage: spec('percpu_cgroup_storage', 8, 8, 0),
  queue: spec('queue', 0, 4, 4),
  stack: spec('stack', 0, 4, 4),
  sk_storage: spec('sk_storage', 4, 8, 0, NO_PREALLOC),
  devmap_hash: spec('devmap_hash', 4, 4, 4),
  ringbuf: spec('ringbuf', 0, 0, 4096),
  inode_storage: spec('inode_storage', 4, 8, 0, NO_PREALLOC),
  task_storage: spec('task_storage', 4, 8, 0, NO_PREALLOC),
  bloom_filter: spec('bloom_filter', 0, 4, 16),
  user_ringbuf: spec('user_ringbuf', 0, 0, 4096),
  cgrp_storage: spec('cgrp_storage', 4, 8, 0, NO_PREALLOC),
};

/** The same attributes with more flags. */
export const withFlags = (s: MapSpec, flags: number): MapSpec => ({ ...s, flags: s.flags | flags });
