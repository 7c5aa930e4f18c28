// Object files for the commands that look into them.
import { AnyBpfError } from '../../base/diagnostic.ts';
import type { ObjectSpec, ProgramSpec } from '../../spec/object.ts';
import type { ProgramTypeName } from '../../spec/program-types.ts';
import { openObject, type OpenedObject } from '../object.ts';
import { refuse } from './command.ts';

/** The file is not there. */
export const isAbsent = (error: unknown): boolean =>
  error instanceof AnyBpfError && (error.cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT';

/** As openObject, and says in netsh's words where there is no such file. */
export async function openFor(file: string, type?: ProgramTypeName): Promise<OpenedObject> {
  try {
    return await openObject(file, type);
  } catch (error) {
    return isAbsent(error) ? refuse(`error: No such file or directory opening ${file}`) : Promise.reject(error);
  }
}

/** Programs of this section and name, where they are given; all otherwise. */
export const programsOf = (
  { programs }: ObjectSpec,
  section: string | undefined,
  name: string | undefined,
): readonly ProgramSpec[] =>
  programs.filter((p) => (section ?? p.section) === p.section && (name ?? p.name) === p.name);
