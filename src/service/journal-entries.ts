// What journals and snapshots say, as bytes: elements of maps in as few as there can be, all else as JSON with its bytes behind it.
import type { Id, ObjectKind } from '../spec/session.ts';
import type { AttachedRecord } from './durable.ts';
import { type Plain, plainAt, plainPieces } from './plain.ts';

/** An object as it is made again. */
export interface ObjectRecord {
  readonly kind: ObjectKind;
  readonly id: Id;
  /** What has to be there before. */
  readonly needs: readonly { readonly kind: ObjectKind; readonly id: Id }[];
  /** Maps whose elements hold objects: of which kind, and at which byte of the value the id stands. */
  readonly holds?: { readonly kind: ObjectKind; readonly at: number };
  /** It holds by itself, without handle or pin. */
  readonly root?: true;
  /** What the context makes it of. */
  readonly of: Plain;
}

/** One change. In a snapshot: what there is. */
export type Entry =
  | { readonly op: 'set'; readonly map: Id; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly op: 'delete'; readonly map: Id; readonly key: Uint8Array }
  /** Bytes that objects are made of and that several may have in common (object files, BTF), by their SHA-256. */
  | { readonly op: 'blob'; readonly digest: string; readonly bytes: Uint8Array }
  | { readonly op: 'object'; readonly object: ObjectRecord }
  | { readonly op: 'gone'; readonly kind: ObjectKind; readonly id: Id }
  | { readonly op: 'pin'; readonly path: string; readonly kind: ObjectKind; readonly id: Id }
  | { readonly op: 'unpin'; readonly path: string }
  | { readonly op: 'frozen'; readonly map: Id }
  /** All that prog.attach has attached without a link. */
  | { readonly op: 'attached'; readonly attached: readonly AttachedRecord[] }
  /** Ids that were the last of their kinds: none of them is given again. */
  | { readonly op: 'ids'; readonly last: Readonly<Record<ObjectKind, Id>> };

const TAG = { record: 0, set: 1, delete: 2 } as const;
const SET_HEAD = 13;
const DELETE_HEAD = 9;

/** Tag and words, then the bytes: one piece, which copies what was given. */
function element(tag: number, words: readonly number[], ...parts: readonly Uint8Array[]): Uint8Array {
  let size = 1 + 4 * words.length;
  for (const { length } of parts) size += length;
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  bytes[0] = tag;
  let at = 1;
  for (const word of words) {
    view.setUint32(at, word, true);
    at += 4;
  }
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** The entry's bytes, in pieces that share nothing with it but the bytes of a blob. */
export function encodeEntry(entry: Entry): Uint8Array[] {
  if (entry.op === 'set') {
    const { map, key, value } = entry;
    return [element(TAG.set, [map, key.length, value.length], key, value)];
  }
  if (entry.op === 'delete') return [element(TAG.delete, [entry.map, entry.key.length], entry.key)];
  return [Uint8Array.of(TAG.record), ...plainPieces(entry as unknown as Plain)];
}

/**
 * The entries of a frame.
 * @throws RangeError or SyntaxError where they are not what encodeEntry gives: with the right checksum, another program wrote them
 */
export function decodeEntries(body: Uint8Array): Entry[] {
  const entries: Entry[] = [];
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  let at = 0;
  const take = (size: number): Uint8Array => {
    if (at + size > body.length) throw new RangeError('an entry is cut off');
    at += size;
    return body.subarray(at - size, at);
  };
  while (at < body.length) {
    const word = (index: number): number => view.getUint32(start + 1 + 4 * index, true);
    const start = at;
    const tag = body[start];
    if (tag === TAG.set) {
      take(SET_HEAD);
      const key = take(word(1));
      entries.push({ op: 'set', map: word(0), key, value: take(word(2)) });
    } else if (tag === TAG.delete) {
      take(DELETE_HEAD);
      entries.push({ op: 'delete', map: word(0), key: take(word(1)) });
    } else if (tag === TAG.record) {
      const { value, length } = plainAt(body, start + 1);
      take(1 + length);
      entries.push(value as unknown as Entry);
    } else throw new RangeError(`no entry begins with ${tag}`);
  }
  return entries;
}
