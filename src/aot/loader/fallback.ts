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

/** Copies packet bytes out; `refused` says what is given where they are not all there. */
const loadBytes =
  (refused: (memory: ModuleMemory, offset: number, to: number, size: number) => number): Fallback =>
  ({ memory }, context, offset, to, size) => {
    const { regions, u8 } = memory;
    // The packet stands behind its context (packets.ts).
    const packet = regions[regions.findIndex(({ kind, base }) => kind === 'context' && base === context) + 1];
    const target = memory.regionAt(to);
    if (packet?.kind !== 'packet' || size === 0 || !memory.accessible(to, size) || target?.writable !== true) {
      return undefined;
    }
    const from = offset >>> 0;
    if (from + size > packet.size) return refused(memory, from, to, size);
    u8.copyWithin(to, packet.base + from, packet.base + from + size);
    return 0;
  };

const LARGEST_COPY = 0xffff;

export const FALLBACKS: Readonly<Record<string, Fallback>> = {
  map_lookup_elem: mapCall('lookup'),
  map_update_elem: (state, handle, key, value, flags) => mapCall('update')(state, handle, key, value, Number(flags)),
  map_delete_elem: mapCall('delete'),
  skb_load_bytes: loadBytes(({ u8 }, _offset, to, size) => {
    u8.fill(0, to, to + size);
    return -ERRNO.EFAULT;
  }),
  xdp_load_bytes: loadBytes((_memory, offset, _to, size) =>
    offset > LARGEST_COPY || size > LARGEST_COPY ? -ERRNO.EFAULT : -ERRNO.EINVAL,
  ),
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
