// Sockets of the host as programs hold them: a `struct bpf_sock` (and `struct bpf_tcp_sock`) each, made when it is first asked
// for and kept as long as the memory is, so that a program's pointer to a socket is always the same.
import { fail } from '../base/diagnostic.ts';
import { helperRefused } from '../base/messages/helper.ts';
import type { HelperEnv, StateKey } from '../spec/helper.ts';
import type { Address, Memory } from '../spec/memory.ts';
import type { SocketInfo } from '../spec/network.ts';
import { BPF_SOCK, BPF_TCP_SOCK } from '../spec/sockets.ts';

const AF_INET = 2;

interface Entry {
  readonly address: Address;
  readonly tcp: Address;
  info: SocketInfo;
}

interface Table {
  readonly byId: Map<number, Entry>;
  readonly byAddress: Map<Address, Entry>;
}

const TABLES = new WeakMap<Memory, Table>();

function tableOf(memory: Memory): Table {
  let table = TABLES.get(memory);
  if (table === undefined) {
    table = { byId: new Map(), byAddress: new Map() };
    TABLES.set(memory, table);
  }
  return table;
}

function region(memory: Memory, size: number, name: string): Address {
  const base = memory.alloc(size);
  memory.addRegion({ base, size, kind: 'socket', name, writable: false });
  return base;
}

function fillSocket(memory: Memory, at: Address, info: SocketInfo): void {
  const { view, u8 } = memory;
  const set = (name: keyof (typeof BPF_SOCK)['fields'], value: number): void =>
    view.setUint32(at + BPF_SOCK.fields[name].offset, value, true);
  u8.fill(0, at, at + BPF_SOCK.size);
  set('bound_dev_if', info.boundDevice);
  set('family', info.family);
  set('type', info.type);
  set('protocol', info.protocol);
  set('mark', info.mark);
  set('priority', info.priority);
  set('src_port', info.sourcePort);
  set('state', info.state);
  set('rx_queue_mapping', info.rxQueue);
  view.setUint16(at + BPF_SOCK.fields.dst_port.offset, info.destinationPort, false);
  const ipv4 = info.family === AF_INET;
  u8.set(info.sourceAddress, at + BPF_SOCK.fields[ipv4 ? 'src_ip4' : 'src_ip6'].offset);
  u8.set(info.destinationAddress, at + BPF_SOCK.fields[ipv4 ? 'dst_ip4' : 'dst_ip6'].offset);
}

function fillTcp(memory: Memory, at: Address, info: SocketInfo): void {
  let offset = at;
  const value = (name: string): bigint => BigInt(info.tcp?.[name] ?? 0);
  const words = (names: readonly string[]): void => {
    for (const name of names) {
      memory.view.setUint32(offset, Number(BigInt.asUintN(32, value(name))), true);
      offset += 4;
    }
  };
  words(BPF_TCP_SOCK.words);
  for (const name of BPF_TCP_SOCK.longs) {
    memory.view.setBigUint64(offset, BigInt.asUintN(64, value(name)), true);
    offset += 8;
  }
  words(BPF_TCP_SOCK.lastWords);
}

/** The `struct bpf_sock` of a socket, filled anew. */
export function placeSocket(memory: Memory, info: SocketInfo): Address {
  const table = tableOf(memory);
  let entry = table.byId.get(info.id);
  if (entry === undefined) {
    const tcp = region(memory, BPF_TCP_SOCK.size, BPF_TCP_SOCK.name);
    entry = { address: region(memory, BPF_SOCK.size, BPF_SOCK.name), tcp, info };
    table.byId.set(info.id, entry);
    table.byAddress.set(entry.address, entry);
    table.byAddress.set(entry.tcp, entry);
  }
  entry.info = info;
  fillSocket(memory, entry.address, info);
  fillTcp(memory, entry.tcp, info);
  return entry.address;
}

/** What the host says of the socket at an address; a context's own socket is the one that the program runs for. */
export function socketAt(env: HelperEnv, address: Address): SocketInfo {
  return (
    tableOf(env.memory).byAddress.get(address)?.info ?? env.host.network.currentSocket?.() ?? unknown(env, address)
  );
}

/** A context's socket in a run for which the host names none: what its `struct bpf_sock` says, identified by its address. */
function unknown(env: HelperEnv, address: Address): SocketInfo {
  const { view, u8 } = env.memory;
  const get = (name: keyof (typeof BPF_SOCK)['fields']): number =>
    view.getUint32(address + BPF_SOCK.fields[name].offset, true);
  const bytes = (name: 'src_ip4' | 'dst_ip4' | 'src_ip6' | 'dst_ip6'): Uint8Array => {
    const { offset, size } = BPF_SOCK.fields[name];
    return u8.slice(address + offset, address + offset + size);
  };
  const ipv4 = get('family') === AF_INET;
  return {
    // Below zero, where no host has ids.
    id: -address,
    family: get('family'),
    type: get('type'),
    protocol: get('protocol'),
    mark: get('mark'),
    priority: get('priority'),
    boundDevice: get('bound_dev_if'),
    sourceAddress: bytes(ipv4 ? 'src_ip4' : 'src_ip6'),
    sourcePort: get('src_port'),
    destinationAddress: bytes(ipv4 ? 'dst_ip4' : 'dst_ip6'),
    destinationPort: view.getUint16(address + BPF_SOCK.fields.dst_port.offset, false),
    state: get('state'),
    rxQueue: get('rx_queue_mapping'),
    cookie: BigInt(address),
    netnsCookie: env.host.network.netnsCookie,
    uid: 0,
    cgroupId: 0n,
    fullSocket: true,
  };
}

/** The `struct bpf_tcp_sock` of a full TCP socket, or 0. */
export function tcpSocketAt(env: HelperEnv, address: Address): Address {
  const info = socketAt(env, address);
  const IPPROTO_TCP = 6;
  if (!info.fullSocket || info.protocol !== IPPROTO_TCP) return 0;
  placeSocket(env.memory, info);
  return tableOf(env.memory).byId.get(info.id)?.tcp ?? 0;
}

/** The socket that the program runs for; program types whose context has one need a host that knows it. */
export const neededSocket = (env: HelperEnv, name: string): SocketInfo =>
  env.host.network.currentSocket?.() ??
  fail(helperRefused({}, name, 'the host does not say which socket the program runs for'));

/** References to sockets that the run has taken and not given back: how many of each. */
export const HELD_SOCKETS: StateKey<Map<Address, number>> = { name: 'held-sockets', create: () => new Map() };
