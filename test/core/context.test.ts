// An execution context needs nothing but the language.
import { expect, test } from 'vitest';
import { createRuntime } from '../../src/context/create.ts';
import { fixture } from './fixture.ts';

test('an object is loaded, run, pinned, and gone with its last reference', async () => {
  const session = createRuntime();
  const object = await fixture('examples/counters/counters.bpf.o');
  const { programs, maps } = await session.call('object.load', { object, name: 'counters.bpf.o' });
  const { retval } = await session.call('prog.testRun', { fd: programs[0].fd, data: new Uint8Array(64) });
  expect(retval).toBe(0);
  expect((await session.call('map.lookupBatch', { fd: maps[0].fd, count: 300 })).count).toBe(256);
  await session.call('object.pin', { fd: programs[0].fd, path: 'BPF:\\a\\b' });
  const { context } = session;
  await session.close();
  expect([...context.programs.values()].map((program) => context.printedPins(program))).toEqual([['/sys/fs/bpf/a/b']]);
  context.unpin('/sys/fs/bpf/a/b');
  expect([context.programs.size, context.maps.size, context.runtime.memory.used]).toEqual([0, 0, 0]);
});
