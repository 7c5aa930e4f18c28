// Maps of a module as the loader alone shows them: every operation answers as AnyBPF's own map does, and leaves the same.
import { describe, expect, test } from 'vitest';
import type { MapView, UpdateMode } from '../../src/aot/loader/maps.ts';
import { memoryHost } from '../../src/hosts/memory/host.ts';
import { loadObject } from '../../src/run/loader.ts';
import type { LoadedMap } from '../../src/run/map.ts';
import type { MapTypeName } from '../../src/spec/map-types.ts';
import type { MapSpec } from '../../src/spec/object.ts';
import { mapSpec, objectSpec } from '../run/support.ts';
import { Random } from '../support/random.ts';
import { compiled, loaded } from './support.ts';
import { compileAhead } from '../../src/aot/compile.ts';

const CPUS = 3;
const MODES: readonly UpdateMode[] = ['any', 'noexist', 'exist'];

const SPECS: readonly (readonly [MapTypeName, Partial<MapSpec>])[] = [
  ['array', { valueSize: 12, maxEntries: 5 }],
  ['percpu_array', { valueSize: 12, maxEntries: 5 }],
  ['hash', { keySize: 7, valueSize: 20, maxEntries: 40 }],
  ['hash', { keySize: 64, valueSize: 3, maxEntries: 40, flags: 1 }],
  ['percpu_hash', { keySize: 6, valueSize: 5, maxEntries: 40 }],
  ['lru_hash', { keySize: 4, valueSize: 8, maxEntries: 20 }],
  ['lru_percpu_hash', { keySize: 4, valueSize: 8, maxEntries: 20 }],
];

/** What an operation gives, or the code and errno of its error. */
function answer(body: () => unknown): unknown {
  try {
    return body();
  } catch (error) {
    const { code, message } = error as { readonly code: string; readonly message: string };
    return [code, /E[A-Z0-9]+/.exec(message)?.[0]];
  }
}

const contents = (map: MapView | LoadedMap): string[] =>
  [...map.entries()].map(([key, value]) => `${key.join()}:${value.join()}`);

async function both(type: MapTypeName, more: Partial<MapSpec>): Promise<readonly [MapView, LoadedMap]> {
  const spec = objectSpec([{ text: 'r0 = 0\nexit' }], [mapSpec('table', type, more)]);
  const module = await loaded(await compileAhead(spec, { host: memoryHost({ cpus: CPUS }) }));
  return [module.maps.table, loadObject(spec, { host: memoryHost({ cpus: CPUS }) }).map('table')];
}

describe.each(SPECS)('%s %j', (type, more) => {
  test('random operations', async () => {
    const [mine, theirs] = await both(type, more);
    expect(mine.valueSize).toBe(theirs.valueSize);
    const random = new Random(11);
    const isArray = type.endsWith('array');
    const { keySize } = mine;
    for (let step = 0; step < 600; step++) {
      const key = new Uint8Array(keySize);
      key[0] = random.below(isArray ? 7 : 60);
      const value = random.bytes(random.below(2) === 0 ? mine.valueSize : theirs.spec.valueSize);
      const mode = MODES[random.below(3)];
      switch (random.below(3)) {
        case 0:
          expect(answer(() => mine.lookup(key))).toEqual(answer(() => theirs.get(key)));
          break;
        case 1:
          expect(answer(() => mine.update(key, value, mode))).toEqual(answer(() => theirs.set(key, value, mode)));
          break;
        default:
          expect(answer(() => mine.delete(key))).toEqual(answer(() => theirs.delete(key)));
      }
    }
    expect(contents(mine)).toEqual(contents(theirs));
  });
});

test('keys and values as numbers, and of sizes that do not fit', async () => {
  const [mine, theirs] = await both('hash', { valueSize: 8 });
  for (const map of [mine, { ...numbers(theirs) }]) {
    map.update(7, 2n ** 64n - 1n);
    expect(map.lookup(7)).toEqual(new Uint8Array(8).fill(255));
    expect(answer(() => map.update(2 ** 32, 1))).toEqual(['run/not-a-number', undefined]);
    expect(answer(() => map.update(-(2 ** 31) - 1, 1))).toEqual(['run/not-a-number', undefined]);
    expect(answer(() => map.update(1, 1.5))).toEqual(['run/not-a-number', undefined]);
    expect(answer(() => map.lookup(new Uint8Array(3)))).toEqual(['run/wrong-size', undefined]);
  }
});

const numbers = (map: LoadedMap) => ({
  update: (key: number, value: number | bigint) => map.set(key, value),
  lookup: (key: number | Uint8Array) => map.get(key),
});

test('data sections: read-only ones are refused, others change what the program sees', async () => {
  const data = { kind: 'data', maxEntries: 1, valueSize: 4, data: Uint8Array.of(1, 0, 0, 0) } as const;
  const maps = [
    mapSpec('x.data', 'array', { ...data, section: '.data' }),
    mapSpec('x.rodata', 'array', { ...data, kind: 'rodata', section: '.rodata', frozen: true }),
  ];
  const text = 'r1 = map[x.data][0] ll\nr0 = *(u32 *)(r1 + 0)\nexit';
  const module = await loaded(await compiled(objectSpec([{ text }], maps)));
  expect(module.programs.main.run(new Uint8Array(64)).retval).toBe(1);
  module.maps['x.data'].update(0, 9);
  expect(module.programs.main.run(new Uint8Array(64)).retval).toBe(9);
  expect(answer(() => module.maps['x.rodata'].update(0, 9))).toEqual(['run/map-operation', 'EPERM']);
});

test('what the module has no operation for says so', async () => {
  const maps = [
    mapSpec('queue', 'queue', { keySize: 0 }),
    mapSpec('prefixes', 'lpm_trie', { keySize: 8, flags: 1 }),
    mapSpec('large', 'hash', { maxEntries: 300_000 }),
  ];
  const module = await loaded(await compiled(objectSpec([{ text: 'r0 = 0\nexit' }], maps)));
  const codes = [
    answer(() => module.maps.queue.lookup(new Uint8Array())),
    answer(() => module.maps.prefixes.update(new Uint8Array(8), 1)),
    answer(() => contentsOf(module.maps.prefixes)),
    answer(() => module.maps.queue.consume(() => undefined)),
    answer(() => module.maps.large.update(1, 1)),
  ].map((error) => (error as readonly unknown[])[0]);
  expect(codes).toEqual([
    'aot/map-operation',
    'aot/map-operation',
    'aot/map-operation',
    'run/no-records',
    'aot/beyond',
  ]);
});

const contentsOf = (map: MapView): string[] => contents(map);

test('contents that are compiled in', async () => {
  const maps = [mapSpec('table', 'hash'), mapSpec('prefixes', 'lpm_trie', { keySize: 8, flags: 1 })];
  const key = Uint8Array.of(24, 0, 0, 0, 10, 1, 2, 0);
  const entries = {
    table: [[Uint8Array.of(1, 0, 0, 0), Uint8Array.of(2, 0, 0, 0)]],
    prefixes: [[key, Uint8Array.of(3, 0, 0, 0)]],
  } as const;
  const module = await loaded(await compiled(objectSpec([{ text: 'r0 = 0\nexit' }], maps), { entries }));
  expect(module.maps.table.lookup(1)).toEqual(Uint8Array.of(2, 0, 0, 0));
  expect(module.maps.prefixes.lookup(Uint8Array.of(32, 0, 0, 0, 10, 1, 2, 99))).toEqual(Uint8Array.of(3, 0, 0, 0));
  expect(module.maps.prefixes.lookup(Uint8Array.of(32, 0, 0, 0, 10, 1, 3, 99))).toBeUndefined();
});
