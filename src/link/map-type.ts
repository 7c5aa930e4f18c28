// What the types of maps are in a dialect, and what the dialect does not have.
import type { Diagnostic, Place } from '../base/diagnostic.ts';
import { mapFlags } from '../base/messages/link.ts';
import { MAP_TYPES, type MapTypeName } from '../spec/map-types.ts';
import type { Dialect } from '../spec/object.ts';

type Row = { readonly linux?: number; readonly windows?: number };

/** The map type of this number in a dialect. */
export function mapTypeOf(number: number, dialect: Dialect): MapTypeName | undefined {
  const names = Object.keys(MAP_TYPES) as MapTypeName[];
  return names.find((name) => (MAP_TYPES[name] as Row)[dialect] === number);
}

/** Types whose values are other maps. */
export const isMapInMap = (type: MapTypeName): boolean => type === 'array_of_maps' || type === 'hash_of_maps';

/** Why a map's attributes cannot be a dialect's: Windows has neither flags nor nodes. */
export function refusedAttributes(
  { flags = 0, numaNode = 0 }: { readonly flags?: number | undefined; readonly numaNode?: number | undefined },
  dialect: Dialect,
  place: Place,
): Diagnostic | undefined {
  if (dialect === 'linux') return undefined;
  if (flags !== 0) return mapFlags(place, `the flags 0x${flags.toString(16)}`);
  return numaNode === 0 ? undefined : mapFlags(place, `the node ${numaNode}`);
}
