// Random programs, as they are and damaged, on the interpreter and the reference: the same result or abort at the same
// instruction with the same words, the same budget left, the same memory. Both have their stack at the same address, so that
// even programs that leak r10 can be compared.
import { describe, expect, test } from 'vitest';
import { toHex } from '../../src/base/bytes.ts';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import { interpretBackend } from '../../src/compile/interpret/backend.ts';
import { STATE_SIZE } from '../../src/compile/interpret/layout.ts';
import { referenceBackend } from '../../src/compile/reference/backend.ts';
import { disassemble } from '../../src/isa/disassembler.ts';
import { decodeProgram, encodeProgram, type Insn } from '../../src/isa/insn.ts';
import { FORMATS, OPS } from '../../src/isa/opcodes.ts';
import { LinearMemory } from '../../src/run/memory.ts';
import type { Backend, Invocation, ProgramImage } from '../../src/spec/backend.ts';
import {
  INPUT_SIZE,
  NO_REFERENCES,
  programCode,
  RANDOM_SPEC,
  randomProgram,
  value64,
  VALUE_SIZE,
} from '../fuzz/random-program.ts';
import { Random } from '../support/random.ts';

const SEED = Number(process.env['ANYBPF_SEED'] ?? Date.now() % 2 ** 32);
const CTX_SIZE = 24;
/** Ways in which runs must end, and most programs to get there. */
const OUTCOMES = 6;
const MOST_PROGRAMS = 20_000;

class Side {
  readonly #backend: Backend;
  readonly #memory = new LinearMemory(16 << 20);
  readonly #ctx = this.#memory.alloc(CTX_SIZE);
  readonly #packet = this.#memory.alloc(INPUT_SIZE);
  readonly #value = this.#memory.alloc(VALUE_SIZE);

  /** @param before bytes to leave out before the stack; @param rows whether the map value is cut into elements */
  constructor(backend: Backend, before: number, rows: boolean) {
    this.#backend = backend;
    const region = { name: 'input' } as const;
    this.#memory.addRegion({ ...region, writable: false, base: this.#ctx, size: CTX_SIZE, kind: 'context' });
    this.#memory.addRegion({ ...region, writable: true, base: this.#packet, size: INPUT_SIZE, kind: 'packet' });
    this.#memory.addRegion({
      ...region,
      ...(rows ? { stride: 16, slot: 12 } : {}),
      writable: true,
      base: this.#value,
      size: VALUE_SIZE,
      kind: 'map-value',
    });
    this.#memory.view.setUint32(this.#ctx, this.#packet, true);
    this.#memory.view.setUint32(this.#ctx + 4, this.#packet + INPUT_SIZE, true);
    if (before > 0) this.#memory.alloc(before);
  }

  /** All that can be seen of the runs. */
  run(code: Uint8Array, inputs: readonly Uint8Array[], budget: number): string[] {
    const image: ProgramImage = {
      id: 1,
      spec: {
        ...RANDOM_SPEC,
        code,
      },
      memory: this.#memory,
      code: undefined,
      ...NO_REFERENCES,
      mapValue: (_index, offset) => this.#value + (offset % VALUE_SIZE),
    };
    const seen: string[] = [];
    const attempt = (body: () => string): void => {
      try {
        seen.push(body());
      } catch (error) {
        if (!(error instanceof AnyBpfError)) throw error;
        seen.push(`${error.code} ${error.diagnostic.place.insn} ${error.diagnostic.message}`);
      }
    };
    attempt(() => {
      image.code = this.#backend.load(image);
      return 'loaded';
    });
    for (const input of image.code === undefined ? [] : inputs) {
      this.#memory.u8.set(input, this.#packet);
      this.#memory.u8.set(input.subarray(0, VALUE_SIZE), this.#value);
      const invocation = { budget, tail: undefined, ctx: this.#ctx, packet: undefined } as unknown as Invocation;
      attempt(() => String(image.code?.run(invocation, BigInt(this.#ctx))));
      seen.push(`${invocation.budget} left`);
      seen.push(toHex(this.#memory.u8.subarray(this.#packet, this.#value + VALUE_SIZE)));
    }
    image.code?.dispose();
    return seen;
  }
}

/** One field of one instruction gets another value. */
function damage(insns: (Insn | undefined)[], random: Random): void {
  const slot = random.below(insns.length);
  const insn = insns[slot];
  if (insn === undefined) return;
  const fields = FORMATS[OPS[insn.op].format].fields;
  if (fields.length === 0) return;
  const field = random.pick(fields);
  const small = (): number => random.below(24) - 12;
  if (field === 'imm64') insns[slot] = { ...insn, imm64: value64(random) };
  else if (field === 'dst' || field === 'src') insns[slot] = { ...insn, [field]: random.below(11) };
  else insns[slot] = { ...insn, [field]: random.chance(0.5) ? small() : insn[field] + small() };
}

const inputOf = (random: Random): Uint8Array => {
  const bytes = new Uint8Array(INPUT_SIZE);
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < INPUT_SIZE; at += 8) view.setBigUint64(at, value64(random), true);
  return bytes;
};

describe(`random programs, seed ${SEED}`, () => {
  test.each([
    { what: 'as they are', damages: 0, programs: 150 },
    { what: 'damaged once', damages: 1, programs: 400 },
    { what: 'damaged often', damages: 12, programs: 400 },
  ])('$what', ({ damages, programs }) => {
    const random = new Random(SEED + damages);
    const interpreter = new Side(interpretBackend, 0, damages > 1);
    const reference = new Side(referenceBackend, STATE_SIZE, damages > 1);
    const outcomes = new Set<string>();
    // Much damage lets few runs end well: it takes more programs until they have ended in as many ways.
    for (let i = 0; i < programs || (outcomes.size < OUTCOMES && i < MOST_PROGRAMS); i++) {
      const insns = decodeProgram(programCode(randomProgram(random, 40)));
      for (let n = 0; n < damages; n++) damage(insns, random);
      let code: Uint8Array;
      try {
        code = encodeProgram(insns);
      } catch {
        continue;
      }
      const inputs = [inputOf(random), inputOf(random)];
      const budget = random.chance(0.3) ? random.below(160) : 3000;
      const seen = interpreter.run(code, inputs, budget);
      expect(seen, disassemble(code)).toEqual(reference.run(code, inputs, budget));
      outcomes.add(seen[1]?.split(' ')[0] ?? '');
    }
    // The comparison means something only if runs end in more ways than one.
    expect(outcomes.size).toBeGreaterThanOrEqual(OUTCOMES);
    if (damages > 0) expect([...outcomes].filter((outcome) => outcome.startsWith('run/')).length).toBeGreaterThan(1);
  });
});
