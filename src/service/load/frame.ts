import { concatBytes } from '../../base/bytes.ts';

/** Bytes behind their length, as hosts/node/frames.ts takes them apart. */
export function framed(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const head = new Uint8Array(4);
  new DataView(head.buffer).setUint32(0, bytes.length, true);
  return concatBytes([head, bytes]);
}
