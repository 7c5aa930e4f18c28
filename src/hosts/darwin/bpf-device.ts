// macOS' /dev/bpf: packets of an interface as they pass (observation; nothing is held back). One read gives many, each behind a header.
// Source: xnu bsd/net/bpf.h. Not run on macOS.
import { alignUp } from '../../base/bytes.ts';
import { nameBytes } from '../../base/structs.ts';
import { ioctlNumber } from './utun.ts';

const IFREQ_BYTES = 32;
const IFNAMSIZ = 16;

/** Calls in the order that a capture needs them: before BIOCSETIF the length, after it the rest. */
export const BPF_IOCTLS = {
  BIOCSBLEN: ioctlNumber('WR', 'B', 102, 4),
  BIOCSETIF: ioctlNumber('W', 'B', 108, IFREQ_BYTES),
  BIOCIMMEDIATE: ioctlNumber('W', 'B', 112, 4),
  BIOCPROMISC: ioctlNumber('', 'B', 105, 0),
  BIOCGDLT: ioctlNumber('R', 'B', 106, 4),
  BIOCGSTATS: ioctlNumber('R', 'B', 111, 8),
} as const;

/** struct ifreq with an interface's name, for BIOCSETIF. */
export function interfaceRequest(name: string): Uint8Array {
  const bytes = new Uint8Array(IFREQ_BYTES);
  bytes.set(nameBytes(name, IFNAMSIZ));
  return bytes;
}

export interface CapturedFrame {
  /** Nanoseconds since 1970. */
  readonly time: bigint;
  /** Bytes on the wire; `data` may be fewer. */
  readonly length: number;
  readonly data: Uint8Array;
}

/** Up to the end of bh_hdrlen; the rest of bh_hdrlen is padding. */
const HEADER_BYTES = 18;

/**
 * The frames of one read. struct bpf_hdr: seconds, microseconds (32 bits each), captured and real length, and its own length; the next
 * one begins at a multiple of 4. What is cut short or says less than its own header ends it.
 */
export function* capturedFrames(buffer: Uint8Array): Generator<CapturedFrame> {
  const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  for (let at = 0; at + HEADER_BYTES <= buffer.length; ) {
    const captured = view.getUint32(at + 8, true);
    const header = view.getUint16(at + 16, true);
    const end = at + header + captured;
    if (header < HEADER_BYTES || end > buffer.length) return;
    const seconds = BigInt(view.getUint32(at, true));
    const micro = BigInt(view.getUint32(at + 4, true));
    yield {
      time: seconds * 1_000_000_000n + micro * 1000n,
      length: view.getUint32(at + 12, true),
      data: buffer.subarray(at + header, end),
    };
    at = alignUp(end, 4);
  }
}
