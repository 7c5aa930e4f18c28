// What a captured packet looks like to a program: an Ethernet frame.
import { concatBytes } from '../base/bytes.ts';
import { fail } from '../base/diagnostic.ts';
import { unsupportedLinkType } from '../base/messages/cli.ts';
import { isRawIp, LINK_TYPES, linkTypeName } from '../capture/link-types.ts';
import type { CapturePacket } from '../capture/packet.ts';

/** Zero addresses and the EtherType of what follows. */
const IP4_HEADER = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x08, 0x00);
const IP6_HEADER = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x86, 0xdd);
export const ETHERNET_HEADER_BYTES = 14;

/**
 * The packet as an Ethernet frame: raw IP gets a header before it. Raises cli/link-type for link layers that cannot be
 * turned into Ethernet; `number` counts packets from 1, for the message.
 */
export function ethernetFrame(packet: CapturePacket, number: number): Uint8Array {
  const { linkType } = packet.interface;
  if (linkType === LINK_TYPES.ethernet) return packet.data;
  if (!isRawIp(linkType)) fail(unsupportedLinkType({}, number, linkTypeName(linkType)));
  return concatBytes([packet.data[0] >> 4 === 6 ? IP6_HEADER : IP4_HEADER, packet.data]);
}
