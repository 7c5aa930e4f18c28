// Pitfalls 5 and 8 (pitfalls-list.test.ts): what a wrong verdict reaches, and what becomes of atomic operations.
import { describe, expect, test } from 'vitest';
import { ATOMIC, type AtomicOp } from '../../src/compile/wasm/encoding.ts';
import { memoryHost } from '../../src/hosts/memory/host.ts';
import { loadObject } from '../../src/run/loader.ts';
import { ENGINES } from '../../src/run/engines.ts';
import type { LoadedObject } from '../../src/run/object.ts';
import type { EngineName } from '../../src/spec/backend.ts';
import { loadText, mapSpec, objectSpec } from '../run/support.ts';
import { watched } from './wasm-code.ts';

const FRAME = new Uint8Array(64);
const ELEMENTS = 64;
const MAP = mapSpec('values', 'array', { valueSize: 8, maxEntries: ELEMENTS });
/** What a program of ours would never do: stores all over the memory, whatever is there, from the first page on. */
const STORM = `r1 = 65536
again:
*(u32 *)(r1 + 0) = 0x5a5a5a5a
r1 += 4
if r1 < 131064 goto again
r0 = 2
exit`;
const UNTOUCHED = Array.from({ length: ELEMENTS }, (_, n) => BigInt(n) * 0x0101_0101n);

function storm(options: { readonly trusted: boolean; readonly engine: EngineName }): LoadedObject {
  const object = loadText('xdp', STORM, { maps: [MAP], options });
  fill(object);
  return object;
}

function fill(object: LoadedObject): void {
  UNTOUCHED.forEach((value, n) => {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, value, true);
    object.map('values').set(n, bytes);
  });
}

const contents = (object: LoadedObject): bigint[] =>
  Array.from({ length: ELEMENTS }, (_, n) => {
    const bytes = object.map('values').get(n) as Uint8Array;
    return new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  });

describe('5: a program that should never have been accepted', () => {
  test('without checks spoils its own object’s maps, and no other object’s', () => {
    using bystander = storm({ trusted: true, engine: 'compile' });
    using spoiled = storm({ trusted: true, engine: 'compile' });
    expect(spoiled.runtime.memory).not.toBe(bystander.runtime.memory);
    try {
      spoiled.program().run({ data: FRAME });
    } catch {
      // It may have spoiled what its own run needs.
    }
    expect(contents(spoiled)).not.toEqual(UNTOUCHED);
    expect(contents(bystander)).toEqual(UNTOUCHED);
  });

  test.each(Object.keys(ENGINES) as EngineName[])('with checks spoils nothing: %s', (engine) => {
    using object = storm({ trusted: false, engine });
    expect(() => object.program().run({ data: FRAME })).toThrow(expect.objectContaining({ code: 'run/bad-access' }));
    expect(contents(object)).toEqual(UNTOUCHED);
  });

  test('shares a memory only with objects that are loaded into its runtime', () => {
    using first = storm({ trusted: false, engine: 'compile' });
    using friend = loadObject(objectSpec([{ text: 'r0 = 1\nexit', type: 'xdp' }], [MAP]), {
      host: first.runtime.host,
      runtime: first.runtime,
    });
    using stranger = loadObject(objectSpec([{ text: 'r0 = 1\nexit', type: 'xdp' }], [MAP]), { host: memoryHost() });
    expect(friend.runtime.memory).toBe(first.runtime.memory);
    expect(stranger.runtime.memory).not.toBe(first.runtime.memory);
  });
});

const UPDATES: readonly (readonly [string, AtomicOp])[] = [
  ['lock *(u64 *)(r6 + 0) += r7', 'i64.atomic.rmw.add'],
  ['lock *(u32 *)(r6 + 0) += r7', 'i64.atomic.rmw32.add_u'],
  ['lock *(u64 *)(r6 + 0) |= r7', 'i64.atomic.rmw.or'],
  ['lock *(u32 *)(r6 + 0) |= r7', 'i64.atomic.rmw32.or_u'],
  ['lock *(u64 *)(r6 + 0) &= r7', 'i64.atomic.rmw.and'],
  ['lock *(u32 *)(r6 + 0) &= r7', 'i64.atomic.rmw32.and_u'],
  ['lock *(u64 *)(r6 + 0) ^= r7', 'i64.atomic.rmw.xor'],
  ['lock *(u32 *)(r6 + 0) ^= r7', 'i64.atomic.rmw32.xor_u'],
  ['r7 = atomic_fetch_add((u64 *)(r6 + 0), r7)', 'i64.atomic.rmw.add'],
  ['r7 = xchg_64(r6 + 0, r7)', 'i64.atomic.rmw.xchg'],
  ['w7 = xchg32_32(r6 + 0, w7)', 'i64.atomic.rmw32.xchg_u'],
  ['r0 = cmpxchg_64(r6 + 0, r0, r7)', 'i64.atomic.rmw.cmpxchg'],
  ['w0 = cmpxchg32_32(r6 + 0, w0, w7)', 'i64.atomic.rmw32.cmpxchg_u'],
  ['store_release((u64 *)(r6 + 0), r7)', 'i64.atomic.store'],
  ['store_release((u32 *)(r6 + 0), r7)', 'i64.atomic.store32'],
];

/** Whether an instruction of the threads proposal, with its alignment, is among the bytes. */
function has(modules: readonly Uint8Array[], op: AtomicOp): boolean {
  const [opcode, alignment] = ATOMIC[op];
  return modules.some((bytes) =>
    bytes.some((byte, at) => byte === 0xfe && bytes[at + 1] === opcode && bytes[at + 2] === alignment),
  );
}

/** Looks element 0 up for r6. */
const updating = (text: string): string => `*(u32 *)(r10 - 4) = 0
r1 = map[values] ll
r2 = r10
r2 += -4
call bpf_map_lookup_elem
if r0 == 0 goto out
r6 = r0
r7 = 5
r0 = 3
${text}
out:
r0 = 2
exit`;

function made(text: string, shared: boolean) {
  const after: bigint[][] = [];
  const modules: Uint8Array[] = [];
  watched(modules, () => {
    const options = {
      engine: 'compile',
      trusted: true,
      memoryLimit: 2 ** 22,
      ...(shared ? { shared } : {}),
    } as const;
    using object = loadText('xdp', updating(text), { maps: [MAP], options });
    fill(object);
    expect(object.program().run({ data: FRAME }).retval).toBe(2);
    after.push(contents(object));
  });
  return { modules, after: after[0] };
}

// That nothing is lost by two threads: test/shared/maps.test.ts.
describe('8: an atomic operation is one of WebAssembly’s wherever another thread may reach the memory', () => {
  test.each(UPDATES)('%s', (text, op) => {
    const shared = made(text, true);
    const alone = made(text, false);
    expect(has(shared.modules, op)).toBe(true);
    // A plain one may stand for it only where nobody else looks, and leaves the same.
    expect(has(alone.modules, op)).toBe(false);
    expect(shared.after).toEqual(alone.after);
  });

  test('a memory that was not made to be shared cannot become so', () => {
    using object = loadText('xdp', updating(UPDATES[0][0]), { maps: [MAP] });
    expect(object.runtime.memory.wasm.buffer).toBeInstanceOf(ArrayBuffer);
    expect(() => object.share()).toThrow(expect.objectContaining({ code: expect.stringMatching(/^run\//) }));
  });
});
