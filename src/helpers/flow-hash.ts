// A hash of a packet's flow, the same for both directions.
import type { HelperEnv, PacketArea } from '../spec/helper.ts';
import { PROTOCOL, protocolOf } from './skb.ts';

const WITH_PORTS: readonly number[] = [6, 17, 132, 33, 136];
const FRAGMENT_BITS = 0x3fff;
/** Extension headers that are passed over: hop-by-hop, routing, destination options. */
const EXTENSIONS: readonly number[] = [0, 43, 60];

interface Flow {
  readonly addresses: readonly [Uint8Array, Uint8Array];
  readonly ports: readonly [number, number];
  readonly protocol: number;
}

/** Addresses, ports and protocol, as far as the flow dissector finds them (net/core/flow_dissector.c). */
function dissect(env: HelperEnv, packet: PacketArea): Flow | undefined {
  const { u8 } = env.memory;
  const at = packet.network;
  const room = packet.end - at;
  const word = (address: number): number => (u8[address] << 8) | u8[address + 1];
  const flow = (source: number, length: number, protocol: number, transport: number, fragment: boolean): Flow => {
    const ports = WITH_PORTS.includes(protocol) && !fragment && transport + 4 <= packet.end;
    return {
      addresses: [u8.slice(source, source + length), u8.slice(source + length, source + 2 * length)],
      ports: ports ? [word(transport), word(transport + 2)] : [0, 0],
      protocol,
    };
  };
  if (protocolOf(env) === PROTOCOL.IPV4 && room >= 20 && (u8[at] & 15) >= 5) {
    return flow(at + 12, 4, u8[at + 9], at + 4 * (u8[at] & 15), (word(at + 6) & FRAGMENT_BITS) !== 0);
  }
  if (protocolOf(env) === PROTOCOL.IPV6 && room >= 40) {
    let next = u8[at + 6];
    let transport = at + 40;
    while (EXTENSIONS.includes(next) && transport + 8 <= packet.end) {
      next = u8[transport];
      transport += 8 * (u8[transport + 1] + 1);
    }
    return flow(at + 8, 16, next, transport, false);
  }
  return undefined;
}

function mix(hash: number, value: number): number {
  let h = Math.imul(hash ^ value, 0x9e37_79b1);
  h ^= h >>> 15;
  h = Math.imul(h, 0x85eb_ca77);
  return h ^ (h >>> 13);
}

const inOrder = (a: Uint8Array, b: Uint8Array): number => {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return a[i] - b[i];
  return 0;
};

/**
 * A non-zero 32-bit hash, equal for the two directions of a flow. The kernel's value is a siphash with a key of its own at each
 * boot, so that no other machine gives the same; the properties are the same.
 */
export function flowHash(env: HelperEnv, packet: PacketArea): number {
  const flow = dissect(env, packet);
  let hash = mix(0, protocolOf(env));
  if (flow !== undefined) {
    const [[a, b], [p, q]] = [flow.addresses, flow.ports];
    const order = inOrder(a, b) || p - q;
    const [first, second] = order <= 0 ? [a, b] : [b, a];
    hash = mix(mix(mix(hash, flow.protocol), order <= 0 ? p : q), order <= 0 ? q : p);
    for (const address of [first, second]) for (const byte of address) hash = mix(hash, byte);
  }
  return hash >>> 0 || 1;
}
