// The C library as bpf(2) needs it: a few calls by koffi (an optional dependency), and one arena of native memory.
//
// Why an arena: koffi.address(buffer) does not keep a buffer alive, so an attr that points into JavaScript buffers may
// point into freed memory by the time the kernel reads it. Everything that the kernel sees lies in one mapping that is
// never given back, and is laid out anew for each (synchronous) call.
import { createRequire } from 'node:module';
import process from 'node:process';

interface Koffi {
  load(path: null): { func(definition: string): (...args: readonly (number | bigint | null)[]) => number | bigint };
  view(pointer: number | bigint, length: number): ArrayBuffer;
  errno(): number;
}

/** bpf(2) and perf_event_open(2) by Node's `process.arch` (arch/*\/include/**\/unistd*.h, syscall_64.tbl). */
const SYSCALLS: Readonly<Record<string, { readonly bpf: number; readonly perfEventOpen: number }>> = {
  x64: { bpf: 321, perfEventOpen: 298 },
  arm64: { bpf: 280, perfEventOpen: 241 },
  riscv64: { bpf: 280, perfEventOpen: 241 },
  loong64: { bpf: 280, perfEventOpen: 241 },
  s390x: { bpf: 351, perfEventOpen: 331 },
  ppc64: { bpf: 361, perfEventOpen: 319 },
};

const PROT_READ = 1;
const PROT_WRITE = 2;
const MAP_SHARED = 1;
const MAP_PRIVATE = 2;
const MAP_ANONYMOUS = 0x20;
const MAP_NORESERVE = 0x4000;
/** Address space only: a page costs memory once it is touched. */
const ARENA_SIZE = 256 << 20;

/** A range of the arena that the caller fills or reads before the next `arena.reset()`. */
export interface Native {
  readonly address: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

export interface NativeLibrary {
  readonly numbers: { readonly bpf: number; readonly perfEventOpen: number };
  /** syscall(2) with up to five arguments: the result, or the negated errno. */
  syscall(number: number, a?: number, b?: number, c?: number, d?: number, e?: number): number;
  /** Forgets all that was laid out. Call it at the start of each system call, never between layout and call. */
  reset(): void;
  /** `size` zero bytes in the arena, 8-aligned. */
  room(size: number): Native;
  /** The bytes copied into the arena; address 0 for undefined. */
  put(bytes: Uint8Array | undefined): number;
  /** close(2). */
  close(fd: number): void;
  /** A shared mapping of a file descriptor; never unmapped (a view of unmapped memory would crash). Negated errno on failure. */
  map(fd: number, size: number, offset: number, writable: boolean): ArrayBuffer | number;
  /** ioctl(2) with an integer argument. */
  ioctl(fd: number, request: number, argument: number): number;
  /** sched_setaffinity(2) of the calling thread to one CPU. */
  pinToCpu(cpu: number): number;
}

function open(): NativeLibrary {
  const numbers = SYSCALLS[process.arch];
  if (process.platform !== 'linux' || numbers === undefined) {
    throw new Error(`no bpf(2) on ${process.platform}-${process.arch}`);
  }
  const koffi = createRequire(import.meta.url)('koffi') as Koffi;
  const libc = koffi.load(null);
  // syscall(3) and ioctl(2) are variadic; integers go in the same registers on the Linux ABIs above.
  const rawSyscall = libc.func(
    'int64_t syscall(int64_t number, int64_t a, int64_t b, int64_t c, int64_t d, int64_t e)',
  );
  const rawMmap = libc.func('int64_t mmap(int64_t at, size_t size, int prot, int flags, int fd, int64_t offset)');
  const rawIoctl = libc.func('int ioctl(int fd, uint64_t request, int64_t argument)');
  const rawClose = libc.func('int close(int fd)');
  const rawAffinity = libc.func('int sched_setaffinity(int pid, size_t size, int64_t mask)');

  const checked = (result: number | bigint): number => (Number(result) === -1 ? -koffi.errno() : Number(result));
  const base = checked(
    rawMmap(0, ARENA_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0),
  );
  if (base < 0) throw new Error(`mmap of the arena failed with errno ${-base}`);
  const memory = koffi.view(BigInt(base), ARENA_SIZE);
  let used = 0;

  const room = (size: number): Native => {
    if (used + size > ARENA_SIZE) throw new Error(`the arena of ${ARENA_SIZE} bytes is too small for ${size} more`);
    const at = used;
    used = (used + size + 7) & ~7;
    const bytes = new Uint8Array(memory, at, size).fill(0);
    return { address: base + at, bytes, view: new DataView(memory, at, size) };
  };

  return {
    numbers,
    syscall: (number, a = 0, b = 0, c = 0, d = 0, e = 0) => checked(rawSyscall(number, a, b, c, d, e)),
    reset: () => {
      used = 0;
    },
    room,
    put: (bytes) => {
      if (bytes === undefined) return 0;
      // One byte at least: a pointer to nothing is not a NULL pointer.
      const native = room(Math.max(bytes.length, 1));
      native.bytes.set(bytes);
      return native.address;
    },
    close: (fd) => {
      rawClose(fd);
    },
    map: (fd, size, offset, writable) => {
      const at = checked(rawMmap(0, size, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, offset));
      return at < 0 ? at : koffi.view(BigInt(at), size);
    },
    ioctl: (fd, request, argument) => checked(rawIoctl(fd, request, argument)),
    pinToCpu: (cpu) => {
      used = 0;
      const mask = room(128);
      mask.bytes[cpu >> 3] = 1 << (cpu & 7);
      return checked(rawAffinity(0, 128, mask.address));
    },
  };
}

let library: NativeLibrary | undefined;

/** The C library; throws an Error with the reason where this system has no bpf(2) or koffi is not installed. */
export function native(): NativeLibrary {
  library ??= open();
  return library;
}
