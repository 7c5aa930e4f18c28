// A map of the kernel behind a descriptor, for calls that wait for nothing: its attr, a key and a value lie in memory of its own, so that
// a lookup is one call and makes no objects. The asynchronous methods (map-methods.ts) stand on it.
//
//   const map = session.map(fd);
//   map.keyView.setUint32(0, 7, true);
//   if (map.lookup() === 0) map.valueView.getBigUint64(0, true);
import { MAP_FLAGS, type MapTypeName } from '../../spec/map-types.ts';
import { CMD } from './bpf.ts';
import { native } from './native.ts';

/** What of struct bpf_map_info the calls need. */
export interface MapShape {
  readonly type: MapTypeName;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags: number;
  /** Bytes of a value in calls: for per-CPU maps those of all CPUs, each rounded up to 8. */
  readonly userValueSize: number;
}

/** Offsets in union bpf_attr of the element commands. */
const ATTR = { fd: 0, key: 8, value: 16, flags: 24, size: 32 } as const;

export class KernelMap implements MapShape {
  readonly fd: number;
  readonly type: MapTypeName;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags: number;
  readonly userValueSize: number;
  /** The key of the next call. Empty for queues, stacks and bloom filters. */
  readonly key: Uint8Array;
  readonly keyView: DataView;
  /** The value of the next update, and of the last lookup: the next call writes over it. */
  readonly value: Uint8Array;
  readonly valueView: DataView;
  /** The key after `key`, by nextKey. */
  readonly next: Uint8Array;
  readonly #attr: DataView;
  readonly #attrAddress: number;
  readonly #keyAddress: number;
  readonly #valueAddress: number;
  readonly #nextAddress: number;
  readonly #bpf: (command: number, attr: number, size: number) => number;
  #mapped: Uint8Array | undefined;

  constructor(fd: number, shape: MapShape) {
    this.fd = fd;
    ({
      type: this.type,
      keySize: this.keySize,
      valueSize: this.valueSize,
      maxEntries: this.maxEntries,
      flags: this.flags,
      userValueSize: this.userValueSize,
    } = shape);
    const lib = native();
    const attr = lib.own(ATTR.size);
    const key = lib.own(this.keySize);
    const value = lib.own(this.userValueSize);
    const next = lib.own(this.keySize);
    this.#attr = attr.view;
    this.#attrAddress = attr.address;
    this.key = key.bytes;
    this.keyView = key.view;
    this.value = value.bytes;
    this.valueView = value.view;
    this.next = next.bytes;
    // No key: a NULL pointer, which is another thing than a pointer to nothing.
    this.#keyAddress = this.keySize === 0 ? 0 : key.address;
    this.#valueAddress = value.address;
    this.#nextAddress = next.address;
    this.#bpf = lib.bpf;
    attr.view.setUint32(ATTR.fd, fd, true);
    attr.view.setBigUint64(ATTR.key, BigInt(this.#keyAddress), true);
    attr.view.setBigUint64(ATTR.value, BigInt(value.address), true);
  }

  #flags = 0;

  #call(command: number, flags: number): number {
    if (flags !== this.#flags) {
      this.#attr.setBigUint64(ATTR.flags, BigInt(flags), true);
      this.#flags = flags;
    }
    return this.#bpf(command, this.#attrAddress, ATTR.size);
  }

  /** Reads `value` at `key`. 0 or the negated errno. */
  lookup(flags = 0): number {
    return this.#call(CMD.MAP_LOOKUP_ELEM, flags);
  }

  /** Sets `value` at `key`. 0 or the negated errno. */
  update(flags = 0): number {
    return this.#call(CMD.MAP_UPDATE_ELEM, flags);
  }

  delete(): number {
    // A value must not be there; without it the attr ends with the key.
    return this.#bpf(CMD.MAP_DELETE_ELEM, this.#attrAddress, ATTR.value);
  }

  /** Reads `value` and takes it out. 0 or the negated errno. */
  lookupAndDelete(flags = 0): number {
    return this.#call(CMD.MAP_LOOKUP_AND_DELETE_ELEM, flags);
  }

  /** The key after `key` into `next`; the first where `first`. 0, or -ENOENT after the last. */
  nextKey(first = false): number {
    this.#attr.setBigUint64(ATTR.value, BigInt(this.#nextAddress), true);
    if (first) this.#attr.setBigUint64(ATTR.key, 0n, true);
    const status = this.#call(CMD.MAP_GET_NEXT_KEY, 0);
    if (first) this.#attr.setBigUint64(ATTR.key, BigInt(this.#keyAddress), true);
    this.#attr.setBigUint64(ATTR.value, BigInt(this.#valueAddress), true);
    return status;
  }

  /**
   * The values of an array with BPF_F_MMAPABLE, shared with the kernel: reads and writes are at once those of programs; use Atomics where
   * both write. Element i is at i times the value size rounded up to 8. The negated errno where there is no such view.
   */
  mmap(): Uint8Array | number {
    if (this.#mapped !== undefined) return this.#mapped;
    const size = this.maxEntries * ((this.valueSize + 7) & ~7);
    const writable = (this.flags & MAP_FLAGS.RDONLY_PROG) === 0;
    const buffer = native().map(this.fd, size, 0, writable);
    if (typeof buffer === 'number') return buffer;
    this.#mapped = new Uint8Array(buffer);
    return this.#mapped;
  }
}
