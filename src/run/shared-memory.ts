// A linear memory that several threads use at once: each has an instance of this class over the same bytes.
import { fail } from '../base/diagnostic.ts';
import { noSharedMemory, outOfCpus, outOfMemory } from '../base/messages/run.ts';
import type { Address } from '../spec/memory.ts';
import { alignUpBig, GAP, LinearMemory, PAGE } from './memory.ts';

/** Most bytes of a shared memory for which no limit is given. */
export const DEFAULT_SHARED_LIMIT = 2 ** 30;
/** Blocks of different threads are never in one line of a cache (two lines are often fetched together). */
const LINE = 128;
/** Bytes before each block, which hold its size: a block may be given back by another thread than the one that took it. */
const HEADER = LINE;
/** What a thread takes at a time, to hand out in small pieces. */
const ARENA = 2 ** 18;

/** What threads pass on to each other: a structured clone of it is the same memory. */
export interface MemoryHandle {
  readonly memory: WebAssembly.Memory;
  /** Words that programs cannot reach: the allocator's, then one for each CPU. */
  readonly control: SharedArrayBuffer;
  readonly limit: number;
}

/** Words of the control buffer: end of what was ever handed out, in LINEs; then, for each CPU, 1 where a thread runs as it. */
const CONTROL = { TOP: 0, CPUS: 1 } as const;

/**
 * All of it is committed from the start, as far as the system does that: growth would leave the views of other threads short. A
 * page that nobody touches still costs nothing but address space.
 */
export class SharedMemory extends LinearMemory {
  readonly #control: Int32Array;
  readonly #buffer: SharedArrayBuffer;
  /** What is left of this thread's arena. */
  #at = 0;
  #end = 0;
  /** Blocks that this thread was given back, by their size. */
  #free = new Map<number, Address[]>();
  #cpu: number | undefined;

  constructor({ memory, control, limit }: MemoryHandle) {
    super(limit, memory);
    this.#buffer = control;
    this.#control = new Int32Array(control);
  }

  /**
   * @throws AnyBpfError run/no-shared-memory where the host has no SharedArrayBuffer, or not so much memory
   */
  static create(cpus: number, limit: number = DEFAULT_SHARED_LIMIT): SharedMemory {
    const whole = Math.floor(limit / PAGE) * PAGE;
    const pages = Math.max(2, whole / PAGE);
    if (typeof SharedArrayBuffer === 'undefined') {
      fail(noSharedMemory({}, 'there is no SharedArrayBuffer (a page must be cross-origin isolated)'));
    }
    let memory: WebAssembly.Memory;
    try {
      memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    } catch (error) {
      return fail(noSharedMemory({}, `${pages * PAGE} bytes: ${(error as Error).message}`));
    }
    const control = new SharedArrayBuffer(4 * (CONTROL.CPUS + cpus));
    new Int32Array(control)[CONTROL.TOP] = PAGE / LINE;
    return new SharedMemory({ memory, control, limit: whole });
  }

  override get shared(): boolean {
    return true;
  }

  get handle(): MemoryHandle {
    return { memory: this.wasm, control: this.#buffer, limit: this.limit };
  }

  override alloc(size: number): Address {
    const block = size >= 0 ? alignUpBig(HEADER + size + GAP, LINE) : Number.POSITIVE_INFINITY;
    const reused = this.#free.get(block)?.pop();
    if (reused !== undefined) this.u8.fill(0, reused, reused + size);
    const address = reused ?? this.#take(block, size) + HEADER;
    this.u32[(address - HEADER) >>> 2] = block;
    this.used += block;
    return address;
  }

  override free(address: Address): void {
    const block = this.u32[(address - HEADER) >>> 2];
    if (block === 0) throw new Error(`free of 0x${address.toString(16)}, which is not allocated`);
    this.u32[(address - HEADER) >>> 2] = 0;
    this.used -= block;
    const list = this.#free.get(block);
    if (list === undefined) this.#free.set(block, [address]);
    else list.push(address);
  }

  override sizeOf(block: Address): number {
    return this.u32[(block - HEADER) >>> 2];
  }

  /** Bytes that were never handed out, from this thread's arena or, where they are many or little is left, for themselves. */
  #take(block: number, size: number): Address {
    if (block > this.#end - this.#at) {
      const arena = block > ARENA / 4 ? undefined : this.#claim(ARENA);
      if (arena === undefined) {
        return this.#claim(block) ?? fail(outOfMemory({}, size, this.#top * LINE, this.limit));
      }
      this.#at = arena;
      this.#end = arena + ARENA;
    }
    const address = this.#at;
    this.#at += block;
    return address;
  }

  get #top(): number {
    return Atomics.load(this.#control, CONTROL.TOP);
  }

  /** So many bytes for this thread alone; undefined where they are not left. */
  #claim(bytes: number): Address | undefined {
    for (;;) {
      const top = this.#top;
      if (top * LINE + bytes > this.limit) return undefined;
      if (Atomics.compareExchange(this.#control, CONTROL.TOP, top, top + bytes / LINE) === top) return top * LINE;
    }
  }

  /**
   * The CPU that this thread runs programs as: the first that is free, taken with the first call, and no other thread's until
   * this one lets it go.
   *
   * @throws AnyBpfError run/cpus where other threads have all of them
   */
  get cpu(): number {
    if (this.#cpu !== undefined) return this.#cpu;
    const cpus = this.#control.length - CONTROL.CPUS;
    for (let cpu = 0; cpu < cpus; cpu++) {
      if (Atomics.compareExchange(this.#control, CONTROL.CPUS + cpu, 0, 1) !== 0) continue;
      this.#cpu = cpu;
      return cpu;
    }
    return fail(outOfCpus({}, cpus));
  }

  releaseCpu(): void {
    if (this.#cpu !== undefined) Atomics.store(this.#control, CONTROL.CPUS + this.#cpu, 0);
    this.#cpu = undefined;
  }
}
