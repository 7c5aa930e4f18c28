// A network interface as the loop sees it: frames come in bursts, and go on as their verdicts say.
import type { Burst } from '../run/batch.ts';

export const DRIVERS = ['af_xdp', 'af_packet', 'tap', 'pcap'] as const;
export type DriverName = (typeof DRIVERS)[number];

/** Most frames of one burst. */
export const MOST = 256;
/** struct virtio_net_hdr: what is left to do of a frame's checksum and segmentation (include/uapi/linux/virtio_net.h). */
export const OFFLOAD_SIZE = 10;
export const ETH_HLEN = 14;

/** Frames of one receive; the memory is the driver's until `release`. */
export interface Frames extends Burst {
  /** Where in `memory` each frame's struct virtio_net_hdr is; -1 where the driver is not told. */
  readonly offload: Int32Array;
  /** The receive queue that they came from. */
  queue: number;
}

export const noFrames = (): Frames => ({
  memory: new Uint8Array(0),
  at: new Uint32Array(MOST),
  length: new Uint32Array(MOST),
  offload: new Int32Array(MOST).fill(-1),
  count: 0,
  queue: 0,
});

/** A frame to be sent: part of some memory, in which its offload header is too where there is one. */
export interface Outgoing {
  bytes: Uint8Array;
  from: number;
  length: number;
  /** The header's memory and place; -1: none is known, and the frame's own checksum tells (checksum.ts). */
  offloadBytes: Uint8Array;
  offload: number;
  /** Bytes that the frame has grown at its front since the header was written. */
  grown: number;
}

/** A type, not an interface: these are plain counts by name. */
export type DriverStatistics = {
  /** Frames that came in while there was no room for them. */
  readonly lost: number;
  /** Frames that could not be sent on: queues were full, or the kernel refused them. */
  readonly unsent: number;
};

/** What has become of an interface. */
export type Condition = 'up' | 'down' | 'gone';

export interface Driver {
  readonly name: DriverName;
  readonly device: string;
  readonly ifindex: number;
  /** Whether a verdict decides what becomes of the packet. Where it does not, the system gets each packet whatever the verdict. */
  readonly enforces: boolean;
  /** What frames of the device begin with. `ip`: the driver puts an Ethernet header without addresses before them. */
  readonly layer: 'ethernet' | 'ip';
  /** How the driver works, for people: `native, zero-copy`. */
  readonly mode: string;
  /** What a wake-up stands for: one frame that has come in, or as many as the kernel has gathered for a while. */
  readonly wakes: 'frame' | 'burst';
  /** To be watched for frames. */
  readonly fds: readonly number[];
  /** Takes up to MOST frames, of one queue; their number. */
  receive(frames: Frames): number;
  /** Gives the memory of the last receive back. */
  release(): void;
  /** Hands a frame to the system as if it had come in now. Undone where `enforces` is false: the system has it already. */
  pass(frame: Outgoing): void;
  /** Sends a frame out of the interface. */
  transmit(frame: Outgoing): void;
  /** Sends what `pass` and `transmit` have gathered. */
  flush(): void;
  /** From here on the system gets what comes in; what came before is still received. `close` comes some milliseconds later. */
  retire(): void;
  /** Looks why there was something to be told. */
  condition(): Condition;
  statistics(): DriverStatistics;
  close(): void;
}
