import { fail } from '../base/diagnostic.ts';
import { mapNotShared, mapRefused, mapTypeUnsupported } from '../base/messages/map.ts';
import { errnoName } from '../spec/errno.ts';
import type { BpfMap, MapContext, MapTypeRow } from '../spec/map.ts';
import type { MapSpec } from '../spec/object.ts';

/**
 * Makes a map of a type, as BPF_MAP_CREATE does. Call with attributes as libbpf would pass them (loader-defaults.ts).
 * @throws AnyBpfError map/unsupported for types that no host can give a meaning, map/refused where Linux refuses the
 *   attributes (the message names the errno), map/not-shared for types that threads cannot share, map/too-large or run/out-of-memory where the linear memory does not hold it
 */
export function createMap(row: MapTypeRow, spec: MapSpec, context: MapContext): BpfMap {
  const place = { map: spec.name };
  if (row.unsupported !== undefined) fail(mapTypeUnsupported(place, spec.type, row.unsupported));
  if (context.memory.shared && row.shared !== true) fail(mapNotShared(place, spec.type));
  const status = row.check(spec);
  if (status !== 0) fail(mapRefused(place, spec.type, errnoName(status), attributes(spec)));
  return row.create(spec, context);
}

const attributes = ({ keySize, valueSize, maxEntries, flags }: MapSpec): string =>
  `key_size ${keySize}, value_size ${valueSize}, max_entries ${maxEntries}, flags 0x${(flags >>> 0).toString(16)}`;
