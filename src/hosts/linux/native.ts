// The C library as bpf(2) needs it: a few calls by koffi (an optional dependency), and one arena of native memory.
//
// Why an arena: koffi.address(buffer) does not keep a buffer alive, so an attr that points into JavaScript buffers may
// point into freed memory by the time the kernel reads it. Everything that the kernel sees lies in one mapping that is
// never given back, and is laid out anew for each (synchronous) call.
import process from 'node:process';
import { loadKoffi, resultOf, type Watch } from '../node/koffi.ts';

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
const F_DUPFD_CLOEXEC = 1030;
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
  /** Memory that stays: as long as anything refers to its bytes. */
  own(size: number): Native;
  /** bpf(2) with an attr that is laid out already: the result, or the negated errno. */
  bpf(command: number, attr: number, size: number): number;
  /** close(2). */
  close(fd: number): void;
  /** Another descriptor of the same file (F_DUPFD_CLOEXEC), or the negated errno. */
  duplicate(fd: number): number;
  /** A shared mapping of a file descriptor, there until nothing refers to it any more. Negated errno on failure. */
  map(fd: number, size: number, offset: number, writable: boolean): ArrayBuffer | number;
  /** Calls when a descriptor can be read, in the event loop. */
  watch(fd: number, ready: () => void): Watch;
  /** socket(2), or the negated errno. */
  socket(family: number, type: number, protocol: number): number;
  /** setns(2) of the calling thread. 0 or the negated errno. */
  setns(fd: number, type: number): number;
  /** mount(2) without data, and umount2(2). 0 or the negated errno. */
  mount(source: string, target: string, type: string, flags: number): number;
  unmount(target: string, flags: number): number;
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
  const koffi = loadKoffi();
  const libc = koffi.load(null);
  // syscall(3) and ioctl(2) are variadic; integers go in the same registers on the Linux ABIs above.
  const rawSyscall = libc.func(
    'int64_t syscall(int64_t number, int64_t a, int64_t b, int64_t c, int64_t d, int64_t e)',
  );
  const rawMmap = libc.func('int64_t mmap(int64_t at, size_t size, int prot, int flags, int fd, int64_t offset)');
  const rawIoctl = libc.func('int ioctl(int fd, uint64_t request, int64_t argument)');
  const rawClose = libc.func('int close(int fd)');
  const rawBpf = libc.func('int64_t syscall(int64_t number, int64_t command, int64_t attr, int64_t size)');
  const rawFcntl = libc.func('int fcntl(int fd, int command, int64_t argument)');
  const rawSocket = libc.func('int socket(int family, int type, int protocol)');
  const rawSetns = libc.func('int setns(int fd, int type)');
  const rawMount = libc.func(
    'int mount(const char *source, const char *target, const char *type, uint64_t flags, int64_t data)',
  );
  const rawUnmount = libc.func('int umount2(const char *target, int flags)');
  const rawCalloc = libc.func('int64_t calloc(size_t count, size_t size)');
  const rawFree = libc.func('void free(int64_t at)');
  const rawMunmap = libc.func('int munmap(int64_t at, size_t size)');
  const rawAffinity = libc.func('int sched_setaffinity(int pid, size_t size, int64_t mask)');

  const checked = resultOf(koffi);
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

  // What refers to memory decides how long it is there: views outlive whoever made them.
  const freed = new FinalizationRegistry<number>((at) => rawFree(at));
  const unmapped = new FinalizationRegistry<readonly [at: number, size: number]>(([at, size]) => rawMunmap(at, size));

  return {
    numbers,
    own: (size) => {
      const at = Number(rawCalloc(1, Math.max(size, 1)));
      if (at === 0) throw new Error(`no memory for ${size} bytes`);
      const buffer = koffi.view(BigInt(at), Math.max(size, 1));
      freed.register(buffer, at);
      return { address: at, bytes: new Uint8Array(buffer, 0, size), view: new DataView(buffer, 0, size) };
    },
    // Not by `checked`: this is what a lookup takes.
    bpf: (command, attr, size) => {
      const result = rawBpf(numbers.bpf, command, attr, size) as number;
      return result === -1 ? -koffi.errno() : result;
    },
    duplicate: (fd) => checked(rawFcntl(fd, F_DUPFD_CLOEXEC, 3)),
    watch: (fd, ready) => koffi.node.poll(fd, ready),
    socket: (family, type, protocol) => checked(rawSocket(family, type, protocol)),
    setns: (fd, type) => checked(rawSetns(fd, type)),
    mount: (source, target, type, flags) => checked(rawMount(source, target, type, flags, 0)),
    unmount: (target, flags) => checked(rawUnmount(target, flags)),
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
      if (at < 0) return at;
      const buffer = koffi.view(BigInt(at), size);
      unmapped.register(buffer, [at, size]);
      return buffer;
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
