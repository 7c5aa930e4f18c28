// What the code of a module leaves to its host of helpers that it has itself, as far as the loader can do it: calls whose map is
// known only when they run, and errors.
import { ERRNO } from '../../spec/errno.ts';
import { DESCRIPTOR, HANDLE_ELEMENT } from '../../spec/map-layout.ts';
import type { ModuleMap } from './maps.ts';
import type { ModuleMemory } from './memory.ts';

/** Of a module that is ready. */
export interface ModuleState {
  readonly memory: ModuleMemory;
  mapAt(handle: number): ModuleMap | undefined;
  /** The globals that say which program to go on with, and how many tail calls may still be made. */
  readonly tail: WebAssembly.Global;
  readonly tails: WebAssembly.Global;
}

/** Gives r0; undefined where only AnyBPF knows what to do. Arguments are the helper's. */
type Fallback = (state: ModuleState, ...args: number[]) => number | undefined;

const mapCall =
  (operation: 'lookup' | 'update' | 'delete'): Fallback =>
  ({ memory, mapAt }, handle, key, value, flags) => {
    const map = mapAt(handle);
    if (map === undefined || !memory.accessible(key, map.keySize)) return undefined;
    if (operation === 'update' && !memory.accessible(value, map.programValueSize)) return undefined;
    return map.call(operation, key, value, flags);
  };

export const FALLBACKS: Readonly<Record<string, Fallback>> = {
  map_lookup_elem: mapCall('lookup'),
  map_update_elem: (state, handle, key, value, flags) => mapCall('update')(state, handle, key, value, Number(flags)),
  map_delete_elem: mapCall('delete'),
  tail_call: ({ memory, mapAt, tail, tails }, _context, handle, index) => {
    const map = mapAt(handle);
    if (map?.type !== 'prog_array') return undefined;
    tail.value = 0;
    const at = index >>> 0;
    if (at >= map.maxEntries) return -ERRNO.EINVAL;
    const data = memory.view.getUint32(handle + DESCRIPTOR.DATA, true);
    const id = memory.view.getUint32(data + at * HANDLE_ELEMENT + 4, true);
    if (id === 0) return -ERRNO.EINVAL;
    if (tails.value === 0) return -ERRNO.ELOOP;
    tails.value--;
    tail.value = id;
    return 0;
  },
};
