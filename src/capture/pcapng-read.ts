// The pcapng format, read block by block. Source: draft-ietf-opsawg-pcapng.
import { alignUp, ByteReader, type Endian } from '../base/bytes.ts';
import { fail, type Place } from '../base/diagnostic.ts';
import { badBlock, captureTooLarge, captureVersion, unknownInterface } from '../base/messages/capture.ts';
import type { ChunkQueue, Parser, Part } from './input.ts';
import { type CaptureInterface, type CapturePacket, MAX_PACKET_BYTES, VERDICT_HOOKS } from './packet.ts';
import {
  BLOCK_FRAME_BYTES,
  BLOCK_TITLES,
  BLOCK_TYPES,
  type BlockName,
  BYTE_ORDER_MAGIC,
  MAX_BLOCK_BYTES,
  MAX_INTERFACES,
  OPTIONS,
  SECTION_HEADER,
} from './pcapng-format.ts';
import { type Option, optionTexts, optionValue, readOptions } from './pcapng-options.ts';

/** Section header up to its options: byte-order magic, version, section length. */
const SECTION_BODY_BYTES = 16;
const BILLION = 1_000_000_000n;

interface Clocked {
  readonly interface: CaptureInterface;
  /** Nanoseconds since 1970 of a timestamp in the interface's units. */
  time(ticks: bigint): bigint;
}

interface Block {
  readonly endian: Endian;
  /** Reader over the body, without frame. */
  readonly body: ByteReader;
  readonly title: string;
  readonly place: (at: number) => Place;
}

interface Section {
  readonly endian: Endian;
  readonly interfaces: Clocked[];
}

const NAMES = new Map<number, BlockName>(
  (Object.keys(BLOCK_TYPES) as BlockName[]).map((name) => [BLOCK_TYPES[name], name]),
);

/** True where a file that begins with these four bytes is a pcapng. */
export const isPcapng = (magic: Uint8Array): boolean => new ByteReader(magic).u32(0) === SECTION_HEADER;

/** Reads what follows the block type of the first section header. */
export function* parsePcapng(input: ChunkQueue): Parser<CapturePacket> {
  let section: Section = yield* readSectionHeader(input, 1);
  let interfaces = 0;
  for (let count = 2; !(yield* input.atEnd()); count++) {
    const where = `block ${count}`;
    const start = input.offset;
    const type = new ByteReader(yield* input.take(4, 'a block type', where), section.endian).u32(0);
    if (type === SECTION_HEADER) {
      section = yield* readSectionHeader(input, count);
      continue;
    }
    const { endian } = section;
    const length = new ByteReader(yield* input.take(4, 'a block length', where), endian).u32(0);
    const name = NAMES.get(type);
    const title = name === undefined ? `block of type ${type}` : BLOCK_TITLES[name];
    checkLength(length, BLOCK_FRAME_BYTES, title, input.place(where, start));
    const bodyLength = length - BLOCK_FRAME_BYTES;
    if (name === undefined) {
      yield* input.skip(bodyLength, `a ${title}`, where);
    } else {
      if (length > MAX_BLOCK_BYTES)
        fail(captureTooLarge(input.place(where, start), `the ${title}`, length, MAX_BLOCK_BYTES));
      const bodyStart = input.offset;
      const place = (at: number): Place => input.place(where, bodyStart + at);
      const body = new ByteReader(yield* input.take(bodyLength, `the ${title}`, where), endian, { section: where });
      const block: Block = { endian, body, title, place };
      if (name === 'interfaceDescription') {
        if (interfaces === MAX_INTERFACES)
          fail(captureTooLarge(place(0), 'the list of interfaces', interfaces + 1, MAX_INTERFACES));
        section.interfaces.push(readInterface(block, interfaces++));
      } else yield READERS[name](block, section.interfaces);
    }
    yield* readTrailer(input, length, title, where, endian);
  }
}

function checkLength(length: number, least: number, title: string, place: Place): void {
  if (length < least || length % 4 !== 0)
    fail(badBlock(place, `the ${title}`, `has the length ${length}, expected a multiple of 4 of at least ${least}`));
}

function* readTrailer(input: ChunkQueue, length: number, title: string, where: string, endian: Endian): Part<void> {
  const at = input.offset;
  const trailer = new ByteReader(yield* input.take(4, 'the length after a block', where), endian).u32(0);
  if (trailer !== length)
    fail(badBlock(input.place(where, at), `the ${title}`, `has the length ${length} before and ${trailer} after it`));
}

function* readSectionHeader(input: ChunkQueue, count: number): Part<Section> {
  const where = `block ${count}`;
  const title = 'section header block';
  const start = input.offset - 4;
  const head = yield* input.take(8, `the ${title}`, where);
  const endian = (['little', 'big'] as const).find((e) => new ByteReader(head, e).u32(4) === BYTE_ORDER_MAGIC);
  if (endian === undefined)
    return fail(badBlock(input.place(where, start + 8), `the ${title}`, 'has no byte-order magic'));
  const length = new ByteReader(head, endian).u32(0);
  checkLength(length, BLOCK_FRAME_BYTES + SECTION_BODY_BYTES, title, input.place(where, start));
  const rest = new ByteReader(yield* input.take(SECTION_BODY_BYTES - 4, `the ${title}`, where), endian);
  const [major, minor] = [rest.u16(0), rest.u16(2)];
  // Minor version 2 is what one old writer gave to files of version 1.0; Wireshark reads it so too.
  if (major !== 1 || (minor !== 0 && minor !== 2))
    fail(captureVersion(input.place(where, start + 12), 'pcapng', major, minor, '1.0'));
  // The section length may be unknown (-1) and tells nothing that the blocks do not; options tell of the writer only.
  yield* input.skip(length - BLOCK_FRAME_BYTES - SECTION_BODY_BYTES, `the ${title}`, where);
  yield* readTrailer(input, length, title, where, endian);
  return { endian, interfaces: [] };
}

/** The fixed part of a block's body; raises where the body is shorter. */
function fixedPart(block: Block, size: number): ByteReader {
  if (block.body.length < size)
    fail(badBlock(block.place(0), `the ${block.title}`, `has ${block.body.length} bytes, needs at least ${size}`));
  return block.body;
}

function readInterface(block: Block, index: number): Clocked {
  const body = fixedPart(block, 8);
  const options = readOptions(body.bytes.subarray(8), block.endian, block.place(8));
  const [name] = optionTexts(options, OPTIONS.if_name);
  const [description] = optionTexts(options, OPTIONS.if_description);
  const resolution = optionValue(options, OPTIONS.if_tsresol, 1, block.endian)?.u8(0) ?? 6;
  const offset = BigInt.asIntN(64, optionValue(options, OPTIONS.if_tsoffset, 8, block.endian)?.u64(0) ?? 0n);
  return {
    interface: {
      index,
      linkType: body.u16(0),
      snapLength: body.u32(4),
      ...(name === undefined ? {} : { name }),
      ...(description === undefined ? {} : { description }),
    },
    time: clock(resolution, offset * BILLION),
  };
}

/** if_tsresol: 10^-n, or with the upper bit set 2^-n seconds. */
function clock(resolution: number, offset: bigint): (ticks: bigint) => bigint {
  const exponent = resolution & 0x7f;
  if ((resolution & 0x80) !== 0) return (ticks) => ((ticks * BILLION) >> BigInt(exponent)) + offset;
  if (exponent <= 9) {
    const factor = 10n ** BigInt(9 - exponent);
    return (ticks) => ticks * factor + offset;
  }
  const divisor = 10n ** BigInt(exponent - 9);
  return (ticks) => ticks / divisor + offset;
}

function interfaceOf(block: Block, interfaces: readonly Clocked[], index: number): Clocked {
  const found = interfaces.at(index);
  return found ?? fail(unknownInterface(block.place(0), `the ${block.title}`, index, interfaces.length));
}

/** `size` bytes of packet at `at`; raises where the block does not hold them. */
function packetBytes(block: Block, at: number, size: number): Uint8Array {
  if (size > MAX_PACKET_BYTES) fail(captureTooLarge(block.place(at), 'the packet', size, MAX_PACKET_BYTES));
  if (at + size > block.body.length) {
    const room = block.body.length - at;
    fail(badBlock(block.place(at), `the ${block.title}`, `announces ${size} bytes of packet and holds ${room}`));
  }
  return block.body.bytes.subarray(at, at + size);
}

/** What stands behind the packet in enhanced and obsolete packet blocks. */
function packetOptions(block: Block, at: number): Option[] {
  return at >= block.body.length ? [] : readOptions(block.body.bytes.subarray(at), block.endian, block.place(at));
}

const READERS: Readonly<
  Record<Exclude<BlockName, 'interfaceDescription'>, (block: Block, interfaces: readonly Clocked[]) => CapturePacket>
> = {
  enhancedPacket: (block, interfaces) =>
    stampedPacket(block, interfaceOf(block, interfaces, fixedPart(block, 20).u32(0))),
  // The interface number has 16 bits here, the rest of the word counts drops; its option codes above 3 are unassigned.
  packet: (block, interfaces) => stampedPacket(block, interfaceOf(block, interfaces, fixedPart(block, 20).u16(0))),
  simplePacket(block, interfaces) {
    const body = fixedPart(block, 4);
    const from = interfaceOf(block, interfaces, 0).interface;
    const originalLength = body.u32(0);
    const size = from.snapLength === 0 ? originalLength : Math.min(originalLength, from.snapLength);
    return { interface: from, timestamp: undefined, data: packetBytes(block, 4, size), originalLength };
  },
};

function stampedPacket(block: Block, from: Clocked): CapturePacket {
  const { body, endian } = block;
  const size = body.u32(12);
  const data = packetBytes(block, 20, size);
  const base = {
    interface: from.interface,
    timestamp: from.time((BigInt(body.u32(4)) << 32n) | BigInt(body.u32(8))),
    data,
    originalLength: body.u32(16),
  };
  const options = packetOptions(block, 20 + alignUp(size, 4));
  if (options.length === 0) return base;
  const comments = optionTexts(options, OPTIONS.comment);
  const verdicts = options.flatMap(({ code, value }) => {
    const hook = (['tc', 'xdp'] as const).find((h) => VERDICT_HOOKS[h] === value[0]);
    if (code !== OPTIONS.epb_verdict || hook === undefined || value.length !== 9) return [];
    return [{ hook, value: new ByteReader(value, endian).u64(1) }];
  });
  const packetId = optionValue(options, OPTIONS.epb_packetid, 8, endian)?.u64(0);
  const queue = optionValue(options, OPTIONS.epb_queue, 4, endian)?.u32(0);
  return {
    ...base,
    ...(comments.length === 0 ? {} : { comments }),
    ...(verdicts.length === 0 ? {} : { verdicts }),
    ...(packetId === undefined ? {} : { packetId }),
    ...(queue === undefined ? {} : { queue }),
  };
}
