// A loaded program on the checked reference interpreter, watched: each state of its runs is compared with what the verifier foresaw.
import { referenceBackend } from '../../src/compile/reference/backend.ts';
import { InterpretedCode } from '../../src/compile/reference/interpreter.ts';
import type { LoadedObject } from '../../src/run/object.ts';
import type { LoadedProgram } from '../../src/run/program.ts';
import { Containment, type Visits } from './containment.ts';

/**
 * To be called before the program's first run.
 *
 * @param strict the walk was without answers, so that all numbers count
 */
export function watch(object: LoadedObject, program: LoadedProgram, visits: Visits, strict: boolean): Containment {
  const { runtime } = object;
  const image = runtime.program(program.id);
  if (image === undefined) throw new Error(`${program.name} has no image`);
  image.code ??= referenceBackend.load(image);
  const code = image.code;
  if (!(code instanceof InterpretedCode))
    throw new Error(`${program.name} is not loaded for the reference interpreter`);
  const containment = new Containment(visits, strict);
  containment.watch(code, {
    memory: runtime.memory,
    get ctx() {
      return code.invocation?.ctx ?? 0;
    },
    get packet() {
      return code.invocation?.packet;
    },
    mapAt: (handle) => runtime.mapAt(handle),
  });
  return containment;
}
