// A module gives what the reference engine gives, packet by packet, and leaves the same in its maps: with its loader alone, and
// with AnyBPF as its helpers.
import { describe, expect, test } from 'vitest';
import type { CompileOptions } from '../../src/aot/compile.ts';
import { anybpf } from '../../src/aot/helpers.ts';
import type { LoadOptions } from '../../src/aot/loader/module.ts';
import { memoryHost } from '../../src/hosts/memory/host.ts';
import { loadObject } from '../../src/run/loader.ts';
import { benchProgram, compiled, example, loaded, PACKETS } from './support.ts';

type Entries = Readonly<Record<string, readonly (readonly [Uint8Array, Uint8Array])[]>>;

interface Subject {
  readonly source: Uint8Array;
  readonly program?: string;
  readonly packets: readonly Uint8Array[];
  readonly maps?: Entries;
  /** Maps whose contents the loader alone can show. */
  readonly shown: readonly string[];
}

const EXAMPLES: Readonly<Record<string, Subject>> = {
  'drop-port': { source: example('drop-port/drop_port.bpf.o'), packets: PACKETS, shown: ['totals'] },
  counters: { source: example('counters/counters.bpf.o'), packets: PACKETS, shown: [] },
  'lpm-block': { source: example('lpm-block/lpm_block.bpf.o'), packets: PACKETS, shown: [] },
  'tail-parser': { source: example('tail-parser/tail_parser.bpf.o'), packets: PACKETS, shown: [] },
};
/** Maps that the loader alone cannot fill: their contents are compiled in. */
const LPM: readonly string[] = ['prefixes'];
const BENCH = ['nop', 'drop', 'l4lb', 'count_hash', 'count_array', 'fnv', 'scan', 'acl', 'lpm'];

function subjects(): [string, Subject][] {
  const bench = BENCH.flatMap((name): [string, Subject][] => {
    const made = benchProgram(name);
    return made === undefined
      ? []
      : [[`bench ${name}`, { ...made, shown: Object.keys(made.maps ?? {}).filter((map) => !LPM.includes(map)) }]];
  });
  return [...Object.entries(EXAMPLES), ...bench];
}

/** Everything that may differ between engines: verdicts, packets, contents of maps. */
async function ahead(
  { source, program, packets, maps = {}, shown }: Subject,
  options: LoadOptions,
  checks: Partial<Pick<CompileOptions, 'trusted' | 'verify'>>,
) {
  const inside = Object.fromEntries(Object.entries(maps).filter(([name]) => LPM.includes(name)));
  const module = await loaded(await compiled(source, { ...checks, entries: inside }), options);
  for (const [name, entries] of Object.entries(maps)) {
    if (LPM.includes(name)) continue;
    for (const [key, value] of entries) module.maps[name].update(key, value);
  }
  const chosen = program === undefined ? Object.values(module.programs)[0] : module.programs[program];
  const single = packets.map((packet) => chosen.run(packet)).map(({ retval, packet }) => [retval, packet]);
  const batch = [...chosen.runBatch(packets)];
  return { single, batch, maps: shown.map((name) => sorted(module.maps[name].entries())) };
}

function reference({ source, program, packets, maps = {}, shown }: Subject) {
  using object = loadObject(source, { host: memoryHost(), engine: 'reference' });
  for (const [name, entries] of Object.entries(maps)) {
    for (const [key, value] of entries) object.map(name).set(key, value);
  }
  const chosen = program === undefined ? object.programs[0] : object.program(program);
  const single = packets
    .map((data) => chosen.run({ data, limits: 'device' }))
    .map(({ retval, data }) => [retval, data]);
  const batch = packets.map((data) => chosen.run({ data, limits: 'device' }).retval);
  return { single, batch, maps: shown.map((name) => sorted(object.map(name).entries())) };
}

const sorted = (entries: Iterable<readonly [Uint8Array, Uint8Array]>): string[] =>
  [...entries].map(([key, value]) => `${key.join()}:${value.join()}`).toSorted();

describe.each(subjects())('%s', (_, subject) => {
  const expected = reference(subject);
  test.each([{ verify: 'off' }, { verify: 'prefer' }, { trusted: true }] as const)('alone, %j', async (checks) => {
    expect(await ahead(subject, {}, checks)).toEqual(expected);
  });
  test('with AnyBPF', async () => {
    expect(await ahead(subject, { helpers: anybpf({ host: memoryHost() }) }, { verify: 'off' })).toEqual(expected);
  });
});
