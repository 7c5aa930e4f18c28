// Random programs through engines and the kernel: same input, same result, or a mismatch is reported with the smallest
// program that shows it.
import { toHex } from '../../src/base/bytes.ts';
import { disassemble } from '../../src/isa/disassembler.ts';
import { decodeProgram, encodeProgram, makeInsn } from '../../src/isa/insn.ts';
import { LinearMemory } from '../../src/run/memory.ts';
import { ENGINE_CHOICES } from '../../src/run/engines.ts';
import type { EngineChoice, Invocation, ProgramImage } from '../../src/spec/backend.ts';
import { close, mapCreate, mapUpdate, progLoad, progTestRun } from '../support/bpf.ts';
import { Random } from '../support/random.ts';
import {
  INPUT_SIZE,
  NO_REFERENCES,
  programCode,
  RANDOM_SPEC,
  VALUE_SIZE,
  type RandomProgram,
  randomProgram,
  shrink,
  value64,
} from './random-program.ts';

/** An engine, and whether it leaves its checks out. */
export interface Contender {
  readonly engine: EngineChoice;
  readonly trusted?: boolean;
}

export const nameOf = ({ engine, trusted }: Contender): string => (trusted ? `${engine}, trusted` : engine);

export interface Differential {
  programs: number;
  instructions: number;
  /** Executions by the kernel, and by all engines together. */
  kernelRuns: number;
  runs: number;
  /** Programs that the kernel's verifier gave up on (a million steps). */
  tooComplex: number;
  /** Other programs that the kernel refused: the generator should make none. */
  refused: number;
  /** Reports, each with a program that shows it. */
  mismatches: string[];
}

const CTX_SIZE = 24;

/** An engine on a context whose packet is the input, without anything else of a run. */
class Ours {
  readonly name: string;
  readonly #contender: Contender;
  readonly #memory = new LinearMemory(16 << 20);
  readonly #ctx = this.#memory.alloc(CTX_SIZE);
  readonly #packet = this.#memory.alloc(INPUT_SIZE);
  readonly #value = this.#memory.alloc(VALUE_SIZE);

  constructor(contender: Contender) {
    this.name = nameOf(contender);
    this.#contender = contender;
    const region = { name: 'input', writable: true } as const;
    this.#memory.addRegion({ ...region, base: this.#ctx, size: CTX_SIZE, kind: 'context' });
    this.#memory.addRegion({ ...region, base: this.#packet, size: INPUT_SIZE, kind: 'packet' });
    this.#memory.addRegion({ ...region, base: this.#value, size: VALUE_SIZE, kind: 'map-value' });
    this.#memory.view.setUint32(this.#ctx, this.#packet, true);
    this.#memory.view.setUint32(this.#ctx + 4, this.#packet + INPUT_SIZE, true);
  }

  run(code: Uint8Array, inputs: readonly Uint8Array[]): number[] {
    const image: ProgramImage = {
      ...NO_REFERENCES,
      id: 1,
      spec: { ...RANDOM_SPEC, code },
      memory: this.#memory,
      code: undefined,
      mapValue: (_index, offset) => this.#value + offset,
    };
    const loaded = ENGINE_CHOICES[this.#contender.engine].load(image, this.#contender);
    const results = inputs.map((input) => {
      this.#memory.u8.set(input, this.#packet);
      this.#memory.u8.set(input.subarray(0, VALUE_SIZE), this.#value);
      // Such programs call no helper, so nothing but the budget is looked at.
      const invocation = { budget: 1_000_000, tail: undefined } as Invocation;
      return Number(BigInt.asUintN(32, loaded.run(invocation, BigInt(this.#ctx))));
    });
    loaded.dispose();
    return results;
  }
}

class Kernel {
  readonly #map = mapCreate({ type: 'array', keySize: 4, valueSize: VALUE_SIZE, maxEntries: 1 });

  /** The kernel's results, or its verifier's log where it refuses the program. */
  run(symbolic: Uint8Array, inputs: readonly Uint8Array[]): number[] | string {
    const code = this.#withMap(symbolic);
    const { fd } = progLoad({ type: 'xdp', code, license: 'GPL' });
    if (fd < 0) return progLoad({ type: 'xdp', code, license: 'GPL', logLevel: 1 }).log.slice(-1000);
    const results = inputs.map((data) => {
      mapUpdate(this.#map, new Uint8Array(4), data.subarray(0, VALUE_SIZE));
      return progTestRun(fd, { data, dataOut: 0 }).retval;
    });
    close(fd);
    return results;
  }

  /** map_val(map_by_idx(0)) becomes map_val(map_by_fd(fd)). */
  #withMap(symbolic: Uint8Array): Uint8Array {
    const insns = decodeProgram(symbolic).map((insn) =>
      insn?.op === 'ld_map_idx_value'
        ? makeInsn('ld_map_value', { dst: insn.dst, imm64: (insn.imm64 ?? 0n) | BigInt(this.#map) })
        : insn,
    );
    return encodeProgram(insns);
  }

  dispose(): void {
    close(this.#map);
  }
}

function inputOf(random: Random): Uint8Array {
  const bytes = new Uint8Array(INPUT_SIZE);
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < INPUT_SIZE; at += 8) view.setBigUint64(at, value64(random), true);
  return bytes;
}

/**
 * Generates and compares; stops early after `milliseconds` where given, or at the fifth mismatch. Each engine runs every
 * input, the kernel the first `kernelInputs` (all where absent); of the rest the first engine's results are what others must give.
 */
export function compareIsa(o: {
  readonly engines: readonly Contender[];
  readonly seed: number;
  readonly programs: number;
  readonly bodySize: number;
  readonly inputs: number;
  readonly kernelInputs?: number;
  readonly milliseconds?: number;
}): Differential {
  const random = new Random(o.seed);
  const sides = o.engines.map((contender) => new Ours(contender));
  const kernelSide = new Kernel();
  const result: Differential = {
    programs: 0,
    instructions: 0,
    kernelRuns: 0,
    runs: 0,
    tooComplex: 0,
    refused: 0,
    mismatches: [],
  };
  /** Whether the kernel takes the program and gives another result than this engine, or the first engine does. */
  const differs = (program: RandomProgram, side: Ours, input: Uint8Array): boolean => {
    const code = programCode(program);
    const kernel = kernelSide.run(code, [input]);
    if (typeof kernel === 'string') return false;
    const [value] = side.run(code, [input]);
    return value !== kernel[0] || value !== sides[0].run(code, [input])[0];
  };
  const end = performance.now() + (o.milliseconds ?? Number.POSITIVE_INFINITY);
  while (result.programs < o.programs && result.mismatches.length < 5 && performance.now() < end) {
    const program = randomProgram(random, o.bodySize);
    const inputs = Array.from({ length: o.inputs }, () => inputOf(random));
    const code = programCode(program);
    result.programs++;
    result.instructions += code.length / 8;
    const kernel = kernelSide.run(code, inputs.slice(0, o.kernelInputs));
    if (typeof kernel === 'string') {
      if (/too (large|complex)/.test(kernel)) result.tooComplex++;
      else result.refused++;
      if (result.refused === 1) console.warn(`seed ${o.seed}, program ${result.programs} refused: ${kernel}`);
      continue;
    }
    result.kernelRuns += kernel.length;
    let expected = kernel;
    for (const side of sides) {
      const ours = side.run(code, inputs);
      result.runs += ours.length;
      if (expected.length < ours.length) expected = [...kernel, ...ours.slice(kernel.length)];
      const at = ours.findIndex((value, i) => value !== expected[i]);
      if (at < 0) continue;
      const small = shrink(program, (candidate) => differs(candidate, side, inputs[at]));
      result.mismatches.push(
        `seed ${o.seed}, program ${result.programs}: expected ${expected[at]}, ${side.name} ${ours[at]}, input ` +
          `${toHex(inputs[at])}\n${disassemble(programCode(small))}`,
      );
    }
  }
  kernelSide.dispose();
  return result;
}
