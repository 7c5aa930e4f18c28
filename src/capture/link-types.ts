// Link-layer header types of captures. Source: https://www.tcpdump.org/linktypes.html

/** LINKTYPE_* numbers that a command may want to name. Others appear as their number. */
export const LINK_TYPES = {
  null: 0,
  ethernet: 1,
  /** Raw IP as DLT_RAW of most systems, and of OpenBSD; LINKTYPE_RAW is 101. */
  rawDlt: 12,
  rawOpenBsd: 14,
  ppp: 9,
  raw: 101,
  ieee80211: 105,
  loop: 108,
  linuxSll: 113,
  radiotap: 127,
  user0: 147,
  ipv4: 228,
  ipv6: 229,
  netlink: 253,
  usbLinux: 189,
  linuxSll2: 276,
} as const;

const NAMES: Readonly<Record<keyof typeof LINK_TYPES, string>> = {
  null: 'BSD loopback',
  ethernet: 'Ethernet',
  rawDlt: 'raw IP',
  rawOpenBsd: 'raw IP',
  ppp: 'PPP',
  raw: 'raw IP',
  ieee80211: 'IEEE 802.11',
  loop: 'OpenBSD loopback',
  linuxSll: 'Linux cooked v1',
  radiotap: 'IEEE 802.11 with radiotap',
  user0: 'user 0',
  ipv4: 'raw IPv4',
  ipv6: 'raw IPv6',
  netlink: 'Linux netlink',
  usbLinux: 'Linux USB',
  linuxSll2: 'Linux cooked v2',
};

const BY_NUMBER = new Map(
  (Object.keys(LINK_TYPES) as (keyof typeof LINK_TYPES)[]).map((key) => [LINK_TYPES[key] as number, NAMES[key]]),
);

/** `Ethernet (1)`, or `link type 999` where the number has no name here. */
export function linkTypeName(linkType: number): string {
  const name = BY_NUMBER.get(linkType);
  return name === undefined ? `link type ${linkType}` : `${name} (link type ${linkType})`;
}

/** Packets begin with the IP header. */
export const isRawIp = (linkType: number): boolean =>
  linkType === LINK_TYPES.raw ||
  linkType === LINK_TYPES.rawDlt ||
  linkType === LINK_TYPES.rawOpenBsd ||
  linkType === LINK_TYPES.ipv4 ||
  linkType === LINK_TYPES.ipv6;
