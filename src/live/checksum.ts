// Checksums that a sender on this machine left to be completed: the field holds the sum of the pseudo header alone.
//
// Frames of a virtual interface come like that, and a driver that is not told of it (AF_XDP) cannot pass them on as they are. Whether a
// frame is one shows in the field itself. A complete checksum may have that value by chance; completing it again gives the same value, so
// that nothing is lost by the mistake.

const ETH_HLEN = 14;
const ETH_P_IP = 0x0800;
const ETH_P_IPV6 = 0x86dd;
const ETH_P_8021Q = 0x8100;
const VLAN_HLEN = 4;
const IPV6_HLEN = 40;
const TCP = 6;
const UDP = 17;
/** Where the checksum is in the header. */
const CHECKSUM_AT: Readonly<Record<number, number>> = { [TCP]: 16, [UDP]: 6 };
const FRAGMENT = 0x3fff;

/** What is still to be summed. */
export interface Partial {
  /** First byte that the checksum covers, from the frame's first. */
  start: number;
  /** The field, from `start`. */
  offset: number;
}

const u16 = (bytes: Uint8Array, at: number): number => (bytes[at] << 8) | bytes[at + 1];

function sum(bytes: Uint8Array, from: number, to: number): number {
  let total = 0;
  for (let at = from; at < to - 1; at += 2) total += (bytes[at] << 8) | bytes[at + 1];
  if (((to - from) & 1) !== 0) total += bytes[to - 1] << 8;
  return total;
}

function folded(total: number): number {
  let value = total;
  while (value > 0xffff) value = (value & 0xffff) + Math.floor(value / 0x1_0000);
  return value;
}

/** Tells whether the frame's TCP or UDP checksum is to be completed, and of what. */
export function partialChecksum(bytes: Uint8Array, from: number, length: number, found: Partial): boolean {
  const end = from + length;
  let network = from + ETH_HLEN;
  let type = u16(bytes, from + 12);
  if (type === ETH_P_8021Q) {
    type = u16(bytes, from + 16);
    network += VLAN_HLEN;
  }
  let protocol: number;
  let transport: number;
  let pseudo: number;
  if (type === ETH_P_IP && network + 20 <= end) {
    const header = (bytes[network] & 15) * 4;
    protocol = bytes[network + 9];
    transport = network + header;
    if ((u16(bytes, network + 6) & FRAGMENT) !== 0) return false;
    pseudo = sum(bytes, network + 12, network + 20) + u16(bytes, network + 2) - header;
  } else if (type === ETH_P_IPV6 && network + IPV6_HLEN <= end) {
    protocol = bytes[network + 6];
    transport = network + IPV6_HLEN;
    pseudo = sum(bytes, network + 8, network + IPV6_HLEN) + u16(bytes, network + 4);
  } else return false;
  const offset = CHECKSUM_AT[protocol];
  if (offset === undefined || transport + offset + 2 > end) return false;
  if (u16(bytes, transport + offset) !== folded(pseudo + protocol)) return false;
  found.start = transport - from;
  found.offset = offset;
  return true;
}

/** Completes a checksum in place, as the kernel does where the device cannot (skb_checksum_help). */
export function completeChecksum(bytes: Uint8Array, from: number, length: number, { start, offset }: Partial): void {
  const at = from + start;
  const value = ~folded(sum(bytes, at, from + length)) & 0xffff;
  // A UDP checksum of 0 would say that there is none.
  const stored = value === 0 && offset === CHECKSUM_AT[UDP] ? 0xffff : value;
  bytes[at + offset] = stored >> 8;
  bytes[at + offset + 1] = stored & 0xff;
}
