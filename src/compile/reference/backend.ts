import { REFERENCE } from '../../isa/reference.ts';
import type { Backend, ProgramImage } from '../../spec/backend.ts';
import { InterpretedCode, type SteppedProgram } from './interpreter.ts';
import { loadProgram } from '../load.ts';

/**
 * The checked reference interpreter: the meaning of isa/reference.ts with every access, call and step checked. Slow and
 * plain; other engines are compared with it.
 */
export const referenceBackend: Backend = {
  name: 'reference',
  load: (image) => new InterpretedCode(steppedProgram(image), programOf),
};

/** A tail call goes on in the target's instructions, on the stack of the code that was started. */
function programOf(image: ProgramImage): SteppedProgram {
  image.code ??= referenceBackend.load(image);
  if (!(image.code instanceof InterpretedCode)) throw new Error('a tail call into the code of another engine');
  return image.code.program;
}

function steppedProgram(image: ProgramImage): SteppedProgram {
  const program = loadProgram(image);
  return { ...program, steps: program.insns.map((insn) => insn && REFERENCE[insn.op]) };
}
