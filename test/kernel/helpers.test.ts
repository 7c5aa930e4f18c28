// Each helper on random arguments, here and in the kernel: same return value, packet, context and maps.
import { describe, expect, it } from 'vitest';
import type { EngineChoice } from '../../src/spec/backend.ts';
import { pinToCpu } from '../support/bpf.ts';
import { requireCapability } from '../support/capability.ts';
import { enginesUnderTest } from '../support/engines.ts';
import { samplePackets } from '../support/packets.ts';
import { Random } from '../support/random.ts';
import { assembleObject } from './assembled.ts';
import { HELPER_CASES, type HelperCase, wrap } from './helper-cases.ts';
import { ObjectPair } from './object-pair.ts';

const SEED = Number(process.env['ANYBPF_SEED'] ?? 20_261);
const PROGRAMS = Number(process.env['ANYBPF_HELPER_PROGRAMS'] ?? 12);
const PACKETS = 40;

/** What differs, with the program's text; and programs that the kernel refused. */
function compare(c: HelperCase, engine: EngineChoice): { readonly differences: string[]; readonly refused: string[] } {
  const random = new Random(SEED);
  const packets = samplePackets(PACKETS, SEED);
  const programs = Array.from({ length: PROGRAMS }, (_, i) => ({ name: `p${i}`, text: wrap(c, random) }));
  const pair = new ObjectPair(assembleObject(c.type, programs, c.maps ?? [], { types: c.types ?? [] }), SEED, engine);
  try {
    const runnable = new Set(pair.runnable.map(({ ours }) => ours.name));
    const differences = programs
      .filter(({ name }) => runnable.has(name))
      .flatMap(({ name, text }) => {
        const { differences: found, mapDifferences, equal, packets: all } = pair.run(name, packets, SEED);
        const wrong = [...found, ...mapDifferences];
        return wrong.length === 0 ? [] : [`${name}, ${all - equal} of ${all}: ${wrong.join('\n  ')}\n${text}`];
      });
    const refused = programs
      .filter(({ name }) => !runnable.has(name))
      .map(({ name, text }) => {
        const program = pair.kernel.spec.programs.find((p) => p.name === name);
        const ours = pair.ours.program(name).diagnostic;
        const kernel = pair.kernel.explain(name);
        return `${program?.name}: ${ours?.message ?? ''} ${kernel}\n${text}`;
      });
    return { differences, refused };
  } finally {
    pair.dispose();
  }
}

const noKernel = requireCapability('kernel-bpf') !== undefined;

describe.skipIf(noKernel).each(enginesUnderTest())('helpers against the kernel by the engine %s', (engine) => {
  it.each(HELPER_CASES)('$name ($type)', (c) => {
    expect(pinToCpu(0)).toBe(0);
    const { differences, refused } = compare(c, engine);
    expect(differences.slice(0, 2)).toEqual([]);
    expect(refused.slice(0, 1)).toEqual([]);
  });
});
