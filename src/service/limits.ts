// What one connection, and all of them together, may take of the service. Sizes in bytes, times in milliseconds.
const KIB = 2 ** 10;
const MIB = 2 ** 20;

export interface FrameLimits {
  /** JSON of one message: what parsing it may cost is some 30 times as much. */
  readonly json: number;
  /** Bytes behind the JSON: an object file, keys and values of a batch. */
  readonly tail: number;
}

export interface ServiceLimits {
  /** Of a connection before its handshake, of one with the role `read`, and of all others. */
  readonly frames: { readonly handshake: FrameLimits; readonly read: FrameLimits; readonly other: FrameLimits };
  /** Parts of frames that have not arrived whole, of all connections: the one with the largest is ended. */
  readonly partial: number;
  /** Time that a frame may take from its first byte to its last. */
  readonly frameTime: number;
  readonly handshakeTime: number;
  /** Connections of one socket, after their handshake. */
  readonly connections: number;
  /** Those before it: the oldest makes room for a new one. More than a socket's backlog, so that who speaks at once is heard. */
  readonly handshakes: number;
  /** Connections of one process, where the system says whose a connection is. */
  readonly perProcess: number;
  /** Requests of a connection that were begun and not answered: above it nothing is read from it. */
  readonly inFlight: number;
  /** Bytes that wait for a client to read them: above it nothing is read from it and events are dropped (and counted). */
  readonly queueHigh: number;
  /** Above it the connection is ended. */
  readonly queueMost: number;
  /** Connections that memory is shared with (shared/ring.ts, 8 MiB each); those beyond go by the socket alone. */
  readonly sharing: number;
  /** Time that answers which were begun have when the service stops. */
  readonly drainTime: number;
}

export const LIMITS: ServiceLimits = {
  frames: {
    handshake: { json: 4 * KIB, tail: 0 },
    read: { json: 64 * KIB, tail: 256 * KIB },
    other: { json: 4 * MIB, tail: 64 * MIB },
  },
  partial: 256 * MIB,
  frameTime: 30_000,
  handshakeTime: 5_000,
  connections: 1_024,
  handshakes: 1_024,
  perProcess: 256,
  inFlight: 64,
  queueHigh: MIB,
  queueMost: 256 * MIB,
  sharing: 32,
  drainTime: 5_000,
};

/** Of what a client takes from its service, which it trusts: it only must not be made to wait for what cannot come. */
export const CLIENT_FRAMES: FrameLimits = { json: 64 * MIB, tail: 1024 * MIB };
