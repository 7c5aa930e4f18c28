// Records of ring buffers, both ways (uapi linux/bpf.h: BPF_RINGBUF_BUSY_BIT and so on), and what the two types check alike.
import type { Status } from '../spec/map.ts';
import { RING } from '../spec/map-layout.ts';
import type { MapSpec } from '../spec/object.ts';
import { checkCommon, EINVAL } from './attributes.ts';
import { round8 } from './layout.ts';

/** Bits of a record's length word, and BPF_RINGBUF_HDR_SZ. */
export const { BUSY, DISCARD, LARGEST: LENGTH, HEADER } = RING;

const PAGE = 4096;

/** Bytes of a record in the ring: header, data, padding. */
export const recordSize = (size: number): number => round8(HEADER + size);

export function checkRing(spec: MapSpec, flags: number): Status {
  const common = checkCommon(spec);
  if (common !== 0) return common;
  const { maxEntries } = spec;
  if ((spec.flags & ~flags) !== 0 || spec.keySize !== 0 || spec.valueSize !== 0) return EINVAL;
  return maxEntries < PAGE || !Number.isInteger(Math.log2(maxEntries)) ? EINVAL : 0;
}
