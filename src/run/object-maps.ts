// The maps of an object: created through the platform, filled with their initial data, shared with other objects where asked.
import { AnyBpfError, type Diagnostic, fail } from '../base/diagnostic.ts';
import { mapMismatch, mapOperation, noSuchMap, unknownMapType } from '../base/messages/run.ts';
import { createMap as createMapOf } from '../maps/create.ts';
import { loaderDefaults } from '../maps/loader-defaults.ts';
import { errnoName } from '../spec/errno.ts';
import type { BpfMap } from '../spec/map.ts';
import type { Address } from '../spec/memory.ts';
import type { MapSpec, ObjectSpec } from '../spec/object.ts';
import type { Platform } from '../spec/platform.ts';
import { type ExternOptions, kconfigData } from './extern-values.ts';
import { LoadedMap } from './map.ts';
import type { Runtime } from './runtime.ts';
import { sharedMap, type SharedObject } from './share.ts';

/** Changes to one map before it is created. */
export interface MapOverride {
  readonly maxEntries?: number;
  /** A map of the same runtime to use instead of creating one (libbpf's bpf_map__reuse_fd). */
  readonly reuse?: LoadedMap;
}

/** A map, or why there is none. */
export type MapSlot = { readonly map: LoadedMap; readonly owned: boolean } | { readonly diagnostic: Diagnostic };

const FIRST = new Uint8Array(4);

/** BPF_MAP_CREATE through the platform's row; with `existing`, a map that another thread has made. */
export function createMap(runtime: Runtime, platform: Platform, spec: MapSpec, existing?: Address): BpfMap {
  const place = { map: spec.name };
  const row = platform.mapType(spec.type) ?? fail(unknownMapType(place, spec.type, platform.dialect));
  const wanted = loaderDefaults(spec, runtime.host.services.cpus);
  const context = existing === undefined ? runtime.mapContext : { ...runtime.mapContext, existing };
  const map = createMapOf(row, wanted, context);
  runtime.addMap(map);
  return map;
}

/** Where an object's maps come from. */
interface Source extends ExternOptions {
  readonly runtime: Runtime;
  readonly platform: Platform;
  readonly object: ObjectSpec;
  readonly attach?: SharedObject;
}

/** Creates all maps of an object, in its order. What fails takes its own map only; see the slot's diagnostic. */
export function createMaps(source: Source, overrides: Readonly<Record<string, MapOverride>>): MapSlot[] {
  const { runtime, object } = source;
  const names = object.maps.map(({ name }) => name);
  for (const name of Object.keys(overrides)) {
    if (!names.includes(name)) fail(noSuchMap({ file: object.name }, name, names));
  }
  const slots: MapSlot[] = [];
  try {
    for (const spec of object.maps) {
      slots.push(createSlot(source, spec, Object.hasOwn(overrides, spec.name) ? overrides[spec.name] : {}));
    }
  } catch (error) {
    for (const slot of slots) if ('map' in slot && slot.owned) runtime.removeMap(slot.map.raw);
    throw error;
  }
  return slots;
}

function createSlot(source: Source, spec: MapSpec, { reuse, maxEntries }: MapOverride): MapSlot {
  const { runtime, platform, object } = source;
  if (reuse !== undefined) {
    return { map: reused(loaderDefaults(spec, runtime.host.services.cpus), reuse, runtime), owned: false };
  }
  if (spec.unsupported !== undefined) return { diagnostic: spec.unsupported };
  return attempt(() => {
    const defaults = loaderDefaults(spec, runtime.host.services.cpus);
    const existing = source.attach === undefined ? undefined : sharedMap(source.attach, defaults);
    const size = existing?.maxEntries ?? maxEntries;
    const wanted = size === undefined ? spec : { ...spec, maxEntries: size };
    const map = createMap(runtime, platform, wanted, existing?.handle);
    try {
      initialise(map, wanted, object, source);
    } catch (error) {
      runtime.removeMap(map);
      throw error;
    }
    return { map: new LoadedMap(map, object.btf), owned: true };
  });
}

function attempt(create: () => MapSlot): MapSlot {
  try {
    return create();
  } catch (error) {
    if (!(error instanceof AnyBpfError)) throw error;
    return { diagnostic: error.diagnostic };
  }
}

/** What libbpf asks of a map that stands in for a declared one (map_is_reuse_compat). */
function reused(spec: MapSpec, map: LoadedMap, runtime: Runtime): LoadedMap {
  const place = { map: spec.name };
  const check = (what: string, wanted: string | number, found: string | number): void => {
    if (wanted !== found) fail(mapMismatch(place, what, String(wanted), String(found)));
  };
  check('the runtime', 'the same', runtime.mapContext.mapById(map.id) === map.raw ? 'the same' : 'another');
  check('type', spec.type, map.type);
  check('key size', spec.keySize, map.spec.keySize);
  check('value size', spec.valueSize, map.spec.valueSize);
  check('flags', spec.flags, map.spec.flags);
  return map;
}

/** Initial data of data sections; .rodata and .kconfig are frozen then. */
function initialise(map: BpfMap, spec: MapSpec, object: ObjectSpec, externs: Source): void {
  const data = spec.kind === 'kconfig' ? kconfigData(spec, object.externs, externs).data : spec.data;
  if (data !== undefined && externs.attach === undefined) checked(spec, 'initial data', map.update(FIRST, data));
  if (spec.frozen) checked(spec, 'freeze', map.freeze());
}

function checked(spec: MapSpec, operation: string, status: number): void {
  if (status < 0) fail(mapOperation({ map: spec.name }, errnoName(status), operation));
}
