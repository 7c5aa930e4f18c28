// The C library as supervision needs it: seccomp's notifications, sockets of other processes, exec. By koffi, an optional dependency.
//
// Everything that the kernel reads or writes lies in memory that the caller keeps alive until the call is over: koffi does not.
import process from 'node:process';
import { type Argument, type CFunction, loadKoffi, type PollEvent, resultOf, type Watch } from '../hosts/node/koffi.ts';

/** Numbers by Node's `process.arch`: system calls (arch/*\/entry/syscalls, asm-generic/unistd.h) and AUDIT_ARCH_* (uapi linux/audit.h). */
const GENERIC = {
  bind: 200,
  listen: 201,
  connect: 203,
  sendto: 206,
  sendmsg: 211,
  sendmmsg: 269,
  prctl: 167,
  seccomp: 277,
  pidfd_open: 434,
  pidfd_getfd: 438,
} as const;
const SYSCALLS: Readonly<Record<string, SystemNumbers>> = {
  x64: {
    audit: 0xc000_003e,
    numbers: {
      bind: 49,
      listen: 50,
      connect: 42,
      sendto: 44,
      sendmsg: 46,
      sendmmsg: 307,
      prctl: 157,
      seccomp: 317,
      pidfd_open: 434,
      pidfd_getfd: 438,
    },
  },
  arm64: { audit: 0xc000_00b7, numbers: GENERIC },
  riscv64: { audit: 0xc000_00f3, numbers: GENERIC },
  loong64: { audit: 0xc000_0102, numbers: GENERIC },
};

export interface SystemNumbers {
  readonly audit: number;
  readonly numbers: { readonly [N in keyof typeof GENERIC]: number };
}

export interface LibC extends SystemNumbers {
  /** syscall(2): the result, or the negated errno. Buffers are passed by address. */
  syscall(number: number, ...args: readonly (number | bigint | Uint8Array)[]): number;
  ioctl(fd: number, request: number, argument: Uint8Array): number;
  fcntl(fd: number, command: number, argument: number): number;
  close(fd: number): void;
  bind(fd: number, address: Uint8Array): number;
  listen(fd: number, backlog: number): number;
  /** In another thread: it may take as long as the network does. */
  connect(fd: number, address: Uint8Array): Promise<number>;
  sendto(fd: number, data: Uint8Array, flags: number, address: Uint8Array): Promise<number>;
  /** An integer option of getsockopt(2), or the negated errno. */
  socketOption(fd: number, level: number, name: number): number;
  /** getsockname(2): the address, undefined where there is none. */
  socketName(fd: number): Uint8Array | undefined;
  /** Where a buffer lies; it must be kept alive for as long as anybody looks there. */
  address(bytes: Uint8Array): bigint;
  /** SIG_DFL for a signal: what an executed program would else inherit. */
  defaultSignal(signal: number): void;
  /** execvpe(3): comes back only where it failed, with the negated errno. */
  exec(file: string, args: readonly string[], environment: readonly string[]): number;
  poll(fd: number, on: (event: PollEvent) => void): Watch;
}

/** struct sockaddr_storage. */
const ADDRESS_SIZE = 128;

/** @throws Error with the reason where this system has none of it, or koffi is not installed */
export function openLibC(): LibC {
  const system = SYSCALLS[process.arch];
  if (process.platform !== 'linux' || system === undefined)
    throw new Error(`no seccomp on ${process.platform}-${process.arch}`);
  const koffi = loadKoffi();
  const libc = koffi.load(null);
  const checked = resultOf(koffi);
  const syscall = ['int64_t', 'void *'];
  // One declaration for each kind of argument list: numbers as int64_t, buffers as pointers.
  const declared = new Map<string, CFunction>();
  const call = (number: number, args: readonly (number | bigint | Uint8Array)[]): number => {
    const types = args.map((arg) => (arg instanceof Uint8Array ? syscall[1] : syscall[0]));
    const key = types.join(', ');
    let native = declared.get(key);
    if (native === undefined) {
      native = libc.func(`int64_t syscall(${['int64_t', ...types].join(', ')})`);
      declared.set(key, native);
    }
    return checked(native(number, ...args));
  };
  const ioctl = libc.func('int ioctl(int, uint64_t, _Inout_ uint8_t *)');
  const fcntl = libc.func('int fcntl(int, int, int64_t)');
  const close = libc.func('int close(int)');
  const bind = libc.func('int bind(int, const uint8_t *, uint32_t)');
  const listen = libc.func('int listen(int, int)');
  const connect = libc.func('int connect(int, const uint8_t *, uint32_t)');
  const sendto = libc.func('int64_t sendto(int, const uint8_t *, size_t, int, const uint8_t *, uint32_t)');
  const getsockopt = libc.func('int getsockopt(int, int, int, _Inout_ uint8_t *, _Inout_ uint8_t *)');
  const getsockname = libc.func('int getsockname(int, _Inout_ uint8_t *, _Inout_ uint8_t *)');
  const signal = libc.func('void *signal(int, int64_t)');
  const execvpe = libc.func('int execvpe(const char *, const char **, const char **)');
  /** A call in another thread; the buffers live as long as the promise does. */
  const later = (native: CFunction, ...args: readonly Argument[]): Promise<number> =>
    new Promise((resolve, reject) => {
      native.async(...args, (error, result) => {
        // errno belongs to the thread that made the call; koffi brings it over.
        if (error === null) resolve(checked(result));
        else reject(error);
      });
    });
  return {
    ...system,
    syscall: (number, ...args) => call(number, args),
    ioctl: (fd, request, argument) => checked(ioctl(fd, request, argument)),
    fcntl: (fd, command, argument) => checked(fcntl(fd, command, argument)),
    close: (fd) => {
      close(fd);
    },
    bind: (fd, address) => checked(bind(fd, address, address.length)),
    listen: (fd, backlog) => checked(listen(fd, backlog)),
    connect: (fd, address) => later(connect, fd, address, address.length),
    sendto: (fd, data, flags, address) => later(sendto, fd, data, data.length, flags, address, address.length),
    socketOption: (fd, level, name) => {
      const value = new Uint8Array(4);
      const length = new Uint8Array(Uint32Array.of(4).buffer);
      const status = checked(getsockopt(fd, level, name, value, length));
      return status < 0 ? status : new DataView(value.buffer).getInt32(0, true);
    },
    socketName: (fd) => {
      const address = new Uint8Array(ADDRESS_SIZE);
      const length = Uint32Array.of(ADDRESS_SIZE);
      const status = checked(getsockname(fd, address, new Uint8Array(length.buffer)));
      return status < 0 ? undefined : address.subarray(0, length[0]);
    },
    address: (bytes) => koffi.address(bytes),
    defaultSignal: (number) => {
      signal(number, 0);
    },
    exec: (file, args, environment) => checked(execvpe(file, [...args, null], [...environment, null])),
    poll: (fd, on) =>
      koffi.node.poll(fd, { readable: true, disconnect: true }, (status, event) => {
        on(status < 0 ? { readable: false, disconnect: true } : event);
      }),
  };
}
