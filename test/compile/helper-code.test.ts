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
import { watched } from './wasm-code.ts';

const ENTRIES = 32;

/** Addresses in messages depend on what else an engine keeps in the memory. */
const plain = (all: readonly unknown[]): unknown[] => all.map((one) => String(one).replaceAll(/0x[0-9a-f]+/g, '0x'));
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
  expect(plain(results)).toEqual(plain(run('reference')));
  expect(results.filter((one) => typeof one === 'string')).not.toHaveLength(0);
});

/** r6: the packet (at least 64 bytes), r7: its end. Each ends with what it has to tell in r0. */
const CALLS: Readonly<Record<string, string>> = {
  'queue: push, peek, pop': `
    r1 = *(u64 *)(r6 + 0)
    *(u64 *)(r10 - 8) = r1
    r1 = map[queue] ll
    r2 = r10
    r2 += -8
    r3 = *(u8 *)(r6 + 1)
    r3 &= 2
    call bpf_map_push_elem
    r9 = r0
    r1 = map[queue] ll
    r2 = r10
    r2 += -16
    call bpf_map_peek_elem
    r9 += r0
    r8 = *(u8 *)(r6 + 2)
    if r8 > 100 goto out
    r1 = map[queue] ll
    r2 = r10
    r2 += -16
    call bpf_map_pop_elem
    r9 += r0
    r1 = *(u64 *)(r10 - 16)
    r9 += r1
    out: r0 = r9
    exit`,
  'stack: pop of an empty one': `
    *(u64 *)(r10 - 8) = 9
    r1 = map[stack] ll
    r2 = r10
    r2 += -8
    call bpf_map_pop_elem
    r1 = *(u64 *)(r10 - 8)
    r0 += r1
    exit`,
  'a ring: output, query': `
    r1 = map[ring] ll
    r2 = r6
    r3 = *(u8 *)(r6 + 1)
    r3 &= 31
    r4 = 0
    call bpf_ringbuf_output
    r9 = r0
    r1 = map[ring] ll
    r2 = *(u8 *)(r6 + 2)
    r2 &= 3
    call bpf_ringbuf_query
    r0 += r9
    exit`,
  'a checksum of packet and stack': `
    r1 = *(u32 *)(r6 + 4)
    *(u64 *)(r10 - 8) = r1
    r1 = r10
    r1 += -8
    r2 = *(u8 *)(r6 + 1)
    r2 &= 8
    r3 = r6
    r4 = *(u8 *)(r6 + 2)
    r4 &= 60
    r5 = *(u32 *)(r6 + 8)
    call bpf_csum_diff
    exit`,
  'the number of the CPU': 'call bpf_get_smp_processor_id\nr0 += 5\nexit',
  'the value of another CPU': `
    *(u32 *)(r10 - 4) = 1
    r1 = map[each] ll
    r2 = r10
    r2 += -4
    r3 = *(u8 *)(r6 + 1)
    r3 &= 3
    call bpf_map_lookup_percpu_elem
    if r0 == 0 goto none
    r1 = *(u64 *)(r0 + 0)
    r1 += 1
    *(u64 *)(r0 + 0) = r1
    r0 = r1
    none: exit`,
  'the length of the packet': 'r1 = r8\ncall bpf_xdp_get_buff_len\nexit',
  'bytes of the packet, to and from the stack': `
    *(u64 *)(r10 - 8) = 0
    r9 = *(u8 *)(r6 + 2)
    r1 = r8
    r2 = r9
    r3 = r10
    r3 += -8
    r4 = *(u8 *)(r6 + 1)
    r4 &= 7
    call bpf_xdp_load_bytes
    r7 = r0
    r1 = r8
    r2 = r9
    r2 ^= 1
    r3 = r10
    r3 += -8
    r4 = 3
    call bpf_xdp_store_bytes
    r0 += r7
    r1 = *(u64 *)(r10 - 8)
    r0 += r1
    exit`,
};

/** Bytes of the packets, which are the same each time. */
const byteAt = (run: number, at: number): number => (Math.imul(run * 64 + at + 1, 0x9e37_79b1) >>> 13) & 0xff;

function outcomes(text: string, engine: EngineName, trusted: boolean): unknown {
  const prologue = `
    r8 = r1
    r6 = *(u32 *)(r1 + 0)
    r7 = *(u32 *)(r1 + 4)`;
  const maps = [
    mapSpec('queue', 'queue', { keySize: 0, valueSize: 8, maxEntries: 4 }),
    mapSpec('stack', 'stack', { keySize: 0, valueSize: 8, maxEntries: 4 }),
    mapSpec('ring', 'ringbuf', { keySize: 0, valueSize: 0, maxEntries: 4096 }),
    mapSpec('each', 'percpu_array', { valueSize: 8, maxEntries: 4 }),
  ];
  using object = loadObject(objectSpec([{ name: 'main', text: `${prologue}\n${text}` }], maps), {
    host: memoryHost({ cpus: 2 }),
    engine,
    trusted,
  });
  return Array.from({ length: 3 * CALLS_BEFORE_CODE }, (_, run) => {
    const data = Uint8Array.from({ length: 64 }, (_, at) => byteAt(run, at));
    try {
      const { retval, data: after } = object.program().run({ data });
      return [retval, toHex(after ?? new Uint8Array())];
    } catch (error) {
      return String(error);
    }
  });
}

describe.each(Object.entries(CALLS))('%s', (_, text) => {
  test.each([false, true])('trusted: %s', (trusted) => {
    // So that the interpreter itself is there.
    outcomes('r0 = 0\nexit', 'interpret', trusted);
    const made: Uint8Array[] = [];
    expect(watched(made, () => outcomes(text, 'interpret', trusted))).toEqual(outcomes(text, 'reference', trusted));
    // What takes the word of the context about its packet is for verified code only.
    expect(made.length > 0).toBe(trusted || !text.includes('_xdp_'));
  });
});
