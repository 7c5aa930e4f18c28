// The packets of a capture, pcap or pcapng, told apart by their first bytes.
import { fail, type Place } from '../base/diagnostic.ts';
import { notCapture } from '../base/messages/capture.ts';
import { hex } from '../base/u64.ts';
import { ByteReader } from '../base/bytes.ts';
import { ChunkQueue, MORE, type Parser } from './input.ts';
import type { CapturePacket } from './packet.ts';
import { parsePcap, pcapEndian } from './pcap.ts';
import { isPcapng, parsePcapng } from './pcapng-read.ts';

function* parse(input: ChunkQueue): Parser<CapturePacket> {
  if (yield* input.atEnd()) fail(notCapture(input.place(), 'the file is empty'));
  const magic = yield* input.take(4, 'the magic number');
  const endian = pcapEndian(magic);
  if (endian !== undefined) yield* parsePcap(input, magic, endian);
  else if (isPcapng(magic)) yield* parsePcapng(input);
  else fail(notCapture(input.place(undefined, 0), `it begins with ${hex(new ByteReader(magic, 'big').u32(0))}`));
}

/**
 * The packets of a capture that is wholly in memory; their data are views into it.
 *
 * @throws AnyBpfError `capture/...` with the number of the block or record and the file offset; packets before it were given
 */
export function* readCapture(bytes: Uint8Array, place: Place = {}): Generator<CapturePacket, void, void> {
  const input = new ChunkQueue(place);
  input.push(bytes);
  input.end();
  // At the end of input a parser raises or returns, it never asks for MORE.
  for (const packet of parse(input)) if (packet !== MORE) yield packet;
}

/**
 * The packets of a capture that arrives in chunks of any size. Keeps one block and one chunk in memory; the data of a
 * packet are a view into a chunk, so chunks must not be overwritten while packets are in use.
 *
 * @throws AnyBpfError as {@link readCapture}, and whatever the source of chunks raises
 */
export async function* readCaptureStream(
  chunks: AsyncIterable<Uint8Array>,
  place: Place = {},
): AsyncGenerator<CapturePacket, void, void> {
  for await (const packets of readCaptureChunks(chunks, place)) yield* packets;
}

/**
 * As {@link readCaptureStream}, the packets of a chunk at once: one turn of the event loop for all of them.
 *
 * @throws AnyBpfError as {@link readCapture}, after the packets before it, and whatever the source of chunks raises
 */
export async function* readCaptureChunks(
  chunks: AsyncIterable<Uint8Array>,
  place: Place = {},
): AsyncGenerator<readonly CapturePacket[], void, void> {
  const input = new ChunkQueue(place);
  const parser = parse(input);
  for await (const chunk of chunks) {
    input.push(chunk);
    yield* untilMore(parser);
  }
  input.end();
  yield* untilMore(parser);
}

/** What the parser gives before it asks for more input or ends. Calls it by hand: `for` would close it. */
function* untilMore(parser: Parser<CapturePacket>): Generator<readonly CapturePacket[], void, void> {
  const packets: CapturePacket[] = [];
  try {
    for (let next = parser.next(); next.done !== true && next.value !== MORE; next = parser.next()) {
      packets.push(next.value);
    }
  } catch (error) {
    if (packets.length > 0) yield packets;
    throw error;
  }
  if (packets.length > 0) yield packets;
}
