// A packet of a capture, whatever the file format.

/** Where packets were captured. Old pcap files have one, without a name. */
export interface CaptureInterface {
  /** Position in the file, over all sections. */
  readonly index: number;
  /** LINKTYPE_* number (link-types.ts): what the captured bytes begin with. */
  readonly linkType: number;
  /** Bytes kept of each packet; 0 for no limit. */
  readonly snapLength: number;
  readonly name?: string;
  readonly description?: string;
}

/** One captured packet. */
export interface CapturePacket {
  readonly interface: CaptureInterface;
  /** Nanoseconds since 1970-01-01 UTC; undefined where the file has none (simple packet blocks). */
  readonly timestamp: bigint | undefined;
  /** The captured bytes: a view into the chunk that was read, to be copied by whoever keeps it. */
  readonly data: Uint8Array;
  /** Bytes that the packet had on the wire, as the file says it; more than `data` where it was cut. */
  readonly originalLength: number;
  /** Comments of the packet (pcapng). */
  readonly comments?: readonly string[];
  /** What eBPF programs decided (pcapng, epb_verdict), as numbers of the program type: XDP_* or TC_ACT_*. */
  readonly verdicts?: readonly CaptureVerdict[];
  /** epb_packetid: the same number for the same packet at several interfaces. */
  readonly packetId?: bigint;
  /** epb_queue. */
  readonly queue?: number;
}

/** A verdict by the kind of hook that gave it (option epb_verdict of the pcapng draft). */
export interface CaptureVerdict {
  readonly hook: VerdictHook;
  readonly value: bigint;
}

/** First octet of epb_verdict. Type 0, hardware, has no defined value and is not read. */
export const VERDICT_HOOKS = { tc: 1, xdp: 2 } as const;

export type VerdictHook = keyof typeof VERDICT_HOOKS;

/** The longest packet that is read or written, that of libpcap (MAXIMUM_SNAPLEN). */
export const MAX_PACKET_BYTES = 262_144;
