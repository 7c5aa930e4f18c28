// Where XDP_REDIRECT sends a packet, out of what the helper noted and the map holds now.
import { handleAtIndex } from '../helpers/map-access.ts';
import type { RedirectTarget } from '../helpers/redirect.ts';
import type { BpfMap } from '../spec/map.ts';
import type { Memory } from '../spec/memory.ts';

export type Destination =
  | { readonly kind: 'interface'; readonly ifindex: number }
  /** The system, as XDP_PASS: what another processor would do with it (cpumap). */
  | { readonly kind: 'host' }
  /** An application's socket (xskmap), by its handle. */
  | { readonly kind: 'queue'; readonly handle: number };

/** Most interfaces of one broadcast. */
const MOST_DEVICES = 1024;

export function redirectTargets(
  memory: Memory,
  target: RedirectTarget | undefined,
  ingress: number,
): readonly Destination[] {
  if (target === undefined) return [];
  switch (target.kind) {
    case 'interface':
    case 'neighbour':
    case 'peer':
      return [{ kind: 'interface', ifindex: target.ifindex }];
    case 'map': {
      if (target.map.type === 'cpumap') return [{ kind: 'host' }];
      const handle = handleAtIndex(memory, target.map, target.index);
      if (handle === 0) return [];
      if (target.map.type === 'xskmap') return [{ kind: 'queue', handle }];
      return [{ kind: 'interface', ifindex: handle }];
    }
    case 'broadcast': {
      const { map, excludeIngress } = target;
      return devicesOf(memory, map)
        .filter((ifindex) => !(excludeIngress && ifindex === ingress))
        .map((ifindex) => ({ kind: 'interface', ifindex }));
    }
  }
}

/** All interfaces of a device map. */
function devicesOf(memory: Memory, map: BpfMap): number[] {
  const devices: number[] = [];
  if (map.type === 'devmap') {
    for (let index = 0; index < map.spec.maxEntries && devices.length < MOST_DEVICES; index++) {
      const ifindex = handleAtIndex(memory, map, index);
      if (ifindex !== 0) devices.push(ifindex);
    }
    return devices;
  }
  for (
    let key = map.nextKey(undefined);
    key instanceof Uint8Array && devices.length < MOST_DEVICES;
    key = map.nextKey(key)
  ) {
    const value = map.lookup(key);
    if (value instanceof Uint8Array) devices.push(new DataView(value.buffer, value.byteOffset).getUint32(0, true));
  }
  return devices;
}
