// Classic packet access (LD_ABS, LD_IND; RFC 9669 section 5.5), the same for every back end.
import { fail } from '../base/diagnostic.ts';
import { badPacketLoad } from '../base/messages/execute.ts';
import type { HelperEnv } from '../spec/helper.ts';

// Offsets from other places than the packet's start (uapi/linux/filter.h).
const SKF_NET_OFF = -0x10_0000;
const SKF_LL_OFF = -0x20_0000;

/** The value in network byte order, undefined where the packet ends before; @throws run/bad-packet-load without a packet. */
export function loadPacket(env: HelperEnv, offset: number, size: 1 | 2 | 4): bigint | undefined {
  const { packet } = env;
  if (packet === undefined) return fail(badPacketLoad({}, 'the program has no packet'));
  let at: number;
  let low = packet.data;
  if (offset >= 0) at = packet.data + offset;
  else {
    low = packet.head;
    if (offset >= SKF_NET_OFF) at = packet.network + offset - SKF_NET_OFF;
    else if (offset >= SKF_LL_OFF) at = packet.link + offset - SKF_LL_OFF;
    else return undefined;
  }
  if (at < low || at + size > packet.end) return undefined;
  const { view } = env.memory;
  return BigInt(size === 1 ? view.getUint8(at) : size === 2 ? view.getUint16(at) : view.getUint32(at));
}
