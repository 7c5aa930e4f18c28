// The C library as packet drivers need it, by koffi, an optional dependency: sockets, mappings, polling.
//
// What the kernel keeps pointers to lies in a Mapping, which stays until it is unmapped; buffers that are passed to a call are read and
// written during that call only.
import process from 'node:process';
import { fail } from '../base/diagnostic.ts';
import { noNative } from '../base/messages/live.ts';
import { type CLibrary, type Koffi, loadKoffi, resultOf, type Watch } from '../hosts/node/koffi.ts';

/** Foreign memory. Its views must not be used once it is unmapped: that would be a fault of the whole process. */
export interface Mapping {
  readonly address: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Of a length that is no multiple of 4: without the last bytes. */
  readonly u32: Uint32Array;
  unmap(): void;
}

/** All results are the call's own, or the negated errno. */
export interface LibC {
  socket(family: number, type: number, protocol: number): number;
  bind(fd: number, address: Uint8Array): number;
  setOption(fd: number, level: number, name: number, value: Uint8Array): number;
  /** Fills `value`; gives the length of what the kernel has. */
  getOption(fd: number, level: number, name: number, value: Uint8Array): number;
  open(path: string, flags: number): number;
  close(fd: number): void;
  read(fd: number, address: number, length: number): number;
  write(fd: number, address: number, length: number): number;
  ioctl(fd: number, request: number, argument: Uint8Array): number;
  /** A send of nothing: wakes an AF_XDP socket. */
  kick(fd: number): number;
  /** A receive of nothing: lets the driver of an AF_XDP socket take chunks. */
  wakeReceive(fd: number): number;
  /** Sleeps, this thread and its event loop with it. */
  nap(microseconds: number): void;
  /** An array of struct mmsghdr. */
  sendMany(fd: number, messages: number, count: number): number;
  map(fd: number, length: number, offset: number): Mapping | number;
  /** Memory of this process alone, zero at first. */
  mapOwn(length: number): Mapping;
  indexOf(device: string): number;
  /** Undefined where there is no such interface. */
  nameOf(ifindex: number): string | undefined;
  /** Calls when there is something to read, or an error to be told. */
  watch(fd: number, ready: () => void): Watch;
  /** memcpy(3), of memory that no mapping of ours shows. */
  copy(to: number, from: bigint, length: number): void;
  library(file: string): CLibrary | undefined;
}

const PROT_READ_WRITE = 3;
const MAP_SHARED = 1;
const MAP_PRIVATE = 2;
const MAP_ANONYMOUS = 0x20;
const MAP_POPULATE = 0x8000;
const MSG_DONTWAIT = 0x40;
const IF_NAMESIZE = 16;

function open(): LibC {
  if (process.platform !== 'linux') return fail(noNative({}, `this is ${process.platform}`));
  let koffi: Koffi;
  try {
    koffi = loadKoffi();
  } catch (error) {
    return fail(noNative({}, `koffi cannot be loaded: ${error instanceof Error ? error.message : String(error)}`));
  }
  const c = koffi.load(null);
  const socket = c.func('int socket(int family, int type, int protocol)');
  const bind = c.func('int bind(int fd, const void *address, uint32_t length)');
  const setsockopt = c.func('int setsockopt(int fd, int level, int name, const void *value, uint32_t length)');
  const getsockopt = c.func('int getsockopt(int fd, int level, int name, void *value, void *length)');
  const openFile = c.func('int open(const char *path, int flags)');
  const close = c.func('int close(int fd)');
  const read = c.func('int64_t read(int fd, int64_t to, size_t length)');
  const write = c.func('int64_t write(int fd, int64_t from, size_t length)');
  const ioctl = c.func('int ioctl(int fd, uint64_t request, void *argument)');
  const sendto = c.func('int64_t sendto(int fd, int64_t from, size_t length, int flags, int64_t to, uint32_t size)');
  const recv = c.func('int64_t recv(int fd, int64_t to, size_t length, int flags)');
  const usleep = c.func('int usleep(uint32_t microseconds)');
  const sendmmsg = c.func('int sendmmsg(int fd, int64_t messages, uint32_t count, int flags)');
  const memcpy = c.func('int64_t memcpy(int64_t to, int64_t from, size_t length)');
  const mmap = c.func('int64_t mmap(int64_t at, size_t size, int prot, int flags, int fd, int64_t offset)');
  const munmap = c.func('int munmap(int64_t at, size_t size)');
  const indexOf = c.func('uint32_t if_nametoindex(const char *name)');
  const nameOf = c.func('int64_t if_indextoname(uint32_t index, void *name)');

  const checked = resultOf(koffi);
  const mapping = (address: number, length: number): Mapping => {
    const memory = koffi.view(BigInt(address), length);
    return {
      address,
      bytes: new Uint8Array(memory),
      view: new DataView(memory),
      u32: new Uint32Array(memory, 0, length >>> 2),
      unmap: () => {
        munmap(address, length);
      },
    };
  };
  const name = new Uint8Array(IF_NAMESIZE);

  return {
    socket: (family, type, protocol) => checked(socket(family, type, protocol)),
    bind: (fd, address) => checked(bind(fd, address, address.length)),
    setOption: (fd, level, option, value) => checked(setsockopt(fd, level, option, value, value.length)),
    getOption: (fd, level, option, value) => {
      const length = new Uint8Array(Uint32Array.of(value.length).buffer);
      const result = checked(getsockopt(fd, level, option, value, length));
      return result < 0 ? result : new DataView(length.buffer).getUint32(0, true);
    },
    open: (path, flags) => checked(openFile(path, flags)),
    close: (fd) => {
      close(fd);
    },
    read: (fd, address, length) => checked(read(fd, address, length)),
    write: (fd, address, length) => checked(write(fd, address, length)),
    ioctl: (fd, request, argument) => checked(ioctl(fd, request, argument)),
    kick: (fd) => checked(sendto(fd, 0, 0, MSG_DONTWAIT, 0, 0)),
    wakeReceive: (fd) => checked(recv(fd, 0, 0, MSG_DONTWAIT)),
    nap: (microseconds) => {
      usleep(microseconds);
    },
    sendMany: (fd, messages, count) => checked(sendmmsg(fd, messages, count, MSG_DONTWAIT)),
    map: (fd, length, offset) => {
      const at = checked(mmap(0, length, PROT_READ_WRITE, MAP_SHARED | MAP_POPULATE, fd, offset));
      return at < 0 ? at : mapping(at, length);
    },
    mapOwn: (length) => {
      const at = checked(mmap(0, length, PROT_READ_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
      return at < 0 ? fail(noNative({}, `no ${length} bytes of memory (errno ${-at})`)) : mapping(at, length);
    },
    indexOf: (device) => Number(indexOf(device)),
    nameOf: (ifindex) =>
      Number(nameOf(ifindex, name)) === 0
        ? undefined
        : Buffer.from(name.subarray(0, name.indexOf(0))).toString('latin1'),
    watch: (fd, ready) => koffi.node.poll(fd, { readable: true }, ready),
    copy: (to, from, length) => {
      memcpy(to, from, length);
    },
    library: (file) => {
      try {
        return koffi.load(file);
      } catch {
        return undefined;
      }
    },
  };
}

let library: LibC | undefined;

/** @throws AnyBpfError live/no-native where this system is no Linux, or koffi is not installed */
export function libc(): LibC {
  library ??= open();
  return library;
}
