// The maps of the running kernel through bpf(2), for tests that ask it what it does. Test-only: needs koffi, Linux, x64 and
// the rights to create maps; `openKernelMaps` says why where it cannot.
import type koffiModule from 'koffi';
import type { MapSpec } from '../../src/spec/object.ts';
import { MAP_TYPES } from '../../src/spec/map-types.ts';

const SYS_BPF = 321;
const CMD = {
  create: 0,
  lookup: 1,
  update: 2,
  delete: 3,
  nextKey: 4,
  lookupAndDelete: 21,
  freeze: 22,
  lookupBatch: 24,
  lookupAndDeleteBatch: 25,
  updateBatch: 26,
  deleteBatch: 27,
} as const;

const ATTR_SIZE = 128;

export interface BatchResult {
  readonly status: number;
  readonly count: number;
  readonly keys: Uint8Array;
  readonly values: Uint8Array;
  readonly token: Uint8Array;
}

export interface KernelMaps {
  readonly cpus: number;
  /** A file descriptor, or -errno. */
  create(spec: MapSpec, innerFd?: number): number;
  lookup(
    fd: number,
    key: Uint8Array | undefined,
    valueSize: number,
    flags?: number,
    input?: Uint8Array,
  ): Uint8Array | number;
  update(fd: number, key: Uint8Array | undefined, value: Uint8Array, flags?: number): number;
  delete(fd: number, key: Uint8Array | undefined): number;
  lookupAndDelete(fd: number, key: Uint8Array | undefined, valueSize: number, flags?: number): Uint8Array | number;
  nextKey(fd: number, key: Uint8Array | undefined, keySize: number): Uint8Array | number;
  freeze(fd: number): number;
  batch(
    command: 'lookupBatch' | 'lookupAndDeleteBatch' | 'updateBatch' | 'deleteBatch',
    fd: number,
    args: {
      token?: Uint8Array;
      count: number;
      keySize: number;
      valueSize: number;
      keys?: Uint8Array;
      values?: Uint8Array;
      elemFlags?: number;
      flags?: number;
    },
  ): BatchResult;
  close(fd: number): void;
  /** The id of a map or, for map-in-map values, what the kernel shows. */
  mapId(fd: number): number;
}

const status = (result: Uint8Array | number): number => (typeof result === 'number' ? result : 0);

/** The binding, or the reason why there is none. */
export async function openKernelMaps(): Promise<KernelMaps | string> {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    return `${process.platform}/${process.arch} is not linux/x64`;
  let koffi: typeof koffiModule;
  try {
    koffi = (await import('koffi')).default;
  } catch {
    return 'koffi is not installed';
  }
  const libc = koffi.load('libc.so.6');
  const syscall = libc.func('long syscall(long number, long command, _Inout_ uint8_t *attr, unsigned long size)');
  const malloc = libc.func('uint64_t malloc(size_t size)');
  const free = libc.func('void free(uint64_t address)');
  const poke = libc.func('memcpy', 'uint64_t', ['uint64_t', koffi.pointer('uint8_t'), 'size_t']);
  const peek = libc.func('memcpy', 'uint64_t', [koffi.out(koffi.pointer('uint8_t')), 'uint64_t', 'size_t']);
  const closeFd = libc.func('int close(int fd)');

  /** Bytes outside the JavaScript heap for the length of one call. */
  class Native {
    readonly blocks: bigint[] = [];
    put(bytes: Uint8Array | undefined, atLeast = 0): bigint {
      if (bytes === undefined && atLeast === 0) return 0n;
      const size = Math.max(bytes?.length ?? 0, atLeast, 8);
      const address = BigInt(malloc(size));
      this.blocks.push(address);
      const filled = new Uint8Array(size);
      if (bytes !== undefined) filled.set(bytes);
      poke(address, filled, size);
      return address;
    }
    get(address: bigint, size: number): Uint8Array {
      const out = new Uint8Array(size);
      if (size > 0) peek(out, address, size);
      return out;
    }
    done(): void {
      for (const block of this.blocks) free(block);
    }
  }

  const call = (
    command: number,
    write: (view: DataView, native: Native) => void,
  ): { status: number; attr: DataView } => {
    const bytes = new Uint8Array(ATTR_SIZE);
    const attr = new DataView(bytes.buffer);
    const native = new Native();
    try {
      write(attr, native);
      const result = Number(syscall(SYS_BPF, command, bytes, ATTR_SIZE));
      return { status: result < 0 ? -koffi.errno() : result, attr };
    } finally {
      native.done();
    }
  };

  const element = (
    command: number,
    fd: number,
    key: Uint8Array | undefined,
    value: Uint8Array | undefined,
    size: number,
    flags: number,
  ): Uint8Array | number => {
    let out: Uint8Array = new Uint8Array(0);
    const bytes = new Uint8Array(ATTR_SIZE);
    const attr = new DataView(bytes.buffer);
    const native = new Native();
    attr.setUint32(0, fd, true);
    attr.setBigUint64(8, native.put(key?.length === 0 ? undefined : key), true);
    const place = native.put(value, size);
    attr.setBigUint64(16, place, true);
    attr.setBigUint64(24, BigInt(flags), true);
    const result = Number(syscall(SYS_BPF, command, bytes, 32));
    const status = result < 0 ? -koffi.errno() : result;
    if (status === 0) out = native.get(place, size);
    native.done();
    return status === 0 ? out : status;
  };

  const maps: KernelMaps = {
    cpus: (await import('node:os')).cpus().length,
    create: (spec, innerFd) =>
      call(CMD.create, (a) => {
        a.setUint32(0, MAP_TYPES[spec.type].linux, true);
        a.setUint32(4, spec.keySize, true);
        a.setUint32(8, spec.valueSize, true);
        a.setUint32(12, spec.maxEntries, true);
        a.setUint32(16, spec.flags, true);
        a.setUint32(20, innerFd ?? 0, true);
        a.setUint32(24, spec.numaNode ?? 0, true);
        a.setBigUint64(64, BigInt(spec.extra ?? 0), true);
      }).status,
    lookup: (fd, key, size, flags = 0, input) => element(CMD.lookup, fd, key, input, size, flags),
    update: (fd, key, value, flags = 0) => status(element(CMD.update, fd, key, value, value.length, flags)),
    delete: (fd, key) => status(element(CMD.delete, fd, key, undefined, 0, 0)),
    lookupAndDelete: (fd, key, size, flags = 0) => element(CMD.lookupAndDelete, fd, key, undefined, size, flags),
    nextKey: (fd, key, size) => element(CMD.nextKey, fd, key, undefined, size, 0),
    freeze: (fd) => call(CMD.freeze, (a) => a.setUint32(0, fd, true)).status,
    batch(command, fd, args) {
      const native = new Native();
      const bytes = new Uint8Array(ATTR_SIZE);
      const attr = new DataView(bytes.buffer);
      const tokenSize = Math.max(args.keySize, 8);
      const tokenOut = native.put(undefined, tokenSize);
      const keys = native.put(args.keys, args.count * args.keySize);
      const values = native.put(args.values, args.count * args.valueSize);
      attr.setBigUint64(0, native.put(args.token), true);
      attr.setBigUint64(8, tokenOut, true);
      attr.setBigUint64(16, keys, true);
      attr.setBigUint64(24, values, true);
      attr.setUint32(32, args.count, true);
      attr.setUint32(36, fd, true);
      attr.setBigUint64(40, BigInt(args.elemFlags ?? 0), true);
      attr.setBigUint64(48, BigInt(args.flags ?? 0), true);
      const result = Number(syscall(SYS_BPF, CMD[command], bytes, 56));
      const code = result < 0 ? -koffi.errno() : result;
      const count = attr.getUint32(32, true);
      const got = Math.min(count, args.count);
      const out = {
        status: code,
        count,
        keys: native.get(keys, got * args.keySize),
        values: native.get(values, got * args.valueSize),
        token: native.get(tokenOut, tokenSize),
      };
      native.done();
      return out;
    },
    close: (fd) => void closeFd(fd),
    mapId(fd) {
      const native = new Native();
      const info = native.put(undefined, 96);
      const bytes = new Uint8Array(ATTR_SIZE);
      const attr = new DataView(bytes.buffer);
      attr.setUint32(0, fd, true);
      attr.setUint32(4, 96, true);
      attr.setBigUint64(8, info, true);
      syscall(SYS_BPF, 15, bytes, 16);
      const id = new DataView(native.get(info, 8).buffer).getUint32(4, true);
      native.done();
      return id;
    },
  };
  const probe = maps.create({
    name: '',
    type: 'array',
    keySize: 4,
    valueSize: 4,
    maxEntries: 1,
    flags: 0,
    pinning: 0,
    kind: 'map',
    slots: [],
    frozen: false,
    tags: [],
  });
  if (probe < 0) return `bpf(2) refuses to create a map: errno ${-probe}`;
  maps.close(probe);
  return maps;
}
