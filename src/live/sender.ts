// Sends frames by a packet socket, many in one call.
import { fail } from '../base/diagnostic.ts';
import { cannotOpen } from '../base/messages/live.ts';
import { ERRNO } from '../spec/errno.ts';
import { strerror } from '../spec/strerror.ts';
import { type Partial, partialChecksum } from './checksum.ts';
import { MOST, OFFLOAD_SIZE, type Outgoing } from './driver.ts';
import { type LibC, libc, type Mapping } from './libc.ts';

export const AF_PACKET = 17;
export const SOCK_RAW = 3;
export const SOCK_FLAGS = 0x80800; // SOCK_CLOEXEC | SOCK_NONBLOCK
export const SOL_PACKET = 263;
export const PACKET_VNET_HDR = 15;
const PACKET_QDISC_BYPASS = 20;
export const SOL_SOCKET = 1;
const SO_SNDBUFFORCE = 32;
export const SO_MARK = 36;
const SEND_BUFFER = 8 << 20;

/** sizeof(struct mmsghdr), of 64-bit systems, and of struct iovec. */
const MMSGHDR = 64;
const IOVEC = 16;
/** Room for the frames of one call: a burst of usual ones, or some that are yet to be segmented. */
const ROOM = 1 << 20;

const VIRTIO_NET_HDR_F_NEEDS_CSUM = 1;

export const i32 = (value: number): Uint8Array => new Uint8Array(Int32Array.of(value).buffer);

/** struct sockaddr_ll (include/uapi/linux/if_packet.h); the protocol in host byte order. */
export function linkAddress(ifindex: number, protocol: number): Uint8Array {
  const bytes = new Uint8Array(20);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, AF_PACKET, true);
  view.setUint16(2, protocol, false);
  view.setInt32(4, ifindex, true);
  return bytes;
}

export interface SenderOptions {
  /** Of each frame's skb; the frames then go through the interface's egress hooks. */
  readonly mark?: number;
  /** Who opens it, for messages. */
  readonly driver: string;
  readonly device: string;
}

export class Sender {
  readonly #c: LibC;
  readonly #fd: number;
  readonly #memory: Mapping;
  readonly #partial: Partial = { start: 0, offset: 0 };
  #count = 0;
  #used: number;
  /** Frames that the kernel did not take. */
  unsent = 0;

  /** @throws AnyBpfError live/open */
  constructor(ifindex: number, { mark, driver, device }: SenderOptions) {
    const c = libc();
    this.#c = c;
    const step = (what: string, result: number): number =>
      result < 0 ? fail(cannotOpen({}, driver, device, what, -result, strerror(-result))) : result;
    this.#fd = step('socket(AF_PACKET)', c.socket(AF_PACKET, SOCK_RAW | SOCK_FLAGS, 0));
    try {
      step('PACKET_VNET_HDR', c.setOption(this.#fd, SOL_PACKET, PACKET_VNET_HDR, i32(1)));
      if (mark !== undefined) step('SO_MARK', c.setOption(this.#fd, SOL_SOCKET, SO_MARK, i32(mark)));
      // Without queueing; what the interface cannot take now is lost, as with XDP.
      else step('PACKET_QDISC_BYPASS', c.setOption(this.#fd, SOL_PACKET, PACKET_QDISC_BYPASS, i32(1)));
      // A smaller buffer also works.
      c.setOption(this.#fd, SOL_SOCKET, SO_SNDBUFFORCE, i32(SEND_BUFFER));
      step('bind', c.bind(this.#fd, linkAddress(ifindex, 0)));
    } catch (error) {
      c.close(this.#fd);
      throw error;
    }
    this.#memory = c.mapOwn(MOST * (MMSGHDR + IOVEC) + ROOM);
    this.#used = MOST * (MMSGHDR + IOVEC);
    const { view, address } = this.#memory;
    for (let i = 0; i < MOST; i++) {
      view.setBigUint64(i * MMSGHDR + 16, BigInt(address + MOST * MMSGHDR + i * IOVEC), true);
      view.setBigUint64(i * MMSGHDR + 24, 1n, true);
    }
  }

  /** Gathers a frame; its bytes are copied. */
  put({ bytes, from, length, offloadBytes, offload, grown }: Outgoing): void {
    const size = OFFLOAD_SIZE + length;
    if (this.#count === MOST || this.#used + size > this.#memory.bytes.length) this.flush();
    const { bytes: to, view, u32, address } = this.#memory;
    const header = this.#used;
    const data = header + OFFLOAD_SIZE;
    to.set(from === 0 && length === bytes.length ? bytes : bytes.subarray(from, from + length), data);
    // u16 alignment of the header is kept: see the end.
    if (offload >= 0) {
      to.set(offloadBytes.subarray(offload, offload + OFFLOAD_SIZE), header);
      // What the receiving device has checked is no matter for the next one.
      to[header] &= VIRTIO_NET_HDR_F_NEEDS_CSUM;
      if (grown !== 0) this.#shift(header, grown);
    } else {
      to.fill(0, header, data);
      if (partialChecksum(to, data, length, this.#partial)) {
        to[header] = VIRTIO_NET_HDR_F_NEEDS_CSUM;
        view.setUint16(header + 6, this.#partial.start, true);
        view.setUint16(header + 8, this.#partial.offset, true);
      }
    }
    const vector = (MOST * MMSGHDR + this.#count * IOVEC) >>> 2;
    const pointer = address + header;
    u32[vector] = pointer >>> 0;
    u32[vector + 1] = Math.floor(pointer / 0x1_0000_0000);
    u32[vector + 2] = size;
    this.#count++;
    this.#used = (data + length + 7) & ~7;
  }

  /** The frame has grown at its front: offsets in its header follow. */
  #shift(header: number, by: number): void {
    const { view, bytes } = this.#memory;
    if (bytes[header] !== 0) view.setUint16(header + 6, view.getUint16(header + 6, true) + by, true);
    const headers = view.getUint16(header + 2, true);
    if (headers !== 0) view.setUint16(header + 2, headers + by, true);
  }

  /** Sends what was gathered. What the kernel does not take is counted and forgotten. */
  flush(): void {
    const count = this.#count;
    if (count === 0) return;
    this.#count = 0;
    this.#used = MOST * (MMSGHDR + IOVEC);
    for (let sent = 0; sent < count; ) {
      const result = this.#c.sendMany(this.#fd, this.#memory.address + sent * MMSGHDR, count - sent);
      if (result > 0) {
        sent += result;
        continue;
      }
      // The first of these is refused; where the queue is full, so are the others.
      const full = result === -ERRNO.EAGAIN || result === -ERRNO.ENOBUFS;
      const lost = full ? count - sent : 1;
      this.unsent += lost;
      sent += lost;
    }
  }

  close(): void {
    this.flush();
    this.#c.close(this.#fd);
    this.#memory.unmap();
  }
}
