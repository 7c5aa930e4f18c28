// What a module's maps hold when it begins: the same where it is compiled and where AnyBPF opens it.
import type { LoadedObject } from '../run/object.ts';

/** Without keys (queues, stacks, bloom filters) the key is empty. */
export type MapEntry = readonly [key: Uint8Array, value: Uint8Array];
export type MapContents = Readonly<Record<string, readonly MapEntry[]>>;

/** Maps with more entries than this grow as they need: the memory that full tables take would have to be written at each start. */
const MOST_RESERVED = 1 << 18;

/**
 * Makes room for all elements, as the module's code cannot make more of it without a host, and puts in what there is at first.
 * @throws AnyBpfError run/no-map, and what the map answers
 */
export function fillMaps(object: LoadedObject, contents: MapContents): void {
  for (const { raw, spec } of object.maps) if (spec.maxEntries <= MOST_RESERVED) raw.preallocate?.();
  for (const [name, entries] of Object.entries(contents)) {
    if (entries.length === 0) continue;
    const map = object.map(name);
    for (const [key, value] of entries) {
      if (key.length === 0) map.push(value);
      else map.set(key, value);
    }
  }
}
