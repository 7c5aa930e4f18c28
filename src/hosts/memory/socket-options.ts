// Options of a simulated socket: those that bpf_setsockopt and bpf_getsockopt know (net/core/filter.c), kept by level and name.
import { utf8 } from '../../base/bytes.ts';
import { ERRNO } from '../../spec/errno.ts';
import type { SocketOptions } from '../../spec/network.ts';

interface OptionRow {
  readonly level: number;
  readonly option: number;
  /** Value of a fresh socket. */
  readonly initial: number | string;
  /** The kernel keeps (and gives back) twice the value, for its own overhead. */
  readonly doubled?: boolean;
  /** Least value that is accepted, 0 where absent. */
  readonly least?: number;
}

const SOL_IP = 0;
const SOL_SOCKET = 1;
const SOL_TCP = 6;
const SOL_IPV6 = 41;
/** TCP_CA_NAME_MAX. */
const NAME_SIZE = 16;

export const SOCKET_OPTIONS = {
  SO_REUSEADDR: { level: SOL_SOCKET, option: 2, initial: 0 },
  SO_SNDBUF: { level: SOL_SOCKET, option: 7, initial: 212_992, doubled: true },
  SO_RCVBUF: { level: SOL_SOCKET, option: 8, initial: 212_992, doubled: true },
  SO_KEEPALIVE: { level: SOL_SOCKET, option: 9, initial: 0 },
  SO_PRIORITY: { level: SOL_SOCKET, option: 12, initial: 0 },
  SO_REUSEPORT: { level: SOL_SOCKET, option: 15, initial: 0 },
  SO_RCVLOWAT: { level: SOL_SOCKET, option: 18, initial: 1 },
  SO_BINDTODEVICE: { level: SOL_SOCKET, option: 25, initial: '' },
  SO_MARK: { level: SOL_SOCKET, option: 36, initial: 0 },
  SO_MAX_PACING_RATE: { level: SOL_SOCKET, option: 47, initial: -1, least: -1 },
  SO_BINDTOIFINDEX: { level: SOL_SOCKET, option: 62, initial: 0 },
  SO_TXREHASH: { level: SOL_SOCKET, option: 74, initial: 1 },
  IP_TOS: { level: SOL_IP, option: 1, initial: 0 },
  IPV6_TCLASS: { level: SOL_IPV6, option: 67, initial: 0, least: -1 },
  IPV6_AUTOFLOWLABEL: { level: SOL_IPV6, option: 70, initial: 1 },
  TCP_NODELAY: { level: SOL_TCP, option: 1, initial: 0 },
  TCP_MAXSEG: { level: SOL_TCP, option: 2, initial: 536 },
  TCP_KEEPIDLE: { level: SOL_TCP, option: 4, initial: 7200, least: 1 },
  TCP_KEEPINTVL: { level: SOL_TCP, option: 5, initial: 75, least: 1 },
  TCP_KEEPCNT: { level: SOL_TCP, option: 6, initial: 9, least: 1 },
  TCP_SYNCNT: { level: SOL_TCP, option: 7, initial: 6, least: 1 },
  TCP_WINDOW_CLAMP: { level: SOL_TCP, option: 10, initial: 0 },
  TCP_CONGESTION: { level: SOL_TCP, option: 13, initial: 'cubic' },
  TCP_THIN_LINEAR_TIMEOUTS: { level: SOL_TCP, option: 16, initial: 0 },
  TCP_USER_TIMEOUT: { level: SOL_TCP, option: 18, initial: 0 },
  TCP_NOTSENT_LOWAT: { level: SOL_TCP, option: 25, initial: 0 },
  TCP_SAVE_SYN: { level: SOL_TCP, option: 27, initial: 0 },
  TCP_BPF_IW: { level: SOL_TCP, option: 1001, initial: 10, least: 1 },
  TCP_BPF_SNDCWND_CLAMP: { level: SOL_TCP, option: 1002, initial: 0, least: 1 },
  TCP_BPF_DELACK_MAX: { level: SOL_TCP, option: 1003, initial: 200_000, least: 1 },
  TCP_BPF_RTO_MIN: { level: SOL_TCP, option: 1004, initial: 200_000, least: 1 },
  TCP_BPF_SOCK_OPS_CB_FLAGS: { level: SOL_TCP, option: 1008, initial: 0 },
} as const satisfies Record<string, OptionRow>;

const ROWS: readonly OptionRow[] = Object.values(SOCKET_OPTIONS);
const rowOf = (level: number, name: number): OptionRow | undefined =>
  ROWS.find((row) => row.level === level && row.option === name);

function bytesOf(value: number | string): Uint8Array {
  if (typeof value === 'string') {
    const bytes = new Uint8Array(NAME_SIZE);
    bytes.set(utf8(value).subarray(0, NAME_SIZE - 1));
    return bytes;
  }
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, value, true);
  return bytes;
}

/** Options of one socket. Options that bpf_setsockopt does not know, and values of the wrong form, are -EINVAL. */
export class SimulatedSocketOptions implements SocketOptions {
  readonly #values = new Map<OptionRow, Uint8Array>();

  get(level: number, name: number): Uint8Array | undefined {
    const row = rowOf(level, name);
    return row === undefined ? undefined : (this.#values.get(row) ?? bytesOf(row.initial));
  }

  set(level: number, name: number, value: Uint8Array): number {
    const row = rowOf(level, name);
    if (row === undefined) return -ERRNO.EINVAL;
    if (typeof row.initial === 'string') {
      const bytes = new Uint8Array(NAME_SIZE);
      bytes.set(value.subarray(0, NAME_SIZE - 1));
      this.#values.set(row, bytes);
      return 0;
    }
    if (value.length !== 4) return -ERRNO.EINVAL;
    const number = new DataView(value.buffer, value.byteOffset, value.byteLength).getInt32(0, true);
    if (number < (row.least ?? 0)) return -ERRNO.EINVAL;
    this.#values.set(row, bytesOf(row.doubled === true ? number * 2 : number));
    return 0;
  }
}
