import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { compileAhead } from '../../src/aot/compile.ts';
import { openModule } from '../../src/aot/open.ts';
import { createRuntime } from '../../src/context/create.ts';
import { memoryHost } from '../../src/hosts/memory/host.ts';
import { builtInPlatform } from '../../src/hosts/platform.ts';
import type { Host } from '../../src/spec/host.ts';
import { PROJECT_ROOT } from '../support/shared.ts';

const object = readFileSync(join(PROJECT_ROOT, 'examples/counters/counters.bpf.o'));

/** A host whose xdp context, or a helper that the program calls, is another than what it was compiled with. */
function otherHost(change: 'context' | 'helper'): Host {
  const host = memoryHost();
  const platform = builtInPlatform('linux');
  const changed: Partial<typeof platform> = {
    helper: (number, type) => {
      const row = platform.helper(number, type);
      return change === 'helper' && row !== undefined ? { ...row, optional: 1 } : row;
    },
    programType: (type) => {
      const row = platform.programType(type);
      if (change !== 'context' || row?.contexts.linux === undefined) return row;
      return { ...row, contexts: { ...row.contexts, linux: { ...row.contexts.linux, size: 1000 } } };
    },
  };
  const other = new Proxy(platform, {
    get: (target, name) => {
      const value: unknown = Reflect.get(name in changed ? changed : target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  return { ...host, name: host.name, services: host.services, platform: () => other };
}

it('a module is refused where a helper or context is not what its programs were verified with', async () => {
  const { wasm, record } = await compileAhead(object, { host: memoryHost() });
  expect(record.programs.map(({ information }) => information)).toEqual(
    record.programs.map(() => expect.stringMatching(/^[0-9a-f]{64}$/)),
  );
  using opened = await openModule(wasm, { host: memoryHost() });
  expect(opened.programs.length).toBe(record.programs.length);
  for (const change of ['context', 'helper'] as const) {
    await expect(openModule(wasm, { host: otherHost(change) })).rejects.toMatchObject({ code: 'aot/platform' });
    const session = createRuntime({ host: otherHost(change) });
    await expect(session.call('object.load', { object: wasm, name: 'x', execution: 'native' })).rejects.toMatchObject({
      code: 'aot/platform',
    });
    expect(session.context.programs.size).toBe(0);
  }
});

it('what a context says of a native program is what the module says', async () => {
  const { wasm, record } = await compileAhead(object, { host: memoryHost() });
  const session = createRuntime();
  const { programs } = await session.call('object.load', { object: wasm, name: 'x' });
  const infos = await Promise.all(programs.map(({ fd }) => session.call('object.info', { fd })));
  expect(infos.map((info) => info.kind === 'prog' && [info.execution, info.informationHash])).toEqual(
    record.programs.map(({ information }) => ['native', information]),
  );
});
