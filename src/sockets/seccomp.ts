// seccomp's filter and its notifications (seccomp_unotify(2), include/uapi/linux/{seccomp,filter,audit}.h).
import type { LibC, SystemNumbers } from './libc.ts';

export type WatchedCall = 'bind' | 'listen' | 'connect' | 'sendto' | 'sendmsg' | 'sendmmsg';

/** Classic BPF: code, jt, jf, k. */
type Insn = readonly [code: number, jt: number, jf: number, k: number];

const LD_W_ABS = 0x20;
const JEQ = 0x15;
const JSET = 0x45;
const RET = 0x06;
/** struct seccomp_data. */
const DATA = { nr: 0, arch: 4 } as const;
const RET_ALLOW = 0x7fff_0000;
const RET_USER_NOTIF = 0x7fc0_0000;
const RET_ERRNO = 0x0005_0000;
const ENOSYS = 38;
/** System calls of x32, which have numbers of their own on the same architecture. */
const X32 = 0x4000_0000;
/** The same number on all architectures. */
const IO_URING_SETUP = 425;
const INSN_SIZE = 8;

/**
 * A filter that hands these calls to a supervisor, and lets all others pass. Calls of another architecture (32-bit ones) do not exist:
 * they would go by other numbers.
 */
export function filterOf({ audit, numbers }: SystemNumbers, calls: readonly WatchedCall[]): Uint8Array {
  const compare = calls.map((call, i): Insn => [JEQ, calls.length - i, 0, numbers[call]]);
  const insns: readonly Insn[] = [
    [LD_W_ABS, 0, 0, DATA.arch],
    [JEQ, 1, 0, audit],
    [RET, 0, 0, RET_ERRNO | ENOSYS],
    [LD_W_ABS, 0, 0, DATA.nr],
    [JSET, 0, 1, X32],
    [RET, 0, 0, RET_ERRNO | ENOSYS],
    // What goes through its rings passes no filter: programs do without where it is not there.
    [JEQ, 0, 1, IO_URING_SETUP],
    [RET, 0, 0, RET_ERRNO | ENOSYS],
    ...compare,
    [RET, 0, 0, RET_ALLOW],
    [RET, 0, 0, RET_USER_NOTIF],
  ];
  const bytes = new Uint8Array(insns.length * INSN_SIZE);
  const view = new DataView(bytes.buffer);
  insns.forEach(([code, jt, jf, k], i) => {
    view.setUint16(i * INSN_SIZE, code, true);
    bytes[i * INSN_SIZE + 2] = jt;
    bytes[i * INSN_SIZE + 3] = jf;
    view.setUint32(i * INSN_SIZE + 4, k, true);
  });
  return bytes;
}

const PR_SET_NO_NEW_PRIVS = 38;
const SET_MODE_FILTER = 1;
const FLAG_NEW_LISTENER = 1 << 3;

/** Puts the filter before this thread's calls, and those of what it will execute; gives the descriptor of its notifications. */
export function installFilter(libc: LibC, filter: Uint8Array): number {
  const { prctl, seccomp } = libc.numbers;
  const status = libc.syscall(prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (status < 0) return status;
  // struct sock_fprog: u16 count, then a pointer.
  const program = new Uint8Array(16);
  const view = new DataView(program.buffer);
  view.setUint16(0, filter.length / INSN_SIZE, true);
  view.setBigUint64(8, libc.address(filter), true);
  return libc.syscall(seccomp, SET_MODE_FILTER, FLAG_NEW_LISTENER, program);
}

/** A call that waits for an answer. */
export interface Notification {
  readonly id: bigint;
  /** Thread that made it. */
  readonly tid: number;
  readonly call: WatchedCall;
  readonly args: readonly bigint[];
}

const NOTIF_SIZE = 80;
const IOCTL = { recv: 0xc050_2100, send: 0xc018_2101, valid: 0x4008_2102 } as const;
const CONTINUE = 1;

/** Both ends of the conversation with the kernel about one filter. */
export class Notifications {
  readonly #libc: LibC;
  readonly #fd: number;
  readonly #calls: ReadonlyMap<number, WatchedCall>;

  constructor(libc: LibC, fd: number) {
    this.#libc = libc;
    this.#fd = fd;
    const { bind, listen, connect, sendto, sendmsg, sendmmsg } = libc.numbers;
    this.#calls = new Map(
      Object.entries({ bind, listen, connect, sendto, sendmsg, sendmmsg }).map(([name, nr]) => [
        nr,
        name as WatchedCall,
      ]),
    );
  }

  /** The next call; undefined where its thread has gone meanwhile. Waits where there is none: ask poll first. */
  receive(): Notification | undefined {
    const bytes = new Uint8Array(NOTIF_SIZE);
    if (this.#libc.ioctl(this.#fd, IOCTL.recv, bytes) < 0) return undefined;
    const view = new DataView(bytes.buffer);
    const call = this.#calls.get(view.getInt32(16, true));
    const id = view.getBigUint64(0, true);
    if (call === undefined) {
      this.pass(id);
      return undefined;
    }
    const args = Array.from({ length: 6 }, (_, i) => view.getBigUint64(32 + 8 * i, true));
    return { id, tid: view.getUint32(8, true), call, args };
  }

  /** Whether the call still waits: else what was read of its thread may be another's. */
  valid(id: bigint): boolean {
    return this.#libc.ioctl(this.#fd, IOCTL.valid, new Uint8Array(BigUint64Array.of(id).buffer)) === 0;
  }

  /** The call returns this: a result, or a negated errno. */
  answer(id: bigint, result: number): void {
    this.#send(id, result, 0);
  }

  /** The kernel does the call as it is then. */
  pass(id: bigint): void {
    this.#send(id, 0, CONTINUE);
  }

  #send(id: bigint, result: number, flags: number): void {
    const bytes = new Uint8Array(24);
    const view = new DataView(bytes.buffer);
    view.setBigUint64(0, id, true);
    view.setBigInt64(8, BigInt(Math.max(result, 0)), true);
    view.setInt32(16, Math.min(result, 0), true);
    view.setUint32(20, flags, true);
    // Fails where the thread has gone: nobody waits then.
    this.#libc.ioctl(this.#fd, IOCTL.send, bytes);
  }
}
