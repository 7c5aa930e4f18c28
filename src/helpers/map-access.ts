// How helpers reach a map's less common abilities.
import { fail } from '../base/diagnostic.ts';
import { helperMapType } from '../base/messages/helper.ts';
import type { BpfMap, HandleMap, PerfEventArrayMap, RingBufferMap } from '../spec/map.ts';
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

/**
 * What slot `index` of a prog_array, devmap, cpumap, ... holds on the application side (program id, ifindex, ...); 0 where the
 * slot is empty or outside. Callers have checked the type.
 */
export function handleAtIndex(memory: Memory, map: BpfMap, index: number): number {
  const key = memory.alloc(4);
  try {
    memory.view.setUint32(key, index, true);
    return (map as HandleMap).handleAt(key);
  } finally {
    memory.free(key);
  }
}
