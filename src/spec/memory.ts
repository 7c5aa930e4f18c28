// The run's one linear memory, as maps, helpers and back ends see it (implementation: run/memory.ts).

/** Byte offset in the linear memory; fits 32 bits. 0 is NULL and never valid. */
export type Address = number;

/** What a program may find at an address. Only `writable` regions may be stored to. */
export type RegionKind =
  | 'stack'
  | 'context'
  | 'packet'
  | 'metadata'
  | 'map-value'
  | 'ring-record'
  | 'socket'
  | 'kernel'
  | 'scratch';

/**
 * A range that programs may access. With `stride`, it is a row of slots (map elements): an access must lie wholly in the
 * first `slot` bytes of one stride, so that running off an element is caught even though its neighbour is mapped.
 */
export interface Region {
  readonly base: Address;
  /** Bytes from `base`, a multiple of `stride` where there is one. */
  readonly size: number;
  readonly kind: RegionKind;
  /** For messages: the map's or context's name. */
  readonly name: string;
  readonly writable: boolean;
  readonly stride?: number;
  readonly slot?: number;
  /**
   * The range is made up of smaller ones that come and go (records of a ring buffer): the one that has the address, if any.
   * Whoever takes one away calls Memory.regionsChanged.
   */
  readonly find?: (address: Address) => Region | undefined;
}

export interface Memory {
  /** Views over all of memory. Allocation may grow memory and replace them: never keep one across an allocation. */
  readonly u8: Uint8Array;
  readonly u32: Uint32Array;
  readonly view: DataView;
  /** Bytes handed out and not freed; of a shared memory: by this thread. */
  readonly used: number;
  /** Other threads read and write it too. */
  readonly shared: boolean;

  /**
   * Zeroed bytes, 8-aligned, followed by a gap that belongs to nobody. Large ranges cost only the pages that are touched.
   * @throws AnyBpfError run/out-of-memory beyond the memory's limit
   */
  alloc(size: number): Address;
  free(address: Address): void;
  /** Bytes that a block takes, with all that goes with it. */
  sizeOf(block: Address): number;

  /** Changes whenever a region is added, removed or moved: what was learned about an address holds as long as this stays. */
  readonly generation: number;
  /** Makes a range accessible to programs; ranges never overlap. */
  addRegion(region: Region): Region;
  removeRegion(region: Region): void;
  /** Changes where a region is, within a block that holds no other: its place in the table stays. */
  moveRegion(region: Region, base: Address, size: number): void;
  /**
   * Asks `source` to add the regions that other threads have made meanwhile, when an address is in none; gives what undoes this.
   */
  addSource(source: () => void): () => void;
  /** A region that `find` of another gave is gone. */
  regionsChanged(): void;
  /** The region that holds this address, if any. */
  regionAt(address: Address): Region | undefined;
  /** True where [address, address + size) lies wholly in one accessible slot (and may be written, where asked). */
  accessible(address: Address, size: number, write: boolean): boolean;
}
