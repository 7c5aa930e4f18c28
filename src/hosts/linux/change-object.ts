// What a request changes in an object before it is loaded.
import { MAP_TYPES } from '../../spec/map-types.ts';
import type { MapSpec, ObjectSpec, ProgramSpec } from '../../spec/object.ts';
import { ATTACH_TYPES, PROGRAM_TYPES } from '../../spec/program-types.ts';
import type { MapChange, ObjectLoad, ProgramChange } from '../../spec/session.ts';
import { refuse } from './errors.ts';

const OPERATION = 'object.load';

/** @throws AnyBpfError EINVAL for what the object does not have */
export function changedObject(object: ObjectSpec, { maps = {}, types = {}, programs = [] }: ObjectLoad): ObjectSpec {
  checkNames('map', Object.keys(maps), object.maps);
  checkNames('program', [...Object.keys(types), ...programs], object.programs);
  return {
    ...object,
    maps: object.maps.map((map) => (Object.hasOwn(maps, map.name) ? changedMap(map, maps[map.name]) : map)),
    programs: object.programs.map((one) =>
      Object.hasOwn(types, one.name) ? changedProgram(one, types[one.name]) : one,
    ),
  };
}

function checkNames(what: string, names: readonly string[], known: readonly { readonly name: string }[]): void {
  const missing = names.find((name) => !known.some((one) => one.name === name));
  if (missing !== undefined) refuse(OPERATION, 'EINVAL', `there is no ${what} '${missing}'`);
}

function checkType(what: string, table: object, name: string | undefined): void {
  if (name !== undefined && !Object.hasOwn(table, name)) refuse(OPERATION, 'EINVAL', `there is no ${what} '${name}'`);
}

function changedMap(map: MapSpec, { reuseFd: _reuse, pinPath: _pin, data, ...attributes }: MapChange): MapSpec {
  checkType('map type', MAP_TYPES, attributes.type);
  if (data === undefined) return { ...map, ...attributes };
  const place = { map: map.name };
  if (map.kind === 'map') refuse(OPERATION, 'EINVAL', 'the map has no initial value', place);
  if (data.length !== map.valueSize)
    refuse(OPERATION, 'EINVAL', `an initial value of ${data.length} bytes, not ${map.valueSize}`, place);
  return { ...map, ...attributes, data: new Uint8Array(data) };
}

function changedProgram(program: ProgramSpec, { type, attachType, attachTarget }: ProgramChange): ProgramSpec {
  checkType('program type', PROGRAM_TYPES, type);
  checkType('attach type', ATTACH_TYPES, attachType);
  return {
    ...program,
    ...(type === undefined ? {} : { type }),
    ...(attachType === undefined ? {} : { attachType }),
    ...(attachTarget === undefined ? {} : { attachTarget }),
  };
}
