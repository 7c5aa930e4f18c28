import { expect, test } from 'vitest';
import { ByteReader, ByteWriter } from '../../src/base/bytes.ts';
import { AnyBpfError } from '../../src/base/diagnostic.ts';

for (const endian of ['little', 'big'] as const) {
  test(`what the writer writes, the reader reads (${endian})`, () => {
    const bytes = new ByteWriter(endian)
      .u8(1)
      .align(4)
      .u32(0x1234_5678)
      .u16(0xabcd)
      .align(8)
      .u64(2n ** 63n + 5n)
      .finish();
    const reader = new ByteReader(bytes, endian);
    expect([reader.u8(0), reader.u32(4), reader.u16(8), reader.u64(16)]).toEqual([
      1,
      0x1234_5678,
      0xabcd,
      2n ** 63n + 5n,
    ]);
  });
}

test('a read past the end is a typed error with its offset', () => {
  const reader = new ByteReader(new Uint8Array(6), 'little', { file: 'x.o', section: '.text' });
  expect(() => reader.u32(4)).toThrow(AnyBpfError);
  expect(() => reader.u32(4)).toThrow('x.o, section .text, offset 0x4: 32-bit field of 4 bytes does not fit');
  expect(() => reader.u8(-1)).toThrow(AnyBpfError);
  expect(() => reader.cString(0)).not.toThrow();
  expect(() => new ByteReader(new Uint8Array([65, 66])).cString(0)).toThrow('no NUL');
});
