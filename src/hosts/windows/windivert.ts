// WinDivert's WINDIVERT_ADDRESS (include/windivert.h, 2.2), which goes with each packet, and what verdicts mean for it. Not run on Windows.

/** sizeof(WINDIVERT_ADDRESS): timestamp, bit fields, reserved, then a union of 64 bytes. */
export const WINDIVERT_ADDRESS_BYTES = 80;

export const WINDIVERT_LAYERS = ['network', 'network_forward', 'flow', 'socket', 'reflect'] as const;
export type WinDivertLayer = (typeof WINDIVERT_LAYERS)[number];

/** WINDIVERT_EVENT by number. */
export const WINDIVERT_EVENTS = [
  'network_packet',
  'flow_established',
  'flow_deleted',
  'socket_bind',
  'socket_connect',
  'socket_listen',
  'socket_accept',
  'socket_close',
  'reflect_open',
  'reflect_close',
] as const;
export type WinDivertEvent = (typeof WINDIVERT_EVENTS)[number];

/** Bits of the third word, after layer and event of 8 bits each. */
const BITS = {
  sniffed: 16,
  outbound: 17,
  loopback: 18,
  impostor: 19,
  ipv6: 20,
  ipChecksum: 21,
  tcpChecksum: 22,
  udpChecksum: 23,
} as const;

export type WinDivertFlags = { readonly [F in keyof typeof BITS]: boolean };

export interface WinDivertAddress extends WinDivertFlags {
  /** QueryPerformanceCounter's units. */
  readonly timestamp: bigint;
  readonly layer: WinDivertLayer;
  readonly event: WinDivertEvent;
  /** Layers network and network_forward. */
  readonly ifindex: number;
  readonly subIfindex: number;
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** undefined where the bytes are too few, or the layer or the event is none that is known. */
export function readAddress(bytes: Uint8Array): WinDivertAddress | undefined {
  if (bytes.length < WINDIVERT_ADDRESS_BYTES) return undefined;
  const view = viewOf(bytes);
  const word = view.getUint32(8, true);
  const layer = WINDIVERT_LAYERS[word & 0xff];
  const event = WINDIVERT_EVENTS[(word >> 8) & 0xff];
  if (layer === undefined || event === undefined) return undefined;
  const flags = Object.fromEntries(
    Object.entries(BITS).map(([name, bit]) => [name, ((word >>> bit) & 1) === 1]),
  ) as WinDivertFlags;
  return {
    timestamp: view.getBigInt64(0, true),
    layer,
    event,
    ifindex: view.getUint32(16, true),
    subIfindex: view.getUint32(20, true),
    ...flags,
  };
}

export function writeAddress(address: WinDivertAddress): Uint8Array {
  const bytes = new Uint8Array(WINDIVERT_ADDRESS_BYTES);
  const view = viewOf(bytes);
  let word = WINDIVERT_LAYERS.indexOf(address.layer) | (WINDIVERT_EVENTS.indexOf(address.event) << 8);
  for (const [name, bit] of Object.entries(BITS) as [keyof WinDivertFlags, number][])
    if (address[name]) word |= 1 << bit;
  view.setBigInt64(0, address.timestamp, true);
  view.setUint32(8, word >>> 0, true);
  view.setUint32(16, address.ifindex, true);
  view.setUint32(20, address.subIfindex, true);
  return bytes;
}

/** Windows' XDP verdicts (eBPF for Windows, include/ebpf_nethooks.h). */
export const XDP_ACTIONS = { pass: 1, drop: 2, tx: 3 } as const;

/**
 * What is sent back to WinDivert for a packet after its verdict: nothing for a drop (a packet that is not sent again is gone), for a pass the
 * address that it came with, for TX the other direction. Checksums of what a program changed are made anew before
 * (WinDivertHelperCalcChecksums), so the bits that say they are right are taken away.
 */
export function reinjection(
  verdict: number,
  address: WinDivertAddress,
  changed: boolean,
): WinDivertAddress | undefined {
  const checked = changed ? { ipChecksum: false, tcpChecksum: false, udpChecksum: false } : {};
  if (verdict === XDP_ACTIONS.pass) return { ...address, ...checked };
  if (verdict === XDP_ACTIONS.tx) return { ...address, ...checked, outbound: !address.outbound };
  return undefined;
}
