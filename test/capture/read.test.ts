import { describe, expect, test } from 'vitest';
import { ByteWriter, concatBytes, type Endian, utf8 } from '../../src/base/bytes.ts';
import type { CapturePacket } from '../../src/capture/packet.ts';
import { readCapture, readCaptureStream } from '../../src/capture/read.ts';
import { block, chunked, epb, idb, option, refusal, section } from './support.ts';

const all = (bytes: Uint8Array): CapturePacket[] => [...readCapture(bytes)];
const ENDIANS: readonly Endian[] = ['little', 'big'];
const DATA = Uint8Array.of(1, 2, 3, 4, 5);

function pcap(endian: Endian, magic: number, extra = 0, version = 2): Uint8Array {
  const out = new ByteWriter(endian).u32(magic).u16(version).u16(4).u32(0).u32(0).u32(65535).u32(1);
  out.u32(1_700_000_000).u32(123_456).u32(DATA.length).u32(60);
  for (let i = 0; i < extra; i++) out.u8(0);
  return out.bytes(DATA).finish();
}

describe.each(ENDIANS)('%s-endian', (endian) => {
  test.each([
    ['microseconds', 0xa1b2c3d4, 0, 1_700_000_000_123_456_000n],
    ['nanoseconds', 0xa1b23c4d, 0, 1_700_000_000_000_123_456n],
    ['modified', 0xa1b2cd34, 8, 1_700_000_000_123_456_000n],
  ])('pcap with %s', (_, magic, extra, timestamp) => {
    expect(all(pcap(endian, magic, extra))).toEqual([
      {
        interface: { index: 0, linkType: 1, snapLength: 65535 },
        timestamp,
        data: DATA,
        originalLength: 60,
      },
    ]);
  });

  test('pcapng: names, resolutions, offsets, options, every kind of packet block, unknown blocks', () => {
    const u64 = (v: bigint) => new ByteWriter(endian).u64(v).finish();
    const old = new ByteWriter(endian).u16(1).u16(7).u32(0).u32(2048).u32(5).u32(9).bytes(DATA).finish();
    const file = concatBytes([
      section(endian),
      idb(1, 0, [option(2, utf8('eth0'), endian), option(3, utf8('uplink'), endian)], endian),
      block(0x7fff_0000, utf8('something private'), endian),
      idb(101, 3, [option(9, Uint8Array.of(0x80 | 10), endian), option(14, u64(2n), endian)], endian),
      epb(
        0,
        1_000_001n,
        DATA,
        [
          option(1, utf8('first'), endian),
          option(1, utf8('second'), endian),
          option(5, u64(77n), endian),
          option(6, new ByteWriter(endian).u32(3).finish(), endian),
          option(7, concatBytes([Uint8Array.of(2), u64(1n)]), endian),
          option(7, concatBytes([Uint8Array.of(1), u64(2n)]), endian),
          option(7, Uint8Array.of(0, 1, 2), endian),
        ],
        endian,
      ),
      block(2, old, endian),
      block(3, new ByteWriter(endian).u32(5).bytes(DATA).finish(), endian),
    ]);
    const eth0 = { index: 0, linkType: 1, snapLength: 0, name: 'eth0', description: 'uplink' };
    expect(all(file)).toEqual([
      {
        interface: eth0,
        timestamp: 1_000_001_000n,
        data: DATA,
        originalLength: 5,
        comments: ['first', 'second'],
        packetId: 77n,
        queue: 3,
        verdicts: [
          { hook: 'xdp', value: 1n },
          { hook: 'tc', value: 2n },
        ],
      },
      // 2048 / 2^10 s and the offset of 2 s.
      {
        interface: { index: 1, linkType: 101, snapLength: 3 },
        timestamp: 4_000_000_000n,
        data: DATA,
        originalLength: 9,
      },
      { interface: eth0, timestamp: undefined, data: DATA, originalLength: 5 },
    ]);
  });

  test('a simple packet is cut to the snap length of the first interface', () => {
    const file = concatBytes([
      section(endian),
      idb(1, 3, [], endian),
      block(3, new ByteWriter(endian).u32(5).bytes(DATA.subarray(0, 3)).finish(), endian),
    ]);
    expect(all(file)).toMatchObject([{ data: DATA.subarray(0, 3), originalLength: 5 }]);
  });
});

test('sections may differ in byte order, and each counts its own interfaces', () => {
  const file = concatBytes([
    section('little'),
    idb(1, 0),
    epb(0, 1n, DATA),
    section('big'),
    idb(113, 0, [], 'big'),
    epb(0, 2n, DATA, [], 'big'),
  ]);
  expect(all(file).map((p) => [p.interface.index, p.interface.linkType, p.timestamp])).toEqual([
    [0, 1, 1000n],
    [1, 113, 2000n],
  ]);
});

test.each([
  [3, 1_000n, 1_000_000_000n],
  [9, 1_000n, 1_000n],
  [12, 1_999n, 1n],
  [0x80, 3n, 3_000_000_000n],
  [0x80 | 32, 1n << 31n, 500_000_000n],
])('time resolution %i', (resolution, ticks, expected) => {
  const file = concatBytes([section(), idb(1, 0, [option(9, Uint8Array.of(resolution))]), epb(0, ticks, DATA)]);
  expect(all(file)[0].timestamp).toBe(expected);
});

test('an unknown block may be larger than what is kept in memory', async () => {
  const file = concatBytes([section(), block(99, new Uint8Array(3 << 20)), idb(1, 0), epb(0, 1n, DATA)]);
  const packets = [];
  for await (const packet of readCaptureStream(chunked(file, [65_536]))) packets.push(packet);
  expect(packets).toHaveLength(1);
});

const good = concatBytes([section(), idb(1, 0)]);
test.each<[string, Uint8Array, string, RegExp]>([
  ['nothing', new Uint8Array(0), 'capture/not-capture', /empty/],
  ['two bytes', Uint8Array.of(0xd4, 0xc3), 'capture/truncated', /magic number/],
  ['an ELF file', utf8('\x7fELF\x02\x01'), 'capture/not-capture', /0x7f454c46/],
  ['pcap version 3', pcap('little', 0xa1b2c3d4, 0, 3), 'capture/version', /pcap version 3\.4/],
  ['a cut pcap header', pcap('little', 0xa1b2c3d4).subarray(0, 20), 'capture/truncated', /file header/],
  ['a cut pcap record', pcap('little', 0xa1b2c3d4).subarray(0, 42), 'capture/truncated', /2 are left/],
  ['a cut record header', pcap('little', 0xa1b2c3d4).subarray(0, 30), 'capture/truncated', /record header/],
  ['pcapng version 2', section('little', 2), 'capture/version', /pcapng version 2\.0/],
  ['no byte-order magic', block(0x0a0d0d0a, new Uint8Array(16)), 'capture/block', /byte-order magic/],
  ['an unknown interface', concatBytes([good, epb(1, 0n, DATA)]), 'capture/interface', /interface 1.*describes 1/],
  [
    'a simple packet without interface',
    concatBytes([section(), block(3, new Uint8Array(8))]),
    'capture/interface',
    /0/,
  ],
  ['packet bytes that are not there', concatBytes([good, epb(0, 0n, DATA, [], 'little', 99)]), 'capture/block', /99/],
  ['a packet of 1 GB', concatBytes([good, epb(0, 0n, DATA, [], 'little', 1 << 30)]), 'capture/too-large', /1073741824/],
  [
    'a block of 4 GB',
    concatBytes([good, Uint8Array.of(6, 0, 0, 0, 252, 255, 255, 255)]),
    'capture/too-large',
    /1048576/,
  ],
  ['a block length of 13', concatBytes([good, Uint8Array.of(6, 0, 0, 0, 13, 0, 0, 0)]), 'capture/block', /length 13/],
  ['two lengths that differ', concatBytes([good, block(99, DATA, 'little', 24)]), 'capture/block', /20 before and 24/],
  ['a body that is too short', concatBytes([good, block(6, new Uint8Array(8))]), 'capture/block', /needs at least 20/],
  [
    'an option past its block',
    concatBytes([good, epb(0, 0n, DATA, [Uint8Array.of(1, 0, 255, 0)])]),
    'capture/block',
    /255 bytes/,
  ],
])('refuses %s', (_, bytes, code, sentence) => {
  const found = refusal(() => all(bytes));
  expect(found.code).toBe(code);
  expect(found.message).toMatch(sentence);
  expect(found.place.offset).toBeTypeOf('number');
});

test('a refusal names the file, the block and the offset, and packets before it were given', () => {
  const file = concatBytes([good, epb(0, 0n, DATA), epb(9, 0n, DATA)]);
  const given: CapturePacket[] = [];
  const found = refusal(() => {
    for (const packet of readCapture(file, { file: 'x.pcapng' })) given.push(packet);
  });
  expect(given).toHaveLength(1);
  expect(found.place).toEqual({ file: 'x.pcapng', section: 'block 4', offset: good.length + 40 + 8 });
});

test('an empty pcap and a pcapng with only a section have no packets', () => {
  expect(all(pcap('big', 0xa1b2c3d4).subarray(0, 24))).toEqual([]);
  expect(all(section('big'))).toEqual([]);
});
