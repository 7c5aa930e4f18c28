// The sample extension on the public interface: verified, run, its map and its function; away and back.
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import extension, {
  functions,
  hashMap,
  hook,
  information,
  type Seen,
} from '../../examples/sample-extension/extension.ts';
import { createRuntime } from '../../src/context/create.ts';
import { extendPlatform } from '../../src/context/providers/platform.ts';
import { builtInPlatform } from '../../src/hosts/platform.ts';
import { ENGINES } from '../../src/run/engines.ts';
import type { EngineName } from '../../src/spec/backend.ts';
import type { LoadedObjectInfo } from '../../src/spec/session.ts';
import { outcome, type Runtime } from './support.ts';

const object = readFileSync(new URL('../../examples/sample-extension/sample.bpf.o', import.meta.url));
const TABLE = new Map([[7n, Uint8Array.of(42, 1)]]);

let session: Runtime;
let seen: Seen;
let loaded: LoadedObjectInfo;

const fdOf = (name: string): number => loaded.programs.find((one) => one.name === name)?.fd ?? -1;
const run = (name: string, data: Uint8Array, ctx: Record<string, number>) =>
  session.call('prog.testRun', { fd: fdOf(name), data, ctx: contextOf(ctx) });
const text = (value: string): Uint8Array => new TextEncoder().encode(value.padEnd(16, '.'));

async function begin(engine?: EngineName): Promise<void> {
  seen = { found: 0, added: 0, removed: 0 };
  const providers = [information, hook, hashMap(seen), functions(TABLE)];
  session = createRuntime({ providers, ...(engine === undefined ? {} : { engine }) });
  loaded = await session.call('object.load', { object, name: 'sample.bpf.o' });
}
afterEach(() => session.context[Symbol.dispose]());

describe.each(Object.keys(ENGINES) as EngineName[])('with the engine %s', (engine) => {
  beforeEach(() => begin(engine));

  test('programs are verified and run', async () => {
    const weather = await run('weather', text('it will rain'), {});
    expect(weather.retval).toBe(8);
    expect(new TextDecoder().decode(weather.data)).toBe('it will snow....');
    expect((await run('weather', text('the sun'), {})).retval | 0).toBe(-1);
    expect((await run('implicit', text(''), { helper_data_1: 10, helper_data_2: 20 })).retval).toBe(35);
    expect((await run('lookup', text(''), { uint32_data: 7 })).retval).toBe(298);
    expect((await run('lookup', text(''), { uint32_data: 8 })).retval | 0).toBe(-1);
    expect((await run('count', text(''), { uint32_data: 3 })).retval).toBe(1);
    expect((await run('count', text(''), { uint32_data: 3 })).retval).toBe(2);
    // The map takes no key of ones.
    expect((await run('count', text(''), { uint32_data: 0xffff_ffff })).retval | 0).toBe(-1);
    expect(seen).toEqual({ found: 3, added: 1, removed: 0 });
  });

  test('its map serves applications', async () => {
    const [{ fd }] = loaded.maps;
    const [key, value] = [Uint8Array.of(1, 0, 0, 0), new Uint8Array(8).fill(9)];
    await session.call('map.update', { fd, key, value });
    expect((await session.call('map.lookup', { fd, key })).value).toEqual(value);
    expect(await outcome(session, 'map.update', { fd, key: new Uint8Array(4).fill(255), value })).toBe('EINVAL');
    await session.call('map.delete', { fd, key });
    expect(await outcome(session, 'map.lookup', { fd, key })).toBe('ENOENT');
    expect(seen).toEqual({ found: 1, added: 1, removed: 1 });
    expect(await session.call('object.info', { fd })).toMatchObject({ type: 'sample_hash_map', maxEntries: 16 });
  });
});

/** The context as bytes: what bpf(2) takes. */
function contextOf(fields: Record<string, number>): Uint8Array {
  const bytes = new Uint8Array(32);
  const places: Record<string, number> = { uint32_data: 16, helper_data_1: 24, helper_data_2: 28 };
  for (const [name, value] of Object.entries(fields)) new DataView(bytes.buffer).setUint32(places[name], value, true);
  return bytes;
}

test('all programs of its hook run, and the last is heard', async () => {
  await begin();
  for (const name of ['weather', 'implicit'])
    await session.call('link.create', { fd: fdOf(name), attachType: 'sample', target: {} });
  const fired = await session.call('hook.fire', {
    attachType: 'sample',
    data: text('rain'),
    ctx: { helper_data_1: 1, helper_data_2: 2 },
  });
  expect([fired.verdict, fired.ran.map(({ retval }) => retval)]).toEqual([8, [0, 8]]);
  expect(new TextDecoder().decode(fired.data)).toBe('snow............');
  const { hooks } = await session.call('hook.list', {});
  expect(hooks.find(({ attachType }) => attachType === 'sample')).toEqual({
    attachType: 'sample',
    dialect: 'windows',
    types: ['sample'],
    limit: 'any number of programs',
    provider: 'sample_ebpf_ext',
  });
});

test('without the extension there is no such type', async () => {
  session = createRuntime();
  await expect(session.call('object.load', { object, name: 'x' })).rejects.toThrow(/sample/);
  expect(builtInPlatform('windows').programType('sample')).toBeUndefined();
  expect(extendPlatform(builtInPlatform('windows'), extension).helper(0x10001, 'sample')?.name).toBe('sample_ext_find');
});
