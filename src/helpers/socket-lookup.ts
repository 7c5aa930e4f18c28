import { fail } from '../base/diagnostic.ts';
import { helperKind } from '../base/messages/helper.ts';
import { ERRNO } from '../spec/errno.ts';
import { type ArgKind, helper, type HelperEnv, type HelperFamily, type StateKey } from '../spec/helper.ts';
import type { Address } from '../spec/memory.ts';
import type { SocketInfo } from '../spec/network.ts';
import { deviceOf, readField, readField64, writeField64 } from './context.ts';
import { HELD_SOCKETS, placeSocket, socketAt, tcpSocketAt } from './socket-table.ts';

/** struct bpf_sock_tuple: size and address length by family. */
const TUPLES = { inet: { size: 12, length: 4 }, inet6: { size: 36, length: 16 } } as const;
const NETNS_LIMIT = 0x7fff_ffffn;
const TCP_LISTEN = 10;
const TCP_CLOSE = 7;
const IPPROTO_TCP = 6;
const IPPROTO_UDP = 17;
const AF_INET = 2;
const BPF_SK_LOOKUP_F_REPLACE = 1n;
const BPF_SK_LOOKUP_F_NO_REUSEPORT = 2n;

const ARGS = ['ctx', 'mem', 'size', 'scalar', 'scalar'] as const satisfies readonly ArgKind[];

/** __bpf_sk_lookup (net/core/filter.c): takes a reference to the socket that would get this packet. */
function lookup(
  env: HelperEnv,
  protocol: 'tcp' | 'udp',
  tuple: Address,
  size: number,
  netns: bigint,
  flags: bigint,
  fullOnly: boolean,
): Address {
  const family = size === TUPLES.inet.size ? 'inet' : size === TUPLES.inet6.size ? 'inet6' : undefined;
  const namespace = BigInt.asIntN(32, netns);
  if (family === undefined || flags !== 0n || (namespace >= 0n && netns > NETNS_LIMIT)) return 0;
  const { view, u8 } = env.memory;
  const { length } = TUPLES[family];
  const info = env.host.network.lookupSocket({
    family,
    protocol,
    sourceAddress: u8.slice(tuple, tuple + length),
    destinationAddress: u8.slice(tuple + length, tuple + 2 * length),
    sourcePort: view.getUint16(tuple + 2 * length, false),
    destinationPort: view.getUint16(tuple + 2 * length + 2, false),
    netns: namespace < 0n ? -1n : namespace,
    ifindex: deviceOf(env),
  });
  if (info === undefined || (fullOnly && !info.fullSocket)) return 0;
  const socket = placeSocket(env.memory, info);
  const held = env.state(HELD_SOCKETS);
  held.set(socket, (held.get(socket) ?? 0) + 1);
  return socket;
}

export const socketLookupHelpers: HelperFamily = {
  family: 'socket-lookup',
  doc: 'Finding sockets by addresses and ports',
  helpers: [
    helper({
      name: 'sk_lookup_tcp',
      numbers: { linux: 84 },
      args: ARGS,
      returns: 'socketOrNull',
      acquires: 'socket',
      doc:
        'The TCP socket for a tuple (struct bpf_sock_tuple, 12 or 36 bytes) in a network namespace (negative: this one), or NULL. ' +
        'To be given back by sk_release. Flags: 0.',
      body: (env, _ctx, tuple, size, netns, flags) => lookup(env, 'tcp', tuple, size, netns, flags, true),
    }),
    helper({
      name: 'sk_lookup_udp',
      numbers: { linux: 85 },
      args: ARGS,
      returns: 'socketOrNull',
      acquires: 'socket',
      doc: 'As sk_lookup_tcp for UDP.',
      body: (env, _ctx, tuple, size, netns, flags) => lookup(env, 'udp', tuple, size, netns, flags, true),
    }),
    helper({
      name: 'skc_lookup_tcp',
      numbers: { linux: 99 },
      args: ARGS,
      returns: 'sockCommonOrNull',
      acquires: 'socket',
      doc: 'As sk_lookup_tcp, also for sockets in the making (request sockets) and after the end (time-wait).',
      body: (env, _ctx, tuple, size, netns, flags) => lookup(env, 'tcp', tuple, size, netns, flags, false),
    }),
  ],
};

export const socketFieldHelpers: HelperFamily = {
  family: 'socket-field',
  doc: 'Views of a socket',
  helpers: [
    helper({
      name: 'sk_fullsock',
      numbers: { linux: 95 },
      args: ['socketOrNull'],
      returns: 'socketOrNull',
      doc: 'The socket itself where it is a full one, else NULL.',
      body: (env, socket) => (socket !== 0 && socketAt(env, socket).fullSocket ? socket : 0),
    }),
    helper({
      name: 'get_listener_sock',
      numbers: { linux: 98 },
      args: ['socketOrNull'],
      returns: 'socketOrNull',
      doc: 'The socket itself where it listens, else NULL.',
      body: (env, socket) => (socket !== 0 && socketAt(env, socket).state === TCP_LISTEN ? socket : 0),
    }),
  ],
};

/** The socket that the program chose for the packet (bpf_sk_assign), undefined where it chose none. */
export const ASSIGNED_SOCKET: StateKey<{ socket: SocketInfo | undefined; noReuseport: boolean }> = {
  name: 'assigned-socket',
  create: () => ({ socket: undefined, noReuseport: false }),
};

/** tc: bpf_sk_assign. */
function assignToPacket(env: HelperEnv, socket: Address, flags: bigint): number {
  if (socket === 0 || flags !== 0n) return -ERRNO.EINVAL;
  const info = socketAt(env, socket);
  if (info.netnsCookie !== env.host.network.netnsCookie) return -ERRNO.ENETUNREACH;
  env.state(ASSIGNED_SOCKET).socket = info;
  return 0;
}

/** sk_lookup: bpf_sk_lookup_assign. */
function assignToLookup(env: HelperEnv, socket: Address, flags: bigint): number {
  const state = env.state(ASSIGNED_SOCKET);
  const info = socket === 0 ? undefined : socketAt(env, socket);
  if ((flags & ~(BPF_SK_LOOKUP_F_REPLACE | BPF_SK_LOOKUP_F_NO_REUSEPORT)) !== 0n) return -ERRNO.EINVAL;
  if (info !== undefined) {
    if (info.protocol === IPPROTO_TCP && info.state !== TCP_LISTEN) return -ERRNO.ESOCKTNOSUPPORT;
    if (info.protocol === IPPROTO_UDP && info.state !== TCP_CLOSE) return -ERRNO.ESOCKTNOSUPPORT;
    if (info.protocol !== readField(env, 'protocol')) return -ERRNO.EPROTOTYPE;
    if (info.family !== readField(env, 'family') && info.family === AF_INET) return -ERRNO.EAFNOSUPPORT;
  }
  const chosen = state.socket !== undefined || (readField64(env, 'sk') ?? 0n) !== 0n;
  if (chosen && (flags & BPF_SK_LOOKUP_F_REPLACE) === 0n) return -ERRNO.EEXIST;
  state.socket = info;
  state.noReuseport = (flags & BPF_SK_LOOKUP_F_NO_REUSEPORT) !== 0n;
  writeField64(env, 'sk', BigInt(socket));
  return 0;
}

export const socketAssignHelpers: HelperFamily = {
  family: 'socket-assign',
  doc: 'Choosing the socket that gets a packet',
  helpers: [
    helper({
      name: 'sk_assign',
      numbers: { linux: 124 },
      args: ['ctx', 'socketOrNull', 'scalar'],
      returns: 'integer',
      doc:
        'Chooses the socket for the packet (tc; flags 0) or the lookup (sk_lookup; NULL takes the choice back; flags ' +
        'BPF_SK_LOOKUP_F_REPLACE, _NO_REUSEPORT). -EINVAL, -ENETUNREACH: of another namespace, -EEXIST: already chosen, ' +
        '-ESOCKTNOSUPPORT, -EPROTOTYPE, -EAFNOSUPPORT. The run reports the choice.',
      body: (env, _ctx, socket, flags) =>
        env.program.type === 'sk_lookup' ? assignToLookup(env, socket, flags) : assignToPacket(env, socket, flags),
    }),
  ],
};

export const socketReleaseHelpers: HelperFamily = {
  family: 'socket-release',
  doc: 'References to sockets',
  helpers: [
    helper({
      name: 'sk_release',
      numbers: { linux: 86 },
      args: ['socket'],
      returns: 'integer',
      releases: 'socket',
      doc: 'Gives back the reference that a lookup took. 0.',
      body: (env, socket) => {
        const held = env.state(HELD_SOCKETS);
        const count = held.get(socket);
        if (count === undefined)
          return fail(helperKind({}, 'sk_release', 1, BigInt(socket), 'a socket that this run holds'));
        if (count === 1) held.delete(socket);
        else held.set(socket, count - 1);
        return 0;
      },
    }),
  ],
};

export const tcpSocketHelpers: HelperFamily = {
  family: 'tcp-socket',
  doc: 'What TCP knows of a connection',
  helpers: [
    helper({
      name: 'tcp_sock',
      numbers: { linux: 96 },
      args: ['socketOrNull'],
      returns: 'tcpSocketOrNull',
      doc: 'struct bpf_tcp_sock of a TCP socket, else NULL.',
      body: (env, socket) => (socket === 0 ? 0 : tcpSocketAt(env, socket)),
    }),
  ],
};
