// AF_PACKET: a packet socket with a ring of blocks (TPACKET_V3) that the kernel fills and we read in place. The socket gets a copy of what
// comes in; a program of a few instructions behind it (stubs.ts) keeps the original from the system, so that verdicts are enforced. Where
// that program cannot be attached, or is not wanted, the driver observes.
import { fail } from '../base/diagnostic.ts';
import { cannotOpen, noDevice } from '../base/messages/live.ts';
import { close as closeKernel } from '../hosts/linux/bpf.ts';
import { ERRNO } from '../spec/errno.ts';
import { strerror } from '../spec/strerror.ts';
import {
  type Condition,
  type Driver,
  type DriverStatistics,
  ETH_HLEN,
  type Frames,
  MOST,
  OFFLOAD_SIZE,
  type Outgoing,
} from './driver.ts';
import { type LibC, libc, type Mapping } from './libc.ts';
import {
  AF_PACKET,
  i32,
  linkAddress,
  PACKET_VNET_HDR,
  Sender,
  SOCK_FLAGS,
  SOCK_RAW,
  SOL_PACKET,
  SOL_SOCKET,
} from './sender.ts';
import { admitLink, newMark, passLink, type Where } from './stubs.ts';

const ETH_P_ALL = 3;
const PACKET_RX_RING = 5;
const PACKET_STATISTICS = 6;
const PACKET_VERSION = 10;
const PACKET_RESERVE = 12;
const PACKET_IGNORE_OUTGOING = 23;
const TPACKET_V3 = 2;
const SO_ERROR = 4;
const SO_ATTACH_FILTER = 26;

/** Blocks hold whole frames, also those of 64 KiB that are yet to be segmented. */
const BLOCK_SIZE = 1 << 18;
const BLOCKS = 64;
const FRAME_SIZE = 2048;
/** Milliseconds after which a block is handed over though it is not full. */
const RETIRE = 1;
/** Room in front of a frame: for a VLAN tag that the kernel took off, and the offload header before it. */
const RESERVE = 16;

/** struct tpacket_block_desc and tpacket3_hdr (include/uapi/linux/if_packet.h). */
const BLOCK = { status: 8, packets: 12, first: 16 } as const;
const FRAME = { next: 0, snaplen: 12, status: 20, mac: 24, tci: 32, tpid: 36 } as const;
const TP_STATUS_KERNEL = 0;
const TP_STATUS_USER = 1;
const TP_STATUS_VLAN_VALID = 0x10;
const TP_STATUS_VLAN_TPID_VALID = 0x40;
const ETH_P_8021Q = 0x8100;
const VLAN_HLEN = 4;

/** Classic BPF (struct sock_filter): `ret 0`. */
const NOTHING = [[0x06, 0, 0, 0]] as const;
/** What we pass to the system comes by the interface's ingress too: ld [SKF_AD_OFF + SKF_AD_MARK]; jeq #mark, 0, 1; ret 0; ret all. */
const unmarked = (mark: number) =>
  [
    [0x20, 0, 0, -0x1000 + 20],
    [0x15, 0, 1, mark],
    [0x06, 0, 0, 0],
    [0x06, 0, 0, -1],
  ] as const;

export interface PacketOptions {
  /** False: observes; the system gets every packet. */
  readonly enforce?: boolean;
}

export class AfPacket implements Driver {
  readonly name = 'af_packet';
  readonly layer = 'ethernet';
  readonly wakes = 'burst';
  readonly device: string;
  readonly ifindex: number;
  readonly enforces: boolean;
  readonly mode: string;
  readonly fds: readonly number[];
  readonly #c: LibC;
  readonly #fd: number;
  #ring: Mapping | undefined;
  /** Of the program that keeps the originals from the system, and of the one by which what we pass reaches it. */
  #admit: number | undefined;
  #pass: number | undefined;
  #host: Sender | undefined;
  #wire: Sender | undefined;
  #block = 0;
  /** Frames of the block that are still to be read, and where the next is. */
  #left = 0;
  #next = 0;
  #lost = 0;

  /** @throws AnyBpfError live/open, live/no-device */
  constructor(device: string, { enforce = true }: PacketOptions = {}) {
    const c = libc();
    this.#c = c;
    this.device = device;
    this.ifindex = c.indexOf(device);
    if (this.ifindex === 0) fail(noDevice({}, device));
    this.enforces = enforce;
    this.mode = enforce ? 'enforcing' : 'observing';
    const where: Where = { driver: this.name, device, ifindex: this.ifindex };
    const mark = newMark();
    this.#fd = this.#step('socket(AF_PACKET)', c.socket(AF_PACKET, SOCK_RAW | SOCK_FLAGS, 0));
    this.fds = [this.#fd];
    try {
      this.#option('PACKET_VERSION', PACKET_VERSION, TPACKET_V3);
      this.#option('PACKET_VNET_HDR', PACKET_VNET_HDR, 1);
      this.#option('PACKET_RESERVE', PACKET_RESERVE, RESERVE);
      this.#option('PACKET_IGNORE_OUTGOING', PACKET_IGNORE_OUTGOING, 1);
      this.#filter(NOTHING);
      const ring = Int32Array.of(BLOCK_SIZE, BLOCKS, FRAME_SIZE, (BLOCK_SIZE / FRAME_SIZE) * BLOCKS, RETIRE, 0, 0);
      this.#step('PACKET_RX_RING', c.setOption(this.#fd, SOL_PACKET, PACKET_RX_RING, new Uint8Array(ring.buffer)));
      const mapped = c.map(this.#fd, BLOCK_SIZE * BLOCKS, 0);
      if (typeof mapped === 'number') this.#step('mmap of the ring', mapped);
      else this.#ring = mapped;
      if (enforce) {
        this.#host = new Sender(this.ifindex, { ...where, mark });
        this.#wire = new Sender(this.ifindex, where);
        this.#pass = passLink(where, mark);
      }
      this.#step('bind', c.bind(this.#fd, linkAddress(this.ifindex, ETH_P_ALL)));
      // In this order no packet is lost. What comes in between the two is in the ring and with the system.
      this.#filter(unmarked(mark));
      if (enforce) this.#admit = admitLink(where, mark, true);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  #step(what: string, result: number): number {
    return result < 0 ? fail(cannotOpen({}, this.name, this.device, what, -result, strerror(-result))) : result;
  }

  #option(what: string, name: number, value: number): void {
    this.#step(what, this.#c.setOption(this.#fd, SOL_PACKET, name, i32(value)));
  }

  /** Sets the socket's filter: which of the interface's packets it takes. */
  #filter(insns: readonly (readonly [code: number, yes: number, no: number, k: number])[]): void {
    const program = this.#c.mapOwn(insns.length * 8);
    insns.forEach(([code, yes, no, k], i) => {
      program.view.setUint16(i * 8, code, true);
      program.view.setUint8(i * 8 + 2, yes);
      program.view.setUint8(i * 8 + 3, no);
      program.view.setInt32(i * 8 + 4, k | 0, true);
    });
    const fprog = new DataView(new ArrayBuffer(16));
    fprog.setUint16(0, insns.length, true);
    fprog.setBigUint64(8, BigInt(program.address), true);
    const result = this.#c.setOption(this.#fd, SOL_SOCKET, SO_ATTACH_FILTER, new Uint8Array(fprog.buffer));
    program.unmap();
    this.#step('SO_ATTACH_FILTER', result);
  }

  receive(frames: Frames): number {
    const ring = this.#ring;
    frames.count = 0;
    if (ring === undefined) return 0;
    const { view, bytes } = ring;
    frames.memory = bytes;
    if (this.#left === 0) {
      const block = this.#block * BLOCK_SIZE;
      if ((view.getUint32(block + BLOCK.status, true) & TP_STATUS_USER) === 0) return 0;
      this.#left = view.getUint32(block + BLOCK.packets, true);
      this.#next = block + view.getUint32(block + BLOCK.first, true);
    }
    let count = 0;
    let at = this.#next;
    for (; count < MOST && this.#left > 0; this.#left--) {
      const mac = at + view.getUint16(at + FRAME.mac, true);
      const length = view.getUint32(at + FRAME.snaplen, true);
      if (length >= ETH_HLEN) {
        frames.at[count] = mac;
        frames.length[count] = length;
        frames.offload[count] = mac - OFFLOAD_SIZE;
        if ((view.getUint32(at + FRAME.status, true) & TP_STATUS_VLAN_VALID) !== 0) tagged(frames, count, view, at);
        count++;
      }
      at += view.getUint32(at + FRAME.next, true);
    }
    this.#next = at;
    frames.count = count;
    return count;
  }

  /** The block goes back to the kernel when all its frames are done. */
  release(): void {
    const ring = this.#ring;
    if (ring === undefined || this.#left > 0) return;
    const block = this.#block * BLOCK_SIZE;
    if ((ring.view.getUint32(block + BLOCK.status, true) & TP_STATUS_USER) === 0) return;
    Atomics.store(ring.u32, (block + BLOCK.status) >>> 2, TP_STATUS_KERNEL);
    this.#block = (this.#block + 1) % BLOCKS;
  }

  pass(frame: Outgoing): void {
    this.#host?.put(frame);
  }

  transmit(frame: Outgoing): void {
    this.#wire?.put(frame);
  }

  flush(): void {
    this.#host?.flush();
    this.#wire?.flush();
  }

  retire(): void {
    this.#unlink();
    this.#filter(NOTHING);
  }

  #unlink(): void {
    if (this.#admit !== undefined) closeKernel(this.#admit);
    this.#admit = undefined;
  }

  condition(): Condition {
    const error = new Uint8Array(4);
    this.#c.getOption(this.#fd, SOL_SOCKET, SO_ERROR, error);
    const errno = new DataView(error.buffer).getInt32(0, true);
    if (this.#c.nameOf(this.ifindex) === undefined) return 'gone';
    return errno === ERRNO.ENETDOWN ? 'down' : 'up';
  }

  statistics(): DriverStatistics {
    // struct tpacket_stats_v3: packets, drops, freeze count; reading takes them back to zero.
    const found = new Uint8Array(12);
    if (this.#ring !== undefined && this.#c.getOption(this.#fd, SOL_PACKET, PACKET_STATISTICS, found) > 0)
      this.#lost += new DataView(found.buffer).getUint32(4, true);
    return { lost: this.#lost, unsent: (this.#host?.unsent ?? 0) + (this.#wire?.unsent ?? 0) };
  }

  close(): void {
    this.#unlink();
    if (this.#pass !== undefined) closeKernel(this.#pass);
    this.#pass = undefined;
    this.#host?.close();
    this.#wire?.close();
    this.#host = this.#wire = undefined;
    this.#c.close(this.#fd);
    this.#ring?.unmap();
    this.#ring = undefined;
  }
}

/** Puts the VLAN tag back that the kernel took off: the frame, and its offload header before it, begin 4 bytes earlier. */
function tagged(frames: Frames, index: number, view: DataView, header: number): void {
  const { memory: bytes, at, length, offload } = frames;
  const mac = at[index];
  const to = mac - VLAN_HLEN;
  const typed = (view.getUint32(header + FRAME.status, true) & TP_STATUS_VLAN_TPID_VALID) !== 0;
  bytes.copyWithin(to - OFFLOAD_SIZE, mac - OFFLOAD_SIZE, mac + 12);
  view.setUint16(to + 12, typed ? view.getUint16(header + FRAME.tpid, true) : ETH_P_8021Q, false);
  view.setUint16(to + 14, view.getUint32(header + FRAME.tci, true) & 0xffff, false);
  at[index] = to;
  length[index] += VLAN_HLEN;
  offload[index] = to - OFFLOAD_SIZE;
  if (bytes[to - OFFLOAD_SIZE] !== 0) {
    const start = to - OFFLOAD_SIZE + 6;
    view.setUint16(start, view.getUint16(start, true) + VLAN_HLEN, true);
    const headers = to - OFFLOAD_SIZE + 2;
    const known = view.getUint16(headers, true);
    if (known !== 0) view.setUint16(headers, known + VLAN_HLEN, true);
  }
}
