// Where a run wants its packet to go. The helpers only note it; the run's return value (XDP_REDIRECT, TC_ACT_REDIRECT) decides.
import { ERRNO } from '../spec/errno.ts';
import { helper, type HelperFamily, type StateKey } from '../spec/helper.ts';
import type { BpfMap } from '../spec/map.ts';
import type { MapTypeName } from '../spec/map-types.ts';
import { handleAtIndex, needMapType } from './map-access.ts';

export const BPF_F_INGRESS = 1n;
const BPF_F_BROADCAST = 1n << 3n;
const BPF_F_EXCLUDE_INGRESS = 1n << 4n;

const XDP_ABORTED = 0;
const XDP_REDIRECT = 4;
/** Lower bits of redirect_map's flags that are the return value where the key is missing. */
const XDP_ACTION_MASK = 3n;
const TC_ACT_SHOT = 2;
const TC_ACT_REDIRECT = 7;

/** Target of a redirect. */
export type RedirectTarget =
  | { readonly kind: 'interface'; readonly ifindex: number; readonly ingress: boolean }
  /** bpf_redirect_neigh: with a link header filled in by the neighbour table. */
  | {
      readonly kind: 'neighbour';
      readonly ifindex: number;
      /** AF_INET 2 (4 bytes of the address count) or AF_INET6 10; any other is dropped when it is sent. */
      readonly nextHop?: { readonly family: number; readonly address: Uint8Array };
    }
  /** bpf_redirect_peer: out of the peer of a pair of interfaces, as received. */
  | { readonly kind: 'peer'; readonly ifindex: number }
  | { readonly kind: 'map'; readonly map: BpfMap; readonly index: number }
  /** Every entry of a device map (BPF_F_BROADCAST). */
  | { readonly kind: 'broadcast'; readonly map: BpfMap; readonly excludeIngress: boolean };

/** The last redirect of the run, undefined where there was none. */
export const REDIRECT: StateKey<{ target: RedirectTarget | undefined }> = {
  name: 'redirect',
  create: () => ({ target: undefined }),
};

/** Map types that redirect_map works on, and the flags beside the action that each takes. */
const MAP_TARGETS: { readonly [T in MapTypeName]?: bigint } = {
  devmap: BPF_F_BROADCAST | BPF_F_EXCLUDE_INGRESS,
  devmap_hash: BPF_F_BROADCAST | BPF_F_EXCLUDE_INGRESS,
  cpumap: 0n,
  xskmap: 0n,
};

export const redirectHelpers: HelperFamily = {
  family: 'redirect',
  doc: 'Sending the packet to an interface',
  helpers: [
    helper({
      name: 'redirect',
      numbers: { linux: 23 },
      args: ['u32', 'scalar'],
      returns: 'integer',
      doc:
        'Notes an interface; gives XDP_REDIRECT (XDP; flags must be 0, else XDP_ABORTED) or TC_ACT_REDIRECT (skb; flags 0 or ' +
        'BPF_F_INGRESS, else TC_ACT_SHOT), to be returned by the program.',
      body: (env, ifindex, flags) => {
        const xdp = env.program.type === 'xdp';
        if ((flags & ~(xdp ? 0n : BPF_F_INGRESS)) !== 0n) return xdp ? XDP_ABORTED : TC_ACT_SHOT;
        env.state(REDIRECT).target = { kind: 'interface', ifindex, ingress: flags !== 0n };
        return xdp ? XDP_REDIRECT : TC_ACT_REDIRECT;
      },
    }),
  ],
};

export const redirectMapHelpers: HelperFamily = {
  family: 'redirect-map',
  doc: 'Sending an XDP packet to an entry of a map',
  helpers: [
    helper({
      name: 'redirect_map',
      numbers: { linux: 51, windows: 35 },
      args: ['map', 'scalar', 'scalar'],
      returns: 'integer',
      doc:
        'Notes an entry of a devmap, devmap_hash, cpumap or xskmap and gives XDP_REDIRECT; where the key is missing, the low two ' +
        'bits of flags as action. BPF_F_BROADCAST (device maps) means every entry. Other flags: XDP_ABORTED.',
      body: (env, map, key, flags) => {
        needMapType('redirect_map', map, Object.keys(MAP_TARGETS) as MapTypeName[]);
        if ((flags & ~(XDP_ACTION_MASK | (MAP_TARGETS[map.type] ?? 0n))) !== 0n) return XDP_ABORTED;
        const state = env.state(REDIRECT);
        if ((flags & BPF_F_BROADCAST) !== 0n) {
          state.target = { kind: 'broadcast', map, excludeIngress: (flags & BPF_F_EXCLUDE_INGRESS) !== 0n };
          return XDP_REDIRECT;
        }
        const index = Number(BigInt.asUintN(32, key));
        if (handleAtIndex(env.memory, map, index) === 0) {
          state.target = undefined;
          return Number(flags & XDP_ACTION_MASK);
        }
        state.target = { kind: 'map', map, index };
        return XDP_REDIRECT;
      },
    }),
  ],
};

const BPF_REDIR_NEIGH_SIZE = 20;

export const redirectNeighbourHelpers: HelperFamily = {
  family: 'redirect-neighbour',
  doc: 'Sending an skb to a neighbour or a peer interface',
  helpers: [
    helper({
      name: 'redirect_neigh',
      numbers: { linux: 152 },
      args: ['u32', 'memOrNull', 'sizeOrZero', 'scalar'],
      returns: 'integer',
      doc:
        'As redirect, with the link header of the next hop (struct bpf_redir_neigh, 20 bytes, or of the route where NULL). ' +
        'Flags must be 0 and the structure complete, else TC_ACT_SHOT.',
      body: (env, ifindex, params, size, flags) => {
        if (flags !== 0n || (size !== 0 && size < BPF_REDIR_NEIGH_SIZE)) return TC_ACT_SHOT;
        if (size === 0) {
          env.state(REDIRECT).target = { kind: 'neighbour', ifindex };
          return TC_ACT_REDIRECT;
        }
        const family = env.memory.view.getUint32(params, true);
        const address = env.memory.u8.slice(params + 4, params + BPF_REDIR_NEIGH_SIZE);
        env.state(REDIRECT).target = { kind: 'neighbour', ifindex, nextHop: { family, address } };
        return TC_ACT_REDIRECT;
      },
    }),
    helper({
      name: 'redirect_peer',
      numbers: { linux: 155 },
      args: ['u32', 'scalar'],
      returns: 'integer',
      doc: 'As redirect, as if received on the peer of a pair of interfaces. Flags must be 0, else TC_ACT_SHOT.',
      body: (env, ifindex, flags) => {
        if (flags !== 0n) return TC_ACT_SHOT;
        env.state(REDIRECT).target = { kind: 'peer', ifindex };
        return TC_ACT_REDIRECT;
      },
    }),
  ],
};

/** Copies that clone_redirect sent during the run, in order. */
export const CLONES: StateKey<{ readonly ifindex: number; readonly ingress: boolean; readonly data: Uint8Array }[]> = {
  name: 'clones',
  create: () => [],
};

export const cloneHelpers: HelperFamily = {
  family: 'clone',
  doc: 'Copies of an skb',
  helpers: [
    helper({
      name: 'clone_redirect',
      numbers: { linux: 13 },
      args: ['ctx', 'u32', 'scalar'],
      returns: 'integer',
      changesPacket: true,
      doc:
        'Sends a copy of the packet to an interface now and goes on with the packet. -EINVAL for flags other than BPF_F_INGRESS ' +
        'and for an interface that does not exist.',
      body: (env, _ctx, ifindex, flags) => {
        const { packet } = env;
        if ((flags & ~BPF_F_INGRESS) !== 0n || env.host.network.mtu(ifindex) === undefined) return -ERRNO.EINVAL;
        if (packet === undefined) return -ERRNO.EINVAL;
        const data = env.memory.u8.slice(packet.data, packet.end);
        env.state(CLONES).push({ ifindex, ingress: flags !== 0n, data });
        return 0;
      },
    }),
  ],
};
