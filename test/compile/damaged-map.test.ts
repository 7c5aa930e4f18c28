// A program that is trusted without having been verified can write over the links between the elements of a map. Whatever walks them
// then comes to an end, and says so.
import { describe, expect, test } from 'vitest';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import type { LoadedObject } from '../../src/run/object.ts';
import { DESCRIPTOR, LPM, ROW } from '../../src/spec/map-layout.ts';
import type { MapTypeName } from '../../src/spec/map-types.ts';
import { loadText, mapSpec } from '../run/support.ts';

const call = (helper: string): string => `r2 = r10
r2 += -8
r3 = r10
r3 += -16
r4 = 0
r1 = map[m] ll
call ${helper}`;

/** Keys that the map does not have. */
const TEXTS = {
  lookup: `*(u64 *)(r10 - 8) = -1\n ${call('bpf_map_lookup_elem')}\n exit`,
  update: `*(u64 *)(r10 - 8) = -1\n *(u64 *)(r10 - 16) = 0\n ${call('bpf_map_update_elem')}\n exit`,
  delete: `*(u64 *)(r10 - 8) = -1\n ${call('bpf_map_delete_elem')}\n exit`,
};

function codeOf(run: () => unknown): string {
  try {
    return `done: ${run()}`;
  } catch (error) {
    if (error instanceof AnyBpfError) return error.code;
    throw error;
  }
}

/** Every chain of a hash table leads to its first element for ever. */
function bend(object: LoadedObject): void {
  const { memory, handle } = memoryOf(object);
  const field = (name: keyof typeof DESCRIPTOR): number => memory.u32[(handle + DESCRIPTOR[name]) >>> 2];
  const buckets = field('DATA') >>> 2;
  const size = field('MASK') + 1;
  const row = memory.u32.subarray(buckets, buckets + size).find((head) => head !== 0) as number;
  memory.u32.fill(row, buckets, buckets + size);
  memory.u32[(row + ROW.NEXT) >>> 2] = row;
}

function memoryOf(object: LoadedObject): { readonly memory: { readonly u32: Uint32Array }; readonly handle: number } {
  const { raw } = object.map('m');
  return { memory: (raw as unknown as { memory: { u32: Uint32Array } }).memory, handle: raw.handle };
}

const prefix = (bits: number, ...bytes: number[]): Uint8Array =>
  Uint8Array.from([bits, 0, 0, 0, ...bytes, 0, 0, 0, 0]).subarray(0, 8);

const load = (type: MapTypeName, text: string, engine: 'compile' | 'reference', flags = 0): LoadedObject =>
  loadText('xdp', text, {
    maps: [mapSpec('m', type, { keySize: 8, valueSize: 8, maxEntries: 100, flags })],
    options: { engine, trusted: true },
  });

const fill = (object: LoadedObject, count: number): void => {
  for (let n = 1; n <= count; n++) object.map('m').set(BigInt(n), BigInt(n));
};

describe.each(['compile', 'reference'] as const)('%s: a chain that is a ring ends', (engine) => {
  test.each(
    (['hash', 'percpu_hash', 'lru_hash', 'lru_percpu_hash'] as const).flatMap((type) =>
      (Object.keys(TEXTS) as (keyof typeof TEXTS)[]).map((operation) => [type, operation] as const),
    ),
  )('%s: %s', (type, operation) => {
    using object = load(type, TEXTS[operation], engine);
    fill(object, 20);
    bend(object);
    const run = (): unknown => object.program().run({ data: new Uint8Array(64) }).retval;
    expect(codeOf(run)).toBe('map/damaged');
    try {
      run();
    } catch (error) {
      const { place } = (error as AnyBpfError).diagnostic;
      expect(place).toMatchObject({ map: 'm', program: 'main' });
      expect(place.insn).toBeGreaterThan(0);
    }
    expect(codeOf(() => object.map('m').get(-1n))).toBe('map/damaged');
  });

  test('lpm_trie: a node is its own child', () => {
    using object = load('lpm_trie', TEXTS.lookup.replace('= -1', '= 32'), engine, 1);
    object.map('m').set(prefix(8, 0), 1n);
    object.map('m').set(prefix(16, 0, 0), 2n);
    const { memory, handle } = memoryOf(object);
    const root = memory.u32[(handle + DESCRIPTOR.DATA) >>> 2];
    memory.u32[(root + LPM.CHILD) >>> 2] = root;
    const run = (): unknown => object.program().run({ data: new Uint8Array(64) }).retval;
    expect(codeOf(run)).toBe('map/damaged');
    expect(codeOf(() => object.map('m').set(prefix(24, 0, 0, 0), 3n))).toBe('map/damaged');
    expect(codeOf(() => object.map('m').delete(prefix(24, 0, 0, 0)))).toBe('map/damaged');
  });
});

test('iteration never goes back', () => {
  using object = load('hash', TEXTS.lookup, 'reference');
  fill(object, 20);
  const { memory } = memoryOf(object);
  const { raw } = object.map('m');
  const rows: number[] = [];
  raw.forEachElem?.((key) => {
    rows.push(key - 16);
    return 0;
  });
  memory.u32[(rows[10] + ROW.STATE) >>> 2] = 2 * 3 + 1;
  expect(codeOf(() => [...object.map('m').keys()].length)).toBe('map/damaged');
});
