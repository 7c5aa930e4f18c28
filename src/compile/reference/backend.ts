import type { Backend, ProgramImage } from '../../spec/backend.ts';
import { InterpretedCode } from './interpreter.ts';
import { type LoadedProgram, loadProgram } from './load.ts';

/**
 * The checked reference interpreter: the meaning of isa/reference.ts with every access, call and step checked. Slow and
 * plain; other engines are compared with it.
 */
export const referenceBackend: Backend = {
  name: 'reference',
  load: (image) => new InterpretedCode(loadProgram(image), programOf),
};

/** A tail call goes on in the target's instructions, on the stack of the code that was started. */
function programOf(image: ProgramImage): LoadedProgram {
  image.code ??= referenceBackend.load(image);
  if (!(image.code instanceof InterpretedCode)) throw new Error('a tail call into the code of another engine');
  return image.code.program;
}
