// The pcap format. Source: draft-ietf-opsawg-pcap (https://datatracker.ietf.org/doc/draft-ietf-opsawg-pcap/); the
// modified form is that of libpcap (sf-pcap.c, KUZNETZOV_TCPDUMP_MAGIC).
import { ByteReader, ByteWriter, type Endian } from '../base/bytes.ts';
import { fail } from '../base/diagnostic.ts';
import { captureTooLarge, captureVersion, cannotWrite } from '../base/messages/capture.ts';
import type { ChunkQueue, Parser } from './input.ts';
import { type CaptureInterface, type CapturePacket, MAX_PACKET_BYTES } from './packet.ts';

interface PcapForm {
  /** Nanoseconds of one unit of the record's second timestamp word. */
  readonly unit: number;
  /** Bytes of a record's header. */
  readonly recordBytes: number;
}

/** Magic numbers, as a reader of the file's own byte order sees them. */
const FORMS: ReadonlyMap<number, PcapForm> = new Map([
  [0xa1b2c3d4, { unit: 1000, recordBytes: 16 }],
  [0xa1b23c4d, { unit: 1, recordBytes: 16 }],
  // Alexey Kuznetzov's libpcap of old Linux distributions: interface index, protocol and packet type after the lengths.
  [0xa1b2cd34, { unit: 1000, recordBytes: 24 }],
]);

const HEADER_BYTES = 24;
const VERSION_MAJOR = 2;
const VERSION_MINOR = 4;
/** The upper bits of the link type word tell of frame check sequences. */
const LINK_TYPE_MASK = 0x03ffffff;
const SECOND = 1_000_000_000n;

/** The byte order of a file that begins with these four bytes, or undefined where it is no pcap. */
export function pcapEndian(magic: Uint8Array): Endian | undefined {
  for (const endian of ['little', 'big'] as const) {
    if (FORMS.has(new ByteReader(magic, endian).u32(0))) return endian;
  }
  return undefined;
}

/** Reads what follows the magic number. */
export function* parsePcap(input: ChunkQueue, magic: Uint8Array, endian: Endian): Parser<CapturePacket> {
  const form = FORMS.get(new ByteReader(magic, endian).u32(0)) as PcapForm;
  const header = new ByteReader(yield* input.take(HEADER_BYTES - 4, 'the pcap file header'), endian);
  const [major, minor] = [header.u16(0), header.u16(2)];
  if (major !== VERSION_MAJOR) fail(captureVersion(input.place(undefined, 4), 'pcap', major, minor, '2.x'));
  const captured: CaptureInterface = {
    index: 0,
    linkType: header.u32(16) & LINK_TYPE_MASK,
    snapLength: header.u32(12),
  };
  let second = -1;
  let began = 0n;
  for (let count = 1; input.holds(1) || !(yield* input.atEnd()); count++) {
    const start = input.offset;
    if (!input.holds(form.recordBytes)) yield* input.need(form.recordBytes, 'a record header', `record ${count}`);
    const time = input.u32(0, endian);
    if (time !== second) {
      second = time;
      began = BigInt(time) * SECOND;
    }
    const fraction = input.u32(4, endian) * form.unit;
    const length = input.u32(8, endian);
    const originalLength = input.u32(12, endian);
    input.passHeld(form.recordBytes);
    // What the file says of its snap length is not trusted: many files have records beyond it.
    if (length > MAX_PACKET_BYTES)
      fail(captureTooLarge(input.place(`record ${count}`, start), 'the packet', length, MAX_PACKET_BYTES));
    if (!input.holds(length)) yield* input.need(length, 'a packet', `record ${count}`);
    const data = input.takeHeld(length);
    yield { interface: captured, timestamp: began + BigInt(fraction), data, originalLength };
  }
}

export interface PcapOptions {
  /** Of the whole file; little where absent. */
  readonly endian?: Endian;
  readonly linkType: number;
  /** Resolution of timestamps; finer parts are cut off. Microseconds where absent, which every tool reads. */
  readonly resolution?: 'micro' | 'nano';
}

/** A pcap file as bytes, piece by piece: the header, then one record a packet. */
export class PcapWriter {
  readonly #options: PcapOptions;

  constructor(options: PcapOptions) {
    this.#options = options;
  }

  /** The file header: goes first, once. */
  header(): Uint8Array<ArrayBuffer> {
    const { endian, linkType, resolution = 'micro' } = this.#options;
    return new ByteWriter(endian)
      .u32(resolution === 'nano' ? 0xa1b23c4d : 0xa1b2c3d4)
      .u16(VERSION_MAJOR)
      .u16(VERSION_MINOR)
      .u32(0)
      .u32(0)
      .u32(MAX_PACKET_BYTES)
      .u32(linkType)
      .finish();
  }

  /** Raises capture/write for a packet above the size limit or a time that 32 bits of seconds cannot hold. */
  packet(packet: Pick<CapturePacket, 'timestamp' | 'data' | 'originalLength'>): Uint8Array<ArrayBuffer> {
    const { endian, resolution = 'micro' } = this.#options;
    const { timestamp = 0n, data, originalLength } = packet;
    if (data.length > MAX_PACKET_BYTES)
      fail(cannotWrite({}, `a packet has ${data.length} bytes, above the limit of ${MAX_PACKET_BYTES}`));
    if (timestamp < 0n || timestamp / SECOND > 0xffff_ffffn)
      fail(cannotWrite({}, `the time ${timestamp} ns is outside what pcap can hold`));
    return new ByteWriter(endian)
      .u32(Number(timestamp / SECOND))
      .u32(Number((timestamp % SECOND) / (resolution === 'nano' ? 1n : 1000n)))
      .u32(data.length)
      .u32(originalLength)
      .bytes(data)
      .finish();
  }
}
