// Calls of helpers that the interpreter makes code of when they are hot: from the first call to long after, what the reference gives.
import { describe, expect, test } from 'vitest';
import { toHex } from '../../src/base/bytes.ts';
import { CALLS_BEFORE_CODE } from '../../src/compile/interpret/helper-table.ts';
import { memoryHost } from '../../src/hosts/memory/host.ts';
import { loadObject } from '../../src/run/loader.ts';
import type { LoadedObject } from '../../src/run/object.ts';
import type { EngineName } from '../../src/spec/backend.ts';
import type { MapTypeName } from '../../src/spec/map-types.ts';
import { mapSpec, objectSpec } from '../run/support.ts';

const ENTRIES = 32;
const LPM = 'lpm_trie';

/** What the program does with the map `m`, by the packet: byte 0 the operation, byte 1 the key. Keys of tries are full prefixes. */
const TEXT = `
  r6 = *(u32 *)(r1 + 0)
  r7 = *(u32 *)(r1 + 4)
  r2 = r6
  r2 += 8
  if r2 > r7 goto none
  r8 = *(u8 *)(r6 + 0)
  r9 = *(u8 *)(r6 + 1)
  r1 = 32
  *(u32 *)(r10 - 8) = r1
  *(u32 *)(r10 - 4) = r9
  r2 = r10
  r2 += KEY
  r1 = map[m] ll
  if r8 == 1 goto update
  if r8 == 2 goto delete
  call bpf_map_lookup_elem
  if r0 == 0 goto none
  r1 = *(u64 *)(r0 + 0)
  r1 += 3
  *(u64 *)(r0 + 0) = r1
  r0 = r1
  exit
update:
  *(u64 *)(r10 - 16) = r9
  r3 = r10
  r3 += -16
  r4 = *(u8 *)(r6 + 2)
  call bpf_map_update_elem
  exit
delete:
  call bpf_map_delete_elem
  exit
none:
  r0 = 77
  exit`;

function loaded(type: MapTypeName, engine: EngineName, trusted: boolean): LoadedObject {
  const trie = type === LPM;
  const map = mapSpec('m', type, {
    keySize: trie ? 8 : 4,
    valueSize: 8,
    maxEntries: ENTRIES,
    flags: trie ? 1 : 0,
  });
  const text = TEXT.replace('KEY', trie ? '-8' : '-4');
  return loadObject(objectSpec([{ name: 'main', text }], [map]), { host: memoryHost({ cpus: 2 }), engine, trusted });
}

const TYPES: readonly MapTypeName[] = [
  'array',
  'percpu_array',
  'hash',
  'percpu_hash',
  'lru_hash',
  'lru_percpu_hash',
  LPM,
];

function seen(object: LoadedObject): unknown {
  const results: number[] = [];
  for (let i = 0; i < 8 * CALLS_BEFORE_CODE; i++) {
    const data = new Uint8Array(64);
    data.set([[0, 1, 0, 2, 1][i % 5], (i * 7 + (i >> 3)) % (ENTRIES + 6), i % 3]);
    results.push(object.program().run({ data }).retval);
  }
  const contents = [...object.map('m').entries()].map(([key, value]) => `${toHex(key)}=${toHex(value)}`).sort();
  return { results, contents };
}

describe.each([false, true])('trusted: %s', (trusted) => {
  test.each(TYPES)('%s', (type) => {
    using expected = loaded(type, 'reference', trusted);
    using object = loaded(type, 'interpret', trusted);
    expect(seen(object)).toEqual(seen(expected));
  });
});

test('a key that may not be read is refused as before, and the call goes on as code', () => {
  const text = `
    r6 = *(u32 *)(r1 + 0)
    r2 = *(u32 *)(r1 + 4)
    r2 -= 4
    if r2 < r6 goto none
    r7 = *(u8 *)(r6 + 0)
    r2 += r7
    r1 = map[m] ll
    call bpf_map_lookup_elem
    if r0 == 0 goto none
    r0 = 1
    exit
    none: r0 = 2
    exit`;
  const run = (engine: EngineName): unknown[] => {
    using object = loadObject(objectSpec([{ name: 'main', text }], [mapSpec('m', 'array')]), {
      host: memoryHost(),
      engine,
    });
    return Array.from({ length: 2 * CALLS_BEFORE_CODE + 60 }, (_, i) => {
      const data = new Uint8Array(64);
      data[0] = i % 50 === 49 ? 2 : 0;
      try {
        return object.program().run({ data }).retval;
      } catch (error) {
        return String(error);
      }
    });
  };
  const results = run('interpret');
  // Addresses in messages depend on what else an engine keeps in the memory.
  const plain = (all: readonly unknown[]): unknown[] => all.map((one) => String(one).replaceAll(/0x[0-9a-f]+/g, '0x'));
  expect(plain(results)).toEqual(plain(run('reference')));
  expect(results.filter((one) => typeof one === 'string')).not.toHaveLength(0);
});
