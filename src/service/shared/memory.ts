// Memory that a service and a client both see: an anonymous file of the service's (memfd_create(2)), which the client opens through
// /proc. Its size is sealed, so that neither can pull it out from under the other. Needs Linux and koffi (an optional dependency).
//
// A mapping is given back when its connection ends, and any view of it would crash the process then: views stay in this folder, and
// what leaves it is a copy.
import { closeSync, fstatSync, openSync } from 'node:fs';
import process from 'node:process';
import { loadKoffi } from '../../hosts/node/koffi.ts';

/** linux/memfd.h, linux/fcntl.h, asm-generic/mman-common.h. */
const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
const F_ADD_SEALS = 1033;
const SEALS = 0b0111; // SEAL, SHRINK, GROW
const PROT_READ_WRITE = 3;
const MAP_SHARED = 1;

interface Library {
  memfd(name: string, flags: number): number;
  truncate(fd: number, size: number): number;
  seal(fd: number): number;
  map(fd: number, size: number): bigint;
  unmap(address: bigint, size: number): void;
  view(address: bigint, size: number): ArrayBuffer;
}

function open(): Library | undefined {
  if (process.platform !== 'linux') return undefined;
  try {
    const koffi = loadKoffi();
    const libc = koffi.load(null);
    const memfd = libc.func('int memfd_create(str name, unsigned int flags)');
    const truncate = libc.func('int ftruncate(int fd, int64_t size)');
    const fcntl = libc.func('int fcntl(int fd, int command, int64_t argument)');
    const mmap = libc.func('int64_t mmap(int64_t at, size_t size, int prot, int flags, int fd, int64_t offset)');
    const munmap = libc.func('int munmap(int64_t at, size_t size)');
    return {
      memfd: (name, flags) => Number(memfd(name, flags)),
      truncate: (fd, size) => Number(truncate(fd, size)),
      seal: (fd) => Number(fcntl(fd, F_ADD_SEALS, SEALS)),
      map: (fd, size) => BigInt(mmap(0, size, PROT_READ_WRITE, MAP_SHARED, fd, 0)),
      unmap: (address, size) => void munmap(address, size),
      view: (address, size) => koffi.view(address, size),
    };
  } catch {
    // No koffi, or a C library without one of these.
    return undefined;
  }
}

let known: { readonly library: Library | undefined } | undefined;
const library = (): Library | undefined => (known ??= { library: open() }).library;

/** Shared memory, as one side has it. */
export interface Mapping {
  readonly buffer: ArrayBuffer;
  /** Gives the mapping back: nobody may have a view of the buffer any more. */
  close(): void;
}

function mapped(lib: Library, fd: number, size: number): Mapping | undefined {
  const address = lib.map(fd, size);
  if (address < 0n) return undefined;
  return { buffer: lib.view(address, size), close: () => lib.unmap(address, size) };
}

/** Who may open a file of another process, and which file that is. */
export interface SharedFile {
  readonly pid: number;
  readonly fd: number;
  readonly inode: number;
  readonly size: number;
}

export interface CreatedMemory extends Mapping {
  readonly file: SharedFile;
  /** The other side has its own mapping, or wants none: the file need not be found any more. */
  hide(): void;
}

/** Makes shared memory of so many bytes, all zero; undefined where this system has none. */
export function createMemory(size: number): CreatedMemory | undefined {
  const lib = library();
  if (lib === undefined) return undefined;
  const fd = lib.memfd('anybpf', MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return undefined;
  let shown = true;
  const hide = (): void => {
    if (shown) closeSync(fd);
    shown = false;
  };
  const mapping = lib.truncate(fd, size) === 0 && lib.seal(fd) === 0 ? mapped(lib, fd, size) : undefined;
  if (mapping === undefined) {
    hide();
    return undefined;
  }
  // Its pages are there from now on: a machine without memory says so here.
  new Uint8Array(mapping.buffer).fill(0);
  const close = (): void => {
    hide();
    mapping.close();
  };
  return { buffer: mapping.buffer, file: { pid: process.pid, fd, inode: fstatSync(fd).ino, size }, hide, close };
}

/** Maps the memory of another process; undefined where this one may not, or does not see that process by the same number. */
export function openMemory({ pid, fd, inode, size }: SharedFile): Mapping | undefined {
  const lib = library();
  if (lib === undefined) return undefined;
  let own: number;
  try {
    own = openSync(`/proc/${pid}/fd/${fd}`, 'r+');
  } catch {
    return undefined;
  }
  try {
    const found = fstatSync(own);
    return found.ino === inode && found.size === size ? mapped(lib, own, size) : undefined;
  } finally {
    closeSync(own);
  }
}

/** Whether this process can share memory at all. Loads koffi where it is there. */
export const canShare = (): boolean => library() !== undefined;
