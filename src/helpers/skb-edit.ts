import { ERRNO } from '../spec/errno.ts';
import { helper, type HelperEnv, type HelperFamily } from '../spec/helper.ts';
import { packetOf, readField, writeField, writeField64 } from './context.ts';
import { flowHash } from './flow-hash.ts';
import {
  clearHash,
  ETH_HLEN,
  HASH,
  holds,
  insertBytes,
  isVlan,
  PROTOCOL,
  protocolBehindTags,
  protocolOf,
  removeBytes,
  resetLinkLength,
} from './skb.ts';

const VLAN_HLEN = 4;
/** Bytes of the link header before its type. */
const ETH_ADDRESSES = 12;
const PACKET_OTHERHOST = 3;
const ETH_P_802_3_MIN = 0x0600;
/** BPF_SKB_CLOCK_*. */
const CLOCK = { realtime: 0, monotonic: 1, tai: 2 } as const;
const ECN_CE = 3;

function setTag(env: HelperEnv, protocol: number, tci: number): void {
  writeField(env, 'vlan_present', 1);
  writeField(env, 'vlan_proto', protocol);
  writeField(env, 'vlan_tci', tci);
}

/** skb_vlan_push: the tag beside the packet goes into its bytes, and the new one beside it. */
function pushTag(env: HelperEnv, wanted: number, tci: number): number {
  const packet = packetOf(env, 'skb_vlan_push');
  if (readField(env, 'vlan_present') !== 0) {
    const inner = readField(env, 'vlan_proto') ?? PROTOCOL.VLAN;
    const innerTci = readField(env, 'vlan_tci') ?? 0;
    const failed = insertBytes(env, packet, ETH_ADDRESSES, VLAN_HLEN);
    if (failed !== 0) return failed;
    const { view } = env.memory;
    view.setUint16(packet.data + ETH_ADDRESSES, inner, true);
    view.setUint16(packet.data + ETH_ADDRESSES + 2, innerTci, false);
    writeField(env, 'protocol', inner);
  }
  setTag(env, isVlan(wanted) ? wanted : PROTOCOL.VLAN, tci);
  return 0;
}

/** __skb_vlan_pop: takes the outer tag out of the bytes and gives its TCI, or a negated errno. */
function takeTag(env: HelperEnv): number {
  const packet = packetOf(env, 'skb_vlan_pop');
  if (!holds(packet, ETH_HLEN + VLAN_HLEN)) return -ERRNO.ENOMEM;
  const { view } = env.memory;
  const tci = view.getUint16(packet.data + ETH_HLEN, false);
  const type = view.getUint16(packet.data + ETH_HLEN + 2, false);
  let protocol = view.getUint16(packet.data + ETH_HLEN + 2, true);
  if (type < ETH_P_802_3_MIN) {
    const raw =
      holds(packet, ETH_HLEN + VLAN_HLEN + 2) && view.getUint16(packet.data + ETH_HLEN + VLAN_HLEN) === 0xffff;
    protocol = raw ? PROTOCOL.RAW_802_3 : PROTOCOL.LLC_802_2;
  }
  const network = packet.network;
  const failed = removeBytes(env, packet, ETH_ADDRESSES, VLAN_HLEN);
  if (failed !== 0) return failed;
  packet.network = Math.max(network, packet.data + ETH_HLEN);
  writeField(env, 'protocol', protocol);
  return tci;
}

function popTag(env: HelperEnv): number {
  if (readField(env, 'vlan_present') !== 0) {
    for (const field of ['vlan_present', 'vlan_proto', 'vlan_tci']) writeField(env, field, 0);
  } else {
    if (!isVlan(protocolOf(env))) return 0;
    const taken = takeTag(env);
    if (taken < 0) return taken;
  }
  const protocol = protocolOf(env);
  if (!isVlan(protocol)) return 0;
  const tci = takeTag(env);
  if (tci < 0) return tci;
  setTag(env, protocol, tci);
  return 0;
}

/** INET_ECN_set_ce: 1 where the packet now says (or said) that it met congestion, 0 where its ends cannot be told. */
function setCongestion(env: HelperEnv): number {
  const packet = packetOf(env, 'skb_ecn_set_ce');
  const { view, u8 } = env.memory;
  const at = packet.network;
  const protocol = protocolBehindTags(env, packet);
  if (protocol === PROTOCOL.IPV4 && packet.end - at >= 20) {
    const next = (u8[at + 1] + 1) & ECN_CE;
    if ((next & 2) === 0) return next === 0 ? 1 : 0;
    const sum = view.getUint16(at + 10) + ((0xfffb + next) & 0xffff);
    view.setUint16(at + 10, (sum & 0xffff) + (sum >>> 16));
    u8[at + 1] |= ECN_CE;
    return 1;
  }
  if (protocol === PROTOCOL.IPV6 && packet.end - at >= 40) {
    if (((u8[at + 1] >>> 4) & ECN_CE) === 0) return 0;
    u8[at + 1] |= ECN_CE << 4;
    return 1;
  }
  return 0;
}

function setTimestamp(env: HelperEnv, time: bigint, clock: number): number {
  const protocol = protocolOf(env);
  if (protocol !== PROTOCOL.IPV4 && protocol !== PROTOCOL.IPV6) return -ERRNO.EOPNOTSUPP;
  if (clock > CLOCK.tai || (clock !== CLOCK.realtime && time === 0n)) return -ERRNO.EINVAL;
  writeField64(env, 'tstamp', time);
  writeField(env, 'tstamp_type', clock);
  return 0;
}

export const skbEditHelpers: HelperFamily = {
  family: 'skb-edit',
  doc: 'VLAN tags and what is kept beside the bytes of an skb',
  helpers: [
    helper({
      name: 'skb_vlan_push',
      numbers: { linux: 18 },
      args: ['ctx', 'u32', 'u32'],
      returns: 'integer',
      changesPacket: true,
      doc: 'Adds a VLAN tag (protocol in network byte order, TCI in host byte order). The outermost tag is kept beside the packet.',
      body: (env, _ctx, protocol, tci) => {
        const failed = pushTag(env, protocol & 0xffff, tci & 0xffff);
        resetLinkLength(env, packetOf(env, 'skb_vlan_push'));
        return failed;
      },
    }),
    helper({
      name: 'skb_vlan_pop',
      numbers: { linux: 19 },
      args: ['ctx'],
      returns: 'integer',
      changesPacket: true,
      doc: 'Takes the outermost VLAN tag away, if there is one. 0.',
      body: (env) => {
        const failed = popTag(env);
        resetLinkLength(env, packetOf(env, 'skb_vlan_pop'));
        return failed;
      },
    }),
    helper({
      name: 'skb_change_type',
      numbers: { linux: 32 },
      args: ['ctx', 'u32'],
      returns: 'integer',
      doc: 'Sets pkt_type to PACKET_HOST, BROADCAST, MULTICAST or OTHERHOST; -EINVAL for others.',
      body: (env, _ctx, type) => {
        if ((readField(env, 'pkt_type') ?? 0) > PACKET_OTHERHOST || type > PACKET_OTHERHOST) return -ERRNO.EINVAL;
        writeField(env, 'pkt_type', type);
        return 0;
      },
    }),
    helper({
      name: 'skb_set_tstamp',
      numbers: { linux: 192 },
      args: ['ctx', 'scalar', 'u32'],
      returns: 'integer',
      doc: 'Sets the time stamp (ns) and its clock (BPF_SKB_CLOCK_*). -EOPNOTSUPP for packets other than IP, -EINVAL.',
      body: (env, _ctx, time, clock) => setTimestamp(env, time, clock),
    }),
    helper({
      name: 'set_hash',
      numbers: { linux: 48 },
      args: ['ctx', 'u32'],
      returns: 'integer',
      doc: 'Sets the flow hash. 0.',
      body: (env, _ctx, hash) => {
        env.state(HASH).known = true;
        writeField(env, 'hash', hash);
        return 0;
      },
    }),
  ],
};

export const ecnHelpers: HelperFamily = {
  family: 'skb-ecn',
  doc: 'Explicit congestion notification',
  helpers: [
    helper({
      name: 'skb_ecn_set_ce',
      numbers: { linux: 97 },
      args: ['ctx'],
      returns: 'integer',
      doc: 'Marks an IP packet as having met congestion: 1 where it is marked, 0 where its ends do not take part.',
      body: (env) => setCongestion(env),
    }),
  ],
};

export const skbHashHelpers: HelperFamily = {
  family: 'skb-hash',
  doc: 'Forgetting the flow of an skb',
  helpers: [
    helper({
      name: 'set_hash_invalid',
      numbers: { linux: 41 },
      args: ['ctx'],
      returns: 'integer',
      doc: 'Forgets the flow hash. 0.',
      body: (env) => {
        clearHash(env);
        return 0;
      },
    }),
  ],
};

export const skbFlowHelpers: HelperFamily = {
  family: 'skb-flow',
  doc: 'Flow and route of an skb',
  helpers: [
    helper({
      name: 'get_hash_recalc',
      numbers: { linux: 34 },
      args: ['ctx'],
      returns: 'integer',
      doc:
        'The flow hash, computed where it is not known. The same for both directions of a flow; Linux’s own value differs (its key ' +
        'is new at each boot).',
      body: (env) => {
        const state = env.state(HASH);
        if (!state.known) {
          writeField(env, 'hash', flowHash(env, packetOf(env, 'get_hash_recalc')));
          state.known = true;
        }
        return readField(env, 'hash') ?? 0;
      },
    }),
    helper({
      name: 'get_route_realm',
      numbers: { linux: 24 },
      args: ['ctx'],
      returns: 'integer',
      doc: 'Realm of the route that the packet is on. Packets of a run are on none yet: 0, as in Linux.',
      body: () => 0,
    }),
  ],
};
