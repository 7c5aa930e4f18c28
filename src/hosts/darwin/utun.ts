// macOS' utun: an interface of this process's own. Packets are read and written behind four bytes of address family.
// Sources: xnu bsd/sys/kern_control.h, bsd/net/if_utun.h, bsd/sys/ioccom.h, bsd/sys/socket.h. Not run on macOS.
import { nameBytes } from '../../base/structs.ts';

/** Arguments of socket(2): PF_SYSTEM, SOCK_DGRAM, SYSPROTO_CONTROL. */
export const CONTROL_SOCKET = { domain: 32, type: 2, protocol: 2 } as const;
export const UTUN_CONTROL_NAME = 'com.apple.net.utun_control';
/** getsockopt(fd, SYSPROTO_CONTROL, UTUN_OPT_IFNAME): the interface's name. */
export const UTUN_OPT_IFNAME = 2;

const MAX_KCTL_NAME = 96;
const CTL_INFO_BYTES = 4 + MAX_KCTL_NAME;

const IOC_OUT = 0x4000_0000;
const IOC_IN = 0x8000_0000;

/** BSD's _IOC(direction, group, number, length): length in 13 bits. */
export const ioctlNumber = (direction: 'R' | 'W' | 'WR' | '', group: string, number: number, length: number): number =>
  ((direction.includes('R') ? IOC_OUT : 0) |
    (direction.includes('W') ? IOC_IN : 0) |
    (direction === '' ? 0x2000_0000 : 0) |
    ((length & 0x1fff) << 16) |
    (group.charCodeAt(0) << 8) |
    number) >>>
  0;

/** _IOWR('N', 3, struct ctl_info): from a control's name to its id. */
export const CTLIOCGINFO = ioctlNumber('WR', 'N', 3, CTL_INFO_BYTES);

/** struct ctl_info with the name, for CTLIOCGINFO. */
export function controlInfo(name: string): Uint8Array {
  const bytes = new Uint8Array(CTL_INFO_BYTES);
  bytes.set(nameBytes(name, MAX_KCTL_NAME), 4);
  return bytes;
}

/** The id that CTLIOCGINFO left in it. */
export const controlId = (info: Uint8Array): number => new DataView(info.buffer, info.byteOffset).getUint32(0, true);

const SOCKADDR_CTL_BYTES = 32;
const AF_SYSTEM = 32;
const AF_SYS_KERNCONTROL = 2;

/**
 * struct sockaddr_ctl for connect(2).
 *
 * @param unit of utunN it is N + 1; 0 lets the system choose
 */
export function controlAddress(id: number, unit: number): Uint8Array {
  const bytes = new Uint8Array(SOCKADDR_CTL_BYTES);
  const view = new DataView(bytes.buffer);
  bytes[0] = SOCKADDR_CTL_BYTES;
  bytes[1] = AF_SYSTEM;
  view.setUint16(2, AF_SYS_KERNCONTROL, true);
  view.setUint32(4, id, true);
  view.setUint32(8, unit, true);
  return bytes;
}

export const FAMILY_BYTES = 4;
/** AF_INET and AF_INET6 there, as Linux' ethertypes. */
const FAMILIES = { 2: 0x0800, 30: 0x86dd } as const;

/** Ethertype of a packet read from utun; undefined for families that are no IP. The family is in network byte order. */
export function etherTypeOf(packet: Uint8Array): number | undefined {
  if (packet.length < FAMILY_BYTES) return undefined;
  const family = new DataView(packet.buffer, packet.byteOffset).getUint32(0);
  return family === 2 || family === 30 ? FAMILIES[family] : undefined;
}

/** The four bytes in front of an IP packet that is written; undefined where its first half byte is no version of IP. */
export function familyHeader(ip: Uint8Array): Uint8Array | undefined {
  const version = ip[0] >> 4;
  if (version !== 4 && version !== 6) return undefined;
  return Uint8Array.of(0, 0, 0, version === 4 ? 2 : 30);
}
