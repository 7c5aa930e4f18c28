// Messages in a stream of bytes, as the language server protocol frames them: `Content-Length: N`, an empty line, N bytes. Of these the
// last `Tail-Length` are no JSON but what the codec has put behind it. How long a frame may be is decided by its header: nothing of one
// that is too long is kept. Where both ends share memory, `Shared-Position` and `Shared-Length` say where in it the tail is instead.
import { Buffer } from 'node:buffer';
import { decode, encode } from './codec.ts';
import type { FrameLimits } from './limits.ts';
import { type SharedReader, SHARED_FROM, type SharedWriter } from './shared/ring.ts';

const CRLF2 = '\r\n\r\n';
/** Bytes of a header, with its empty line. */
const MOST_HEADER = 256;
const LENGTH = 'content-length';
const TAIL = 'tail-length';
const SHARED_POSITION = 'shared-position';
const SHARED_LENGTH = 'shared-length';
const FIELDS: ReadonlySet<string> = new Set([LENGTH, TAIL, SHARED_POSITION, SHARED_LENGTH]);
/** First size of the place for a frame that does not come in one piece. */
const FIRST_ROOM = 4 * 1024;
const NOTHING = Buffer.alloc(0);

/** What arrived is no frame, or one that is too long: nothing that follows can be understood. */
export class FrameError extends Error {}

/** A message as the pieces that are written for it. A large tail goes into the memory that is shared, where there is room. */
export function encodeFrame(message: unknown, shared?: SharedWriter): Buffer[] {
  const { json, tail } = encode(message);
  const text = Buffer.byteLength(json);
  if (tail.length === 0) return [Buffer.from(`Content-Length: ${text}${CRLF2}${json}`)];
  const behind = tail.reduce((sum, { length }) => sum + length, 0);
  const position = behind < SHARED_FROM ? undefined : shared?.put(tail, behind);
  if (position !== undefined) {
    const place = `Shared-Position: ${position}\r\nShared-Length: ${behind}`;
    return [Buffer.from(`Content-Length: ${text}\r\n${place}${CRLF2}${json}`)];
  }
  const head = Buffer.from(`Content-Length: ${text + behind}\r\nTail-Length: ${behind}${CRLF2}${json}`);
  return [head, ...tail.map(({ buffer, byteOffset, length }) => Buffer.from(buffer, byteOffset, length))];
}

interface Header {
  /** Bytes of the whole frame, of its header, of its tail. */
  readonly size: number;
  readonly start: number;
  readonly tail: number;
  /** Where the tail is in the memory that is shared. */
  readonly shared?: { readonly position: number; readonly length: number };
}

function readHeader(text: string, limits: FrameLimits): Header {
  const fields = new Map<string, number>();
  for (const line of text.split('\r\n')) {
    const [, name, value] = /^([A-Za-z-]+): *(.*)$/.exec(line) ?? [];
    if (name === undefined) throw new FrameError('what arrived is no header of a frame');
    const key = name.toLowerCase();
    if (!FIELDS.has(key)) continue;
    if (fields.has(key) || !/^\d{1,16}$/.test(value) || (key !== SHARED_POSITION && value.length > 10))
      throw new FrameError(`the header has no usable ${name}`);
    fields.set(key, Number(value));
  }
  const content = fields.get(LENGTH);
  const tail = fields.get(TAIL) ?? 0;
  if (content === undefined || tail > content) throw new FrameError('the header has no usable Content-Length');
  if (content - tail > limits.json)
    throw new FrameError(`a message of ${content - tail} bytes; ${limits.json} may be sent`);
  if (tail > limits.tail) throw new FrameError(`${tail} bytes behind a message; ${limits.tail} may be sent`);
  const start = text.length + CRLF2.length;
  const position = fields.get(SHARED_POSITION);
  const length = fields.get(SHARED_LENGTH);
  if (position === undefined || length === undefined) return { size: start + content, start, tail };
  return { size: start + content, start, tail, shared: { position, length } };
}

/** Takes a stream apart into messages: pieces are pushed, messages taken, in the order that suits who takes them. */
export class FrameReader {
  /** Of the next frame whose header is read. */
  limits: FrameLimits;
  /** Memory that the other side puts tails into. */
  shared: SharedReader | undefined;
  /** What has arrived and was not taken: from #start to #end. */
  #room: Buffer = NOTHING;
  #start = 0;
  #end = 0;
  /** The place is this reader's own, with room behind #end. */
  #own = false;
  #header: Header | undefined;

  constructor(limits: FrameLimits) {
    this.limits = limits;
  }

  /** Bytes of memory that are kept for what was not taken. */
  get kept(): number {
    return this.#room.length;
  }

  push(piece: Buffer): void {
    if (this.#start === this.#end) {
      this.#room = piece;
      this.#start = 0;
      this.#end = piece.length;
      this.#own = false;
    } else {
      this.#append(piece);
    }
  }

  /**
   * The next message that is whole; undefined where there is none yet.
   *
   * @throws FrameError, CodecError
   */
  next(): unknown {
    const bytes = this.#room.subarray(this.#start, this.#end);
    const header = (this.#header ??= this.#headerIn(bytes));
    if (header === undefined || bytes.length < header.size) return undefined;
    const end = header.size - header.tail;
    const json = bytes.toString('utf8', header.start, end);
    const { shared } = header;
    const message =
      shared === undefined || this.shared === undefined
        ? decode(json, bytes.subarray(end, header.size))
        : this.shared.take(shared.position, shared.length, (piece) => decode(json, piece));
    this.#header = undefined;
    this.#start += header.size;
    if (this.#start === this.#end) this.#room = NOTHING;
    return message;
  }

  #headerIn(bytes: Buffer): Header | undefined {
    const end = bytes.subarray(0, MOST_HEADER).indexOf(CRLF2, 0, 'latin1');
    if (end >= 0) return readHeader(bytes.toString('latin1', 0, end), this.limits);
    if (bytes.length >= MOST_HEADER) throw new FrameError(`a header of more than ${MOST_HEADER} bytes`);
    return undefined;
  }

  /** The place grows with what has arrived, not with what was promised. */
  #append(piece: Buffer): void {
    const held = this.#end - this.#start;
    if (!this.#own || this.#end + piece.length > this.#room.length) {
      const twice = Math.min(2 * held, this.#header?.size ?? FIRST_ROOM);
      const room = Buffer.allocUnsafeSlow(Math.max(twice, held + piece.length, FIRST_ROOM));
      this.#room.copy(room, 0, this.#start, this.#end);
      this.#room = room;
      this.#start = 0;
      this.#end = held;
      this.#own = true;
    }
    piece.copy(this.#room, this.#end);
    this.#end += piece.length;
  }
}
