// Map type numbers of a dialect.
import type { Dialect } from '../spec/object.ts';
import { MAP_TYPES, type MapTypeName } from '../spec/map-types.ts';

type Row = { readonly linux?: number; readonly windows?: number };

/** The map type of this number in a dialect. */
export function mapTypeOf(number: number, dialect: Dialect): MapTypeName | undefined {
  const names = Object.keys(MAP_TYPES) as MapTypeName[];
  return names.find((name) => (MAP_TYPES[name] as Row)[dialect] === number);
}

/** Types whose values are other maps. */
export const isMapInMap = (type: MapTypeName): boolean => type === 'array_of_maps' || type === 'hash_of_maps';
