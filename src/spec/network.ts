// The network state that helpers ask (bpf_fib_lookup, bpf_sk_lookup_*, ...). A host gives it; tests give a small table.

/** Query and answer of bpf_fib_lookup (struct bpf_fib_lookup, include/uapi/linux/bpf.h), addresses in network byte order. */
export interface FibQuery {
  readonly family: 'inet' | 'inet6';
  readonly protocol: number;
  readonly sport: number;
  readonly dport: number;
  readonly totalLength: number;
  readonly tos: number;
  readonly ifindex: number;
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  readonly tableId?: number;
  readonly mark?: number;
  /** BPF_FIB_LOOKUP_* flags. */
  readonly flags: number;
}

/** BPF_FIB_LKUP_RET_*. */
export const FIB_RESULT = {
  SUCCESS: 0,
  BLACKHOLE: 1,
  UNREACHABLE: 2,
  PROHIBIT: 3,
  NOT_FWDED: 4,
  FWD_DISABLED: 5,
  UNSUPP_LWT: 6,
  NO_NEIGH: 7,
  FRAG_NEEDED: 8,
  NO_SRC_ADDR: 9,
} as const;

export interface FibAnswer {
  /** FIB_RESULT, or a negated errno. */
  readonly result: number;
  readonly ifindex?: number;
  readonly mtu?: number;
  readonly gateway?: Uint8Array;
  readonly source?: Uint8Array;
  readonly sourceMac?: Uint8Array;
  readonly destinationMac?: Uint8Array;
  readonly metric?: number;
}

export interface SocketTuple {
  readonly family: 'inet' | 'inet6';
  readonly protocol: 'tcp' | 'udp';
  readonly sourceAddress: Uint8Array;
  readonly sourcePort: number;
  readonly destinationAddress: Uint8Array;
  readonly destinationPort: number;
  /** Network namespace id, or -1 for the current one. */
  readonly netns: bigint;
  readonly ifindex: number;
}

/** A socket as programs see it (struct bpf_sock and struct bpf_tcp_sock). */
export interface SocketInfo {
  /** Stable identity within the host. */
  readonly id: number;
  readonly family: number;
  readonly type: number;
  readonly protocol: number;
  readonly mark: number;
  readonly priority: number;
  readonly boundDevice: number;
  readonly sourceAddress: Uint8Array;
  readonly sourcePort: number;
  readonly destinationAddress: Uint8Array;
  readonly destinationPort: number;
  /** BPF_TCP_* state. */
  readonly state: number;
  readonly rxQueue: number;
  readonly cookie: bigint;
  readonly netnsCookie: bigint;
  readonly uid: number;
  readonly cgroupId: bigint;
  /** Cgroup ids of the ancestors of that cgroup, root first. */
  readonly cgroupAncestors?: readonly bigint[];
  readonly fullSocket: boolean;
  readonly tcp?: Readonly<Record<string, number | bigint>>;
}

/** Tunnel metadata of a packet (struct ip_tunnel_info): addresses in network byte order, 4 or 16 bytes. */
export interface TunnelInfo {
  readonly family: 'inet' | 'inet6';
  readonly id: number;
  /** Of the outer header: where the packet came from and went to; for a packet to be sent, own and remote end. */
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  readonly tos: number;
  readonly ttl: number;
  readonly label: number;
  /** TUNNEL_* bits (include/net/ip_tunnels.h), host byte order. */
  readonly flags: number;
  /** Option bytes (Geneve, VXLAN-GBP, ERSPAN), where there are any. */
  readonly options?: Uint8Array;
}

/** Options of the socket that a program runs for; `level` and `name` as setsockopt(2). */
export interface SocketOptions {
  /** Undefined where there is no such option. */
  get(level: number, name: number): Uint8Array | undefined;
  /** 0 or a negated errno. */
  set(level: number, name: number, value: Uint8Array): number;
}

export interface Network {
  readonly netnsCookie: bigint;
  fibLookup(query: FibQuery): FibAnswer;
  /** MTU of an interface, undefined where there is none. */
  mtu(ifindex: number): number | undefined;
  lookupSocket(tuple: SocketTuple): SocketInfo | undefined;
  /** The socket that the program runs for: of the packet, the connection, the bind. Undefined where there is none. */
  currentSocket?(): SocketInfo | undefined;
  readonly socketOptions?: SocketOptions;
  /** Metadata of the tunnel that the packet came through. Undefined where it came through none. */
  receivedTunnel?(): TunnelInfo | undefined;
}
