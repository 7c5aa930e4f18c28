// What the compiler makes of code that a verifier has passed: rotations, and bytes of the stack in locals. Each must be there
// where it may be, not be there where it may not, and change no result.
import { describe, expect, test } from 'vitest';
import { compilerBackend } from '../../src/compile/wasm/backend.ts';
import { referenceBackend } from '../../src/compile/reference/backend.ts';
import { LinearMemory } from '../../src/run/memory.ts';
import { helper, type HelperRow } from '../../src/spec/helper.ts';
import { memoryHost } from '../../src/hosts/memory/host.ts';
import { loadObject } from '../../src/run/loader.ts';
import { mapSpec, objectSpec } from '../run/support.ts';
import { start } from './support.ts';
import { exportedCode, mainCode, trustedBackend, watched } from './wasm-code.ts';

const count = (code: readonly string[], ...names: readonly string[]): number =>
  code.filter((name) => names.includes(name)).length;
const LOADS = ['i64.load', 'i64.load32_u', 'i64.load16_u', 'i64.load8_u', 'i64.load32_s', 'i64.load8_s'];
const STORES = ['i64.store', 'i64.store32', 'i64.store16', 'i64.store8'];

const fill: HelperRow = helper({
  name: 'fill',
  numbers: {},
  args: ['memOut', 'size'],
  returns: 'integer',
  doc: 'Fills memory with ones.',
  body: (env, at, size) => {
    env.memory.u8.fill(1, at, at + size);
    return 0;
  },
});
const helpers = { 1: fill };

/** The result on the reference, which verified and checked code must give as well. */
function resultOf(text: string): bigint {
  const run = (backend: typeof compilerBackend): bigint => start({ backend, programs: [text], helpers }).run();
  const expected = run(referenceBackend);
  expect(run(trustedBackend)).toBe(expected);
  expect(run(compilerBackend)).toBe(expected);
  return expected;
}

const rotl = (x: bigint, by: bigint): bigint => BigInt.asUintN(64, (x << by) | (x >> (64n - by)));
const VALUE = 'r1 = 0x123456789abcdef1 ll';

describe('rotations', () => {
  test.each([
    ['64 bits', `${VALUE}\n r2 = r1\n r2 >>= 51\n r1 <<= 13\n r1 |= r2\n r0 = r1`, 'i64.rotl'],
    [
      'the right half first in the result',
      `${VALUE}\n r2 = r1\n r2 <<= 13\n r1 >>= 51\n r1 |= r2\n r0 = r1`,
      'i64.rotl',
    ],
    ['put together by exclusive or', `${VALUE}\n r2 = r1\n r2 >>= 32\n r1 <<= 32\n r1 ^= r2\n r0 = r1`, 'i64.rotl'],
    ['put together by addition', `${VALUE}\n r2 = r1\n r2 >>= 1\n r1 <<= 63\n r1 += r2\n r0 = r1`, 'i64.rotl'],
    [
      'with other instructions between',
      `${VALUE}\n r3 = 5\n r2 = r1\n r2 >>= 51\n r3 += r1\n r1 <<= 13\n r3 *= 7\n r1 |= r2\n r0 = r1\n r0 ^= r3`,
      'i64.rotl',
    ],
    [
      'of a copy',
      `${VALUE}\n r4 = r1\n r2 = r4\n r2 >>= 51\n r5 = r1\n r5 <<= 13\n r5 |= r2\n r0 = r5\n r0 += r4`,
      'i64.rotl',
    ],
    ['32 bits', `${VALUE}\n w2 = w1\n w2 >>= 18\n w1 <<= 14\n w1 |= w2\n r0 = r1`, 'i32.rotl'],
    ['32 bits, put together in 64', `${VALUE}\n w2 = w1\n w2 >>= 18\n w1 <<= 14\n r1 |= r2\n r0 = r1`, 'i32.rotl'],
    [
      '32 bits, the halves copied',
      `${VALUE}\n w2 = w1\n w2 >>= 18\n w3 = w2\n w1 <<= 14\n r4 = r1\n w4 |= w3\n r0 = r4`,
      'i32.rotl',
    ],
  ])('%s', (_, text, name) => {
    expect(count(mainCode(`${text}\n exit`), name)).toBe(1);
    resultOf(`${text}\n exit`);
  });

  test.each([
    ['counts that do not add up', `${VALUE}\n r2 = r1\n r2 >>= 50\n r1 <<= 13\n r1 |= r2\n r0 = r1`],
    ['values that differ', `${VALUE}\n r2 = r1\n r2 += 1\n r2 >>= 51\n r1 <<= 13\n r1 |= r2\n r0 = r1`],
    ['two left halves', `${VALUE}\n r2 = r1\n r2 <<= 32\n r1 <<= 32\n r1 |= r2\n r0 = r1`],
    ['an arithmetic shift', `${VALUE}\n r2 = r1\n r2 s>>= 51\n r1 <<= 13\n r1 |= r2\n r0 = r1`],
    ['halves of 64 bits put together in 32', `${VALUE}\n r2 = r1\n r2 >>= 51\n r1 <<= 13\n w1 |= w2\n r0 = r1`],
    ['32 bits of the one, 64 of the other', `${VALUE}\n w2 = w1\n w2 >>= 51\n r1 <<= 13\n r1 |= r2\n r0 = r1`],
    ['no shift at all', `${VALUE}\n r2 = r1\n r2 >>= 0\n r1 <<= 0\n r1 |= r2\n r0 = r1`],
    ['a subtraction', `${VALUE}\n r2 = r1\n r2 >>= 51\n r1 <<= 13\n r1 -= r2\n r0 = r1`],
    [
      'a half of another block',
      `${VALUE}\n r2 = r1\n r2 >>= 51\n if r2 > 9 goto +1\n r1 += 1\n r1 <<= 13\n r1 |= r2\n r0 = r1`,
    ],
    ['a half that went on', `${VALUE}\n r2 = r1\n r2 >>= 51\n r2 += 1\n r1 <<= 13\n r1 |= r2\n r0 = r1`],
  ])('not: %s', (_, text) => {
    expect(count(mainCode(`${text}\n exit`), 'i64.rotl', 'i32.rotl')).toBe(0);
    resultOf(`${text}\n exit`);
  });

  test('a half that two instructions use, with another rotation between', () => {
    const text = `${VALUE}
      r2 = r1
      r2 >>= 51
      r3 = r1
      r3 <<= 13
      r4 = r3
      r3 |= r2
      r5 = r3
      r6 = r3
      r6 <<= 7
      r5 >>= 57
      r6 |= r5
      r4 |= r2
      r0 = r3
      r0 *= 31
      r0 += r6
      r0 *= 31
      r0 += r4
      exit`;
    const value = 0x123456789abcdef1n;
    const first = rotl(value, 13n);
    expect(resultOf(text)).toBe(BigInt.asUintN(64, (first * 31n + rotl(first, 7n)) * 31n + first));
  });
});

describe('wide loads that were cut', () => {
  /** Bytes that a program loads, at r1. */
  const BYTES = Uint8Array.from({ length: 32 }, (_, i) => 0x81 + 7 * i);

  function loaded(text: string): bigint {
    const run = (backend: typeof compilerBackend): bigint => {
      const memory = new LinearMemory();
      const ctx = memory.alloc(32);
      memory.u8.set(BYTES, ctx);
      memory.addRegion({ base: ctx, size: 32, kind: 'context', name: 'ctx', writable: true });
      return start({ backend, programs: [text], memory, ctx }).run();
    };
    const expected = run(referenceBackend);
    expect(run(trustedBackend)).toBe(expected);
    expect(run(compilerBackend)).toBe(expected);
    return expected;
  }
  const number = (at: number, bytes: number): bigint =>
    BigInt.asUintN(8 * bytes, new DataView(BYTES.buffer).getBigUint64(at, true));
  const LOWER_HALF = 'r2 = *(u16 *)(r1 + 4)\n r3 = *(u16 *)(r1 + 6)';

  test.each([
    ['two halves', `${LOWER_HALF}\n w3 <<= 16\n w3 |= w2\n r0 = r3`, number(4, 4)],
    [
      'in 64 bits, the upper half first',
      `r3 = *(u16 *)(r1 + 6)\n r3 <<= 16\n r2 = *(u16 *)(r1 + 4)\n r2 |= r3\n r0 = r2`,
      number(4, 4),
    ],
    [
      'by addition, of a copied address',
      `r4 = r1\n r2 = *(u16 *)(r1 + 4)\n r3 = *(u16 *)(r4 + 6)\n r3 <<= 16\n r3 += r2\n r0 = r3`,
      number(4, 4),
    ],
    ['two bytes', `r2 = *(u8 *)(r1 + 9)\n r2 <<= 8\n r0 = *(u8 *)(r1 + 8)\n r0 |= r2`, number(8, 2)],
    [
      'four bytes',
      `r2 = *(u8 *)(r1 + 1)\n r2 <<= 8\n r0 = *(u8 *)(r1 + 0)\n r2 |= r0\n r3 = *(u8 *)(r1 + 3)\n r3 <<= 8\n r0 = *(u8 *)(r1 + 2)\n r0 |= r3\n r0 <<= 16\n r0 |= r2`,
      number(0, 4),
    ],
    ['two words', `r2 = *(u32 *)(r1 + 8)\n r0 = *(u32 *)(r1 + 12)\n r0 <<= 32\n r0 |= r2`, number(8, 8)],
    [
      'below the address',
      `r1 += 16\n r2 = *(u16 *)(r1 - 4)\n r0 = *(u16 *)(r1 - 2)\n r0 <<= 16\n r0 |= r2`,
      number(12, 4),
    ],
    [
      'the first into the register of the address',
      `r4 = r1\n r1 = *(u16 *)(r1 + 4)\n r0 = *(u16 *)(r4 + 6)\n r0 <<= 16\n r0 |= r1`,
      number(4, 4),
    ],
    [
      'whose parts are used as well',
      `${LOWER_HALF}\n r4 = r3\n r3 <<= 16\n r3 |= r2\n r0 = r3\n r0 *= 31\n r0 += r4\n r0 *= 31\n r0 += r2`,
      (number(4, 4) * 31n + number(6, 2)) * 31n + number(4, 2),
    ],
  ])('%s', (_, text, expected) => {
    expect(count(mainCode(`${text}\n exit`), ...LOADS)).toBe(1);
    expect(loaded(`${text}\n exit`)).toBe(BigInt.asUintN(64, expected));
  });

  test.each([
    ['not side by side', 'r2 = *(u16 *)(r1 + 4)\n r0 = *(u16 *)(r1 + 8)\n r0 <<= 16\n r0 |= r2'],
    ['in the other order', `${LOWER_HALF}\n r2 <<= 16\n r2 |= r3\n r0 = r2`],
    ['at another place', `${LOWER_HALF}\n r3 <<= 24\n r3 |= r2\n r0 = r3`],
    ['that run over 32 bits', 'r2 = *(u16 *)(r1 + 4)\n r0 = *(u32 *)(r1 + 6)\n w0 <<= 16\n w0 |= w2'],
    ['with a sign', 'r2 = *(s16 *)(r1 + 4)\n r0 = *(u16 *)(r1 + 6)\n r0 <<= 16\n r0 |= r2'],
    [
      'with a store between',
      'r2 = *(u16 *)(r1 + 4)\n *(u8 *)(r1 + 6) = 1\n r0 = *(u16 *)(r1 + 6)\n r0 <<= 16\n r0 |= r2',
    ],
    [
      'with a store between, that comes before the first',
      `${LOWER_HALF}\n *(u8 *)(r1 + 4) = 1\n r2 = *(u16 *)(r1 + 4)\n r3 <<= 16\n r3 |= r2\n r0 = r3`,
    ],
    ['of another address', 'r2 = *(u16 *)(r1 + 4)\n r1 += 1\n r0 = *(u16 *)(r1 + 6)\n r0 <<= 16\n r0 |= r2'],
    [
      'in two blocks',
      'r2 = *(u16 *)(r1 + 4)\n if r2 == 0 goto +1\n r2 += 1\n r0 = *(u16 *)(r1 + 6)\n r0 <<= 16\n r0 |= r2',
    ],
    ['that are not all', 'r2 = *(u8 *)(r1 + 4)\n r0 = *(u16 *)(r1 + 5)\n r0 <<= 8\n r0 |= r2'],
  ])('not: %s', (_, text) => {
    expect(count(mainCode(`${text}\n exit`), ...LOADS, 'i64.load16_s')).toBeGreaterThan(1);
    loaded(`${text}\n exit`);
  });
});

/** A lookup; the key is the first byte of the packet, in r6; it is put at r10-4 or r10-8. */
const lookupText = (map: string, before: string): string =>
  `r6 = *(u32 *)(r1 + 0)\n r6 = *(u8 *)(r6 + 0)\n ${before}\n r1 = map[${map}] ll\n call bpf_map_lookup_elem\n` +
  ' if r0 == 0 goto +1\n r0 = *(u64 *)(r0 + 0)\n exit';

describe('bytes of the stack in locals', () => {
  test.each([
    ['a word', `${VALUE}\n *(u64 *)(r10 - 8) = r1\n r0 = *(u64 *)(r10 - 8)`],
    [
      'less than a word',
      `${VALUE}\n *(u32 *)(r10 - 12) = r1\n *(u16 *)(r10 - 6) = r1\n *(u8 *)(r10 - 1) = r1\n r0 = *(u32 *)(r10 - 12)\n r2 = *(u16 *)(r10 - 6)\n r0 += r2\n r2 = *(u8 *)(r10 - 1)\n r0 += r2`,
    ],
    [
      'a constant',
      `*(u64 *)(r10 - 8) = -5\n *(u16 *)(r10 - 10) = -5\n r0 = *(u64 *)(r10 - 8)\n r1 = *(u16 *)(r10 - 10)\n r0 += r1`,
    ],
    [
      'parts of a word',
      `${VALUE}\n *(u64 *)(r10 - 8) = r1\n r0 = *(u32 *)(r10 - 4)\n r2 = *(u16 *)(r10 - 7)\n r0 += r2\n r2 = *(u8 *)(r10 - 1)\n r0 += r2`,
    ],
    ['signed parts', `${VALUE}\n *(u64 *)(r10 - 8) = r1\n r0 = *(s32 *)(r10 - 8)\n r2 = *(s8 *)(r10 - 8)\n r0 += r2`],
    [
      'on both sides of a branch',
      `${VALUE}\n r2 = 1\n *(u64 *)(r10 - 8) = r2\n if r1 > 5 goto +1\n *(u64 *)(r10 - 8) = r1\n r0 = *(u64 *)(r10 - 8)`,
    ],
    [
      'in a loop',
      `r1 = 0\n *(u64 *)(r10 - 8) = r1\n r1 = *(u64 *)(r10 - 8)\n r1 += 3\n *(u64 *)(r10 - 8) = r1\n if r1 < 30 goto -4\n r0 = r1`,
    ],
    [
      'below what a helper writes',
      `${VALUE}\n *(u64 *)(r10 - 24) = r1\n r1 = r10\n r1 += -16\n r2 = 16\n call 1\n r0 = *(u64 *)(r10 - 24)`,
    ],
    [
      'above what a helper writes',
      `${VALUE}\n *(u64 *)(r10 - 8) = r1\n r1 = r10\n r1 += -24\n r2 = 16\n call 1\n r0 = *(u64 *)(r10 - 8)`,
    ],
    [
      'beside what another pointer reaches',
      `${VALUE}\n r2 = r10\n r2 += -16\n *(u64 *)(r10 - 24) = r1\n r3 = 7\n *(u64 *)(r2 + 0) = 9\n r0 = *(u64 *)(r10 - 24)`,
    ],
  ])('%s', (name, text) => {
    const code = mainCode(`${text}\n exit`, { helpers });
    // What is left is the store of "another pointer", and the load of a helper's result that no number holds.
    expect(count(code, ...STORES)).toBe(name.startsWith('beside') ? 1 : 0);
    expect(count(code, ...LOADS)).toBe(text.includes('call') ? 1 : 0);
    resultOf(`${text}\n exit`);
  });

  test.each([
    [
      'what a helper writes',
      `${VALUE}\n *(u64 *)(r10 - 8) = r1\n r1 = r10\n r1 += -8\n r2 = 8\n call 1\n r0 = *(u64 *)(r10 - 8)`,
    ],
    [
      'what a helper writes in part',
      `${VALUE}\n *(u64 *)(r10 - 8) = r1\n r1 = r10\n r1 += -12\n r2 = 5\n call 1\n r0 = *(u64 *)(r10 - 8)`,
    ],
    [
      'behind a pointer whose size is not known',
      `${VALUE}\n *(u64 *)(r10 - 8) = r1\n r3 = *(u8 *)(r10 - 8)\n r3 &= 7\n r3 += 1\n r1 = r10\n r1 += -16\n r2 = r3\n call 1\n r0 = *(u64 *)(r10 - 8)`,
    ],
    [
      'what another pointer reaches',
      `${VALUE}\n r2 = r10\n r2 += -8\n *(u64 *)(r10 - 8) = r1\n *(u8 *)(r2 + 3) = 9\n r0 = *(u64 *)(r10 - 8)`,
    ],
    [
      'what one of two pointers reaches',
      `${VALUE}\n r2 = r10\n r2 += -16\n if r1 > 7 goto +1\n r2 += -8\n *(u64 *)(r10 - 16) = r1\n *(u8 *)(r2 + 3) = 9\n r0 = *(u64 *)(r10 - 16)`,
    ],
    [
      'all, where a pointer goes to memory',
      `${VALUE}\n r2 = r10\n *(u64 *)(r10 - 8) = r2\n *(u64 *)(r10 - 16) = r1\n r3 = *(u64 *)(r10 - 8)\n *(u8 *)(r3 - 15) = 1\n r0 = *(u64 *)(r10 - 16)`,
    ],
    [
      'all, where a pointer is calculated with',
      `${VALUE}\n *(u64 *)(r10 - 16) = r1\n r1 &= 1\n r2 = r10\n r2 -= r1\n *(u8 *)(r2 - 12) = 1\n r0 = *(u64 *)(r10 - 16)`,
    ],
    [
      'all, where a function gets a pointer',
      `${VALUE}\n *(u64 *)(r10 - 16) = r1\n r1 = r10\n call f\n r0 = *(u64 *)(r10 - 16)\n exit\n f:\n *(u8 *)(r1 - 11) = 1\n r0 = 0`,
    ],
    [
      'all, where a loop moves a pointer on',
      `${VALUE}\n *(u64 *)(r10 - 16) = r1\n r2 = r10\n r3 = 0\n r2 += -1\n *(u8 *)(r2 + 0) = r3\n r3 += 1\n if r3 < 16 goto -4\n r0 = *(u64 *)(r10 - 16)`,
    ],
    ['writes that overlap', `${VALUE}\n *(u64 *)(r10 - 8) = r1\n *(u8 *)(r10 - 5) = 0\n r0 = *(u64 *)(r10 - 8)`],
    [
      'reads across the border of writes',
      `${VALUE}\n *(u64 *)(r10 - 8) = r1\n *(u64 *)(r10 - 16) = r1\n r0 = *(u64 *)(r10 - 12)`,
    ],
    [
      'what an atomic operation works on',
      `${VALUE}\n *(u64 *)(r10 - 8) = r1\n lock *(u64 *)(r10 - 8) += r1\n r0 = *(u64 *)(r10 - 8)`,
    ],
  ])('not: %s', (_, text) => {
    expect(count(mainCode(`${text}\n exit`, { helpers }), ...STORES)).toBeGreaterThan(0);
    resultOf(`${text}\n exit`);
  });

  test('not in code that was not verified: a number may be the address', () => {
    const text = 'r1 = 7\n *(u64 *)(r10 - 8) = r1\n r0 = *(u64 *)(r10 - 8)\n exit';
    expect(count(mainCode(text), 'i64.store')).toBe(0);
    // Zero at first, then the number.
    expect(count(mainCode(text, { backend: compilerBackend }), 'i64.store')).toBe(2);
    expect(resultOf(text)).toBe(7n);
  });

  test('are zero in the next run of a batch, as what a function does not write is', () => {
    const text = 'if r1 == 0 goto +1\n *(u64 *)(r10 - 8) = 7\n r0 = *(u64 *)(r10 - 8)\n exit';
    const { memory, images, invocation } = start({ backend: trustedBackend, programs: [text] });
    const contexts = memory.alloc(8);
    const results = memory.alloc(8);
    memory.u32.set([1, 0], contexts >>> 2);
    images[0].code?.runBatch?.(invocation, { contexts, results, count: 2, select: () => undefined });
    expect([...memory.u32.subarray(results >>> 2, (results >>> 2) + 2)]).toEqual([7, 0]);
  });

  describe('with the key of a lookup', () => {
    const more = { valueSize: 8, maxEntries: 16 };
    const maps = [
      mapSpec('array', 'array', more),
      mapSpec('hash', 'hash', more),
      mapSpec('trie', 'lpm_trie', { ...more, keySize: 8, flags: 1 }),
    ];
    const WORD = '*(u32 *)(r10 - 4) = r6\n r2 = r10\n r2 += -4';

    /** Stores of the main function; what it gives for the keys 0 to 19 is what the reference gives. */
    function stores(map: string, before: string): number {
      const modules: Uint8Array[] = [];
      const [expected, found] = (['reference', 'compile'] as const).map((engine) => {
        const load = () =>
          loadObject(objectSpec([{ text: lookupText(map, before) }], maps), {
            host: memoryHost(),
            engine,
            trusted: true,
          });
        const object = watched(modules, load);
        for (let key = 0; key < 16; key += 3) {
          const bytes = Uint8Array.of(key, 0, 0, 0);
          const value = Uint8Array.of(key + 100, 0, 0, 0, 0, 0, 0, 0);
          object.map('array').raw.update(bytes, value);
          object.map('hash').raw.update(bytes, value);
          object.map('trie').raw.update(Uint8Array.of(32, 0, 0, 0, ...bytes), value);
        }
        const data = new Uint8Array(64);
        return Array.from({ length: 20 }, (_, key) => {
          data[0] = key;
          return object.program().run({ data }).retval;
        });
      });
      expect(found).toEqual(expected);
      expect(expected[3]).toBe(103);
      const main = modules.find((bytes) =>
        WebAssembly.Module.exports(new WebAssembly.Module(bytes.slice())).some(({ name }) => name === 'main'),
      );
      return count(exportedCode(main as Uint8Array, 'main'), ...STORES);
    }

    test.each(['array', 'hash'])('%s', (map) => {
      // Only the call of the host, where a chain has no end, needs it in memory.
      expect(stores(map, WORD)).toBe(map === 'hash' ? 1 : 0);
    });

    test.each([
      ['the key of a trie', 'trie', '*(u32 *)(r10 - 8) = 32\n *(u32 *)(r10 - 4) = r6\n r2 = r10\n r2 += -8', 2],
      ['a key written in parts', 'array', '*(u16 *)(r10 - 4) = r6\n *(u16 *)(r10 - 2) = 0\n r2 = r10\n r2 += -4', 2],
      ['a pointer that may be another', 'array', `${WORD}\n *(u32 *)(r10 - 8) = r6\n if r6 > 30 goto +1\n r2 += -4`, 2],
      ['a pointer that may be none', 'array', `${WORD}\n if r6 < 30 goto +1\n r2 = 0`, 1],
    ])('not: %s', (_, map, before, expected) => {
      expect(stores(map, before)).toBe(expected);
    });
  });
});
