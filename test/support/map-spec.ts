import type { MapTypeName } from '../../src/spec/map-types.ts';
import type { MapSpec } from '../../src/spec/object.ts';

/** A map of four elements of 4 bytes with keys of 4 bytes, but for what is said otherwise. */
export const mapSpec = (name: string, type: MapTypeName, more: Partial<MapSpec> = {}): MapSpec => ({
  name,
  type,
  keySize: 4,
  valueSize: 4,
  maxEntries: 4,
  flags: 0,
  pinning: 0,
  kind: 'map',
  slots: [],
  frozen: false,
  tags: [],
  ...more,
});
