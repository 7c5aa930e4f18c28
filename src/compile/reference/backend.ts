import { REFERENCE } from '../../isa/reference.ts';
import type { Backend, CodeOptions, ProgramImage } from '../../spec/backend.ts';
import { InterpretedCode, type SteppedProgram } from './interpreter.ts';
import { loadProgram } from '../load.ts';

/**
 * The checked reference interpreter: the meaning of isa/reference.ts with every access, call and step checked. Slow and
 * plain; other engines are compared with it.
 */
export const referenceBackend: Backend = {
  name: 'reference',
  load: (image, options = {}) => new InterpretedCode(steppedProgram(image), (target) => programOf(target, options)),
};

/** A tail call goes on in the target's instructions, on the stack of the code that was started. */
function programOf(image: ProgramImage, { codeOf }: CodeOptions): SteppedProgram {
  const code = codeOf?.(image) ?? (image.code ??= referenceBackend.load(image));
  if (!(code instanceof InterpretedCode)) throw new Error('a tail call into the code of another engine');
  return code.program;
}

function steppedProgram(image: ProgramImage): SteppedProgram {
  const program = loadProgram(image);
  return { ...program, steps: program.insns.map((insn) => insn && REFERENCE[insn.op]) };
}
