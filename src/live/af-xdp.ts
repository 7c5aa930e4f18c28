// AF_XDP: a program of five instructions (stubs.ts) sends what comes in to our sockets, one a receive queue, before the system has looked
// at it. What passes goes back to the interface's ingress, past that program.
import { readdirSync, readFileSync } from 'node:fs';
import { AnyBpfError, fail } from '../base/diagnostic.ts';
import { cannotOpen, noDevice, notFor } from '../base/messages/live.ts';
import { close as closeKernel, mapCreate, mapUpdate } from '../hosts/linux/bpf.ts';
import { ERRNO } from '../spec/errno.ts';
import { strerror } from '../spec/strerror.ts';
import type { Condition, Driver, DriverStatistics, Frames, Outgoing } from './driver.ts';
import { type LibC, libc } from './libc.ts';
import { i32, Sender, SOL_SOCKET } from './sender.ts';
import { admitLink, newMark, passLink, redirectLink, type Where } from './stubs.ts';
import { MOST_MTU, XskSocket } from './xsk.ts';

const SO_ERROR = 4;
const MOST_QUEUES = 64;
const SYS_NET = '/sys/class/net';

export interface XdpOptions {
  /** False: asks the driver for frames without a copy, and takes copies where it has none. */
  readonly copy?: boolean;
}

export class AfXdp implements Driver {
  readonly name = 'af_xdp';
  readonly layer = 'ethernet';
  readonly wakes = 'frame';
  readonly enforces = true;
  readonly device: string;
  readonly ifindex: number;
  readonly mode: string;
  readonly fds: readonly number[];
  readonly #c: LibC;
  readonly #sockets: XskSocket[] = [];
  #host: Sender | undefined;
  #map = -1;
  #redirect: number | undefined;
  #links: number[] = [];
  /** The socket to ask next, and the one that the last frames came from. */
  #next = 0;
  #from: XskSocket | undefined;
  #lost = 0;

  /** @throws AnyBpfError live/open, live/no-device, live/not-for */
  constructor(device: string, { copy = false }: XdpOptions = {}) {
    const c = libc();
    this.#c = c;
    this.device = device;
    this.ifindex = c.indexOf(device);
    if (this.ifindex === 0) fail(noDevice({}, device));
    const where: Where = { driver: this.name, device, ifindex: this.ifindex };
    const { mtu, queues } = shape(device);
    if (mtu > MOST_MTU) fail(notFor({}, this.name, device, `an MTU of ${mtu} is above ${MOST_MTU}`));
    const mark = newMark();
    try {
      this.#map = mapCreate({ type: 'xskmap', keySize: 4, valueSize: 4, maxEntries: queues, name: 'anybpf_xsks' });
      if (this.#map < 0) fail(cannotOpen({}, this.name, device, 'making an xskmap', -this.#map, strerror(-this.#map)));
      for (let queue = 0; queue < queues; queue++) this.#sockets.push(new XskSocket(where, queue, mtu, copy));
      this.#host = new Sender(this.ifindex, { ...where, mark });
      this.#links = [passLink(where, mark), admitLink(where, mark, false)];
      for (const { queue, fd } of this.#sockets) mapUpdate(this.#map, i32(queue), i32(fd));
      this.#redirect = redirectLink(where, this.#map, 'native');
    } catch (error) {
      this.close();
      if (error instanceof AnyBpfError && error.diagnostic.errno === ERRNO.EOPNOTSUPP)
        fail(notFor({}, this.name, device, 'its driver has no native XDP; af_packet takes it'), error);
      throw error;
    }
    this.fds = this.#sockets.map(({ fd }) => fd);
    const kind = this.#sockets.every(({ zeroCopy }) => zeroCopy) ? 'zero-copy' : 'copy';
    this.mode = `native, ${kind}, ${queues === 1 ? '1 queue' : `${queues} queues`}`;
  }

  receive(frames: Frames): number {
    const sockets = this.#sockets;
    for (let tried = 0; tried < sockets.length; tried++) {
      const socket = sockets[this.#next];
      this.#next = (this.#next + 1) % sockets.length;
      if (socket.receive(frames) === 0) continue;
      this.#from = socket;
      return frames.count;
    }
    frames.count = 0;
    return 0;
  }

  release(): void {
    this.#from?.release();
    this.#from = undefined;
  }

  pass(frame: Outgoing): void {
    this.#host?.put(frame);
  }

  /** By the queue that the packets of this burst came from. */
  transmit(frame: Outgoing): void {
    (this.#from ?? this.#sockets[0])?.put(frame);
  }

  flush(): void {
    this.#host?.flush();
    for (const socket of this.#sockets) socket.flush();
  }

  retire(): void {
    if (this.#redirect !== undefined) closeKernel(this.#redirect);
    this.#redirect = undefined;
  }

  condition(): Condition {
    if (this.#c.nameOf(this.ifindex) === undefined) return 'gone';
    let down = false;
    for (const { fd } of this.#sockets) {
      const error = new Uint8Array(4);
      this.#c.getOption(fd, SOL_SOCKET, SO_ERROR, error);
      if (new DataView(error.buffer).getInt32(0, true) === ERRNO.ENETDOWN) down = true;
    }
    return down ? 'down' : 'up';
  }

  statistics(): DriverStatistics {
    if (this.#sockets.length > 0) this.#lost = this.#sockets.reduce((sum, { lost }) => sum + lost, 0);
    const unsent = this.#sockets.reduce((sum, socket) => sum + socket.unsent, 0);
    return { lost: this.#lost, unsent: unsent + (this.#host?.unsent ?? 0) };
  }

  close(): void {
    this.retire();
    this.#host?.close();
    this.#host = undefined;
    for (const link of this.#links) closeKernel(link);
    this.#links = [];
    for (const socket of this.#sockets) socket.close();
    this.#sockets.length = 0;
    if (this.#map >= 0) closeKernel(this.#map);
    this.#map = -1;
  }
}

/** What sysfs says of an interface. */
function shape(device: string): { readonly mtu: number; readonly queues: number } {
  try {
    const mtu = Number(readFileSync(`${SYS_NET}/${device}/mtu`, 'utf8'));
    const queues = readdirSync(`${SYS_NET}/${device}/queues`).filter((name) => name.startsWith('rx-')).length;
    return { mtu, queues: Math.min(Math.max(queues, 1), MOST_QUEUES) };
  } catch {
    return fail(noDevice({}, device));
  }
}
