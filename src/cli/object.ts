// The object file that most verbs begin with.
import { linkObject } from '../link/link.ts';
import type { ObjectSpec, ProgramSpec } from '../spec/object.ts';
import type { ProgramTypeName } from '../spec/program-types.ts';
import { fail } from '../base/diagnostic.ts';
import { noSuchProgram } from '../base/messages/cli.ts';
import { readWhole } from './files.ts';

export interface OpenedObject {
  readonly file: string;
  readonly bytes: Uint8Array;
  readonly spec: ObjectSpec;
}

/** `type`: of the programs whose sections do not say one. */
export async function openObject(file: string, type?: ProgramTypeName): Promise<OpenedObject> {
  const bytes = await readWhole(file);
  const spec = linkObject(bytes, { name: file });
  const without = spec.programs.filter((p) => p.type === 'unspec');
  if (type === undefined || without.length === 0) return { file, bytes, spec };
  const programType = Object.fromEntries(without.map((p) => [p.name, type]));
  return { file, bytes, spec: linkObject(bytes, { name: file, programType }) };
}

/** The program of this function name, or else of this section name. Raises cli/program. */
export function programNamed(object: OpenedObject, name: string): ProgramSpec {
  const { programs } = object.spec;
  return (
    programs.find((p) => p.name === name) ??
    programs.find((p) => p.section === name) ??
    fail(
      noSuchProgram(
        { file: object.file },
        name,
        programs.map((p) => p.name),
      ),
    )
  );
}
