import { ERRNO } from '../spec/errno.ts';
import { helper, type HelperEnv, type HelperFamily } from '../spec/helper.ts';
import type { Address } from '../spec/memory.ts';
import { packetOf } from './context.ts';

/** sizeof(struct xdp_frame): bytes at the start of the head room that the kernel keeps (include/net/xdp.h). */
const XDP_FRAME_SIZE = 40;
const ETH_HLEN = 14;
/** Most metadata bytes: skb_shared_info keeps their number in a byte, and they are a multiple of 4. */
const META_LIMIT = 255;
const OFFSET_LIMIT = 0xffff;

function adjustHead(env: HelperEnv, delta: number): number {
  const packet = packetOf(env, 'xdp_adjust_head');
  const metaLength = packet.data - packet.meta;
  const data = packet.data + delta;
  if (data < packet.head + XDP_FRAME_SIZE + metaLength || data > packet.end - ETH_HLEN) return -ERRNO.EINVAL;
  env.memory.u8.copyWithin(packet.meta + delta, packet.meta, packet.data);
  packet.move(data, packet.end, data - metaLength);
  return 0;
}

/** The mock XDP provider of eBPF for Windows: the packet is laid anew, so that its head room is not bounded. */
function adjustHeadWindows(env: HelperEnv, delta: number): number {
  const packet = packetOf(env, 'xdp_adjust_head');
  if (packet.data + delta > packet.end) return -1;
  if (delta < 0 && !packet.reserve(-delta, 0)) return -1;
  const data = packet.data + delta;
  if (delta < 0) env.memory.u8.fill(0, data, packet.data);
  packet.move(data, packet.end, data);
  return 0;
}

function adjustMeta(env: HelperEnv, delta: number): number {
  const packet = packetOf(env, 'xdp_adjust_meta');
  const meta = packet.meta + delta;
  const length = packet.data - meta;
  if (meta < packet.head + XDP_FRAME_SIZE || length < 0) return -ERRNO.EINVAL;
  if (length % 4 !== 0 || length > META_LIMIT) return -ERRNO.EACCES;
  packet.move(packet.data, packet.end, meta);
  return 0;
}

function adjustTail(env: HelperEnv, delta: number): number {
  const packet = packetOf(env, 'xdp_adjust_tail');
  const before = packet.end;
  const end = before + delta;
  if (end > packet.limit || end < packet.data + ETH_HLEN) return -ERRNO.EINVAL;
  packet.move(packet.data, end, packet.meta);
  if (delta > 0) env.memory.u8.fill(0, before, end);
  return 0;
}

/** bpf_xdp_pointer: the address of packet bytes, or a negated errno. */
function packetBytes(env: HelperEnv, name: string, offset: number, length: number): Address | number {
  const packet = packetOf(env, name);
  if (offset > OFFSET_LIMIT || length > OFFSET_LIMIT) return -ERRNO.EFAULT;
  return offset + length > packet.end - packet.data ? -ERRNO.EINVAL : packet.data + offset;
}

export const xdpHelpers: HelperFamily = {
  family: 'xdp',
  doc: 'Size and bytes of an XDP packet',
  helpers: [
    helper({
      name: 'xdp_adjust_head',
      numbers: { linux: 44 },
      programNumbers: { xdp: 0x10000 },
      args: ['ctx', 's32'],
      returns: 'integer',
      changesPacket: true,
      doc:
        'Moves the start of the packet (and its metadata) by delta bytes; negative makes room. -EINVAL beyond the head room or ' +
        'where fewer than 14 bytes would be left.',
      body: (env, _ctx, delta) => (env.dialect === 'windows' ? adjustHeadWindows(env, delta) : adjustHead(env, delta)),
    }),
    helper({
      name: 'xdp_adjust_meta',
      numbers: { linux: 54 },
      args: ['ctx', 's32'],
      returns: 'integer',
      changesPacket: true,
      doc: 'Moves the start of the metadata. -EINVAL outside the head room, -EACCES where not a multiple of 4 or above 252 bytes.',
      body: (env, _ctx, delta) => adjustMeta(env, delta),
    }),
    helper({
      name: 'xdp_adjust_tail',
      numbers: { linux: 65 },
      args: ['ctx', 's32'],
      returns: 'integer',
      changesPacket: true,
      doc: 'Moves the end of the packet; new bytes are zero. -EINVAL beyond the tail room or where fewer than 14 bytes would be left.',
      body: (env, _ctx, delta) => adjustTail(env, delta),
    }),
    helper({
      name: 'xdp_get_buff_len',
      numbers: { linux: 188 },
      args: ['ctx'],
      returns: 'integer',
      intrinsic: 'packetLength',
      doc: 'Bytes of the packet.',
      body: (env) => {
        const packet = packetOf(env, 'xdp_get_buff_len');
        return packet.end - packet.data;
      },
    }),
    helper({
      name: 'xdp_load_bytes',
      numbers: { linux: 189 },
      args: ['ctx', 'u32', 'memOut', 'size'],
      returns: 'integer',
      intrinsic: 'packetLoad',
      doc: 'Copies bytes out of the packet. -EINVAL beyond its end, -EFAULT for an offset or length above 65,535.',
      body: (env, _ctx, offset, to, length) => {
        const from = packetBytes(env, 'xdp_load_bytes', offset, length);
        if (from < 0) return from;
        env.memory.u8.copyWithin(to, from, from + length);
        return 0;
      },
    }),
    helper({
      name: 'xdp_store_bytes',
      numbers: { linux: 190 },
      args: ['ctx', 'u32', 'mem', 'size'],
      returns: 'integer',
      intrinsic: 'packetStore',
      doc: 'Copies bytes into the packet. -EINVAL beyond its end, -EFAULT for an offset or length above 65,535.',
      body: (env, _ctx, offset, from, length) => {
        const to = packetBytes(env, 'xdp_store_bytes', offset, length);
        if (to < 0) return to;
        env.memory.u8.copyWithin(to, from, from + length);
        return 0;
      },
    }),
  ],
};
