// Maps in a fresh linear memory, for tests.
import { createMap } from '../../src/maps/index.ts';
import { LinearMemory } from '../../src/run/memory.ts';
import type { BpfMap, MapContext } from '../../src/spec/map.ts';
import type { MapTypeName } from '../../src/spec/map-types.ts';
import type { Address } from '../../src/spec/memory.ts';
import type { MapSpec } from '../../src/spec/object.ts';

export const spec = (
  type: MapTypeName,
  keySize: number,
  valueSize: number,
  maxEntries: number,
  flags = 0,
  more: Partial<MapSpec> = {},
): MapSpec => ({
  name: `test_${type}`,
  type,
  keySize,
  valueSize,
  maxEntries,
  flags,
  pinning: 0,
  kind: 'map',
  slots: [],
  frozen: false,
  tags: [],
  ...more,
});

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
      const map = createMap(mapSpec, context);
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
