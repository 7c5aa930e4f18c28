import { ERRNO } from '../spec/errno.ts';
import { helper, type HelperEnv, type HelperFamily } from '../spec/helper.ts';
import type { Address } from '../spec/memory.ts';
import { packetOf } from './context.ts';
import { clearHash, holds } from './skb.ts';

const BPF_F_RECOMPUTE_CSUM = 1n;
const BPF_F_INVALIDATE_HASH = 2n;
const INT_MAX = 0x7fff_ffff;
const RELATIVE_LIMIT = 0xffff;
/** enum bpf_hdr_start_off. */
const HEADER = { mac: 0, network: 1 } as const;

/** Copies packet bytes out, or gives zeros and -EFAULT where they are not all there. */
function load(env: HelperEnv, from: Address, to: Address, length: number, end: Address): number {
  const { u8 } = env.memory;
  if (from + length > end) {
    u8.fill(0, to, to + length);
    return -ERRNO.EFAULT;
  }
  u8.copyWithin(to, from, from + length);
  return 0;
}

export const skbLoadHelpers: HelperFamily = {
  family: 'skb-load',
  doc: 'Bytes of an skb',
  helpers: [
    helper({
      name: 'skb_load_bytes',
      numbers: { linux: 26 },
      args: ['ctx', 'u32', 'memOut', 'size'],
      returns: 'integer',
      intrinsic: 'packetLoad',
      doc: 'Copies bytes out of the packet; zeros and -EFAULT where they are not all there.',
      body: (env, _ctx, offset, to, length) => {
        const packet = packetOf(env, 'skb_load_bytes');
        return load(env, offset > INT_MAX ? packet.end + 1 : packet.data + offset, to, length, packet.end);
      },
    }),
  ],
};

export const skbStoreHelpers: HelperFamily = {
  family: 'skb-store',
  doc: 'Changing bytes of an skb',
  helpers: [
    helper({
      name: 'skb_store_bytes',
      numbers: { linux: 9 },
      args: ['ctx', 'u32', 'mem', 'size', 'scalar'],
      returns: 'integer',
      changesPacket: true,
      intrinsic: 'skbStore',
      doc:
        'Copies bytes into the packet; -EFAULT where it is too short. Flags: BPF_F_RECOMPUTE_CSUM (1; no device keeps a sum here), ' +
        'BPF_F_INVALIDATE_HASH (2); others -EINVAL.',
      body: (env, _ctx, offset, from, length, flags) => {
        const packet = packetOf(env, 'skb_store_bytes');
        if ((flags & ~(BPF_F_RECOMPUTE_CSUM | BPF_F_INVALIDATE_HASH)) !== 0n) return -ERRNO.EINVAL;
        if (offset > INT_MAX || !holds(packet, offset + length)) return -ERRNO.EFAULT;
        env.memory.u8.copyWithin(packet.data + offset, from, from + length);
        if ((flags & BPF_F_INVALIDATE_HASH) !== 0n) clearHash(env);
        return 0;
      },
    }),
  ],
};

export const skbLoadRelativeHelpers: HelperFamily = {
  family: 'skb-load-relative',
  doc: 'Bytes behind a header of an skb',
  helpers: [
    helper({
      name: 'skb_load_bytes_relative',
      numbers: { linux: 68 },
      args: ['ctx', 'u32', 'memOut', 'size', 'u32'],
      returns: 'integer',
      doc:
        'Copies bytes from an offset behind the link header (BPF_HDR_START_MAC 0) or network header (BPF_HDR_START_NET 1); zeros ' +
        'and -EFAULT where they are not all there.',
      body: (env, _ctx, offset, to, length, start) => {
        const packet = packetOf(env, 'skb_load_bytes_relative');
        const known = (start === HEADER.mac || start === HEADER.network) && offset <= RELATIVE_LIMIT;
        const base = start === HEADER.mac ? packet.link : packet.network;
        return load(env, known ? base + offset : packet.end + 1, to, length, packet.end);
      },
    }),
  ],
};

export const skbPullHelpers: HelperFamily = {
  family: 'skb-pull',
  doc: 'Direct access to an skb',
  helpers: [
    helper({
      name: 'skb_pull_data',
      numbers: { linux: 39 },
      args: ['ctx', 'u32'],
      returns: 'integer',
      changesPacket: true,
      doc: 'Makes the first bytes directly accessible, which all bytes are here; -ENOMEM where the packet is shorter.',
      body: (env, _ctx, length) => (holds(packetOf(env, 'skb_pull_data'), length) ? 0 : -ERRNO.ENOMEM),
    }),
  ],
};
