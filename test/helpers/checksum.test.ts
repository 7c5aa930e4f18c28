import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  checksumDifference,
  checksum,
  partial,
  replace2,
  replace4,
  replaceByDifference,
} from '../../src/helpers/internet-checksum.ts';

/** RFC 1071 in the plainest way: all 16-bit words added, carries added back, complement. Little-endian, as fields are read. */
function plain(bytes: Uint8Array): number {
  let sum = 0n;
  for (let i = 0; i < bytes.length; i += 2) sum += BigInt(bytes[i]) + (BigInt(bytes[i + 1] ?? 0) << 8n);
  while (sum > 0xffffn) sum = (sum & 0xffffn) + (sum >> 16n);
  return Number(~sum & 0xffffn);
}

const bytes = (most: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ maxLength: most });
/** Both zeros of one's complement are the same sum. */
const same = (a: number, b: number): boolean => a % 0xffff === b % 0xffff;

describe('internet checksum', () => {
  test('is the sum of RFC 1071', () => {
    fc.assert(
      fc.property(bytes(300), (data) => {
        expect(checksum(data)).toBe(plain(data));
      }),
    );
  });

  test('of parts is the sum of the whole', () => {
    fc.assert(
      fc.property(bytes(200), bytes(200), (a, b) => {
        const even = a.length % 2 === 0 ? a : a.subarray(1);
        const whole = new Uint8Array([...even, ...b]);
        expect(checksum(b, partial(even, 0))).toBe(checksum(whole));
      }),
    );
  });

  test('of a long buffer loses no carry', () => {
    const data = new Uint8Array(1 << 20).fill(0xff);
    expect(checksum(data)).toBe(plain(data));
  });

  test('after a replaced word is that of the changed bytes', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 20, maxLength: 60 }),
        fc.nat(3),
        fc.uint8Array({ minLength: 4, maxLength: 4 }),
        (data, at, word) => {
          const offset = 4 * at;
          const before = new DataView(data.buffer, data.byteOffset);
          const [old2, old4] = [before.getUint16(offset, true), before.getUint32(offset, true)];
          const old = checksum(data);
          const source = data.slice(offset, offset + 4);
          const [new2, new4] = [
            new DataView(word.buffer, word.byteOffset).getUint16(0, true),
            new DataView(word.buffer, word.byteOffset).getUint32(0, true),
          ];
          const two = data.slice();
          two.set(word.subarray(0, 2), offset);
          const four = data.slice();
          four.set(word, offset);
          expect(same(replace2(old, old2, new2), plain(two))).toBe(true);
          expect(same(replace4(old, old4, new4), plain(four))).toBe(true);
          expect(same(replaceByDifference(old, checksumDifference(source, word, 0)), plain(four))).toBe(true);
        },
      ),
    );
  });

  test.each([
    ['nothing', [], [], 0x12345, 0x2346],
    ['added', [], [0x01, 0x02], 0, 0x0201],
    ['taken away', [0x01, 0x02], [], 0, 0xfdfe],
    ['the same twice', [1, 2, 3, 4], [1, 2, 3, 4], 0, 0xffff],
    ['zeros', [0, 0], [0, 0], 0, 0xffff],
  ] as const)('difference of %s', (_, from, to, seed, expected) => {
    expect(checksumDifference(Uint8Array.from(from), Uint8Array.from(to), seed)).toBe(expected);
  });
});
