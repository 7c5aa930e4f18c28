import { ERRNO } from '../spec/errno.ts';
import { helper, type HelperEnv, type HelperFamily, type PacketArea } from '../spec/helper.ts';
import { packetOf, writeField } from './context.ts';
import {
  clearHash,
  ENCAPSULATED,
  ETH_HLEN,
  insertBytes,
  isGso,
  PROTOCOL,
  protocolOf,
  removeBytes,
  movedToFront,
  resetLinkLength,
  TRANSPORT,
  SKB_MAX_LEN,
} from './skb.ts';

const IPV4_HEADER = 20;
const IPV6_HEADER = 40;
const DELTA_LIMIT = 0xfff;
/** enum bpf_adj_room_mode. */
const MODE = { network: 0, mac: 1 } as const;
/** BPF_F_ADJ_ROOM_*. */
const FLAG = {
  fixedGso: 1n << 0n,
  encapIpv4: 1n << 1n,
  encapIpv6: 1n << 2n,
  encapGre: 1n << 3n,
  encapUdp: 1n << 4n,
  noChecksumReset: 1n << 5n,
  encapEthernet: 1n << 6n,
  decapIpv4: 1n << 7n,
  decapIpv6: 1n << 8n,
} as const;
const INNER_MAC_SHIFT = 56n;
const ALL_FLAGS = Object.values(FLAG).reduce((all, flag) => all | flag, 0xffn << INNER_MAC_SHIFT);
const SHRINK_FLAGS = FLAG.fixedGso | FLAG.decapIpv4 | FLAG.decapIpv6 | FLAG.noChecksumReset;

const has = (flags: bigint, flag: bigint): boolean => (flags & flag) !== 0n;
const baseLength = (protocol: number): number => (protocol === PROTOCOL.IPV4 ? IPV4_HEADER : IPV6_HEADER);

/** bpf_skb_net_grow. */
function grow(env: HelperEnv, offset: number, length: number, flags: bigint): number {
  const packet = packetOf(env, 'skb_adjust_room');
  // The kernel grows only TCP segments' sum, which a packet without a GSO type is not.
  if (isGso(env)) return -ERRNO.ENOTSUPP;
  if (!has(flags, FLAG.encapIpv4 | FLAG.encapIpv6)) return insertBytes(env, packet, offset, length);
  const innerMac = Number(flags >> INNER_MAC_SHIFT);
  if (has(flags, FLAG.encapIpv4) && has(flags, FLAG.encapIpv6)) return -ERRNO.EINVAL;
  if (has(flags, FLAG.encapGre) && has(flags, FLAG.encapUdp)) return -ERRNO.EINVAL;
  if (has(flags, FLAG.encapEthernet) && innerMac < ETH_HLEN) return -ERRNO.EINVAL;
  const encapsulated = env.state(ENCAPSULATED);
  if (encapsulated.value) return -ERRNO.EALREADY;
  if (innerMac > length) return -ERRNO.EINVAL;
  const macLength = packet.network - packet.link;
  const failed = insertBytes(env, packet, offset, length);
  if (failed !== 0) return failed;
  encapsulated.value = true;
  packet.network = packet.data + macLength;
  if (has(flags, FLAG.encapGre | FLAG.encapUdp)) {
    env.state(TRANSPORT).offset = macLength + (has(flags, FLAG.encapIpv6) ? IPV6_HEADER : IPV4_HEADER);
  }
  writeField(env, 'protocol', has(flags, FLAG.encapIpv6) ? PROTOCOL.IPV6 : PROTOCOL.IPV4);
  return 0;
}

/** bpf_skb_net_shrink. */
function shrink(env: HelperEnv, offset: number, length: number, flags: bigint): number {
  if ((flags & ~SHRINK_FLAGS) !== 0n) return -ERRNO.EINVAL;
  if (isGso(env)) return -ERRNO.ENOTSUPP;
  const failed = removeBytes(env, packetOf(env, 'skb_adjust_room'), offset, length);
  if (failed !== 0) return failed;
  if (has(flags, FLAG.decapIpv6)) writeField(env, 'protocol', PROTOCOL.IPV6);
  else if (has(flags, FLAG.decapIpv4)) writeField(env, 'protocol', PROTOCOL.IPV4);
  return 0;
}

function adjustRoom(env: HelperEnv, delta: number, mode: number, flags: bigint): number {
  const packet = packetOf(env, 'skb_adjust_room');
  const length = Math.abs(delta);
  const protocol = protocolOf(env);
  if ((flags & ~ALL_FLAGS) !== 0n) return -ERRNO.EINVAL;
  if (length > DELTA_LIMIT) return -ERRNO.EFAULT;
  if (protocol !== PROTOCOL.IPV4 && protocol !== PROTOCOL.IPV6) return -ERRNO.ENOTSUPP;
  if (mode !== MODE.network && mode !== MODE.mac) return -ERRNO.ENOTSUPP;
  const offset = packet.network - packet.link + (mode === MODE.network ? baseLength(protocol) : 0);
  let least = baseLength(protocol);
  const decap = flags & (FLAG.decapIpv4 | FLAG.decapIpv6);
  if (decap !== 0n) {
    if (delta >= 0 || decap === (FLAG.decapIpv4 | FLAG.decapIpv6)) return -ERRNO.EINVAL;
    least = decap === FLAG.decapIpv4 ? IPV4_HEADER : IPV6_HEADER;
  }
  const current = packet.end - packet.network;
  if (delta < 0) {
    return length >= current || current - length < least ? -ERRNO.ENOTSUPP : shrink(env, offset, length, flags);
  }
  if (packet.end - packet.data + length > SKB_MAX_LEN && !isGso(env)) return -ERRNO.ENOTSUPP;
  return grow(env, offset, length, flags);
}

/** __bpf_skb_min_len: what is before the transport header, where that is known, else before the network header. */
function leastLength(env: HelperEnv, packet: PacketArea): number {
  const transport = env.state(TRANSPORT).offset ?? 0;
  return transport > 0 ? transport : packet.network - packet.data;
}

function changeTail(env: HelperEnv, length: number, flags: bigint): number {
  const packet = packetOf(env, 'skb_change_tail');
  if (flags !== 0n || length > SKB_MAX_LEN || length < leastLength(env, packet)) return -ERRNO.EINVAL;
  if (env.state(ENCAPSULATED).value) return -ERRNO.ENOTSUPP;
  const grown = length - (packet.end - packet.data);
  if (grown > 0 && !packet.reserve(0, grown)) return -ERRNO.ENOMEM;
  const before = packet.end;
  packet.move(packet.data, packet.data + length, packet.meta);
  if (grown > 0) env.memory.u8.fill(0, before, packet.end);
  if (isGso(env)) {
    writeField(env, 'gso_size', 0);
    writeField(env, 'gso_segs', 0);
  }
  return 0;
}

function changeHead(env: HelperEnv, room: number, flags: bigint): number {
  const packet = packetOf(env, 'skb_change_head');
  const length = packet.end - packet.data + room;
  if (flags !== 0n || room > 0x7fff_ffff || (!isGso(env) && length > SKB_MAX_LEN)) return -ERRNO.EINVAL;
  if (!packet.reserve(room, 0)) return -ERRNO.ENOMEM;
  const data = packet.data - room;
  env.memory.u8.copyWithin(packet.meta - room, packet.meta, packet.data);
  packet.move(data, packet.end, packet.meta - room);
  packet.link = data;
  movedToFront(env, room);
  resetLinkLength(env, packet);
  env.memory.u8.fill(0, data, data + room);
  return 0;
}

/** bpf_skb_proto_xlat: room for the longer header, or the other way round; the program writes the header. */
function changeProtocol(env: HelperEnv, to: number, flags: bigint): number {
  const packet = packetOf(env, 'skb_change_proto');
  if (flags !== 0n) return -ERRNO.EINVAL;
  const from = protocolOf(env);
  const offset = packet.network - packet.link;
  let failed: number = -ERRNO.ENOTSUPP;
  const difference = IPV6_HEADER - IPV4_HEADER;
  if (from === PROTOCOL.IPV4 && to === PROTOCOL.IPV6) failed = insertBytes(env, packet, offset, difference);
  else if (from === PROTOCOL.IPV6 && to === PROTOCOL.IPV4) failed = removeBytes(env, packet, offset, difference);
  if (failed !== 0) return failed;
  writeField(env, 'protocol', to);
  clearHash(env);
  return 0;
}

export const skbResizeHelpers: HelperFamily = {
  family: 'skb-resize',
  doc: 'Length of an skb',
  helpers: [
    helper({
      name: 'skb_change_tail',
      numbers: { linux: 38 },
      args: ['ctx', 'u32', 'scalar'],
      returns: 'integer',
      changesPacket: true,
      doc: 'Cuts or extends (by zeros) the packet to a length between its network header and 16,064 bytes, else -EINVAL. Flags: 0.',
      body: (env, _ctx, length, flags) => changeTail(env, length, flags),
    }),
    helper({
      name: 'skb_change_head',
      numbers: { linux: 43 },
      args: ['ctx', 'u32', 'scalar'],
      returns: 'integer',
      changesPacket: true,
      doc: 'Zeros before the packet, for a link header; -EINVAL above 16,064 bytes in all. Flags: 0.',
      body: (env, _ctx, room, flags) => changeHead(env, room, flags),
    }),
  ],
};

export const skbRoomHelpers: HelperFamily = {
  family: 'skb-room',
  doc: 'Room in an skb for headers',
  helpers: [
    helper({
      name: 'skb_adjust_room',
      numbers: { linux: 50 },
      args: ['ctx', 's32', 'u32', 'scalar'],
      returns: 'integer',
      changesPacket: true,
      doc:
        'Makes or takes away up to 4,095 bytes behind the link header (BPF_ADJ_ROOM_MAC) or the IP header (BPF_ADJ_ROOM_NET), with ' +
        'flags for encapsulation and decapsulation. -EINVAL flags, -EFAULT length, -ENOTSUPP not IP or too short or too long.',
      body: (env, _ctx, delta, mode, flags) => adjustRoom(env, delta, mode, flags),
    }),
  ],
};

export const skbProtocolHelpers: HelperFamily = {
  family: 'skb-protocol',
  doc: 'IPv4 and IPv6 turned into each other',
  helpers: [
    helper({
      name: 'skb_change_proto',
      numbers: { linux: 31 },
      args: ['ctx', 'u32', 'scalar'],
      returns: 'integer',
      changesPacket: true,
      doc: 'IPv4 to IPv6 or back: 20 bytes more or fewer behind the link header. -ENOTSUPP for other protocols, -EINVAL for flags.',
      body: (env, _ctx, protocol, flags) => changeProtocol(env, protocol & 0xffff, flags),
    }),
  ],
};
