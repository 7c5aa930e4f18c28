// Random programs in the shapes that the compiler looks for: verified and checked code, single and in batches, give what the
// reference gives, in the result and in what they leave of their input.
import { describe, expect, test } from 'vitest';
import { toHex } from '../../src/base/bytes.ts';
import { compilerBackend } from '../../src/compile/wasm/backend.ts';
import { interpretBackend } from '../../src/compile/interpret/backend.ts';
import { referenceBackend } from '../../src/compile/reference/backend.ts';
import { disassemble } from '../../src/isa/disassembler.ts';
import { LinearMemory } from '../../src/run/memory.ts';
import type { Backend, Invocation, ProgramImage } from '../../src/spec/backend.ts';
import { NO_REFERENCES, RANDOM_SPEC } from '../fuzz/random-program.ts';
import { Random } from '../support/random.ts';
import { INPUT, shapedProgram } from './random-shapes.ts';
import { trustedBackend } from './wasm-code.ts';

const SEED = Number(process.env['ANYBPF_SEED'] ?? Date.now() % 2 ** 32);
const PROGRAMS = Number(process.env['ANYBPF_PROGRAMS'] ?? 400);
const RUNS = 6;

/** Such programs call no helper, so little of it is looked at. */
const invocation = (): Invocation => ({ budget: 1_000_000, tail: undefined, cpu: 0 }) as Invocation;

/** A back end with inputs side by side. */
class Side {
  readonly #backend: Backend;
  readonly #memory = new LinearMemory(16 << 20);
  readonly #inputs: number[] = [];
  readonly #contexts = this.#memory.alloc(4 * RUNS);
  readonly #results = this.#memory.alloc(4 * RUNS);

  constructor(backend: Backend) {
    this.#backend = backend;
    for (let i = 0; i < RUNS; i++) {
      const base = this.#memory.alloc(INPUT);
      this.#memory.addRegion({ base, size: INPUT, kind: 'packet', name: 'input', writable: true });
      this.#inputs.push(base);
    }
    this.#memory.u32.set(this.#inputs, this.#contexts >>> 2);
  }

  run(code: Uint8Array, inputs: readonly Uint8Array[], batch: boolean): string[] {
    const image: ProgramImage = {
      ...NO_REFERENCES,
      id: 1,
      spec: { ...RANDOM_SPEC, code },
      memory: this.#memory,
      code: undefined,
      mapValue: () => undefined,
    };
    const loaded = this.#backend.load(image);
    inputs.forEach((input, i) => this.#memory.u8.set(input, this.#inputs[i]));
    let verdicts: number[];
    if (batch && loaded.runBatch !== undefined) {
      const o = { contexts: this.#contexts, results: this.#results, count: RUNS, select: () => undefined };
      loaded.runBatch(invocation(), o);
      verdicts = [...this.#memory.u32.subarray(this.#results >>> 2, (this.#results >>> 2) + RUNS)];
    } else {
      verdicts = this.#inputs.map((at) => Number(BigInt.asUintN(32, loaded.run(invocation(), BigInt(at)))));
    }
    loaded.dispose();
    return verdicts.map(
      (verdict, i) => `${verdict} ${toHex(this.#memory.u8.subarray(this.#inputs[i], this.#inputs[i] + INPUT))}`,
    );
  }
}

describe('random programs in known shapes', () => {
  const reference = new Side(referenceBackend);
  const others = [
    ['verified', new Side(trustedBackend), false],
    ['verified, batch', new Side(trustedBackend), true],
    ['checked', new Side(compilerBackend), false],
    ['interpreted', new Side(interpretBackend), false],
  ] as const;

  test(`${PROGRAMS} programs, seed ${SEED}`, () => {
    const random = new Random(SEED);
    for (let i = 0; i < PROGRAMS; i++) {
      const code = shapedProgram(random, 5 + random.below(40));
      const inputs = Array.from({ length: RUNS }, () => random.bytes(INPUT));
      const expected = reference.run(code, inputs, false);
      for (const [name, side, batch] of others) {
        expect(side.run(code, inputs, batch), `program ${i}, ${name}:\n${disassemble(code)}`).toEqual(expected);
      }
    }
  });
});
