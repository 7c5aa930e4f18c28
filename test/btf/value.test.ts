import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import { readBits, writeBits } from '../../src/btf/bits.ts';
import { encodeBtf } from '../../src/btf/encode.ts';
import type { BtfType } from '../../src/btf/format.ts';
import { formatValue } from '../../src/btf/format-value.ts';
import { type BtfInput, decodeValue, encodeValue } from '../../src/btf/value.ts';
import { btfLoad, close, mapCreate, mapUpdate, objectId } from '../support/bpf.ts';
import { requireCapability } from '../support/capability.ts';
import { anyTypes, btfOf, endian } from './arbitrary.ts';
import { laidOut } from './layout.ts';

const int = (name: string, size: number, encoding = 0): BtfType => ({
  kind: 'int',
  name,
  size,
  encoding,
  bits: size * 8,
  offset: 0,
});
const member = (name: string, type: number, bitOffset: number, bitSize = 0) => ({ name, type, bitOffset, bitSize });

/** Ids 1 to 17. */
const TYPES: BtfType[] = [
  int('int', 4, 1),
  int('unsigned long', 8),
  int('char', 1, 1),
  int('_Bool', 1, 4),
  { kind: 'float', name: 'double', size: 8 },
  { kind: 'ptr', type: 1 },
  {
    kind: 'enum',
    name: 'color',
    size: 4,
    signed: true,
    values: [
      { name: 'RED', value: -1n },
      { name: 'BLUE', value: 7n },
    ],
  },
  { kind: 'array', element: 3, index: 1, length: 8 },
  { kind: 'array', element: 1, index: 1, length: 3 },
  { kind: 'struct', name: 'in', size: 4, kindFlag: false, members: [member('x', 1, 0)] },
  { kind: 'union', name: '', size: 8, kindFlag: false, members: [member('whole', 2, 0), member('part', 1, 0)] },
  {
    kind: 'struct',
    name: 's',
    size: 32,
    kindFlag: true,
    members: [
      member('i', 1, 0),
      member('', 10, 32),
      member('', 11, 64),
      member('f', 1, 128, 3),
      member('', 1, 131, 5),
      member('g', 2, 136, 40),
      member('text', 8, 192),
    ],
  },
  int('__int128', 16, 1),
  { kind: 'var', name: 'counter', type: 2, linkage: 1 },
  { kind: 'datasec', name: '.bss', size: 16, vars: [{ type: 14, offset: 8, size: 8 }] },
  { kind: 'enum64', name: 'wide', size: 8, signed: false, values: [{ name: 'TOP', value: 1n << 63n }] },
  // As compilers before kind_flag wrote a bitfield: the width stands in the integer.
  { kind: 'struct', name: 'old', size: 4, kindFlag: false, members: [member('a', 18, 0), member('b', 18, 3)] },
  { kind: 'int', name: 'int', size: 4, encoding: 1, bits: 3, offset: 0 },
];
const btf = btfOf(TYPES);
const big = btfOf(TYPES, 'big');

describe('encodeValue and decodeValue', () => {
  it.each([
    ['int', 1, -2, 'feffffff'],
    ['int of a hexadecimal text', 1, '0x10', '10000000', 16],
    ['long', 2, 1n << 63n, '0000000000000080'],
    ['long of a number', 2, 5, '0500000000000000', 5n],
    ['_Bool', 4, true, '01'],
    ['double', 5, -0.5, '000000000000e0bf'],
    ['pointer', 6, 0xffff_8000_0000_0000n, '000000000080ffff'],
    ['enum by name', 7, 'RED', 'ffffffff'],
    ['enum by number', 7, 9, '09000000'],
    ['enum64', 16, 'TOP', '0000000000000080'],
    ['text', 8, 'hi', '6869000000000000'],
    ['text that fills its array', 8, 'abcdefgh', '6162636465666768'],
    ['array', 9, [1, 2, -3], '0100000002000000fdffffff'],
    ['array, the rest zero', 9, [1], '010000000000000000000000', [1, 0, 0]],
    ['128 bits', 13, -1n, 'ffffffffffffffffffffffffffffffff'],
    ['data section', 15, { counter: 3n }, '00000000000000000300000000000000'],
    ['bitfields of old compilers', 17, { a: -1, b: 3 }, '1f000000'],
  ] satisfies [string, number, BtfInput, string, BtfInput?][])('%s', (_what, id, value, hex, back?) => {
    const bytes = encodeValue(btf, id, value);
    expect(Buffer.from(bytes).toString('hex')).toBe(hex);
    expect(decodeValue(btf, id, bytes)).toEqual(back ?? value);
  });

  it('struct with anonymous members and bitfields', () => {
    const value = { i: 1, x: -2, whole: 0x1_0000_0003n, part: 3, f: -4, g: 0xab_cdef_0123n, text: 'eight' };
    const bytes = encodeValue(btf, 12, value);
    expect(decodeValue(btf, 12, bytes)).toEqual(value);
    expect(Buffer.from(bytes.subarray(16, 24)).toString('hex')).toBe('042301efcdab0000');
    expect(Buffer.from(encodeValue(big, 12, { f: -4, g: 1n, i: 1 }).subarray(0, 24)).toString('hex')).toBe(
      '000000010000000000000000000000008000000000010000',
    );
    expect(formatValue(btf, 12, bytes)).toBe(
      '{"i":1,"":{"x":-2},"":{"whole":4294967299,"part":3},"f":"0x4","":"0x0","g":"0xabcdef0123","text":"eight"}',
    );
  });

  it('char arrays that are no text, and booleans that are neither, stay numbers', () => {
    expect(decodeValue(btf, 8, Uint8Array.of(65, 0, 66, 0, 0, 0, 0, 0))).toEqual([65, 0, 66, 0, 0, 0, 0, 0]);
    expect(decodeValue(btf, 4, Uint8Array.of(2))).toBe(2);
  });

  it('raw bytes stand for any value', () => {
    const bytes = Uint8Array.from({ length: 32 }, (_, i) => i);
    expect(encodeValue(btf, 12, bytes)).toEqual(bytes);
    expect(encodeValue(btf, 12, { text: bytes.subarray(0, 8) }).subarray(24)).toEqual(bytes.subarray(0, 8));
  });

  it.each([
    ['a number above the range', 1, 2 ** 31, 'the value is 2147483648'],
    ['a number below the range', 2, -1, 'the value is -1'],
    ['a fraction', 1, 0.5, 'the value is 0.5'],
    ['text for a number', 1, 'ten', 'the value is "ten"'],
    ['an enumerator that is not there', 7, 'GREEN', 'the value is "GREEN"'],
    ['a member that is not there', 12, { nothing: 1 }, "nothing is no member of 's'"],
    ['a bitfield too wide', 12, { f: 4 }, 'f is 4, outside -4 to 3'],
    ['too long a text', 8, 'nine bytes', 'the value has 10 bytes of text for an array of 8'],
    ['too many elements', 9, [1, 2, 3, 4], 'the value has 4 elements for an array of 3'],
    ['a bad element', 9, [1, 2, 'x'], '[2] is "x"'],
    ['a number for a struct', 12, 1, 'the value must be an object'],
    ['an object for an int', 1, {}, 'the value is of type object'],
    ['an object for an array', 9, {}, 'the value must be an array'],
    ['too few raw bytes', 12, new Uint8Array(3), 'the value is given 3 bytes'],
    ['a variable that is not there', 15, { other: 1 }, "other is no variable of '.bss'"],
  ] satisfies [string, number, BtfInput, string][])('refuse %s', (_what, id, value, sentence) => {
    expect(() => encodeValue(btf, id, value)).toThrow(
      expect.objectContaining({ code: 'btf/value', message: expect.stringContaining(sentence) }),
    );
  });

  it('refuse bytes that are too few, and types without values', () => {
    expect(() => decodeValue(btf, 12, new Uint8Array(31))).toThrow(expect.objectContaining({ code: 'btf/value' }));
    expect(() => decodeValue(btf, 0, new Uint8Array(31))).toThrow(expect.objectContaining({ code: 'btf/value' }));
    expect(() => formatValue(btf, 12, new Uint8Array(31))).toThrow(expect.objectContaining({ code: 'btf/value' }));
    expect(() => encodeValue(btf, 0, 1)).toThrow(expect.objectContaining({ code: 'btf/no-size' }));
  });

  it('agree on every layout: what is decoded encodes to the same value', () => {
    fc.assert(
      fc.property(laidOut, endian, fc.infiniteStream(fc.nat({ max: 255 })), ({ types, id, size }, order, random) => {
        const graph = btfOf(types, order);
        expect(graph.sizeOf(id)).toBe(size);
        const value = decodeValue(
          graph,
          id,
          Uint8Array.from({ length: size }, () => random.next().value),
        );
        expect(decodeValue(graph, id, encodeValue(graph, id, value))).toEqual(value);
      }),
      { numRuns: 300 },
    );
  });

  it('give nothing but their own errors for types without sense', () => {
    fc.assert(
      fc.property(anyTypes, endian, fc.uint8Array({ maxLength: 64 }), (graph, order, bytes) => {
        const senseless = btfOf(graph, order);
        for (let id = 0; id < senseless.count; id++) {
          for (const act of [
            () => encodeValue(senseless, id, decodeValue(senseless, id, bytes)),
            () => formatValue(senseless, id, bytes),
          ]) {
            try {
              act();
            } catch (error) {
              if (!(error instanceof AnyBpfError)) throw error;
            }
          }
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe('readBits and writeBits', () => {
  it('touch only the bits they name', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 24, maxLength: 24 }),
        fc.nat({ max: 64 }),
        fc.integer({ min: 1, max: 128 }),
        endian,
        fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }),
        (bytes, offset, bits, order, value) => {
          const range = { offset, bits };
          const before = [...bytes];
          const old = readBits(bytes, range, order);
          writeBits(bytes, range, value, order);
          expect(readBits(bytes, range, order)).toBe(BigInt.asUintN(bits, value));
          writeBits(bytes, range, old, order);
          expect([...bytes]).toEqual(before);
        },
      ),
    );
  });
});

/** What bpftool prints for the one value of a map with this value type. */
const peer = (types: readonly BtfType[], id: number, bytes: Uint8Array): string => {
  const { fd: btfFd, log } = btfLoad(encodeBtf(types));
  if (btfFd < 0) throw new Error(`BTF refused: ${btfFd} ${log}`);
  const map = mapCreate({
    type: 'array',
    keySize: 4,
    valueSize: bytes.length,
    maxEntries: 1,
    btfFd,
    btfKeyTypeId: 1,
    btfValueTypeId: id,
  });
  try {
    expect(map).toBeGreaterThan(0);
    expect(mapUpdate(map, new Uint8Array(4), bytes)).toBe(0);
    const out = execFileSync('bpftool', ['-j', 'map', 'dump', 'id', String(objectId(map))], { encoding: 'utf8' });
    const text = /"formatted":\{"key":0,"value":(.*)\}\}\]\s*$/s.exec(out)?.[1];
    if (text === undefined) throw new Error(out);
    return text;
  } finally {
    if (map > 0) close(map);
    close(btfFd);
  }
};

/** bpftool does not escape a quote or backslash that stands alone. */
const quoteless = (byte: number): number => (byte === 0x22 || byte === 0x5c ? 0x41 : byte);

const oracle = requireCapability('kernel-bpf') ?? requireCapability('bpftool');

describe.skipIf(oracle !== undefined)('bpftool', () => {
  it('prints the same values', () => {
    fc.assert(
      fc.property(
        laidOut,
        fc.infiniteStream(fc.oneof(fc.nat({ max: 255 }), fc.constantFrom(0, 1, 65))),
        ({ types, id, size }, random) => {
          const bytes = Uint8Array.from({ length: size }, () => quoteless(random.next().value));
          // bpftool prints a number that no enumerator has with a sign, whatever the enum's.
          const signed = types.map((t): BtfType => (t.kind === 'enum' ? { ...t, signed: true } : t));
          expect(formatValue(btfOf(signed), id, bytes)).toBe(peer(signed, id, bytes));
        },
      ),
      { numRuns: 60 },
    );
  });
});
