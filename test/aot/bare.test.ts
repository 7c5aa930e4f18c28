// A module runs with its loader alone, in a folder that has nothing else.
import { expect, test } from 'vitest';
import { memoryHost } from '../../src/hosts/memory/host.ts';
import { loadObject } from '../../src/run/loader.ts';
import { bareFolder, compiled, example, inFolder, PACKETS } from './support.ts';

const SCRIPT = `
import { load } from './out.mjs';
const { programs } = await load();
const [program] = Object.values(programs);
const packets = ${JSON.stringify(PACKETS.map((packet) => [...packet]))}.map((bytes) => Uint8Array.from(bytes));
const single = packets.map((packet) => program.run(packet)).map(({ retval, verdict }) => [retval, verdict]);
console.log(JSON.stringify({ single, batch: [...program.runBatch(packets)] }));
`;

test('drop-port gives the verdicts of the reference engine', async () => {
  const bytes = example('drop-port/drop_port.bpf.o');
  using folder = bareFolder(await compiled(bytes));
  const found = inFolder(folder.path, SCRIPT) as { readonly single: unknown[]; readonly batch: unknown[] };
  using object = loadObject(bytes, { host: memoryHost() });
  const expected = PACKETS.map((data) => object.program().run({ data }));
  expect(found.single).toEqual(expected.map(({ retval, verdict }) => [retval, verdict]));
  expect(found.batch).toEqual(expected.map(({ retval }) => retval));
});
