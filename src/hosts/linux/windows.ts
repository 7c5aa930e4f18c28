// Objects of Windows' dialect for Linux' kernel: what means the same there is translated, by name; the rest is refused with the reason.
import { fail, type Place } from '../../base/diagnostic.ts';
import { notOfLinux } from '../../base/messages/linux-host.ts';
import { ERRNO } from '../../spec/errno.ts';
import { MAP_FLAGS, MAP_TYPES } from '../../spec/map-types.ts';
import type { Dialect, MapSpec, ObjectSpec } from '../../spec/object.ts';
import { PROGRAM_TYPES, type ProgramTypeName } from '../../spec/program-types.ts';
import { linuxProgram } from './windows-program.ts';

const untranslatable = (place: Place, what: string, why: string): never =>
  fail({ ...notOfLinux(place, what, why), errno: ERRNO.ENOTSUPP });

type Shape = Pick<MapSpec, 'name' | 'type' | 'keySize' | 'valueSize' | 'maxEntries' | 'flags'>;

/** A map's attributes as Linux takes them. */
export function linuxMap<S extends Shape>(spec: S, dialect: Dialect): S {
  if (dialect === 'linux') return spec;
  if (!('linux' in MAP_TYPES[spec.type]))
    untranslatable({ map: spec.name }, `map type ${spec.type}`, 'Linux has no such type');
  // Windows' maps have no flags; Linux' tries take no other form.
  return spec.type === 'lpm_trie' ? { ...spec, flags: spec.flags | MAP_FLAGS.NO_PREALLOC } : spec;
}

export function linuxProgramType(type: ProgramTypeName, place: Place): void {
  if (!('linux' in PROGRAM_TYPES[type])) untranslatable(place, `program type ${type}`, 'Linux has no such type');
}

/**
 * The object in Linux' dialect.
 *
 * @param wanted programs that are asked for by name; without it all that load by themselves
 * @throws AnyBpfError linux/untranslatable
 */
export function linuxObject(object: ObjectSpec, wanted: readonly string[] | undefined): ObjectSpec {
  if (object.dialect === 'linux') return object;
  const maps = object.maps.map((map) => withTemplate(linuxMap(map, 'windows'), object));
  const programs = object.programs.map((program) =>
    (wanted?.includes(program.name) ?? program.autoload) ? linuxProgram(program, object) : program,
  );
  return { ...object, dialect: 'linux', maps, programs };
}

/** Windows' maps of maps have one of the object's maps for their template: here the first that they have for an element. */
function withTemplate(map: MapSpec, { maps }: ObjectSpec): MapSpec {
  if ((map.type !== 'array_of_maps' && map.type !== 'hash_of_maps') || map.inner !== undefined) return map;
  const first = map.slots.find(({ kind }) => kind === 'map');
  const inner = maps.find(({ name }) => name === first?.target);
  if (inner === undefined)
    return untranslatable({ map: map.name }, `a ${map.type}`, 'it has no element to take for the template');
  return { ...map, inner: { ...linuxMap(inner, 'windows'), slots: [] } };
}
