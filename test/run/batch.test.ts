// A batch gives what single runs give: verdicts, packets and maps, on every engine.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { memoryHost } from '../../src/hosts/memory/host.ts';
import { ENGINES } from '../../src/run/engines.ts';
import { loadObject } from '../../src/run/loader.ts';
import type { EngineName } from '../../src/spec/backend.ts';
import { samplePackets } from '../support/packets.ts';
import { filesBelow, PROJECT_ROOT } from '../support/shared.ts';

const folder = path.join(PROJECT_ROOT, 'examples');
/** Without the extension's, which needs its provider. */
const FILES = filesBelow(folder, '.o').filter((file) => !file.startsWith('sample-extension'));
// Whole enough for every test-run: it refuses an IP packet without its header.
const PACKETS = samplePackets(64, 3).filter((data) => data.length >= 60 && data.length <= 3000);

const load = (file: string, engine: EngineName) => {
  const object = loadObject(readFileSync(path.join(folder, file)), { host: memoryHost(), engine });
  const program = object.programs.find(({ diagnostic }) => diagnostic === undefined);
  if (program === undefined) throw new Error(`${file} has no program`);
  return { object, program };
};
const mapsOf = (object: ReturnType<typeof load>['object']): unknown =>
  object.maps
    .filter(({ spec }) => spec.type !== 'prog_array' && spec.type !== 'ringbuf')
    .map((map) => [...map.entries()]);

describe.each(Object.keys(ENGINES) as EngineName[])('%s', (engine) => {
  test.each(FILES)('%s', (file) => {
    const single = load(file, engine);
    const expected = PACKETS.map((data) => single.program.run({ data }));
    const batched = load(file, engine);
    const batch = batched.program.batch(PACKETS.length);
    PACKETS.forEach((data, i) => {
      batch.lay(i, { data });
    });
    expect([...batch.run()]).toEqual(expected.map(({ retval }) => retval));
    PACKETS.forEach((_, i) => {
      expect(batch.output(i).data).toEqual(expected[i].data);
    });
    expect(mapsOf(batched.object)).toEqual(mapsOf(single.object));
    batch[Symbol.dispose]();
    single.object[Symbol.dispose]();
    batched.object[Symbol.dispose]();
  });

  test('runBatch takes packets as they come, few after many', () => {
    const { object, program } = load(FILES[0], engine);
    const expected = PACKETS.map((data) => program.runRaw({ data }));
    expect([...program.runBatch(PACKETS)]).toEqual(expected);
    expect([...program.runBatch(PACKETS.slice(0, 5))]).toEqual(expected.slice(0, 5));
    expect(program.runBatch([])).toHaveLength(0);
    object[Symbol.dispose]();
  });

  test('sizes and indices that make no sense are refused', () => {
    const { object, program } = load(FILES[0], engine);
    expect(() => program.batch(0)).toThrow('run/option');
    expect(() => program.batch(5000)).toThrow('1 to 1024');
    const batch = program.batch(4);
    expect(() => batch.lay(4, { data: PACKETS[0] })).toThrow('0 to 3');
    expect(() => batch.run(1)).toThrow('0 to 0 laid packets');
    expect(() => batch.output(2)).toThrow('no packet was laid');
    batch[Symbol.dispose]();
    object[Symbol.dispose]();
  });
});
