// An object's life: loaded, run, pinned; gone with its last reference.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createRuntime } from '../../src/context/create.ts';

const object = readFileSync(new URL('../../examples/counters/counters.bpf.o', import.meta.url));

describe('objects of a session', () => {
  it('go with the session, but for what is pinned and what that holds', async () => {
    const session = createRuntime();
    const { context } = session;
    const { programs, maps } = await session.call('object.load', { object, name: 'counters.bpf.o' });
    expect(maps.map(({ name }) => name)).toEqual(['protocols', 'counters.bss']);
    const { retval } = await session.call('prog.testRun', { fd: programs[0].fd, data: new Uint8Array(64), repeat: 3 });
    expect(retval).toBe(0);
    await session.call('object.pin', { fd: programs[0].fd, path: 'a/b' });
    await session.close();
    expect([context.programs.size, context.maps.size, context.btfs.size]).toEqual([1, 2, 1]);
    context.unpin('BPF:\\a\\b');
    expect([context.programs.size, context.maps.size, context.btfs.size]).toEqual([0, 0, 0]);
  });
});
