import { ERRNO } from '../spec/errno.ts';
import { helper, type HelperEnv, type HelperFamily } from '../spec/helper.ts';
import type { Address } from '../spec/memory.ts';
import { FIB_RESULT, type FibAnswer } from '../spec/network.ts';
import { deviceOf, packetOf, readField } from './context.ts';
import { ETH_HLEN, isGso } from './skb.ts';

/** struct bpf_fib_lookup. */
const AT = {
  family: 0,
  protocol: 1,
  sourcePort: 2,
  destinationPort: 4,
  length: 6,
  ifindex: 8,
  tos: 12,
  source: 16,
  destination: 32,
  vlan: 48,
  mark: 52,
  sourceMac: 52,
  destinationMac: 58,
  size: 64,
} as const;

const AF_INET = 2;
const AF_INET6 = 10;
const VLAN_HLEN = 4;
const FLAG = { direct: 1, output: 2, skipNeighbour: 4, table: 8, source: 16, mark: 32 } as const;
const ALL_FLAGS = Object.values(FLAG).reduce((all, flag) => all | flag, 0);

function ask(env: HelperEnv, at: Address, flags: number): FibAnswer {
  const { view, u8 } = env.memory;
  const ipv6 = u8[at + AT.family] === AF_INET6;
  const address = (offset: number): Uint8Array => u8.slice(at + offset, at + offset + (ipv6 ? 16 : 4));
  return env.host.network.fibLookup({
    family: ipv6 ? 'inet6' : 'inet',
    protocol: u8[at + AT.protocol],
    sport: view.getUint16(at + AT.sourcePort),
    dport: view.getUint16(at + AT.destinationPort),
    totalLength: view.getUint16(at + AT.length, true),
    // IPv6 has the flow label here, in network byte order; its traffic class is bits 20 to 27.
    tos: ipv6 ? (view.getUint32(at + AT.tos) >>> 20) & 0xff : u8[at + AT.tos],
    ifindex: view.getUint32(at + AT.ifindex, true),
    source: address(AT.source),
    destination: address(AT.destination),
    ...((flags & FLAG.table) === 0 ? {} : { tableId: view.getUint32(at + AT.vlan, true) }),
    ...((flags & FLAG.mark) === 0 ? {} : { mark: view.getUint32(at + AT.mark, true) }),
    flags,
  });
}

/** Writes what the answer has into the structure; the mtu only where the length was checked. */
function give(env: HelperEnv, at: Address, answer: FibAnswer, withMtu: boolean): void {
  const { view, u8 } = env.memory;
  const set32 = (offset: number, value: number | undefined): void => {
    if (value !== undefined) view.setUint32(at + offset, value, true);
  };
  const setBytes = (offset: number, value: Uint8Array | undefined): void => {
    if (value !== undefined) u8.set(value, at + offset);
  };
  set32(AT.ifindex, answer.ifindex);
  set32(AT.tos, answer.metric);
  setBytes(AT.source, answer.source);
  setBytes(AT.destination, answer.gateway);
  // An IPv4 route may have an IPv6 gateway.
  if (answer.gateway?.length === 16) u8[at + AT.family] = AF_INET6;
  if (answer.result === FIB_RESULT.SUCCESS) set32(AT.vlan, 0);
  setBytes(AT.sourceMac, answer.sourceMac);
  setBytes(AT.destinationMac, answer.destinationMac);
  if (withMtu && answer.mtu !== undefined) view.setUint16(at + AT.length, answer.mtu, true);
}

/** is_skb_forwardable for the route's device, where the program gave no length. */
function checkDevice(env: HelperEnv, at: Address): number {
  const { view } = env.memory;
  const mtu = env.host.network.mtu(view.getUint32(at + AT.ifindex, true));
  if (mtu === undefined) return -ERRNO.ENODEV;
  const packet = packetOf(env, 'fib_lookup');
  const fits = packet.end - packet.data <= mtu + ETH_HLEN + VLAN_HLEN || isGso(env);
  view.setUint16(at + AT.length, mtu, true);
  return fits ? FIB_RESULT.SUCCESS : FIB_RESULT.FRAG_NEEDED;
}

export const fibHelpers: HelperFamily = {
  family: 'fib',
  doc: 'Routes',
  helpers: [
    helper({
      name: 'fib_lookup',
      numbers: { linux: 69 },
      args: ['ctx', 'memInOut', 'size', 'u32'],
      returns: 'integer',
      gplOnly: true,
      doc:
        'Finds the route and the neighbour for the addresses in struct bpf_fib_lookup and fills it in. BPF_FIB_LKUP_RET_* (0: ' +
        'found), -EINVAL for other flags or a shorter structure, -EAFNOSUPPORT, -ENODEV.',
      body: (env, _ctx, at, size, flags) => {
        if (size < AT.size || (flags & ~ALL_FLAGS) !== 0) return -ERRNO.EINVAL;
        const { u8, view } = env.memory;
        const family = u8[at + AT.family];
        if (family !== AF_INET && family !== AF_INET6) return -ERRNO.EAFNOSUPPORT;
        const checked = env.program.type === 'xdp' || view.getUint16(at + AT.length, true) !== 0;
        const answer = ask(env, at, flags);
        give(env, at, answer, checked);
        return answer.result === FIB_RESULT.SUCCESS && !checked ? checkDevice(env, at) : answer.result;
      },
    }),
  ],
};

const BPF_MTU_CHK_SEGS = 1n;
/** enum bpf_check_mtu_ret. */
const MTU_RESULT = { success: 0, fragmentationNeeded: 1, segmentsTooBig: 2 } as const;

export const mtuHelpers: HelperFamily = {
  family: 'mtu',
  doc: 'Largest packet of an interface',
  helpers: [
    helper({
      name: 'check_mtu',
      numbers: { linux: 163 },
      args: ['ctx', 'u32', 'inOut4', 's32', 'scalar'],
      returns: 'integer',
      gplOnly: true,
      doc:
        'Whether the packet (or *mtu_len bytes from the network header on, where not 0), longer by a difference, fits an ' +
        'interface (0: the packet’s): 0 yes, 1 no (BPF_MTU_CHK_RET_FRAG_NEEDED). *mtu_len becomes the MTU. -ENODEV, -EINVAL.',
      body: (env, _ctx, ifindex, length, difference, flags) => {
        const xdp = env.program.type === 'xdp';
        const { view } = env.memory;
        const given = view.getUint32(length, true);
        if ((flags & ~(xdp ? 0n : BPF_MTU_CHK_SEGS)) !== 0n) return -ERRNO.EINVAL;
        if (flags !== 0n && (difference !== 0 || given !== 0)) return -ERRNO.EINVAL;
        const mtu = env.host.network.mtu(ifindex === 0 ? deviceOf(env) : ifindex);
        if (mtu === undefined) return -ERRNO.ENODEV;
        const packet = packetOf(env, 'check_mtu');
        const own = given === 0 ? packet.end - packet.data : given + ETH_HLEN;
        view.setUint32(length, mtu, true);
        if (own + difference <= mtu + ETH_HLEN) return MTU_RESULT.success;
        if (xdp || !isGso(env)) return MTU_RESULT.fragmentationNeeded;
        const segment = (readField(env, 'gso_size') ?? 0) + packet.data - packet.network;
        return flags !== 0n && segment > mtu ? MTU_RESULT.segmentsTooBig : MTU_RESULT.success;
      },
    }),
  ],
};
