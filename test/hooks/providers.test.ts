// Providers come and go while programs stay attached; what a program was verified against is what it runs against.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { functions, hashMap, hook, information, nativeModule } from '../../examples/sample-extension/extension.ts';
import { sha256 } from '../../src/base/sha256.ts';
import { compileAhead } from '../../src/aot/compile.ts';
import { createRuntime } from '../../src/context/create.ts';
import { informationHash } from '../../src/run/information.ts';
import type {
  HelperRow,
  ProgramInformationProvider,
  Provider,
  Registration,
} from '../../src/context/providers/extension.ts';
import { extendPlatform } from '../../src/context/providers/platform.ts';
import { memoryHost } from '../../src/hosts/memory/host.ts';
import { builtInPlatform } from '../../src/hosts/platform.ts';
import { assemble } from '../../src/isa/assembler.ts';
import { linkObject } from '../../src/link/link.ts';
import type { ObjectSpec } from '../../src/spec/object.ts';
import type { ContextField, ContextLayout } from '../../src/spec/program.ts';
import type { LoadedObjectInfo, ProgramInfo } from '../../src/spec/session.ts';
import { idOf, load, outcome, type Runtime } from './support.ts';

const object = readFileSync(new URL('../../examples/sample-extension/sample.bpf.o', import.meta.url));
const map = hashMap({ found: 0, added: 0, removed: 0 });
const byName = functions(new Map());

let session: Runtime;
let registered: Map<Provider, Registration>;
let loaded: LoadedObjectInfo;
afterEach(() => session.context[Symbol.dispose]());

const register = (provider: Provider): void => {
  registered.set(provider, session.context.providers.register(provider));
};
const fdOf = (name: string): number => loaded.programs.find((one) => one.name === name)?.fd ?? -1;
const usable = async (name: string): Promise<boolean> =>
  ((await session.call('object.info', { fd: fdOf(name) })) as ProgramInfo).usable;
const fire = () =>
  session.call('hook.fire', { attachType: 'sample', data: new Uint8Array(16), ctx: { helper_data_2: 1 } });
const run = async (name: string): Promise<string> => {
  try {
    await session.call('prog.testRun', { fd: fdOf(name), data: new Uint8Array(16) });
    return 'ran';
  } catch (error) {
    return (error as { readonly code: string }).code;
  }
};

async function begin(providers: readonly Provider[] = [information, hook, map, byName]): Promise<void> {
  session = createRuntime();
  registered = new Map();
  for (const provider of providers) register(provider);
  loaded = await session.call('object.load', { object, name: 'sample.bpf.o' });
}

/** The sample's program information with one helper changed. */
const withHelper = (name: string, change: Partial<HelperRow>): ProgramInformationProvider => ({
  ...information,
  helpers: (information.helpers ?? []).map((family) => ({
    ...family,
    helpers: family.helpers.map((row) => (row.name === name ? { ...row, ...change } : row)),
  })),
});

describe('a provider of program information', () => {
  test('goes, and its programs stay attached without running; comes back, and they run', async () => {
    await begin();
    const { fd } = await session.call('link.create', { fd: fdOf('implicit'), attachType: 'sample', target: {} });
    expect((await fire()).verdict).toBe(6);
    registered.get(information)?.remove();
    expect([await usable('implicit'), await run('implicit')]).toEqual([false, 'provider/away']);
    expect((await fire()).ran).toEqual([]);
    expect(await outcome(session, 'link.create', { fd: fdOf('weather'), attachType: 'sample', target: {} })).toBe(
      'ENODEV',
    );
    await expect(session.call('object.load', { object, name: 'x' })).rejects.toThrow(/sample/);
    expect(await session.call('object.info', { fd })).toMatchObject({ detached: false });
    register(information);
    expect([await usable('implicit'), await run('implicit')]).toEqual([true, 'ran']);
    expect((await fire()).verdict).toBe(6);
  });

  test('that returns with other code for the same prototypes brings the new code', async () => {
    await begin();
    await session.call('link.create', { fd: fdOf('implicit'), attachType: 'sample', target: {} });
    registered.get(information)?.remove();
    register(withHelper('sample_ext_helper_implicit_1', { body: () => 1000 }));
    expect((await fire()).verdict).toBe(1006);
  });

  test('that returns with another prototype leaves the programs that call it unusable, with the reason', async () => {
    await begin();
    registered.get(information)?.remove();
    register(withHelper('sample_ext_helper_implicit_2', { args: ['scalar'] }));
    expect([await usable('implicit'), await run('implicit')]).toEqual([false, 'provider/changed']);
    // The others do not call it.
    expect([await usable('weather'), await run('weather')]).toEqual([true, 'ran']);
    await expect(session.call('prog.testRun', { fd: fdOf('implicit') })).rejects.toThrow(/other program information/);
  });

  test('that returns without a helper says which one is missed', async () => {
    await begin();
    registered.get(information)?.remove();
    register({ ...information, helpers: [] });
    await expect(session.call('prog.testRun', { fd: fdOf('weather') })).rejects.toThrow(/helper 65537, helper 65538/);
    expect(await usable('lookup')).toBe(true);
  });
});

test('a hook’s provider: what is attached stays, and nothing can be fed or attached meanwhile', async () => {
  await begin();
  await session.call('link.create', { fd: fdOf('implicit'), attachType: 'sample', target: {} });
  registered.get(hook)?.remove();
  expect(await outcome(session, 'hook.fire', { attachType: 'sample', ctx: {} })).toBe('ENODEV');
  expect(await outcome(session, 'link.create', { fd: fdOf('weather'), attachType: 'sample', target: {} })).toBe(
    'ENODEV',
  );
  register({ ...hook, verdict: 9, limit: 'machine' });
  expect((await fire()).verdict).toBe(6);
  expect(await outcome(session, 'link.create', { fd: fdOf('weather'), attachType: 'sample', target: {} })).toBe(
    'EINVAL',
  );
});

test('a map’s and a function’s provider: programs that use them wait for them', async () => {
  await begin();
  registered.get(map)?.remove();
  expect([await usable('count'), await usable('lookup')]).toEqual([false, true]);
  expect(await run('count')).toBe('provider/away');
  registered.get(byName)?.remove();
  expect([await usable('count'), await usable('lookup'), await usable('weather')]).toEqual([false, false, true]);
  for (const provider of [map, byName]) register(provider);
  expect([await usable('count'), await usable('lookup')]).toEqual([true, true]);
});

test('what is not known, or there already, is refused', async () => {
  await begin();
  const attempt = (provider: unknown): string => {
    try {
      session.context.providers.register(provider as Provider);
      return 'ok';
    } catch (error) {
      return /\(\w+\)/.exec((error as Error).message)?.[0] ?? 'other';
    }
  };
  expect(attempt({ ...information, version: 2 })).toBe('(EINVAL)');
  expect(attempt({ ...information, kind: 'other' })).toBe('(EINVAL)');
  expect(attempt(information)).toBe('(EEXIST)');
  expect(attempt({ ...information, type: { ...information.type, type: 'xdp' } })).toBe('(EEXIST)');
  registered.get(information)?.remove();
  expect(attempt(withHelper('sample_ext_find', { numbers: { windows: 1 } }))).toBe('(EEXIST)');
  expect(attempt(withHelper('sample_ext_find', { numbers: { windows: 999 }, programNumbers: { sample: 1 } }))).toBe(
    'ok',
  );
  expect(attempt({ ...hook, attachType: 'bind' })).toBe('(EEXIST)');
  expect(attempt({ ...map, type: 'hash' })).toBe('(EEXIST)');
  registered.get(map)?.remove();
  expect(attempt({ ...map, base: 'percpu_hash' })).toBe('(EINVAL)');
  expect(attempt({ ...map, base: undefined })).toBe('(EINVAL)');
  expect(attempt({ ...map, row: {} })).toBe('(EINVAL)');
  expect(attempt(nativeModule('00', object))).toBe('ok');
  expect(session.context.providers.module('00')?.bytes).toBe(object);
});

/** The sample's program information with another context. */
const withContext = (change: (context: ContextLayout) => Partial<ContextLayout>): ProgramInformationProvider => {
  const { windows } = information.type.contexts;
  if (windows === undefined) throw new Error('no context');
  const contexts = { windows: { ...windows, ...change(windows) } };
  return { ...information, type: { ...information.type, contexts } };
};

/** With one context field changed. */
const changed = (change: Partial<ContextField>): ProgramInformationProvider =>
  withContext(({ fields }) => ({ fields: { ...fields, uint32_data: { ...fields.uint32_data, ...change } } }));

test('a module made ahead of time stands for its object where native execution is asked for', async () => {
  session = createRuntime();
  registered = new Map();
  const counters = readFileSync(new URL('../../examples/counters/counters.bpf.o', import.meta.url));
  const ask = { object: counters, name: 'counters.bpf.o', execution: 'native' } as const;
  expect(await outcome(session, 'object.load', ask)).toBe('EINVAL');
  const { wasm } = await compileAhead(counters, { host: memoryHost() });
  register(nativeModule(sha256(counters), wasm));
  const { programs } = await session.call('object.load', ask);
  expect(await session.call('object.info', { fd: programs[0].fd })).toMatchObject({ execution: 'native' });
  const { retval } = await session.call('prog.testRun', { fd: programs[0].fd, data: new Uint8Array(64) });
  expect(retval).toBe(0);
  await session.call('link.create', { fd: programs[0].fd, attachType: 'tcx_ingress', target: { ifindex: 1 } });
  const other = await load(session, 'r0 = 2\nexit', { type: 'sched_cls' });
  await session.call('link.create', { fd: other, attachType: 'tcx_ingress', target: { ifindex: 1 } });
  const event = { attachType: 'tcx_ingress', target: { ifindex: 1 }, data: new Uint8Array(64) } as const;
  expect((await session.call('hook.fire', event)).ran.length).toBe(1);
  registered.get([...registered.keys()][0])?.remove();
  expect((await session.call('hook.fire', event)).ran.length).toBe(1);
  expect(await outcome(session, 'object.load', ask)).toBe('EINVAL');
});

/** A program of a module made ahead of time. */
function madeAhead(text: string): ObjectSpec {
  const { code } = assemble(text);
  const common = { name: 'ahead', license: 'GPL', dialect: 'linux' } as const;
  const program = {
    ...common,
    section: 'tc',
    type: 'sched_cls' as const,
    sleepable: false,
    fragments: false,
    autoload: true,
    code,
    functions: [{ name: 'ahead', slot: 0, length: code.length / 8, typeId: 0, global: false }],
    lines: [],
    core: [],
    tags: [],
  };
  return { ...common, endian: 'little', programs: [program], maps: [], externs: [], diagnostics: [] };
}

test('programs in memories of their own go on with what the others left', async () => {
  session = createRuntime();
  const addOne = 'r2 = *(u32 *)(r1 + 8)\nr2 += 1\n*(u32 *)(r1 + 8) = r2\nr0 = -1\nexit';
  const { wasm } = await compileAhead(madeAhead(addOne), { host: memoryHost() });
  const { programs } = await session.call('object.load', { object: wasm, name: 'ahead' });
  const target = { ifindex: 1 };
  for (const fd of [
    await load(session, addOne, { type: 'sched_cls' }),
    programs[0].fd,
    await load(session, addOne, { type: 'sched_cls' }),
    await load(session, 'r0 = 2\nr1 = *(u32 *)(r1 + 8)\nif r1 != 3 goto +1\nr0 = 0\nexit', { type: 'sched_cls' }),
  ])
    await session.call('link.create', { fd, attachType: 'tcx_egress', target });
  const event = { attachType: 'tcx_egress', target, data: new Uint8Array(64) } as const;
  for (let i = 0; i < 2; i++) {
    const fired = await session.call('hook.fire', event);
    expect([fired.verdict, fired.ran.length]).toEqual([0, 4]);
  }
  await session.call('object.close', { fd: programs[0].fd });
});

describe('the program-information hash', () => {
  const spec = linkObject(object, { name: 'sample' });
  const weather = spec.programs.find(({ name }) => name === 'weather') ?? spec.programs[0];
  const hashOf = (provider: ProgramInformationProvider): string | undefined =>
    informationHash(weather, spec.externs, extendPlatform(builtInPlatform('windows'), [provider, byName]));

  test('is the program’s own, and shown', async () => {
    await begin();
    const info = (await session.call('object.info', { fd: fdOf('weather') })) as ProgramInfo;
    expect(info.informationHash).toBe(hashOf(information));
    expect(info.informationHash).toMatch(/^[0-9a-f]{64}$/);
    const other = (await session.call('object.info', { fd: fdOf('implicit') })) as ProgramInfo;
    expect(other.informationHash).not.toBe(info.informationHash);
  });

  const same = hashOf(information);
  test.each<[string, ProgramInformationProvider, boolean]>([
    ['the module’s name', { ...information, module: 'other' }, true],
    ['documentation', withHelper('sample_ext_find', { doc: 'other' }), true],
    ['a helper that is not called', withHelper('sample_ext_helper_implicit_1', { args: ['u32'] }), true],
    ['an argument', withHelper('sample_ext_find', { args: ['mem', 'sizeOrZero', 'mem', 'size'] }), false],
    ['a return', withHelper('sample_ext_find', { returns: 'void' }), false],
    ['a helper’s name', withHelper('sample_ext_find', { name: 'sample_ext_search' }), false],
    ['what it does to packets', withHelper('sample_ext_find', { changesPacket: true }), false],
    ['its licence', withHelper('sample_ext_find', { gplOnly: true }), false],
    ['a context field’s offset', changed({ offset: 24 }), false],
    ['a context field’s access', changed({ access: 'read' }), false],
    ['what of a context lies between fields', withContext(() => ({ loose: true })), false],
    ['allowed returns', { ...information, type: { ...information.type, returns: [{ min: 0n, max: 1n }] } }, false],
  ])('%s', (_what, provider, equal) => {
    if (equal) expect(hashOf(provider)).toBe(same);
    else expect(hashOf(provider)).not.toBe(same);
  });

  test('programs of built-in types have one too, and do not mind extensions', async () => {
    session = createRuntime();
    registered = new Map();
    const fd = await load(session, 'r0 = 2\nexit', { type: 'xdp' });
    const { informationHash: before } = (await session.call('object.info', { fd })) as ProgramInfo;
    register(information);
    const info = (await session.call('object.info', { fd })) as ProgramInfo;
    expect([info.usable, info.informationHash, info.id]).toEqual([true, before, await idOf(session, fd)]);
  });
});

test('SHA-256 is that of others', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      expect(sha256(bytes)).toBe(createHash('sha256').update(bytes).digest('hex'));
    }),
  );
  expect(sha256('')).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
});
