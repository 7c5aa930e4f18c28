// Requests and messages in a stream of bytes: the length of each as a u32, little-endian, then its bytes. A message is JSON. A request
// is the length of its JSON (u32), the JSON, the object, the kernel's types.
import { concatBytes, text, utf8 } from '../../base/bytes.ts';
import type { VerifierMessage, VerifyRequest } from '../verifier/protocol.ts';

const WORD = 4;

function word(value: number): Uint8Array {
  const bytes = new Uint8Array(WORD);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

const wordAt = (bytes: Uint8Array): number => new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);

const frame = (parts: readonly Uint8Array[]): Uint8Array => {
  const size = parts.reduce((sum, { length }) => sum + length, 0);
  return concatBytes([word(size), ...parts]);
};

/** 64-bit integers are decimal text. */
const plain = (_key: string, value: unknown): unknown => (typeof value === 'bigint' ? value.toString() : value);

export const encodeMessage = (message: VerifierMessage): Uint8Array => frame([utf8(JSON.stringify(message, plain))]);

/** Undefined where it is no JSON. */
export function decodeMessage(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(text(bytes));
  } catch {
    return undefined;
  }
}

export function encodeRequest({ object, kernelTypes, ...rest }: VerifyRequest): Uint8Array {
  const sizes = { object: object.length, ...(kernelTypes === undefined ? {} : { kernelTypes: kernelTypes.length }) };
  const head = utf8(JSON.stringify({ ...rest, sizes }));
  return frame([word(head.length), head, object, ...(kernelTypes === undefined ? [] : [kernelTypes])]);
}

/** The application's own request: it is believed. */
export function decodeRequest(bytes: Uint8Array): VerifyRequest {
  const head = WORD + wordAt(bytes);
  const { sizes, ...rest } = JSON.parse(text(bytes.subarray(WORD, head))) as VerifyRequest & {
    readonly sizes: { readonly object: number; readonly kernelTypes?: number };
  };
  const types = head + sizes.object;
  return {
    ...rest,
    object: bytes.subarray(head, types),
    ...(sizes.kernelTypes === undefined ? {} : { kernelTypes: bytes.subarray(types, types + sizes.kernelTypes) }),
  };
}

/** Puts the pieces of a stream together again. */
export class Frames {
  readonly #limit: number;
  #pieces: Uint8Array[] = [];
  #size = 0;
  /** Bytes until there is something to do: the length of a frame, or all of it. */
  #wanted = WORD;

  /** @param limit most bytes of a frame */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** The frames that are whole with this piece. Raises a RangeError for one that is too long. */
  take(piece: Uint8Array): Uint8Array[] {
    this.#pieces.push(piece);
    this.#size += piece.length;
    const frames: Uint8Array[] = [];
    while (this.#size >= this.#wanted) {
      const all = this.#pieces.length === 1 ? this.#pieces[0] : concatBytes(this.#pieces);
      const size = wordAt(all);
      if (size > this.#limit) throw new RangeError(`a message of ${size} bytes`);
      this.#wanted = WORD + size;
      if (all.length >= this.#wanted) {
        frames.push(all.subarray(WORD, this.#wanted));
        this.#pieces = [all.subarray(this.#wanted)];
        this.#size = all.length - this.#wanted;
        this.#wanted = WORD;
      } else {
        this.#pieces = [all];
      }
    }
    return frames;
  }
}
