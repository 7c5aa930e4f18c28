// Every conformance vector that is accepted: its runs are as foreseen, and the r0 that it has to give lies in what the verifier has
// for its end. The vector's memory is the value of an array map, whose address and length the program gets in r1 and r2.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import { parseVector } from '../../src/cli/conformance.ts';
import { memoryHost } from '../../src/hosts/memory/host.ts';
import { builtInPlatform } from '../../src/hosts/platform.ts';
import { assemble } from '../../src/isa/assembler.ts';
import { decodeProgram, encodeProgram, makeInsn } from '../../src/isa/insn.ts';
import { loadObject } from '../../src/run/loader.ts';
import type { ObjectSpec } from '../../src/spec/object.ts';
import { verify } from '../../src/verify/verify.ts';
import { RANDOM_SPEC } from '../fuzz/random-program.ts';
import { mapSpec } from '../run/support.ts';
import { corpusFolder, filesBelow, PROJECT_ROOT } from '../support/shared.ts';
import { has, Visits } from './containment.ts';
import { watch } from './watched.ts';

/** The program's r1 and r2. */
const prologue = (length: number): Uint8Array =>
  encodeProgram([makeInsn('ld_map_idx_value', { dst: 1, imm64: 0n }), makeInsn('mov64_imm', { dst: 2, imm: length })]);

function objectOf(code: Uint8Array, length: number): ObjectSpec {
  const start = prologue(length);
  const whole = new Uint8Array(start.length + code.length);
  whole.set(start);
  whole.set(code, start.length);
  return {
    name: 'vector',
    dialect: 'linux',
    endian: 'little',
    license: 'GPL',
    programs: [{ ...RANDOM_SPEC, name: 'vector', code: whole }],
    maps: [mapSpec('memory', 'array', { valueSize: Math.max(1, length), maxEntries: 1 })],
    externs: [],
    diagnostics: [],
  };
}

/** `accepted`, or why the vector says nothing here. */
function contained(file: string): string {
  const vector = parseVector(readFileSync(file, 'utf8'), file);
  if (vector.result === undefined) return 'no result';
  const code = vector.asm === undefined ? vector.raw : assemble(vector.asm, { file }).code;
  if (code === undefined) return 'no program';
  // The helper that vectors know is none of Linux.
  if (decodeProgram(code).some((insn) => insn?.op === 'call_helper')) return 'calls a helper';
  const spec = objectOf(code, vector.memory.length);
  const visits = new Visits();
  const ends: boolean[] = [];
  const { result } = vector;
  const verdict = verify(
    spec,
    spec.programs[0],
    builtInPlatform('linux'),
    { visits: 100_000, time: 5_000, answers: false },
    (state, walk) => {
      visits.see(state);
      if (walk.program.insns[state.slot]?.op !== 'exit' || state.depth > 0) return;
      const r0 = state.register(0);
      // An address is any number.
      ends.push(r0?.kind === 'pointer' || (r0?.kind === 'scalar' && has(r0, result)));
    },
  );
  if (verdict.verdict !== 'accepted') return verdict.diagnostic?.code ?? verdict.verdict;
  using object = loadObject(spec, { host: memoryHost(), engine: 'reference', verify: 'off' });
  if (vector.memory.length > 0) object.maps[0].set(new Uint8Array(4), vector.memory);
  const [program] = object.programs;
  const containment = watch(object, program, visits, true);
  const r0 = program.runRaw({ data: new Uint8Array(64) });
  expect(containment.finding).toBeUndefined();
  expect(containment.compared).toBeGreaterThan(0);
  expect(r0 >>> 0).toBe(Number(BigInt.asUintN(32, result)));
  expect(ends).toContain(true);
  return 'accepted';
}

function testVectors(folder: string, least: number): void {
  test('run as foreseen', () => {
    const counts = new Map<string, number>();
    for (const name of filesBelow(folder, '.data')) {
      let outcome: string;
      try {
        outcome = contained(path.join(folder, name));
      } catch (error) {
        if (!(error instanceof AnyBpfError)) throw new Error(name, { cause: error });
        outcome = error.code;
      }
      counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
    }
    console.log(Object.fromEntries(counts));
    expect(counts.get('accepted')).toBeGreaterThanOrEqual(least);
  });
}

describe('vectors of this project', () => testVectors(path.join(PROJECT_ROOT, 'test/conformance/vectors'), 1));

const corpus = corpusFolder('conformance');
if ('reason' in corpus) test.skip(`vectors of bpf_conformance: ${corpus.reason}`, () => {});
else describe('vectors of bpf_conformance', () => testVectors(corpus.path, 150));
