// What a request changes in an object before it is loaded, and where its maps come from.
import { loaderDefaults } from '../maps/loader-defaults.ts';
import type { Dialect, MapSpec, ObjectSpec, ProgramSpec } from '../spec/object.ts';
import { MAP_TYPES } from '../spec/map-types.ts';
import { ATTACH_TYPES, PROGRAM_TYPES } from '../spec/program-types.ts';
import type { MapChange, ObjectLoad, ProgramChange } from '../spec/session.ts';
import { refuse } from './errors.ts';
import type { ContextMap } from './map-object.ts';
import { mapOf } from './map-methods.ts';
import type { ContextSession } from './session.ts';

const OPERATION = 'object.load';
/** LIBBPF_PIN_BY_NAME. */
const PIN_BY_NAME = 1;
const PIN_ROOT = '/sys/fs/bpf';

/** A map of the object, and how it comes to be. */
export interface MapPlan {
  /** As it is created, or as the one is that stands for it (under the name that the object gives it). */
  readonly spec: MapSpec;
  readonly dialect: Dialect;
  /** Stands in for it. */
  readonly reuse?: ContextMap;
  /** Where it is pinned then. */
  readonly pin?: string;
}

/**
 * The object with the sizes, contents and types that the request asks for.
 * @throws AnyBpfError EINVAL for what it does not have
 */
export function changedObject(object: ObjectSpec, { maps = {}, types = {}, programs }: ObjectLoad): ObjectSpec {
  const place = { file: object.name };
  const named = (what: string, names: Iterable<string>, known: readonly { readonly name: string }[]): void => {
    for (const name of names) {
      if (!known.some((one) => one.name === name)) refuse(OPERATION, 'EINVAL', `there is no ${what} '${name}'`, place);
    }
  };
  named('map', Object.keys(maps), object.maps);
  named('program', Object.keys(types), object.programs);
  named('program', programs ?? [], object.programs);
  return {
    ...object,
    maps: object.maps.map((map) => changedMap(map, Object.hasOwn(maps, map.name) ? maps[map.name] : {})),
    programs: object.programs.map((program) =>
      changedProgram(program, Object.hasOwn(types, program.name) ? types[program.name] : {}),
    ),
  };
}

function changedMap(map: MapSpec, change: MapChange): MapSpec {
  const { reuseFd: _reuseFd, pinPath: _pinPath, data, ...attributes } = change;
  const place = { map: map.name };
  if (attributes.type !== undefined && !Object.hasOwn(MAP_TYPES, attributes.type)) {
    refuse(OPERATION, 'EINVAL', `there is no map type '${attributes.type}'`, place);
  }
  if (data !== undefined) {
    if (map.kind === 'map') refuse(OPERATION, 'EINVAL', 'the map has no initial value', place);
    if (data.length !== map.valueSize) {
      refuse(OPERATION, 'EINVAL', `an initial value of ${data.length} bytes, not ${map.valueSize}`, place);
    }
  }
  return { ...map, ...attributes, ...(data === undefined ? {} : { data: new Uint8Array(data) }) };
}

function changedProgram(program: ProgramSpec, change: ProgramChange): ProgramSpec {
  const { type = program.type, attachType, attachTarget } = change;
  const place = { program: program.name };
  if (!Object.hasOwn(PROGRAM_TYPES, type)) refuse(OPERATION, 'EINVAL', `there is no program type '${type}'`, place);
  if (attachType !== undefined && !Object.hasOwn(ATTACH_TYPES, attachType)) {
    refuse(OPERATION, 'EINVAL', `there is no attach type '${attachType}'`, place);
  }
  return {
    ...program,
    type,
    ...(attachType === undefined ? {} : { attachType }),
    ...(attachTarget === undefined ? {} : { attachTarget }),
  };
}

/**
 * Where each map comes from: a handle, a pin of its name, or nowhere yet.
 * @throws AnyBpfError EINVAL where what is there is no such map
 */
export function planMaps(session: ContextSession, object: ObjectSpec, load: ObjectLoad): MapPlan[] {
  const { context } = session;
  const { cpus } = context.host.services;
  const taken = new Set<string>();
  return object.maps.map((declared): MapPlan => {
    const spec = loaderDefaults(declared, cpus);
    const { dialect } = object;
    const { maps = {}, pinRoot = PIN_ROOT } = load;
    const { reuseFd, pinPath } = Object.hasOwn(maps, spec.name) ? maps[spec.name] : {};
    if (reuseFd !== undefined) return reusing(spec, dialect, mapOf(session, reuseFd, OPERATION));
    const byName = spec.pinning === PIN_BY_NAME ? `${pinRoot}/${spec.name}` : undefined;
    const wanted = pinPath ?? byName;
    // An empty path is nowhere, whatever the object says.
    if (wanted === undefined || wanted === '') return { spec, dialect };
    const pin = context.pinPath(wanted, OPERATION);
    const there = context.pins.get(pin);
    if (there !== undefined) {
      if (there.kind !== 'map') refuse(OPERATION, 'EINVAL', `a ${there.kind} is pinned there`, { map: spec.name });
      return reusing(spec, dialect, there as unknown as ContextMap);
    }
    if (taken.has(pin)) refuse(OPERATION, 'EEXIST', `two maps at ${context.printPin(pin)}`, { map: spec.name });
    taken.add(pin);
    return { spec, dialect, pin };
  });
}

/** What libbpf asks of a map that stands in for a declared one (map_is_reuse_compat). */
function reusing(spec: MapSpec, dialect: Dialect, reuse: ContextMap): MapPlan {
  const { raw } = reuse;
  const wanted = [spec.type, spec.keySize, spec.valueSize, spec.maxEntries, spec.flags, BigInt(spec.extra ?? 0)];
  const { type, keySize, valueSize, maxEntries, flags, extra = 0 } = raw.spec;
  const found = [type, keySize, valueSize, maxEntries, flags, BigInt(extra)];
  if (wanted.join() !== found.join()) {
    const why = `type, key size, value size, max entries, flags and extra are ${found.join(', ')}, not ${wanted.join(', ')}`;
    refuse(OPERATION, 'EINVAL', why, { map: spec.name });
  }
  const { data: _data, ...created } = raw.spec;
  return { spec: { ...created, name: spec.name }, dialect, reuse };
}
