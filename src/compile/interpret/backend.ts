import { u64 } from '../../base/u64.ts';
import type { Backend, Code, CodeBatch, CodeOptions, Invocation, ProgramImage, Proof } from '../../spec/backend.ts';
import { loadProgram } from '../load.ts';
import { Interpreter } from './interpreter.ts';
import type { Records } from './records.ts';

/**
 * Interprets in WebAssembly, by one module that serves every program: ready at once, and slower than compiled code. Checks
 * every access, call and step, as the reference interpreter does; of programs that are trusted or known to be proven, calls and
 * steps. Helpers that the compiler has as code become code here too, call by call, where they are called often.
 */
export const interpretBackend: Backend = {
  name: 'interpret',
  load: (image, options = {}) => new InterpretedCode(image, options),
};

const EVERYTHING: Proof = { checkedAt: new Set(), readsUnwritten: false };

class InterpretedCode implements Code {
  readonly engine = 'interpret';
  readonly records: Records;
  readonly #interpreter: Interpreter;

  constructor(image: ProgramImage, options: CodeOptions) {
    const program = loadProgram(image);
    this.#interpreter = Interpreter.of(image.memory);
    // No reason to prove anything: what checks cost here is little beside what the proof does.
    const proof = options.trusted === true ? EVERYTHING : image.proof?.('if-known');
    this.records = this.#interpreter.add(program, proof, (target) => {
      const code = options.codeOf?.(target) ?? (target.code ??= new InterpretedCode(target, options));
      if (!(code instanceof InterpretedCode)) throw new Error('a tail call into the code of another engine');
      return code.records;
    });
  }

  run(invocation: Invocation, r1: bigint, r2 = 0n): bigint {
    this.#interpreter.run(this.records, invocation, Number(r1), Number(r2));
    return u64(this.#interpreter.r0);
  }

  run32(invocation: Invocation, r1: number): number {
    this.#interpreter.run(this.records, invocation, r1, 0);
    return this.#interpreter.r0Low;
  }

  runBatch(invocation: Invocation, batch: CodeBatch): void {
    this.#interpreter.runBatch(this.records, invocation, batch);
  }

  dispose(): void {
    this.#interpreter.remove(this.records);
  }
}
