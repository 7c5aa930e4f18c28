import { fail } from '../base/diagnostic.ts';
import { alignUp } from '../base/bytes.ts';
import { outOfMemory } from '../base/messages/run.ts';
import type { Address, Memory, Region } from '../spec/memory.ts';
import { FreeBlocks } from './free-blocks.ts';

export const PAGE = 65_536;
/** Unowned bytes after every block, so that an overflow of one block never lands in the next. */
export const GAP = 16;
export const LARGEST_LIMIT = 2 ** 32 - PAGE;
/** From so many freed bytes on, if they are more than those in use, larger blocks are split before memory grows. */
const IDLE = 64 << 20;

/**
 * The run's one linear memory: a WebAssembly memory, an allocator over it and the table of regions that programs may access.
 * The first page is never handed out, so that NULL and small offsets from it are never valid. The system backs only pages
 * that were touched: a 134 MB array of which ten elements are used costs ten pages.
 */
export class LinearMemory implements Memory {
  readonly wasm: WebAssembly.Memory;
  readonly limit: number;
  u8: Uint8Array;
  u32: Uint32Array;
  view: DataView;
  used = 0;
  generation = 0;
  /** End of the part that was ever handed out; all above it is still zero. */
  #top = PAGE;
  /** Size of each live block by address (gap included). */
  #blocks = new Map<Address, number>();
  readonly #free = new FreeBlocks();
  /** Sorted by base. */
  #regions: Region[] = [];
  #last: Region | undefined;
  readonly #sources = new Set<() => void>();

  /**
   * @param limit most bytes that this memory may grow to, at most 2^32 - 65,536
   * @param wasm the memory, where it is there already
   */
  constructor(limit: number = LARGEST_LIMIT, wasm?: WebAssembly.Memory) {
    this.limit = Math.min(limit, LARGEST_LIMIT);
    this.wasm = wasm ?? new WebAssembly.Memory({ initial: 2, maximum: Math.max(2, Math.ceil(this.limit / PAGE)) });
    this.u8 = new Uint8Array(this.wasm.buffer);
    this.u32 = new Uint32Array(this.wasm.buffer);
    this.view = new DataView(this.wasm.buffer);
  }

  /** Shared ones are run/shared-memory.ts's. */
  get shared(): boolean {
    return false;
  }

  /** First address above all that was handed out. */
  get top(): Address {
    return this.#top;
  }

  /** Sorted by base. */
  get regions(): readonly Region[] {
    return this.#regions;
  }

  alloc(size: number): Address {
    const block = alignUpBig(size + GAP, 8);
    const reused = this.#free.exactly(block) ?? this.#outOfLarger(block);
    if (reused !== undefined) {
      this.u8.fill(0, reused, reused + size);
      this.#blocks.set(reused, block);
      this.used += block;
      return reused;
    }
    const address = this.#top;
    const end = address + block;
    if (!(size >= 0) || end > this.limit) fail(outOfMemory({}, size, this.used, this.limit));
    this.#growTo(end, size);
    this.#top = end;
    this.#blocks.set(address, block);
    this.used += block;
    return address;
  }

  free(address: Address): void {
    const block = this.#blocks.get(address);
    if (block === undefined) throw new Error(`free of 0x${address.toString(16)}, which is not allocated`);
    this.#blocks.delete(address);
    this.used -= block;
    this.#free.add(address, block);
  }

  #outOfLarger(block: number): Address | undefined {
    const idle = this.#top - PAGE - this.used;
    const short = this.#top + block > this.limit;
    if (!(idle >= block) || !(short || (idle >= IDLE && idle >= this.used))) return undefined;
    return this.#free.outOfLarger(block);
  }

  sizeOf(block: Address): number {
    return this.#blocks.get(block) ?? 0;
  }

  addRegion(region: Region): Region {
    const at = this.#firstAfter(region.base);
    const before = this.#regions[at - 1];
    const after = this.#regions[at];
    if (
      (before !== undefined && before.base + before.size > region.base) ||
      (after !== undefined && region.base + region.size > after.base)
    ) {
      throw new Error(`region ${region.name} overlaps another`);
    }
    this.#regions.splice(at, 0, region);
    this.generation++;
    return region;
  }

  removeRegion(region: Region): void {
    const at = this.#firstAfter(region.base) - 1;
    if (this.#regions[at] !== region) throw new Error(`region ${region.name} is not in the table`);
    this.#regions.splice(at, 1);
    this.#last = undefined;
    this.generation++;
  }

  moveRegion(region: Region, base: Address, size: number): void {
    if (region.base === base && region.size === size) return;
    const moved: { -readonly [K in keyof Region]: Region[K] } = region;
    moved.base = base;
    moved.size = size;
    this.generation++;
  }

  regionsChanged(): void {
    this.generation++;
  }

  regionAt(address: Address): Region | undefined {
    const last = this.#last;
    if (last !== undefined && address >= last.base && address < last.base + last.size) return last;
    let region = this.#find(address);
    if (region === undefined && this.#sources.size > 0) {
      for (const source of this.#sources) source();
      region = this.#find(address);
    }
    if (region?.find !== undefined) return region.find(address);
    if (region !== undefined) this.#last = region;
    return region;
  }

  #find(address: Address): Region | undefined {
    const region = this.#regions[this.#firstAfter(address) - 1];
    return region === undefined || address >= region.base + region.size ? undefined : region;
  }

  addSource(source: () => void): () => void {
    this.#sources.add(source);
    return () => this.#sources.delete(source);
  }

  accessible(address: Address, size: number, write: boolean): boolean {
    const region = this.regionAt(address);
    if (region === undefined || (write && !region.writable)) return false;
    const offset = address - region.base;
    if (region.stride === undefined) return offset + size <= region.size;
    return (offset % region.stride) + size <= (region.slot ?? region.stride);
  }

  /** Index of the first region whose base is above the address. */
  #firstAfter(address: Address): number {
    let low = 0;
    let high = this.#regions.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#regions[middle].base > address) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  #growTo(end: number, size: number): void {
    const missing = end - this.wasm.buffer.byteLength;
    if (missing <= 0) return;
    try {
      this.wasm.grow(Math.ceil(missing / PAGE));
    } catch {
      fail(outOfMemory({}, size, this.used, this.limit));
    }
    this.u8 = new Uint8Array(this.wasm.buffer);
    this.u32 = new Uint32Array(this.wasm.buffer);
    this.view = new DataView(this.wasm.buffer);
  }
}

/** As alignUp, for sizes beyond 2^31. */
export const alignUpBig = (value: number, alignment: number): number =>
  value < 2 ** 30 ? alignUp(value, alignment) : Math.ceil(value / alignment) * alignment;
