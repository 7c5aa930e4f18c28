// The map types: one row each. A new type is a file and a line here.
import { fail } from '../base/diagnostic.ts';
import { mapRefused, mapTypeUnsupported } from '../base/messages/map.ts';
import { ERRNO } from '../spec/errno.ts';
import type { BpfMap, MapContext, MapTypeRow, Status } from '../spec/map.ts';
import type { MapTypeName } from '../spec/map-types.ts';
import type { MapSpec } from '../spec/object.ts';
import { array } from './array.ts';
import { hash } from './hash.ts';
import { lruHash } from './lru-hash.ts';
import { lruPercpuHash } from './lru-percpu-hash.ts';
import { percpuArray } from './percpu-array.ts';
import { percpuHash } from './percpu-hash.ts';

/** Every supported map type. */
export const MAP_TYPE_ROWS = {
  array,
  percpu_array: percpuArray,
  hash,
  percpu_hash: percpuHash,
  lru_hash: lruHash,
  lru_percpu_hash: lruPercpuHash,
} as const satisfies { readonly [Name in MapTypeName]?: MapTypeRow };

/** `EINVAL` for -22 and so on; the number where it is none of ERRNO. */
export function errnoName(status: Status): string {
  for (const [name, value] of Object.entries(ERRNO)) if (value === -status) return name;
  return `errno ${-status}`;
}

/**
 * Makes a map, as BPF_MAP_CREATE does.
 * @throws AnyBpfError map/unsupported for a type without a row, map/refused where Linux refuses the attributes (the message
 *   names the errno), map/too-large or run/out-of-memory where the linear memory does not hold it
 */
export function createMap(spec: MapSpec, context: MapContext): BpfMap {
  const rows: { readonly [Name in MapTypeName]?: MapTypeRow } = MAP_TYPE_ROWS;
  const row = rows[spec.type];
  const place = { map: spec.name };
  if (row === undefined) fail(mapTypeUnsupported(place, spec.type, 'no implementation'));
  const status = row.check(spec);
  if (status !== 0) fail(mapRefused(place, spec.type, errnoName(status), attributes(spec)));
  return row.create(spec, context);
}

const attributes = (spec: MapSpec): string =>
  `key_size ${spec.keySize}, value_size ${spec.valueSize}, max_entries ${spec.maxEntries}, flags 0x${(spec.flags >>> 0).toString(16)}`;
