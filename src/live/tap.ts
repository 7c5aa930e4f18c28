// TAP and TUN: an interface of our own. What the system sends out of it comes to the program; what the program sends back (XDP_TX) comes
// in to the system. Behind it is nothing: what passes goes to the application, where that asked for it, and else nowhere.
import { readFileSync } from 'node:fs';
import { fail } from '../base/diagnostic.ts';
import { cannotOpen, notFor } from '../base/messages/live.ts';
import { ERRNO } from '../spec/errno.ts';
import { strerror } from '../spec/strerror.ts';
import {
  type Condition,
  type Driver,
  type DriverStatistics,
  ETH_HLEN,
  type Frames,
  MOST,
  type Outgoing,
} from './driver.ts';
import { type LibC, libc, type Mapping } from './libc.ts';

const DEVICE = '/dev/net/tun';
const O_FLAGS = 0x80802; // O_RDWR | O_NONBLOCK | O_CLOEXEC
const TUNSETIFF = 0x4004_54ca;
const IFF_TUN = 1;
const IFF_TAP = 2;
const IFF_NO_PI = 0x1000;
const SIOCGIFFLAGS = 0x8913;
const SIOCSIFFLAGS = 0x8914;
const IFF_UP = 1;
const AF_INET = 2;
const SOCK_DGRAM = 2;
/** struct ifreq. */
const IFREQ = 40;
const NAME_SIZE = 16;
const FLAGS_AT = 16;
const ETHERTYPE_AT = 12;
/** By the version in a packet's first byte. */
const ETHERTYPES: Readonly<Record<number, number>> = { 4: 0x0800, 6: 0x86dd };
/** Room of a frame: more than an interface's MTU of 1500 with headers; larger ones follow the MTU. */
const SLOT = 2048;
const MOST_MTU = 65_535;

export interface TapOptions {
  /** `ip`: a TUN interface, whose packets have no Ethernet header. */
  readonly layer?: 'ethernet' | 'ip';
  /** Takes what passes. Its bytes are the caller's. */
  readonly passed?: (frame: Uint8Array) => void;
}

export class Tap implements Driver {
  readonly name = 'tap';
  readonly enforces = true;
  readonly wakes = 'frame';
  readonly layer: 'ethernet' | 'ip';
  readonly device: string;
  readonly ifindex: number;
  readonly mode: string;
  readonly fds: readonly number[];
  readonly #c: LibC;
  readonly #fd: number;
  readonly #passed: TapOptions['passed'];
  readonly #slot: number;
  /** Slots of received frames, and one more to send from. */
  #memory: Mapping | undefined;
  #unsent = 0;
  #lost = 0;
  #gone = false;

  /** Makes the interface, or takes one of this name that nobody has open, and sets it up. @throws AnyBpfError live/open, live/not-for */
  constructor(device: string, { layer = 'ethernet', passed }: TapOptions = {}) {
    const c = libc();
    this.#c = c;
    this.layer = layer;
    this.#passed = passed;
    this.mode = layer === 'ip' ? 'TUN' : 'TAP';
    if (device === '' || device.length >= NAME_SIZE || /[/\s%]/.test(device))
      fail(notFor({}, this.name, device, 'that is no name of an interface'));
    this.#fd = this.#step(device, `open of ${DEVICE}`, c.open(DEVICE, O_FLAGS));
    try {
      const request = ifreq(device, (layer === 'ip' ? IFF_TUN : IFF_TAP) | IFF_NO_PI);
      this.#step(device, 'TUNSETIFF', c.ioctl(this.#fd, TUNSETIFF, request));
      this.device = device;
      this.ifindex = c.indexOf(device);
      this.#up();
      const mtu = numberIn(`/sys/class/net/${device}/mtu`) ?? 1500;
      this.#slot = (Math.max(SLOT, Math.min(mtu, MOST_MTU) + 64) + 63) & ~63;
      this.#memory = c.mapOwn(this.#slot * (MOST + 1));
    } catch (error) {
      c.close(this.#fd);
      throw error;
    }
    this.fds = [this.#fd];
  }

  #step(device: string, what: string, result: number): number {
    return result < 0 ? fail(cannotOpen({}, this.name, device, what, -result, strerror(-result))) : result;
  }

  #up(): void {
    const c = this.#c;
    const socket = this.#step(this.device, 'socket', c.socket(AF_INET, SOCK_DGRAM, 0));
    try {
      const request = ifreq(this.device, 0);
      this.#step(this.device, 'SIOCGIFFLAGS', c.ioctl(socket, SIOCGIFFLAGS, request));
      request[FLAGS_AT] |= IFF_UP;
      this.#step(this.device, 'SIOCSIFFLAGS', c.ioctl(socket, SIOCSIFFLAGS, request));
    } finally {
      c.close(socket);
    }
  }

  receive(frames: Frames): number {
    frames.count = 0;
    const memory = this.#memory;
    if (memory === undefined) return 0;
    frames.memory = memory.bytes;
    const before = this.layer === 'ip' ? ETH_HLEN : 0;
    let count = 0;
    while (count < MOST) {
      const at = count * this.#slot;
      const length = this.#c.read(this.#fd, memory.address + at + before, this.#slot - before);
      if (length <= 0) {
        // EBADFD: the interface was taken away.
        if (length !== -ERRNO.EAGAIN) this.#gone = true;
        break;
      }
      if (before > 0) {
        memory.bytes.fill(0, at, at + ETH_HLEN);
        memory.view.setUint16(at + ETHERTYPE_AT, ETHERTYPES[memory.bytes[at + ETH_HLEN] >> 4] ?? 0, false);
      }
      if (length + before < ETH_HLEN) continue;
      frames.at[count] = at;
      frames.length[count] = length + before;
      frames.offload[count] = -1;
      count++;
    }
    frames.count = count;
    return count;
  }

  release(): void {
    // Slots are filled anew by the next receive.
  }

  pass({ bytes, from, length }: Outgoing): void {
    this.#passed?.(bytes.slice(from, from + length));
  }

  transmit({ bytes, from, length }: Outgoing): void {
    const memory = this.#memory;
    const skip = this.layer === 'ip' ? ETH_HLEN : 0;
    const size = length - skip;
    if (memory === undefined || size > this.#slot) {
      this.#unsent++;
      return;
    }
    const at = MOST * this.#slot;
    memory.bytes.set(bytes.subarray(from + skip, from + length), at);
    if (this.#c.write(this.#fd, memory.address + at, size) !== size) this.#unsent++;
  }

  flush(): void {
    // Every frame is written by itself.
  }

  retire(): void {
    // The interface is there as long as we are.
  }

  condition(): Condition {
    return this.#gone || this.#c.nameOf(this.ifindex) === undefined ? 'gone' : 'up';
  }

  statistics(): DriverStatistics {
    this.#lost = numberIn(`/sys/class/net/${this.device}/statistics/tx_dropped`) ?? this.#lost;
    return { lost: this.#lost, unsent: this.#unsent };
  }

  close(): void {
    this.#c.close(this.#fd);
    this.#memory?.unmap();
    this.#memory = undefined;
  }
}

function ifreq(device: string, flags: number): Uint8Array {
  const request = new Uint8Array(IFREQ);
  request.set(Buffer.from(device, 'latin1'));
  new DataView(request.buffer).setUint16(FLAGS_AT, flags, true);
  return request;
}

function numberIn(file: string): number | undefined {
  try {
    return Number(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}
