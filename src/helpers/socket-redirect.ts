// Handing data and packets to sockets of a map. The helpers note the socket; the run's verdict decides.
import { ERRNO } from '../spec/errno.ts';
import {
  type ArgKind,
  helper,
  type HelperEnv,
  type HelperFamily,
  type HelperRow,
  type StateKey,
} from '../spec/helper.ts';
import type { BpfMap, HandleMap } from '../spec/map.ts';
import type { MapTypeName } from '../spec/map-types.ts';
import type { Address } from '../spec/memory.ts';
import { needMapType } from './map-access.ts';
import { BPF_F_INGRESS } from './redirect.ts';
import { neededSocket } from './socket-table.ts';

const SK_DROP = 0;
const SK_PASS = 1;

/** The socket of a map that the run chose, by the application's handle for it; undefined where it chose none. */
export const SOCKET_TARGET: StateKey<{
  target: { readonly map: BpfMap; readonly handle: number; readonly ingress: boolean } | undefined;
}> = { name: 'socket-target', create: () => ({ target: undefined }) };

function choose(env: HelperEnv, map: BpfMap, key: Address, flags: bigint): boolean {
  const state = env.state(SOCKET_TARGET);
  state.target = undefined;
  if ((flags & ~BPF_F_INGRESS) !== 0n) return false;
  const handle = (map as HandleMap).handleAt(key);
  if (handle === 0) return false;
  state.target = { map, handle, ingress: flags !== 0n };
  return true;
}

/** Runs with a u32 key in memory, which the map side of the lookup needs. */
function withIndex<T>(env: HelperEnv, index: number, body: (key: Address) => T): T {
  const key = env.memory.alloc(4);
  try {
    env.memory.view.setUint32(key, index, true);
    return body(key);
  } finally {
    env.memory.free(key);
  }
}

const byIndex = (name: string, linux: number, what: string): HelperRow =>
  helper({
    name,
    numbers: { linux },
    args: ['ctx', 'map', 'u32', 'scalar'],
    returns: 'integer',
    doc: `Hands ${what} to a socket of a sockmap (flags BPF_F_INGRESS: as received): SK_PASS, or SK_DROP where there is none.`,
    body: (env, _ctx, map, index, flags) => {
      needMapType(name, map, ['sockmap'], 2);
      return withIndex(env, index, (key) => choose(env, map, key, flags)) ? SK_PASS : SK_DROP;
    },
  });

const BY_KEY = ['ctx', 'map', 'key', 'scalar'] as const satisfies readonly ArgKind[];

const byKey = (name: string, linux: number, what: string): HelperRow =>
  helper({
    name,
    numbers: { linux },
    args: BY_KEY,
    returns: 'integer',
    doc: `Hands ${what} to a socket of a sockhash (flags BPF_F_INGRESS: as received): SK_PASS, or SK_DROP where there is none.`,
    body: (env, _ctx, map, key, flags) => {
      needMapType(name, map, ['sockhash'], 2);
      return choose(env, map, key, flags) ? SK_PASS : SK_DROP;
    },
  });

export const skbSocketRedirectHelpers: HelperFamily = {
  family: 'sk-skb',
  doc: 'Handing received data to another socket',
  helpers: [byIndex('sk_redirect_map', 52, 'the packet'), byKey('sk_redirect_hash', 72, 'the packet')],
};

/** How many bytes the verdict is for, and how many to wait for before the next call (0: not asked). */
export const MESSAGE_BYTES: StateKey<{ apply: number; cork: number }> = {
  name: 'message-bytes',
  create: () => ({ apply: 0, cork: 0 }),
};

export const messageHelpers: HelperFamily = {
  family: 'sk-msg',
  doc: 'Messages that a socket sends',
  helpers: [
    byIndex('msg_redirect_map', 60, 'the message'),
    byKey('msg_redirect_hash', 71, 'the message'),
    helper({
      name: 'msg_apply_bytes',
      numbers: { linux: 61 },
      args: ['ctx', 'u32'],
      returns: 'integer',
      doc: 'The verdict is for so many bytes, of this message and later ones. 0.',
      body: (env, _ctx, bytes) => {
        env.state(MESSAGE_BYTES).apply = bytes;
        return 0;
      },
    }),
    helper({
      name: 'msg_cork_bytes',
      numbers: { linux: 62 },
      args: ['ctx', 'u32'],
      returns: 'integer',
      doc: 'Waits for so many bytes before the program is called again. 0.',
      body: (env, _ctx, bytes) => {
        env.state(MESSAGE_BYTES).cork = bytes;
        return 0;
      },
    }),
  ],
};

const updateRow = (name: string, linux: number, type: MapTypeName): HelperRow =>
  helper({
    name,
    numbers: { linux },
    args: BY_KEY,
    returns: 'integer',
    doc: `Puts the connection’s socket into a ${type} (flags as map_update_elem). 0 or a negated errno.`,
    body: (env, _ctx, map, key, flags) => {
      needMapType(name, map, [type], 2);
      const value = new Uint8Array(map.userValueSize);
      new DataView(value.buffer).setUint32(0, neededSocket(env, name).id, true);
      return map.update(env.memory.u8.slice(key, key + map.spec.keySize), value, Number(BigInt.asUintN(32, flags)));
    },
  });

export const sockMapUpdateHelpers: HelperFamily = {
  family: 'sock-map-update',
  doc: 'Collecting connections in maps',
  helpers: [updateRow('sock_map_update', 53, 'sockmap'), updateRow('sock_hash_update', 70, 'sockhash')],
};

export const reuseportHelpers: HelperFamily = {
  family: 'reuseport',
  doc: 'Choosing among sockets that share a port',
  helpers: [
    helper({
      name: 'sk_select_reuseport',
      numbers: { linux: 82 },
      args: ['ctx', 'map', 'key', 'scalar'],
      returns: 'integer',
      doc: 'Chooses a socket of a reuseport_sockarray, sockmap or sockhash. 0, -ENOENT: no socket there, -EINVAL: flags.',
      body: (env, _ctx, map, key, flags) => {
        needMapType('sk_select_reuseport', map, ['reuseport_sockarray', 'sockmap', 'sockhash'], 2);
        if (flags !== 0n) return -ERRNO.EINVAL;
        return choose(env, map, key, 0n) ? 0 : -ERRNO.ENOENT;
      },
    }),
  ],
};
