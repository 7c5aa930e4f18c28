// The bytes of journals and snapshots. A file is a header and frames, one after the other; a frame is whole or it is not there:
//
//   header  8 bytes "ANYBPFST", u32 form, u32 kind (1 journal, 2 snapshot), u64 generation, u32 CRC-32 of the 24 before
//   frame   u32 mark, u32 length of the body, u64 number (1, 2, ...), u32 CRC-32 of generation, length, number and body; the body
//
// All little-endian. What is written in one call is one frame, so that it is there as a whole or not at all. A snapshot's last frame is
// empty: without it the snapshot is not whole.
import { crc32 } from 'node:zlib';
import { concatBytes } from '../base/bytes.ts';
import { fail, type Place } from '../base/diagnostic.ts';
import { stateCorrupt, stateVersion } from '../base/messages/state.ts';

export const FORM = 1;
export type FileKind = 'journal' | 'snapshot';
const KINDS: { readonly [K in FileKind]: number } = { journal: 1, snapshot: 2 };

const MAGIC = [...'ANYBPFST'].map((char) => char.charCodeAt(0));
export const HEADER_SIZE = 28;
const MARK = 0x4652_414d;
export const FRAME_HEAD = 20;

export function encodeHeader(kind: FileKind, generation: number): Uint8Array {
  const bytes = new Uint8Array(HEADER_SIZE);
  const view = new DataView(bytes.buffer);
  bytes.set(MAGIC);
  view.setUint32(8, FORM, true);
  view.setUint32(12, KINDS[kind], true);
  view.setBigUint64(16, BigInt(generation), true);
  view.setUint32(24, crc32(bytes.subarray(0, 24)), true);
  return bytes;
}

/** CRC-32 of what a frame says and of where it belongs. */
function checksum(generation: number, sizes: Uint8Array, body: Uint8Array): number {
  const belongs = new Uint8Array(8);
  new DataView(belongs.buffer).setBigUint64(0, BigInt(generation), true);
  return crc32(body, crc32(sizes, crc32(belongs)));
}

/** @param body in pieces, which are not copied before */
export function encodeFrame(generation: number, number: number, body: readonly Uint8Array[]): Uint8Array {
  const bytes = concatBytes([new Uint8Array(FRAME_HEAD), ...body]);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MARK, true);
  view.setUint32(4, bytes.length - FRAME_HEAD, true);
  view.setBigUint64(8, BigInt(number), true);
  view.setUint32(16, checksum(generation, bytes.subarray(4, 16), bytes.subarray(FRAME_HEAD)), true);
  return bytes;
}

export interface ReadFile {
  /** Bodies of the frames, in order. */
  readonly frames: readonly Uint8Array[];
  /** Bytes up to the end of the last whole frame; 0 where not even the header is whole. */
  readonly end: number;
}

/**
 * The frames of a file. What is no whole frame at the end is left out (`end` says where): nobody was told that it is there. Where whole
 * frames follow on it, it is damage, and nothing is believed.
 *
 * @throws AnyBpfError state/corrupt, state/version
 */
export function readFrames(bytes: Uint8Array, kind: FileKind, generation: number, place: Place): ReadFile {
  if (!checkHeader(bytes, kind, generation, place)) return { frames: [], end: 0 };
  const frames: Uint8Array[] = [];
  let at = HEADER_SIZE;
  for (;;) {
    const body = frameAt(bytes, at, generation, frames.length + 1);
    if (body === undefined) break;
    frames.push(body);
    at += FRAME_HEAD + body.length;
  }
  if (at < bytes.length && anyFrameAfter(bytes, at, generation))
    fail(stateCorrupt({ ...place, offset: at }, `entry ${frames.length + 1} is damaged, and others follow`));
  return { frames, end: at };
}

/** False where the file ends within its header and is right so far: it was being made. */
function checkHeader(bytes: Uint8Array, kind: FileKind, generation: number, place: Place): boolean {
  const expected = encodeHeader(kind, generation);
  if (bytes.length >= HEADER_SIZE) {
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const whole = view.getUint32(24, true) === crc32(bytes.subarray(0, 24)) && MAGIC.every((c, i) => bytes[i] === c);
    const form = view.getUint32(8, true);
    if (whole && form !== FORM) fail(stateVersion(place, form, FORM));
  }
  const head = bytes.subarray(0, HEADER_SIZE);
  if (!head.every((byte, i) => byte === expected[i]))
    fail(stateCorrupt({ ...place, offset: 0 }, 'its header is damaged'));
  return bytes.length >= HEADER_SIZE;
}

function frameAt(bytes: Uint8Array, at: number, generation: number, number?: number): Uint8Array | undefined {
  if (bytes.length - at < FRAME_HEAD) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, FRAME_HEAD);
  if (view.getUint32(0, true) !== MARK) return undefined;
  const length = view.getUint32(4, true);
  if (length > bytes.length - at - FRAME_HEAD) return undefined;
  if (number !== undefined && view.getBigUint64(8, true) !== BigInt(number)) return undefined;
  const body = bytes.subarray(at + FRAME_HEAD, at + FRAME_HEAD + length);
  const right = view.getUint32(16, true) === checksum(generation, bytes.subarray(at + 4, at + 16), body);
  return right ? body : undefined;
}

/** Whether any whole frame of this file begins behind `from`. */
function anyFrameAfter(bytes: Uint8Array, from: number, generation: number): boolean {
  const first = MARK & 0xff;
  for (let at = bytes.indexOf(first, from + 1); at >= 0; at = bytes.indexOf(first, at + 1)) {
    if (frameAt(bytes, at, generation) !== undefined) return true;
  }
  return false;
}
