// Maps from the application's side: numbers and bytes, typed values, errors with the errno's name.
import { describe, expect, test } from 'vitest';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import { decodeBtf } from '../../src/btf/decode.ts';
import { encodeBtf } from '../../src/btf/encode.ts';
import type { BtfType } from '../../src/btf/format.ts';
import { memoryHost } from '../../src/hosts/memory/host.ts';
import { loadObject } from '../../src/run/loader.ts';
import type { MapSpec, ObjectSpec } from '../../src/spec/object.ts';
import { mapSpec, objectSpec } from './support.ts';

const withMaps = (maps: readonly MapSpec[], more: Partial<ObjectSpec> = {}, cpus = 1) =>
  loadObject(objectSpec([], maps, more), { host: memoryHost({ cpus }) });

function message(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof AnyBpfError) return error.message;
    throw error;
  }
  return 'nothing raised';
}

test('numbers are keys and values of the map’s size, bytes are taken as they are', () => {
  using object = withMaps([mapSpec('m', 'hash', { keySize: 2, valueSize: 8 })]);
  const map = object.map('m');
  map.set(0x102, 5n);
  map.set(Uint8Array.from([9, 9]), -1);
  expect(map.get(Uint8Array.from([2, 1]))).toEqual(Uint8Array.from([5, 0, 0, 0, 0, 0, 0, 0]));
  expect(map.get(0x909)).toEqual(new Uint8Array(8).fill(255));
  expect(map.get(1)).toBeUndefined();
  expect(map.has(0x102)).toBe(true);
  expect([...map].length).toBe(2);
  expect([...map.keys()].map((key) => key.length)).toEqual([2, 2]);
  expect(map.delete(0x102)).toBe(true);
  expect(map.delete(0x102)).toBe(false);
  expect(map.take(0x909)?.length).toBe(8);
  expect([...map]).toEqual([]);
});

test.each([
  ['a key of another length', () => Uint8Array.from([1]), /key has 1 bytes, expected 2/],
  ['a number that does not fit', () => 65_536, /cannot hold 65536/],
  ['a number below zero beyond it', () => -32_769, /cannot hold -32769/],
  ['a fraction', () => 1.5, /cannot hold 1.5/],
] as const satisfies readonly (readonly [string, () => Uint8Array | number, RegExp])[])(
  '%s is refused',
  (_, key, expected) => {
    using object = withMaps([mapSpec('m', 'hash', { keySize: 2 })]);
    expect(message(() => object.map('m').get(key()))).toMatch(expected);
  },
);

test('failures carry the errno and the map', () => {
  using object = withMaps([mapSpec('m', 'hash', { maxEntries: 1 }), mapSpec('a', 'array')]);
  const map = object.map('m');
  map.set(1, 1);
  expect(message(() => map.set(1, 2, 'noexist'))).toMatch(/map m: update failed: EEXIST/);
  expect(message(() => map.set(2, 2, 'exist'))).toMatch(/ENOENT/);
  expect(message(() => map.set(2, 2))).toMatch(/E2BIG/);
  expect(message(() => object.map('a').delete(1))).toMatch(/EINVAL/);
  map.freeze();
  expect(message(() => map.set(1, 2))).toMatch(/EPERM/);
});

test('keys may be deleted while they are walked', () => {
  using object = withMaps([mapSpec('m', 'hash', { maxEntries: 100 })]);
  const map = object.map('m');
  for (let i = 0; i < 100; i++) map.set(i, i);
  let count = 0;
  for (const key of map.keys()) {
    map.delete(key);
    count++;
  }
  expect(count).toBe(100);
  expect([...map.keys()]).toEqual([]);
});

test('per-CPU values: one for all, or each its own', () => {
  using object = withMaps([mapSpec('m', 'percpu_array')], {}, 2);
  const map = object.map('m');
  expect(map.valueSize).toBe(16);
  map.set(0, 7);
  expect(map.getPerCpu(0)?.map(([low]) => low)).toEqual([7, 7]);
  map.set(0, Uint8Array.from([1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]));
  expect(map.getPerCpu(0)?.map(([low]) => low)).toEqual([1, 2]);
});

test('queues and stacks have no keys', () => {
  using object = withMaps([mapSpec('q', 'queue', { keySize: 0 }), mapSpec('s', 'stack', { keySize: 0 })]);
  for (const name of ['q', 's']) for (const value of [1, 2, 3]) object.map(name).push(value);
  expect(object.map('q').peek()?.[0]).toBe(1);
  expect([object.map('q').pop(), object.map('s').pop()].map((value) => value?.[0])).toEqual([1, 3]);
  object.map('q').pop();
  object.map('q').pop();
  expect(object.map('q').pop()).toBeUndefined();
});

test('maps of maps take maps of the same runtime', () => {
  const inner = mapSpec('inner', 'hash');
  using object = withMaps([
    mapSpec('outer', 'array_of_maps', { inner, slots: [{ index: 1, kind: 'map', target: 'inner' }] }),
    inner,
  ]);
  const outer = object.map('outer');
  expect(object.diagnostics).toEqual([]);
  const more = object.createMap({ ...inner, name: 'more' });
  outer.set(0, more);
  const ids = [0, 1].map((key) => new DataView(outer.get(key)?.buffer ?? new ArrayBuffer(4)).getUint32(0, true));
  expect(ids).toEqual([more.id, object.map('inner').id]);
});

const typed = (type: MapSpec['type']) => mapSpec('m', type, { valueSize: 8, keyTypeId: 1, valueTypeId: 2 });

describe('values through BTF', () => {
  const types: BtfType[] = [
    { kind: 'int', name: 'unsigned int', size: 4, encoding: 0, offset: 0, bits: 32 },
    {
      kind: 'struct',
      name: 'pair',
      kindFlag: false,
      size: 8,
      members: [
        { name: 'a', type: 1, bitOffset: 0, bitSize: 0 },
        { name: 'b', type: 1, bitOffset: 32, bitSize: 0 },
      ],
    },
  ];
  const btf = decodeBtf(encodeBtf(types));

  test('set and read back', () => {
    using object = withMaps([typed('hash')], { btf });
    const map = object.map('m');
    expect(map.hasTypes).toBe(true);
    map.setValue(5, { a: 1, b: 2 });
    expect(map.getValue(5)).toEqual({ a: 1, b: 2 });
    expect(map.getValue(6)).toBeUndefined();
    expect([...map.values()]).toEqual([[5, { a: 1, b: 2 }]]);
    expect(map.deleteValue(5)).toBe(true);
  });

  test('each CPU has its own', () => {
    using object = withMaps([typed('percpu_array')], { btf }, 2);
    object.map('m').setValue(0, { a: 3, b: 4 });
    expect(object.map('m').getValue(0)).toEqual([
      { a: 3, b: 4 },
      { a: 3, b: 4 },
    ]);
  });

  test('without BTF they say so', () => {
    using object = withMaps([mapSpec('m', 'hash')]);
    expect(message(() => object.map('m').getValue(5))).toMatch(/no BTF/);
  });
});
