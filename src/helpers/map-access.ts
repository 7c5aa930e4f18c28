// How helpers reach a map's less common abilities.
import { fail } from '../base/diagnostic.ts';
import { helperMapType } from '../base/messages/helper.ts';
import type { BpfMap, PerfEventArrayMap, RingBufferMap } from '../spec/map.ts';
import type { MapTypeName } from '../spec/map-types.ts';
import type { Memory } from '../spec/memory.ts';

/** Raises what the kernel's verifier would: the helper does not work on maps of this type (check_map_func_compatibility). */
export const wrongMapType = (helper: string, map: BpfMap, argument = 1): never =>
  fail(helperMapType({ map: map.spec.name }, helper, argument, map.type));

export function needMapType(helper: string, map: BpfMap, types: readonly MapTypeName[], argument = 1): void {
  if (!types.includes(map.type)) wrongMapType(helper, map, argument);
}

export function ringBuffer(helper: string, map: BpfMap): RingBufferMap {
  needMapType(helper, map, ['ringbuf']);
  return map as RingBufferMap;
}

export function perfEventArray(helper: string, map: BpfMap): PerfEventArrayMap {
  needMapType(helper, map, ['perf_event_array'], 2);
  return map as PerfEventArrayMap;
}

/** The program side's lookup with a u32 key that is not in the program's memory. */
export function lookupIndex(memory: Memory, map: BpfMap, index: number): number {
  const key = memory.alloc(4);
  try {
    memory.view.setUint32(key, index, true);
    return map.lookupElem(key);
  } finally {
    memory.free(key);
  }
}

/** The application side's lookup with a u32 key. */
export function lookupBytes(map: BpfMap, index: number): Uint8Array | undefined {
  const key = new Uint8Array(4);
  new DataView(key.buffer).setUint32(0, index, true);
  const value = map.lookup(key);
  return typeof value === 'number' ? undefined : value;
}
