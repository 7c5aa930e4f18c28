// Run-time maps as helpers, back ends and applications see them (implementations: maps/, one file a type).
import type { MapTypeName } from './map-types.ts';
import type { Address, Memory } from './memory.ts';
import type { MapSpec } from './object.ts';

/** 0 or a count on success, a negated errno (spec/errno.ts) on failure: the kernel's convention. */
export type Status = number;

/** What a map needs from where it lives. */
export interface MapContext {
  readonly memory: Memory;
  /** Number of possible CPUs. */
  readonly cpus: number;
  /** The map is there already, made by another thread: where its descriptor is. */
  readonly existing?: Address;
  /** The CPU that the current run is on. */
  currentCpu(): number;
  random32(): number;
  /** Map-in-map and prog_array hold ids; these resolve them. Undefined where no such object exists. */
  mapById(id: number): BpfMap | undefined;
  programById(id: number): { readonly id: number; readonly address: Address } | undefined;
  /** prog_array: 0 where the program may stand in this map, else -errno (bpf_prog_map_compatible). */
  admitProgram?(map: BpfMap, id: number): Status;
  nextMapId(): number;
  /** The socket that an application's handle means (sockmap, sockhash, xskmap, reuseport_sockarray), where the host has sockets. */
  socketByHandle?(handle: number): SocketEntry | undefined;
}

/** A host's socket as maps hold it: where programs find its `struct bpf_sock` and its cookie. */
export interface SocketEntry {
  readonly address: Address;
  readonly cookie: bigint;
}

/**
 * A map. Two sides, as in the kernel:
 * - the *program side* takes and gives addresses in linear memory (what helpers call);
 * - the *application side* takes and gives bytes (what bpf(2) does): per-CPU values are all CPUs' values, each rounded up to
 *   8 bytes; map-in-map values are u32 map ids; prog_array values are u32 program ids.
 * Failures are negated errno values equal to Linux's.
 */
export interface BpfMap {
  readonly id: number;
  readonly spec: MapSpec;
  readonly type: MapTypeName;
  /** Address of this map's descriptor: what a program holds as `struct bpf_map *`. Not accessible to programs. */
  readonly handle: Address;
  readonly frozen: boolean;

  // Program side.
  /** bpf_map_lookup_elem: address of the value (for the current CPU), of an inner map's handle, or 0. */
  lookupElem(key: Address): Address;
  updateElem(key: Address, value: Address, flags: bigint): Status;
  deleteElem(key: Address): Status;
  /** bpf_map_lookup_percpu_elem. */
  lookupPerCpuElem?(key: Address, cpu: number): Address;
  pushElem?(value: Address, flags: bigint): Status;
  popElem?(value: Address): Status;
  peekElem?(value: Address): Status;
  /** bpf_for_each_map_elem: calls back with key and value addresses until it returns other than 0; gives the count, or -errno. */
  forEachElem?(callback: (key: Address, value: Address) => number): Status;
  /** Address of byte `offset` in the value of a data-section map or of array element 0 (BPF_PSEUDO_MAP_VALUE). */
  directValue?(offset: number): Address | undefined;
  /**
   * The data of a map that applications may mmap (array with BPF_F_MMAPABLE: elements 8-aligned in a row; ring buffers: the
   * ring). Shares memory with programs. Take it anew after anything that may allocate: growth detaches it.
   */
  view?(): Uint8Array | undefined;

  /**
   * Takes the memory now that the map can come to need, as far as there is any, so that no update needs more later: for code that
   * updates it where nobody can grow it.
   */
  preallocate?(): void;

  // Application side. Keys are of keySize bytes, empty where the type has no keys; bloom_filter's lookup takes the value.
  lookup(key: Uint8Array, flags?: number): Uint8Array | Status;
  update(key: Uint8Array, value: Uint8Array, flags?: number): Status;
  delete(key: Uint8Array): Status;
  lookupAndDelete(key: Uint8Array, flags?: number): Uint8Array | Status;
  /** The key after `key`, the first for undefined or an unknown key; -ENOENT after the last. */
  nextKey(key: Uint8Array | undefined): Uint8Array | Status;
  freeze(): Status;
  /** Bytes of one value on the application side (per-CPU: all CPUs). */
  readonly userValueSize: number;
  /** Bytes of linear memory that it takes now. */
  readonly bytes: number;
  /** Gives back the map's memory; the map must not be used after. */
  destroy(): void;
}

/** Ring buffer producer side (helpers) and consumer side (applications). */
export interface RingBufferMap extends BpfMap {
  /** bpf_ringbuf_reserve: address of the record's data, or 0 where the ring is full. */
  reserve(size: number, flags: bigint): Address;
  /** bpf_ringbuf_submit. */
  submit(sample: Address, flags: bigint): void;
  /** bpf_ringbuf_discard. */
  discard(sample: Address, flags: bigint): void;
  output(data: Address, size: number, flags: bigint): Status;
  query(flags: bigint): bigint;
  /** Called after a record is there to consume, as epoll would wake (BPF_RB_NO_WAKEUP and BPF_RB_FORCE_WAKEUP heeded). */
  onData: (() => void) | undefined;
  /** Hands each complete record to the callback, in order; returns how many. */
  consume(callback: (record: Uint8Array) => void): number;
  /** Up to `most` complete records at once, oldest first, taken out. Many are views of one copy. */
  takeAll(most: number): Uint8Array[];
}

/** Programs' side of a user ring buffer, and the application's. */
export interface UserRingBufferMap extends BpfMap {
  /** Adds a record; -ENOSPC where it does not fit now, -E2BIG where it never will. */
  produce(record: Uint8Array): Status;
  /** bpf_user_ringbuf_drain: calls back with each record's address and size until it returns other than 0; gives the count. */
  drain(callback: (sample: Address, size: number) => number): Status;
}

/** Maps whose elements stand for objects of the host: programs, maps, devices, CPUs, sockets, cgroups. */
export interface HandleMap extends BpfMap {
  /** What the element holds on the application side (program id, map id, ifindex, queue size, handle); 0 where it is empty. */
  handleAt(key: Address): number;
  /** Second word of devmap and cpumap values: id of the program to run on the way, 0 for none. */
  programAt?(key: Address): number;
}

/** sockmap and sockhash as programs fill them. */
export interface SocketMap extends HandleMap {
  /** bpf_sock_map_update and bpf_sock_hash_update: puts the socket with this handle under a key. */
  setSocket(key: Address, handle: number, flags: bigint): Status;
}

/** Storage that belongs to sockets, inodes, tasks or cgroups: the host names the owner by a number of its choice. */
export interface StorageMap extends BpfMap {
  /**
   * bpf_sk_storage_get and its like: address of the owner's value, made where `create`, copied from `initial` where that is
   * not 0, else zeroed; 0 where there is none or no memory.
   */
  storageOf(owner: bigint, create: boolean, initial?: Address): Address;
  /** bpf_sk_storage_delete and its like; also for the host, when the owner goes. */
  removeStorage(owner: bigint): Status;
}

/** Stack traces by their hash. */
export interface StackTraceMap extends BpfMap {
  /**
   * bpf_get_stackid: stores a trace (u64 addresses or, with BPF_F_STACK_BUILD_ID, 32-byte entries) and gives its id, or -errno.
   * `flags` are the helper's BPF_F_FAST_STACK_CMP (1 << 9) and BPF_F_REUSE_STACKID (1 << 10).
   */
  storeTrace(trace: Uint8Array, flags: number): Status;
}

/** Perf event array: one bounded queue a CPU. */
export interface PerfEventArrayMap extends BpfMap {
  /** Opens a queue of so many bytes at every CPU's index (perf_buffer__new). Output to an index without one fails with -ENOENT. */
  open(bytes?: number): void;
  /** bpf_perf_event_output after the flags were decoded: `cpu` indexes the array. */
  outputTo(cpu: number, record: Uint8Array): Status;
  consume(callback: (cpu: number, record: Uint8Array) => void, lost?: (cpu: number, count: number) => void): number;
}

/** A map type: checks the attributes as BPF_MAP_CREATE does, then makes the map. One row a type in maps/index.ts. */
export interface MapTypeRow {
  readonly type: MapTypeName;
  /** -errno where Linux refuses these attributes, else 0. */
  check(spec: MapSpec): Status;
  create(spec: MapSpec, context: MapContext): BpfMap;
  /** Such maps work in a memory that threads share: all that changes in them is in the memory, and changed under their lock. */
  readonly shared?: true;
  /** Why no map of this type can be made, for types that are only named. */
  readonly unsupported?: string;
  /** bpf(2)-level doc line for SUPPORT.md: what works and what does not. */
  readonly doc: string;
}
