// Plain data with bytes and 64-bit numbers in it, as bytes: u32 length of the JSON, u32 length of the bytes, JSON, bytes. In the JSON,
// `{"$b": [from, length]}` stands for bytes and `{"$n": "1"}` for a bigint.
import { concatBytes, text, utf8 } from '../base/bytes.ts';

/** Plain data: what JSON has, bytes, and 64-bit numbers. What is undefined is not there. */
export type Plain =
  | string
  | number
  | boolean
  | null
  | bigint
  | Uint8Array
  | readonly Plain[]
  | { readonly [name: string]: Plain | undefined };

const HEAD = 8;

/** In pieces, of which the bytes are those that were given. */
export function plainPieces(value: Plain): Uint8Array[] {
  const blobs: Uint8Array[] = [];
  let size = 0;
  // As a function: a Buffer has become something else before it comes in as `value`.
  function marked(this: Record<string, unknown>, name: string): unknown {
    const value = this[name];
    if (typeof value === 'bigint') return { $n: value.toString() };
    if (!(value instanceof Uint8Array)) return value;
    blobs.push(value);
    size += value.length;
    return { $b: [size - value.length, value.length] };
  }
  const json = utf8(JSON.stringify(value, marked));
  const head = new Uint8Array(HEAD);
  const view = new DataView(head.buffer);
  view.setUint32(0, json.length, true);
  view.setUint32(4, size, true);
  return [head, json, ...blobs];
}

export const encodePlain = (value: Plain): Uint8Array<ArrayBuffer> => concatBytes(plainPieces(value));

/** @throws RangeError or SyntaxError where the bytes are not what plainPieces gives */
export function decodePlain(bytes: Uint8Array): Plain {
  const { value, length } = plainAt(bytes, 0);
  if (length !== bytes.length) throw new RangeError(`${bytes.length - length} bytes are left over`);
  return value;
}

/** The value that begins there, and how many bytes it takes. */
export function plainAt(bytes: Uint8Array, at: number): { readonly value: Plain; readonly length: number } {
  if (at + HEAD > bytes.length) throw new RangeError('it is cut off');
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, HEAD);
  const json = at + HEAD + view.getUint32(0, true);
  const end = json + view.getUint32(4, true);
  if (end > bytes.length) throw new RangeError('it is cut off');
  const blobs = bytes.subarray(json, end);
  const value = JSON.parse(text(bytes.subarray(at + HEAD, json)), (_name, part: unknown) => {
    if (typeof part !== 'object' || part === null) return part;
    if ('$n' in part) return BigInt(String(part.$n));
    if (!('$b' in part)) return part;
    const [from, length] = part.$b as readonly [number, number];
    // A copy: slices of a Buffer are not.
    return new Uint8Array(blobs.subarray(from, from + length));
  }) as Plain;
  return { value, length: end - at };
}
