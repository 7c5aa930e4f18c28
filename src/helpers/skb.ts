// What the kernel keeps about an skb beside its bytes and the context's fields, and the moves that several helpers share.
import { ERRNO } from '../spec/errno.ts';
import type { HelperEnv, PacketArea, StateKey } from '../spec/helper.ts';
import { readField, writeField } from './context.ts';

export const ETH_HLEN = 14;
/** BPF_SKB_MAX_LEN: SKB_MAX_ORDER(0, 2) with 4 KiB pages (net/core/filter.c). */
export const SKB_MAX_LEN = 16_384 - 320;

/** EtherTypes as they are in skb->protocol: network byte order read as a little-endian number. */
export const PROTOCOL = {
  IPV4: 0x0008,
  IPV6: 0xdd86,
  VLAN: 0x0081,
  VLAN_AD: 0xa888,
  RAW_802_3: 0x0100,
  LLC_802_2: 0x0400,
} as const;

export const protocolOf = (env: HelperEnv): number => (readField(env, 'protocol') ?? 0) & 0xffff;
export const isGso = (env: HelperEnv): boolean => (readField(env, 'gso_size') ?? 0) !== 0;

/** skb->encapsulation: set by bpf_skb_adjust_room where it makes room for an outer header. */
export const ENCAPSULATED: StateKey<{ value: boolean }> = {
  name: 'skb-encapsulated',
  create: () => ({ value: false }),
};

/** skb->mac_len: 0 until a helper changes the link header. */
export const LINK_LENGTH: StateKey<{ value: number }> = {
  name: 'skb-link-length',
  create: () => ({ value: 0 }),
};

/** skb_reset_mac_len. */
export function resetLinkLength(env: HelperEnv, packet: PacketArea): void {
  env.state(LINK_LENGTH).value = packet.network - packet.link;
}

export const isVlan = (protocol: number): boolean => protocol === PROTOCOL.VLAN || protocol === PROTOCOL.VLAN_AD;

const VLAN_HLEN = 4;
/** VLAN_MAX_DEPTH. */
const VLAN_LIMIT = 8;

/** vlan_get_protocol: the protocol behind all VLAN tags that are in the bytes, 0 where it cannot be told. */
export function protocolBehindTags(env: HelperEnv, packet: PacketArea): number {
  let protocol = protocolOf(env);
  const { value } = env.state(LINK_LENGTH);
  let at = packet.data + (value === 0 ? ETH_HLEN : value - VLAN_HLEN);
  for (let tags = 1; isVlan(protocol); tags++) {
    if (at + VLAN_HLEN > packet.end || tags === VLAN_LIMIT) return 0;
    protocol = env.memory.view.getUint16(at + 2, true);
    at += VLAN_HLEN;
  }
  return protocol;
}

/** skb->transport_header as an offset from the first byte of the packet; unknown until encapsulation sets it. */
export const TRANSPORT: StateKey<{ offset: number | undefined }> = {
  name: 'skb-transport',
  create: () => ({ offset: undefined }),
};

/** The first byte of the packet moves by this much to the front; what is kept as an offset from it grows. */
export function movedToFront(env: HelperEnv, by: number): void {
  const transport = env.state(TRANSPORT);
  if (transport.offset !== undefined) transport.offset += by;
}

/** Whether skb->hash is known: a fresh packet's is computed when it is asked for. */
export const HASH: StateKey<{ known: boolean }> = {
  name: 'skb-hash',
  create: (env) => ({ known: (readField(env, 'hash') ?? 0) !== 0 }),
};

/** skb_clear_hash. */
export function clearHash(env: HelperEnv): void {
  env.state(HASH).known = false;
  writeField(env, 'hash', 0);
}

/** skb_ensure_writable: the first bytes must be there. */
export const holds = (packet: PacketArea, length: number): boolean => length <= packet.end - packet.data;

/**
 * Makes `length` zero bytes before byte `offset` of the packet (bpf_skb_generic_push): the bytes before it move to the front,
 * the headers with them.
 */
export function insertBytes(env: HelperEnv, packet: PacketArea, offset: number, length: number): number {
  if (!packet.reserve(length, 0)) return -ERRNO.ENOMEM;
  const { u8 } = env.memory;
  const data = packet.data - length;
  // Metadata is in front of the packet and goes with it.
  u8.copyWithin(packet.meta - length, packet.meta, packet.data + offset);
  packet.link -= length;
  packet.network -= length;
  packet.move(data, packet.end, packet.meta - length);
  movedToFront(env, length);
  u8.fill(0, data + offset, data + offset + length);
  return 0;
}

/** Takes `length` bytes at byte `offset` away (bpf_skb_generic_pop). */
export function removeBytes(env: HelperEnv, packet: PacketArea, offset: number, length: number): number {
  if (!holds(packet, offset + length)) return -ERRNO.ENOMEM;
  env.memory.u8.copyWithin(packet.meta + length, packet.meta, packet.data + offset);
  packet.link += length;
  packet.network += length;
  packet.move(packet.data + length, packet.end, packet.meta + length);
  movedToFront(env, -length);
  return 0;
}
