// struct sockaddr_in and sockaddr_in6 (Linux).
import type { Endpoint } from './events.ts';

const AF_INET = 2;
const AF_INET6 = 10;
const SIZE = { 4: 16, 6: 28 } as const;

export interface SocketAddress extends Endpoint {
  readonly family: 4 | 6;
}

/** Undefined for other families, and for what is too short. */
export function parseAddress(bytes: Uint8Array): SocketAddress | undefined {
  if (bytes.length < SIZE[4]) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const family = view.getUint16(0, true);
  const port = view.getUint16(2);
  if (family === AF_INET) return { family: 4, port, address: bytes.slice(4, 8) };
  if (family === AF_INET6 && bytes.length >= 24) return { family: 6, port, address: bytes.slice(8, 24) };
  return undefined;
}

/** The bytes of an address with another endpoint; what else stands in it (scope, flow) stays. */
export function withEndpoint(bytes: Uint8Array, family: 4 | 6, { address, port }: Endpoint): Uint8Array {
  const changed = new Uint8Array(Math.max(bytes.length, SIZE[family]));
  changed.set(bytes);
  new DataView(changed.buffer).setUint16(2, port);
  changed.set(address, family === 4 ? 4 : 8);
  return changed;
}
