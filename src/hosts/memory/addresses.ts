// Text forms of network addresses (RFC 791 dotted quads, RFC 4291 section 2.2, IEEE 802 with colons) to bytes.
import { fail } from '../../base/diagnostic.ts';
import { badAddress } from '../../base/messages/network.ts';

const IPV4_LENGTH = 4;
const IPV6_GROUPS = 8;

function ipv4(text: string): Uint8Array<ArrayBuffer> | undefined {
  const parts = text.split('.');
  if (parts.length !== IPV4_LENGTH || !parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) < 256))
    return undefined;
  return Uint8Array.from(parts, Number);
}

/** The 16-bit groups of one side of `::`; a dotted quad at the end counts as two. */
function groups(text: string): number[] | undefined {
  if (text === '') return [];
  const out: number[] = [];
  const parts = text.split(':');
  for (const [i, part] of parts.entries()) {
    const quad = i === parts.length - 1 && part.includes('.') ? ipv4(part) : undefined;
    if (quad !== undefined) out.push((quad[0] << 8) | quad[1], (quad[2] << 8) | quad[3]);
    else if (/^[0-9a-fA-F]{1,4}$/.test(part)) out.push(Number.parseInt(part, 16));
    else return undefined;
  }
  return out;
}

function ipv6(text: string): Uint8Array<ArrayBuffer> | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const before = groups(halves[0]);
  const after = halves.length === 2 ? groups(halves[1]) : [];
  if (before === undefined || after === undefined) return undefined;
  const missing = IPV6_GROUPS - before.length - after.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const all = [...before, ...Array.from({ length: missing }, () => 0), ...after];
  return Uint8Array.from(all.flatMap((group) => [group >>> 8, group & 0xff]));
}

/**
 * An IPv4 (4 bytes) or IPv6 address (16 bytes).
 * @throws AnyBpfError network/address
 */
export const parseAddress = (text: string): Uint8Array<ArrayBuffer> =>
  ipv4(text) ?? ipv6(text) ?? fail(badAddress({}, text, 'an IPv4 or IPv6 address'));

/** An address and how many of its bits count. */
export interface Prefix {
  readonly address: Uint8Array<ArrayBuffer>;
  readonly length: number;
}

/**
 * `10.0.0.0/8`, `2001:db8::/32`, or an address alone for all its bits.
 * @throws AnyBpfError network/address
 */
export function parsePrefix(text: string): Prefix {
  const [base, bits, ...rest] = text.split('/');
  const address = parseAddress(base);
  if (bits === undefined) return { address, length: address.length * 8 };
  if (rest.length > 0 || !/^\d{1,3}$/.test(bits) || Number(bits) > address.length * 8) {
    fail(badAddress({}, text, 'an address with the number of bits that count'));
  }
  return { address, length: Number(bits) };
}

/** True where the address has the prefix's family and first bits. */
export function inPrefix(address: Uint8Array, prefix: Prefix): boolean {
  if (address.length !== prefix.address.length) return false;
  const whole = prefix.length >>> 3;
  for (let i = 0; i < whole; i++) if (address[i] !== prefix.address[i]) return false;
  const rest = prefix.length & 7;
  return rest === 0 || (address[whole] ^ prefix.address[whole]) >>> (8 - rest) === 0;
}

/**
 * `02:00:00:00:00:01`.
 * @throws AnyBpfError network/address
 */
export function parseMac(text: string): Uint8Array<ArrayBuffer> {
  if (!/^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$/.test(text)) fail(badAddress({}, text, 'a link address of six bytes'));
  return Uint8Array.from(text.split(':'), (byte) => Number.parseInt(byte, 16));
}
