// Codecs: what they say of bytes is what BTF says, and what does not fit is refused with its path.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import {
  array,
  bool,
  bytes,
  characters,
  type Codec,
  decode,
  encode,
  enumeration,
  f32,
  f64,
  s8,
  s16,
  s32,
  s64,
  s128,
  u8,
  u16,
  u32,
  u64,
  u128,
} from '../../src/skeleton/codec.ts';
import { at, bits, boolBits, enumBits, struct, wideBits } from '../../src/skeleton/struct.ts';

const refusal = (body: () => unknown): string => {
  try {
    body();
  } catch (error) {
    if (!(error instanceof AnyBpfError)) throw error;
    expect(error.code).toBe('skeleton/value');
    return error.diagnostic.message;
  }
  return 'taken';
};

describe('integers', () => {
  const ROWS = { u8, s8, u16, s16, u32, s32, u64, s64, u128, s128 } as unknown as Record<
    string,
    Codec<number | bigint>
  >;
  it.each(Object.entries(ROWS))('%s: all its values, little-endian, and no others', (name, codec) => {
    const width = codec.size * 8;
    const signed = name.startsWith('s');
    const low = signed ? -(1n << BigInt(width - 1)) : 0n;
    const high = (1n << BigInt(signed ? width - 1 : width)) - 1n;
    fc.assert(
      fc.property(fc.bigInt(low, high), (value) => {
        const given = width <= 32 ? Number(value) : value;
        const out = encode(codec, given);
        let read = 0n;
        for (const byte of [...out].reverse()) read = (read << 8n) | BigInt(byte);
        expect(signed ? BigInt.asIntN(width, read) : read).toBe(value);
        expect(decode(codec, out)).toBe(given);
        // Either kind of number is taken.
        expect(encode(codec, value)).toEqual(out);
      }),
    );
    for (const outside of [low - 1n, high + 1n]) {
      expect(refusal(() => encode(codec, outside, 'x'))).toBe(`x is ${outside}, outside ${low} to ${high}`);
    }
    for (const other of [1.5, Number.NaN, '1', undefined, null, {}, true, 2 ** 60]) {
      expect(refusal(() => encode(codec, other as never))).toMatch(/not an integer/);
    }
  });
});

describe('text, bytes and others', () => {
  it('char arrays are text up to the first NUL, or bytes', () => {
    const name = characters(6);
    expect(decode(name, encode(name, 'größe'.slice(0, 4)))).toBe('größ');
    expect(encode(name, 'abcdef')).toEqual(Uint8Array.from([97, 98, 99, 100, 101, 102]));
    expect(encode(name, new Uint8Array([255, 0, 1]))).toEqual(Uint8Array.from([255, 0, 1, 0, 0, 0]));
    expect(decode(name, Uint8Array.from([97, 0, 98, 0, 0, 0]))).toBe('a');
    expect(refusal(() => encode(name, 'abcdefg', 'comm'))).toBe('comm has 7 bytes for an array of 6');
    expect(refusal(() => encode(name, 5 as never, 'comm'))).toBe('comm is 5, not text');
  });
  it('bytes are copies, and as many as the type has', () => {
    const source = Uint8Array.from([1, 2, 3]);
    const seen = decode(bytes(2), source);
    source[0] = 9;
    expect(seen).toEqual(Uint8Array.from([1, 2]));
    expect(refusal(() => encode(bytes(2), source, 'mac'))).toBe('mac is 3 bytes, not 2 bytes');
    expect(refusal(() => decode(bytes(4), source))).toBe('the value takes 4 bytes, there are 3');
  });
  it('booleans and floats', () => {
    expect(decode(bool, Uint8Array.of(2))).toBe(true);
    expect(encode(bool, false)).toEqual(Uint8Array.of(0));
    expect(refusal(() => encode(bool, 1 as never, 'on'))).toBe('on is 1, not a boolean');
    expect(decode(f32, encode(f32, 0.5))).toBe(0.5);
    expect(decode(f64, encode(f64, Math.PI))).toBe(Math.PI);
    expect(refusal(() => encode(f64, 1n as never, 'rate'))).toBe('rate is 1n, not a number');
  });
  it('arrays are whole', () => {
    const grid = array(array(u16, 2), 2);
    expect(
      decode(
        grid,
        encode(grid, [
          [1, 2],
          [3, 4],
        ]),
      ),
    ).toEqual([
      [1, 2],
      [3, 4],
    ]);
    expect(refusal(() => encode(grid, [[1, 2], [3]], 'grid'))).toBe('grid[1] must be an array of 2 elements');
    expect(
      refusal(() =>
        encode(
          grid,
          [
            [1, 2],
            [3, -1],
          ],
          'grid',
        ),
      ),
    ).toBe('grid[1][1] is -1, outside 0 to 65535');
  });
  it('enums are names where they have one', () => {
    const layer = enumeration(s32, { NONE: 0, ALSO_NONE: 0, LAST: -1 });
    expect(decode(layer, encode(layer, 'LAST'))).toBe('LAST');
    expect(decode(layer, encode(layer, 0))).toBe('NONE');
    expect(decode(layer, encode(layer, 'ALSO_NONE'))).toBe('NONE');
    expect(decode(layer, encode(layer, 7))).toBe(7);
    expect(layer.values.LAST).toBe(-1);
    expect(refusal(() => encode(layer, 'toString' as never, 'layer'))).toBe(
      'layer is "toString", which is no enumerator',
    );
    const wide = enumeration(u64, { BIG: 1n << 40n });
    expect(decode(wide, encode(wide, 'BIG'))).toBe('BIG');
    expect(decode(wide, encode(wide, 5n))).toBe(5n);
  });
});

describe('structs and unions', () => {
  interface Address {
    family: number;
    v4: number;
    v6: Uint8Array;
  }
  const address = struct<Address, { family: number; v4?: number; v6?: Uint8Array }>(20, {
    family: at(0, u32),
    v4: at(4, u32),
    v6: at(4, bytes(16)),
  });

  it('of members that share bytes one is enough, and several must agree', () => {
    const one = encode(address, { family: 2, v4: 0x0100007f });
    expect(decode(address, one)).toEqual({
      family: 2,
      v4: 0x0100007f,
      v6: Uint8Array.from([127, 0, 0, 1, ...new Uint8Array(12)]),
    });
    // What was read can be written as it is.
    expect(encode(address, decode(address, one))).toEqual(one);
    expect(refusal(() => encode(address, { ...decode(address, one), v4: 5 }, 'a'))).toBe(
      'a.v4 shares bytes with another member that says otherwise: give one of them',
    );
    expect(encode(address, { family: 0 })).toEqual(new Uint8Array(20));
  });
  it('members are all there, and no others', () => {
    expect(refusal(() => encode(address, { v4: 1 } as never, 'a'))).toBe('a.family is missing');
    expect(refusal(() => encode(address, { family: 1, port: 2 } as never))).toBe('port is no member');
    for (const other of [null, 5, 'x', [], new Uint8Array(20)])
      expect(refusal(() => encode(address, other as never, 'a'))).toBe('a must be an object with the members');
  });
  it('bitfields lie where C puts them', () => {
    const flags = struct<{ low: number; sign: number; on: boolean; kind: 'A' | 'B' | number; big: bigint }>(16, {
      low: bits(0, 3),
      sign: bits(3, 5, true),
      on: boolBits(8, 1),
      kind: enumBits(9, 7, { A: 1, B: 2 }),
      big: wideBits(64, 40),
    });
    const value = { low: 5, sign: -3, on: true, kind: 'B', big: (1n << 40n) - 1n } as const;
    const out = encode(flags, value);
    expect(out.subarray(0, 2)).toEqual(Uint8Array.of(5 | ((-3 & 31) << 3), 1 | (2 << 1)));
    expect(out.subarray(8)).toEqual(Uint8Array.of(255, 255, 255, 255, 255, 0, 0, 0));
    expect(decode(flags, out)).toEqual(value);
    expect(refusal(() => encode(flags, { ...value, low: 8 }))).toBe('low is 8, outside 0 to 7 of its 3 bits');
    expect(refusal(() => encode(flags, { ...value, on: 1 as never }))).toBe('on is 1, not a boolean');
    expect(refusal(() => encode(flags, { ...value, kind: 'C' as never }))).toBe('kind is "C", which is no enumerator');
  });
  it('a member may have any name of C', () => {
    const odd = struct<{ ['__proto__']: number; constructor: number }>(8, {
      ['__proto__']: at(0, u32),
      constructor: at(4, u32),
    });
    const seen = decode(odd, Uint8Array.of(1, 0, 0, 0, 2, 0, 0, 0));
    expect(Object.getPrototypeOf(seen)).toBe(Object.prototype);
    expect(Object.entries(seen)).toEqual([
      ['__proto__', 1],
      ['constructor', 2],
    ]);
    expect(encode(odd, seen)).toEqual(Uint8Array.of(1, 0, 0, 0, 2, 0, 0, 0));
  });
});
