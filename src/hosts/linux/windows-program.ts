import { fail } from '../../base/diagnostic.ts';
import { notOfLinux } from '../../base/messages/linux-host.ts';
import type { ObjectSpec, ProgramSpec } from '../../spec/object.ts';

export function linuxProgram(program: ProgramSpec, object: ObjectSpec): ProgramSpec {
  return fail(
    notOfLinux({ file: object.name, program: program.name }, 'a program', 'its context is laid out otherwise'),
  );
}
