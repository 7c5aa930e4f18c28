import { ERRNO } from '../spec/errno.ts';
import { helper, type HelperEnv, type HelperFamily, type StateKey } from '../spec/helper.ts';
import type { Address } from '../spec/memory.ts';
import type { TunnelInfo } from '../spec/network.ts';

const BPF_F_TUNINFO_IPV6 = 1n << 0n;
const BPF_F_ZERO_CSUM_TX = 1n << 1n;
const BPF_F_DONT_FRAGMENT = 1n << 2n;
const BPF_F_SEQ_NUMBER = 1n << 3n;
const BPF_F_NO_TUNNEL_KEY = 1n << 4n;
const BPF_F_TUNINFO_FLAGS = 1n << 4n;
const SET_FLAGS =
  BPF_F_TUNINFO_IPV6 | BPF_F_ZERO_CSUM_TX | BPF_F_DONT_FRAGMENT | BPF_F_SEQ_NUMBER | BPF_F_NO_TUNNEL_KEY;

/** IP_TUNNEL_*_BIT (include/uapi/linux/if_tunnel.h). */
const TUNNEL = {
  checksum: 1 << 0,
  key: 1 << 2,
  sequence: 1 << 3,
  dontFragment: 1 << 8,
  noCache: 1 << 13,
  /** Option bytes of any protocol: Geneve, VXLAN, ERSPAN and GTP. */
  options: (1 << 11) | (1 << 12) | (1 << 14) | (1 << 15),
} as const;

/** struct bpf_tunnel_key. */
const KEY = { id: 0, remote: 4, tos: 20, ttl: 21, flags: 22, label: 24, local: 28, size: 44 } as const;
/** Sizes of older forms of the structure, each cut before a later field. */
const OLD_SIZES: readonly number[] = [8, KEY.flags, KEY.label, KEY.local];
const IPV6_FLOWLABEL_MASK = 0xf_ffff;
const OPTIONS_LIMIT = 255;

/** The packet's tunnel metadata: as received, or as the program set it (`own`) for sending. */
export const TUNNEL_INFO: StateKey<{ info: TunnelInfo | undefined; own: boolean }> = {
  name: 'tunnel',
  create: (env) => ({ info: env.host.network.receivedTunnel?.(), own: false }),
};

/** A 4-byte address turned between network byte order and the host byte order that the structure has. */
const turned = (bytes: Uint8Array): Uint8Array => bytes.slice(0, 4).reverse();

function getKey(env: HelperEnv, to: Address, size: number, flags: bigint): number {
  const { u8 } = env.memory;
  const { info } = env.state(TUNNEL_INFO);
  u8.fill(0, to, to + size);
  if (info === undefined || (flags & ~(BPF_F_TUNINFO_IPV6 | BPF_F_TUNINFO_FLAGS)) !== 0n) return -ERRNO.EINVAL;
  const ipv6 = (flags & BPF_F_TUNINFO_IPV6) !== 0n;
  if ((info.family === 'inet6') !== ipv6) return -ERRNO.EPROTO;
  if (size !== KEY.size && (!OLD_SIZES.includes(size) || (size === OLD_SIZES[0] && ipv6))) return -ERRNO.EINVAL;
  const key = new Uint8Array(KEY.size);
  const view = new DataView(key.buffer);
  view.setUint32(KEY.id, info.id, true);
  key.set(ipv6 ? info.source : turned(info.source), KEY.remote);
  key[KEY.tos] = info.tos;
  key[KEY.ttl] = info.ttl;
  if ((flags & BPF_F_TUNINFO_FLAGS) !== 0n) view.setUint16(KEY.flags, info.flags, false);
  if (ipv6) view.setUint32(KEY.label, info.label, true);
  key.set(ipv6 ? info.destination : turned(info.destination), KEY.local);
  u8.set(key.subarray(0, size), to);
  return 0;
}

const bit = (set: boolean, value: number): number => (set ? value : 0);

function setKey(env: HelperEnv, from: Address, size: number, flags: bigint): number {
  if ((flags & ~SET_FLAGS) !== 0n) return -ERRNO.EINVAL;
  if (size !== KEY.size && !OLD_SIZES.includes(size)) return -ERRNO.EINVAL;
  const key = new Uint8Array(KEY.size);
  key.set(env.memory.u8.subarray(from, from + size));
  const view = new DataView(key.buffer);
  const ipv6 = (flags & BPF_F_TUNINFO_IPV6) !== 0n;
  const label = view.getUint32(KEY.label, true);
  if ((!ipv6 && label !== 0) || view.getUint16(KEY.flags) !== 0) return -ERRNO.EINVAL;
  const address = (at: number): Uint8Array => (ipv6 ? key.slice(at, at + 16) : turned(key.subarray(at)));
  const state = env.state(TUNNEL_INFO);
  state.own = true;
  state.info = {
    family: ipv6 ? 'inet6' : 'inet',
    id: view.getUint32(KEY.id, true),
    source: address(KEY.local),
    destination: address(KEY.remote),
    tos: key[KEY.tos],
    ttl: key[KEY.ttl],
    label: label & IPV6_FLOWLABEL_MASK,
    flags:
      TUNNEL.noCache |
      bit((flags & BPF_F_DONT_FRAGMENT) !== 0n, TUNNEL.dontFragment) |
      bit((flags & BPF_F_ZERO_CSUM_TX) === 0n, TUNNEL.checksum) |
      bit((flags & BPF_F_SEQ_NUMBER) !== 0n, TUNNEL.sequence) |
      bit((flags & BPF_F_NO_TUNNEL_KEY) === 0n, TUNNEL.key),
  };
  return 0;
}

export const tunnelHelpers: HelperFamily = {
  family: 'tunnel',
  doc: 'Tunnel metadata of an skb',
  helpers: [
    helper({
      name: 'skb_get_tunnel_key',
      numbers: { linux: 20 },
      args: ['ctx', 'memOut', 'size', 'scalar'],
      returns: 'integer',
      doc:
        'Tunnel that the packet came through, as struct bpf_tunnel_key (IPv4 addresses in host byte order). -EINVAL: none, other ' +
        'flags or size; -EPROTO: the other address family. The structure is zero then.',
      body: (env, _ctx, to, size, flags) => getKey(env, to, size, flags),
    }),
    helper({
      name: 'skb_set_tunnel_key',
      numbers: { linux: 21 },
      args: ['ctx', 'mem', 'size', 'scalar'],
      returns: 'integer',
      doc: 'Tunnel to send the packet through (struct bpf_tunnel_key); the run reports it. -EINVAL for other flags or size.',
      body: (env, _ctx, from, size, flags) => setKey(env, from, size, flags),
    }),
    helper({
      name: 'skb_get_tunnel_opt',
      numbers: { linux: 29 },
      args: ['ctx', 'memOut', 'size'],
      returns: 'integer',
      doc: 'Option bytes of the tunnel, filled up with zeros; their number, -ENOENT where there are none, -ENOMEM where too many.',
      body: (env, _ctx, to, size) => {
        const { u8 } = env.memory;
        const options = env.state(TUNNEL_INFO).info?.options;
        u8.fill(0, to, to + size);
        if (options === undefined) return -ERRNO.ENOENT;
        if (size < options.length) return -ERRNO.ENOMEM;
        u8.set(options, to);
        return options.length;
      },
    }),
    helper({
      name: 'skb_set_tunnel_opt',
      numbers: { linux: 30 },
      args: ['ctx', 'mem', 'size'],
      returns: 'integer',
      doc: 'Option bytes for the tunnel that skb_set_tunnel_key set (-EINVAL before that, or no multiple of 4; -ENOMEM above 255).',
      body: (env, _ctx, from, size) => {
        const state = env.state(TUNNEL_INFO);
        if (!state.own || state.info === undefined || size % 4 !== 0) return -ERRNO.EINVAL;
        if (size > OPTIONS_LIMIT) return -ERRNO.ENOMEM;
        const { flags } = state.info;
        state.info = { ...state.info, flags: flags | TUNNEL.options, options: env.memory.u8.slice(from, from + size) };
        return 0;
      },
    }),
  ],
};
