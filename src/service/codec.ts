// Plain data as JSON with two more types: bytes and 64-bit integers. `{"$bytes": "<base64>"}` is a Uint8Array, `{"$int": "<decimal>"}` a
// bigint; arrays of bytes from TAIL_FROM up do not go through text but follow the JSON as they are: `{"$tail": <length>}`, in order. A
// key of an object that itself begins with `$` gets another `$`.
import { Buffer } from 'node:buffer';

/** Bytes of an array from which on it goes behind the JSON. */
export const TAIL_FROM = 256;
/** Levels of arrays and objects. No method has as many as half of it. */
export const MAX_DEPTH = 32;

const ESCAPE = 36;
const BYTES = '$bytes';
const INT = '$int';
const TAIL = '$tail';

export interface Encoded {
  readonly json: string;
  /** What follows the JSON. */
  readonly tail: readonly Uint8Array[];
}

/** What arrived is no message. The sentence says why. */
export class CodecError extends Error {}

/** @throws CodecError for what is nested too deep; nothing that the contract's types allow is */
export function encode(value: unknown): Encoded {
  const tail: Uint8Array[] = [];
  return { json: JSON.stringify(tagged(value, tail, 0)), tail };
}

function tagged(value: unknown, tail: Uint8Array[], depth: number): unknown {
  if (typeof value === 'bigint') return { [INT]: value.toString() };
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Uint8Array) return taggedBytes(value, tail);
  if (depth >= MAX_DEPTH) throw new CodecError(`it is nested deeper than ${MAX_DEPTH} levels`);
  if (Array.isArray(value)) return value.map((element) => tagged(element, tail, depth + 1));
  const out: Record<string, unknown> = {};
  for (const [key, inner] of Object.entries(value)) {
    if (inner === undefined) continue;
    setOwn(out, key.charCodeAt(0) === ESCAPE ? `$${key}` : key, tagged(inner, tail, depth + 1));
  }
  return out;
}

function taggedBytes(bytes: Uint8Array, tail: Uint8Array[]): object {
  if (bytes.length < TAIL_FROM) {
    return { [BYTES]: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64') };
  }
  tail.push(bytes);
  return { [TAIL]: bytes.length };
}

/** `__proto__` is a key as others are. */
function setOwn(object: Record<string, unknown>, key: string, value: unknown): void {
  if (key === '__proto__')
    Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
  else object[key] = value;
}

/** @throws CodecError for what `encode` does not make */
export function decode(json: string, tail: Uint8Array): unknown {
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch (error) {
    throw new CodecError(`it is not JSON: ${(error as Error).message}`);
  }
  const reader = new TailReader(tail);
  const value = plain(parsed, reader, 0);
  reader.end();
  return value;
}

/** In place: what JSON.parse has made is nobody else's. */
function plain(value: unknown, tail: TailReader, depth: number): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= MAX_DEPTH) throw new CodecError(`it is nested deeper than ${MAX_DEPTH} levels`);
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) value[i] = plain(value[i], tail, depth + 1);
    return value;
  }
  const object = value as Record<string, unknown>;
  const keys = Object.keys(object);
  if (keys.length === 1 && keys[0].charCodeAt(0) === ESCAPE && keys[0].charCodeAt(1) !== ESCAPE) {
    return untagged(keys[0], object[keys[0]], tail);
  }
  if (keys.some((key) => key.charCodeAt(0) === ESCAPE)) return unescaped(object, tail, depth);
  for (const key of keys) {
    const inner = object[key];
    if (typeof inner === 'object') setOwn(object, key, plain(inner, tail, depth + 1));
  }
  return object;
}

/** An object with keys that begin with `$`: rare, and made anew so that its keys stay in order. */
function unescaped(object: Record<string, unknown>, tail: TailReader, depth: number): object {
  const out: Record<string, unknown> = {};
  for (const [key, inner] of Object.entries(object)) {
    const own = key.charCodeAt(0) === ESCAPE;
    if (own && key.charCodeAt(1) !== ESCAPE) throw new CodecError(`${key} stands beside other keys`);
    setOwn(out, own ? key.slice(1) : key, plain(inner, tail, depth + 1));
  }
  return out;
}

function untagged(tag: string, value: unknown, tail: TailReader): unknown {
  if (tag === BYTES && typeof value === 'string') return fromBase64(value);
  if (tag === TAIL && typeof value === 'number') return tail.take(value);
  if (tag === INT && typeof value === 'string' && /^-?\d{1,20}$/.test(value)) return BigInt(value);
  throw new CodecError(`${tag} is not one of ${BYTES}, ${INT}, ${TAIL} with its kind of value`);
}

function fromBase64(text: string): Uint8Array {
  const bytes = Buffer.from(text, 'base64');
  // Buffer passes over what is no base64, and ends at the first `=`.
  if (Math.ceil(bytes.length / 3) * 4 !== text.length) throw new CodecError(`${BYTES} is not base64`);
  return new Uint8Array(bytes);
}

/** Hands out what follows the JSON, each byte once. */
class TailReader {
  readonly #tail: Uint8Array;
  #at = 0;

  constructor(tail: Uint8Array) {
    this.#tail = tail;
  }

  take(length: number): Uint8Array {
    if (!Number.isInteger(length) || length < 0 || length > this.#tail.length - this.#at) {
      throw new CodecError(`${TAIL} ${length} is not within the ${this.#tail.length} bytes behind the JSON`);
    }
    const from = this.#at;
    this.#at += length;
    // A copy: what is kept of it must not keep the whole frame.
    return new Uint8Array(this.#tail.subarray(from, this.#at));
  }

  end(): void {
    if (this.#at !== this.#tail.length) {
      throw new CodecError(`${this.#tail.length - this.#at} bytes behind the JSON belong to nothing`);
    }
  }
}
