// A network as plain data: what interfaces, routes, neighbours and sockets there are, and the kernel's way of looking them up.
import { equalBytes } from '../../base/bytes.ts';
import { fail } from '../../base/diagnostic.ts';
import { badNetwork } from '../../base/messages/network.ts';
import { ERRNO } from '../../spec/errno.ts';
import {
  FIB_RESULT,
  type FibAnswer,
  type FibQuery,
  type Network,
  type SocketInfo,
  type SocketTuple,
  type TunnelInfo,
} from '../../spec/network.ts';
import { inPrefix, parseAddress, parseMac, parsePrefix, type Prefix } from './addresses.ts';
import { SimulatedSocketOptions } from './socket-options.ts';

export interface InterfaceDescription {
  /** From 1 on, unlike any other. */
  readonly index: number;
  readonly name: string;
  /** `02:00:00:00:00:01`; zeros where absent. */
  readonly mac?: string;
  /** 1,500 where absent. */
  readonly mtu?: number;
  /** With the bits of the connected network: `10.0.0.1/24`. Each makes a connected route. */
  readonly addresses?: readonly string[];
  /** Forwards packets (net.ipv4.conf.*.forwarding); true where absent. */
  readonly forwarding?: boolean;
  /** Needs no neighbour (loopback, tunnels); false where absent. */
  readonly withoutNeighbours?: boolean;
}

/** What a route other than `unicast` answers (ip-route(8)). */
const ROUTE_RESULTS = {
  unicast: FIB_RESULT.SUCCESS,
  local: FIB_RESULT.NOT_FWDED,
  blackhole: FIB_RESULT.BLACKHOLE,
  unreachable: FIB_RESULT.UNREACHABLE,
  prohibit: FIB_RESULT.PROHIBIT,
} as const;

export interface RouteDescription {
  /** `10.0.0.0/8`, `2001:db8::/32`, `0.0.0.0/0`, `::/0`. */
  readonly destination: string;
  readonly type?: keyof typeof ROUTE_RESULTS;
  /** Next hop; absent for a network that the interface is connected to. */
  readonly via?: string;
  /** Name or index; needed for unicast routes. */
  readonly interface?: string | number;
  /** Preferred source address. */
  readonly source?: string;
  readonly metric?: number;
  readonly mtu?: number;
  /** RT_TABLE_MAIN (254) where absent. */
  readonly table?: number;
  /** Has a lightweight tunnel: packets cannot simply be forwarded. */
  readonly encapsulated?: boolean;
}

export interface NeighbourDescription {
  readonly address: string;
  readonly mac: string;
  readonly interface: string | number;
}

/** BPF_TCP_* states (include/uapi/linux/bpf.h). */
export const TCP_STATES = {
  established: 1,
  synSent: 2,
  synReceived: 3,
  finWait1: 4,
  finWait2: 5,
  timeWait: 6,
  close: 7,
  closeWait: 8,
  lastAck: 9,
  listen: 10,
  closing: 11,
  newSynReceived: 12,
} as const;

export interface SocketDescription {
  readonly protocol: 'tcp' | 'udp';
  readonly localAddress: string;
  readonly localPort: number;
  /** Absent for sockets that listen or are not connected. */
  readonly remoteAddress?: string;
  readonly remotePort?: number;
  /** Where absent: tcp listens or, with a remote address, is established; udp is `close` or `established`. */
  readonly state?: keyof typeof TCP_STATES;
  /** Interface that it is bound to. */
  readonly interface?: string | number;
  readonly mark?: number;
  readonly priority?: number;
  readonly uid?: number;
  readonly cgroupId?: bigint;
  readonly cgroupAncestors?: readonly bigint[];
  /** 1, 2, ... in the order of the description where absent. */
  readonly cookie?: bigint;
  /** Id of another network namespace. */
  readonly netns?: number;
  /** An IPv6 socket that takes no IPv4 packets. */
  readonly onlyIpv6?: boolean;
  /** Fields of struct bpf_tcp_sock. */
  readonly tcp?: SocketInfo['tcp'];
}

export interface NetworkDescription {
  /** 1 where absent. */
  readonly netnsCookie?: bigint;
  readonly interfaces?: readonly InterfaceDescription[];
  readonly routes?: readonly RouteDescription[];
  readonly neighbours?: readonly NeighbourDescription[];
  readonly sockets?: readonly SocketDescription[];
  /** Index in `sockets` of the socket that programs run for. */
  readonly currentSocket?: number;
  /** Metadata of the tunnel that packets came through. */
  readonly tunnel?: TunnelInfo;
}

interface Interface {
  readonly description: InterfaceDescription;
  readonly mac: Uint8Array;
  readonly mtu: number;
  readonly addresses: readonly Prefix[];
}

interface Route {
  readonly destination: Prefix;
  readonly result: number;
  readonly device: Interface | undefined;
  readonly via: Uint8Array | undefined;
  readonly source: Uint8Array | undefined;
  readonly metric: number;
  readonly mtu: number | undefined;
  readonly table: number;
  readonly encapsulated: boolean;
}

interface Neighbour {
  readonly address: Uint8Array;
  readonly mac: Uint8Array;
  readonly device: Interface;
}

interface Socket {
  readonly info: SocketInfo;
  readonly protocol: 'tcp' | 'udp';
  readonly connected: boolean;
  readonly netns: bigint;
  readonly onlyIpv6: boolean;
}

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const IPPROTO = { tcp: 6, udp: 17 } as const;
const RT_TABLE_MAIN = 254;
const RT_TABLE_LOCAL = 255;
const DEFAULT_MTU = 1500;
/** Metric of routes that have none, for IPv6 (IP6_RT_PRIO_USER). */
const IPV6_METRIC = 1024;
const BPF_FIB_LOOKUP = { DIRECT: 1, OUTPUT: 2, SKIP_NEIGH: 4, TBID: 8, SRC: 16 } as const;

const zero = (address: Uint8Array): boolean => address.every((byte) => byte === 0);

/** Multicast, link-local and loopback destinations of IPv6 are never forwarded (rt6_need_strict). */
const needsStrict = (address: Uint8Array): boolean =>
  address.length === 16 &&
  (address[0] === 0xff ||
    (address[0] === 0xfe && (address[1] & 0xc0) === 0x80) ||
    (zero(address.subarray(0, 15)) && address[15] === 1));

/**
 * A network of one namespace in memory. Plain data in; lookups answer as Linux does for the same interfaces, routes and
 * sockets, without policy rules, multipath and IPv4 source validation.
 *
 * @throws AnyBpfError network/address or network/description for a description that makes no sense
 */
export class SimulatedNetwork implements Network {
  readonly netnsCookie: bigint;
  readonly socketOptions = new SimulatedSocketOptions();
  readonly #interfaces: readonly Interface[];
  readonly #routes: readonly Route[];
  readonly #neighbours: readonly Neighbour[];
  readonly #sockets: readonly Socket[];
  readonly #current: SocketInfo | undefined;
  readonly #tunnel: TunnelInfo | undefined;

  constructor(description: NetworkDescription) {
    this.netnsCookie = description.netnsCookie ?? 1n;
    const interfaces = (description.interfaces ?? []).map(readInterface);
    this.#interfaces = interfaces;
    for (const [i, { description: one }] of interfaces.entries()) {
      if (interfaces.findIndex((other) => other.description.index === one.index) !== i) {
        fail(badNetwork({}, `interface ${one.name}`, `there are two with the index ${one.index}`));
      }
    }
    this.#routes = [
      ...interfaces.flatMap(connectedRoutes),
      ...(description.routes ?? []).map((route) => this.#readRoute(route)),
    ];
    this.#neighbours = (description.neighbours ?? []).map((one) => ({
      address: parseAddress(one.address),
      mac: parseMac(one.mac),
      device: this.#named(one.interface, `neighbour ${one.address}`),
    }));
    this.#sockets = (description.sockets ?? []).map((one, i) => this.#readSocket(one, i));
    const { currentSocket } = description;
    this.#current = currentSocket === undefined ? undefined : this.#sockets[currentSocket]?.info;
    if (currentSocket !== undefined && this.#current === undefined) {
      fail(badNetwork({}, 'currentSocket', `there is no socket ${currentSocket}`));
    }
    this.#tunnel = description.tunnel;
  }

  #named(which: string | number, what: string): Interface {
    const found = this.#interfaces.find(({ description: { name, index } }) => name === which || index === which);
    return found ?? fail(badNetwork({}, what, `there is no interface ${which}`));
  }

  #readRoute(route: RouteDescription): Route {
    const { type = 'unicast', via, source, metric } = route;
    const what = `route ${route.destination}`;
    const destination = parsePrefix(route.destination);
    const device = route.interface === undefined ? undefined : this.#named(route.interface, what);
    if (type === 'unicast' && device === undefined) fail(badNetwork({}, what, 'it needs an interface'));
    return {
      destination,
      result: ROUTE_RESULTS[type],
      device,
      via: via === undefined ? undefined : parseAddress(via),
      source: source === undefined ? undefined : parseAddress(source),
      metric: metric ?? (destination.address.length === 16 ? IPV6_METRIC : 0),
      mtu: route.mtu,
      table: route.table ?? RT_TABLE_MAIN,
      encapsulated: route.encapsulated ?? false,
    };
  }

  #readSocket(one: SocketDescription, i: number): Socket {
    const what = `socket ${i}`;
    const local = parseAddress(one.localAddress);
    const remote = one.remoteAddress === undefined ? new Uint8Array(local.length) : parseAddress(one.remoteAddress);
    if (remote.length !== local.length) fail(badNetwork({}, what, 'its addresses are of different families'));
    const connected = one.remoteAddress !== undefined;
    const state = one.state ?? (connected ? 'established' : one.protocol === 'tcp' ? 'listen' : 'close');
    const info: SocketInfo = {
      id: i + 1,
      family: local.length === 4 ? AF_INET : AF_INET6,
      type: one.protocol === 'tcp' ? SOCK_STREAM : SOCK_DGRAM,
      protocol: IPPROTO[one.protocol],
      mark: one.mark ?? 0,
      priority: one.priority ?? 0,
      boundDevice: one.interface === undefined ? 0 : this.#named(one.interface, what).description.index,
      sourceAddress: local,
      sourcePort: one.localPort,
      destinationAddress: remote,
      destinationPort: one.remotePort ?? 0,
      state: TCP_STATES[state],
      rxQueue: -1,
      cookie: one.cookie ?? BigInt(i + 1),
      netnsCookie: this.netnsCookie,
      uid: one.uid ?? 0,
      cgroupId: one.cgroupId ?? 1n,
      ...(one.cgroupAncestors === undefined ? {} : { cgroupAncestors: one.cgroupAncestors }),
      fullSocket: state !== 'timeWait' && state !== 'newSynReceived',
      ...(one.tcp === undefined ? {} : { tcp: one.tcp }),
    };
    const netns = one.netns === undefined ? -1n : BigInt(one.netns);
    return { info, protocol: one.protocol, connected, netns, onlyIpv6: one.onlyIpv6 ?? false };
  }

  mtu(ifindex: number): number | undefined {
    return this.#byIndex(ifindex)?.mtu;
  }

  #byIndex(ifindex: number): Interface | undefined {
    return this.#interfaces.find(({ description }) => description.index === ifindex);
  }

  currentSocket(): SocketInfo | undefined {
    return this.#current;
  }

  receivedTunnel(): TunnelInfo | undefined {
    return this.#tunnel;
  }

  /** bpf_ipv4_fib_lookup and bpf_ipv6_fib_lookup (net/core/filter.c). */
  fibLookup(query: FibQuery): FibAnswer {
    const device = this.#byIndex(query.ifindex);
    if (device === undefined) return { result: -ERRNO.ENODEV };
    const { destination, flags } = query;
    if (needsStrict(destination) || needsStrict(query.source)) return { result: FIB_RESULT.NOT_FWDED };
    if (device.description.forwarding === false) return { result: FIB_RESULT.FWD_DISABLED };
    const route = this.#route(query, device);
    if (route === undefined) return { result: FIB_RESULT.NOT_FWDED };
    if (route.result !== FIB_RESULT.SUCCESS || route.device === undefined) return { result: route.result };
    const out = route.device;
    const mtu = Math.min(route.mtu ?? out.mtu, out.mtu);
    if (query.totalLength > mtu) return { result: FIB_RESULT.FRAG_NEEDED, mtu };
    if (route.encapsulated) return { result: FIB_RESULT.UNSUPP_LWT };
    const found = {
      ifindex: out.description.index,
      metric: route.metric,
      ...(route.via === undefined ? {} : { gateway: route.via }),
    };
    const source = route.source ?? out.addresses.find(({ address }) => address.length === destination.length)?.address;
    const wantsSource = (flags & BPF_FIB_LOOKUP.SRC) !== 0;
    if (wantsSource && source === undefined) return { result: FIB_RESULT.NO_SRC_ADDR, ...found };
    const addressed = { ...found, ...(wantsSource && source !== undefined ? { source } : {}) };
    if ((flags & BPF_FIB_LOOKUP.SKIP_NEIGH) !== 0) return { result: FIB_RESULT.SUCCESS, ...addressed, mtu };
    const next = route.via ?? destination;
    const neighbour = out.description.withoutNeighbours
      ? new Uint8Array(6)
      : this.#neighbours.find((one) => one.device === out && equalBytes(one.address, next))?.mac;
    if (neighbour === undefined) return { result: FIB_RESULT.NO_NEIGH, ...addressed };
    return { result: FIB_RESULT.SUCCESS, ...addressed, sourceMac: out.mac, destinationMac: neighbour, mtu };
  }

  /** The longest matching prefix of the first table that has one, the lowest metric among equals. */
  #route(query: FibQuery, device: Interface): Route | undefined {
    const { flags } = query;
    const table = (flags & BPF_FIB_LOOKUP.TBID) !== 0 ? query.tableId : RT_TABLE_MAIN;
    const tables = (flags & BPF_FIB_LOOKUP.DIRECT) !== 0 ? [table] : [RT_TABLE_LOCAL, RT_TABLE_MAIN];
    for (const wanted of tables) {
      let best: Route | undefined;
      for (const route of this.#routes) {
        if (route.table !== wanted || !inPrefix(query.destination, route.destination)) continue;
        if ((flags & BPF_FIB_LOOKUP.OUTPUT) !== 0 && route.device !== device) continue;
        const longer = route.destination.length - (best?.destination.length ?? -1);
        if (longer > 0 || (longer === 0 && best !== undefined && route.metric < best.metric)) best = route;
      }
      if (best !== undefined) return best;
    }
    return undefined;
  }

  /** The socket that a packet with this tuple is for: a connected one first, then by how closely it is bound. */
  lookupSocket(tuple: SocketTuple): SocketInfo | undefined {
    let best: Socket | undefined;
    let bestScore = 0;
    for (const socket of this.#sockets) {
      const score = scoreOf(socket, tuple);
      if (score > bestScore) {
        best = socket;
        bestScore = score;
      }
    }
    return best?.info;
  }
}

function readInterface(description: InterfaceDescription): Interface {
  const { index, name, mac, mtu = DEFAULT_MTU } = description;
  if (!Number.isInteger(index) || index < 1)
    fail(badNetwork({}, `interface ${name}`, `its index ${index} is not above 0`));
  if (!Number.isInteger(mtu) || mtu < 1) fail(badNetwork({}, `interface ${name}`, `its mtu ${mtu} is not above 0`));
  return {
    description,
    mac: mac === undefined ? new Uint8Array(6) : parseMac(mac),
    mtu,
    addresses: (description.addresses ?? []).map(parsePrefix),
  };
}

/** What an address brings: the address itself is local, its network is behind the interface. */
function connectedRoutes(device: Interface): Route[] {
  return device.addresses.flatMap((prefix) => {
    const route = { device, via: undefined, source: undefined, metric: 0, mtu: undefined, encapsulated: false };
    const own = { address: prefix.address, length: prefix.address.length * 8 };
    const metric = prefix.address.length === 16 ? 256 : 0;
    return [
      { ...route, destination: own, result: FIB_RESULT.NOT_FWDED, table: RT_TABLE_LOCAL },
      {
        ...route,
        destination: prefix,
        result: FIB_RESULT.SUCCESS,
        table: RT_TABLE_MAIN,
        source: prefix.address,
        metric,
      },
    ];
  });
}

/** How well a socket fits (compute_score in net/ipv4/inet_hashtables.c and udp.c); 0 where it does not. */
function scoreOf(socket: Socket, tuple: SocketTuple): number {
  const { info } = socket;
  const ipv4 = tuple.family === 'inet';
  if (socket.protocol !== tuple.protocol || socket.netns !== tuple.netns) return 0;
  if (info.sourcePort !== tuple.destinationPort) return 0;
  if (info.boundDevice !== 0 && info.boundDevice !== tuple.ifindex) return 0;
  const any = zero(info.sourceAddress);
  if ((info.family === AF_INET) !== ipv4 && !(ipv4 && any && !socket.connected && !socket.onlyIpv6)) return 0;
  if (!any && !equalBytes(info.sourceAddress, tuple.destinationAddress)) return 0;
  let score = (info.family === AF_INET) === ipv4 ? 2 : 1;
  if (socket.connected) {
    if (info.destinationPort !== tuple.sourcePort || !equalBytes(info.destinationAddress, tuple.sourceAddress))
      return 0;
    score += 16;
  }
  return score + (any ? 0 : 8) + (info.boundDevice === 0 ? 0 : 4);
}
