// A driver by its name.
import { AfPacket } from './af-packet.ts';
import { AfXdp } from './af-xdp.ts';
import type { Driver, DriverName } from './driver.ts';
import { Pcap } from './pcap.ts';
import { Tap } from './tap.ts';

export interface DriverOptions {
  /** af_packet: false only observes. */
  readonly enforce?: boolean;
  /** af_xdp: true takes copies even where the driver could do without. */
  readonly copy?: boolean;
  /** tap: `ip` is a TUN interface. */
  readonly layer?: 'ethernet' | 'ip';
  /** tap: takes what passes. */
  readonly passed?: (frame: Uint8Array) => void;
}

const OPEN: { readonly [D in DriverName]: (device: string, options: DriverOptions) => Driver } = {
  af_xdp: (device, options) => new AfXdp(device, options),
  af_packet: (device, options) => new AfPacket(device, options),
  tap: (device, options) => new Tap(device, options),
  pcap: (device) => new Pcap(device),
};

/** Opens an interface. @throws AnyBpfError live/... */
export const openDriver = (name: DriverName, device: string, options: DriverOptions = {}): Driver =>
  OPEN[name](device, options);
