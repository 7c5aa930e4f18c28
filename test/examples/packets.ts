// The example capture, taken apart by other means than the programs use: what they should find.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { readCapture } from '../../src/capture/read.ts';
import { PROJECT_ROOT } from '../support/shared.ts';

export interface Layers {
  readonly data: Uint8Array;
  /** Undefined where the frame is shorter than an Ethernet header: such are not run. */
  readonly etherType: number | undefined;
  readonly vlans: readonly number[];
  /** EtherType behind all VLAN tags. */
  readonly inner: number | undefined;
  /** Undefined where no whole IP header is there. */
  readonly ip?: { readonly version: 4 | 6; readonly protocol: number; readonly source: Uint8Array };
  /** TCP and UDP whose ports were captured. */
  readonly port?: number;
}

function layersOf(data: Uint8Array): Layers {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  if (data.length < 14) return { data, etherType: undefined, vlans: [], inner: undefined };
  const vlans: number[] = [];
  const etherType = view.getUint16(12);
  let inner = etherType;
  let at = 14;
  while ((inner === 0x8100 || inner === 0x88a8) && at + 4 <= data.length) {
    vlans.push(view.getUint16(at) & 0xfff);
    inner = view.getUint16(at + 2);
    at += 4;
  }
  const base = { data, etherType, vlans, inner };
  const size = inner === 0x0800 ? 20 : inner === 0x86dd ? 40 : 0;
  if (size === 0 || at + size > data.length) return base;
  const ip =
    size === 20
      ? { version: 4 as const, protocol: data[at + 9], source: data.subarray(at + 12, at + 16) }
      : { version: 6 as const, protocol: data[at + 6], source: data.subarray(at + 8, at + 24) };
  at += size;
  const ported = (ip.protocol === 6 || ip.protocol === 17) && at + 4 <= data.length;
  return ported ? { ...base, ip, port: view.getUint16(at + 2) } : { ...base, ip };
}

export const PACKETS: readonly Layers[] = [
  ...readCapture(readFileSync(path.join(PROJECT_ROOT, 'examples', 'captures', 'mixed.pcap'))),
].map((packet) => layersOf(packet.data));

/** Those that programs are run on. */
export const RUN = PACKETS.filter((p) => p.etherType !== undefined);

/** Number of packets and of bytes. */
export const tally = (packets: readonly Layers[]) => ({
  packets: packets.length,
  bytes: packets.reduce((sum, p) => sum + p.data.length, 0),
});
